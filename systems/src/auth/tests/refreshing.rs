//! Refresh tokens: rotated, watched for reuse, through lost, doubled and disordered answers.

use super::*;
use crate::store::{FsyncPolicy, MemoryStore, PowerCut, SimDisk, WalConfig, WalStore};
use proptest::prelude::*;

fn tokens(grace: Span) -> RefreshTokens<MemoryStore> {
    RefreshTokens::new(RefreshConfig { grace, ..RefreshConfig::default() }, MemoryStore::new())
}

#[test]
fn a_lost_answer_looks_like_a_thief_without_grace_and_gives_the_same_token_with_it() {
    for (grace, expected) in [(secs(30), None), (Span::ZERO, Some(RefreshError::Reused))] {
        let mut tokens = tokens(grace);
        let first = tokens.begin(s(0), 5, 7, 111).unwrap();
        let lost = tokens.refresh(s(10), first, 222).unwrap();
        match tokens.refresh(s(12), first, 333) {
            Ok(again) => assert_eq!((again.next, again.is_repeat, expected), (lost.next, true, None)),
            Err(error) => {
                assert_eq!(Some(error), expected);
                assert_eq!(tokens.refresh(s(13), lost.next, 4), Err(RefreshError::Revoked));
            }
        }
    }
}

#[test]
fn reuse_beyond_the_grace_ends_the_family_for_thief_and_owner() {
    let mut tokens = tokens(secs(30));
    let stolen = tokens.begin(s(0), 5, 7, 111).unwrap();
    let owner = tokens.refresh(s(10), stolen, 222).unwrap().next;
    assert_eq!(tokens.refresh(s(40), stolen, 333), Err(RefreshError::Reused));
    assert_eq!(tokens.refresh(s(41), owner, 444), Err(RefreshError::Revoked));
    assert!(tokens.is_revoked(5));
}

#[test]
fn a_made_up_token_ends_nobodys_login() {
    let mut tokens = tokens(secs(30));
    let good = tokens.begin(s(0), 5, 7, 111).unwrap();
    let guess = RefreshToken { secret: 1, ..good };
    assert_eq!(tokens.refresh(s(1), guess, 2), Err(RefreshError::Unknown));
    assert!(tokens.refresh(s(2), good, 3).is_ok());
}

#[test]
fn families_end_when_idle_and_when_old() {
    let config =
        RefreshConfig { grace: Span::ZERO, idle: secs(100), absolute: secs(250), ..RefreshConfig::default() };
    let mut tokens = RefreshTokens::new(config, MemoryStore::new());
    let mut token = tokens.begin(s(0), 1, 7, 1).unwrap();
    for now in [90, 180, 240] {
        token = tokens.refresh(s(now), token, now).unwrap().next;
    }
    assert_eq!(tokens.refresh(s(250), token, 9), Err(RefreshError::Expired));
    let idle = tokens.begin(s(300), 2, 7, 2).unwrap();
    assert_eq!(tokens.refresh(s(400), idle, 9), Err(RefreshError::Expired));
}

#[test]
fn a_token_that_left_the_house_is_known_after_a_crash_at_each_step() {
    let wal = WalConfig { fsync: FsyncPolicy::EveryCommit, ..WalConfig::default() };
    for after_operations in 0..24 {
        let mut disk = SimDisk::new();
        disk.cut_power(PowerCut { after_operations, entropy: after_operations.wrapping_mul(0x9E37_79B9) });
        let Ok((store, _)) = WalStore::open(disk, wal) else { continue };
        let mut tokens = RefreshTokens::new(RefreshConfig::default(), store);
        let mut told = tokens.begin(s(0), 5, 7, 1).ok();
        for n in 1..6 {
            if let Some(next) = told.and_then(|token| tokens.refresh(s(n), token, n).ok()) {
                told = Some(next.next);
            }
        }
        let disk = tokens.into_store().into_disk().restart();
        let (store, _) = WalStore::open(disk, wal).expect("an honest disk opens");
        let mut tokens = RefreshTokens::new(RefreshConfig::default(), store);
        if let Some(token) = told {
            assert!(tokens.refresh(s(10), token, 99).is_ok(), "cut after {after_operations}");
        }
    }
}

#[test]
fn one_refresh_is_on_its_way_per_session_and_all_who_wait_get_its_answer() {
    let mut flights = Flights::new();
    assert_eq!(flights.board(1, "a"), Flight::Lead);
    assert_eq!(flights.board(1, "b"), Flight::Join);
    assert_eq!(flights.board(2, "c"), Flight::Lead);
    assert_eq!(flights.land(&1), ["a", "b"]);
    assert_eq!(flights.board(1, "d"), Flight::Lead);
    assert_eq!(flights.len(), 2);
}

/// An issuer that forgets to end the family when an old token comes again.
#[test]
fn a_family_that_survives_reuse_or_forks_is_noticed() {
    let mut witness = Witness::new(secs(0), secs(0), secs(30));
    witness.refreshed(s(0), 5, 0, (1, 11)).unwrap();
    witness.refreshed(s(20), 5, 0, (1, 11)).unwrap();
    assert_eq!(
        witness.refreshed(s(40), 5, 0, (1, 11)),
        Err(AuthViolation::FamilySurvivedReuse { family: 5 })
    );
    assert_eq!(
        witness.refreshed(s(41), 5, 0, (2, 12)),
        Err(AuthViolation::FamilySurvivedReuse { family: 5 })
    );
    assert_eq!(witness.refreshed(s(42), 5, 0, (1, 99)), Err(AuthViolation::Forked { family: 5 }));
}

#[test]
fn with_jitter_a_herd_comes_at_n_over_j_a_second_and_without_it_all_at_once() {
    let arrivals = |jitter: u64| {
        let timing = RefreshTiming { after_ppm: 800_000, jitter: secs(jitter) };
        let mut per_second = std::collections::BTreeMap::new();
        for client in 0..10_000 {
            let word = crate::arithmetic::keyed_word(3, client);
            let at = timing.at(s(100), secs(1_000), word).as_nanos() / 1_000_000_000;
            *per_second.entry(at).or_insert(0u32) += 1;
        }
        per_second.values().copied().max().unwrap()
    };
    assert_eq!(arrivals(0), 10_000);
    assert!((100..160).contains(&arrivals(100)), "{}", arrivals(100));
}

proptest! {
    #[test]
    fn whatever_is_lost_doubled_or_late_the_witness_is_content(
        steps in prop::collection::vec((0u64..40, 0usize..4, any::<bool>()), 0..60), grace in 0u64..40,
    ) {
        let mut tokens = tokens(secs(grace));
        let mut witness = Witness::new(secs(0), secs(0), secs(grace));
        let mut known = vec![tokens.begin(s(0), 5, 7, 1).unwrap()];
        let mut now = 0;
        for (number, (wait, back, is_lost)) in steps.into_iter().enumerate() {
            now += wait;
            let token = known[known.len().saturating_sub(1 + back)];
            if let Ok(refreshed) = tokens.refresh(s(now), token, 1_000 + number as u64) {
                let next = (refreshed.next.generation, refreshed.next.secret);
                prop_assert_eq!(witness.refreshed(s(now), 5, token.generation, next), Ok(()));
                if !is_lost && !known.contains(&refreshed.next) {
                    known.push(refreshed.next);
                }
            }
        }
    }
}
