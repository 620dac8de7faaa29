//! Captures, voids, refunds, failover, unknown outcomes, late charges, chargebacks, reconciliation.

use super::world::{Travel, World};
use super::*;

fn script(world: &mut World<MemoryStore>, provider: ProviderId, script: world::Script) {
    world.providers.get_mut(&provider).expect("there are two").script = script;
}

#[test]
fn an_authorization_is_captured_in_parts_until_nothing_is_left() {
    let mut world = World::new(Travel::Answer);
    let intent = world.create(1_000, CaptureMethod::Manual);
    assert_eq!(
        world.confirm(intent).and_then(|answer| answer.intent).map(|view| view.authorized_minor),
        Some(1_000)
    );
    let capture = |minor, is_final| Command::Capture { intent, minor, is_final };
    assert_eq!(world.command(&capture(1_001, false)).refusal, Some(Refusal::TooMuch(1_000)));
    assert_eq!(world.command(&capture(0, false)).refusal, Some(Refusal::Invalid(Invalid::TooSmall)));
    assert_eq!(world.command(&capture(400, false)).status, 200);
    assert_eq!(world.state(intent), AttemptState::PartialChargedAndChargeable);
    let cancel = world.command(&Command::Cancel { intent });
    assert_eq!(cancel.refusal, Some(Refusal::WrongState(Some(AttemptState::PartialChargedAndChargeable))));
    assert_eq!(world.command(&capture(601, false)).refusal, Some(Refusal::TooMuch(600)));
    assert_eq!(world.command(&capture(600, false)).status, 200);
    assert_eq!(world.state(intent), AttemptState::Charged);
    assert_eq!(
        world.command(&capture(1, false)).refusal,
        Some(Refusal::WrongState(Some(AttemptState::Charged)))
    );
    assert_eq!((world.taken_minor(), world.booked_minor()), (1_000, 1_000));
    world.assert_clean();
}

#[test]
fn a_final_part_releases_the_rest() {
    let mut world = World::new(Travel::WebhookThenAnswer);
    let intent = world.create(1_000, CaptureMethod::Manual);
    world.confirm(intent);
    world.command(&Command::Capture { intent, minor: 300, is_final: true });
    assert_eq!((world.state(intent), world.taken_minor()), (AttemptState::PartialCharged, 300));
    let view = world.command(&Command::Refund { intent, minor: 300 }).intent.expect("it is shown");
    assert_eq!((view.status, view.captured_minor, view.refunded_minor), (IntentStatus::Succeeded, 300, 300));
    assert_eq!(world.command(&Command::Refund { intent, minor: 1 }).refusal, Some(Refusal::TooMuch(0)));
    world.assert_clean();
}

#[test]
fn a_refused_capture_may_be_tried_again_or_voided() {
    for gives_up in [false, true] {
        let mut world = World::new(Travel::Answer);
        let intent = world.create(1_000, CaptureMethod::Manual);
        world.confirm(intent);
        script(&mut world, FIRST, |_, _| Outcome::Declined(Decline::Soft));
        let refused = world.command(&Command::Capture { intent, minor: 1_000, is_final: true });
        assert_eq!((refused.status, world.state(intent)), (402, AttemptState::CaptureFailed));
        script(&mut world, FIRST, world::approve);
        let next = if gives_up {
            Command::Cancel { intent }
        } else {
            Command::Capture { intent, minor: 1_000, is_final: true }
        };
        assert_eq!(world.command(&next).status, 200);
        let (state, taken) =
            if gives_up { (AttemptState::Voided, 0) } else { (AttemptState::Charged, 1_000) };
        assert_eq!((world.state(intent), world.taken_minor()), (state, taken));
        world.assert_clean();
    }
}

#[test]
fn the_payer_authenticates_first_if_that_is_asked_for() {
    for has_passed in [true, false] {
        let mut world = World::new(Travel::Answer);
        let intent = world.create(500, CaptureMethod::Automatic);
        let confirm = Command::Confirm { intent, instrument: card(), needs_authentication: true };
        let asked = world.send("k", confirm).and_then(|answer| answer.intent).expect("it is shown");
        assert_eq!((asked.status, world.taken_minor()), (IntentStatus::RequiresAction, 0));
        let ended = world.command(&Command::Authenticated { intent, has_passed });
        assert_eq!((ended.status, world.taken_minor()), if has_passed { (200, 500) } else { (402, 0) });
        let again = world.command(&Command::Authenticated { intent, has_passed: true });
        assert!(matches!(again.refusal, Some(Refusal::WrongState(_))));
        world.assert_clean();
    }
}

