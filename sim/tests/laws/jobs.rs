//! Jobs: what survives a crash, whose commit counts, who leads, who goes first, and what the books see.

use foreshock::nodes::Kinds;
use foreshock::run::{Detail, Outcome, run};
use foreshock::scenario::plan::{Edit, Setting};

use crate::harness::{assert_balanced, broken, plan, plan_with, ran, ran_with, run_plan, service, system};

/// A scheduler, workers and a load, each with the settings given.
fn scenario(scheduler: &str, workers: &str, load: &str, rest: &str) -> String {
    format!(
        "
run: {{duration: 20s, drain: 20s}}
services:
  jobs: {{kind: job-scheduler, workers: 8, {scheduler}}}
  workers: {{kind: job-worker, {workers}, calls: [{{to: jobs, timeout: 500ms, retry: {{max_attempts: 4, backoff: {{kind: constant, base: 500ms}}}}}}]}}
load:
  - {{name: shop, to: jobs, timeout: 1s, {load}}}
{rest}
"
    )
}

const CRASH: &str = "timeline: [{id: crash, at: 10s, for: 1s, fault: {crash: {service: jobs, mode: host}}}]";
const RETRIED: &str = "rate: 20/s, retry: {max_attempts: 6, backoff: {kind: constant, base: 500ms}}";
const MAILERS: &str = "workers: 8, service_time: {exponential: {mean: 200ms}}";

#[test]
fn every_job_that_is_enqueued_is_run_once_and_completed() {
    let outcome = ran(&scenario("keep: 5s", MAILERS, "rate: 10/s", ""));
    let jobs = system(&outcome, "jobs");
    let offered = outcome.measured.loads[0].all.offered;
    assert_eq!((jobs["enqueued"], jobs["started"], jobs["completed"]), (offered, offered, offered));
    assert_eq!((jobs["live"], jobs["leases_lost"], jobs["lost"]), (0, 0, 0));
    assert_eq!(system(&outcome, "workers")["runs"], offered);
}

#[test]
fn a_job_takes_as_long_as_its_request_would_have_whoever_runs_it() {
    let work = |workers: &str| {
        let outcome = ran(&scenario("", workers, "rate: 10/s", ""));
        service(&outcome, "workers").service.sum_ns
    };
    let few = work("workers: 4, service_time: {exponential: {mean: 200ms}}");
    let many = work("replicas: 3, workers: 4, service_time: {exponential: {mean: 200ms}}");
    assert!(few > 0);
    assert_eq!(few, many, "a draw is the request's, not the worker's");
}

#[test]
fn workers_and_their_settings_change_no_arrival() {
    let arrivals = |workers: &str| {
        let outcome = ran(&scenario("", workers, "rate: 10/s", ""));
        let started: Vec<_> = outcome.trace.requests.iter().map(|request| request.started).collect();
        (started, outcome.measured.loads[0].all.offered)
    };
    let with = arrivals(MAILERS);
    assert_eq!(with, arrivals("workers: 1, heartbeat: 100ms, service_time: 5ms"));
    assert!(with.1 > 100);
}

#[test]
fn no_job_is_lost_in_a_power_cut_when_each_commit_is_synced() {
    for fsync in ["every_commit", "{group: {commits: 16, wait: 5ms}}"] {
        let scheduler = format!("fsync: {fsync}, jobs: {{default: {{lease: 2s}}}}");
        let outcome = ran(&scenario(&scheduler, MAILERS, RETRIED, CRASH));
        let jobs = system(&outcome, "jobs");
        assert_eq!((jobs["restarts"], jobs["lost"], jobs["live"]), (1, 0, 0), "{fsync}");
        assert!(jobs["completed"] > 300, "{fsync}");
    }
}

