//! When did a failure become inevitable? Takes a run up to an instant, draws everything after it anew, several times,
//! and counts how often it still fails. Where that share jumps up, something happened that decided.

use std::num::NonZero;
use std::ops::ControlFlow;

use serde_json::{Value, json};

use super::{BisectError, fails};
use crate::explore::parallel::in_order;
use crate::explore::predicate::Predicate;
use crate::kernel::draw::Seed;
use crate::kernel::time::{Span, Time};
use crate::nodes::Kinds;
use crate::run::{Detail, run};
use crate::scenario::plan::{Plan, Redraw};

/// How closely is looked.
#[derive(Clone, Copy, Debug)]
pub struct TimeOptions {
    /// How often everything after an instant is drawn anew.
    pub variants: NonZero<u32>,
    /// Instants that are looked at first, evenly spread over the run.
    pub points: NonZero<u32>,
    /// Runs that go on at once. Changes nothing in the result.
    pub jobs: NonZero<usize>,
}

/// What chance after an instant could still do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// The instant from which on everything is drawn anew.
    pub at: Time,
    /// Variants that failed.
    pub failed: u32,
}

/// Something that happened in the run as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// When.
    pub at: Time,
    /// What, in words.
    pub what: String,
}

/// When a failure became inevitable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeFound {
    /// How many variants each point has.
    pub variants: u32,
    /// By instant; the last one is the end of the run, which is the run as it was.
    pub points: Vec<Point>,
    /// The largest rise from one point to the next: their positions.
    pub step: Option<usize>,
    /// From this instant on every variant failed at every point that was looked at.
    pub inevitable_from: Time,
    /// What happened around the step.
    pub around: Vec<Happening>,
}

/// A step is not narrowed down further than to this.
const FINEST: Span = Span::from_millis(100);
/// How many times it is halved at most.
const MOST_HALVINGS: usize = 12;

/// Looks for the instant at which the failure of `plan` with `seed` became inevitable.
///
/// # Errors
/// When the run does not fail, or the predicate names nothing.
pub fn bisect_time(
    plan: &Plan,
    seed: Seed,
    kinds: &Kinds,
    predicate: &Predicate,
    options: TimeOptions,
) -> Result<TimeFound, BisectError> {
    if !fails(plan, seed, kinds, predicate)? {
        return Err(BisectError::BadPasses);
    }
    let variants = options.variants.get();
    let failed_at = |at: Time| failing_variants(plan, seed, kinds, predicate, at, options);
    let end_ns = plan.run.duration.as_nanos();
    let count = u64::from(options.points.get());
    let mut points = Vec::new();
    for index in 0..count {
        let at = Time::from_nanos((u128::from(end_ns) * u128::from(index) / u128::from(count)) as u64);
        points.push(Point { at, failed: failed_at(at)? });
    }
    // Where nothing is drawn any more all variants are the run as it was.
    points.push(Point { at: plan.run.end(), failed: variants });
    for _ in 0..MOST_HALVINGS {
        let Some(step) = largest_step(&points) else { break };
        let (from, to) = (points[step].at, points[step + 1].at);
        if to.since(from) <= FINEST {
            break;
        }
        let middle = Time::from_nanos(from.as_nanos() + to.since(from).as_nanos() / 2);
        points.insert(step + 1, Point { at: middle, failed: failed_at(middle)? });
    }
    let step = largest_step(&points);
    let inevitable = points.iter().rev().take_while(|point| point.failed == variants).last();
    let around = match step {
        Some(step) => around(plan, seed, kinds, points[step].at, points[step + 1].at)?,
        None => Vec::new(),
    };
    Ok(TimeFound {
        variants,
        step,
        inevitable_from: inevitable.map_or(plan.run.end(), |point| point.at),
        points,
        around,
    })
}

