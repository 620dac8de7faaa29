//! Quantities as whole numbers of their finest unit, and the round ones below them. Knows nothing of what they are
//! about.

use serde_json::Value;

use crate::kernel::time::Span;
use crate::scenario::quantity::{Duration, Percentage, Rate, show_percentage};

/// A quantity of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Amount {
    unit: Unit,
    /// In the finest unit.
    pub(super) value: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Nanoseconds,
    MilliPerSecond,
    Ppm,
    One,
}

/// The second, where it is the unit.
const SECOND_NS: u64 = 1_000_000_000;

impl Amount {
    /// Reads what stands in a scenario; `None` for what is no single quantity.
    pub(super) fn read(value: &Value) -> Option<Amount> {
        let amount = |unit, value| Some(Amount { unit, value });
        match value {
            Value::Number(number) => amount(Unit::One, number.as_u64()?),
            Value::String(text) if !text.starts_with(|c: char| c.is_ascii_digit()) => None,
            Value::String(text) if text.ends_with('%') => amount(Unit::Ppm, Percentage::read(text).ok()?.0),
            Value::String(text) if text.contains('/') => {
                amount(Unit::MilliPerSecond, Rate::read(text).ok()?.0)
            }
            Value::String(text) => match Duration::read(text) {
                Ok(Duration(span)) => amount(Unit::Nanoseconds, span.as_nanos()),
                Err(_) => {
                    amount(Unit::One, text.chars().filter(|c| *c != '_').collect::<String>().parse().ok()?)
                }
            },
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// As it stands in a scenario.
    pub(super) fn to_value(self) -> Value {
        match self.unit {
            Unit::Nanoseconds => Value::from(Span::from_nanos(self.value).to_string()),
            Unit::MilliPerSecond if self.value.is_multiple_of(1_000) => {
                Value::from(format!("{}/s", self.value / 1_000))
            }
            Unit::MilliPerSecond => {
                let fraction = format!("{:03}", self.value % 1_000);
                Value::from(format!("{}.{}/s", self.value / 1_000, fraction.trim_end_matches('0')))
            }
            Unit::Ppm => Value::from(show_percentage(self.value)),
            Unit::One => Value::from(self.value),
        }
    }

    /// The round amounts below this one, ascending: 1, 2 and 5 of each power of ten; of time 1, 2, 5, 10, 20 and 30
    /// of minutes and hours.
    pub(super) fn rounder(self) -> Vec<Amount> {
        let least = match self.unit {
            Unit::Nanoseconds if self.value > 1_000_000 => 1_000_000,
            Unit::Nanoseconds => 1_000,
            Unit::MilliPerSecond => 1_000,
            Unit::Ppm => 10_000,
            Unit::One => 1,
        };
        self.round_from(least).take_while(|amount| amount.value < self.value).collect()
    }

    /// The nearest round amounts below and above, if this one is not round itself; the nearer one first.
    pub(super) fn neighbours(self) -> Vec<Amount> {
        let mut below = None;
        for amount in self.round_from(1) {
            if amount.value == self.value {
                return Vec::new();
            }
            if amount.value > self.value {
                let mut both: Vec<Amount> = below.into_iter().chain([amount]).collect();
                both.sort_by_key(|round| round.value.abs_diff(self.value));
                return both;
            }
            below = Some(amount);
        }
        below.into_iter().collect()
    }

    /// The round amounts from `least` on, ascending.
    fn round_from(self, least: u64) -> impl Iterator<Item = Amount> {
        let powers = (0..19).map(|power| 10_u64.pow(power));
        let mut values: Vec<u64> =
            powers.flat_map(|power| [1, 2, 5].map(|digit: u64| digit.saturating_mul(power))).collect();
        if self.unit == Unit::Nanoseconds {
            values.retain(|value| *value < 60 * SECOND_NS);
            let minutes = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 1_440];
            values.extend(minutes.map(|minutes| minutes * 60 * SECOND_NS));
        }
        let unit = self.unit;
        values.into_iter().filter(move |value| *value >= least).map(move |value| Amount { unit, value })
    }

    /// So much less of the same.
    pub(super) fn less(self, by: u64) -> Amount {
        Amount { value: self.value.saturating_sub(by), ..self }
    }

    /// Whether this is a length of time.
    pub(super) fn is_time(self) -> bool {
        self.unit == Unit::Nanoseconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_quantity_is_read_and_written_in_its_own_unit() {
        for text in ["800ms", "1m30s", "600/s", "0.5/s", "20%", "0.5%"] {
            let value = json!(text);
            assert_eq!(Amount::read(&value).map(Amount::to_value), Some(value), "{text}");
        }
        assert_eq!(Amount::read(&json!("50_000")).map(Amount::to_value), Some(json!(50_000)));
        for other in
            [json!("full"), json!("a -> b"), json!(null), json!(1.5), json!("512MiB"), json!("after 5s")]
        {
            assert_eq!(Amount::read(&other), None, "{other}");
        }
    }

    #[test]
    fn round_amounts_are_those_that_people_use() {
        let shown = |value: Value, pick: fn(Amount) -> Vec<Amount>| -> Vec<String> {
            let amounts = Amount::read(&value).map_or(Vec::new(), pick);
            let text = |amount: Amount| amount.to_value().as_str().map(str::to_string);
            amounts
                .into_iter()
                .map(|amount| text(amount).unwrap_or_else(|| amount.value.to_string()))
                .collect()
        };
        assert_eq!(shown(json!("60/s"), Amount::rounder), ["1/s", "2/s", "5/s", "10/s", "20/s", "50/s"]);
        assert_eq!(shown(json!(3), Amount::rounder), ["1", "2"]);
        assert_eq!(shown(json!("25ms"), Amount::neighbours), ["20ms", "50ms"]);
        assert_eq!(shown(json!("150s"), Amount::neighbours), ["2m", "5m"]);
        assert_eq!(shown(json!("4750us"), Amount::neighbours), ["5ms", "2ms"]);
        assert_eq!(shown(json!("20%"), Amount::neighbours), Vec::<String>::new());
        assert!(shown(json!("3m"), Amount::rounder).ends_with(&["50s".into(), "1m".into(), "2m".into()]));
    }
}
