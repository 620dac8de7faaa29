//! A breaker under the real clock: four clients share one, the dependency breaks for half a second, retries stand
//! outside the breaker, a fallback outside of all. `cargo run --package foreshock-systems --example circuit_breaker`
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "this is a driver: it reads the clock, waits and prints, which the systems never do"
)]

use foreshock_systems::circuit_breaker::{
    BreakerConfig, BreakerRejection, LogCursor, Recorded, SharedBreaker, WindowConfig,
};
use foreshock_systems::{Span, Time};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What a caller gets.
enum Answer {
    Fresh,
    FromFallback,
}

/// A dependency that fails between 300 ms and 800 ms.
struct Dependency {
    started: Instant,
    arrivals: AtomicU64,
}

impl Dependency {
    fn now(&self) -> Time {
        Time::from_nanos(self.started.elapsed().as_nanos() as u64)
    }

    fn call(&self) -> Result<(), ()> {
        self.arrivals.fetch_add(1, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(1));
        let broken = (300..800).contains(&self.started.elapsed().as_millis());
        if broken { Err(()) } else { Ok(()) }
    }
}

/// One attempt inside the breaker. The guard gives the permit back even if the call panics.
fn attempt(breaker: &SharedBreaker, dependency: &Dependency) -> Result<bool, BreakerRejection> {
    let guard = breaker.guard(dependency.now())?;
    let answer = dependency.call();
    let recorded = if answer.is_ok() { Recorded::Success } else { Recorded::Failure };
    guard.finish(dependency.now(), recorded);
    Ok(answer.is_ok())
}

/// Fallback outside retry outside breaker. A refusal by the breaker ends the retries: there is nobody to ask.
fn protected(breaker: &SharedBreaker, dependency: &Dependency) -> Answer {
    for _ in 0..3 {
        match attempt(breaker, dependency) {
            Ok(true) => return Answer::Fresh,
            Ok(false) => thread::sleep(Duration::from_millis(2)),
            Err(_) => break,
        }
    }
    Answer::FromFallback
}

fn client(breaker: &SharedBreaker, dependency: &Dependency) -> (u64, u64) {
    let (mut fresh, mut from_fallback) = (0, 0);
    while dependency.started.elapsed() < Duration::from_millis(1_200) {
        match protected(breaker, dependency) {
            Answer::Fresh => fresh += 1,
            Answer::FromFallback => {
                from_fallback += 1;
                thread::sleep(Duration::from_millis(1));
            }
        }
    }
    (fresh, from_fallback)
}

fn main() {
    let breaker = SharedBreaker::new(BreakerConfig {
        window: WindowConfig::Sliding { length: Span::from_millis(200), max_calls: 1_000 },
        min_requests: 10,
        open_for: Span::from_millis(100),
        open_growth_milli: 1_500,
        open_cap: Span::from_millis(200),
        half_open_probes: 2,
        ..BreakerConfig::default()
    });
    let dependency = Dependency { started: Instant::now(), arrivals: AtomicU64::new(0) };

    let (mut fresh, mut from_fallback) = (0, 0);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(|| client(&breaker, &dependency))).collect();
        for client in clients {
            let (answered, fell_back) = client.join().expect("a client does not panic");
            fresh += answered;
            from_fallback += fell_back;
        }
    });

    let mut changes = Vec::new();
    breaker.read_transitions(&mut LogCursor::default(), &mut changes);
    for change in changes {
        let (failures, calls) = (change.tally.failures, change.tally.calls);
        println!(
            "{:>4} ms  {:?} -> {:?}: {:?}, {failures} of {calls} failed",
            change.at.as_micros() / 1_000,
            change.from,
            change.to,
            change.reason
        );
    }
    let counters = breaker.metrics(dependency.now()).counters;
    let arrivals = dependency.arrivals.load(Ordering::Relaxed);
    println!("{fresh} fresh answers, {from_fallback} from the fallback");
    println!(
        "{} permitted, {arrivals} arrived, {} refused: what is refused never reaches the dependency",
        counters.permitted(),
        counters.rejected()
    );
}