#[test]
fn a_log_that_is_never_synced_loses_promises_in_a_power_cut_and_none_when_only_the_process_dies() {
    let scheduler = "fsync: never, jobs: {default: {lease: 2s}}";
    let text = scenario(scheduler, MAILERS, RETRIED, CRASH);
    let outcome = run_plan(&plan(&text), &Kinds::default());
    assert!(broken(&outcome).contains(&"jobs_not_lost"), "{:?}", broken(&outcome));
    assert!(system(&outcome, "jobs")["lost"] > 0);
    let outcome = ran(&text.replace("mode: host", "mode: process"));
    assert_eq!(system(&outcome, "jobs")["lost"], 0);
}

#[test]
fn what_is_in_memory_is_gone_with_the_process() {
    let text = scenario(
        "store: memory, jobs: {default: {lease: 2s}}",
        "workers: 1, service_time: 500ms",
        RETRIED,
        CRASH,
    )
    .replace("mode: host", "mode: process");
    let outcome = run_plan(&plan(&text), &Kinds::default());
    assert_eq!(broken(&outcome)[0], "jobs_not_lost");
}

#[test]
fn with_a_group_of_syncs_answers_wait_for_the_disk() {
    let wait = |fsync: &str| {
        let scheduler = format!("fsync: {fsync}");
        let outcome = ran(&scenario(&scheduler, "workers: 1, poll: 10s", "rate: 2/s", ""));
        outcome.measured.loads[0].latency.p50_ns
    };
    assert_eq!(wait("every_commit"), 0);
    let grouped = wait("{group: {commits: 100, wait: 20ms}}");
    assert!((19_000_000..=21_000_000).contains(&grouped), "{grouped}");
}

#[test]
fn a_worker_that_was_paused_past_its_lease_commits_nothing() {
    let pause = "timeline: [{id: pause, at: 5s, for: 8s, fault: {pause: {service: workers/1}}}]";
    let workers = "replicas: 2, workers: 4, heartbeat: 500ms, service_time: {exponential: {mean: 300ms}}";
    let outcome =
        ran(&scenario("jobs: {default: {lease: 2s, retry_after: 100ms}}", workers, "rate: 20/s", pause));
    let jobs = system(&outcome, "jobs");
    assert!(jobs["leases_lost"] > 0, "{jobs:?}");
    assert!(jobs["fenced_refused"] + jobs.get("fenced_heartbeats").copied().unwrap_or(0) > 0, "{jobs:?}");
    assert_eq!(jobs["completed"], jobs["enqueued"]);
}

#[test]
fn a_heartbeat_keeps_the_lease_of_a_job_that_takes_longer() {
    let lost = |heartbeat: &str| {
        let workers = format!("workers: 8, {heartbeat} service_time: 3s");
        let scheduler =
            "jobs: {default: {lease: 1s, max_lost_leases: 9, max_attempts: 9, retry_after: 100ms}}";
        let text = scenario(scheduler, &workers, "rate: 1/s", "");
        system(&ran(&text), "jobs")["leases_lost"]
    };
    assert_eq!(lost("heartbeat: 300ms,"), 0);
    assert!(lost("") > 20);
}

#[test]
fn a_sink_with_a_fence_refuses_the_write_of_a_worker_that_lost_its_lease() {
    let text = |fence: &str| {
        format!(
            "
run: {{duration: 20s, drain: 20s}}
services:
  jobs: {{kind: job-scheduler, workers: 8, jobs: {{default: {{lease: 2s, retry_after: 100ms}}}}}}
  workers:
    kind: job-worker
    replicas: 2
    workers: 4
    service_time: {{exponential: {{mean: 300ms}}}}
    calls: [{{to: jobs, timeout: 500ms}}, {{to: ledger, timeout: 500ms}}]
  ledger: {{kind: job-sink, workers: 8, service_time: 10ms, fence: {fence}}}
load:
  - {{name: shop, to: jobs, timeout: 1s, rate: 10/s}}
timeline: [{{id: pause, at: 5s, for: 8s, fault: {{pause: {{service: workers/1}}}}}}]
"
        )
    };
    let fenced = system(&ran(&text("true")), "ledger");
    assert!(fenced["effects_refused"] > 0 && fenced["stale_effects"] == 0, "{fenced:?}");
    let open = system(&ran(&text("false")), "ledger");
    assert!(open["effects_refused"] == 0 && open["stale_effects"] > 0, "{open:?}");
}