/// How many variants fail when everything from `at` on is drawn anew.
fn failing_variants(
    plan: &Plan,
    seed: Seed,
    kinds: &Kinds,
    predicate: &Predicate,
    at: Time,
    options: TimeOptions,
) -> Result<u32, BisectError> {
    let mut failed = 0;
    let work = |variant: u32| {
        let mut plan = plan.clone();
        plan.run.redraw = Some(Redraw { from: at, variant: u64::from(variant) });
        fails(&plan, seed, kinds, predicate)
    };
    let stopped = in_order(1..=options.variants.get(), options.jobs, work, |result| match result {
        Ok(fails) => {
            failed += u32::from(fails);
            ControlFlow::Continue(())
        }
        Err(error) => ControlFlow::Break(error),
    });
    stopped.map_or(Ok(failed), Err)
}

/// The position after which the share rises most; the earliest of equal ones, none if it never rises.
fn largest_step(points: &[Point]) -> Option<usize> {
    let rises = points.windows(2).map(|pair| pair[1].failed.saturating_sub(pair[0].failed));
    let mut best: Option<(usize, u32)> = None;
    for (position, rise) in rises.enumerate() {
        if rise > best.map_or(0, |(_, largest)| largest) {
            best = Some((position, rise));
        }
    }
    best.map(|(position, _)| position)
}

/// What happened in the run as it was, from a little before the step to a little after it.
fn around(
    plan: &Plan,
    seed: Seed,
    kinds: &Kinds,
    from: Time,
    to: Time,
) -> Result<Vec<Happening>, BisectError> {
    let outcome = run(plan, seed, &[], kinds, &Detail::default())?;
    let margin = Span::from_secs(5).max(to.since(from));
    let (from, to) = (Time::from_nanos(from.as_nanos().saturating_sub(margin.as_nanos())), to + margin);
    let mut found: Vec<Happening> = Vec::new();
    for event in &outcome.measured.timeline {
        found.push(Happening { at: event.at, what: format!("{} {} {}", event.id, event.kind, event.phase) });
    }
    for slo in outcome.judgement.slos.iter().filter(|slo| !slo.held) {
        if let Some(at) = slo.first_broken {
            found.push(Happening { at, what: format!("objective {} first seen broken", slo.id) });
        }
    }
    for invariant in outcome.judgement.invariants.iter().filter(|invariant| !invariant.held) {
        if let Some(at) = invariant.first {
            found.push(Happening { at, what: format!("invariant {} first seen broken", invariant.id) });
        }
    }
    found.retain(|happening| (from..=to).contains(&happening.at));
    found.sort_by_key(|happening| happening.at);
    Ok(found)
}

impl TimeFound {
    /// For programs.
    pub fn to_json(&self, scenario: &str, seed: Seed, predicate: &Predicate, commands: &[String]) -> Value {
        let us = |at: Time| at.as_nanos() / 1_000;
        let points: Vec<Value> =
            self.points.iter().map(|point| json!({"at_us": us(point.at), "failed": point.failed})).collect();
        let step = self.step.map(|step| {
            let (from, to) = (self.points[step], self.points[step + 1]);
            json!({"from_us": us(from.at), "to_us": us(to.at), "failed_before": from.failed, "failed_after": to.failed})
        });
        let around: Vec<Value> =
            self.around.iter().map(|event| json!({"at_us": us(event.at), "what": event.what})).collect();
        json!({
            "schema": super::SCHEMA,
            "axis": "time",
            "scenario": scenario,
            "seed": seed.0,
            "fails": predicate.to_string(),
            "variants": self.variants,
            "points": points,
            "step": step,
            "inevitable_from_us": us(self.inevitable_from),
            "around": around,
            "reproduce": commands,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_is_where_the_share_rises_most() {
        let points = |failed: &[u32]| -> Vec<Point> {
            let numbered = failed.iter().zip(0..);
            numbered.map(|(failed, at)| Point { at: Time::from_nanos(at), failed: *failed }).collect()
        };
        assert_eq!(largest_step(&points(&[3, 4, 3, 9, 10])), Some(2));
        assert_eq!(largest_step(&points(&[1, 2, 3])), Some(0));
        assert_eq!(largest_step(&points(&[5, 5, 4])), None);
        assert_eq!(largest_step(&[]), None);
    }
}
