//! The series a script has loaded.

use super::script::{Loaded, Point};
use foreshock_systems::metrics::{Retention, Series};
use foreshock_systems::{Span, Time};
use std::collections::BTreeMap;

/// Names and values, the metric's name under `__name__`.
pub(super) type LabelSet = BTreeMap<String, String>;

/// A label set from pairs.
#[cfg(test)]
pub(super) fn labels(pairs: &[(&str, &str)]) -> LabelSet {
    pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

/// A series, and whether it has samples that are histograms, which are not kept.
pub(super) struct Stored {
    pub(super) series: Series,
    pub(super) has_histograms: bool,
    /// Everything loaded: a second load may fill in what is older.
    points: BTreeMap<Time, Point>,
}

/// All series by labels.
#[derive(Default)]
pub(super) struct Store(BTreeMap<LabelSet, Stored>);

impl Store {
    /// Adds samples. The last one of a time counts.
    pub(super) fn load(&mut self, loaded: Loaded) {
        let stored = self.0.entry(loaded.labels).or_insert_with(|| Stored {
            series: empty(),
            has_histograms: false,
            points: BTreeMap::new(),
        });
        for (at, point) in loaded.points {
            stored.points.insert(at, point);
        }
        stored.series = empty();
        for (at, point) in &stored.points {
            let appended = match point {
                Point::Value(value) => stored.series.append(*at, *value),
                Point::Stale => stored.series.mark_stale(*at),
                Point::Histogram => {
                    stored.has_histograms = true;
                    Ok(())
                }
            };
            appended.expect("points are in order of time, one for each");
        }
    }

    /// All series, by labels.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&LabelSet, &Stored)> {
        self.0.iter()
    }
}

fn empty() -> Series {
    Series::new(Retention { age: Span::MAX, samples: usize::MAX })
}
