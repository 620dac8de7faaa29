//! One call as a whole, driven through a scripted world: stories, laws over random worlds, a plain loop as second
//! opinion.

use super::*;
use std::sync::Arc;

mod laws;
mod plain_loop;
mod stories;

/// What becomes of one sending.
#[derive(Clone, Copy, Debug)]
struct Fate {
    /// After this long its result is there; [`Span::MAX`] is never.
    takes: Span,
    result: AttemptResult,
    /// After this long the first part of the answer is handed on.
    commits_after: Option<Span>,
}

impl Fate {
    const NEVER: Fate = Fate { takes: Span::MAX, result: AttemptResult::Success, commits_after: None };

    const fn success(takes_ms: u64) -> Fate {
        Fate { takes: ms(takes_ms), result: AttemptResult::Success, commits_after: None }
    }

    const fn failure(takes_ms: u64, failure: Failure) -> Fate {
        Fate { takes: ms(takes_ms), result: AttemptResult::Failure(failure), commits_after: None }
    }

    const fn transient(takes_ms: u64) -> Fate {
        Fate::failure(takes_ms, Failure::of(FailureClass::Transient))
    }
}

/// What the world does to a call.
#[derive(Clone, Debug)]
struct World {
    /// By sending; the last one holds for all that follow.
    fates: Vec<Fate>,
    idempotent: bool,
    deadline: Option<Time>,
    cancel_at: Option<Time>,
    seed: u64,
}

impl World {
    fn of(fates: &[Fate]) -> World {
        World { fates: fates.to_vec(), idempotent: true, deadline: None, cancel_at: None, seed: 1 }
    }

    fn fate(&self, attempt: u32) -> Fate {
        let index = (attempt as usize - 1).min(self.fates.len() - 1);
        self.fates[index]
    }

    /// The word for the pause after so many attempts.
    fn word(&self, attempts: u32) -> u64 {
        words(self.seed).nth(attempts as usize).expect("the words do not end")
    }
}

/// What happens next in the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    Expire,
    Commit(u32),
    Result(u32),
    Cancel,
}

/// What was seen of a call: its actions with their times, and whether each result that was reported was wanted.
#[derive(Clone, Debug, Default)]
struct Trace {
    actions: Vec<(Time, Action)>,
    events: Vec<(Time, CallEvent)>,
    results: Vec<(Time, u32, bool)>,
    /// By result: how many actions there were before it was reported.
    actions_before: Vec<usize>,
}

impl Trace {
    fn end(&self) -> Option<(Time, CallEnd)> {
        self.actions.iter().find_map(|(at, action)| match action {
            Action::Finish(end) => Some((*at, *end)),
            Action::Send { .. } | Action::Cancel { .. } => None,
        })
    }

    /// Times in ms and kinds of everything sent.
    fn sent(&self) -> Vec<(u64, AttemptKind)> {
        let sent = self.actions.iter().filter_map(|(at, action)| match action {
            Action::Send { kind, .. } => Some((at.as_micros() / 1_000, *kind)),
            Action::Cancel { .. } | Action::Finish(_) => None,
        });
        sent.collect()
    }

    fn take(&mut self, now: Time, out: &mut CallOutput, pending: &mut Vec<(Time, Next)>, world: &World) {
        for action in out.actions.drain(..) {
            if let Action::Send { attempt, .. } = action {
                let fate = world.fate(attempt);
                // Results come also for sendings that are cancelled meanwhile, as they do in life.
                if let Some(at) = now.checked_add(fate.takes) {
                    pending.push((at, Next::Result(attempt)));
                }
                pending.extend(fate.commits_after.map(|after| (now + after, Next::Commit(attempt))));
            }
            self.actions.push((now, action));
        }
        self.events.extend(out.events.drain(..).map(|event| (now, event)));
    }
}

/// Drives one call until nothing is left to happen, and a little beyond.
fn drive(client: &Client, world: &World) -> Trace {
    drive_watched(client, world, |_, _, _| {})
}

/// The same; `watch` sees the call before each step.
fn drive_watched(client: &Client, world: &World, mut watch: impl FnMut(&Call, Time, Next)) -> Trace {
    let mut out = CallOutput::default();
    let mut trace = Trace::default();
    let mut pending: Vec<(Time, Next)> = world.cancel_at.map(|at| (at, Next::Cancel)).into_iter().collect();
    let options = CallOptions { idempotent: world.idempotent, deadline: world.deadline };
    let mut call = Call::begin(client, Time::ZERO, options, &mut out);
    trace.take(Time::ZERO, &mut out, &mut pending, world);
    for _ in 0..10_000 {
        let expiry = call.deadline().map(|at| (at, Next::Expire));
        let Some((now, next)) = pending.iter().copied().chain(expiry).min() else { return trace };
        pending.retain(|other| *other != (now, next));
        watch(&call, now, next);
        let word = world.word(call.attempts());
        match next {
            Next::Expire => call.expire(client, now, word, &mut out),
            Next::Cancel => call.cancel(client, now, &mut out),
            Next::Commit(attempt) => {
                let _ = call.handle_committed(client, now, attempt, word, &mut out);
            }
            Next::Result(attempt) => {
                let result = world.fate(attempt).result;
                let wanted = call.handle_result(client, now, attempt, result, word, &mut out).is_ok();
                trace.results.push((now, attempt, wanted));
                trace.actions_before.push(trace.actions.len());
            }
        }
        trace.take(now, &mut out, &mut pending, world);
    }
    panic!("a call that does not end: {trace:?}");
}

/// Three attempts, 100 ms doubling to 1 s without jitter, 200 ms for an attempt, 2 s for the call.
fn config() -> CallConfig {
    CallConfig {
        retry: RetryConfig { backoff: backoff(DOUBLING, 100, 1_000, Jitter::None), ..RetryConfig::default() },
        hedge: None,
        attempt_timeout: Some(ms(200)),
        overall_timeout: Some(ms(2_000)),
        doomed: DoomedRule::Refuse,
    }
}

fn hedging(delay_ms: u64, max_extra: u32) -> CallConfig {
    CallConfig { hedge: Some(HedgeConfig { delay: ms(delay_ms), max_extra }), ..config() }
}

fn client(config: CallConfig) -> Client {
    Client::new(config).expect("the policy is in range")
}

fn with_budget(config: CallConfig, budget: BudgetConfig) -> Client {
    client(config).with_budget(Arc::new(SharedBudget::new(budget)))
}
