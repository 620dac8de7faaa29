//! Ranges of quantities: `5ms..50ms`, `1%..20%`, `x2..x5`, `3..8`. Reads them, and draws a value with three digits
//! or so. Knows no scenario.

use serde_json::Number;

use crate::kernel::draw::below;
use crate::kernel::time::Span;
use crate::scenario::quantity::{
    ByteRate, Bytes, Drift, Duration, Factor, Offset, Percentage, Problem, Rate, Total, show_percentage,
};
use crate::scenario::tree::Content;

/// Two values of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    kind: Kind,
    low: i128,
    high: i128,
    /// The ends as they were written.
    written: (String, String),
}

/// What the ends of a range are, each in its finest unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Whole,
    Nanoseconds,
    PartsPerMillion,
    MilliPerSecond,
    Bytes,
    BytesPerSecond,
    Milli,
    PartsPerBillion,
    SignedNanoseconds,
}

impl Kind {
    /// In the order in which they are tried.
    const ALL: [Kind; 9] = [
        Kind::Whole,
        Kind::Nanoseconds,
        Kind::PartsPerMillion,
        Kind::MilliPerSecond,
        Kind::Bytes,
        Kind::BytesPerSecond,
        Kind::Milli,
        Kind::PartsPerBillion,
        Kind::SignedNanoseconds,
    ];

    fn read(self, text: &str) -> Result<i128, Problem> {
        match self {
            Kind::Whole => Total::read(text).map(|total| i128::from(total.0)),
            Kind::Nanoseconds => Duration::read(text).map(|span| i128::from(span.0.as_nanos())),
            Kind::PartsPerMillion => Percentage::read(text).map(|share| i128::from(share.0)),
            Kind::MilliPerSecond => Rate::read(text).map(|rate| i128::from(rate.0)),
            Kind::Bytes => Bytes::read(text).map(|bytes| i128::from(bytes.0)),
            Kind::BytesPerSecond => ByteRate::read(text).map(|rate| i128::from(rate.0)),
            Kind::Milli => Factor::read(text).map(|factor| i128::from(factor.0)),
            Kind::PartsPerBillion => Drift::read(text).map(|drift| i128::from(drift.0)),
            Kind::SignedNanoseconds => Offset::read(text).map(|offset| i128::from(offset.0)),
        }
    }

    /// A value as it stands in a scenario.
    fn written(self, value: i128) -> Content {
        let unsigned = u64::try_from(value.unsigned_abs()).unwrap_or(u64::MAX);
        let thousandths = || {
            let text = format!("{}.{:03}", unsigned / 1_000, unsigned % 1_000);
            text.trim_end_matches('0').trim_end_matches('.').to_string()
        };
        Content::Text(match self {
            Kind::Whole => return Content::Number(Number::from(unsigned)),
            Kind::Nanoseconds => Span::from_nanos(unsigned).to_string(),
            Kind::PartsPerMillion => show_percentage(unsigned),
            Kind::MilliPerSecond => format!("{}/s", thousandths()),
            Kind::Bytes => format!("{unsigned}B"),
            Kind::BytesPerSecond => format!("{unsigned}B/s"),
            Kind::Milli => format!("x{}", thousandths()),
            Kind::PartsPerBillion => format!("{value}ppb"),
            Kind::SignedNanoseconds => {
                format!("{}{}", if value < 0 { '-' } else { '+' }, Span::from_nanos(unsigned))
            }
        })
    }
}

/// Values that a range is divided into, at least, if its unit is fine enough.
const STEPS: i128 = 1_000;

impl Range {
    /// Whether a text is meant as a range.
    pub(crate) fn is_meant(text: &str) -> bool {
        text.contains("..")
    }

    /// Reads `low..high`.
    pub(crate) fn read(text: &str) -> Result<Range, Problem> {
        const EXAMPLE: &str = "write two values of one kind, as in `5ms..50ms`";
        let ends = text.split_once("..").map(|(low, high)| (low.trim(), high.trim()));
        let Some((low_text, high_text)) = ends.filter(|(low, high)| !low.is_empty() && !high.is_empty())
        else {
            return Err(Problem::new(format!("`{text}` is not a range"), EXAMPLE));
        };
        let read = |kind: &Kind| Some((*kind, kind.read(low_text).ok()?, kind.read(high_text).ok()?));
        let Some((kind, low, high)) = Kind::ALL.iter().find_map(read) else {
            // Whichever end can be read says what the other should have been.
            let of_low = Kind::ALL.iter().find(|kind| kind.read(low_text).is_ok());
            let of_high = Kind::ALL.iter().find(|kind| kind.read(high_text).is_ok());
            let why = match (of_low, of_high) {
                (Some(kind), _) => kind.read(high_text).err(),
                (None, Some(kind)) => kind.read(low_text).err(),
                (None, None) => None,
            };
            let why = why.map_or(String::new(), |problem| format!(": {}", problem.message));
            return Err(Problem::new(format!("`{text}` is not a range{why}"), EXAMPLE));
        };
        if low > high {
            let help = format!("write `{high_text}..{low_text}`");
            return Err(Problem::new(format!("`{text}` starts above its end"), help));
        }
        Ok(Range { kind, low, high, written: (low_text.to_string(), high_text.to_string()) })
    }

