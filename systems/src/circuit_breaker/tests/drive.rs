//! Random histories and what can be driven through them: the breaker, its shared front, the model, and breakers
//! broken on purpose.

use super::model::Model;
use super::*;
use proptest::prelude::*;

/// What a driver does next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    Ask,
    /// Ends the permit at this position among those held.
    End(usize, Recorded, u64),
    /// Gives back once more a permit given back before.
    Again(usize, Recorded),
    /// Lets the permit at this position be forgotten.
    Lose(usize),
    Command(usize),
    Expire,
    Look,
}

/// An act, and by how many milliseconds the clock moves before it.
pub(super) type Step = (Act, i64);

fn any_recorded() -> impl Strategy<Value = Recorded> {
    prop_oneof![
        3 => Just(Recorded::Success),
        5 => Just(Recorded::Failure),
        1 => Just(Recorded::Ignored),
        1 => Just(Recorded::Cancelled),
    ]
}

/// Histories; with commands, and with a clock that jumps back, if wanted.
pub(super) fn steps(commands: bool, jumps: bool) -> impl Strategy<Value = Vec<Step>> {
    let act = prop_oneof![
        10 => Just(Act::Ask),
        10 => (0usize..64, any_recorded(), 0u64..200).prop_map(|(at, how, took)| Act::End(at, how, took)),
        1 => (0usize..64, any_recorded()).prop_map(|(at, how)| Act::Again(at, how)),
        1 => (0usize..64).prop_map(Act::Lose),
        1 => Just(Act::Expire),
        1 => Just(Act::Look),
        u32::from(commands) => (0usize..6).prop_map(Act::Command),
    ];
    let pause = prop_oneof![12 => 0i64..30, 2 => 0i64..2_500, u32::from(jumps) => -900i64..0];
    prop::collection::vec((act, pause), 0..250)
}

prop_compose! {
    fn any_half_open()(
        probes in 1u32..5, successes in prop::option::of(1u32..5), lazy in any::<bool>(),
        max_wait in prop_oneof![Just(0u64), 1u64..800], late in any::<bool>(),
    ) -> BreakerConfig {
        let successes = successes.map(|successes| HalfOpenDecision::Successes(successes.min(probes)));
        BreakerConfig {
            half_open_probes: probes,
            half_open_decision: successes.unwrap_or_default(),
            half_open_by: if lazy { HalfOpenBy::Lazy } else { HalfOpenBy::Timer },
            half_open_max_wait: ms(max_wait),
            late_results: if late { LateResults::Count } else { LateResults::Drop },
            ..small()
        }
    }
}

prop_compose! {
    pub(super) fn any_config()(
        half_open in any_half_open(), calls in 1u32..12, shape in 0u8..3, buckets in 1u32..6,
        min_requests in 1u32..8, slow in any::<bool>(), in_a_row in prop::option::of(1u32..5),
        open_at_ppm in prop_oneof![Just(0), Just(500_000u32), 1u32..=1_000_000],
        in_window in prop::option::of(1u32..6), growth in 1_000u32..3_000,
        jitter in prop_oneof![Just(0u32), 1u32..=1_000_000],
    ) -> BreakerConfig {
        BreakerConfig {
            window: match shape {
                0 => WindowConfig::Count { calls },
                1 => WindowConfig::Time { length: ms(400), buckets },
                _ => WindowConfig::Sliding { length: ms(400), max_calls: calls * 3 },
            },
            min_requests,
            open_at_ppm,
            slow_call: slow.then_some(ms(150)),
            failures_in_window: in_window,
            consecutive_failures: in_a_row,
            open_growth_milli: growth,
            open_jitter_ppm: jitter,
            ..half_open
        }
    }
}