#[test]
fn another_provider_is_asked_only_after_a_refusal_that_says_nothing_was_done() {
    let cases: [(world::Script, usize, i64); 4] = [
        (|_, _| Outcome::Declined(Decline::NotProcessed), 2, 500),
        (|_, _| Outcome::Declined(Decline::Soft), 1, 0),
        (|_, _| Outcome::Declined(Decline::Hard), 1, 0),
        (|_, _| Outcome::Pending, 1, 0),
    ];
    for (first, attempts, taken) in cases {
        let mut world = World::new(Travel::Answer);
        let intent = world.create(500, CaptureMethod::Automatic);
        script(&mut world, FIRST, first);
        let answer = world.confirm(intent);
        assert_eq!((world.intent(intent).attempts.len(), world.taken_minor()), (attempts, taken));
        assert_eq!(answer.map(|answer| answer.status == 200).unwrap_or(false), taken > 0);
        world.assert_clean();
    }
}

#[test]
fn an_unknown_outcome_is_asked_about_and_never_charged_again() {
    for travel in [Travel::Silence, Travel::RequestLost, Travel::WebhookOnly] {
        let mut world = World::new(travel);
        let intent = world.create(500, CaptureMethod::Automatic);
        assert_eq!(world.confirm(intent).map(|answer| answer.status), Some(200), "{travel:?}");
        assert_eq!((world.taken_minor(), world.intent(intent).operations.len()), (500, 1), "{travel:?}");
        world.assert_clean();
    }
}

#[test]
fn checks_end_and_the_settlement_file_tells_the_rest() {
    let mut world = World::new(Travel::FileOnly);
    let intent = world.create(500, CaptureMethod::Automatic);
    world.send("k", Command::Confirm { intent, instrument: card(), needs_authentication: false });
    world.pass(Span::from_secs(3_600));
    assert_eq!((world.statuses_sent, world.state(intent)), (5, AttemptState::Unresolved));
    let operation = OperationId { intent, serial: 0 };
    assert_eq!(world.notices, [Notice::Unresolved(operation)]);
    let stranger = OperationId { intent: IntentId(99), serial: 0 };
    let file = [SettlementLine { operation, minor: 500 }, SettlementLine { operation: stranger, minor: 1 }];
    let mut out = Vec::new();
    let report = world.processor.reconcile(world.now, FIRST, &file, &mut out).expect("the store works");
    assert_eq!((report.resolved, report.not_ours, report.matched), (vec![operation], vec![stranger], 0));
    assert_eq!((world.state(intent), world.booked_minor()), (AttemptState::Charged, 500));
    // The same file again changes nothing; the next one has nothing missing.
    let again = world.processor.reconcile(world.now, FIRST, &file, &mut out).expect("the store works");
    assert_eq!((again.matched, again.resolved.len(), again.missing.len()), (1, 0, 0));
    let books = Books::read(world.processor.store());
    assert_eq!(books.balance(Account::Bank, Currency::INR).net(), 500);
    assert_eq!(books.balance(Account::Provider(FIRST), Currency::INR).net(), 0);
    assert_eq!(books.balance(Account::Fees, Currency::INR).net(), -13);
    assert_eq!(books.balance(Account::Merchant(5), Currency::INR).net(), -487);
    assert!(audit::audit(world.processor.store()).is_empty());
}

#[test]
fn a_file_names_what_is_missing_and_what_differs() {
    let mut world = World::new(Travel::Answer);
    let (first, second) =
        (world.create(500, CaptureMethod::Automatic), world.create(700, CaptureMethod::Automatic));
    world.confirm(first);
    world.confirm(second);
    let id = |intent| OperationId { intent, serial: 0 };
    let file = [SettlementLine { operation: id(first), minor: 499 }];
    let report =
        world.processor.reconcile(world.now, FIRST, &file, &mut Vec::new()).expect("the store works");
    assert_eq!((report.mismatched, report.missing), (vec![id(first)], vec![id(first), id(second)]));
}

#[test]
fn a_charge_that_comes_to_light_after_the_end_is_refunded_once() {
    let mut world = World::new(Travel::FileOnly);
    let intent = world.create(500, CaptureMethod::Automatic);
    world.send("k", Command::Confirm { intent, instrument: card(), needs_authentication: false });
    world.pass(Span::from_secs(25 * 3_600));
    assert_eq!((world.state(intent), world.taken_minor()), (AttemptState::Expired, 500));
    world.travel = Travel::AnswerThenWebhooks;
    let operation = OperationId { intent, serial: 0 };
    for id in [901, 902, 901] {
        let subject = EventSubject::Operation { operation, outcome: Outcome::Succeeded { minor: 500 } };
        world.deliver(FIRST, &ProviderEvent { id, subject }).expect("it is believed");
        world.pump();
    }
    assert_eq!((world.state(intent), world.taken_minor()), (AttemptState::AutoRefunded, 0));
    assert_eq!((world.intent(intent).operations.len(), world.booked_minor()), (2, 0));
    world.assert_clean();
}

#[test]
fn a_reservation_that_comes_to_light_after_the_end_is_released() {
    let mut world = World::new(Travel::FileOnly);
    let intent = world.create(500, CaptureMethod::Manual);
    world.send("k", Command::Confirm { intent, instrument: card(), needs_authentication: false });
    world.pass(Span::from_secs(25 * 3_600));
    world.travel = Travel::Answer;
    let operation = OperationId { intent, serial: 0 };
    world.input(Input::Word { operation, outcome: Outcome::Succeeded { minor: 500 } }).expect("it is taken");
    world.pump();
    assert_eq!(world.state(intent), AttemptState::Voided);
    world.assert_clean();
}

