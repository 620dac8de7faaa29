//! What is refused before any money moves: amounts, limits, currencies, card numbers, payment addresses, velocity.
//! Never keeps a card number.

use super::money::{Currency, Money};
use crate::time::{Span, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Bounds for a single payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The smallest amount, in minor units; at least 1.
    pub min_minor: i64,
    /// The largest amount, in minor units.
    pub max_minor: i64,
    /// Which currencies are taken; empty takes all.
    pub currencies: Vec<Currency>,
}

impl Default for Limits {
    /// From one minor unit to 10^12, in any currency.
    fn default() -> Limits {
        Limits { min_minor: 1, max_minor: 1_000_000_000_000, currencies: Vec::new() }
    }
}

/// Why a payment is refused before it is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Invalid {
    /// Zero or less, or below the limit.
    TooSmall,
    /// Above the limit.
    TooLarge,
    /// Not a currency that is taken, or not that of the payment.
    Currency,
    /// Not 12 to 19 digits whose Luhn sum is divisible by ten.
    CardNumber,
    /// Not `name@handle`.
    Address,
    /// Too many payments, or too much money, in the window.
    Velocity,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Invalid::TooSmall => "the amount is too small: pay at least the limit, and more than nothing",
            Invalid::TooLarge => "the amount is above the limit: split it, or raise the limit",
            Invalid::Currency => "this currency is not taken here: use that of the payment",
            Invalid::CardNumber => "no card has this number: check its digits",
            Invalid::Address => "no payment address: write `name@handle`",
            Invalid::Velocity => "too many payments in too short a time: try again later",
        })
    }
}

impl std::error::Error for Invalid {}

impl Limits {
    /// Whether an amount may be paid.
    ///
    /// # Errors
    /// [`Invalid`].
    pub fn check(&self, amount: Money) -> Result<(), Invalid> {
        if amount.minor < self.min_minor.max(1) {
            return Err(Invalid::TooSmall);
        }
        if amount.minor > self.max_minor {
            return Err(Invalid::TooLarge);
        }
        if !self.currencies.is_empty() && !self.currencies.contains(&amount.currency) {
            return Err(Invalid::Currency);
        }
        Ok(())
    }
}

/// What is paid with, as the payer gives it. Not stored: see [`Instrument::label`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Instrument {
    /// The digits of a card; blanks are ignored.
    Card(String),
    /// A UPI address.
    Address(String),
    /// What a provider or a vault has under this number.
    Token(u64),
}

impl fmt::Debug for Instrument {
    /// Without the digits of a card: logs are not a vault.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label())
    }
}

impl Instrument {
    /// Whether it can exist.
    ///
    /// # Errors
    /// [`Invalid`].
    pub fn check(&self) -> Result<(), Invalid> {
        match self {
            Instrument::Card(number) if !is_card_number(number) => Err(Invalid::CardNumber),
            Instrument::Address(address) if !is_address(address) => Err(Invalid::Address),
            Instrument::Card(_) | Instrument::Address(_) | Instrument::Token(_) => Ok(()),
        }
    }

    /// What may be shown and stored: the last four digits, the address, the token.
    pub fn label(&self) -> String {
        match self {
            Instrument::Card(number) => {
                let digits: Vec<char> = number.chars().filter(char::is_ascii_digit).collect();
                format!(
                    "card ending in {}",
                    digits[digits.len().saturating_sub(4)..].iter().collect::<String>()
                )
            }
            Instrument::Address(address) => address.clone(),
            Instrument::Token(token) => format!("token {token}"),
        }
    }
}

/// The Luhn sum (ISO/IEC 7812-1, annex B): every second digit from the right doubled, less 9 if above 9. Finds every
/// wrong digit, and every swap of neighbours but 09 and 90.
pub fn luhn_holds(digits: impl DoubleEndedIterator<Item = u8>) -> bool {
    let sum: u32 = digits
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, u32::from(digit % 10)) {
            (0, digit) => digit,
            (_, digit) if digit > 4 => digit * 2 - 9,
            (_, digit) => digit * 2,
        })
        .fold(0, u32::wrapping_add);
    sum.is_multiple_of(10)
}

fn is_card_number(text: &str) -> bool {
    let digits: Vec<u8> =
        text.bytes().filter(|byte| *byte != b' ').map(|byte| byte.wrapping_sub(b'0')).collect();
    (12..=19).contains(&digits.len())
        && digits.iter().all(|digit| *digit < 10)
        && digits.iter().any(|digit| *digit > 0)
        && luhn_holds(digits.into_iter())
}

/// `name@handle`: the name of 2 to 256 letters, digits, dots, hyphens and underscores, the handle of 2 to 64 letters
/// and digits that begins with a letter (the common reading of NPCI's UPI address rules).
pub fn is_address(text: &str) -> bool {
    let Some((name, handle)) = text.split_once('@') else { return false };
    let in_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    (2..=256).contains(&name.len())
        && (2..=64).contains(&handle.len())
        && name.bytes().all(in_name)
        && handle.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && handle.as_bytes().first().is_some_and(u8::is_ascii_alphabetic)
}

/// How much one payer may pay in a window of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VelocityLimit {
    /// Fixed windows of this length, counted from the origin; zero is one window for ever.
    pub window: Span,
    /// Payments in one of them.
    pub max_count: u32,
    /// Their sum, in minor units.
    pub max_minor: i64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    count: u32,
    minor: i64,
}

/// Counts what payers pay. In memory only: after a restart it begins anew.
#[derive(Clone, Debug, Default)]
pub struct Velocity {
    window: u64,
    spent: BTreeMap<(u64, Currency), Spent>,
}

impl Velocity {
    /// Counts a payment, or refuses it.
    ///
    /// # Errors
    /// [`Invalid::Velocity`]; then it is not counted.
    pub fn admit(
        &mut self,
        now: Time,
        limit: &VelocityLimit,
        payer: u64,
        amount: Money,
    ) -> Result<(), Invalid> {
        let window = now.as_nanos().checked_div(limit.window.as_nanos()).unwrap_or(0);
        if window > self.window {
            self.window = window;
            self.spent.clear();
        }
        let spent = self.spent.get(&(payer, amount.currency)).copied().unwrap_or_default();
        let (count, minor) = (spent.count.saturating_add(1), spent.minor.saturating_add(amount.minor.max(0)));
        if count > limit.max_count || minor > limit.max_minor {
            return Err(Invalid::Velocity);
        }
        self.spent.insert((payer, amount.currency), Spent { count, minor });
        Ok(())
    }
}
