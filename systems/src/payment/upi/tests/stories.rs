//! One payment at a time: paid, collected, refused, reversed, deemed, checked.

use super::*;

const FINE: fn(u64, &Envelope) -> Fate = |_, _| Fate::Arrives;

/// Loses messages of one leg on their way to the bank, or the answers, for so many of them.
fn losing(leg: Leg, answers: bool, most: u64) -> impl Fn(u64, &Envelope) -> Fate {
    let lost = std::cell::Cell::new(0);
    move |_, envelope| {
        let is_it = match envelope.body {
            Body::ReqLeg { leg: asked, .. } => !answers && asked == leg,
            Body::RespLeg { leg: told, .. } => answers && told == leg,
            _ => false,
        };
        if !is_it || lost.get() >= most {
            return Fate::Arrives;
        }
        lost.set(lost.get() + 1);
        Fate::IsLost
    }
}

#[test]
fn a_payment_goes_from_account_to_account_and_both_apps_are_told() {
    let mut network = Network::new(FINE);
    network.request(pay(1, 700));
    network.run();
    assert_eq!((network.state(1), network.balances()), (Some(TxnState::Credited), (9_300, 700)));
    assert_eq!(network.told, [(1, TxnId(1), PayResult::Success), (2, TxnId(1), PayResult::Success)]);
    assert_eq!((network.checks.len(), network.problems(&[1])), (0, vec![]));
}

#[test]
fn a_collect_is_paid_only_if_the_payer_agrees() {
    for agrees in [true, false] {
        let mut network = Network::new(FINE);
        network.payer_agrees = agrees;
        network.request(collect(1, 700));
        network.run();
        let (state, payee) = if agrees { (TxnState::Credited, 700) } else { (TxnState::Failed, 0) };
        assert_eq!((network.state(1), network.balances().1), (Some(state), payee));
        assert_eq!(network.problems(&[1]), Vec::<String>::new());
    }
}

#[test]
fn without_funds_nothing_moves() {
    let mut network = Network::new(FINE);
    network.request(pay(1, 10_001));
    network.request(pay(2, 0));
    network.request(Txn { payee: 99, ..pay(3, 5) });
    network.run();
    for id in 1..=3 {
        assert_eq!(network.state(id), Some(TxnState::Failed));
    }
    assert_eq!((network.balances(), network.problems(&[1, 2, 3])), ((10_000, 0), vec![]));
}

#[test]
fn a_debit_that_is_not_answered_is_reversed_whether_it_was_done_or_not() {
    for answers in [false, true] {
        let mut network = Network::new(losing(Leg::Debit, answers, 1));
        network.request(pay(1, 700));
        network.run();
        assert_eq!((network.state(1), network.balances()), (Some(TxnState::Reversed), (10_000, 0)));
        assert_eq!(network.problems(&[1]), Vec::<String>::new());
    }
}

#[test]
fn a_debit_that_comes_after_its_reversal_is_refused() {
    let mut network = Network::new(|_, envelope| match envelope.body {
        Body::ReqLeg { leg: Leg::Debit, .. } => Fate::IsLate(Span::from_secs(3_000)),
        _ => Fate::Arrives,
    });
    network.request(pay(1, 700));
    network.run();
    assert_eq!((network.state(1), network.balances()), (Some(TxnState::Reversed), (10_000, 0)));
}

#[test]
fn a_credit_that_is_refused_is_given_back() {
    let mut network = Network::new(FINE);
    network.bank(2).close_account(20);
    network.request(pay(1, 700));
    network.run();
    assert_eq!((network.state(1), network.balances().0), (Some(TxnState::Reversed), 10_000));
    assert_eq!(network.problems(&[1]), Vec::<String>::new());
}

#[test]
fn a_credit_that_is_not_answered_is_deemed_and_settled_and_never_credited_twice() {
    for answers in [false, true] {
        let mut network = Network::new(losing(Leg::Credit, answers, 3));
        network.request(pay(1, 700));
        network.run();
        assert_eq!((network.state(1), network.balances()), (Some(TxnState::Credited), (9_300, 700)));
        let told: Vec<PayResult> =
            network.told.iter().filter(|(psp, ..)| *psp == 1).map(|told| told.2).collect();
        assert_eq!(told, [PayResult::Deemed, PayResult::Success]);
        assert_eq!(network.problems(&[1]), Vec::<String>::new());
    }
}

