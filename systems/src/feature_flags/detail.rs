//! What an evaluation answers: the value, and why. Reasons and kinds of errors are OpenFeature's.

use super::flag::Flag;
use super::variant::{Payload, PayloadValue, Variant};
use serde_json::Value;

/// Why a flag has the value that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Switched off for everybody.
    Disabled,
    /// On without any rule.
    Static,
    /// A rule matched.
    TargetingMatch,
    /// A rule matched whose percentage is for only some; or a hash chose the variant.
    Split,
    /// No rule matched.
    Default,
    /// A flag that it waits for is not as it has to be.
    PrerequisiteFailed,
    /// No value could be had: the answer is the caller's default.
    Error(ErrorKind),
}

impl Reason {
    /// The word that OpenFeature has for it; `PREREQUISITE_FAILED` is LaunchDarkly's.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Disabled => "DISABLED",
            Reason::Static => "STATIC",
            Reason::TargetingMatch => "TARGETING_MATCH",
            Reason::Split => "SPLIT",
            Reason::Default => "DEFAULT",
            Reason::PrerequisiteFailed => "PREREQUISITE_FAILED",
            Reason::Error(_) => "ERROR",
        }
    }
}

/// Why no value could be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// There has been no state yet.
    ProviderNotReady,
    /// No flag of that name, or one that is only still there.
    FlagNotFound,
    /// The flag's definition cannot be read.
    ParseError,
    /// The flag has a value of another type than the caller asks for.
    TypeMismatch,
    /// The flag waits for itself, or for too many others.
    MalformedFlag,
}

impl ErrorKind {
    /// The word that OpenFeature has for it; `MALFORMED_FLAG` is LaunchDarkly's.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorKind::ProviderNotReady => "PROVIDER_NOT_READY",
            ErrorKind::FlagNotFound => "FLAG_NOT_FOUND",
            ErrorKind::ParseError => "PARSE_ERROR",
            ErrorKind::TypeMismatch => "TYPE_MISMATCH",
            ErrorKind::MalformedFlag => "MALFORMED_FLAG",
        }
    }
}

/// The answer for one flag and one context.
#[derive(Clone, Copy, Debug)]
pub struct Detail<'r> {
    /// Whether the flag is on. After an error it is off; ask [`Detail::is_on`] with the caller's default.
    pub on: bool,
    /// Why.
    pub reason: Reason,
    /// The rule that matched, counted from 0 in the order in which they are tried.
    pub rule_index: Option<u32>,
    /// The rule's own name.
    pub rule_id: Option<&'r str>,
    /// The variant, if the flag is on and has any.
    pub variant: Option<&'r Variant>,
    /// Which of the variants of its rule, or of its flag, it is.
    pub variant_index: Option<u32>,
    /// The revision that answered.
    pub revision: u64,
    /// The flag, if there is one of that name.
    pub flag: Option<&'r Flag>,
}

/// A value with the reason for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Resolved<T> {
    /// The value: the variant's, or the caller's default.
    pub value: T,
    /// Why.
    pub reason: Reason,
}

impl<'r> Detail<'r> {
    pub(super) fn error(kind: ErrorKind, revision: u64, flag: Option<&'r Flag>) -> Detail<'r> {
        Detail {
            on: false,
            reason: Reason::Error(kind),
            rule_index: None,
            rule_id: None,
            variant: None,
            variant_index: None,
            revision,
            flag,
        }
    }

    /// Why there is no value, if there is none.
    pub fn error_kind(&self) -> Option<ErrorKind> {
        match self.reason {
            Reason::Error(kind) => Some(kind),
            Reason::Disabled
            | Reason::Static
            | Reason::TargetingMatch
            | Reason::Split
            | Reason::Default
            | Reason::PrerequisiteFailed => None,
        }
    }

    /// Whether the flag is on; after an error, the caller's default.
    pub fn is_on(&self, default: bool) -> bool {
        if self.error_kind().is_some() { default } else { self.on }
    }

    /// The variant's name; `disabled` if there is no variant, as Unleash has it.
    pub fn variant_name(&self) -> &'r str {
        self.variant.map_or("disabled", Variant::name)
    }

    /// The variant's text. The caller's default if the flag is off or has no value; an error if it has one of another
    /// type.
    pub fn string<'a>(&self, default: &'a str) -> Resolved<&'a str>
    where
        'r: 'a,
    {
        self.typed(default, |payload| match payload.value() {
            PayloadValue::Text | PayloadValue::Csv => Some(payload.text()),
            PayloadValue::Number(_) | PayloadValue::Json(_) | PayloadValue::Malformed => None,
        })
    }

    /// The variant's number; otherwise as [`Detail::string`].
    pub fn number(&self, default: f64) -> Resolved<f64> {
        self.typed(default, |payload| match payload.value() {
            PayloadValue::Number(number) => Some(*number),
            PayloadValue::Text | PayloadValue::Csv | PayloadValue::Json(_) | PayloadValue::Malformed => None,
        })
    }

    /// The variant's JSON; otherwise as [`Detail::string`].
    pub fn json<'a>(&self, default: &'a Value) -> Resolved<&'a Value>
    where
        'r: 'a,
    {
        self.typed(default, |payload| match payload.value() {
            PayloadValue::Json(value) => Some(value),
            PayloadValue::Text | PayloadValue::Csv | PayloadValue::Number(_) | PayloadValue::Malformed => {
                None
            }
        })
    }

    fn typed<T>(&self, default: T, read: impl Fn(&'r Payload) -> Option<T>) -> Resolved<T> {
        let reason = self.reason;
        match self.variant {
            None => Resolved { value: default, reason },
            Some(variant) => match variant.payload().and_then(read) {
                Some(value) => Resolved { value, reason },
                None => Resolved { value: default, reason: Reason::Error(ErrorKind::TypeMismatch) },
            },
        }
    }
}
