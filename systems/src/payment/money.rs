//! Amounts in minor units with the exponent of their currency. Never a float, never an overflow, never two
//! currencies in one sum.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A currency by its ISO 4217 code, and how many digits its minor unit has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Currency {
    code: [u8; 3],
    exponent: u8,
}

/// Codes whose exponent is not two (ISO 4217, list one).
const OTHER_EXPONENTS: [(&[u8; 3], u8); 25] = [
    (b"BIF", 0),
    (b"CLP", 0),
    (b"DJF", 0),
    (b"GNF", 0),
    (b"ISK", 0),
    (b"JPY", 0),
    (b"KMF", 0),
    (b"KRW", 0),
    (b"PYG", 0),
    (b"RWF", 0),
    (b"UGX", 0),
    (b"UYI", 0),
    (b"VND", 0),
    (b"VUV", 0),
    (b"XAF", 0),
    (b"XOF", 0),
    (b"XPF", 0),
    (b"BHD", 3),
    (b"IQD", 3),
    (b"JOD", 3),
    (b"KWD", 3),
    (b"LYD", 3),
    (b"OMR", 3),
    (b"TND", 3),
    (b"CLF", 4),
];

impl Currency {
    /// Indian rupee, in paise.
    pub const INR: Currency = Currency { code: *b"INR", exponent: 2 };
    /// Euro, in cents.
    pub const EUR: Currency = Currency { code: *b"EUR", exponent: 2 };
    /// US dollar, in cents.
    pub const USD: Currency = Currency { code: *b"USD", exponent: 2 };
    /// Yen, which has no minor unit.
    pub const JPY: Currency = Currency { code: *b"JPY", exponent: 0 };
    /// Kuwaiti dinar, in fils: a thousand to the dinar.
    pub const KWD: Currency = Currency { code: *b"KWD", exponent: 3 };

    /// The currency of a code of three capital letters. One that is in no list of exponents has two digits.
    pub fn from_code(code: &str) -> Option<Currency> {
        let code: [u8; 3] = code.as_bytes().try_into().ok()?;
        if !code.iter().all(u8::is_ascii_uppercase) {
            return None;
        }
        let listed = OTHER_EXPONENTS.iter().find(|(other, _)| **other == code);
        Some(Currency { code, exponent: listed.map_or(2, |(_, exponent)| *exponent) })
    }

    /// Digits of the minor unit: 0 to 4.
    pub const fn exponent(self) -> u8 {
        self.exponent
    }

    fn minor_per_major(self) -> i64 {
        10_i64.pow(u32::from(self.exponent.min(4)))
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code.escape_ascii())
    }
}

/// An amount of a currency, in its minor unit. May be negative: a balance can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    /// Cents, paise, yen, fils.
    pub minor: i64,
    /// Of what.
    pub currency: Currency,
}

impl Money {
    /// So many minor units.
    pub const fn new(minor: i64, currency: Currency) -> Money {
        Money { minor, currency }
    }

    /// The sum; `None` if the currencies differ or it does not fit.
    pub fn checked_add(self, other: Money) -> Option<Money> {
        let minor = self.minor.checked_add(other.minor)?;
        (self.currency == other.currency).then_some(Money { minor, ..self })
    }

    /// The difference; `None` if the currencies differ or it does not fit.
    pub fn checked_sub(self, other: Money) -> Option<Money> {
        let minor = self.minor.checked_sub(other.minor)?;
        (self.currency == other.currency).then_some(Money { minor, ..self })
    }
}

impl fmt::Display for Money {
    /// `12.34 INR`, `-0.05 EUR`, `500 JPY`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.minor < 0 { "-" } else { "" };
        let (unit, width) =
            (self.currency.minor_per_major().unsigned_abs(), usize::from(self.currency.exponent));
        let (major, minor) = (self.minor.unsigned_abs() / unit, self.minor.unsigned_abs() % unit);
        match width {
            0 => write!(f, "{sign}{major} {}", self.currency),
            _ => write!(f, "{sign}{major}.{minor:0width$} {}", self.currency),
        }
    }
}

/// Why a text is no amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseMoneyError {
    /// Not a number, a blank and a currency.
    Shape,
    /// No code of three capital letters.
    Currency,
    /// More digits behind the point than the currency has.
    TooFine,
    /// More than fits.
    TooLarge,
}

impl fmt::Display for ParseMoneyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ParseMoneyError::Shape => "write an amount and a currency, as in `12.34 INR`",
            ParseMoneyError::Currency => "a currency is three capital letters, as in `INR`",
            ParseMoneyError::TooFine => {
                "more digits behind the point than the currency has: write whole minor units"
            }
            ParseMoneyError::TooLarge => "an amount has at most 2^63 - 1 minor units",
        })
    }
}

impl std::error::Error for ParseMoneyError {}

impl FromStr for Money {
    type Err = ParseMoneyError;

    fn from_str(text: &str) -> Result<Money, ParseMoneyError> {
        let (number, code) = text.split_once(' ').ok_or(ParseMoneyError::Shape)?;
        let currency = Currency::from_code(code).ok_or(ParseMoneyError::Currency)?;
        let (sign, number) = number.strip_prefix('-').map_or((1, number), |rest| (-1, rest));
        let (major, minor) = number.split_once('.').unwrap_or((number, ""));
        let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if major.is_empty() || !all_digits(major) || !all_digits(minor) || number.ends_with('.') {
            return Err(ParseMoneyError::Shape);
        }
        let exponent = usize::from(currency.exponent);
        if minor.len() > exponent {
            return Err(ParseMoneyError::TooFine);
        }
        let digits = format!("{major}{minor:0<exponent$}");
        let unsigned: i64 = digits.parse().map_err(|_| ParseMoneyError::TooLarge)?;
        Ok(Money { minor: sign * unsigned, currency })
    }
}
