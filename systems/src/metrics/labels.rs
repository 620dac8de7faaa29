//! Names of series, and a bound on how many there are: a label that takes too many values (a user id) ends in one
//! overflow series instead of eating the memory. Nothing is lost, only told apart less.

use std::fmt;

/// Label names with values, sorted by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Labels(Vec<(String, String)>);

/// Why labels are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelError {
    /// A label without a name; its value.
    NoName {
        /// The value that has no name.
        value: String,
    },
    /// The same name twice.
    Twice {
        /// The name.
        name: String,
    },
}

impl fmt::Display for LabelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LabelError::NoName { value } => write!(f, "the value `{value}` has no label name: give it one"),
            LabelError::Twice { name } => write!(f, "label `{name}` is given twice: leave one of them out"),
        }
    }
}

impl std::error::Error for LabelError {}

impl Labels {
    /// Labels from pairs of name and value in any order. A label with an empty value is as good as none and left
    /// out, as in Prometheus.
    ///
    /// # Errors
    /// [`LabelError`] for an empty name or a name given twice.
    pub fn new<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Labels, LabelError> {
        let mut labels: Vec<(String, String)> = Vec::new();
        for (name, value) in pairs {
            if name.is_empty() {
                return Err(LabelError::NoName { value: value.to_string() });
            }
            labels.push((name.to_string(), value.to_string()));
        }
        labels.sort();
        if let Some(pair) = labels.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(LabelError::Twice { name: pair[0].0.clone() });
        }
        labels.retain(|(_, value)| !value.is_empty());
        Ok(Labels(labels))
    }

    /// The labels of the overflow series, named as OpenTelemetry names it.
    pub fn overflow() -> Labels {
        Labels(vec![("otel.metric.overflow".to_string(), "true".to_string())])
    }

    /// The value of a label; `None` if it is not there.
    pub fn get(&self, name: &str) -> Option<&str> {
        let place = self.0.binary_search_by(|(known, _)| known.as_str().cmp(name)).ok()?;
        Some(&self.0[place].1)
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Only the labels whose name `keep` accepts.
    pub fn filtered(&self, mut keep: impl FnMut(&str) -> bool) -> Labels {
        Labels(self.0.iter().filter(|(name, _)| keep(name)).cloned().collect())
    }
}

impl fmt::Display for Labels {
    /// `{job="api", zone="b"}`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (place, (name, value)) in self.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(f, "{comma}{name}={value:?}")?;
        }
        f.write_str("}")
    }
}

/// A series of a [`Registry`]: cheap to keep, and a look-up by it costs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId(u32);

impl SeriesId {
    /// The series that takes what is over the limit.
    pub const OVERFLOW: SeriesId = SeriesId(u32::MAX);
}

/// One instrument per label set, at most `limit` of them, and one more for the rest.
///
/// Looking up a label set that is known takes no memory. A label set that was turned away once is turned away
/// for good, so a series never changes its meaning half-way.
#[derive(Clone, Debug)]
pub struct Registry<T> {
    limit: usize,
    blank: T,
    overflow: T,
    overflowed: u64,
    entries: Vec<(Labels, T)>,
    /// Places in `entries`, by labels.
    sorted: Vec<u32>,
}

/// Higher limits are cut to this; a registry of more series wants to be several.
const MAX_SERIES: usize = 1 << 24;

impl<T: Clone> Registry<T> {
    /// A registry of at most `limit` series and the overflow series, each beginning as a copy of `blank`. With a
    /// limit of 0 everything goes to the overflow series.
    pub fn new(limit: usize, blank: T) -> Registry<T> {
        let limit = limit.min(MAX_SERIES);
        Registry {
            limit,
            overflow: blank.clone(),
            blank,
            overflowed: 0,
            entries: Vec::new(),
            sorted: Vec::new(),
        }
    }

    /// The series with these labels, made if need be; [`SeriesId::OVERFLOW`] once the limit is reached.
    pub fn series(&mut self, labels: &Labels) -> SeriesId {
        match self.place(labels) {
            Ok(found) => SeriesId(self.sorted[found]),
            Err(_) if self.entries.len() >= self.limit => {
                self.overflowed = self.overflowed.saturating_add(1);
                SeriesId::OVERFLOW
            }
            Err(place) => {
                let id = self.entries.len() as u32;
                self.entries.push((labels.clone(), self.blank.clone()));
                self.sorted.insert(place, id);
                SeriesId(id)
            }
        }
    }

