//! Instants written as RFC 3339 says, compared exactly. Knows no calendar but the Gregorian and no clock at all.

/// An instant: seconds since 1970-01-01T00:00:00Z, and nanoseconds within the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant {
    seconds: i64,
    nanos: u32,
}

impl Instant {
    /// Reads `2022-01-29T13:00:00.000Z` or the same with an offset; `None` for anything else. Digits of the fraction
    /// after the ninth are cut off. Second 60, a leap second, is the first of the next minute.
    pub fn parse(text: &str) -> Option<Instant> {
        let bytes = text.as_bytes();
        let (date, rest) = bytes.split_at_checked(19)?;
        let [year, month, day, hour, minute, second] = [(0, 4), (5, 2), (8, 2), (11, 2), (14, 2), (17, 2)]
            .map(|(at, width)| digits(&date[at..at + width]));
        let (year, month, day) = (year?, month?, day?);
        let (hour, minute, second) = (hour?, minute?, second?);
        let separated = date[4] == b'-'
            && date[7] == b'-'
            && matches!(date[10], b'T' | b't' | b' ')
            && date[13] == b':'
            && date[16] == b':';
        let in_range = (1..=12).contains(&month)
            && (1..=days_in_month(year, month)).contains(&day)
            && hour <= 23
            && minute <= 59
            && second <= 60;
        let (nanos, zone) = fraction(rest)?;
        let offset_seconds = offset(zone)?;
        let seconds =
            days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset_seconds;
        (separated && in_range).then_some(Instant { seconds, nanos })
    }
}

fn digits(bytes: &[u8]) -> Option<i64> {
    bytes
        .iter()
        .try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0')))
}

/// The nanoseconds of `.123`, and what stands behind them.
fn fraction(rest: &[u8]) -> Option<(u32, &[u8])> {
    let Some(after) = rest.strip_prefix(b".") else { return Some((0, rest)) };
    let length = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (fraction, zone) = after.split_at(length);
    let padded = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(9);
    let nanos = padded.fold(0, |nanos, byte| nanos * 10 + u32::from(byte - b'0'));
    (length > 0).then_some((nanos, zone))
}

/// Seconds east of Greenwich.
fn offset(zone: &[u8]) -> Option<i64> {
    match zone {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), hours @ .., b':', m1, m2] if hours.len() == 2 => {
            let (hours, minutes) = (digits(hours)?, digits(&[*m1, *m2])?);
            let seconds = hours * 3_600 + minutes * 60;
            (hours <= 23 && minutes <= 59).then_some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01, years beginning in March (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn instants_read_as_people_write_them() {
        for (text, seconds, nanos) in [
            ("1970-01-01T00:00:00Z", 0, 0),
            ("2022-01-29T13:00:00.000Z", 1_643_461_200, 0),
            ("2022-01-22T14:00:00.000+02:00", 1_642_852_800, 0),
            ("2000-02-29t23:59:60.5z", 951_868_800, 500_000_000),
            ("1969-12-31T23:59:59.999999999999-00:00", -1, 999_999_999),
        ] {
            assert_eq!(Instant::parse(text), Some(Instant { seconds, nanos }), "{text}");
        }
        for text in [
            "",
            "2022",
            "2022-01-29",
            "2022-01-29T13:00:00",
            "2021-02-29T00:00:00Z",
            "2022-13-01T00:00:00Z",
            "2022-00-01T00:00:00Z",
            "2022-01-29T24:00:00Z",
            "2022-01-29T13:00:00.Z",
            "2022-01-29T13:00:00+2:00",
            "2022-01-29T13:00:00+0200",
            "+022-01-29T13:00:00Z",
            "2022-01-29T13:00:00Zé",
            "2022-01-2éT13:00:00Z",
        ] {
            assert_eq!(Instant::parse(text), None, "{text}");
        }
    }

    #[test]
    fn every_day_is_one_after_the_day_before() {
        let mut expected = days_since_1970(1600, 1, 1);
        assert_eq!(days_since_1970(1970, 1, 1), 0);
        for year in 1600..2401 {
            for month in 1..=12 {
                for day in 1..=days_in_month(year, month) {
                    assert_eq!(days_since_1970(year, month, day), expected);
                    expected += 1;
                }
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,30}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.Z+-]{0,20}") {
            let _ = Instant::parse(&text);
        }
    }
}
