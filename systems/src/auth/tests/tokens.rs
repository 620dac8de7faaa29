//! Tokens and their checks.

use super::*;
use proptest::prelude::*;

#[test]
fn each_check_rejects_a_token_in_which_only_that_is_wrong() {
    let good = claims(1_000, 300);
    let signed = |change: fn(&mut Claims)| {
        let mut claims = good.clone();
        change(&mut claims);
        Token::sign(&key(1), claims)
    };
    let own_algorithm = |algorithm| Key { algorithm, ..key(1) };
    let now = s(1_100);
    let mut forged = signed(|_| {});
    forged.claims.subject = 8;
    let mut renamed = signed(|_| {});
    renamed.header.key = KeyId(2);
    let cases = [
        (Token::sign(&own_algorithm(Algorithm::None), good.clone()), Rejection::Algorithm),
        (Token::sign(&own_algorithm(Algorithm::Rs256), good.clone()), Rejection::Algorithm),
        (renamed, Rejection::UnknownKey),
        (forged, Rejection::Signature),
        (Token::sign(&Key { id: KeyId(1), ..key(2) }, good.clone()), Rejection::Signature),
        (signed(|claims| claims.issuer = "thief".into()), Rejection::Issuer),
        (signed(|claims| claims.audience = "bank".into()), Rejection::Audience),
        (signed(|claims| claims.not_before_s = 1_161), Rejection::TooEarly),
        (signed(|claims| claims.expires_at_s = 1_040), Rejection::Expired),
        (signed(|claims| claims.expires_at_s = claims.not_before_s), Rejection::Expired),
    ];
    assert_eq!(verifier().verify(now, &signed(|_| {}), &key(1)), Ok(&good));
    for (token, rejection) in cases {
        assert_eq!(verifier().verify(now, &token, &key(1)), Err(rejection));
    }
}

#[test]
fn a_key_of_one_algorithm_does_not_verify_the_other_even_if_both_are_allowed() {
    let both = VerifierConfig {
        algorithms: vec![Algorithm::Hs256, Algorithm::Rs256],
        ..verifier().config().clone()
    };
    let public = Key::from_entropy(KeyId(1), Algorithm::Rs256, 9);
    // What the attacker does: signs with the public key as if it were a secret.
    let confused = Token::sign(&Key { algorithm: Algorithm::Hs256, ..public.clone() }, claims(0, 300));
    assert_eq!(Verifier::new(both).verify(s(1), &confused, &public), Err(Rejection::Algorithm));
}

#[test]
fn leeway_counts_once_at_each_end_and_is_bounded() {
    let token = Token::sign(&key(1), claims(1_000, 300));
    let at = |seconds| verifier().verify(s(seconds), &token, &key(1)).map(|_| ());
    assert_eq!(at(939), Err(Rejection::TooEarly));
    assert_eq!(at(940), Ok(()));
    assert_eq!(at(1_359), Ok(()));
    assert_eq!(at(1_360), Err(Rejection::Expired));
    let lax = Verifier::new(VerifierConfig { leeway: Span::MAX, ..verifier().config().clone() });
    assert_eq!(lax.verify(s(1_600), &token, &key(1)), Err(Rejection::Expired));
}

/// What the time check must never be, and the witness that tells: leeway added twice, and the end included.
#[test]
fn a_verifier_with_twice_the_leeway_or_with_an_inclusive_end_is_caught_by_the_witness() {
    let claims = claims(1_000, 300);
    type Accepts = fn(u64, &Claims) -> bool;
    let variants: [(&str, Accepts, bool); 3] = [
        ("right", |now, claims| now < claims.expires_at_s + 60, false),
        ("leeway twice", |now, claims| now < claims.expires_at_s + 120, true),
        ("inclusive", |now, claims| now <= claims.expires_at_s + 60, true),
    ];
    for (name, accepts, is_caught) in variants {
        let mut witness = Witness::new(secs(60), secs(0), secs(0));
        let caught = (1_200..1_500)
            .filter(|now| accepts(*now, &claims))
            .any(|now| witness.accepted(s(now), &claims).is_err());
        assert_eq!(caught, is_caught, "{name}");
    }
}

#[test]
fn acceptance_after_a_revocation_ends_within_the_time_of_the_copy() {
    let mut list = RevocationList::new();
    let mut copy = CachedRevocations::new(secs(30));
    let mut witness = Witness::new(secs(60), secs(30), secs(0));
    let claims = claims(0, 3_600);
    assert_eq!(copy.is_revoked(s(0), claims.id, claims.session), None, "without a copy nobody can tell");
    copy.fetched(s(0), list.clone());
    list.revoke_session(claims.session, s(3_660));
    witness.revoked(s(10), claims.session);
    for now in 10..100 {
        if now % 30 == 0 {
            copy.fetched(s(now), list.clone());
        }
        if copy.is_revoked(s(now), claims.id, claims.session) == Some(false) {
            assert!(now < 30);
            witness.accepted(s(now), &claims).unwrap();
        }
    }
    // The broken variant never polls again.
    assert_eq!(witness.accepted(s(41), &claims), Err(AuthViolation::AcceptedRevoked(claims.id)));
    list.expire(s(3_660));
    assert!(list.is_empty(), "what has expired need not be remembered");
}

#[test]
fn the_published_example_of_hmac_sha_256_holds() {
    // RFC 4231, test case 2: key "Jefe".
    use hmac::{Hmac, KeyInit, Mac};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"Jefe").unwrap();
    mac.update(b"what do ya want for nothing?");
    let tag = mac.finalize().into_bytes();
    assert_eq!(tag[..8], [0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e]);
}

proptest! {
    #[test]
    fn a_token_survives_the_wire_and_any_changed_byte_is_noticed(
        subject in any::<u64>(), at in any::<prop::sample::Index>(), flip in 1u8..=255,
    ) {
        let token = Token::sign(&key(1), Claims { subject, ..claims(1_000, 300) });
        let bytes = token.encode();
        prop_assert_eq!(Token::decode(&bytes), Some(token));
        let mut changed = bytes.clone();
        changed[at.index(bytes.len())] ^= flip;
        if let Some(changed) = Token::decode(&changed) {
            prop_assert!(verifier().verify(s(1_100), &changed, &key(1)).is_err());
        }
    }

    #[test]
    fn no_time_and_no_bytes_make_a_check_panic(now in any::<u64>(), times in any::<[u64; 2]>(), bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let token = Token::sign(&key(1), Claims { not_before_s: times[0], expires_at_s: times[1], ..claims(0, 0) });
        let _ = verifier().verify(Time::from_nanos(now), &token, &key(1));
        let _ = Token::decode(&bytes);
    }
}
