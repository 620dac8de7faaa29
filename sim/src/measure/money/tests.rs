//! The books against a list of everything that ever happened, added up anew after each movement.

use std::collections::BTreeSet;

use foreshock_systems::payment::OperationKind;
use foreshock_systems::payment::upi::Leg;
use proptest::prelude::*;

use super::*;

const SHOP: ServiceId = ServiceId(0);
const PROCESSOR: ServiceId = ServiceId(1);
const PRICE: i64 = 100;

const KINDS: [OperationKind; 5] = [
    OperationKind::Authorize,
    OperationKind::Sale,
    OperationKind::Capture { is_final: true },
    OperationKind::Void { is_compensation: false },
    OperationKind::Refund { is_compensation: false },
];

fn movement(order: u64, intent: u64, kind: OperationKind, minor: i64) -> Movement {
    Movement { processor: PROCESSOR, intent, order, kind, minor }
}

fn sum(all: &[Movement], intent: u64, counts: fn(OperationKind) -> bool) -> i64 {
    let own = all.iter().filter(|movement| movement.intent == intent && counts(movement.kind));
    own.map(|movement| movement.minor).sum()
}

fn at(seconds: u64) -> Time {
    Time::ZERO + Span::from_secs(seconds)
}

fn ids(broken: Vec<Broken>) -> BTreeSet<&'static str> {
    broken.into_iter().map(|(id, _)| id).collect()
}

fn placed(order: u64, key: KeyPolicy) -> OrderPlaced {
    OrderPlaced { order, client: SHOP, minor: PRICE, key }
}

proptest! {
    #[test]
    fn after_each_movement_the_books_say_what_a_recount_says(
        moves in prop::collection::vec((0_u64..3, 0_usize..5, 1_i64..150), 1..40)
    ) {
        let mut money = Money::default();
        for order in 0..3 {
            money.order_placed(placed(order, KeyPolicy::Order));
        }
        let mut all = Vec::new();
        for (order, kind, minor) in moves {
            // One payment for each order.
            let next = movement(order, order + 10, KINDS[kind], minor);
            all.push(next);
            let told = ids(money.moved(&next));
            let captured = sum(&all, next.intent, OperationKind::takes_money);
            let refunded = sum(&all, next.intent, OperationKind::gives_back);
            let mut expected = BTreeSet::new();
            if captured > sum(&all, next.intent, OperationKind::is_opening) {
                expected.insert(invariant::WITHIN_AUTHORIZED);
            }
            if refunded > captured {
                expected.insert(invariant::WITHIN_CAPTURED);
            }
            if next.kind.takes_money() && captured - refunded > PRICE {
                expected.insert(invariant::CAPTURED_ONCE);
            }
            prop_assert_eq!(told, expected);
        }
    }
}

/// Two payments of one order, the second made so much later.
fn charged_twice(key: KeyPolicy, apart_s: u64) -> (BTreeSet<&'static str>, MoneyMeasured) {
    let mut money = Money::default();
    money.keys_kept(PROCESSOR, Span::from_secs(60));
    money.order_placed(placed(7, key));
    money.payment_made((PROCESSOR, 1), 7, at(10));
    assert!(money.moved(&movement(7, 1, OperationKind::Sale, PRICE)).is_empty());
    money.payment_made((PROCESSOR, 2), 7, at(10 + apart_s));
    let broken = ids(money.moved(&movement(7, 2, OperationKind::Sale, PRICE)));
    let measured = money.finish(|_| "shop".to_string(), &MoneyEnd::default());
    (broken, measured.expect("there were payments"))
}

#[test]
fn a_second_charge_is_the_clients_doing_or_the_keys_age_or_a_defect() {
    let (broken, measured) = charged_twice(KeyPolicy::Attempt, 1);
    assert!(broken.is_empty());
    assert_eq!(measured.doubled_by_new_key["shop"], (1, PRICE));

    let (broken, measured) = charged_twice(KeyPolicy::Order, 60);
    assert!(broken.is_empty());
    assert_eq!(measured.doubled_by_expiry["shop"], (1, PRICE, Span::from_secs(60)));

    let (broken, measured) = charged_twice(KeyPolicy::Order, 59);
    assert_eq!(broken, BTreeSet::from([invariant::CHARGED_ONCE]));
    assert!(measured.doubled_by_expiry.is_empty() && measured.doubled_by_new_key.is_empty());
}

