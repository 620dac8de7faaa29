//! `Time` and `Span`: whole nanoseconds since the start, the vocabulary every system shares.
//! Never reads a clock; whoever drives a system says what time it is.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::str::FromStr;

/// An instant, in nanoseconds since the driver's origin. Range 0 to about 584 years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

/// A length of time in nanoseconds. Never negative; arithmetic saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(u64);

impl Time {
    /// The origin.
    pub const ZERO: Time = Time(0);
    /// The last representable instant; used as "never".
    pub const MAX: Time = Time(u64::MAX);

    /// The instant `ns` nanoseconds after the origin.
    pub const fn from_nanos(ns: u64) -> Time {
        Time(ns)
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole microseconds since the origin, rounded down.
    pub const fn as_micros(self) -> u64 {
        self.0 / 1_000
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub const fn since(self, earlier: Time) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }

    /// The instant `span` later, or `None` past the end of time.
    pub const fn checked_add(self, span: Span) -> Option<Time> {
        match self.0.checked_add(span.0) {
            Some(ns) => Some(Time(ns)),
            None => None,
        }
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);
    /// The longest span; used as "for ever".
    pub const MAX: Span = Span(u64::MAX);

    /// A span of `ns` nanoseconds.
    pub const fn from_nanos(ns: u64) -> Span {
        Span(ns)
    }
    /// A span of `us` microseconds, saturating.
    pub const fn from_micros(us: u64) -> Span {
        Span(us.saturating_mul(1_000))
    }
    /// A span of `ms` milliseconds, saturating.
    pub const fn from_millis(ms: u64) -> Span {
        Span(ms.saturating_mul(1_000_000))
    }
    /// A span of `s` seconds, saturating.
    pub const fn from_secs(s: u64) -> Span {
        Span(s.saturating_mul(1_000_000_000))
    }

    /// The span in nanoseconds.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }
    /// The span in whole microseconds, rounded down.
    pub const fn as_micros(self) -> u64 {
        self.0 / 1_000
    }

    /// Whether the span is empty.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// `self * factor`, saturating.
    pub const fn saturating_mul(self, factor: u64) -> Span {
        Span(self.0.saturating_mul(factor))
    }

    /// `self * numerator / denominator`, rounded down, saturating.
    ///
    /// # Panics
    /// Never: a zero denominator counts as one.
    pub const fn mul_ratio(self, numerator: u64, denominator: u64) -> Span {
        let denominator = if denominator == 0 { 1 } else { denominator };
        let wide = self.0 as u128 * numerator as u128 / denominator as u128;
        Span(if wide > u64::MAX as u128 { u64::MAX } else { wide as u64 })
    }

    /// `self - other`, or zero.
    pub const fn saturating_sub(self, other: Span) -> Span {
        Span(self.0.saturating_sub(other.0))
    }
}

impl Add<Span> for Time {
    type Output = Time;
    /// Saturates at [`Time::MAX`], which means "never".
    fn add(self, span: Span) -> Time {
        Time(self.0.saturating_add(span.0))
    }
}

impl AddAssign<Span> for Time {
    fn add_assign(&mut self, span: Span) {
        *self = *self + span;
    }
}

impl Sub<Span> for Time {
    type Output = Time;
    /// Saturates at the origin.
    fn sub(self, span: Span) -> Time {
        Time(self.0.saturating_sub(span.0))
    }
}

impl Add for Span {
    type Output = Span;
    fn add(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Span {
    fn add_assign(&mut self, other: Span) {
        *self = *self + other;
    }
}

/// Why a text is not a time span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParseSpanError {
    /// A number without a unit; the text as it stood.
    MissingUnit(String),
    /// A unit that is none of `ns us ms s m h d`.
    UnknownUnit(String),
    /// Not a number followed by a unit.
    NotANumber(String),
    /// Longer than about 584 years, or finer than a nanosecond.
    OutOfRange(String),
}

impl fmt::Display for ParseSpanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParseSpanError::MissingUnit(text) => {
                write!(f, "`{text}` has no unit: write `{text}ms`, `{text}s` or another of ns us ms s m h d")
            }
            ParseSpanError::UnknownUnit(unit) => write!(f, "unknown unit `{unit}`: use ns us ms s m h d"),
            ParseSpanError::NotANumber(text) => {
                write!(f, "`{text}` is not a duration: write a number and a unit, as in `800ms` or `4m30s`")
            }
            ParseSpanError::OutOfRange(text) => {
                write!(f, "`{text}` is out of range: a duration has whole nanoseconds and at most 584 years")
            }
        }
    }
}

impl std::error::Error for ParseSpanError {}

