//! A payment service provider: the server behind an app. Asks for payments, says whose account a name is, asks its
//! payers whether they agree, and checks the status of what was not answered, as its plan allows.

use super::message::{Body, Envelope, Party, PayResult, Role, Txn, TxnId};
use super::status::{CheckPlan, CheckRefusal, StatusChecks};
use crate::time::{Span, Time};
use std::collections::{BTreeMap, BTreeSet};

/// A provider's numbers and its plan.
pub struct PspConfig {
    /// Its own number.
    pub number: u32,
    /// When it checks the status of a payment.
    pub checks: Box<dyn CheckPlan>,
}

impl PspConfig {
    /// By NPCI's rule.
    pub fn new(number: u32) -> PspConfig {
        PspConfig { number, checks: Box::new(StatusChecks::default()) }
    }
}

/// What a provider wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PspOutput {
    /// Send this.
    Send(Envelope),
    /// Ask the payer: answer with [`Psp::decide`].
    AskPayer(Txn),
    /// Tell the user.
    Tell(TxnId, PayResult),
}

#[derive(Clone, Copy, Debug)]
struct Open {
    begun: Time,
    checks: u32,
    last_check: Option<Time>,
    result: PayResult,
}

/// A payment service provider.
pub struct Psp {
    config: PspConfig,
    /// Names of payees, with bank and account.
    directory: BTreeMap<u64, (u32, u64)>,
    open: BTreeMap<TxnId, Open>,
    timers: BTreeSet<(Time, TxnId)>,
    asked: BTreeMap<TxnId, Txn>,
    checks_sent: u64,
}

impl Psp {
    /// With no users.
    pub fn new(config: PspConfig) -> Psp {
        Psp {
            config,
            directory: BTreeMap::new(),
            open: BTreeMap::new(),
            timers: BTreeSet::new(),
            asked: BTreeMap::new(),
            checks_sent: 0,
        }
    }

    /// Registers a user: a name, and the bank and account behind it.
    pub fn register(&mut self, name: u64, bank: u32, account: u64) {
        self.directory.insert(name, (bank, account));
    }

    /// Another plan from now on. What is due stays due, if the new plan wants it, too.
    pub fn set_plan(&mut self, checks: Box<dyn CheckPlan>) {
        self.config.checks = checks;
    }

    /// Status checks sent so far.
    pub const fn checks_sent(&self) -> u64 {
        self.checks_sent
    }

    /// How a payment stands, as far as is known here. Those that have ended are forgotten.
    pub fn result(&self, id: TxnId) -> Option<PayResult> {
        self.open.get(&id).map(|open| open.result)
    }

    /// Asks for a payment; in a collect, for the account of the payee's name. Asking again for the same is harmless.
    pub fn request(&mut self, now: Time, mut txn: Txn, out: &mut Vec<PspOutput>) {
        let open = Open { begun: now, checks: 0, last_check: None, result: PayResult::Pending };
        self.open.entry(txn.id).or_insert(open);
        self.plan(txn.id);
        if txn.role == Role::Collect {
            txn.payee_account = self.directory.get(&txn.payee).copied();
        }
        out.push(self.send(Body::ReqPay(txn)));
    }

    /// The payer's answer to [`PspOutput::AskPayer`]: from which of its users' accounts, or no.
    pub fn decide(&mut self, id: TxnId, payer: Option<u64>, out: &mut Vec<PspOutput>) {
        if self.asked.remove(&id).is_some() {
            let account = payer.and_then(|name| self.directory.get(&name).copied());
            out.push(self.send(Body::RespAuthDetails { txn: id, account }));
        }
    }

    /// Takes a message. What is not for a provider is ignored.
    pub fn handle(&mut self, now: Time, body: &Body, out: &mut Vec<PspOutput>) {
        match *body {
            Body::ReqAuthDetails(txn) if txn.role == Role::Collect => {
                if self.asked.insert(txn.id, txn).is_none() {
                    out.push(PspOutput::AskPayer(txn));
                }
            }
            Body::ReqAuthDetails(txn) => {
                let account = self.directory.get(&txn.payee).copied();
                out.push(self.send(Body::RespAuthDetails { txn: txn.id, account }));
            }
            Body::RespPay { txn, result } => self.learn(txn, result, out),
            Body::RespChkTxn { txn, result: Ok(Some(result)) } => self.learn(txn, result, out),
            Body::RespChkTxn { txn, result: Err(CheckRefusal::TooEarly(wait_ns)) } => {
                self.timers.insert((now + Span::from_nanos(wait_ns), txn));
            }
            Body::RespChkTxn { result: Ok(None) | Err(CheckRefusal::TooMany), .. } => {}
            Body::ReqPay(_) | Body::RespAuthDetails { .. } | Body::ReqLeg { .. } => {}
            Body::RespLeg { .. } | Body::ReqChkTxn(_) => {}
        }
    }

    /// When [`expire`](Psp::expire) wants to be called.
    pub fn deadline(&self) -> Option<Time> {
        self.timers.first().map(|(due, _)| *due)
    }

    /// Sends the status checks that are due.
    pub fn expire(&mut self, now: Time, out: &mut Vec<PspOutput>) {
        while let Some((_, id)) = self.timers.first().copied().filter(|(due, _)| *due <= now) {
            self.timers.pop_first();
            let Some(open) = self.open.get_mut(&id) else { continue };
            let due = self.config.checks.next(open.begun, open.checks, open.last_check);
            if due.is_none_or(|due| due > now) {
                continue;
            }
            open.checks = open.checks.saturating_add(1);
            open.last_check = Some(now);
            self.checks_sent = self.checks_sent.saturating_add(1);
            self.plan(id);
            out.push(self.send(Body::ReqChkTxn(id)));
        }
    }

    /// What is decided is forgotten; a deemed success may still turn.
    fn learn(&mut self, id: TxnId, result: PayResult, out: &mut Vec<PspOutput>) {
        let known = self.open.get(&id).map(|open| open.result);
        match result {
            PayResult::Pending => return,
            _ if known == Some(result) => return,
            PayResult::Deemed => {
                if let Some(open) = self.open.get_mut(&id) {
                    open.result = result;
                }
            }
            PayResult::Success | PayResult::Failure => _ = self.open.remove(&id),
        }
        out.push(PspOutput::Tell(id, result));
    }

    fn plan(&mut self, id: TxnId) {
        let Some(open) = self.open.get(&id) else { return };
        if let Some(due) = self.config.checks.next(open.begun, open.checks, open.last_check) {
            self.timers.insert((due, id));
        }
    }

    const fn send(&self, body: Body) -> PspOutput {
        PspOutput::Send(Envelope { from: Party::Psp(self.config.number), to: Party::Switch, body })
    }
}
