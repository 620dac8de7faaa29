//! Which units were written lately, for whoever keeps a picture of them. Bounded: who has not looked for long looks at all
//! of them again.

use std::collections::VecDeque;

/// So many are kept.
const KEPT: usize = 1_024;

/// How far somebody has followed what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Followed(u64);

#[derive(Clone, Debug)]
pub(super) struct Changes<U> {
    recent: VecDeque<U>,
    in_all: u64,
}

impl<U: Copy> Changes<U> {
    pub(super) const fn new() -> Changes<U> {
        Changes { recent: VecDeque::new(), in_all: 0 }
    }

    pub(super) fn push(&mut self, unit: U) {
        if self.recent.len() == KEPT {
            self.recent.pop_front();
        }
        self.recent.push_back(unit);
        self.in_all = self.in_all.wrapping_add(1);
    }

    /// Anything may have changed.
    pub(super) fn forget(&mut self) {
        self.recent.clear();
        self.in_all = self.in_all.wrapping_add(1);
    }

    pub(super) const fn followed(&self) -> Followed {
        Followed(self.in_all)
    }

    pub(super) fn since(&self, followed: Followed) -> Option<impl Iterator<Item = U>> {
        let missed = usize::try_from(self.in_all.wrapping_sub(followed.0)).ok()?;
        let first = self.recent.len().checked_sub(missed)?;
        Some(self.recent.range(first..).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_follows_sees_each_change_and_who_fell_behind_is_told_so() {
        let mut changes = Changes::new();
        let begun = changes.followed();
        (0..KEPT).for_each(|unit| changes.push(unit));
        let seen: Vec<usize> = changes.since(begun).expect("all are kept").collect();
        assert_eq!(seen, (0..KEPT).collect::<Vec<_>>());
        changes.push(7);
        assert!(changes.since(begun).is_none());
        let followed = changes.followed();
        assert_eq!(changes.since(followed).map(Iterator::count), Some(0));
        changes.forget();
        assert!(changes.since(followed).is_none());
    }
}
