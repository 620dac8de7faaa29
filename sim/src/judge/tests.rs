//! Judging, told as stories: a sound run that is damaged in one way, and what the judge says of it.

use super::sample::{self, LOAD_SECONDS, seconds};
use super::*;
use crate::kernel::time::Span;
use crate::measure::{LoadInterval, Measured, OutcomeKind, TimelineEvent};
use crate::scenario::plan::{
    Action, Bound, Comparison, DeployPlan, EdgeId, EntryEdge, EntryId, LivenessPlan, LoadId, Metric, Phase,
    ServiceId, SloWindow, Strategy, Target,
};

/// A sound run with something changed about it.
fn judged(change: impl FnOnce(&mut Plan, &mut Measured)) -> Judgement {
    stopped(StopReason::Finished, change)
}

fn stopped(stop: StopReason, change: impl FnOnce(&mut Plan, &mut Measured)) -> Judgement {
    let (mut plan, mut measured) = (sample::plan(), sample::measured());
    change(&mut plan, &mut measured);
    judge(&plan, &measured, seconds(LOAD_SECONDS + 1), stop)
}

/// Requests fail from one second to another, consistently.
fn fail(measured: &mut Measured, from: usize, to: usize, failed: u32) {
    let load = &mut measured.loads[0];
    for index in from..to {
        load.intervals[index] =
            LoadInterval { offered: 100, good: 100 - failed, failed, attempts: 300, p99_us: 900_000 };
        measured.slos[0].intervals[index] = (failed < 100).then_some(900_000_000);
        measured.slos[1].intervals[index] = Some(u64::from(failed) * 10_000);
    }
    let all = u64::from(failed) * (to - from) as u64;
    load.good -= all;
    load.failed[OutcomeKind::Timeout as usize] += all;
    load.all.good -= all;
    load.all.failed += all;
    load.latency.count -= all;
    load.failed_latency.count += all;
    measured.slos[1].value = Some(all * 1_000_000 / load.offered);
}

fn finding<'a>(judgement: &'a Judgement, kind: &str) -> Option<&'a str> {
    judgement.findings.iter().find(|finding| finding.kind == kind).map(|finding| finding.text.as_str())
}

#[test]
fn a_sound_run_passes_as_expected_and_gives_nothing_to_say() {
    let judgement = judged(|_, _| {});
    assert_eq!((judgement.outcome, judgement.as_expected), (Verdict::Pass, true));
    assert_eq!(judgement.failing, Vec::<String>::new());
    assert_eq!(judgement.findings, Vec::new());
}

#[test]
fn an_objective_over_a_window_is_judged_by_its_value_and_says_where_it_broke_first() {
    let judgement = judged(|_, measured| fail(measured, 30, 42, 50));
    let errors = &judgement.slos[1];
    assert_eq!((errors.held, errors.value, errors.first_broken), (false, Some(60_000), Some(seconds(30))));
    assert_eq!(
        (errors.metric.as_str(), errors.of.as_str(), errors.bound.as_str()),
        ("error_rate", "buyers", "< 1%")
    );
    assert_eq!(errors.window, "0s..1m40s");
    let latency = &judgement.slos[0];
    assert_eq!(
        (latency.held, latency.first_broken),
        (true, None),
        "one bad stretch does not break a whole window"
    );
    assert_eq!(judgement.failing, ["errors"]);
}

#[test]
fn latency_without_a_single_good_request_is_broken_where_requests_were_wanted() {
    let judgement = judged(|_, measured| {
        fail(measured, 0, LOAD_SECONDS as usize, 100);
        measured.slos[0].value = None;
    });
    assert_eq!((judgement.slos[0].held, judgement.slos[0].first_broken), (false, Some(Time::ZERO)));
}

#[test]
fn an_objective_that_nothing_was_asked_of_is_held_and_a_finding() {
    let judgement = judged(|_, measured| {
        measured.slos[0].value = None;
        measured.slos[0].intervals.fill(None);
        measured.loads[0].intervals.fill(LoadInterval::default());
    });
    assert!(judgement.slos[0].held);
    assert_eq!(
        finding(&judgement, "not_judged"),
        Some("objective `p99` was not judged: nothing was asked of it in its window")
    );
}

/// The first objective, to hold `within` seconds after the fault ended (at 40 s).
fn within(plan: &mut Plan, within: u64) {
    let after = EntryEdge { entry: EntryId(0), phase: Phase::End };
    plan.slos[0].window = SloWindow::Within { within: Span::from_secs(within), after };
}