    /// An end of a text that is no range, to stand for it where nothing more is to be found wrong.
    pub(crate) fn readable_end(text: &str) -> Option<Content> {
        let is_readable = |end: &&str| Kind::ALL.iter().any(|kind| kind.read(end).is_ok());
        text.split("..").map(str::trim).find(is_readable).map(|end| Content::Text(end.to_string()))
    }

    /// The lower end.
    pub(crate) fn low(&self) -> Content {
        self.end(self.low, &self.written.0)
    }

    /// The upper end.
    pub(crate) fn high(&self) -> Content {
        self.end(self.high, &self.written.1)
    }

    fn end(&self, value: i128, written: &str) -> Content {
        match self.kind {
            Kind::Whole => self.kind.written(value),
            Kind::Nanoseconds
            | Kind::PartsPerMillion
            | Kind::MilliPerSecond
            | Kind::Bytes
            | Kind::BytesPerSecond
            | Kind::Milli
            | Kind::PartsPerBillion
            | Kind::SignedNanoseconds => Content::Text(written.to_string()),
        }
    }

    /// The value that `word` stands for: either end or between, each step of the range with the same chance.
    pub(crate) fn drawn(&self, word: u64) -> Content {
        let width = self.high - self.low;
        let mut step = 1;
        while step * 10 * STEPS <= width {
            step *= 10;
        }
        let steps = u64::try_from(width / step).unwrap_or(u64::MAX - 1);
        let drawn = self.low + step * i128::from(below(word, steps.saturating_add(1)));
        self.kind.written(drawn.min(self.high))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(content: Content) -> String {
        match content {
            Content::Text(text) => text,
            Content::Number(number) => number.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn drawn_values_read_as_people_write_them() {
        let middle = u64::MAX / 2;
        let cases = [
            ("20s..60s", "40s"),
            ("5ms..50ms", "27ms500us"),
            ("1%..20%", "10.5%"),
            ("x2..x5", "x3.5"),
            ("3..8", "5"),
            ("100/s..300/s", "200/s"),
            ("1KiB..3KiB", "2048B"),
            ("-5s..+5s", "+0s"),
            ("-200ppm..200ppm", "0ppb"),
            ("7ms..7ms", "7ms"),
        ];
        for (range, drawn) in cases {
            assert_eq!(text(Range::read(range).expect(range).drawn(middle)), drawn, "{range}");
        }
    }

    #[test]
    fn ends_have_to_be_of_one_kind_and_in_order() {
        let cases = [
            ("50ms..5ms", "starts above its end"),
            ("5ms..50%", "is not a range: unknown unit `%` in `50%`"),
            ("5ms..50xs", "unknown unit `xs`"),
            ("..5ms", "is not a range"),
            ("a..b", "is not a range"),
            ("1s..2s..3s", "is not a range"),
        ];
        for (text, part) in cases {
            let problem = Range::read(text).expect_err(text);
            assert!(problem.message.contains(part), "{text}: {}", problem.message);
        }
    }

    proptest! {
        #[test]
        fn a_drawn_value_is_within_its_range_and_can_be_read_again(
            low in 0_u64..1 << 40, width in 0_u64..1 << 40, word in any::<u64>(),
        ) {
            let high = low + width;
            let ranges = [
                format!("{low}..{high}"),
                format!("{low}ns..{high}ns"),
                format!("{low}B..{high}B"),
                format!("-{low}ns..+{high}ns"),
            ];
            for written in ranges {
                let range = Range::read(&written).expect("a range");
                let drawn = range.kind.read(&text(range.drawn(word))).expect("a quantity");
                prop_assert!((range.low..=range.high).contains(&drawn), "{} {}", written, drawn);
            }
        }

        #[test]
        fn both_ends_can_be_drawn(low in 0_u64..1000, width in 0_u64..9_000) {
            let range = Range::read(&format!("{low}..{}", low + width)).expect("a range");
            prop_assert_eq!(text(range.drawn(0)), low.to_string());
            prop_assert_eq!(text(range.drawn(u64::MAX)), (low + width).to_string());
        }
    }
}
