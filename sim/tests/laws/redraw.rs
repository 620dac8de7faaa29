//! Chance drawn anew from an instant on: everything before is the same event for event, what follows is another of the
//! things that could happen.

use foreshock::kernel::time::Time;
use foreshock::nodes::Kinds;
use foreshock::run::{Detail, Outcome, run};
use foreshock::scenario::plan::{Plan, Redraw};

use crate::harness::{ms, plan};

/// Every kind of draw: arrivals, keys, operations, service times, link times and losses, back-off, a branch.
const EVERYTHING: &str = "
    run: {duration: 4s, drain: 1s}
    services:
      api:
        replicas: 2
        workers: 4
        balance: power_of_two
        error_rate: 2%
        service_time: {exponential: {mean: 5ms}}
        calls:
          - {to: db, timeout: 60ms, share: 50%, retry: {max_attempts: 3, backoff: {kind: exponential, base: 5ms, cap: 40ms, jitter: full}}}
      db: {workers: 3, queue: {discipline: random}, service_time: {lognormal: {median: 4ms, p99: 30ms}}}
    network:
      default: {latency: {normal: {mean: 300us, sd: 60us}}, loss: 1%}
    load:
      - {name: users, to: api, rate: 80/s, keys: {zipf: {items: 50, s: 1.1}}, mix: {read: 80%, write: 20%}, timeout: 200ms}
";

fn redrawn(plan: &Plan, from: Time, variant: u64, window: Option<(u64, u64)>) -> Outcome {
    let mut plan = plan.clone();
    plan.run.redraw = Some(Redraw { from, variant });
    run(&plan, plan.seed, &[], &Kinds::default(), &Detail { events: window, ..Detail::default() }).unwrap()
}

fn as_it_was(plan: &Plan, window: Option<(u64, u64)>) -> Outcome {
    run(plan, plan.seed, &[], &Kinds::default(), &Detail { events: window, ..Detail::default() }).unwrap()
}

const ALL: Option<(u64, u64)> = Some((1, u64::MAX));

#[test]
fn everything_before_the_instant_is_the_same_and_what_follows_is_not() {
    let plan = plan(EVERYTHING);
    let original = as_it_was(&plan, ALL);
    for at in [ms(1), ms(1_500), ms(2_000), ms(3_999)] {
        let mut seen = vec![original.fingerprint];
        for variant in 0..4 {
            let other = redrawn(&plan, at, variant, ALL);
            let before = |outcome: &Outcome| {
                let events = outcome.described_events.iter();
                events.take_while(|(_, when, _)| *when < at).cloned().collect::<Vec<_>>()
            };
            assert_eq!(before(&original), before(&other), "from {at}, variant {variant}");
            let common = original.trail.checkpoints.iter().zip(&other.trail.checkpoints);
            for (ours, theirs) in common.filter(|(ours, theirs)| ours.at < at && theirs.at < at) {
                assert_eq!((ours.events == theirs.events).then_some(ours), Some(theirs));
            }
            assert!(!seen.contains(&other.fingerprint), "from {at}, variant {variant} is another one");
            seen.push(other.fingerprint);
        }
    }
}

#[test]
fn a_run_drawn_anew_is_as_reproducible_as_any_and_looking_closely_changes_nothing() {
    let plan = plan(EVERYTHING);
    let plain = redrawn(&plan, ms(2_000), 7, None);
    for window in [ALL, Some((1, 10)), Some((500, 900)), Some((plain.events, plain.events))] {
        let looked_at = redrawn(&plan, ms(2_000), 7, window);
        assert_eq!(
            (looked_at.fingerprint, looked_at.events),
            (plain.fingerprint, plain.events),
            "{window:?}"
        );
        let (first, last) = window.unwrap();
        let wanted = last.min(plain.events) - first + 1;
        assert_eq!(looked_at.described_events.len() as u64, wanted, "{window:?}");
    }
}

#[test]
fn from_the_start_on_it_is_another_run_and_from_the_end_on_the_same_one() {
    let plan = plan(EVERYTHING);
    let original = as_it_was(&plan, None);
    assert_eq!(
        redrawn(&plan, plan.run.end() + foreshock::kernel::time::Span::from_nanos(1), 1, None).fingerprint,
        original.fingerprint
    );
    let anew = redrawn(&plan, Time::ZERO, 1, ALL);
    let first_request = |outcome: &Outcome| {
        outcome.described_events.iter().find(|(_, _, what)| what.contains("users")).cloned()
    };
    assert_ne!(first_request(&anew), first_request(&as_it_was(&plan, ALL)));
}

#[test]
fn a_close_look_names_the_cause_of_each_event_by_what_it_sent() {
    let plan = plan(EVERYTHING);
    let all = as_it_was(&plan, ALL);
    let requests = all.described_events.iter().filter(|(_, _, what)| what.starts_with("request over users"));
    for (number, at, what) in requests.skip(20).take(3) {
        let detail = Detail { look_at: Some(*number), ..Detail::default() };
        let outcome = run(&plan, plan.seed, &[], &Kinds::default(), &detail).unwrap();
        assert_eq!(outcome.fingerprint, all.fingerprint, "a look changes nothing");
        let look = outcome.look.unwrap();
        assert_eq!((look.event.number, look.event.at, &look.event.what), (*number, *at, what));
        let cause = look.parents.last().unwrap();
        assert_eq!(cause.node.as_deref(), Some("users"), "{cause:?}");
        assert!(cause.what.starts_with("wake-up") || cause.what.starts_with("backoff"), "{cause:?}");
        assert!(cause.number < *number && cause.at < *at);
        let described = &all.described_events[cause.number as usize - 1];
        assert_eq!((described.1, &described.2), (cause.at, &cause.what));
        assert!(look.state.contains_key("api/1") && look.state.contains_key("db/1"), "{:?}", look.state);
    }
    let late = Detail { look_at: Some(all.events + 1), ..Detail::default() };
    assert_eq!(run(&plan, plan.seed, &[], &Kinds::default(), &late).unwrap().look, None);
}

#[test]
fn a_node_that_shares_nothing_with_what_changed_has_the_same_history() {
    let text = "
        services:
          a: {workers: 1, service_time: {exponential: {mean: 2ms}}}
          b: {workers: 1, service_time: {exponential: {mean: 2ms}}}
        load:
          - {name: x, to: a, rate: 100/s}
          - {name: y, to: b, rate: 100/s}
    ";
    let histories = |text: &str| {
        let plan = plan(text);
        let detail = Detail { look_at: Some(1), ..Detail::default() };
        run(&plan, plan.seed, &[], &Kinds::default(), &detail).unwrap().histories.unwrap()
    };
    let (before, after) = (histories(text), histories(&text.replacen("mean: 2ms", "mean: 3ms", 1)));
    for (node, is_same) in [("a/1", false), ("b/1", true), ("x", false), ("y", true)] {
        // What reaches `a` is the same; when it has done it, and so what reaches its caller, is not.
        assert_eq!(before[node] == after[node], is_same, "{node}");
    }
}
