//! What stands around a limiter: levels, shadow mode, near-limit counts, response headers.

use super::*;

fn rule(name: &str, matches: &[(&str, Pattern)], rate: u64, burst: u64) -> Rule {
    let matches = matches
        .iter()
        .map(|(dimension, value)| Match { dimension: (*dimension).to_string(), value: value.clone() })
        .collect();
    Rule {
        name: name.to_string(),
        matches,
        limit: per_second(rate, burst),
        enforcement: Enforcement::Enforce,
    }
}

fn exactly(value: &str) -> Pattern {
    Pattern::Exactly(value.to_string())
}

fn levels(levels: &[&[Rule]]) -> HierarchyConfig {
    let levels = levels.iter().map(|rules| Level { rules: rules.to_vec() }).collect();
    HierarchyConfig { levels, keys: KeyedConfig::default() }
}

/// Each user ten a second, the admin a hundred; each route of each plan twenty; everything fifty.
fn user_route_plan() -> HierarchyConfig {
    levels(&[
        &[
            rule("admin", &[("user", exactly("root"))], 100, 100),
            rule("user", &[("user", Pattern::Each)], 10, 10),
        ],
        &[
            rule("pay", &[("route", Pattern::StartsWith("/pay".to_string()))], 5, 5),
            rule("route x plan", &[("route", Pattern::Each), ("plan", Pattern::Each)], 20, 20),
        ],
        &[rule("all", &[], 50, 50)],
    ])
}

fn hierarchy(config: &HierarchyConfig) -> Hierarchy {
    Hierarchy::new(config, at(0)).expect("the levels are in order")
}

fn request<'a>(user: &'a str, route: &'a str) -> [(&'a str, &'a str); 3] {
    [("user", user), ("route", route), ("plan", "gold")]
}

/// The rule that refuses, or none.
fn refused_by(
    hierarchy: &mut Hierarchy,
    now: Time,
    descriptors: &[(&str, &str)],
    cost: u64,
) -> Option<(String, KeyedRefusal)> {
    hierarchy.check(now, descriptors, cost).err().map(|refusal| (refusal.rule.to_string(), refusal.reason))
}

fn over(rule: &str, wait: Span) -> Option<(String, KeyedRefusal)> {
    Some((rule.to_string(), KeyedRefusal::OverLimit(RetryAt(wait))))
}

#[test]
fn every_level_has_to_let_a_request_through_and_the_first_rule_that_matches_speaks_for_its_level() {
    let mut limits = hierarchy(&user_route_plan());
    assert_eq!(refused_by(&mut limits, at(0), &request("ann", "/home"), 10), None);
    assert_eq!(refused_by(&mut limits, at(0), &request("ann", "/home"), 1), over("user", ms(100)));
    assert_eq!(refused_by(&mut limits, at(0), &request("bob", "/home"), 10), None, "another user");
    assert_eq!(refused_by(&mut limits, at(0), &request("root", "/home"), 1), over("route x plan", ms(50)));
    assert_eq!(refused_by(&mut limits, at(0), &request("root", "/help"), 20), None, "another route");
    assert_eq!(refused_by(&mut limits, at(0), &request("root", "/pay/1"), 5), None);
    assert_eq!(refused_by(&mut limits, at(0), &request("root", "/pay/2"), 1), over("pay", ms(200)));
    assert_eq!(refused_by(&mut limits, at(0), &request("root", "/info"), 6), over("all", ms(20)));
}

#[test]
fn a_refused_request_takes_from_no_level() {
    let mut limits = hierarchy(&user_route_plan());
    for _ in 0..100 {
        assert_eq!(refused_by(&mut limits, at(0), &request("ann", "/pay"), 6), over("pay", Span::MAX));
    }
    assert_eq!(refused_by(&mut limits, at(0), &request("ann", "/home"), 10), None);
    let refused: u64 = limits.counts().map(|(_, counts)| counts.refused).sum();
    let passed: Vec<u64> = limits.counts().map(|(_, counts)| counts.passed).collect();
    assert_eq!((refused, passed), (100, vec![0, 1, 0, 1, 1]));
}

