//! How long payments are kept, what becomes of their transfers, and what a payment that was put away answers.

use super::world::{Travel, World, config, opened};
use super::*;

const HOUR: Span = Span::from_secs(3_600);

/// Payments have a day to be paid and are kept for an hour after that; keys live for two days.
fn forgetful() -> ProcessorConfig {
    let keys = KeyConfig { ttl: Span::from_secs(48 * 3_600), ..KeyConfig::default() };
    ProcessorConfig { keep: HOUR, keys, ..config() }
}

fn world(travel: Travel) -> World<MemoryStore> {
    World::over(opened(MemoryStore::new(), forgetful()), travel)
}

fn hours(hours: u64) -> Span {
    HOUR.saturating_mul(hours)
}

#[test]
fn a_settled_payment_is_put_away_after_its_time_and_the_books_still_balance() {
    let mut world = world(Travel::AnswerThenWebhooks);
    let paid = world.create(500, CaptureMethod::Automatic);
    world.confirm(paid);
    assert_eq!(world.command(&Command::Refund { intent: paid, minor: 200 }).status, 200);
    let abandoned = world.create(900, CaptureMethod::Manual);
    let before = Books::read(world.processor.store());
    world.pass(hours(24));
    assert_eq!(world.archive.len(), 0);
    world.pass(hours(2));
    let put_away: Vec<IntentId> = world.archive.iter().map(|intent| intent.id).collect();
    assert_eq!(put_away, [paid, abandoned]);
    assert_eq!(world.archive[0].view().captured_minor, 500);
    let after = Books::read(world.processor.store());
    assert_eq!((after.transfers.len(), &after.balances), (0, &before.balances));
    assert_eq!(after.recounted(), after.balances);
    assert_eq!((world.booked_minor(), world.taken_minor()), (300, 300));
    world.assert_clean();
}

#[test]
fn what_was_put_away_is_not_known_any_more_and_its_key_still_answers() {
    let mut world = world(Travel::Answer);
    let intent = world.create(500, CaptureMethod::Automatic);
    let charge = Command::Confirm { intent, instrument: card(), needs_authentication: false };
    let first = world.ask("charge", &charge).expect("it is answered");
    world.pass(hours(26));
    assert!(!world.processor.has_intent(intent));
    assert_eq!(world.processor.next_intent(), IntentId(intent.0 + 1), "its number is not given again");
    assert_eq!(world.ask("charge", &charge), Some(first), "the key outlives the payment");
    let refund = world.command(&Command::Refund { intent, minor: 1 });
    assert_eq!(refund.refusal, Some(Refusal::NoSuchIntent));
    let operation = OperationId { intent, serial: 0 };
    let word = world.input(Input::Word { operation, outcome: Outcome::Succeeded { minor: 500 } });
    assert_eq!(word, Err(Rejected::UnknownOperation(operation)));
    assert_eq!(world.taken_minor(), 500);
    world.assert_clean();
}

#[test]
fn a_refund_begins_the_time_of_a_payment_anew() {
    let mut world = world(Travel::Answer);
    let intent = world.create(500, CaptureMethod::Automatic);
    world.confirm(intent);
    world.pass(hours(24) + Span::from_secs(3_000));
    assert_eq!(world.command(&Command::Refund { intent, minor: 100 }).status, 200);
    world.pass(Span::from_secs(3_000));
    assert!(world.processor.has_intent(intent), "an hour after the refund has not passed");
    world.pass(hours(1));
    assert!(!world.processor.has_intent(intent));
    world.assert_clean();
}

#[test]
fn a_payment_in_doubt_is_kept_until_somebody_tells() {
    let mut world = world(Travel::FileOnly);
    let intent = world.create(500, CaptureMethod::Automatic);
    world.send("charge", Command::Confirm { intent, instrument: card(), needs_authentication: false });
    world.pass(hours(24 * 30));
    assert!(world.processor.has_intent(intent));
    let line = SettlementLine { operation: OperationId { intent, serial: 0 }, minor: 500 };
    let report = world.processor.reconcile(world.now, FIRST, &[line], &mut Vec::new()).expect("it works");
    assert_eq!(report.resolved, [line.operation]);
    world.travel = Travel::Answer;
    world.pass(hours(3));
    assert!(!world.processor.has_intent(intent), "the charge was late, given back, and that is known");
    let answers = (world.taken_minor(), world.booked_minor());
    assert_eq!(answers, (0, 0));
    world.assert_clean();
}

#[test]
fn without_an_end_payments_are_kept_for_ever_and_a_restart_knows_what_is_due() {
    let for_ever = ProcessorConfig { keep: Span::MAX, ..config() };
    let mut world = World::over(opened(MemoryStore::new(), for_ever), Travel::Answer);
    let intent = world.create(500, CaptureMethod::Automatic);
    world.confirm(intent);
    world.pass(hours(24 * 365));
    assert!(world.processor.has_intent(intent));
    let mut world = world.restarted(|store| opened(store, forgetful()));
    world.pass(Span::from_secs(1));
    assert!(!world.processor.has_intent(intent), "its time has passed long ago");
    world.assert_clean();
}
