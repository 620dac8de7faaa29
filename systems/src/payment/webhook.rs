//! Signed notifications: the scheme of Stripe (`t=<seconds>,v1=<hex of HMAC-SHA256 over "<seconds>.<body>">`), and
//! what a provider says with them. Never believes a body before its signature.

use super::operation::{OperationId, Outcome, ProviderId};
use crate::time::{Span, Time};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::fmt;

/// The secrets of one sender: the newest signs, all verify, so that one can be replaced without a gap.
#[derive(Clone)]
pub struct WebhookSecrets {
    /// Each with its secret taken in: what is the same for every message is done once.
    keyed: Vec<Hmac<Sha256>>,
    tolerance: Span,
}

/// How far the time of a signature may be from now: Stripe's five minutes.
const TOLERANCE: Span = Span::from_secs(300);

/// Why a delivery is not believed. Answer 400, and it will not be processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureError {
    /// No time, or no signature of a known version, in the header.
    Malformed,
    /// No secret gives one of its signatures: a forgery, another body, or an unknown secret.
    NoMatch,
    /// Older or newer than the tolerance: a replay, or a wrong clock.
    OutOfTolerance,
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SignatureError::Malformed => "the signature header is not `t=<seconds>,v1=<hex>`",
            SignatureError::NoMatch => "no signature matches: check secret and raw body",
            SignatureError::OutOfTolerance => "the signature is too old or too new: check both clocks",
        })
    }
}

impl std::error::Error for SignatureError {}

impl fmt::Debug for WebhookSecrets {
    /// How many, not which.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookSecrets({} secrets)", self.keyed.len())
    }
}

impl WebhookSecrets {
    /// With one secret, and five minutes of tolerance.
    pub fn new(secret: impl AsRef<[u8]>) -> WebhookSecrets {
        WebhookSecrets { keyed: vec![keyed(secret.as_ref())], tolerance: TOLERANCE }
    }

    /// Signs with a new secret from now on, and still believes the old ones.
    #[must_use]
    pub fn rotated(mut self, secret: impl AsRef<[u8]>) -> WebhookSecrets {
        self.keyed.insert(0, keyed(secret.as_ref()));
        self
    }

    /// Another tolerance.
    #[must_use]
    pub const fn with_tolerance(mut self, tolerance: Span) -> WebhookSecrets {
        self.tolerance = tolerance;
        self
    }

    /// The header of a body sent now, in whole seconds since the driver's origin.
    pub fn sign(&self, now: Time, body: &[u8]) -> String {
        let seconds = now.as_nanos() / 1_000_000_000;
        let mut header = format!("t={seconds},v1=");
        let tag = self.keyed.first().map(|keyed| mac(keyed, seconds, body).finalize().into_bytes());
        header.extend(tag.into_iter().flatten().flat_map(hex));
        header
    }

    /// Whether a body was signed with one of the secrets, about now. Compares in constant time.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify(&self, now: Time, header: &str, body: &[u8]) -> Result<(), SignatureError> {
        let parts = || header.split(',').filter_map(|part| part.trim().split_once('='));
        let (_, seconds) = parts().find(|(name, _)| *name == "t").ok_or(SignatureError::Malformed)?;
        let seconds: u64 = seconds.parse().map_err(|_| SignatureError::Malformed)?;
        let tags: Vec<Vec<u8>> =
            parts().filter(|(name, _)| *name == "v1").filter_map(|(_, hex)| unhex(hex)).collect();
        if tags.is_empty() {
            return Err(SignatureError::Malformed);
        }
        let matches =
            |keyed: &Hmac<Sha256>| tags.iter().any(|tag| mac(keyed, seconds, body).verify_slice(tag).is_ok());
        if !self.keyed.iter().any(matches) {
            return Err(SignatureError::NoMatch);
        }
        let signed = Time::ZERO + Span::from_secs(seconds);
        if now.since(signed) > self.tolerance || signed.since(now) > self.tolerance {
            return Err(SignatureError::OutOfTolerance);
        }
        Ok(())
    }
}

fn keyed(secret: &[u8]) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length")
}

fn mac(keyed: &Hmac<Sha256>, seconds: u64, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = keyed.clone();
    mac.update(seconds.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    mac
}

fn hex(byte: u8) -> [char; 2] {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 0xF)]]
}

/// The bytes that hexadecimal digits stand for; `None` if they are none, or of an odd number.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

/// What a provider tells without having been asked. At least once, in any order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderEvent {
    /// Its number at that provider: the same however often it is delivered.
    pub id: u64,
    /// What about.
    pub subject: EventSubject,
}

/// What a provider's event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventSubject {
    /// What became of something that was asked for.
    Operation {
        /// Which.
        operation: OperationId,
        /// What.
        outcome: Outcome,
    },
    /// The payer's bank takes money back.
    Dispute {
        /// Its number at the provider.
        dispute: u64,
        /// The capture or sale it is about.
        operation: OperationId,
        /// How much, in minor units.
        minor: i64,
        /// How far it is.
        phase: DisputePhase,
    },
}

/// How far a chargeback is. Later ones win, whatever order they come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DisputePhase {
    /// The money is held back.
    Opened,
    /// The merchant keeps it.
    Won,
    /// The payer has it.
    Lost,
}

impl ProviderEvent {
    /// The body to be signed and sent.
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_allocvec(self).expect("plain numbers always encode")
    }

    /// What a body says; `None` if it is none.
    pub fn decode(body: &[u8]) -> Option<ProviderEvent> {
        postcard::from_bytes(body).ok()
    }
}

/// A body as it came in, not believed yet.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// Who claims to have sent it.
    pub provider: ProviderId,
    /// The header with the signature.
    pub signature: &'a str,
    /// The raw body.
    pub body: &'a [u8],
}