#[test]
fn poison_is_set_aside_after_so_many_dead_workers_and_the_others_move_on() {
    let scheduler = "jobs: {default: {lease: 1s, max_lost_leases: 2, max_attempts: 9, retry_after: 100ms}}";
    let workers = "workers: 8, service_time: 50ms, poison: {default: 10%}, respawn: 500ms";
    let outcome = ran(&scenario(scheduler, workers, "rate: 10/s", ""));
    let jobs = system(&outcome, "jobs");
    assert!(jobs["dead_poison"] > 5, "{jobs:?}");
    assert_eq!(jobs["dead_poison"] * 2, jobs["leases_lost"]);
    assert_eq!(jobs["completed"] + jobs["dead"], jobs["enqueued"]);
    assert_eq!(system(&outcome, "workers")["died"], jobs["leases_lost"]);
}

#[test]
fn strict_priorities_starve_and_aging_bounds_the_wait() {
    let wait = |order: &str| {
        let text = format!(
            "
run: {{duration: 60s, drain: 30s}}
services:
  jobs: {{kind: job-scheduler, workers: 8, queues: {{all: {{{order}}}}}, jobs: {{mail: {{priority: 1}}, report: {{priority: 3}}}}}}
  workers: {{kind: job-worker, workers: 10, service_time: 1s, calls: [{{to: jobs, timeout: 500ms}}]}}
load:
  - {{name: mails, to: jobs, timeout: 1s, stages: [{{for: 40s, rate: 12/s}}, {{for: 20s, rate: 1/s}}], mix: {{mail: 100%}}}}
  - {{name: reports, to: jobs, timeout: 1s, rate: 1/s, mix: {{report: 100%}}}}
"
        );
        system(&ran(&text), "jobs")["report.wait_p99_us"] / 1_000_000
    };
    let (strict, aging) = (wait("order: strict"), wait("aging: 4s"));
    assert!(strict > 30, "{strict} s");
    assert!(aging < 25, "{aging} s");
}

#[test]
fn a_full_queue_refuses_and_callers_hear_it() {
    let scheduler = "queues: {all: {max_live: 5}}";
    let outcome = ran(&scenario(scheduler, "workers: 1, service_time: 10s", "rate: 10/s", ""));
    let jobs = system(&outcome, "jobs");
    assert!(jobs["refused"] > 100, "{jobs:?}");
    assert_eq!(service(&outcome, "jobs").rejected, jobs["refused"]);
}

#[test]
fn a_key_that_stands_for_a_request_enqueues_once() {
    let load = "arrivals: {trace: '0s buy 7,1s buy 7,2s buy 8'}";
    let outcome = ran(&scenario("jobs: {buy: {once_per_key: true}}", MAILERS, load, ""));
    let jobs = system(&outcome, "jobs");
    assert_eq!((jobs["enqueued"], jobs["duplicates"], jobs["completed"]), (2, 1, 2));
}

/// Two enqueuers, ticks every second.
fn calendar(kind: &str, rest: &str) -> String {
    format!(
        "
run: {{duration: 30s, drain: 10s}}
services:
  jobs: {{kind: job-scheduler, workers: 8, leader_lease: 6s, schedules: {{s: {{operation: digest, every: 1s, overlap: allow, misfire: {{catch_up: 20}}}}}}}}
  calendar: {{kind: {kind}, replicas: 2, calls: [{{to: jobs, timeout: 400ms}}]}}
  workers: {{kind: job-worker, workers: 8, service_time: 10ms, calls: [{{to: jobs, timeout: 500ms}}]}}
load:
  - {{name: shop, to: jobs, timeout: 1s, rate: 1/s}}
{rest}
"
    )
}

