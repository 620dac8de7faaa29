//! What is kept by job, in pages of neighbours: numbers are given in order, so neighbours come and go together, and few
//! pages have to be searched. Never keeps a page that is empty.

use super::job::JobId;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Bits of a number that are a place within its page.
const PLACE_BITS: u32 = 6;

/// Values by job, in the order of their numbers.
#[derive(Clone, Debug)]
pub(super) struct Pages<T> {
    pages: BTreeMap<u64, Page<T>>,
}

#[derive(Clone, Debug)]
struct Page<T> {
    places: Box<[Option<T>]>,
    /// Places that are taken.
    taken: u32,
}

/// The page of a number, and the place there.
const fn split(id: JobId) -> (u64, usize) {
    (id.0 >> PLACE_BITS, (id.0 & ((1 << PLACE_BITS) - 1)) as usize)
}

impl<T> Default for Pages<T> {
    fn default() -> Pages<T> {
        Pages { pages: BTreeMap::new() }
    }
}

impl<T> Page<T> {
    fn new() -> Page<T> {
        Page { places: std::iter::repeat_with(|| None).take(1 << PLACE_BITS).collect(), taken: 0 }
    }
}

impl<T> Pages<T> {
    pub(super) fn get(&self, id: JobId) -> Option<&T> {
        let (page, place) = split(id);
        self.pages.get(&page)?.places[place].as_ref()
    }

    /// Puts in what is made of what was there.
    pub(super) fn put(&mut self, id: JobId, make: impl FnOnce(Option<&T>) -> T) {
        let (page, place) = split(id);
        let page = self.pages.entry(page).or_insert_with(Page::new);
        let place = &mut page.places[place];
        page.taken += u32::from(place.is_none());
        *place = Some(make(place.as_ref()));
    }

    pub(super) fn remove(&mut self, id: JobId) -> Option<T> {
        let (page, place) = split(id);
        let Entry::Occupied(mut entry) = self.pages.entry(page) else { return None };
        let page = entry.get_mut();
        let removed = page.places[place].take()?;
        page.taken -= 1;
        if page.taken == 0 {
            entry.remove();
        }
        Some(removed)
    }

    /// All of them, in the order of their numbers.
    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.pages.values().flat_map(|page| page.places.iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pages_are_a_map_in_the_order_of_numbers(steps in prop::collection::vec((any::<bool>(), 0u64..200), 0..400)) {
            let (mut pages, mut map) = (Pages::default(), BTreeMap::new());
            for (step, (puts, number)) in steps.into_iter().enumerate() {
                let id = JobId(number);
                prop_assert_eq!(pages.get(id), map.get(&id));
                if puts {
                    let mut before = None;
                    pages.put(id, |was: Option<&usize>| { before = was.copied(); step });
                    prop_assert_eq!(before, map.insert(id, step));
                } else {
                    prop_assert_eq!(pages.remove(id), map.remove(&id));
                }
                prop_assert!(pages.values().eq(map.values()));
                prop_assert!(pages.pages.values().all(|page| page.taken > 0));
            }
        }
    }
}
