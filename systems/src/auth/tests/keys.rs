//! Keys that rotate, and the caches that must know them in time.

use super::*;
use crate::arithmetic::{keyed_word, uniform};

const TTL: u64 = 60;
const LIFE: u64 = 120;

fn cache() -> KeyCache {
    let config = KeyCacheConfig {
        ttl: secs(TTL),
        unknown_key_fetches: RateLimitConfig { rate_per_s_milli: 10, burst: 1 },
        ..KeyCacheConfig::default()
    };
    KeyCache::new(config, Time::ZERO)
}

/// Whether a verifier with a cache accepts a token; keys come at once, or after `late_s` from what was published then.
fn accepts(
    cache: &mut KeyCache,
    ring: &KeyRing,
    token: &Token,
    now: Time,
    endpoint: bool,
) -> Result<(), Rejection> {
    let mut has_fetched = false;
    loop {
        if (has_fetched || !cache.wants_fetch(now))
            && let Lookup::Found(key) = cache.look_up(now, token.header.key, has_fetched)
        {
            return verifier().verify(now, token, &key.clone()).map(|_| ());
        }
        let wants = cache.wants_fetch(now) && !has_fetched;
        match cache.look_up(now, token.header.key, has_fetched) {
            Lookup::Found(_) | Lookup::Fetch => {}
            Lookup::Unknown if wants => {}
            Lookup::Unavailable if wants => {}
            Lookup::Unknown => return Err(Rejection::UnknownKey),
            Lookup::Unavailable => return Err(Rejection::KeysUnavailable),
        }
        cache.begin_fetch();
        if endpoint {
            cache.fetched(now, ring.published())
        } else {
            cache.fetch_failed(now)
        }
        has_fetched = true;
    }
}

/// Rejects over a rotation, with verifiers whose unknown keys are not refetched, for a seed of skews and fetch times.
fn rejects(config: RotationConfig, seed: u64) -> u32 {
    let mut ring = KeyRing::new(config, key(1));
    let skew = |who: u64| uniform(keyed_word(seed, who), 0, 10);
    // Verifiers fetch at phases of their own, and see what was published up to 5 s ago.
    let phases: Vec<u64> =
        (0..4).map(|who| 5 * uniform(keyed_word(seed, 10 + who), 0, TTL / 5 - 1)).collect();
    let mut copies = vec![ring.published(); 4];
    let mut published = vec![ring.published(); 2];
    let (mut live, mut rejected) = (Vec::<Token>::new(), 0);
    for now in (0..500).step_by(5) {
        if now == 100 {
            ring.rotate(s(now), key(2));
        }
        ring.expire(s(now));
        published.insert(0, ring.published());
        published.truncate(2);
        live.retain(|token| token.claims.expires_at_s > now);
        live.push(ring.sign(claims(now + 20, LIFE)));
        for (who, copy) in (0..).zip(&mut copies) {
            if now % TTL == phases[who as usize] {
                let late = uniform(keyed_word(seed, 100 + now), 0, 1) as usize;
                *copy = published[late].clone();
            }
            // If the oldest and the newest are accepted, so are all in between: there are two keys.
            for token in live.first().into_iter().chain(live.last()) {
                let local = s(now + 20 + skew(who));
                let verified =
                    copy.get(token.header.key).map(|key| verifier().verify(local, token, key).is_ok());
                rejected += u32::from(verified != Some(true));
            }
        }
    }
    rejected
}

#[test]
fn a_correct_rotation_rejects_no_valid_token_over_a_hundred_seeds_of_skew_and_latency() {
    let config = RotationConfig { publish_before: secs(TTL + 5), keep_after: secs(LIFE + 100) };
    assert_eq!(config.validate(secs(TTL), secs(LIFE), secs(5)), Ok(()));
    for seed in 0..100 {
        assert_eq!(rejects(config, seed), 0, "seed {seed}");
    }
}

#[test]
fn a_rotation_that_signs_before_publishing_or_forgets_too_early_is_refused_and_would_reject() {
    let early = RotationConfig { publish_before: Span::ZERO, keep_after: secs(LIFE + 100) };
    let refused = early.validate(secs(TTL), secs(LIFE), secs(5));
    assert_eq!(refused, Err(RotationError::SignsTooEarly { at_least: secs(65) }));
    assert!(rejects(early, 1) > 0);
    let forgetful = RotationConfig { publish_before: secs(65), keep_after: Span::ZERO };
    let refused = forgetful.validate(secs(TTL), secs(LIFE), secs(5));
    assert_eq!(refused, Err(RotationError::ForgetsTooEarly { at_least: secs(125) }));
    assert!(rejects(forgetful, 1) > 0);
}

#[test]
fn with_the_endpoint_down_old_keys_stay_good_and_new_ones_are_unknown_until_it_heals() {
    let config = RotationConfig { publish_before: secs(10), keep_after: secs(1_000) };
    let (mut ring, mut cache) = (KeyRing::new(config, key(1)), cache());
    let old = ring.sign(claims(0, 1_000));
    assert_eq!(accepts(&mut cache, &ring, &old, s(0), true), Ok(()));
    ring.rotate(s(1), key(2));
    assert!(ring.expire(s(11)));
    let new = ring.sign(claims(11, 1_000));
    for now in (12..200).step_by(7) {
        assert_eq!(accepts(&mut cache, &ring, &old, s(now), false), Ok(()), "{now}");
        assert!(accepts(&mut cache, &ring, &new, s(now), false).is_err());
    }
    assert_eq!(accepts(&mut cache, &ring, &new, s(300), true), Ok(()));
}

#[test]
fn made_up_key_names_do_not_make_a_verifier_hammer_the_endpoint() {
    let ring = KeyRing::new(RotationConfig { publish_before: secs(70), keep_after: secs(200) }, key(1));
    let mut cache = cache();
    for made_up in 0..1_000 {
        let token = Token::sign(&key(100 + made_up), claims(0, 100));
        assert_eq!(accepts(&mut cache, &ring, &token, s(1), true), Err(Rejection::UnknownKey));
    }
    assert!(cache.fetches() <= 2, "{}", cache.fetches());
}

#[test]
fn one_fetch_is_on_its_way_at_a_time_and_keys_that_may_not_be_stale_end_with_their_time() {
    let mut cache = KeyCache::new(
        KeyCacheConfig { ttl: secs(5), on_error: KeysUnavailable::Fail, ..KeyCacheConfig::default() },
        s(0),
    );
    assert_eq!(cache.look_up(s(0), KeyId(1), false), Lookup::Fetch);
    assert!(cache.begin_fetch());
    assert!(!cache.begin_fetch());
    let mut set = KeySet::default();
    set.insert(key(1));
    cache.fetched(s(0), set);
    assert!(matches!(cache.look_up(s(4), KeyId(1), false), Lookup::Found(_)));
    cache.begin_fetch();
    cache.fetch_failed(s(5));
    assert_eq!(cache.look_up(s(5), KeyId(1), false), Lookup::Unavailable);
}
