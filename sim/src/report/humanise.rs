//! Whole numbers as people read them: `4 812`, `1.23 ms`, `37.5 %`. Always rounds down, never uses a float.

pub(crate) use crate::judge::grouped as count;

/// A count and what is counted: `1 scenario`, `4 812 scenarios`.
pub(crate) fn counted(value: u64, what: &str) -> String {
    let plural = if value == 1 { "" } else { "s" };
    format!("{} {what}{plural}", count(value))
}

/// A length of time in three digits: `950 us`, `1.23 ms`, `12.3 s`, `1m40s` from 100 s on.
pub(super) fn duration_us(us: u64) -> String {
    const SECOND: u64 = 1_000_000;
    match us {
        0..1_000 => format!("{us} us"),
        1_000..SECOND => format!("{} ms", three_digits(us, 1_000)),
        SECOND..100_000_000 => format!("{} s", three_digits(us, SECOND)),
        _ => clock(us / SECOND),
    }
}

/// An instant: `0s`, `1m05s`, `1m05.250s`.
pub(crate) fn instant_us(us: u64) -> String {
    let (seconds, ms) = (us / 1_000_000, us / 1_000 % 1_000);
    if ms == 0 {
        return clock(seconds);
    }
    let text = clock(seconds);
    format!("{}.{ms:03}s", text.trim_end_matches('s'))
}

/// `45s`, `1m05s`, `2h00m05s`.
fn clock(seconds: u64) -> String {
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m{rest:02}s"),
        (_, _) => format!("{hours}h{minutes:02}m{rest:02}s"),
    }
}

/// `value / unit`, at least `unit`, in three digits.
fn three_digits(value: u64, unit: u64) -> String {
    let whole = value / unit;
    match whole {
        0..10 => format!("{whole}.{:02}", value % unit * 100 / unit),
        10..100 => format!("{whole}.{}", value % unit * 10 / unit),
        _ => whole.to_string(),
    }
}

/// A share: `37.5 %`, `0.04 %`, `0.0012 %`.
pub(crate) fn share_ppm(ppm: u64) -> String {
    match ppm {
        0 => "0 %".to_string(),
        1..100 => format!("0.{ppm:04} %"),
        100..10_000 => format!("{}.{:02} %", ppm / 10_000, ppm % 10_000 / 100),
        _ => format!("{}.{} %", count(ppm / 10_000), ppm % 10_000 / 1_000),
    }
}

/// `part` of `whole`, or nothing where there is no whole.
pub(super) fn share_of(part: u64, whole: u64) -> Option<String> {
    let ppm = (u128::from(part) * 1_000_000).checked_div(u128::from(whole))?;
    Some(share_ppm(u64::try_from(ppm).unwrap_or(u64::MAX)))
}

/// Thousandths: `1.21`, `12.3`, `4 812`.
pub(super) fn milli(value: u64) -> String {
    match value {
        0 => "0".to_string(),
        1..10_000 => format!("{}.{:02}", value / 1_000, value % 1_000 / 10),
        10_000..100_000 => format!("{}.{}", value / 1_000, value % 1_000 / 100),
        _ => count(value / 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        let cases = [
            (count(0), "0"),
            (count(999), "999"),
            (count(4_812), "4 812"),
            (count(1_234_567), "1 234 567"),
            (duration_us(0), "0 us"),
            (duration_us(950), "950 us"),
            (duration_us(1_234), "1.23 ms"),
            (duration_us(12_345), "12.3 ms"),
            (duration_us(999_999), "999 ms"),
            (duration_us(1_000_000), "1.00 s"),
            (duration_us(99_990_000), "99.9 s"),
            (duration_us(100_000_000), "1m40s"),
            (duration_us(7_205_000_000), "2h00m05s"),
            (instant_us(0), "0s"),
            (instant_us(45_000_000), "45s"),
            (instant_us(65_000_000), "1m05s"),
            (instant_us(65_250_000), "1m05.250s"),
            (share_ppm(0), "0 %"),
            (share_ppm(12), "0.0012 %"),
            (share_ppm(400), "0.04 %"),
            (share_ppm(9_999), "0.99 %"),
            (share_ppm(375_000), "37.5 %"),
            (share_ppm(999_999), "99.9 %"),
            (share_ppm(1_000_000), "100.0 %"),
            (milli(0), "0"),
            (milli(1_210), "1.21"),
            (milli(12_345), "12.3"),
            (milli(4_812_000), "4 812"),
        ];
        for (shown, expected) in cases {
            assert_eq!(shown, expected);
        }
        assert_eq!(share_of(3, 8).as_deref(), Some("37.5 %"));
        assert_eq!(share_of(3, 0), None);
    }
}