/// What all of them have in common.
pub(super) trait Subject {
    fn try_acquire(&mut self, now: Time) -> Result<Permit, BreakerRejection>;
    fn record(&mut self, now: Time, permit: Permit, recorded: Recorded, took: Span) -> Taken;
    fn expire(&mut self, now: Time);
    fn command(&mut self, now: Time, to: State) -> Result<(), IllegalTransition>;
    fn deadline(&mut self) -> Option<Time>;
    fn changes(&mut self) -> Vec<Transition>;
    fn metrics(&mut self, now: Time) -> BreakerMetrics;
}

impl Subject for Breaker {
    fn try_acquire(&mut self, now: Time) -> Result<Permit, BreakerRejection> {
        Breaker::try_acquire(self, now)
    }
    fn record(&mut self, now: Time, permit: Permit, recorded: Recorded, took: Span) -> Taken {
        Breaker::record(self, now, permit, recorded, took)
    }
    fn expire(&mut self, now: Time) {
        Breaker::expire(self, now);
    }
    fn command(&mut self, now: Time, to: State) -> Result<(), IllegalTransition> {
        Breaker::command(self, now, to)
    }
    fn deadline(&mut self) -> Option<Time> {
        Breaker::deadline(self)
    }
    fn changes(&mut self) -> Vec<Transition> {
        std::iter::from_fn(|| self.take_transition()).collect()
    }
    fn metrics(&mut self, now: Time) -> BreakerMetrics {
        Breaker::metrics(self, now)
    }
}

/// How a breaker is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutant {
    /// Not at all.
    None,
    /// Half open admits one more.
    OneProbeTooMany,
    /// A late result passes for a result of now.
    LateResultCounts,
    /// Opens below the minimum.
    NoMinimum,
    /// Half open comes early.
    ImpatientWait,
    /// A call is remembered a little longer than the window.
    LongMemory,
    /// A permit given back without a result stays out.
    CancelLeaks,
    /// What says nothing counts as a failure.
    IgnoredCounts,
    /// A probe is no longer waited for after a while.
    ProbesWaitForEver,
    /// A result that comes twice stands for another probe.
    SecondResultStands,
    /// Every wait has the same length.
    NoJitter,
    /// Every wait is as long as the first.
    NoGrowth,
}

impl Mutant {
    pub(super) const ALL: [Mutant; 11] = [
        Mutant::OneProbeTooMany,
        Mutant::LateResultCounts,
        Mutant::NoMinimum,
        Mutant::ImpatientWait,
        Mutant::LongMemory,
        Mutant::CancelLeaks,
        Mutant::IgnoredCounts,
        Mutant::ProbesWaitForEver,
        Mutant::SecondResultStands,
        Mutant::NoJitter,
        Mutant::NoGrowth,
    ];
}

/// A breaker broken by being told or shown something else than the driver says.
pub(super) struct Mutated {
    pub(super) breaker: Breaker,
    mutant: Mutant,
    probes_out: Vec<Permit>,
}

impl Mutated {
    pub(super) fn new(config: &BreakerConfig, seed: u64, mutant: Mutant) -> Mutated {
        let mut told = config.clone();
        match mutant {
            Mutant::OneProbeTooMany => told.half_open_probes += 1,
            Mutant::NoMinimum => told.min_requests = 1,
            Mutant::ImpatientWait => told.open_for = told.open_for.saturating_sub(ms(1)),
            Mutant::LongMemory => {
                if let WindowConfig::Sliding { length, .. } = &mut told.window {
                    *length += ms(1);
                }
            }
            Mutant::ProbesWaitForEver => told.half_open_max_wait = Span::ZERO,
            Mutant::NoJitter => told.open_jitter_ppm = 0,
            Mutant::NoGrowth => told.open_growth_milli = 1_000,
            Mutant::None
            | Mutant::LateResultCounts
            | Mutant::CancelLeaks
            | Mutant::IgnoredCounts
            | Mutant::SecondResultStands => {}
        }
        Mutated { breaker: Breaker::new(told).with_seed(seed), mutant, probes_out: Vec::new() }
    }
}

