//! A bearer token: header, claims, and HMAC-SHA-256 over their canonical bytes. Claims are those of RFC 7519, times are
//! whole seconds as there.

use super::key_ring::{Key, KeyId};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// How a token says that it is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Algorithm {
    /// Not at all. Never to be believed.
    None,
    /// With a shared secret.
    Hs256,
    /// With a private key. Stands for a family whose public key must not be taken for a secret.
    Rs256,
}

/// The number of a token: `jti`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TokenId(pub u64);

/// What stands before the claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// `alg`, as the token says; the verifier has its own opinion.
    pub algorithm: Algorithm,
    /// `kid`.
    pub key: KeyId,
}

/// What is claimed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// `iss`: who says so.
    pub issuer: String,
    /// `aud`: to whom.
    pub audience: String,
    /// `sub`: about whom.
    pub subject: u64,
    /// `iat`: since when, in seconds.
    pub issued_at_s: u64,
    /// `nbf`: not before this second.
    pub not_before_s: u64,
    /// `exp`: not at or after this second.
    pub expires_at_s: u64,
    /// `jti`.
    pub id: TokenId,
    /// The session it belongs to.
    pub session: u64,
}

/// Claims with a signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// How it is signed, and with which key.
    pub header: Header,
    /// What it says.
    pub claims: Claims,
    /// The signature.
    pub tag: [u8; 32],
}

impl Token {
    /// Signs claims with a key.
    pub fn sign(key: &Key, claims: Claims) -> Token {
        let header = Header { algorithm: key.algorithm, key: key.id };
        let tag = mac(key, &header, &claims).finalize().into_bytes().into();
        Token { header, claims, tag }
    }

    /// Whether the signature is that of the key, over what is claimed. Compares in constant time. What the header says of
    /// the algorithm is signed, too.
    pub fn is_signed_by(&self, key: &Key) -> bool {
        mac(key, &self.header, &self.claims).verify_slice(&self.tag).is_ok()
    }

    /// As bytes to be sent.
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_allocvec(self).expect("plain data always encodes")
    }

    /// What bytes say; `None` if they are no token.
    pub fn decode(bytes: &[u8]) -> Option<Token> {
        let (token, rest) = postcard::take_from_bytes(bytes).ok()?;
        // Bytes behind a token would be a second spelling of it.
        rest.is_empty().then_some(token)
    }
}

fn mac(key: &Key, header: &Header, claims: &Claims) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&key.secret).expect("HMAC takes keys of any length");
    mac.update(&postcard::to_allocvec(&(header, claims)).expect("plain data always encodes"));
    mac
}