#[test]
fn an_objective_after_an_event_has_to_hold_in_time_and_to_last() {
    struct Case {
        bad: &'static [(usize, usize)],
        within: u64,
        held: bool,
        held_from: Option<u64>,
        why: &'static str,
    }
    let cases = [
        Case { bad: &[], within: 0, held: true, held_from: Some(40), why: "never broken" },
        Case { bad: &[(30, 50)], within: 10, held: true, held_from: Some(50), why: "just in time" },
        Case { bad: &[(30, 51)], within: 10, held: false, held_from: Some(51), why: "a second too late" },
        Case {
            bad: &[(30, 45), (48, 52)],
            within: 10,
            held: false,
            held_from: Some(52),
            why: "does not last",
        },
        Case {
            bad: &[(30, 45), (51, 60)],
            within: 10,
            held: true,
            held_from: Some(45),
            why: "lasts five seconds",
        },
        Case { bad: &[(30, 100)], within: 30, held: false, held_from: None, why: "never" },
        Case { bad: &[(30, 97)], within: 60, held: true, held_from: Some(97), why: "to the end of the load" },
    ];
    for case in cases {
        let judgement = judged(|plan, measured| {
            within(plan, case.within);
            for (from, to) in case.bad {
                fail(measured, *from, *to, 50);
            }
        });
        let slo = &judgement.slos[0];
        assert_eq!((slo.held, slo.held_from), (case.held, case.held_from.map(seconds)), "{}", case.why);
        assert_eq!(slo.first_broken.is_some(), !case.held, "{}", case.why);
    }
}

#[test]
fn an_objective_after_an_event_that_never_came_is_not_judged() {
    let judgement = judged(|plan, measured| {
        within(plan, 5);
        measured.entries[0].ended = None;
    });
    assert!(judgement.slos[0].held);
    let reason = judgement.slos[0].not_judged.as_deref();
    assert_eq!(reason, Some("`db-stands-still.end` never came"));
    assert_eq!(judgement.slos[0].window, "within 5s after db-stands-still.end");
}

#[test]
fn recovery_time_runs_from_the_event_to_the_first_interval_of_a_lasting_recovery() {
    let recovery = |last_bad: usize, limit_s: u64| {
        judged(|plan, measured| {
            within(plan, 0);
            plan.slos[0].metric = Metric::RecoveryTime;
            plan.slos[0].bound = Bound { comparison: Comparison::Below, limit: limit_s * 1_000_000_000 };
            fail(measured, 30, last_bad, 50);
        })
        .slos[0]
            .clone()
    };
    let quick = recovery(52, 30);
    assert_eq!((quick.held, quick.value), (true, Some(12_000_000_000)));
    assert_eq!(quick.window, "after db-stands-still.end");
    let slow = recovery(52, 12);
    assert_eq!((slow.held, slow.first_broken), (false, Some(seconds(40))));
    let never = recovery(100, 30);
    assert_eq!((never.held, never.value), (false, None));
}

#[test]
fn a_load_that_does_not_recover_breaks_liveness_and_the_finding_says_for_how_long() {
    struct Case {
        bad_until: usize,
        recovered: Option<u64>,
        held: bool,
        text: Option<&'static str>,
    }
    let cases = [
        Case { bad_until: 40, recovered: Some(40), held: true, text: None },
        Case { bad_until: 60, recovered: Some(60), held: true, text: None },
        Case { bad_until: 70, recovered: Some(70), held: false, text: None },
        Case {
            bad_until: 100,
            recovered: None,
            held: false,
            text: Some("is still failing 60 s after the last fault ended (`db-stands-still` at 40 s)"),
        },
    ];
    for case in cases {
        let judgement = judged(|plan, measured| {
            plan.liveness = Some(LivenessPlan { recovered_within: Span::from_secs(20) });
            fail(measured, 30, case.bad_until, 80);
        });
        let liveness = &judgement.liveness;
        assert_eq!(liveness.last_fault_ended, Some(seconds(40)));
        assert_eq!(liveness.loads[0].recovered_at, case.recovered.map(seconds), "{}", case.bad_until);
        assert_eq!(liveness.held, case.held, "{}", case.bad_until);
        assert_eq!(judgement.failing.contains(&"liveness".to_string()), !case.held);
        match (finding(&judgement, "still_failing"), case.text) {
            (None, None) => {}
            (Some(found), Some(text)) => assert!(found.contains(text), "{found}"),
            (found, text) => panic!("expected {text:?}, found {found:?}"),
        }
    }
}

#[test]
fn without_60_s_of_load_after_the_fault_the_finding_names_the_time_there_was() {
    let judgement = judged(|_, measured| {
        measured.entries[0].ended = Some(seconds(75));
        fail(measured, 30, 100, 100);
    });
    let text = finding(&judgement, "still_failing").expect("it is still failing");
    assert!(text.contains("still failing 25 s after the last fault ended"), "{text}");
    assert!(text.contains("in the last 5 s, 500 requests were offered and 0 ended well"), "{text}");
}

