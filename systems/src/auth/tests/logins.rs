//! Logins: bounded per account and address, hashed on cores, and what those who are in may do.

use super::*;
use proptest::prelude::*;

fn guard(lock: LockPolicy) -> LoginGuard {
    LoginGuard::new(LoginGuardConfig {
        per_account: RateLimitConfig { rate_per_s_milli: 100, burst: 5 },
        per_address: RateLimitConfig { rate_per_s_milli: 1_000, burst: 10 },
        lock,
        max_entries: 1_000,
    })
}

#[test]
fn stuffing_is_bounded_by_the_account_however_many_addresses_and_by_the_address_however_many_accounts() {
    let mut logins = guard(LockPolicy::Throttle);
    let on_one_account = (0..10_000).filter(|n| logins.admit(s(n / 100), 1, *n).is_ok()).count();
    assert_eq!(on_one_account, 5 + 9, "burst, and a tenth a second for 99 seconds");
    let mut logins = guard(LockPolicy::Throttle);
    let from_one_address = (0..10_000).filter(|n| logins.admit(s(n / 100), *n, 1).is_ok()).count();
    assert_eq!(from_one_address, 10 + 99);
}

#[test]
fn a_login_that_succeeds_costs_nothing_and_one_refused_by_address_costs_its_account_nothing() {
    let mut logins = guard(LockPolicy::Throttle);
    for _ in 0..100 {
        assert_eq!(logins.admit(s(1), 1, 1), Ok(()));
        logins.tried(s(1), 1, 1, true);
    }
    for account in 100..110 {
        logins.admit(s(1), account, 2).unwrap();
    }
    for _ in 0..50 {
        assert!(matches!(logins.admit(s(1), 1, 2), Err(LoginRefused::Address(_))));
    }
    assert_eq!(logins.admit(s(1), 1, 3), Ok(()));
}

#[test]
fn a_lock_keeps_even_the_right_password_out_which_is_why_it_is_not_the_default() {
    let mut logins = guard(LockPolicy::Lock { failures: 3, pause: secs(60) });
    for _ in 0..3 {
        logins.admit(s(0), 1, 1).unwrap();
        logins.tried(s(0), 1, 1, false);
    }
    assert!(matches!(logins.admit(s(59), 1, 9), Err(LoginRefused::Locked(_))));
    assert_eq!(logins.admit(s(60), 1, 9), Ok(()));
}

#[test]
fn hashing_takes_the_same_time_for_everybody_and_no_more_logins_than_cores_allow() {
    let config = HashQueueConfig { cores: 2, cost: Span::from_millis(100), max_wait: Span::from_millis(500) };
    let mut queue = HashQueue::new(config);
    let taken = (0..1_000).filter(|n| queue.submit(Time::ZERO + Span::from_millis(*n)).is_ok()).count();
    assert!((20..=32).contains(&taken), "{taken} in a second plus half a second of line, at 20 a second");
    assert_eq!(queue.busy(), Span::from_millis(100 * taken as u64));
}

#[test]
fn sessions_end_idle_old_or_by_logout() {
    let mut sessions = Sessions::new(SessionConfig { sliding: secs(10), absolute: secs(25) });
    sessions.begin(s(0), 1, 7);
    assert_eq!(sessions.touch(s(9), 1), Ok(7));
    assert_eq!(sessions.touch(s(18), 1), Ok(7));
    assert_eq!(sessions.touch(s(25), 1), Err(SessionEnd::TooOld));
    sessions.begin(s(30), 2, 7);
    assert_eq!(sessions.touch(s(40), 2), Err(SessionEnd::Idle));
    sessions.begin(s(50), 3, 7);
    assert!(sessions.end(3));
    assert_eq!(sessions.touch(s(50), 3), Err(SessionEnd::Unknown));
}

fn staff() -> Permissions {
    let mut staff = Permissions::new();
    staff.rule("reader", Rule::Allow("orders.read".into()));
    staff.rule("clerk", Rule::Allow("orders.*".into()));
    staff.rule("trainee", Rule::Deny("orders.refund".into()));
    staff.inherit("trainee", "clerk");
    staff.inherit("clerk", "trainee-of-nobody");
    staff.inherit("trainee-of-nobody", "clerk");
    staff
}

#[test]
fn a_deny_wins_whatever_else_allows_and_nothing_is_allowed_by_default() {
    let mut staff = staff();
    staff.assign(1, "clerk");
    staff.assign(2, "trainee");
    staff.assign(2, "clerk");
    assert_eq!(staff.decide(1, "orders.refund"), Decision::Allowed);
    assert_eq!(staff.decide(2, "orders.refund"), Decision::Denied);
    assert_eq!(staff.decide(2, "orders.ship"), Decision::Allowed);
    assert_eq!(staff.decide(1, "ordersX.ship"), Decision::Denied);
    assert_eq!(staff.decide(3, "orders.read"), Decision::Denied);
}

#[test]
fn a_cached_denial_outlives_a_grant_by_its_own_short_time_only() {
    let mut staff = staff();
    let mut cached = CachedDecisions::new(secs(60), secs(5), 100);
    assert_eq!(cached.decide(s(0), &staff, 1, "orders.read"), Decision::Denied);
    staff.assign(1, "reader");
    assert_eq!(cached.decide(s(4), &staff, 1, "orders.read"), Decision::Denied);
    assert_eq!(cached.decide(s(5), &staff, 1, "orders.read"), Decision::Allowed);
    staff.withdraw(1, "reader");
    assert_eq!(cached.decide(s(64), &staff, 1, "orders.read"), Decision::Allowed);
    assert_eq!(cached.decide(s(65), &staff, 1, "orders.read"), Decision::Denied);
}

proptest! {
    #[test]
    fn in_every_window_an_account_fails_at_most_burst_and_rate(
        tries in prop::collection::vec((0u64..30_000, 0u64..3, 0u64..4), 0..200),
    ) {
        let mut logins = guard(LockPolicy::Throttle);
        let (mut now, mut failed) = (0, Vec::new());
        for (wait_ms, account, address) in tries {
            now += wait_ms / 10;
            let at = Time::ZERO + Span::from_millis(now);
            if logins.admit(at, account, address).is_ok() {
                logins.tried(at, account, address, false);
                failed.push((now, account));
            }
        }
        for (from, account) in &failed {
            for (until, _) in failed.iter().filter(|(until, _)| until >= from) {
                let count = failed.iter().filter(|(at, of)| of == account && (from..=until).contains(&at)).count() as u64;
                prop_assert!(count <= 5 + (until - from) / 10_000);
            }
        }
    }
}