    /// The instrument with these labels, or that of the overflow series.
    pub fn entry(&mut self, labels: &Labels) -> &mut T {
        let id = self.series(labels);
        self.get_mut(id)
    }

    /// The instrument of a series. An id from another registry is that of some series here, or the overflow
    /// series.
    pub fn get_mut(&mut self, id: SeriesId) -> &mut T {
        match self.entries.get_mut(id.0 as usize) {
            Some((_, instrument)) => instrument,
            None => &mut self.overflow,
        }
    }

    /// The instrument with these labels; `None` if they have no series of their own.
    pub fn get(&self, labels: &Labels) -> Option<&T> {
        let place = self.place(labels).ok()?;
        Some(&self.entries[self.sorted[place] as usize].1)
    }

    /// The overflow series.
    pub const fn overflow(&self) -> &T {
        &self.overflow
    }

    /// How often a label set was sent to the overflow series. More than zero is worth a warning.
    pub const fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// Series, without the overflow series.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no series yet.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All series but the overflow series, sorted by labels.
    pub fn iter(&self) -> impl Iterator<Item = (&Labels, &T)> {
        self.sorted.iter().map(|place| {
            let (labels, instrument) = &self.entries[*place as usize];
            (labels, instrument)
        })
    }

    fn place(&self, labels: &Labels) -> Result<usize, usize> {
        self.sorted.binary_search_by(|place| self.entries[*place as usize].0.cmp(labels))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Counter, temporality::CumulativeToDelta};
    use super::*;
    use proptest::prelude::*;

    fn user(id: u32) -> Labels {
        Labels::new([("user", id.to_string().as_str())]).unwrap()
    }

    #[test]
    fn labels_are_a_set_whatever_the_order_they_are_written_in() {
        let one = Labels::new([("b", "2"), ("a", "1"), ("gone", "")]).unwrap();
        assert_eq!(one, Labels::new([("a", "1"), ("b", "2")]).unwrap());
        assert_eq!(one.to_string(), "{a=\"1\", b=\"2\"}");
        assert_eq!((one.get("b"), one.get("c")), (Some("2"), None));
        assert_eq!(Labels::new([("a", "1"), ("a", "2")]), Err(LabelError::Twice { name: "a".to_string() }));
        assert!(Labels::new([("", "x")]).unwrap_err().to_string().contains("give it one"));
    }

    #[test]
    fn a_user_id_as_a_label_ends_in_the_overflow_series_and_the_total_stays() {
        let mut requests: Registry<Counter> = Registry::new(100, Counter::new());
        for id in 0..10_000 {
            requests.entry(&user(id % 5_000)).add(1);
        }
        let told_apart: u64 = requests.iter().map(|(_, counter)| counter.get()).sum();
        assert_eq!((requests.len(), told_apart, requests.overflow().get()), (100, 200, 9_800));
        assert_eq!(requests.overflowed(), 9_800);
        assert_eq!(requests.get(&user(4_000)), None);
    }

    #[test]
    fn without_any_limit_to_speak_of_everything_overflows_and_nothing_breaks() {
        let mut nothing: Registry<CumulativeToDelta> = Registry::new(0, CumulativeToDelta::new());
        assert_eq!(nothing.series(&user(1)), SeriesId::OVERFLOW);
        assert!(nothing.is_empty());
        assert_eq!(nothing.get_mut(SeriesId(7)).resets(), 0);
    }

    proptest! {
        #[test]
        fn never_more_series_than_the_limit_and_every_event_is_in_one(
            limit in 0usize..20, events in prop::collection::vec((0u32..40, 0u64..9), 0..200),
        ) {
            let mut registry: Registry<Counter> = Registry::new(limit, Counter::new());
            let mut plain: Vec<(u32, u64)> = Vec::new();
            for (id, amount) in &events {
                registry.entry(&user(*id)).add(*amount);
                let known = plain.iter().position(|(known, _)| known == id);
                match known {
                    Some(place) => plain[place].1 += amount,
                    None if plain.len() < limit => plain.push((*id, *amount)),
                    None => {}
                }
            }
            prop_assert!(registry.len() <= limit);
            for (id, sum) in &plain {
                prop_assert_eq!(registry.get(&user(*id)).map(|counter| counter.get()), Some(*sum));
            }
            let own: u64 = registry.iter().map(|(_, counter)| counter.get()).sum();
            let all: u64 = events.iter().map(|(_, amount)| amount).sum();
            prop_assert_eq!(own + registry.overflow().get(), all);
        }
    }
}
