//! What holds in every world: it stops and says why, its books balance, and the same inputs give the same bytes.

use foreshock::kernel::{AgendaTuning, StopReason};
use foreshock::nodes::Kinds;
use foreshock::report::{Report, to_json};
use foreshock::run::{Detail, Outcome, run};
use proptest::prelude::*;
use serde_json::Value;

use crate::generator::{anything, cases, with_a_cache};
use crate::harness::{assert_balanced, plan};

fn report(outcome: &Outcome) -> String {
    to_json(&Report::new(outcome))
}

proptest! {
    #![proptest_config(cases(240))]

    /// Laws 1, 2, 9 and 10 in worlds that nobody thought of.
    #[test]
    fn every_world_stops_by_name_with_balanced_books_and_the_same_bytes_each_time(document in anything()) {
        assert_sound(&document);
    }

    /// The same with values that are kept, shared, out of date and loaded behind the back of who asks.
    #[test]
    fn worlds_with_caches_are_no_exception(document in with_a_cache()) {
        assert_sound(&document);
    }
}

fn assert_sound(document: &Value) {
    let plan = plan(&document.to_string());
    let kinds = Kinds::default();
    let wheel = Detail::default();
    let first = run(&plan, plan.seed, &[], &kinds, &wheel).unwrap();

    match first.stop {
        StopReason::EndOfTime => assert!(first.ended <= plan.run.end()),
        StopReason::TooManyEvents => assert_eq!(first.events, plan.run.max_events),
        StopReason::Finished | StopReason::OutOfMemory => panic!("stopped by {}", first.stop),
    }
    assert_balanced(&first);
    assert_edges_are_events(&first);

    let again = run(&plan, plan.seed, &[], &kinds, &wheel).unwrap();
    let heap = Detail { agenda: AgendaTuning::Heap, ..Detail::default() };
    let heap = run(&plan, plan.seed, &[], &kinds, &heap).unwrap();
    let traced = Detail { traced_requests: 50, ..Detail::default() };
    let traced = run(&plan, plan.seed, &[], &kinds, &traced).unwrap();
    for (what, other) in [("again", &again), ("on a heap", &heap), ("traced", &traced)] {
        assert_eq!(first.fingerprint, other.fingerprint, "{}", what);
        assert!(report(&first) == report(other), "another report {}", what);
    }
}

/// Every entry that started says so; each has at most one start and one end, in this order, or reasons why not.
fn assert_edges_are_events(outcome: &Outcome) {
    for (entry, measured) in outcome.plan.timeline.iter().zip(&outcome.measured.entries) {
        let events = outcome.measured.timeline.iter().filter(|event| event.id == entry.id);
        let at = |phase: &str| -> Vec<_> {
            events.clone().filter(|event| event.phase == phase).map(|event| event.at).collect()
        };
        let started: Vec<_> = measured.started.into_iter().collect();
        let ended: Vec<_> = measured.ended.into_iter().collect();
        assert_eq!((at("started"), at("ended")), (started, ended), "edges of `{}`", entry.id);
        assert!(
            measured.ended.is_none() || measured.started <= measured.ended,
            "`{}` ends after it starts",
            entry.id
        );
        if let (Some(started), Some(lasts), Some(ended)) = (measured.started, entry.lasts, measured.ended) {
            assert!(ended <= started + lasts, "`{}` lasts no longer than it says", entry.id);
        }
        assert!(
            events.clone().filter(|event| event.phase == "skipped").all(|event| !event.detail.is_empty())
        );
    }
}