#[test]
fn a_deemed_success_that_the_bank_refuses_goes_back_to_the_payer() {
    let mut network = Network::new(losing(Leg::Credit, false, 1));
    network.bank(2).close_account(20);
    network.request(pay(1, 700));
    network.run();
    assert_eq!((network.state(1), network.balances().0), (Some(TxnState::Reversed), 10_000));
    let told: Vec<PayResult> = network.told.iter().filter(|(psp, ..)| *psp == 1).map(|told| told.2).collect();
    assert_eq!(told, [PayResult::Deemed, PayResult::Failure]);
}

#[test]
fn an_app_that_hears_nothing_asks_after_ninety_seconds_and_three_times_at_most() {
    let mut network = Network::new(|_, envelope| match envelope.body {
        Body::RespPay { .. } | Body::RespChkTxn { .. } => Fate::IsLost,
        _ => Fate::Arrives,
    });
    network.request(pay(1, 700));
    network.run();
    let times: Vec<u64> = network.checks.iter().map(|(at, _)| at.as_micros() / 1_000_000).collect();
    assert_eq!(times, [91, 181, 271]);
    assert_eq!(network.problems(&[1]), Vec::<String>::new());
}

#[test]
fn one_answered_check_is_enough() {
    let mut network = Network::new(|_, envelope| match envelope.body {
        Body::RespPay { .. } => Fate::IsLost,
        _ => Fate::Arrives,
    });
    network.request(pay(1, 700));
    network.run();
    assert_eq!(
        (network.checks.len(), network.told.as_slice()),
        (1, [(1, TxnId(1), PayResult::Success)].as_slice())
    );
}

#[test]
fn the_switch_refuses_checks_that_break_the_rule() {
    let mut switch = Switch::open(MemoryStore::new(), SwitchConfig::default()).expect("it is patient");
    let (mut out, begun) = (Vec::new(), Time::ZERO + Span::from_secs(1));
    switch.handle(begun, Party::Psp(1), &Body::ReqPay(pay(1, 5)), &mut out).expect("it is new");
    let mut check = |now: Time| {
        let mut out = Vec::new();
        switch.handle(now, Party::Psp(1), &Body::ReqChkTxn(TxnId(1)), &mut out).expect("it is its own");
        match out[..] {
            [Envelope { body: Body::RespChkTxn { result, .. }, .. }] => result.map(|_| ()),
            _ => panic!("{out:?}"),
        }
    };
    let at = |seconds| begun + Span::from_secs(seconds);
    assert_eq!(check(at(30)), Err(CheckRefusal::TooEarly(60_000_000_000)));
    assert_eq!([check(at(90)), check(at(91)), check(at(92))], [Ok(()), Ok(()), Ok(())]);
    assert_eq!(check(at(93)), Err(CheckRefusal::TooMany));
}

#[test]
fn nobody_answers_for_another() {
    let mut switch = Switch::open(MemoryStore::new(), SwitchConfig::default()).expect("it is patient");
    let mut out = Vec::new();
    let mut say = |from, body| switch.handle(Time::ZERO, from, &body, &mut out);
    let id = TxnId(1);
    assert_eq!(say(Party::Psp(2), Body::ReqPay(pay(1, 5))), Err(SwitchError::WrongSender));
    assert_eq!(say(Party::Psp(1), Body::ReqPay(pay(1, 5))), Ok(()));
    let account = Body::RespAuthDetails { txn: id, account: Some((9, 9)) };
    assert_eq!(say(Party::Psp(1), account), Err(SwitchError::WrongSender));
    let done = Body::RespLeg { txn: id, leg: Leg::Debit, result: LegResult::Done };
    assert_eq!(say(Party::Bank(2), done), Err(SwitchError::WrongSender));
    assert_eq!(say(Party::Psp(3), Body::ReqChkTxn(id)), Err(SwitchError::WrongSender));
    let stranger = Body::RespLeg { txn: TxnId(2), leg: Leg::Debit, result: LegResult::Done };
    assert_eq!(say(Party::Bank(1), stranger), Err(SwitchError::NoSuchTxn(TxnId(2))));
    assert_eq!(
        say(Party::Bank(1), Body::RespPay { txn: id, result: PayResult::Success }),
        Err(SwitchError::NotForMe)
    );
}