#[test]
fn a_reservation_nobody_captures_is_released_when_time_is_over() {
    let mut world = World::new(Travel::Answer);
    let intent = world.create(500, CaptureMethod::Manual);
    world.confirm(intent);
    world.pass(Span::from_secs(25 * 3_600));
    assert_eq!(world.intent(intent).status(), IntentStatus::Canceled);
    world.assert_clean();
}

#[test]
fn another_amount_than_asked_for_stops_the_payment_for_a_person_to_see() {
    let mut world = World::new(Travel::Answer);
    let intent = world.create(500, CaptureMethod::Automatic);
    script(&mut world, FIRST, |_, minor| Outcome::Succeeded { minor: minor + 1 });
    world.send("k", Command::Confirm { intent, instrument: card(), needs_authentication: false });
    assert_eq!(world.state(intent), AttemptState::IntegrityFailure);
    assert_eq!(world.notices, [Notice::AmountMismatch(OperationId { intent, serial: 0 }, 501)]);
}

#[test]
fn chargebacks_hold_back_and_then_go_to_whoever_won_in_any_order_of_their_events() {
    use DisputePhase as D;
    let cases: [(&[D], i128, i128); 6] = [
        (&[D::Opened], 1_000, 300),
        (&[D::Opened, D::Won], 1_000, 0),
        (&[D::Won, D::Opened], 1_000, 0),
        (&[D::Opened, D::Lost], 700, 0),
        (&[D::Lost, D::Opened], 700, 0),
        (&[D::Opened, D::Opened, D::Lost, D::Lost], 700, 0),
    ];
    for (phases, at_provider, in_suspense) in cases {
        let mut world = World::new(Travel::Answer);
        let intent = world.create(1_000, CaptureMethod::Automatic);
        let operation = OperationId { intent, serial: 0 };
        let event = |id: u64, phase| {
            let subject = EventSubject::Dispute { dispute: 4, operation, minor: 300, phase };
            ProviderEvent { id, subject }
        };
        assert_eq!(world.deliver(FIRST, &event(1, D::Opened)), Err(Rejected::UnknownOperation(operation)));
        world.confirm(intent);
        for (number, phase) in phases.iter().enumerate() {
            world.deliver(FIRST, &event(number as u64 + 100, *phase)).expect("it is believed");
        }
        let books = Books::read(world.processor.store());
        assert_eq!(books.balance(Account::Provider(FIRST), Currency::INR).net(), at_provider, "{phases:?}");
        assert_eq!(-books.balance(Account::Disputed, Currency::INR).net(), in_suspense, "{phases:?}");
        let most = if phases.contains(&D::Won) { 1_000 } else { 700 };
        assert_eq!(world.intent(intent).refundable_minor(0), most, "{phases:?}");
        world.assert_clean();
    }
}

#[test]
fn a_provider_speaks_for_itself_only() {
    let mut world = World::new(Travel::FileOnly);
    let intent = world.create(500, CaptureMethod::Automatic);
    world.send("k", Command::Confirm { intent, instrument: card(), needs_authentication: false });
    let operation = OperationId { intent, serial: 0 };
    let subject = EventSubject::Operation { operation, outcome: Outcome::Succeeded { minor: 500 } };
    let event = ProviderEvent { id: 1, subject };
    assert_eq!(world.deliver(SECOND, &event), Err(Rejected::UnknownOperation(operation)));
    assert_eq!(world.deliver(ProviderId(3), &event), Err(Rejected::UnknownSender(ProviderId(3))));
    let body = event.encode();
    let delivery = Delivery { provider: FIRST, signature: "t=1000,v1=00", body: &body };
    assert_eq!(world.input(Input::Webhook(delivery)), Err(Rejected::Signature(SignatureError::NoMatch)));
    assert_eq!(world.booked_minor(), 0);
}

#[test]
fn what_a_payer_may_pay_in_an_hour_is_bounded() {
    let velocity = Some(VelocityLimit { window: Span::from_secs(3_600), max_count: 3, max_minor: 1_000 });
    let processor = world::opened(MemoryStore::new(), ProcessorConfig { velocity, ..config() });
    let mut world = World::over(processor, Travel::Answer);
    let create = |minor| Command::Create {
        merchant: 5,
        payer: 9,
        amount: rupees(minor),
        capture: CaptureMethod::Manual,
    };
    let statuses: Vec<u16> =
        [600, 500, 400, 1].iter().map(|minor| world.command(&create(*minor)).status).collect();
    assert_eq!(statuses, [200, 400, 200, 400]);
    world.pass(Span::from_secs(3_600));
    assert_eq!(world.command(&create(600)).status, 200);
}
