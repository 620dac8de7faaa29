//! A line as structured data: who, when, how bad, what. Never formatted here.

use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How bad it is, by the numbers of RFC 5424: the smaller, the worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Severity {
    /// 0: the system is unusable.
    Emergency,
    /// 1: act at once.
    Alert,
    /// 2: critical.
    Critical,
    /// 3: an error.
    Error,
    /// 4: a warning.
    Warning,
    /// 5: normal, and worth telling.
    Notice,
    /// 6: informational.
    Informational,
    /// 7: for debugging.
    Debug,
}

impl Severity {
    /// All of them, the worst first.
    pub const ALL: [Severity; 8] = [
        Severity::Emergency,
        Severity::Alert,
        Severity::Critical,
        Severity::Error,
        Severity::Warning,
        Severity::Notice,
        Severity::Informational,
        Severity::Debug,
    ];

    /// Its number, 0 to 7.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Its short name, as in syslog.
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Emergency => "emerg",
            Severity::Alert => "alert",
            Severity::Critical => "crit",
            Severity::Error => "err",
            Severity::Warning => "warning",
            Severity::Notice => "notice",
            Severity::Informational => "info",
            Severity::Debug => "debug",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Severity {
    type Err = String;

    fn from_str(text: &str) -> Result<Severity, String> {
        Severity::ALL.into_iter().find(|severity| severity.name() == text).ok_or_else(|| {
            let names = Severity::ALL.map(Severity::name).join(", ");
            format!("`{text}` is no severity: use one of {names}")
        })
    }
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its number at its source: 1, 2, 3, ... Order is by this, never by the clock.
    pub sequence: u64,
    /// When it was said, by the clock of the source.
    #[serde(with = "nanos")]
    pub at: Time,
    /// How bad it is.
    pub severity: Severity,
    /// Who said it, as a path with dots: `shop.payment.webhook`.
    pub logger: String,
    /// The trace it belongs to; 0 is none.
    pub trace: u64,
    /// Whether it is for the auditors: never dropped, only made to wait.
    pub is_audit: bool,
    /// What was said, without what varies.
    pub message: String,
    /// What varies.
    pub fields: Vec<(String, String)>,
}

impl Record {
    /// A line without fields and without a trace. Its source gives the number.
    pub fn new(at: Time, severity: Severity, logger: &str, message: &str) -> Record {
        Record {
            sequence: 0,
            at,
            severity,
            logger: logger.to_string(),
            trace: 0,
            is_audit: false,
            message: message.to_string(),
            fields: Vec::new(),
        }
    }

    /// What it counts for against a bound on bytes: its texts, and 32 for the rest.
    pub fn size_bytes(&self) -> u64 {
        let fields: usize = self.fields.iter().map(|(name, value)| name.len() + value.len()).sum();
        (32 + self.logger.len() + self.message.len() + fields) as u64
    }

    /// Whether two lines say the same, apart from when and in which trace.
    pub fn says_the_same_as(&self, other: &Record) -> bool {
        self.severity == other.severity
            && self.logger == other.logger
            && self.message == other.message
            && self.fields == other.fields
    }
}

/// An instant as its nanoseconds.
mod nanos {
    use crate::time::Time;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(time.as_nanos())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        u64::deserialize(deserializer).map(Time::from_nanos)
    }
}