#[test]
fn one_of_several_enqueuers_leads_and_each_tick_is_enqueued_once() {
    let outcome = ran(&calendar("job-enqueuer", ""));
    let jobs = system(&outcome, "jobs");
    // From the first second after the election on.
    assert!((38..=40).contains(&jobs["ticks_enqueued"]), "{jobs:?}");
    assert_eq!((jobs["terms"], jobs["two_leaders_us"], jobs["ticks_refused"]), (1, 0, 0));
}

#[test]
fn another_enqueuer_takes_over_and_names_the_ticks_that_were_missed() {
    for which in ["calendar/1", "calendar/2"] {
        let crash = format!(
            "timeline: [{{id: crash, at: 10s, for: 20s, fault: {{crash: {{service: {which}, mode: process}}}}}}]"
        );
        let outcome = ran(&calendar("job-enqueuer", &crash));
        let jobs = system(&outcome, "jobs");
        assert!((38..=40).contains(&jobs["ticks_enqueued"]), "{which}: {jobs:?}");
    }
}

#[test]
fn two_that_believe_to_lead_enqueue_each_tick_once() {
    let split = "timeline: [{id: cut, at: 8s, for: 9s, fault: {partition: {between: [[calendar], [jobs]], mode: drop}}}, {id: back, at: 14s, for: 10s, fault: {clock: {service: calendar/*, jump: \"-8s\"}}}]";
    let outcome = ran(&calendar("job-enqueuer", split));
    let jobs = system(&outcome, "jobs");
    assert_eq!(jobs["ticked_again"], 0, "{jobs:?}");
}

#[test]
fn every_broken_variant_is_caught_by_the_invariant_made_for_it() {
    let kinds = Kinds::default().with_test_kinds();
    let pause = "timeline: [{id: pause, at: 5s, for: 8s, fault: {pause: {service: workers/1}}}]";
    let paused = "replicas: 2, workers: 4, service_time: {exponential: {mean: 300ms}}";
    let slow = "replicas: 2, workers: 4, service_time: 3s";
    let lease = "jobs: {default: {lease: 2s, retry_after: 100ms}}";
    let hasty = "fsync: {group: {commits: 500, wait: 2s}}, jobs: {default: {lease: 2s}}";
    let cases = [
        ("jobs_completed_once", "test-unfenced-scheduler", scenario(lease, paused, "rate: 20/s", pause)),
        ("jobs_fenced", "test-unfenced-scheduler", scenario(lease, slow, "rate: 1/s", "")),
        (
            "jobs_not_lost",
            "test-forgetful-scheduler",
            scenario("keep: 0s", "workers: 1, service_time: 300ms", RETRIED, CRASH),
        ),
        (
            "jobs_consistent",
            "test-forgetful-scheduler",
            scenario("keep: 0s", "workers: 1, service_time: 300ms", RETRIED, CRASH),
        ),
        ("jobs_not_lost", "test-hasty-scheduler", scenario(hasty, MAILERS, RETRIED, CRASH)),
    ];
    for (invariant, kind, text) in cases {
        let sound = run_plan(&plan(&text), &kinds);
        assert_eq!(broken(&sound), Vec::<&str>::new(), "{kind}: the sound one breaks nothing");
        let flawed = run_plan(&plan_with(&text.replace("job-scheduler", kind), &kinds), &kinds);
        assert!(broken(&flawed).contains(&invariant), "{kind}: {:?} lacks {invariant}", broken(&flawed));
    }
    let flawed = run_plan(&plan_with(&calendar("test-lone-enqueuer", ""), &kinds), &kinds);
    assert_eq!(broken(&flawed), ["jobs_ticked_once"]);
}

