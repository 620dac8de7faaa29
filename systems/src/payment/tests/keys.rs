//! Idempotency: the five rows of the table, what is kept, and the hole that a short memory leaves.

use super::world::{Travel, World, config, opened};
use super::*;

fn charge(intent: IntentId) -> Command {
    Command::Confirm { intent, instrument: card(), needs_authentication: false }
}

#[test]
fn the_five_rows_of_the_table() {
    let keys = KeyConfig::default();
    let (now, print) = (Time::ZERO, Fingerprint::of(b"pay 5"));
    let running = KeyRecord { fingerprint: print, expires_ns: 10, answer: None };
    let refused = Answer::refused(Refusal::NoProvider, None);
    let finished = KeyRecord { answer: Some(refused), ..running.clone() };
    let other = Fingerprint::of(b"pay 6");
    let rows = [
        (Some("k"), None, print, KeyDecision::Run),
        (Some("k"), Some(&finished), print, KeyDecision::Replay(refused)),
        (Some("k"), Some(&running), print, KeyDecision::InProgress),
        (Some("k"), Some(&running), other, KeyDecision::OtherPayload),
        (Some("k"), Some(&finished), other, KeyDecision::OtherPayload),
        (None, None, print, KeyDecision::Missing),
        (Some(""), None, print, KeyDecision::Missing),
    ];
    for (key, known, print, expected) in rows {
        assert_eq!(keys.decide(now, key, known, print), expected);
    }
    let optional = KeyConfig { is_required: false, ..keys };
    assert_eq!(optional.decide(now, None, None, print), KeyDecision::Run);
    // When its time is over a finished key is free; a running one never is.
    let late = Time::from_nanos(10);
    assert_eq!(keys.decide(late, Some("k"), Some(&finished), other), KeyDecision::Run);
    assert_eq!(keys.decide(late, Some("k"), Some(&running), print), KeyDecision::InProgress);
}

#[test]
fn a_merchant_sees_the_table_as_statuses() {
    let mut world = World::new(Travel::Silence);
    let intent = world.create(500, CaptureMethod::Automatic);
    assert_eq!(world.send("k", charge(intent)), None, "it waits for the provider");
    let again = world.send("k", charge(intent)).expect("it is answered at once");
    assert_eq!((again.status, again.refusal), (409, Some(Refusal::KeyInProgress)));
    let other = world.send("k", Command::Cancel { intent }).expect("it is answered at once");
    assert_eq!((other.status, other.refusal), (422, Some(Refusal::KeyReused)));
    world.pass(Span::from_secs(60));
    let replayed = world.send("k", charge(intent)).expect("it is answered at once");
    assert_eq!(replayed.status, 200);
    assert_eq!(world.send("k", charge(intent)), Some(replayed), "the same answer, again and again");
    assert_eq!(world.taken_minor(), 500);
    world.assert_clean();
}

#[test]
fn what_is_refused_at_the_door_leaves_the_key_free() {
    let mut world = World::new(Travel::Answer);
    let missing = world.send("k", Command::Cancel { intent: IntentId(99) }).expect("it is answered");
    assert_eq!(missing.status, 404);
    let intent = world.create(500, CaptureMethod::Automatic);
    assert_eq!(world.send("k", charge(intent)).map(|answer| answer.status), Some(200));
}

#[test]
fn which_answers_are_kept_is_a_policy() {
    for (kept, expected) in [(KeptAnswers::All, 402), (KeptAnswers::SuccessOnly, 200)] {
        let policies = Policies { kept_answers: Box::new(kept), ..Policies::in_order([FIRST]) };
        let processor =
            Processor::open(MemoryStore::new(), config(), policies).expect("the config is in range");
        let mut world = World::over(processor, Travel::Answer);
        let intent = world.create(500, CaptureMethod::Automatic);
        world.providers.get_mut(&FIRST).expect("it is there").script =
            |_, _| Outcome::Declined(Decline::Soft);
        assert_eq!(world.send("k", charge(intent)).map(|answer| answer.status), Some(402));
        world.providers.get_mut(&FIRST).expect("it is there").script = world::approve;
        assert_eq!(world.send("k", charge(intent)).map(|answer| answer.status), Some(expected), "{kept:?}");
    }
}

/// Retries a refund with one key, four times, and says how much was given back.
fn refunded_with_ttl(ttl: Span) -> i64 {
    let keys = KeyConfig { ttl, ..KeyConfig::default() };
    let mut world =
        World::over(opened(MemoryStore::new(), ProcessorConfig { keys, ..config() }), Travel::Answer);
    let intent = world.create(1_000, CaptureMethod::Automatic);
    world.confirm(intent);
    for _ in 0..4 {
        world.send("refund", Command::Refund { intent, minor: 100 });
        world.pass(Span::from_secs(3_600));
    }
    world.assert_clean();
    1_000 - world.taken_minor()
}

#[test]
fn a_key_forgotten_before_the_last_retry_does_it_twice() {
    assert_eq!(refunded_with_ttl(Span::from_secs(24 * 3_600)), 100);
    // Retries at 0, 1, 2 and 3 h; the key lives for two and a half.
    assert_eq!(refunded_with_ttl(Span::from_secs(9_000)), 200);
}

#[test]
fn keys_and_event_numbers_are_forgotten_in_time() {
    let mut world = World::new(Travel::AnswerThenWebhooks);
    let intent = world.create(500, CaptureMethod::Automatic);
    world.confirm(intent);
    let count = |world: &World<MemoryStore>, prefix: &[u8]| {
        let mut count = 0;
        crate::store::Store::scan(world.processor.store(), prefix, &mut |_, _| {
            count += 1;
            true
        });
        count
    };
    assert_eq!((count(&world, b"key/"), count(&world, b"event/")), (2, 1));
    world.pass(Span::from_secs(31 * 24 * 3_600));
    assert_eq!((count(&world, b"key/"), count(&world, b"event/")), (0, 0));
    world.pass(config().keep);
    assert_eq!(world.archive.len(), 1);
    assert_eq!(world.processor.deadline(), None, "nothing is left to be done");
}
