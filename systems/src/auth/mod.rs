//! Auth: sessions, signed tokens, keys that rotate, refresh with reuse detection, revocation, throttled logins, and
//! permissions. Never makes up a random number or looks at a clock; not a security product: it exists to be right about
//! time, keys and load.
//!
//! ```text
//! KeyRing signs -> Token -> Verifier (KeyCache, RevocationList) -> Claims -> Permissions
//! RefreshTokens rotate -> Flights (one per session)     LoginGuard + HashQueue before every login
//! ```

mod audit; // what must never be accepted, seen from outside
mod guard; // how many logins may fail, per account and per address
mod hashing; // password hashes as work on cores
mod introspection; // what the issuer said of a token, for a time
mod key_cache; // the keys a verifier knows, and when it asks again
mod key_ring; // the keys an issuer signs with, and when they change
mod permissions; // who may do what
mod refresh; // refresh tokens, rotated and watched for reuse
mod revocation; // what is not valid any more although it has not expired
mod session; // logins that a server remembers
mod timing; // when to refresh, so that not all do at once
mod token; // claims and their signature
mod verifier; // all checks of a token

pub use audit::{AuthViolation, Witness};
pub use guard::{LockPolicy, LoginGuard, LoginGuardConfig, LoginRefused};
pub use hashing::{HashQueue, HashQueueConfig, HashQueueFull};
pub use introspection::{Introspections, Shown};
pub use key_cache::{KeyCache, KeyCacheConfig, KeysUnavailable, Lookup};
pub use key_ring::{Key, KeyId, KeyRing, KeySet, RotationConfig, RotationError};
pub use permissions::{CachedDecisions, Decision, Permissions, Rule};
pub use refresh::{Flight, Flights, RefreshConfig, RefreshError, RefreshToken, RefreshTokens, Refreshed};
pub use revocation::{CachedRevocations, RevocationList};
pub use session::{SessionConfig, SessionEnd, Sessions};
pub use timing::RefreshTiming;
pub use token::{Algorithm, Claims, Header, Token, TokenId};
pub use verifier::{Rejection, Verifier, VerifierConfig};

#[cfg(test)]
mod tests;