#[test]
fn books_that_are_not_kept_change_nothing_that_happens() {
    let plan = plan(&scenario("jobs: {default: {lease: 2s}}", MAILERS, RETRIED, CRASH));
    let kinds = Kinds::default();
    let with = run(&plan, plan.seed, &[], &kinds, &Detail::default()).unwrap();
    let without = Detail { without_books: true, ..Detail::default() };
    let without = run(&plan, plan.seed, &[], &kinds, &without).unwrap();
    assert_eq!((with.fingerprint, with.events), (without.fingerprint, without.events));
    assert_balanced(&with);
}

#[test]
fn settings_change_while_jobs_run() {
    let slow_down = "timeline: [{id: fewer, at: 10s, config: {jobs.queues.all.max_running: 1}}]";
    let text = |rest: &str| {
        scenario("queues: {all: {max_running: 8}}", "workers: 8, service_time: 200ms", "rate: 10/s", rest)
    };
    let (before, after) = (ran(&text("")), ran(&text(slow_down)));
    let wait = |outcome: &Outcome| system(outcome, "jobs")["default.wait_p99_us"];
    assert!(wait(&after) > 5 * wait(&before).max(200_000), "{} {}", wait(&before), wait(&after));
}

#[test]
fn an_edit_of_a_setting_is_a_setting() {
    let plan = plan(&scenario("fsync: never, jobs: {default: {lease: 2s}}", MAILERS, RETRIED, CRASH));
    let edit = Edit::Set(Setting { path: "services.jobs.fsync".to_string(), value: "every_commit".into() });
    let outcome = run(&plan, plan.seed, &[edit], &Kinds::default(), &Detail::default()).unwrap();
    assert_balanced(&outcome);
}

#[test]
fn a_worker_whose_own_calls_fail_tries_the_job_again() {
    let text = "
run: {duration: 20s, drain: 30s}
services:
  jobs: {kind: job-scheduler, workers: 8, jobs: {default: {lease: 5s, retry_after: 500ms, max_attempts: 20}}}
  workers: {kind: job-worker, workers: 8, service_time: 10ms, calls: [{to: jobs, timeout: 500ms}, {to: mail, timeout: 200ms}]}
  mail: {workers: 8, service_time: 5ms, error_rate: 30%}
load:
  - {name: shop, to: jobs, timeout: 1s, rate: 10/s}
";
    let outcome = ran_with(text, &Kinds::default());
    let jobs = system(&outcome, "jobs");
    assert!(jobs["retried"] > 40, "{jobs:?}");
    assert_eq!(jobs["completed"], jobs["enqueued"]);
    assert_eq!(system(&outcome, "workers")["calls_failed"], jobs["failed"]);
}