/// Every unit with its length in nanoseconds, longest first.
const UNITS: [(&str, u64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

impl FromStr for Span {
    type Err = ParseSpanError;

    /// Reads `800ms`, `1.5s`, `4m30s`, `1_000us`; a bare `0` is zero, any other bare number is refused.
    fn from_str(text: &str) -> Result<Span, ParseSpanError> {
        let cleaned: String = text.trim().chars().filter(|c| *c != '_' && *c != ' ').collect();
        if cleaned == "0" {
            return Ok(Span::ZERO);
        }
        if cleaned.is_empty() {
            return Err(ParseSpanError::NotANumber(text.to_string()));
        }
        let mut rest = cleaned.as_str();
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let number_len = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            let (number, after) = rest.split_at(number_len);
            if number.is_empty() {
                return Err(ParseSpanError::NotANumber(text.to_string()));
            }
            let unit_len = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
            let (unit, remaining) = after.split_at(unit_len);
            if unit.is_empty() {
                return Err(ParseSpanError::MissingUnit(text.to_string()));
            }
            let ns_per_unit =
                match UNITS.iter().find(|(name, _)| *name == unit || (unit == "µs" && *name == "us")) {
                    Some((_, ns)) => *ns,
                    None => return Err(ParseSpanError::UnknownUnit(unit.to_string())),
                };
            let part = scaled(number, ns_per_unit).map_err(|kind| kind.with(text))?;
            total = total.checked_add(part).ok_or_else(|| ParseSpanError::OutOfRange(text.to_string()))?;
            rest = remaining;
        }
        Ok(Span(total))
    }
}

enum Scale {
    NotANumber,
    OutOfRange,
}

impl Scale {
    fn with(self, text: &str) -> ParseSpanError {
        match self {
            Scale::NotANumber => ParseSpanError::NotANumber(text.to_string()),
            Scale::OutOfRange => ParseSpanError::OutOfRange(text.to_string()),
        }
    }
}

/// `number * unit` in exact integers; refuses what would lose a fraction of a nanosecond.
fn scaled(number: &str, unit: u64) -> Result<u64, Scale> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = whole.parse().map_err(|_| Scale::NotANumber)?;
    let mut total = whole.checked_mul(unit).ok_or(Scale::OutOfRange)?;
    let mut digit_value = unit;
    for digit in fraction.chars() {
        let digit = u64::from(digit.to_digit(10).ok_or(Scale::NotANumber)?);
        if !digit_value.is_multiple_of(10) && digit != 0 {
            return Err(Scale::OutOfRange);
        }
        digit_value /= 10;
        total = total.checked_add(digit * digit_value).ok_or(Scale::OutOfRange)?;
    }
    Ok(total)
}

impl fmt::Display for Span {
    /// The shortest exact form that parses back: `4m30s`, `800ms`, `1.5us` as `1us500ns`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        for (unit, ns) in UNITS {
            if rest >= ns {
                write!(f, "{}{unit}", rest / ns)?;
                rest %= ns;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Span(self.0), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_read_as_people_write_them() {
        let cases = [
            ("800ms", 800_000_000),
            ("300us", 300_000),
            ("4m30s", 270_000_000_000),
            ("1.5s", 1_500_000_000),
            ("0", 0),
            ("1_000us", 1_000_000),
            ("2h", 7_200_000_000_000),
            ("0.5us", 500),
        ];
        for (text, ns) in cases {
            assert_eq!(text.parse::<Span>(), Ok(Span::from_nanos(ns)), "{text}");
        }
    }

    #[test]
    fn every_refusal_says_what_to_write_instead() {
        assert!(matches!("800".parse::<Span>(), Err(ParseSpanError::MissingUnit(_))));
        assert!(matches!("8 parsecs".parse::<Span>(), Err(ParseSpanError::UnknownUnit(_))));
        assert!(matches!("fast".parse::<Span>(), Err(ParseSpanError::NotANumber(_))));
        assert!(matches!("-5s".parse::<Span>(), Err(ParseSpanError::NotANumber(_))));
        assert!(matches!("600000000000d".parse::<Span>(), Err(ParseSpanError::OutOfRange(_))));
        assert!(matches!("0.5ns".parse::<Span>(), Err(ParseSpanError::OutOfRange(_))));
        assert!("800".parse::<Span>().unwrap_err().to_string().contains("800ms"));
    }

    proptest! {
        #[test]
        fn printing_and_reading_are_inverse(ns in any::<u64>()) {
            let span = Span::from_nanos(ns);
            prop_assert_eq!(span.to_string().parse::<Span>(), Ok(span));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in ".{0,40}") {
            let _ = text.parse::<Span>();
        }
    }
}