#[test]
fn a_key_that_goes_missing_is_refused_and_seen() {
    let mut limits = hierarchy(&user_route_plan());
    for descriptors in [&[("route", "/home"), ("plan", "gold")][..], &request("", "/home")[..]] {
        let refused = refused_by(&mut limits, at(0), descriptors, 1);
        assert_eq!(refused, Some(("user".to_string(), KeyedRefusal::EmptyKey)));
    }
    assert_eq!(limits.empty_keys(), 2);
    let skip = KeyedConfig { empty_key: EmptyKey::Skip, ..KeyedConfig::default() };
    let mut lenient = hierarchy(&HierarchyConfig { keys: skip, ..user_route_plan() });
    assert_eq!(refused_by(&mut lenient, at(0), &request("", "/home"), 20), None);
    assert_eq!(lenient.empty_keys(), 1, "let through, and still seen");
}

#[test]
fn a_shadow_rule_counts_and_refuses_nobody() {
    let mut limits = hierarchy(&user_route_plan());
    assert!(limits.enforce("user", Enforcement::Shadow));
    assert!(!limits.enforce("nobody", Enforcement::Shadow));
    for _ in 0..15 {
        assert_eq!(refused_by(&mut limits, at(0), &request("ann", "/home"), 1), None);
    }
    let of_user = limits.counts().find(|(name, _)| *name == "user").map(|(_, counts)| counts);
    let expected = LimiterCounts { passed: 10, near_limit: 3, refused: 0, shadowed: 5 };
    assert_eq!(of_user, Some(expected));
}

#[test]
fn a_limit_cut_while_running_holds_at_once() {
    let mut limits = hierarchy(&user_route_plan());
    assert_eq!(limits.reconfigure(at(0), "user", per_second(1, 1), Inherit::Keep), Ok(true));
    assert_eq!(refused_by(&mut limits, at(0), &request("ann", "/home"), 1), None);
    assert_eq!(refused_by(&mut limits, at(0), &request("ann", "/home"), 1), over("user", ms(1_000)));
    assert_eq!(limits.reconfigure(at(0), "nobody", per_second(1, 1), Inherit::Keep), Ok(false));
    assert_eq!(
        limits.reconfigure(at(0), "user", per_second(1, 0), Inherit::Keep),
        Err(RateLimitError::NoBurst)
    );
}

