//! Two banks, two apps, a switch, and a network whose fates are a function of the message's number.

use super::*;
use crate::store::Store;
use std::collections::BTreeMap;

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Arrives,
    IsLost,
    ComesTwice,
    /// Comes after so long.
    IsLate(Span),
}

/// The fate of a message, by its number.
type Fates = Box<dyn Fn(u64, &Envelope) -> Fate>;

pub(super) struct Network<S> {
    pub(super) switch: Switch<S>,
    pub(super) banks: BTreeMap<u32, Bank>,
    pub(super) psps: BTreeMap<u32, Psp>,
    pub(super) now: Time,
    /// Sorted by time, then by number.
    under_way: BTreeMap<(Time, u64), Envelope>,
    messages: u64,
    fate: Fates,
    pub(super) payer_agrees: bool,
    pub(super) told: Vec<(u32, TxnId, PayResult)>,
    /// Status checks that apps sent: when, and for what.
    pub(super) checks: Vec<(Time, TxnId)>,
    /// When each payment was first asked for.
    begun: BTreeMap<TxnId, Time>,
    pub(super) has_died: bool,
}

pub(super) const DEPOSITS: i64 = 10_000;

impl Network<MemoryStore> {
    pub(super) fn new(fate: impl Fn(u64, &Envelope) -> Fate + 'static) -> Network<MemoryStore> {
        let switch = Switch::open(MemoryStore::new(), SwitchConfig::default()).expect("it is patient");
        Network::over(switch, fate)
    }
}

impl<S: Store> Network<S> {
    pub(super) fn over(switch: Switch<S>, fate: impl Fn(u64, &Envelope) -> Fate + 'static) -> Network<S> {
        let (mut remitter, mut beneficiary) = (Bank::new(), Bank::new());
        remitter.open_account(10, DEPOSITS);
        beneficiary.open_account(20, 0);
        let (mut payer, mut payee) = (Psp::new(PspConfig::new(1)), Psp::new(PspConfig::new(2)));
        payer.register(11, 1, 10);
        payee.register(21, 2, 20);
        Network {
            switch,
            banks: BTreeMap::from([(1, remitter), (2, beneficiary)]),
            psps: BTreeMap::from([(1, payer), (2, payee)]),
            now: Time::ZERO + Span::from_secs(1),
            under_way: BTreeMap::new(),
            messages: 0,
            fate: Box::new(fate),
            payer_agrees: true,
            told: Vec::new(),
            checks: Vec::new(),
            begun: BTreeMap::new(),
            has_died: false,
        }
    }

    /// The switch comes back from what its store kept; banks, apps and messages under way are untouched.
    pub(super) fn restarted(self, open: impl FnOnce(S) -> Switch<S>) -> Network<S> {
        Network { switch: open(self.switch.into_store()), has_died: false, ..self }
    }

    fn send(&mut self, envelope: Envelope) {
        self.messages += 1;
        let soon = self.now + Span::from_millis(20);
        let (arrivals, delay) = match (self.fate)(self.messages, &envelope) {
            Fate::Arrives => (1, Span::ZERO),
            Fate::IsLost => (0, Span::ZERO),
            Fate::ComesTwice => (2, Span::ZERO),
            Fate::IsLate(delay) => (1, delay),
        };
        for arrival in 0..arrivals {
            self.under_way.insert((soon + delay, self.messages * 2 + arrival), envelope);
        }
    }

    fn carry_out(&mut self, psp: u32, out: Vec<PspOutput>) {
        for output in out {
            match output {
                PspOutput::Send(envelope) => {
                    if let Body::ReqChkTxn(txn) = envelope.body {
                        self.checks.push((self.now, txn));
                    }
                    self.send(envelope);
                }
                PspOutput::AskPayer(txn) => {
                    let (payer, mut out) = (self.payer_agrees.then_some(11), Vec::new());
                    self.psp(psp).decide(txn.id, payer, &mut out);
                    self.carry_out(psp, out);
                }
                PspOutput::Tell(txn, result) => self.told.push((psp, txn, result)),
            }
        }
    }

    pub(super) fn psp(&mut self, number: u32) -> &mut Psp {
        self.psps.get_mut(&number).expect("there are two apps")
    }

    pub(super) fn bank(&mut self, number: u32) -> &mut Bank {
        self.banks.get_mut(&number).expect("there are two banks")
    }

    pub(super) fn request(&mut self, txn: Txn) {
        let asker = if txn.role == Role::Pay { txn.payer_psp } else { txn.payee_psp };
        let (now, mut out) = (self.now, Vec::new());
        self.begun.entry(txn.id).or_insert(now);
        self.psp(asker).request(now, txn, &mut out);
        self.carry_out(asker, out);
    }