impl Subject for Mutated {
    fn try_acquire(&mut self, now: Time) -> Result<Permit, BreakerRejection> {
        let answer = self.breaker.try_acquire(now);
        self.probes_out.extend(answer.ok().filter(|permit| permit.is_probe()));
        answer
    }
    fn record(&mut self, now: Time, permit: Permit, recorded: Recorded, took: Span) -> Taken {
        let (mut shown, mut told) = (permit, recorded);
        match self.mutant {
            Mutant::LateResultCounts => shown.generation = self.breaker.generation(),
            Mutant::CancelLeaks if recorded == Recorded::Cancelled => return Taken::Returned,
            Mutant::IgnoredCounts if recorded == Recorded::Ignored => told = Recorded::Failure,
            Mutant::SecondResultStands if permit.is_probe() && !self.probes_out.contains(&permit) => {
                shown = self.probes_out.last().copied().unwrap_or(permit);
            }
            _ => {}
        }
        self.probes_out.retain(|out| *out != shown);
        self.breaker.record(now, shown, told, took)
    }
    fn expire(&mut self, now: Time) {
        self.breaker.expire(now);
    }
    fn command(&mut self, now: Time, to: State) -> Result<(), IllegalTransition> {
        self.breaker.command(now, to)
    }
    fn deadline(&mut self) -> Option<Time> {
        self.breaker.deadline()
    }
    fn changes(&mut self) -> Vec<Transition> {
        self.breaker.changes()
    }
    fn metrics(&mut self, now: Time) -> BreakerMetrics {
        self.breaker.metrics(now)
    }
}

/// Drives the subject and the model through one history; the first difference, if there is one.
pub(super) fn difference(subject: &mut impl Subject, model: &mut Model, steps: &[Step]) -> Option<String> {
    let (mut held, mut gone) = (Vec::<Permit>::new(), Vec::<Permit>::new());
    let mut now = at(0);
    for (number, (act, pause)) in steps.iter().enumerate() {
        let moved = ms(pause.unsigned_abs());
        now = if *pause < 0 { now - moved } else { now + moved };
        let (ours, theirs) = match *act {
            Act::Ask => {
                let (ours, theirs) = (subject.try_acquire(now), model.try_acquire(now));
                held.extend(theirs.ok());
                (format!("{ours:?}"), format!("{theirs:?}"))
            }
            Act::End(which, recorded, took) if !held.is_empty() => {
                let permit = held.remove(which % held.len());
                gone.push(permit);
                let ours = subject.record(now, permit, recorded, ms(took));
                (format!("{ours:?}"), format!("{:?}", model.record(now, permit, recorded, ms(took))))
            }
            Act::Again(which, recorded) if !gone.is_empty() => {
                let permit = gone[which % gone.len()];
                let ours = subject.record(now, permit, recorded, ms(1));
                (format!("{ours:?}"), format!("{:?}", model.record(now, permit, recorded, ms(1))))
            }
            Act::Lose(which) if !held.is_empty() => {
                held.remove(which % held.len());
                continue;
            }
            Act::End(..) | Act::Again(..) | Act::Lose(_) => continue,
            Act::Command(code) => {
                let to = State::ALL[code];
                (format!("{:?}", subject.command(now, to)), format!("{:?}", model.command(now, to)))
            }
            Act::Expire => {
                subject.expire(now);
                model.expire(now);
                (String::new(), String::new())
            }
            Act::Look => (format!("{:?}", subject.metrics(now)), format!("{:?}", model.metrics(now))),
        };
        let ours = format!("{ours} {:?} {:?}", subject.deadline(), subject.changes());
        let theirs = format!("{theirs} {:?} {:?}", model.deadline(), model.changes());
        if ours != theirs {
            return Some(format!("step {number} at {now}, {act:?}:\n subject {ours}\n model   {theirs}"));
        }
    }
    let (ours, theirs) = (subject.metrics(now), model.metrics(now));
    (ours != theirs).then(|| format!("at the end:\n subject {ours:?}\n model   {theirs:?}"))
}