#[test]
fn levels_that_cannot_be_are_refused_by_name() {
    let catch_all = rule("all", &[], 1, 1);
    let late = rule("late", &[("user", Pattern::Any)], 1, 1);
    let broken = Rule { limit: per_second(0, 1), ..catch_all.clone() };
    let no_keys = KeyedConfig { max_keys: 0, ..KeyedConfig::default() };
    let cases = [
        (levels(&[&[catch_all.clone(), late]]), "`late` never applies"),
        (
            levels(&[std::slice::from_ref(&catch_all), std::slice::from_ref(&catch_all)]),
            "two rules are called `all`",
        ),
        (levels(&[&[broken]]), "rule `all`: a rate of 0"),
        (HierarchyConfig { keys: no_keys, ..levels(&[&[catch_all]]) }, "use 1 or more"),
    ];
    for (config, says) in cases {
        let error = Hierarchy::new(&config, at(0)).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

proptest! {
    /// A level of its own limiter for each key, told again with plain buckets that are asked one by one.
    #[test]
    fn levels_decide_like_buckets_that_are_all_asked_before_any_is_taken_from(
        trace in prop::collection::vec((0u64..60_000_000, 0usize..3, 0usize..3, 1u64..4), 1..200),
    ) {
        let config = levels(&[
            &[rule("user", &[("user", Pattern::Each)], 10, 6)],
            &[rule("route", &[("route", Pattern::Each)], 12, 7)],
            &[rule("all", &[], 20, 9)],
        ]);
        let mut limits = hierarchy(&config);
        let names = ["a", "b", "c"];
        let buckets = |rate, burst| vec![TokenBucket::new(per_second(rate, burst), at(0)); 3];
        let (mut users, mut routes, mut all) = (buckets(10, 6), buckets(12, 7), buckets(20, 9));
        let mut now = Time::ZERO;
        for (pause, user, route, cost) in trace {
            now += Span::from_nanos(pause);
            let mut asked = [&mut users[user], &mut routes[route], &mut all[0]];
            let wait = asked.iter_mut().map(|bucket| bucket.estimated_wait(now, cost)).max();
            let refused = refused_by(&mut limits, now, &request(names[user], names[route]), cost);
            let refused_for = refused.map(|(_, reason)| reason);
            match wait {
                Some(Span::ZERO) => {
                    prop_assert_eq!(refused_for, None);
                    asked.iter_mut().for_each(|bucket| bucket.check(now, cost).unwrap());
                }
                wait => {
                    let wait = RetryAt(wait.unwrap());
                    prop_assert_eq!(refused_for, Some(KeyedRefusal::OverLimit(wait)));
                }
            }
        }
    }
}

#[test]
fn shadow_mode_lets_everybody_through_and_counts_whom_it_would_have_refused() {
    let bucket = || TokenBucket::new(per_second(10, 10), at(0));
    let mut shadow = Observed::new(bucket(), Enforcement::Shadow);
    let mut enforced = Observed::new(bucket(), Enforcement::Enforce).near_limit_from(1_000_000);
    for _ in 0..12 {
        assert_eq!(shadow.check(at(0), 1), Ok(()));
        let _ = enforced.check(at(0), 1);
    }
    assert_eq!(shadow.counts(), LimiterCounts { passed: 10, near_limit: 3, refused: 0, shadowed: 2 });
    assert_eq!(enforced.counts(), LimiterCounts { passed: 10, near_limit: 1, refused: 2, shadowed: 0 });
    assert_eq!((shadow.counts().offered(), enforced.counts().offered()), (12, 12));
    shadow.enforce(Enforcement::Enforce);
    assert_eq!(shadow.check(at(0), 1), Err(RetryAt(ms(100))));
    shadow.inner().give_back(at(0), 1);
    assert_eq!(shadow.check(at(0), 1), Ok(()));
}

#[test]
fn refused_calls_that_are_retried_are_all_offered_and_none_more_passes() {
    // A limit cut to a tenth; whoever is refused comes again at once, twice.
    let mut limiter = Observed::new(TokenBucket::new(per_second(100, 10), at(0)), Enforcement::Enforce);
    let (mut first_attempts, mut retries) = (0, 0);
    for now in 0..2_000 {
        if now == 1_000 {
            limiter.inner().reconfigure(per_second(10, 1), at(now));
        }
        if now % 10 == 0 {
            first_attempts += 1;
            let mut passed = limiter.check(at(now), 1).is_ok();
            for _ in 0..2 {
                if !passed {
                    retries += 1;
                    passed = limiter.check(at(now), 1).is_ok();
                }
            }
        }
    }
    let counts = limiter.counts();
    assert_eq!(first_attempts, 200);
    assert_eq!(counts.offered(), first_attempts + retries);
    assert_eq!((counts.passed, retries), (110, 180), "ninety of the second hundred are refused three times");
}

#[test]
fn headers_round_up_so_that_a_client_that_obeys_never_comes_too_early() {
    let mut bucket = TokenBucket::new(RateLimitConfig { rate_per_s_milli: 300, burst: 5 }, at(0));
    bucket.check(at(0), 5).unwrap();
    let refused = bucket.check(at(0), 1);
    let headers = RateLimitHeaders::new(bucket.quota(at(0)), refused);
    let pairs: Vec<(&str, u64)> = headers.pairs().collect();
    let expected =
        [("RateLimit-Limit", 5), ("RateLimit-Remaining", 0), ("RateLimit-Reset", 17), ("Retry-After", 4)];
    assert_eq!(pairs, expected);
    assert_eq!(bucket.check(Time::ZERO + Span::from_secs(4), 1), Ok(()));
    let never = RateLimitHeaders::new(bucket.quota(at(4_000)), Err(RetryAt(Span::MAX)));
    assert_eq!(never.retry_after_s, None);
    let passed = RateLimitHeaders::new(bucket.quota(at(4_000)), Ok(()));
    assert_eq!(passed.pairs().count(), 3);
}
