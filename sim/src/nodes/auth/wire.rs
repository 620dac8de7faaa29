//! What goes between client, issuer and verifier: a token in 64 bits, with its signature cut short, and what is asked for.

use foreshock_systems::auth::{Algorithm, Claims, Key, KeyId, KeySet, Token, TokenId};

use crate::kernel::draw::{Key as Draws, Seed};

/// Bits of the signature that fit: enough to notice a wrong key in all but one of a million cases.
const TAG_BITS: u32 = 20;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// A login: begins this family.
    Login { family: u64 },
    /// The next token of a family.
    Refresh { family: u64, generation: u32, secret: u64 },
    /// Which keys are published.
    Keys,
    /// The answer of a service, for a token of a login.
    Present { token: u64, family: u64 },
    /// The end of a login: nobody is to accept its tokens any more.
    Revoke { family: u64 },
    /// How many logins were ended so far.
    Revocations,
    /// Whether a token is still good.
    Introspect { token: u64, family: u64 },
    /// A login with a password that somebody has guessed or bought. Any client can: it is a request without arguments.
    Guess,
}

impl Ask {
    pub(super) const fn arguments(self) -> [u64; 3] {
        match self {
            Ask::Login { family } => [1, family, 0],
            Ask::Refresh { family, generation, secret } => [2 | (generation as u64) << 8, family, secret],
            Ask::Keys => [3, 0, 0],
            Ask::Present { token, family } => [4, token, family],
            Ask::Revoke { family } => [5, family, 0],
            Ask::Revocations => [6, 0, 0],
            Ask::Introspect { token, family } => [7, token, family],
            Ask::Guess => [0; 3],
        }
    }

    pub(super) const fn of([what, a, b]: [u64; 3]) -> Option<Ask> {
        match what & 0xFF {
            1 => Some(Ask::Login { family: a }),
            2 => Some(Ask::Refresh { family: a, generation: (what >> 8) as u32, secret: b }),
            3 => Some(Ask::Keys),
            4 => Some(Ask::Present { token: a, family: b }),
            5 => Some(Ask::Revoke { family: a }),
            6 => Some(Ask::Revocations),
            7 => Some(Ask::Introspect { token: a, family: b }),
            0 => Some(Ask::Guess),
            _ => None,
        }
    }
}

/// What a miss says if the token was good and its owner may not do what was asked.
pub(super) const DENIED: u64 = 1;
/// And what it says if the login is over.
pub(super) const LOGIN_OVER: u64 = 2;
/// Keys that fit into a set as one word.
pub(super) const MOST_KEYS: u64 = 64;
/// Longest life of a token, in seconds.
pub(super) const MOST_LIFE_S: u64 = (1 << 16) - 1;

/// The key of an issuer with a number: the same wherever it is asked for.
pub(super) fn key(seed: Seed, issuer: &str, id: KeyId) -> Key {
    let draws = Draws::derive(seed, &format!("auth/{issuer}"), "signing key");
    Key::from_entropy(id, Algorithm::Hs256, draws.draw(id.0))
}

/// A set of keys as one bit for each number.
pub(super) fn mask(set: &KeySet) -> u64 {
    (0..MOST_KEYS).filter(|id| set.get(KeyId(*id)).is_some()).map(|id| 1 << id).sum()
}

/// The keys of a mask.
pub(super) fn keys(mask: u64, key: impl Fn(KeyId) -> Key) -> KeySet {
    let mut set = KeySet::default();
    for id in (0..MOST_KEYS).filter(|id| mask >> id & 1 == 1) {
        set.insert(key(KeyId(id)));
    }
    set
}

/// What a token of a login claims.
pub(super) fn claims(issuer: &str, (account, family): (u64, u64), issued_at_s: u64, life_s: u64) -> Claims {
    Claims {
        issuer: issuer.to_string(),
        audience: "api".to_string(),
        subject: account,
        issued_at_s,
        not_before_s: issued_at_s,
        expires_at_s: issued_at_s.saturating_add(life_s),
        id: TokenId(account),
        session: family,
    }
}

fn tag_of(token: &Token) -> u64 {
    let [a, b, c, ..] = token.tag;
    u64::from(u32::from_be_bytes([0, a, b, c])) >> (24 - TAG_BITS)
}

/// Key number, second of issue, life and tag in one word.
pub(super) fn pack(token: &Token) -> u64 {
    let life_s = token.claims.expires_at_s - token.claims.issued_at_s;
    (token.header.key.0 & 0xFF) << 56
        | (token.claims.issued_at_s & 0xF_FFFF) << 36
        | (life_s & MOST_LIFE_S) << TAG_BITS
        | tag_of(token)
}

/// What a word claims of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packed {
    pub(super) key: KeyId,
    pub(super) issued_at_s: u64,
    pub(super) life_s: u64,
    tag: u64,
}

impl Packed {
    pub(super) const fn of(word: u64) -> Packed {
        Packed {
            key: KeyId(word >> 56),
            issued_at_s: word >> 36 & 0xF_FFFF,
            life_s: word >> TAG_BITS & MOST_LIFE_S,
            tag: word & ((1 << TAG_BITS) - 1),
        }
    }

    /// The token as this key signs it, if the word's part of the signature is that of this key.
    pub(super) fn token(&self, key: &Key, issuer: &str, whose: (u64, u64)) -> Option<Token> {
        let token = Token::sign(key, claims(issuer, whose, self.issued_at_s, self.life_s));
        (tag_of(&token) == self.tag).then_some(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ask_survives_being_written_as_arguments() {
        let asks = [
            Ask::Login { family: u64::MAX },
            Ask::Refresh { family: 7, generation: u32::MAX, secret: 9 },
            Ask::Keys,
            Ask::Present { token: 5, family: 6 },
            Ask::Revoke { family: 8 },
            Ask::Revocations,
            Ask::Introspect { token: 5, family: 6 },
            Ask::Guess,
        ];
        for ask in asks {
            assert_eq!(Ask::of(ask.arguments()), Some(ask));
        }
        assert_eq!(Ask::of([9, 0, 0]), None);
    }

    #[test]
    fn a_packed_token_is_that_of_its_key_account_and_login_only() {
        let seed = Seed(7);
        let signed = Token::sign(&key(seed, "login", KeyId(3)), claims("login", (11, 5), 1_000, 600));
        let packed = Packed::of(pack(&signed));
        assert_eq!((packed.key, packed.issued_at_s, packed.life_s), (KeyId(3), 1_000, 600));
        assert_eq!(packed.token(&key(seed, "login", KeyId(3)), "login", (11, 5)), Some(signed));
        assert_eq!(packed.token(&key(seed, "login", KeyId(4)), "login", (11, 5)), None);
        assert_eq!(packed.token(&key(seed, "login", KeyId(3)), "login", (12, 5)), None);
        assert_eq!(packed.token(&key(seed, "login", KeyId(3)), "login", (11, 6)), None);
    }
}
