//! Jobs that nobody asks for one by one: those of a calendar, on the nights when clocks are changed, and those of a
//! workflow, each after what it comes after.

use std::fmt::Write as _;

use foreshock::nodes::Kinds;
use foreshock::run::Outcome;

use crate::harness::{broken, plan, plan_with, ran, ran_with, run_plan, system};

/// Midnight in Berlin before the night that has the hour from two to three twice.
const AUTUMN: u64 = 1_792_879_200;
/// Midnight in Berlin before the night that has no hour from two to three.
const SPRING: u64 = 1_806_188_400;

/// Five hours from midnight in Berlin, with one schedule.
fn night(begins_unix_s: u64, enqueuer: &str, schedule: &str, rest: &str) -> String {
    format!(
        "
run: {{duration: 5h, drain: 5m}}
services:
  jobs:
    kind: job-scheduler
    workers: 8
    begins_unix_s: {begins_unix_s}
    leader_lease: 60s
    schedules: {{s: {{operation: bill, {schedule}}}}}
  calendar: {{kind: {enqueuer}, replicas: 2, calls: [{{to: jobs, timeout: 400ms}}]}}
  workers: {{kind: job-worker, workers: 1, poll: 30s, service_time: 5s, calls: [{{to: jobs, timeout: 500ms}}]}}
load:
  - {{name: clerks, to: jobs, timeout: 1s, rate: 0.001/s, mix: {{other: 100%}}}}
{rest}
"
    )
}

/// How many ticks were enqueued in a night, and how late the latest of them was, in seconds.
fn ticks(text: &str) -> (u64, u64) {
    let outcome = ran(text);
    let jobs = system(&outcome, "jobs");
    assert_eq!(jobs["ticked_again"], 0);
    (jobs["s.ticks_enqueued"], jobs["s.late_max_us"] / 1_000_000)
}

#[test]
fn half_past_two_runs_once_on_the_night_that_has_it_twice_and_by_policy_on_the_night_that_has_it_not() {
    let berlin = r#"cron: "30 2 * * *", time_zone: Europe/Berlin"#;
    let cases = [
        (AUTUMN, "", 1),
        (AUTUMN, ", dst_overlap: twice", 2),
        (SPRING, "", 0),
        (SPRING, ", dst_gap: first_after", 1),
        (AUTUMN - 86_400, "", 1),
    ];
    for (begins, policy, expected) in cases {
        let text = night(begins, "job-enqueuer", &format!("{berlin}{policy}"), "");
        assert_eq!(ticks(&text), (expected, 0), "{begins} {policy}");
    }
}

#[test]
fn what_runs_at_intervals_does_not_notice_that_clocks_are_changed() {
    let every = r#"cron: "0,30 * * * *", time_zone: Europe/Berlin"#;
    for begins in [AUTUMN, SPRING, AUTUMN + 86_400] {
        assert_eq!(ticks(&night(begins, "job-enqueuer", every, "")).0, 10, "{begins}");
    }
}

