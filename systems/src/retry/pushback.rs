//! What a server says about the next attempt, and how far it is believed. Reads header values; never a clock.

use crate::time::Span;
use std::fmt;

/// What the server asked for with its failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pushback {
    /// Nothing.
    #[default]
    None,
    /// Not to come back before this pause is over.
    After(Span),
    /// Not to come back at all with this call.
    Stop,
}

impl From<Option<Span>> for Pushback {
    fn from(pause: Option<Span>) -> Pushback {
        pause.map_or(Pushback::None, Pushback::After)
    }
}

impl Pushback {
    /// The value of gRPC's `grpc-retry-pushback-ms`: a count of milliseconds, and anything else (a negative number
    /// above all) means not to retry (gRFC A6).
    pub fn from_grpc_ms(value: &str) -> Pushback {
        match value.trim().parse::<u32>() {
            Ok(ms) => Pushback::After(Span::from_millis(u64::from(ms))),
            Err(_) => Pushback::Stop,
        }
    }

    /// The value of `x-amz-retry-after`: a count of milliseconds; anything else is not heard.
    pub fn from_aws_ms(value: &str) -> Pushback {
        match value.trim().parse::<u64>() {
            Ok(ms) => Pushback::After(Span::from_millis(ms)),
            Err(_) => Pushback::None,
        }
    }

    /// The value of HTTP's `Retry-After`; what cannot be read is not heard. See [`RetryAfter::wait`] for `date`
    /// and `local_unix_s`.
    pub fn from_retry_after(value: &str, date: Option<&str>, local_unix_s: u64) -> Pushback {
        match RetryAfter::parse(value) {
            Ok(read) => {
                let date = date.and_then(|date| parse_http_date(date).ok());
                Pushback::After(read.wait(date, local_unix_s))
            }
            Err(_) => Pushback::None,
        }
    }
}

/// How far a server that asks for a pause is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushbackRule {
    /// Not at all. Even [`Pushback::Stop`] is not heard.
    Ignore,
    /// The pause is lengthened to what was asked for, never shortened, up to a bound.
    Lengthen {
        /// Longest pause kept on a server's word.
        longest: Span,
    },
    /// The server's pause takes the place of the own one, and the own pace starts anew after it: gRPC.
    Replace {
        /// Longest pause kept on a server's word.
        longest: Span,
    },
    /// Between the own pause and so much more: AWS, with 5 s.
    OwnAndUpTo {
        /// Most that is added to the own pause.
        extra: Span,
    },
}

impl PushbackRule {
    /// Whether the server forbids another attempt.
    pub fn forbids(self, asked: Pushback) -> bool {
        match self {
            PushbackRule::Ignore => false,
            PushbackRule::Lengthen { .. }
            | PushbackRule::Replace { .. }
            | PushbackRule::OwnAndUpTo { .. } => asked == Pushback::Stop,
        }
    }

    /// The pause to make when the own one is `own`.
    pub fn pause(self, own: Span, asked: Pushback) -> Span {
        let Pushback::After(asked) = asked else { return own };
        match self {
            PushbackRule::Ignore => own,
            PushbackRule::Lengthen { longest } => own.max(asked.min(longest)),
            PushbackRule::Replace { longest } => asked.min(longest),
            PushbackRule::OwnAndUpTo { extra } => asked.clamp(own, own + extra),
        }
    }

    /// Whether the own pace starts anew after this.
    pub fn restarts_pace(self, asked: Pushback) -> bool {
        match (self, asked) {
            (PushbackRule::Replace { .. }, Pushback::After(_)) => true,
            (PushbackRule::Replace { .. }, Pushback::None | Pushback::Stop)
            | (PushbackRule::Ignore | PushbackRule::Lengthen { .. } | PushbackRule::OwnAndUpTo { .. }, _) => {
                false
            }
        }
    }
}

/// A `Retry-After` header as RFC 9110 10.2.3 allows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// So many seconds.
    Seconds(u64),
    /// At a date, in seconds since 1970.
    Date {
        /// Seconds since 1970 on the server's clock.
        unix_s: u64,
    },
}

impl RetryAfter {
    /// Reads a header value: a count of seconds or a date (`Sun, 06 Nov 1994 08:49:37 GMT`).
    ///
    /// # Errors
    /// [`HeaderError`] for everything else, the two obsolete forms of dates included.
    pub fn parse(value: &str) -> Result<RetryAfter, HeaderError> {
        let value = value.trim();
        if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(RetryAfter::Seconds(value.parse().unwrap_or(u64::MAX)));
        }
        parse_http_date(value).map(|unix_s| RetryAfter::Date { unix_s })
    }

    /// How long to wait. A date is compared with the response's own `Date` (seconds since 1970) where there is one, so
    /// that a server whose clock is off is understood all the same, else with the local clock. A date that has passed
    /// is no wait. The result still has to be bounded by a [`PushbackRule`].
    pub fn wait(self, response_date_unix_s: Option<u64>, local_unix_s: u64) -> Span {
        match self {
            RetryAfter::Seconds(seconds) => Span::from_secs(seconds),
            RetryAfter::Date { unix_s } => {
                Span::from_secs(unix_s.saturating_sub(response_date_unix_s.unwrap_or(local_unix_s)))
            }
        }
    }
}

/// A header value that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderError;

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("neither seconds nor a date: send `120` or `Sun, 06 Nov 1994 08:49:37 GMT`")
    }
}

impl std::error::Error for HeaderError {}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Seconds since 1970 of an IMF-fixdate, from 1970 on. The name of the day is not looked at.
fn parse_http_date(value: &str) -> Result<u64, HeaderError> {
    let mut words = value.trim().split_ascii_whitespace();
    let mut word = || words.next().ok_or(HeaderError);
    let (day_name, day, month, year, clock, zone) = (word()?, word()?, word()?, word()?, word()?, word()?);
    if words.next().is_some() || !day_name.ends_with(',') || zone != "GMT" {
        return Err(HeaderError);
    }
    let month = MONTHS.iter().position(|name| *name == month).ok_or(HeaderError)? as u64 + 1;
    let (day, year) = (digits(day, 2)?, digits(year, 4)?);
    let mut parts = clock.split(':');
    let mut part = || digits(parts.next().ok_or(HeaderError)?, 2);
    let (hour, minute, second) = (part()?, part()?, part()?);
    let exists = parts.next().is_none()
        && (1..=days_of(month, year)).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60
        && year >= 1970;
    if !exists {
        return Err(HeaderError);
    }
    let days = (1970..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum::<u64>()
        + (1..month).map(|month| days_of(month, year)).sum::<u64>()
        + day
        - 1;
    Ok(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

fn digits(text: &str, length: usize) -> Result<u64, HeaderError> {
    if text.len() != length || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(HeaderError);
    }
    text.parse().map_err(|_| HeaderError)
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400)
}

const fn days_of(month: u64, year: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