/// A day on which the scheduler loses its power, a worker stands still, another is cut off, and the links lose some
/// messages and deliver others twice; when and for how long differs from day to day.
fn bad_day(day: u64, fsync: &str) -> String {
    let at = |nth: u64, from: u64, spread: u64| from + (day * 7_919 + nth * 104_729) % spread;
    format!(
        "
seed: {seed}
run: {{duration: 12s, drain: 60s}}
services:
  jobs:
    kind: job-scheduler
    workers: 8
    service_time: 200us
    fsync: {fsync}
    keep: 5s
    jobs: {{default: {{lease: 1500ms, retry_after: 200ms, max_attempts: 50, max_lost_leases: 40}}}}
    leader_lease: 3s
    schedules: {{s: {{operation: default, every: 1s, overlap: allow}}}}
  calendar: {{kind: job-enqueuer, replicas: 2, calls: [{{to: jobs, timeout: 300ms}}]}}
  workers:
    kind: job-worker
    replicas: 3
    workers: 4
    heartbeat: 400ms
    service_time: {{exponential: {{mean: 400ms}}}}
    calls: [{{to: jobs, timeout: 300ms, retry: {{max_attempts: 3, backoff: {{kind: constant, base: 100ms}}}}}}, {{to: ledger, timeout: 300ms}}]
  ledger: {{kind: job-sink, workers: 8, service_time: 1ms}}
network:
  default: {{latency: {{exponential: {{mean: 2ms}}}}, loss: 2%, duplicate: 2%}}
load:
  - {{name: shop, to: jobs, timeout: 300ms, rate: 15/s, retry: {{max_attempts: 6, backoff: {{kind: constant, base: 200ms}}}}}}
timeline:
  - {{id: power, at: {power}ms, for: {down}ms, fault: {{crash: {{service: jobs, mode: host}}}}}}
  - {{id: again, at: {again}ms, for: 700ms, fault: {{crash: {{service: jobs, mode: host}}}}}}
  - {{id: pause, at: {pause}ms, for: {paused}ms, fault: {{pause: {{service: workers/1}}}}}}
  - {{id: cut, at: {cut}ms, for: {apart}ms, fault: {{partition: {{between: [[workers/2, calendar/1], [jobs]], mode: drop}}}}}}
  - {{id: clock, at: {clock}ms, for: 4s, fault: {{clock: {{service: jobs, jump: \"+2s\"}}}}}}
",
        seed = day,
        power = at(1, 2_000, 4_000),
        down = at(2, 300, 1_500),
        again = at(3, 8_000, 3_000),
        pause = at(4, 1_000, 8_000),
        paused = at(5, 500, 6_000),
        cut = at(6, 1_000, 8_000),
        apart = at(7, 500, 6_000),
        clock = at(8, 1_000, 8_000),
    )
}

#[test]
fn on_no_bad_day_is_a_job_lost_or_completed_twice_or_a_stale_commit_taken() {
    let (mut leases_lost, mut refused) = (0, 0);
    for day in 0..24 {
        let fsync = if day % 2 == 0 { "every_commit" } else { "{group: {commits: 8, wait: 3ms}}" };
        let outcome = ran(&bad_day(day, fsync));
        let jobs = system(&outcome, "jobs");
        assert_eq!(jobs["restarts"], 2, "day {day}: {jobs:?}");
        // Ticks go on to the end: the last ones may still be under way.
        assert!(jobs["live"] <= 2 && jobs["dead"] == 0, "day {day}: {jobs:?}");
        // With a group of syncs a crash takes commits that nobody was told of; those are counted each time.
        if fsync == "every_commit" {
            assert_eq!(jobs["completed"] + jobs["live"], jobs["enqueued"], "day {day}: {jobs:?}");
        }
        let ledger = system(&outcome, "ledger");
        assert_eq!(ledger["stale_effects"], 0, "day {day}: {ledger:?}");
        leases_lost += jobs["leases_lost"];
        refused += jobs["fenced_refused"] + ledger["effects_refused"];
    }
    assert!(leases_lost > 100 && refused > 10, "{leases_lost} leases lost, {refused} refused: too quiet");
}

#[test]
fn on_bad_days_a_log_that_is_never_synced_is_found_out() {
    let found = (0..12).filter(|day| {
        let outcome = run_plan(&plan(&bad_day(*day, "never")), &Kinds::default());
        !broken(&outcome).is_empty()
    });
    assert!(found.count() > 8);
}

#[test]
fn a_schedule_that_is_not_due_changes_no_job_of_another() {
    let work = |schedules: &str| {
        let scheduler = format!("schedules: {{{schedules}digest: {{operation: default, every: 1s}}}}");
        let rest = "  - {name: nobody, to: jobs, arrivals: {trace: '19s'}}\n".to_string();
        let text = scenario(&scheduler, MAILERS, "rate: 1/s", &rest).replace(
            "services:\n",
            "services:\n  ticker: {kind: job-enqueuer, calls: [{to: jobs, timeout: 500ms}]}\n",
        );
        let outcome = ran(&text);
        assert!(system(&outcome, "jobs")["enqueued"] > 30, "the schedule is at work");
        service(&outcome, "workers").service.sum_ns
    };
    assert_eq!(work(""), work("yearly: {operation: default, every: 1000h}, "));
}
