//! A login under the real clock: tokens that live two seconds, refreshed in time, a lost answer, a thief, and a logout.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "an example runs under the real clock and shows what it does"
)]

use foreshock_systems::auth::{RefreshConfig, RefreshTiming, RefreshTokens};
use foreshock_systems::store::MemoryStore;
use foreshock_systems::{Span, Time};
use std::thread;
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let begun = Instant::now();
    let now = || Time::from_nanos(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
    let config = RefreshConfig { grace: Span::from_millis(100), ..RefreshConfig::default() };
    let mut tokens = RefreshTokens::new(config, MemoryStore::new());
    let first = tokens.begin(now(), 1, 7, 0x5EED)?;
    let timing = RefreshTiming { after_ppm: 500_000, jitter: Span::from_millis(20) };
    let due = timing.at(now(), Span::from_millis(200), u64::MAX / 2);
    println!("logged in; refreshes at {due}");
    thread::sleep(Duration::from_nanos(due.since(now()).as_nanos()));

    let lost = tokens.refresh(now(), first, 0xFACE)?;
    let again = tokens.refresh(now(), first, 0xBEEF)?;
    println!("the answer was lost; asked again, the same token came: {}", lost.next == again.next);
    thread::sleep(Duration::from_millis(150));
    if let Err(error) = tokens.refresh(now(), first, 1) {
        println!("a thief with the old token: {error}");
    }
    if let Err(error) = tokens.refresh(now(), again.next, 2) {
        println!("the owner afterwards: {error}");
    }
    Ok(())
}
