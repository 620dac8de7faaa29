//! Processors with one defect each, and the checker that finds it.

use super::world::{Travel, World, approve};
use super::*;
use crate::payment::processor::Sabotage;

/// A long story in which every defect has its chance. What was found, by the audit and by counting the payers' money.
fn findings(travel: Travel, sabotage: Option<Sabotage>) -> Vec<String> {
    let mut world = match sabotage {
        Some(sabotage) => World::broken(travel, sabotage),
        None => World::new(travel),
    };
    let (paid, reserved) =
        (world.create(500, CaptureMethod::Automatic), world.create(800, CaptureMethod::Manual));
    let charge = |intent| Command::Confirm { intent, instrument: card(), needs_authentication: false };
    world.send("pay", charge(paid));
    world.send("pay", charge(paid));
    world.pass(Span::from_secs(600));
    world.send("refund", Command::Refund { intent: paid, minor: 200 });
    world.send("refund", Command::Refund { intent: paid, minor: 200 });
    world.send("refund too much", Command::Refund { intent: paid, minor: 400 });
    world.pass(Span::from_secs(600));
    world.send("reserve", charge(reserved));
    world.pass(Span::from_secs(600));
    world.send("take too much", Command::Capture { intent: reserved, minor: 801, is_final: false });
    world.pass(Span::from_secs(600));
    // A charge that is only known when its time is over.
    let late = world.create(300, CaptureMethod::Automatic);
    world.travel = Travel::FileOnly;
    world.send("late", charge(late));
    world.pass(Span::from_secs(25 * 3_600));
    world.travel = travel;
    let second = world.create(300, CaptureMethod::Automatic);
    world.confirm(second);
    let operation = OperationId { intent: late, serial: 0 };
    let _ = world.input(Input::Word { operation, outcome: Outcome::Succeeded { minor: 300 } });
    world.pass(Span::from_secs(600));
    let mut found: Vec<String> = world.violations.iter().cloned().collect();
    if world.taken_minor() != 300 + 300 {
        found.push(format!("payers are down by {}", world.taken_minor()));
    }
    found
}

#[test]
fn each_defect_is_found() {
    assert_eq!(findings(Travel::AnswerThenWebhooks, None), Vec::<String>::new());
    assert_eq!(findings(Travel::Silence, None), Vec::<String>::new());
    let cases = [
        (Sabotage::RefundsUnbounded, Travel::Answer, "RefundedAboveCaptured"),
        (Sabotage::CapturesUnbounded, Travel::Answer, "CapturedAboveAuthorized"),
        (Sabotage::ForgetsOutcomes, Travel::AnswerThenWebhooks, "PaidTwice"),
        (Sabotage::ChargesAgain, Travel::Silence, "payers are down by"),
        (Sabotage::IgnoresRunningKeys, Travel::Silence, "payers are down by"),
        (Sabotage::OneSidedFees, Travel::Answer, "Unbalanced"),
        (Sabotage::KeepsLateCharges, Travel::Answer, "payers are down by"),
    ];
    for (sabotage, travel, expected) in cases {
        let found = findings(travel, Some(sabotage));
        assert!(found.iter().any(|finding| finding.starts_with(expected)), "{sabotage:?}: {found:?}");
    }
}

#[test]
fn a_processor_that_puts_payments_away_and_does_not_carry_their_transfers_forward_is_found() {
    let mut world = World::broken(Travel::Answer, Sabotage::DropsTransfers);
    world.processor.reconfigure(ProcessorConfig { keep: Span::from_secs(60), ..config() }).expect("in range");
    let intent = world.create(500, CaptureMethod::Automatic);
    world.confirm(intent);
    world.pass(Span::from_secs(25 * 3_600));
    assert!(world.violations.contains("BalanceDiffers"), "{:?}", world.violations);
}

#[test]
fn a_client_that_takes_a_new_key_for_each_try_pays_twice_and_that_is_seen() {
    // Two payments for one order, because the client does not know its first one.
    let mut world = World::new(Travel::Answer);
    world.providers.get_mut(&FIRST).expect("it is there").script = approve;
    for _ in 0..2 {
        let intent = world.create(500, CaptureMethod::Automatic);
        world.confirm(intent);
    }
    assert_eq!(world.taken_minor(), 1_000);
    world.assert_clean();
}
