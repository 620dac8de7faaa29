//! What a person should know beyond the verdict, as sentences with whole numbers. Each kind is one function in
//! one table; none of them changes the verdict.

use super::grid::Grid;
use super::liveness::{Liveness, LoadRecovery};
use super::slo::SloVerdict;
use super::words::{decimal, grouped};
use super::{
    Evidence, STOP_ID, brokers, caches, chain, configs, flags, jobs, limits, logs, money, monitoring,
    notifications, reached_its_end,
};
use crate::kernel::time::{Span, Time};
use crate::measure::OutcomeKind;
use crate::scenario::plan::Action;

/// Something a person should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its kind, stable for programs: `still_failing`, `fault_touched_nothing`, …
    pub kind: &'static str,
    /// One sentence.
    pub text: String,
}

/// What the finders look at.
struct Case<'a> {
    evidence: &'a Evidence<'a>,
    slos: &'a [SloVerdict],
    liveness: &'a Liveness,
}

/// Finds everything of one kind, one sentence each.
type Finder = fn(&Case<'_>) -> Vec<String>;

/// Every kind, the gravest first.
const FINDERS: &[(&str, Finder)] = &[
    (STOP_ID, stopped_early),
    ("still_failing", still_failing),
    ("failing_again", failing_again),
    ("fault_not_started", fault_not_started),
    ("fault_touched_nothing", fault_touched_nothing),
    ("not_judged", not_judged),
    ("jobs_lost", |case| jobs::lost(case.evidence)),
    ("broker_records_lost", |case| brokers::lost(case.evidence)),
    ("broker_partition_blocked", |case| brokers::blocked(case.evidence)),
    ("broker_rebalance_storm", |case| brokers::storm(case.evidence)),
    ("messages_dead", |case| brokers::dead(case.evidence)),
    ("messages_processed_again", |case| brokers::again(case.evidence)),
    ("jobs_completed_again", |case| jobs::again(case.evidence)),
    ("stale_effects", |case| jobs::stale_effects(case.evidence)),
    ("charged_twice", |case| money::charged_twice(case.evidence.measured)),
    ("charged_untold", |case| money::charged_untold(case.evidence.measured)),
    ("in_suspense", |case| money::in_suspense(case.evidence.measured)),
    ("outcome_unknown", |case| money::outcome_unknown(case.evidence.measured)),
    ("settled_by_file", |case| money::settled_by_file(case.evidence.measured)),
    ("charged_back", |case| money::charged_back(case.evidence.measured)),
    ("status_storm", |case| money::status_storm(case.evidence.measured)),
    ("notified_twice", |case| notifications::twice(case.evidence.measured)),
    ("alerts_told_by_both", |case| notifications::told_by_both(case.evidence.measured)),
    ("delivered_though_failed", |case| notifications::untrue_failures(case.evidence.measured)),
    ("notification_storm", |case| notifications::storm(case.evidence.measured)),
    ("notifications_given_up", |case| notifications::given_up(case.evidence.measured)),
    ("monitoring_blind", |case| monitoring::blind(case.evidence)),
    ("alert_resolved_blind", |case| monitoring::resolved_blind(case.evidence)),
    ("averaged_percentiles", |case| monitoring::averaged(case.evidence)),
    ("silent_replica", |case| monitoring::silent(case.evidence)),
    ("hidden_classes", |case| logs::hidden(case.evidence.measured)),
    ("series_overflow", |case| monitoring::overflowing(case.evidence)),
    ("flags_split", |case| flags::split(case.evidence)),
    ("flags_unknown", |case| flags::by_default(case.evidence)),
    ("flags_wrong", |case| flags::wrong(case.evidence)),
    ("nested_retries", nested_retries),
    ("breaker_spin", breaker_spin),
    ("limit_exceeded", |case| limits::exceeded(case.evidence)),
    ("limit_without_key", |case| limits::off(case.evidence)),
    ("limit_without_store", |case| limits::alone(case.evidence)),
    ("limit_in_shadow", |case| limits::shadowed(case.evidence)),
    ("two_leaders", |case| jobs::two_leaders(case.evidence)),
    ("jobs_starved", |case| jobs::starved(case.evidence)),
    ("poison_jobs", |case| jobs::poison(case.evidence)),
    ("workflows_failed", |case| jobs::workflows_failed(case.evidence)),
    ("stale_writes_refused", |case| jobs::kept_out(case.evidence)),
    ("stale_commits", |case| jobs::fenced(case.evidence)),
    ("bound_moved", |case| limits::bound_moved(case.evidence)),
    ("slow_releases", |case| configs::slow_releases(case.evidence.measured)),
    ("refused_releases", |case| configs::refused_releases(case.evidence)),
    ("failed_boots", |case| configs::failed_boots(case.evidence.measured)),
    ("saturated", saturated),
    ("flag_path", |case| flags::heavy_paths(case.evidence)),
    ("stampede", |case| caches::stampedes(case.evidence.measured)),
    ("stale_reads", |case| caches::stale_reads(case.evidence.measured)),
    ("late_fills", |case| caches::late_fills(case.evidence.measured)),
    ("wasted_work", wasted_work),
    ("doomed_attempts", doomed_attempts),
];

pub(super) fn find(evidence: &Evidence<'_>, slos: &[SloVerdict], liveness: &Liveness) -> Vec<Finding> {
    let case = Case { evidence, slos, liveness };
    let found = FINDERS
        .iter()
        .flat_map(|(kind, finder)| finder(&case).into_iter().map(|text| Finding { kind, text }));
    found.collect()
}

/// After this long, an outage that outlives its cause is called by this number.
const LONG_AFTER: Span = Span::from_secs(60);

fn stopped_early(case: &Case<'_>) -> Vec<String> {
    let stop = case.evidence.stop;
    if reached_its_end(stop) {
        return Vec::new();
    }
    let end = case.evidence.plan.run.end();
    vec![format!(
        "the run stopped at {} of {}: {}; what follows is about the part that ran",
        seconds(case.evidence.ended),
        seconds(end),
        stop.name()
    )]
}

/// A load that is not well again 60 s after the last fault ended, or when the load ends if that is earlier.
fn still_failing(case: &Case<'_>) -> Vec<String> {
    let Some((ended, id)) = case.liveness.last_fault_ended.zip(case.liveness.last_fault.as_ref()) else {
        return Vec::new();
    };
    let load_end = Grid::of(&case.evidence.plan.run);
    let load_end = load_end.start(load_end.load_end()).min(case.evidence.ended);
    let until_end = load_end.since(ended);
    let mut texts = Vec::new();
    for load in case.liveness.loads.iter().filter(|load| load.judged) {
        let text = match load.recovered_at.map(|at| at.since(ended)) {
            Some(took) if took < LONG_AFTER => continue,
            Some(took) => format!(
                "load `{}` was still failing 60 s after the last fault ended (`{id}` at {}); it was well again after {}",
                load.load,
                seconds(ended),
                seconds(Time::ZERO + took),
            ),
            None => format!(
                "load `{}` is still failing {} after the last fault ended (`{id}` at {}) and when the load ends: \
                 {}{}",
                load.load,
                seconds(Time::ZERO + until_end.min(LONG_AFTER)),
                seconds(ended),
                at_the_end(load),
                in_the_way(case.liveness)
            ),
        };
        texts.push(text);
    }
    texts
}

/// A load that was well again after the last fault and did not stay so.
fn failing_again(case: &Case<'_>) -> Vec<String> {
    let relapsed = |load: &&LoadRecovery| load.judged && load.recovered_at.is_some() && !load.well_at_end;
    let loads = case.liveness.loads.iter().filter(relapsed);
    loads
        .map(|load| {
            format!(
                "load `{}` recovered after the last fault and is failing again when the load ends: \
                 {}{}",
                load.load,
                at_the_end(load),
                in_the_way(case.liveness)
            )
        })
        .collect()
}

/// Two counts and no share of one another: what ends well may have been offered before.
fn at_the_end(load: &LoadRecovery) -> String {
    format!(
        "in the last {}, {} requests were offered and {} ended well",
        seconds(Time::ZERO + load.end_lasts),
        grouped(load.offered_at_end),
        grouped(load.good_at_end)
    )
}

fn in_the_way(liveness: &Liveness) -> String {
    let Some(blocker) = &liveness.blocker else {
        return String::new();
    };
    let mut text = format!(
        "; `{}` stands in the way with {} waiting and {} % busy",
        blocker.service,
        grouped(blocker.waiting),
        decimal(u64::from(blocker.utilization_ppm) / 1000, 1)
    );
    if let Some(edge) = &blocker.edge {
        let attempts = decimal(blocker.attempts_per_call_milli / 10, 2);
        text.push_str(&format!(", `{edge}` makes {attempts} attempts for each call"));
    }
    text
}

fn fault_not_started(case: &Case<'_>) -> Vec<String> {
    let plan = case.evidence.plan;
    let entries = plan.timeline.iter().zip(&case.evidence.measured.entries);
    entries
        .filter(|(_, measured)| measured.started.is_none())
        .map(|(entry, _)| {
            let timeline = &case.evidence.measured.timeline;
            let skipped = timeline.iter().find(|event| event.id == entry.id && event.phase == "skipped");
            let reason = match skipped {
                Some(event) if !event.detail.is_empty() => event.detail.as_str(),
                Some(_) => "it was skipped",
                None => "what it waits for did not come",
            };
            format!("`{}` never started: {reason}", entry.id)
        })
        .collect()
}

fn fault_touched_nothing(case: &Case<'_>) -> Vec<String> {
    let plan = case.evidence.plan;
    let entries = plan.timeline.iter().zip(&case.evidence.measured.entries);
    let idle = entries.filter(|(entry, measured)| {
        is_fault(&entry.action) && measured.started.is_some() && measured.touched == 0
    });
    idle.map(|(entry, _)| {
        format!("fault `{}` touched nothing: no message, request or process was changed by it", entry.id)
    })
    .collect()
}

fn is_fault(action: &Action) -> bool {
    match action {
        Action::Fault(_) => true,
        Action::Deploy(_)
        | Action::Config(_)
        | Action::Flag(_)
        | Action::Scale { .. }
        | Action::Publish(_)
        | Action::ExtraHop { .. }
        | Action::Rollback { .. } => false,
    }
}

fn not_judged(case: &Case<'_>) -> Vec<String> {
    let slos = case.slos.iter();
    let mut texts: Vec<String> = slos
        .filter_map(|slo| {
            Some(format!("objective `{}` was not judged: {}", slo.id, slo.not_judged.as_ref()?))
        })
        .collect();
    if let Some(reason) = &case.liveness.not_judged {
        texts.push(format!("liveness was not judged: {reason}"));
    }
    texts
}

/// Retries above retries: the attempts that reach a service are the product of those of every layer.
fn nested_retries(case: &Case<'_>) -> Vec<String> {
    let (plan, measured) = (case.evidence.plan, case.evidence.measured);
    let chains = plan.loads.iter().filter_map(|load| chain::worst(plan, measured, load));
    chains
        .filter(|chain| chain.retrying_layers > 1 && chain.attempts_milli > NESTED_ATTEMPTS_MILLI)
        .map(|chain| {
            format!(
                "retries multiply along `{}`: {} attempts arrive for each request, {} layers retry and the \
                 one that retries most alone makes {}",
                chain.names.join(" -> "),
                decimal(chain.attempts_milli / 10, 2),
                chain.retrying_layers,
                decimal(chain.largest_milli / 10, 2),
            )
        })
        .collect()
}

/// From so many attempts for each request on, nested retries are worth a word.
const NESTED_ATTEMPTS_MILLI: u64 = 2000;

/// Callers that retry against an open breaker as if it were the callee.
fn breaker_spin(case: &Case<'_>) -> Vec<String> {
    let edges = case.evidence.measured.edges.iter();
    let spinning = edges.filter(|edge| edge.breaker.rejected > edge.requests.saturating_mul(2));
    spinning
        .map(|edge| {
            format!(
                "the open breaker of `{}` refused {} attempts for {} calls: its caller retries what the breaker \
                 refuses (leave `{}` out of `retry_on`)",
                edge.name,
                grouped(edge.breaker.rejected),
                grouped(edge.requests),
                OutcomeKind::BreakerOpen.name()
            )
        })
        .collect()
}

/// From this share of a grid interval on, all workers count as busy.
const BUSY_PPM: u32 = 995_000;

fn saturated(case: &Case<'_>) -> Vec<String> {
    let end = Grid::of(&case.evidence.plan.run).load_end();
    let services = case.evidence.measured.services.iter();
    services
        .filter_map(|service| {
            let known = service.intervals.get(..end.min(service.intervals.len()))?;
            let busy = known.iter().filter(|interval| interval.utilization_ppm >= BUSY_PPM).count();
            (busy * 2 > known.len()).then(|| {
                format!(
                    "`{}` had no idle worker in {busy} of {} intervals of the load",
                    service.name,
                    known.len()
                )
            })
        })
        .collect()
}

fn wasted_work(case: &Case<'_>) -> Vec<String> {
    let services = case.evidence.measured.services.iter();
    services
        .filter(|service| service.abandoned > 0 && service.abandoned.saturating_mul(10) > service.completed)
        .map(|service| {
            format!(
                "wasted work: {} of the {} requests that `{}` completed had a caller that no longer waited ({} %)",
                grouped(service.abandoned),
                grouped(service.completed),
                service.name,
                percent(service.abandoned, service.completed)
            )
        })
        .collect()
}

fn doomed_attempts(case: &Case<'_>) -> Vec<String> {
    let edges = case.evidence.measured.edges.iter();
    edges
        .filter(|edge| edge.doomed > 0 && edge.doomed.saturating_mul(100) >= edge.attempts)
        .map(|edge| {
            format!(
                "doomed attempts: {} of the {} over `{}` could not finish before the deadline even at the \
                 fastest latency seen ({} %)",
                grouped(edge.doomed),
                grouped(edge.attempts),
                edge.name,
                percent(edge.doomed, edge.attempts)
            )
        })
        .collect()
}

/// `part` of `whole` in percent with one decimal, rounded down.
fn percent(part: u64, whole: u64) -> String {
    let permille = u128::from(part) * 1000 / u128::from(whole.max(1));
    decimal(u64::try_from(permille).unwrap_or(u64::MAX), 1)
}

/// Seconds with at most three decimals: `60 s`, `12.5 s`.
fn seconds(at: Time) -> String {
    format!("{} s", decimal(at.as_nanos() / 1_000_000, 3))
}
