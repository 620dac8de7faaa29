//! Payments at two flaky providers under the real clock: threads answer late, twice or never, and one loop drives the
//! processor by its law. Shows what goes out, what merchants are told, and that the books agree with the providers.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "an example runs under the real clock, on real threads, and shows what it does"
)]

use foreshock_systems::payment::{
    Account, Books, CaptureMethod, Command, Currency, Decline, Input, Instrument, IntentId, Money,
    OperationId, Order, Outcome, Output, Policies, Processor, ProcessorConfig, ProviderId, Request,
    RequestId, ResolutionConfig, audit,
};
use foreshock_systems::store::MemoryStore;
use foreshock_systems::{Span, Time};
use std::collections::BTreeMap;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// What a provider did, by the operation's name: the same name is the same payment.
type Done = Arc<Mutex<BTreeMap<OperationId, Outcome>>>;

/// The provider: of six payments one is refused unprocessed, one answer is late, one is lost, one comes twice.
fn serve(order: Order, done: &Done, words: Sender<(OperationId, Outcome)>) {
    let done = Arc::clone(done);
    thread::spawn(move || {
        let mut done = done.lock().expect("no thread dies holding it");
        let (operation, outcome, delays_ms): (_, _, &[u64]) = match order {
            Order::Status { operation } => {
                (operation, done.get(&operation).copied().unwrap_or(Outcome::NotFound), &[2])
            }
            Order::Execute { operation, amount, .. } => {
                let draw = operation.intent.0 % 6;
                let refused = draw == 1 && operation.serial == 0;
                let fresh = if refused {
                    Outcome::Declined(Decline::NotProcessed)
                } else {
                    Outcome::Succeeded { minor: amount.minor }
                };
                let delays: &[u64] = match draw {
                    2 => &[120],
                    3 => &[],
                    4 => &[3, 3],
                    _ => &[3],
                };
                (operation, *done.entry(operation).or_insert(fresh), delays)
            }
        };
        drop(done);
        for delay_ms in delays_ms {
            thread::sleep(Duration::from_millis(*delay_ms));
            let _ = words.send((operation, outcome)); // nobody listens once the example is over
        }
    });
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let resolution = ResolutionConfig {
        first_check_after: Span::from_millis(50),
        interval: Span::from_millis(50),
        max_checks: 5,
    };
    let config = ProcessorConfig { resolution, ..ProcessorConfig::default() };
    let policies = Policies::in_order([ProviderId(1), ProviderId(2)]);
    let mut processor = Processor::open(MemoryStore::new(), config, policies)?;
    let (origin, done) = (Instant::now(), Done::default());
    let now = || Time::from_nanos(u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX));
    let (sender, words) = channel();
    let mut out = Vec::new();
    for number in 1..=6 {
        let create = Command::Create {
            merchant: 1,
            payer: number,
            amount: Money::new(1_000 * number as i64, Currency::INR),
            capture: CaptureMethod::Automatic,
        };
        let pay = Command::Confirm {
            intent: IntentId(number),
            instrument: Instrument::Address("asha@okbank".to_string()),
            needs_authentication: false,
        };
        for (step, command) in [(0, create), (1, pay)] {
            let id = RequestId(number * 2 + step);
            let request = Request { id, key: Some(format!("order {number}, step {step}")), command };
            processor.handle(now(), Input::Request(request), &mut out)?;
        }
    }
    let end = Time::ZERO + Span::from_millis(600);
    while now() < end {
        for output in out.drain(..) {
            println!("{:>7} us  {output:?}", now().as_micros());
            if let Output::Send { order, .. } = output {
                serve(order, &done, sender.clone());
            }
        }
        let due = processor.deadline().unwrap_or(end).min(end);
        match words.recv_timeout(Duration::from_nanos(due.since(now()).as_nanos())) {
            Ok((operation, outcome)) => {
                processor.handle(now(), Input::Word { operation, outcome }, &mut out)?
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                processor.expire(now(), &mut out)?
            }
        }
    }
    let books = Books::read(processor.store());
    let net = |provider| books.balance(Account::Provider(ProviderId(provider)), Currency::INR).net();
    println!("providers hold {} and {} paise for us", net(1), net(2));
    println!("violated invariants: {:?}", audit::audit(processor.store()));
    Ok(())
}