    fn deliver(&mut self, envelope: Envelope) {
        let now = self.now;
        match envelope.to {
            Party::Switch => {
                let mut out = Vec::new();
                let handled = self.switch.handle(now, envelope.from, &envelope.body, &mut out);
                self.has_died |= matches!(handled, Err(SwitchError::Store(_)));
                out.into_iter().for_each(|envelope| self.send(envelope));
            }
            Party::Psp(number) => {
                let mut out = Vec::new();
                self.psp(number).handle(now, &envelope.body, &mut out);
                self.carry_out(number, out);
            }
            Party::Bank(number) => {
                let Body::ReqLeg { txn, leg, account, minor } = envelope.body else { return };
                let result = self.bank(number).handle(txn, leg, account, minor);
                let body = Body::RespLeg { txn, leg, result };
                self.send(Envelope { from: envelope.to, to: Party::Switch, body });
            }
        }
        self.assert_no_paisa_appeared();
    }

    fn assert_no_paisa_appeared(&self) {
        let total: i64 =
            self.banks.values().map(|bank| bank.deposits_minor() + bank.settlement_minor()).sum();
        assert_eq!(total, DEPOSITS, "every bank's books balance at every instant");
    }

    /// Goes on until nothing is under way or due, or the switch dies. The switch's clock may run for a day.
    pub(super) fn run(&mut self) {
        let until = self.now + Span::from_secs(24 * 3_600);
        while !self.has_died {
            let message = self.under_way.first_key_value().map(|((at, _), _)| *at);
            let switch = self.switch.deadline();
            let psps: Vec<(u32, Option<Time>)> =
                self.psps.iter().map(|(number, psp)| (*number, psp.deadline())).collect();
            let due = psps.iter().filter_map(|(_, due)| *due).chain(message).chain(switch).min();
            let Some(due) = due.filter(|due| *due <= until) else { return };
            self.now = self.now.max(due);
            let now = self.now;
            if message == Some(due) {
                let (_, envelope) = self.under_way.pop_first().expect("it is there");
                self.deliver(envelope);
            } else if switch == Some(due) {
                let mut out = Vec::new();
                self.has_died |= self.switch.expire(now, &mut out).is_err();
                out.into_iter().for_each(|envelope| self.send(envelope));
            } else if let Some((number, _)) = psps.iter().find(|(_, at)| *at == Some(due)) {
                let mut out = Vec::new();
                self.psp(*number).expire(now, &mut out);
                self.carry_out(*number, out);
            }
        }
    }

    pub(super) fn balances(&self) -> (i64, i64) {
        let balance = |bank: u32, account| self.banks[&bank].balance(account).unwrap_or(0);
        (balance(1, 10), balance(2, 20))
    }

    pub(super) fn state(&self, id: u64) -> Option<TxnState> {
        self.switch.txn(TxnId(id)).map(|view| view.state)
    }

    /// What is wrong at the end, when all has been settled.
    pub(super) fn problems(&self, ids: &[u64]) -> Vec<String> {
        let mut problems = Vec::new();
        let suspense: i64 = self.banks.values().map(Bank::settlement_minor).sum();
        if suspense != 0 {
            problems.push(format!("{suspense} is left in suspense"));
        }
        for id in ids {
            let leg = |bank: u32, leg| self.banks[&bank].leg(TxnId(*id), leg) == Some(LegResult::Done);
            let was_debited = leg(1, Leg::Debit);
            let (was_credited, was_reversed) = (leg(2, Leg::Credit), leg(1, Leg::Reversal));
            if was_debited && was_credited == was_reversed {
                problems.push(format!("{id}: credited {was_credited} and reversed {was_reversed}"));
            }
            if was_credited && !was_debited {
                problems.push(format!("{id}: credited and never debited"));
            }
            if self.state(*id).is_some_and(|state| !state.has_ended()) {
                problems.push(format!("{id} never ended"));
            }
        }
        for id in ids {
            let times: Vec<Time> =
                self.checks.iter().filter(|(_, txn)| txn.0 == *id).map(|(at, _)| *at).collect();
            if times.len() > 3 {
                problems.push(format!("{id}: {} status checks", times.len()));
            }
            let earliest = self.begun[&TxnId(*id)] + Span::from_secs(90);
            if times.first().is_some_and(|first| *first < earliest) {
                problems.push(format!("{id}: checked too early"));
            }
        }
        problems
    }
}