#[test]
fn who_is_told_that_he_has_paid_has_and_who_is_told_otherwise_and_has_is_counted() {
    let mut money = Money::default();
    for order in [1, 2, 3] {
        money.order_placed(placed(order, KeyPolicy::Order));
    }
    money.moved(&movement(1, 1, OperationKind::Sale, PRICE));
    money.moved(&movement(3, 3, OperationKind::Sale, PRICE));
    assert!(money.order_ended(1, OrderEnd::Paid).is_none());
    assert_eq!(money.order_ended(2, OrderEnd::Paid).map(|(id, _)| id), Some(invariant::CONFIRMED));
    assert!(money.order_ended(3, OrderEnd::GivenUp).is_none());
    let measured = money.finish(|_| "shop".to_string(), &MoneyEnd::default()).expect("there were payments");
    assert_eq!(measured.charged_untold["shop"], (1, PRICE));
}

#[test]
fn a_store_that_knows_less_or_more_than_was_done_is_found_and_one_that_is_in_doubt_is_not() {
    let mut money = Money::default();
    money.moved(&movement(1, 1, OperationKind::Sale, PRICE));
    let compare = |payments: Vec<BookedPayment>| {
        ids(money.audit(PROCESSOR, &MoneyProbe::Processor { payments, violations: Vec::new() }))
    };
    let one = BookedPayment { intent: 1, ..BookedPayment::default() };
    assert!(compare(vec![BookedPayment { captured_minor: PRICE, ..one }]).is_empty());
    assert!(compare(vec![BookedPayment { maybe_captured_minor: PRICE, ..one }]).is_empty());
    let conserved = BTreeSet::from([invariant::CONSERVED]);
    assert_eq!(compare(Vec::new()), conserved);
    assert_eq!(compare(vec![BookedPayment { captured_minor: PRICE + 1, ..one }]), conserved);
    assert_eq!(compare(vec![BookedPayment { captured_minor: PRICE, refunded_minor: 1, ..one }]), conserved);
    let unknown = BookedPayment { intent: 2, captured_minor: 1, ..BookedPayment::default() };
    assert_eq!(compare(vec![BookedPayment { captured_minor: PRICE, ..one }, unknown]), conserved);
}

fn leg(leg: Leg, account_delta: i64) -> LegDone {
    LegDone { txn: 5, leg, minor: PRICE, account_delta, settlement_delta: -account_delta }
}

#[test]
fn a_transfer_is_debited_once_and_then_credited_or_reversed_once() {
    let told = |legs: &[Leg]| -> BTreeSet<&'static str> {
        let mut money = Money::default();
        let delta = |kind: Leg| if kind == Leg::Debit { -PRICE } else { PRICE };
        legs.iter().flat_map(|kind| ids(money.leg_done(&leg(*kind, delta(*kind))))).collect()
    };
    let wrong = BTreeSet::from([invariant::ONE_OUTCOME]);
    assert!(told(&[Leg::Debit, Leg::Credit]).is_empty());
    assert!(told(&[Leg::Debit, Leg::Reversal]).is_empty());
    for legs in [
        &[Leg::Credit][..],
        &[Leg::Debit, Leg::Debit],
        &[Leg::Debit, Leg::Credit, Leg::Credit],
        &[Leg::Debit, Leg::Credit, Leg::Reversal],
    ] {
        assert_eq!(told(legs), wrong, "{legs:?}");
    }
    let mut money = Money::default();
    let generous = LegDone { account_delta: -PRICE + 1, ..leg(Leg::Debit, -PRICE) };
    assert_eq!(ids(money.leg_done(&generous)), BTreeSet::from([invariant::BANKS_BALANCED]));
}

#[test]
fn what_is_in_suspense_belongs_to_a_transfer_that_somebody_works_on() {
    let mut money = Money::default();
    money.leg_done(&leg(Leg::Debit, -PRICE));
    let audit = |money: &Money, unsettled: &[u64]| {
        let unsettled = unsettled.iter().map(|txn| UnsettledTxn(*txn)).collect();
        ids(money.audit(PROCESSOR, &MoneyProbe::Switch { unsettled }))
    };
    assert!(audit(&money, &[5]).is_empty());
    assert_eq!(audit(&money, &[6]), BTreeSet::from([invariant::SUSPENSE_OWNED]));
    money.leg_done(&leg(Leg::Credit, PRICE));
    assert!(audit(&money, &[]).is_empty());
}