#[test]
fn an_outage_that_ends_after_more_than_60_s_is_told_with_its_length() {
    let judgement = judged(|_, measured| {
        measured.entries[0].ended = Some(seconds(20));
        fail(measured, 15, 90, 100);
    });
    let text = finding(&judgement, "still_failing").expect("it was");
    assert!(text.contains("was still failing 60 s after the last fault ended"), "{text}");
    assert!(text.ends_with("well again after 70 s"), "{text}");
}

#[test]
fn a_load_that_recovers_and_fails_again_is_told() {
    let judgement = judged(|_, measured| {
        fail(measured, 30, 40, 100);
        fail(measured, 60, 100, 100);
    });
    assert!(finding(&judgement, "failing_again").is_some());
    assert!(finding(&judgement, "still_failing").is_none());
}

#[test]
fn the_service_with_the_longest_line_and_the_call_with_most_attempts_stand_in_the_way() {
    let judgement = judged(|_, measured| {
        fail(measured, 30, 100, 90);
        measured.services[0].intervals[99].utilization_ppm = 1_000_000;
        measured.services[1].intervals[99].queue = 4_812;
        measured.services[1].intervals[99].utilization_ppm = 999_999;
        for interval in &mut measured.edges[1].intervals[95..] {
            interval.attempts = 300;
        }
    });
    let blocker = judgement.liveness.blocker.as_ref().expect("something is in the way");
    assert_eq!((blocker.service.as_str(), blocker.waiting), ("db", 4_812));
    assert_eq!((blocker.edge.as_deref(), blocker.attempts_per_call_milli), (Some("shop -> db"), 3_000));
    let text = finding(&judgement, "still_failing").expect("it is");
    let expected = "`db` stands in the way with 4 812 waiting and 99.9 % busy, `shop -> db` makes 3 attempts for each call";
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn changes_are_no_faults_and_a_fault_that_goes_on_leaves_nothing_to_recover_from() {
    let deployed = judged(|plan, measured| {
        plan.timeline[0].action = Action::Deploy(DeployPlan {
            service: ServiceId(1),
            version: "v2".to_string(),
            strategy: Strategy::AllAtOnce,
            downtime: Span::ZERO,
            set: Vec::new(),
        });
        plan.liveness = Some(LivenessPlan { recovered_within: Span::from_secs(1) });
        measured.entries[0].touched = 0;
        fail(measured, 30, 100, 100);
    });
    assert!(deployed.liveness.held);
    assert_eq!(finding(&deployed, "not_judged"), Some("liveness was not judged: there was no fault"));
    assert_eq!(finding(&deployed, "fault_touched_nothing"), None);

    let active = judged(|plan, measured| {
        plan.liveness = Some(LivenessPlan { recovered_within: Span::from_secs(1) });
        measured.entries[0].ended = None;
    });
    let text = finding(&active, "not_judged").expect("it cannot be judged");
    assert!(text.contains("`db-stands-still` was still active"), "{text}");
}

#[test]
fn a_fault_that_touched_nothing_or_never_started_is_a_finding() {
    let idle = judged(|_, measured| measured.entries[0].touched = 0);
    assert!(finding(&idle, "fault_touched_nothing").is_some_and(|text| text.contains("`db-stands-still`")));

    let skipped = judged(|_, measured| {
        measured.entries[0] = Default::default();
        measured.timeline = vec![TimelineEvent {
            at: seconds(30),
            id: "db-stands-still".to_string(),
            kind: "pause",
            phase: "skipped",
            detail: "no replica is up".to_string(),
        }];
    });
    assert_eq!(
        finding(&skipped, "fault_not_started"),
        Some("`db-stands-still` never started: no replica is up")
    );
    let waiting = judged(|_, measured| {
        measured.entries[0] = Default::default();
        measured.timeline.clear();
    });
    assert!(finding(&waiting, "fault_not_started").is_some_and(|text| text.contains("did not come")));
}

#[test]
fn wasteful_patterns_are_found_from_their_counts() {
    type Damage = fn(&mut Measured);
    let cases: [(&str, &str, Damage); 5] = [
        (
            "nested_retries",
            "`buyers -> shop -> db`: 6 attempts arrive for each request, 2 layers retry",
            |m| {
                m.edges[0].retries = 10_000;
                m.edges[1].retries = 20_000;
            },
        ),
        ("breaker_spin", "`shop -> db` refused 30 000 attempts for 10 000 calls", |m| {
            m.edges[1].breaker.present = true;
            m.edges[1].breaker.rejected = 30_000;
        }),
        ("saturated", "`db` had no idle worker in 51 of 100 intervals", |m| {
            for interval in &mut m.services[1].intervals[..51] {
                interval.utilization_ppm = 1_000_000;
            }
        }),
        ("wasted_work", "3 750 of the 10 000 requests that `db` completed", |m| {
            m.services[1].abandoned = 3_750
        }),
        ("doomed_attempts", "500 of the 10 000 over `shop -> db`", |m| m.edges[1].doomed = 500),
    ];
    for (kind, expected, damage) in cases {
        let judgement = judged(|_, measured| damage(measured));
        let text = finding(&judgement, kind).unwrap_or_default();
        assert!(text.contains(expected), "{kind}: {:?}", judgement.findings);
        assert_eq!(judgement.outcome, Verdict::Pass, "a finding is no failure");
    }
}

#[test]
fn the_same_patterns_in_harmless_amounts_are_not_worth_a_word() {
    let judgement = judged(|_, measured| {
        measured.edges[1].retries = 20_000;
        measured.edges[0].retries = 100;
        measured.edges[1].breaker.rejected = 20_000;
        measured.services[1].abandoned = 1_000;
        measured.edges[1].doomed = 99;
        for interval in &mut measured.services[1].intervals[..50] {
            interval.utilization_ppm = 1_000_000;
        }
    });
    assert_eq!(judgement.findings, Vec::new());
}

#[test]
fn calls_in_a_circle_or_to_nowhere_do_not_hang_the_search_for_nested_retries() {
    let judgement = judged(|plan, measured| {
        let mut back = plan.edges[1].clone();
        back.caller = crate::scenario::plan::Party::Service(ServiceId(1));
        back.callee = ServiceId(0);
        plan.edges.push(back);
        let again = measured.edges[1].clone();
        measured.edges.push(again);
        for edge in &mut measured.edges {
            edge.retries = 90_000;
        }
    });
    assert_eq!(judgement.outcome, Verdict::Pass);
    let nowhere = judged(|plan, _| plan.loads[0].edge = EdgeId(99));
    assert_eq!(nowhere.findings, Vec::new());
}

#[test]
fn a_run_that_reached_a_bound_fails_and_says_which() {
    for stop in [StopReason::TooManyEvents, StopReason::OutOfMemory] {
        let judgement = stopped(stop, |_, _| {});
        assert_eq!(
            (judgement.outcome, judgement.failing.as_slice()),
            (Verdict::Fail, &["stop".to_string()][..])
        );
        assert!(finding(&judgement, "stop").is_some_and(|text| text.contains(stop.name())));
    }
    assert_eq!(stopped(StopReason::EndOfTime, |_, _| {}).outcome, Verdict::Pass);
}

#[test]
fn what_the_author_expects_is_compared_with_what_happened() {
    use crate::scenario::plan::ExpectedVerdict::{Fail, Pass};
    let broken = |expect: Expectation| {
        judged(|plan, measured| {
            plan.expect = expect;
            fail(measured, 30, 42, 50);
        })
    };
    let expect = |verdict, failing: &[&str], findings: &[&str]| Expectation {
        verdict,
        failing: failing.iter().map(|id| id.to_string()).collect(),
        findings: findings.iter().map(|text| text.to_string()).collect(),
        ..Expectation::default()
    };
    let cases = [
        (expect(Some(Fail), &[], &[]), None),
        (expect(Some(Fail), &["errors"], &[]), None),
        (expect(None, &["errors"], &[]), None),
        (expect(None, &[], &[]), Some("expected pass, was fail: errors failed")),
        (expect(Some(Pass), &[], &[]), Some("expected pass, was fail: errors failed")),
        (expect(Some(Fail), &["p99"], &[]), Some("`p99` was expected to fail and held")),
        (expect(Some(Fail), &["p99"], &[]), Some("`errors` failed and was not expected to")),
        (expect(Some(Fail), &["errors"], &["nested retries"]), Some("no finding contains `nested retries`")),
    ];
    for (expectation, surprise) in cases {
        let judgement = broken(expectation.clone());
        assert_eq!(judgement.as_expected, surprise.is_none(), "{expectation:?}: {:?}", judgement.surprises);
        if let Some(surprise) = surprise {
            assert!(judgement.surprises.iter().any(|said| said == surprise), "{:?}", judgement.surprises);
        }
    }
}

#[test]
fn a_plan_and_measurements_that_do_not_fit_each_other_are_judged_without_a_panic() {
    let judgement = judge(&sample::plan(), &Measured::default(), Time::ZERO, StopReason::Finished);
    assert_eq!(judgement.slos.len(), 2);
    let other = judged(|plan, _| {
        plan.slos[0].target = Target::Load(LoadId(9), None);
        plan.slos[1].target = Target::Service(ServiceId(9));
    });
    assert_eq!(other.slos[0].of, "?");
}