#[test]
fn a_tick_that_nobody_saw_is_late_or_left_out_or_caught_up_with_by_policy() {
    let cut = "timeline: [{id: cut, at: 50m, for: 75m, fault: {partition: {between: [[calendar/*], [jobs/1]], mode: drop}}}]";
    let missed = |misfire: &str| {
        let schedule =
            format!(r#"cron: "0 0-3 * * *", time_zone: Europe/Berlin, overlap: allow, misfire: {misfire}"#);
        // One and two o'clock pass unseen; three comes in time.
        ticks(&night(AUTUMN - 86_400, "job-enqueuer", &schedule, cut))
    };
    let (once, late_s) = missed("fire_once");
    assert_eq!(once, 2);
    assert!((300..400).contains(&late_s), "{late_s}");
    assert_eq!(missed("skip"), (1, 0));
    let (all, late_s) = missed("{catch_up: 5}");
    assert_eq!(all, 3);
    assert!((3_900..4_000).contains(&late_s), "{late_s}");
}

#[test]
fn who_looks_at_the_wall_clock_alone_is_caught_making_half_past_two_twice() {
    let kinds = Kinds::default().with_test_kinds();
    let schedule = r#"cron: "30 2 * * *", time_zone: Europe/Berlin"#;
    let flawed = night(AUTUMN, "test-doubling-enqueuer", schedule, "");
    assert_eq!(broken(&run_plan(&plan_with(&flawed, &kinds), &kinds)), ["jobs_ticked_once"]);
    let told_to = night(AUTUMN, "job-enqueuer", &format!("{schedule}, dst_overlap: twice"), "");
    assert_eq!(
        broken(&run_plan(&plan(&told_to), &Kinds::default())),
        [""; 0],
        "what was asked for is no mistake"
    );
}

#[test]
fn a_calendar_changes_no_arrival_and_no_demand_of_what_is_asked_for() {
    let work = |schedule: &str| {
        let outcome = ran(&night(AUTUMN, "job-enqueuer", schedule, ""));
        let started: Vec<_> = outcome.trace.requests.iter().map(|request| request.started).collect();
        (started, system(&outcome, "jobs")["other.completed"])
    };
    assert_eq!(work("every: 90m"), work(r#"cron: "30 2 * * *", time_zone: Europe/Berlin"#));
}

const CARDS_DOWN: &str =
    "timeline: [{id: down, at: 10s, for: 10s, fault: {crash: {service: cards, mode: process}}}]";
const JOBS_DIE: &str =
    "timeline: [{id: crash, at: 10s, for: 1s, fault: {crash: {service: jobs, mode: host}}}]";

/// Orders, each a workflow: reserve, charge, then ship and mail side by side, and a report of it all.
fn orders(kind: &str, report: &str, rest: &str) -> String {
    let mut text = format!(
        "
run: {{duration: 30s, drain: 60s}}
services:
  jobs:
    kind: {kind}
    workers: 8
    jobs: {{charge: {{max_attempts: 2, lease: 5s, retry_after: 200ms}}}}
    workflows: {{order: {{steps: {{reserve: {{}}, charge: {{after: reserve}}, ship: {{after: charge}}, mail: {{after: charge}}, report: {{after: [ship, mail]{report}}}}}}}}}
  workers:
    kind: job-worker
    workers: 8
    service_time: {{exponential: {{mean: 50ms}}}}
    calls: [{{to: jobs, timeout: 500ms, retry: {{max_attempts: 5, backoff: {{kind: constant, base: 500ms}}}}}}, {{to: cards, timeout: 500ms, operations: [charge]}}]
  cards: {{workers: 8, service_time: 20ms}}
load:
  - {{name: shop, to: jobs, timeout: 1s, rate: 2/s, mix: {{order: 100%}}, retry: {{max_attempts: 6, backoff: {{kind: constant, base: 500ms}}}}}}
"
    );
    writeln!(text, "{rest}").unwrap();
    text
}

fn workflows(outcome: &Outcome) -> [u64; 4] {
    let jobs = system(outcome, "jobs");
    ["workflows", "workflows_completed", "workflows_failed", "workflows_open"].map(|name| jobs[name])
}

#[test]
fn a_workflow_runs_each_of_its_steps_once_and_in_order() {
    let outcome = ran(&orders("job-scheduler", "", ""));
    let offered = outcome.measured.loads[0].all.offered;
    let jobs = system(&outcome, "jobs");
    assert_eq!(workflows(&outcome), [offered, offered, 0, 0]);
    assert_eq!((jobs["started"], jobs["completed"], jobs["steps_waiting"]), (5 * offered, 5 * offered, 0));
    assert_eq!(jobs["out_of_order"], 0);
}

#[test]
fn after_a_failure_nothing_runs_but_what_was_told_to_run_all_the_same() {
    let ended = |report: &str| {
        let outcome = ran(&orders("job-scheduler", report, CARDS_DOWN));
        let [all, completed, failed, open] = workflows(&outcome);
        assert!(failed > 5 && completed > 5 && open == 0, "{completed} {failed} {open}");
        let jobs = system(&outcome, "jobs");
        assert_eq!(jobs["charge.dead"], failed);
        assert_eq!((jobs["ship.completed"], jobs["mail.completed"]), (completed, completed));
        (jobs["report.completed"], all, completed)
    };
    let (reports, _, completed) = ended("");
    assert_eq!(reports, completed);
    let (reports, all, _) = ended(", on_failure: run");
    assert_eq!(reports, all);
}

#[test]
fn a_chain_is_steps_of_which_each_comes_after_the_one_before() {
    let steps = orders("job-scheduler", "", "");
    let from = steps.find("workflows:").unwrap();
    let to = from + steps[from..].find('\n').unwrap();
    let with = |written: &str| {
        let outcome = ran(&format!("{}{written}{}", &steps[..from], &steps[to..]));
        let jobs = system(&outcome, "jobs");
        (workflows(&outcome), jobs["completed"], jobs["wait_p99_us"])
    };
    let chain = with("workflows: {order: {chain: [reserve, charge, ship]}}");
    let same =
        with("workflows: {order: {steps: {reserve: {}, charge: {after: reserve}, ship: {after: [charge]}}}}");
    assert_eq!(chain, same);
    assert_eq!(chain.1, 3 * chain.0[0]);
}

#[test]
fn a_workflow_survives_a_power_cut_whole_and_a_retried_request_is_the_same_workflow() {
    for fsync in ["every_commit", "{group: {commits: 16, wait: 5ms}}"] {
        let text = orders("job-scheduler", "", JOBS_DIE)
            .replace("    workers: 8\n    jobs:", &format!("    workers: 8\n    fsync: {fsync}\n    jobs:"));
        let outcome = ran(&text);
        let jobs = system(&outcome, "jobs");
        assert_eq!(
            (jobs["restarts"], jobs["lost"], jobs["out_of_order"], jobs["live"]),
            (1, 0, 0, 0),
            "{fsync}"
        );
        assert!(jobs["workflows_completed"] >= outcome.measured.loads[0].all.good, "{fsync}");
    }
}

#[test]
fn a_scheduler_that_forgets_what_comes_after_what_is_caught() {
    let kinds = Kinds::default().with_test_kinds();
    let text = orders("test-orderless-scheduler", "", "");
    assert_eq!(broken(&run_plan(&plan_with(&text, &kinds), &kinds)), ["jobs_in_order"]);
    let clean_up = orders("test-orderless-scheduler", ", on_failure: run", CARDS_DOWN);
    assert_eq!(broken(&run_plan(&plan_with(&clean_up, &kinds), &kinds)), ["jobs_in_order"]);
}

#[test]
fn a_further_step_changes_no_demand_of_the_others() {
    let charged = |workflow: &str| {
        let text = orders("job-scheduler", "", "");
        let from = text.find("workflows:").unwrap();
        let to = from + text[from..].find('\n').unwrap();
        let text = format!("{}workflows: {{order: {{{workflow}}}}}{}", &text[..from], &text[to..]);
        let text = text.replace(
            "service_time: {exponential: {mean: 50ms}}",
            "operations: {charge: {service_time: {exponential: {mean: 50ms}}}}",
        );
        let outcome = ran_with(&text, &Kinds::default());
        crate::harness::service(&outcome, "workers").service.sum_ns
    };
    assert_eq!(charged("chain: [reserve, charge]"), charged("chain: [look, reserve, charge, ship]"));
}
