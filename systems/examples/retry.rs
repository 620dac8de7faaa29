//! Calls to a flaky server under the real clock: threads answer late, wrongly or never, and one loop drives each call
//! by its law. Shows what goes out, what the budget says, and what it all came to.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "an example runs under the real clock, on real threads, and shows what it does"
)]

use foreshock_systems::retry::{
    Action, AttemptResult, BackoffConfig, BudgetKind, Call, CallConfig, CallEnd, CallOptions, CallOutput,
    Client, Failure, FailureClass, HedgeConfig, RetryConfig, SharedBudget,
};
use foreshock_systems::{Span, Time};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

type Answers = (Sender<(u32, AttemptResult)>, Receiver<(u32, AttemptResult)>);

/// A clock and a source of words: what the library never has.
struct Outside {
    origin: Instant,
    state: u64,
}

impl Outside {
    fn now(&self) -> Time {
        let since = Instant::now().duration_since(self.origin);
        Time::from_nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }

    /// xorshift64*; a real client would take the words of a proper generator.
    fn word(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
}

/// The server: half of its answers are good and quick, some are late, some bad, some never come.
fn serve(attempt: u32, word: u64, answers: Sender<(u32, AttemptResult)>) {
    thread::spawn(move || {
        let (takes_ms, result) = match word >> 61 {
            0..4 => (4, AttemptResult::Success),
            4 => (80, AttemptResult::Success),
            5 | 6 => (3, AttemptResult::Failure(Failure::of(FailureClass::Transient))),
            _ => return,
        };
        thread::sleep(Duration::from_millis(takes_ms));
        // Nobody listens any more once the call is over.
        let _ = answers.send((attempt, result));
    });
}

/// Drives one call to its end: carry out, wait for the earlier of answer and deadline, report.
fn drive(client: &Client, outside: &mut Outside, out: &mut CallOutput) -> CallEnd {
    let (sender, receiver): Answers = channel();
    let mut call = Call::begin(client, outside.now(), CallOptions::IDEMPOTENT, out);
    loop {
        for action in out.actions.drain(..) {
            match action {
                Action::Send { attempt, kind, .. } => {
                    println!("  {:>9} send {attempt} ({kind:?})", outside.now().as_micros());
                    serve(attempt, outside.word(), sender.clone());
                }
                Action::Cancel { attempt } => println!("  {:>9} cancel {attempt}", outside.now().as_micros()),
                Action::Finish(end) => return end,
            }
        }
        out.events.clear();
        let wait = call.deadline().map_or(Span::from_secs(60), |at| at.since(outside.now()));
        let word = outside.word();
        match receiver.recv_timeout(Duration::from_nanos(wait.as_nanos())) {
            Ok((attempt, result)) => {
                if let Err(late) = call.handle_result(client, outside.now(), attempt, result, word, out) {
                    println!("  {:>9} {late}", outside.now().as_micros());
                }
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                call.expire(client, outside.now(), word, out);
            }
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = CallConfig {
        retry: RetryConfig {
            max_attempts: 4,
            backoff: BackoffConfig { base: Span::from_millis(5), ..BackoffConfig::default() },
            ..RetryConfig::default()
        },
        hedge: Some(HedgeConfig { delay: Span::from_millis(20), max_extra: 1 }),
        attempt_timeout: Some(Span::from_millis(50)),
        overall_timeout: Some(Span::from_millis(200)),
        ..CallConfig::default()
    };
    let budget = Arc::new(SharedBudget::new(BudgetKind::Aws.usual()));
    let client = Client::new(config)?.with_budget(Arc::clone(&budget));
    let mut outside = Outside { origin: Instant::now(), state: 0x9E37_79B9_7F4A_7C15 };
    let mut out = CallOutput::default();
    for number in 1..=12 {
        println!("call {number}, times in microseconds");
        let end = drive(&client, &mut outside, &mut out);
        println!("  {:>9} {end:?}", outside.now().as_micros());
    }
    println!("{:#?}", client.stats());
    println!("tokens left: {}", budget.snapshot().tokens_milli(outside.now()) / 1_000);
    Ok(())
}
