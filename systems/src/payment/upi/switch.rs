//! The switch: takes a payment through its legs. Writes down what it is about to do before it asks for it, so that a
//! crash at any point ends in credited or reversed, never in both or neither.

use super::message::{Body, Envelope, Leg, LegResult, Party, PayResult, Role, Txn, TxnId};
use super::status::{CheckRule, StatusChecks};
use crate::payment::unit::Unit;
use crate::store::{CommitNumber, Held, Store, StoreError};
use crate::time::{Span, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// The switch's patience and its rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SwitchConfig {
    /// For an app's answer to a collect or an address: then the payment has failed.
    pub auth_timeout: Span,
    /// For a bank's answer to a leg.
    pub leg_timeout: Span,
    /// From one try to settle a deemed success, or to reverse, to the next.
    pub settle_interval: Span,
    /// What is done about status checks.
    pub checks: CheckRule,
    /// Payments above this are refused, in paise.
    pub max_minor: i64,
}

impl Default for SwitchConfig {
    /// 15 s for a leg (NPCI's limits from June 2025 on), 5 min for a person, settled every 10 min, checks as the rule
    /// says, at most 100,000 rupees.
    fn default() -> SwitchConfig {
        SwitchConfig {
            auth_timeout: Span::from_secs(300),
            leg_timeout: Span::from_secs(15),
            settle_interval: Span::from_secs(600),
            checks: CheckRule::Enforce(StatusChecks::default()),
            max_minor: 10_000_000,
        }
    }
}

impl SwitchConfig {
    const fn is_patient(&self) -> bool {
        !self.auth_timeout.is_zero() && !self.leg_timeout.is_zero() && !self.settle_interval.is_zero()
    }
}

/// Where a payment stands at the switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TxnState {
    /// The other app is asked.
    Authorizing,
    /// The payer's bank is asked.
    Debiting,
    /// The payee's bank is asked.
    Crediting,
    /// The payee's bank has not answered: told as a success, and settled until it answers.
    Deemed,
    /// The payer's bank is asked to give back, until it answers.
    Reversing,
    /// The payee has it.
    Credited,
    /// The payer has it back.
    Reversed,
    /// Nothing was taken.
    Failed,
}

impl TxnState {
    /// Whether nothing happens any more.
    pub const fn has_ended(self) -> bool {
        matches!(self, TxnState::Credited | TxnState::Reversed | TxnState::Failed)
    }

    const fn result(self) -> PayResult {
        match self {
            TxnState::Credited => PayResult::Success,
            TxnState::Deemed => PayResult::Deemed,
            TxnState::Reversed | TxnState::Failed => PayResult::Failure,
            TxnState::Authorizing | TxnState::Debiting | TxnState::Crediting | TxnState::Reversing => {
                PayResult::Pending
            }
        }
    }
}

/// A payment at the switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TxnView {
    /// What was asked for, and what was learnt of the accounts since.
    pub txn: Txn,
    /// Where it stands.
    pub state: TxnState,
    /// When it was asked for, in nanoseconds.
    pub begun_ns: u64,
    /// When the next thing is due, in nanoseconds.
    pub due_ns: u64,
    /// Status checks answered.
    pub checks: u32,
}

/// Why a message changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SwitchError {
    /// No payment of this name.
    NoSuchTxn(TxnId),
    /// Not from whom it has to come.
    WrongSender,
    /// Not for a switch.
    NotForMe,
    /// Timeouts and intervals are longer than nothing.
    NoPatience,
    /// The store failed: open it again.
    Store(StoreError),
}

impl fmt::Display for SwitchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SwitchError::NoSuchTxn(txn) => write!(f, "no payment {} was asked for here", txn.0),
            SwitchError::WrongSender => f.write_str("only the party that was asked may answer"),
            SwitchError::NotForMe => {
                f.write_str("a switch does not take this message: send it to a bank or an app")
            }
            SwitchError::NoPatience => f.write_str("timeouts and intervals are longer than nothing"),
            SwitchError::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SwitchError {}

fn txn_key(id: TxnId) -> Vec<u8> {
    [b"upi/".as_slice(), &id.0.to_be_bytes()].concat()
}

/// Takes payments through their legs.
pub struct Switch<S> {
    store: S,
    config: SwitchConfig,
    timers: BTreeSet<(Time, TxnId)>,
    held: Held<Envelope>,
    last: CommitNumber,
    #[cfg(test)]
    pub(super) reverses_deemed: bool,
}

impl<S: Store> Switch<S> {
    /// A switch over what a store holds; what was under way goes on.
    ///
    /// # Errors
    /// [`SwitchError::NoPatience`].
    pub fn open(store: S, config: SwitchConfig) -> Result<Switch<S>, SwitchError> {
        if !config.is_patient() {
            return Err(SwitchError::NoPatience);
        }
        let mut timers = BTreeSet::new();
        store.scan(b"upi/", &mut |_, stored| {
            match postcard::from_bytes::<TxnView>(stored.value) {
                Ok(txn) if !txn.state.has_ended() => {
                    timers.insert((Time::from_nanos(txn.due_ns), txn.txn.id));
                }
                Ok(_) | Err(_) => {}
            }
            true
        });
        let last = store.durable();
        Ok(Switch {
            store,
            config,
            timers,
            held: Held::default(),
            last,
            #[cfg(test)]
            reverses_deemed: false,
        })
    }

    /// Other patience and rules from now on. What is under way keeps the times it was given.
    ///
    /// # Errors
    /// [`SwitchError::NoPatience`]; then the old ones go on.
    pub const fn reconfigure(&mut self, config: SwitchConfig) -> Result<(), SwitchError> {
        if !config.is_patient() {
            return Err(SwitchError::NoPatience);
        }
        self.config = config;
        Ok(())
    }

    /// All payments, by their names.
    pub fn txns(&self, visit: &mut dyn FnMut(TxnView)) {
        self.store.scan(b"upi/", &mut |_, stored| {
            if let Ok(txn) = postcard::from_bytes(stored.value) {
                visit(txn);
            }
            true
        });
    }

    /// A payment.
    pub fn txn(&self, id: TxnId) -> Option<TxnView> {
        Unit::new(&self.store).get(&txn_key(id))
    }

    /// Gives the store back.
    pub fn into_store(self) -> S {
        self.store
    }

    /// Takes a message.
    ///
    /// # Errors
    /// [`SwitchError`]; then nothing has changed.
    pub fn handle(
        &mut self,
        now: Time,
        from: Party,
        body: &Body,
        out: &mut Vec<Envelope>,
    ) -> Result<(), SwitchError> {
        let result = match *body {
            Body::ReqPay(txn) => self.begin(now, from, txn),
            Body::RespAuthDetails { txn, account } => self.authorized(now, from, txn, account),
            Body::RespLeg { txn, leg, result } => self.leg_ended(now, from, txn, leg, result),
            Body::ReqChkTxn(txn) => self.status(now, from, txn),
            Body::ReqAuthDetails(_)
            | Body::ReqLeg { .. }
            | Body::RespPay { .. }
            | Body::RespChkTxn { .. } => Err(SwitchError::NotForMe),
        };
        self.held.release(self.store.durable(), out);
        result
    }

    /// When [`expire`](Switch::expire) wants to be called.
    pub fn deadline(&self) -> Option<Time> {
        self.timers.first().map(|(due, _)| *due).into_iter().chain(self.store.deadline()).min()
    }

    /// Does what is due: an app that did not answer fails a payment, an unanswered debit is reversed, an unanswered
    /// credit is deemed, and what is deemed or being reversed is asked for again.
    ///
    /// # Errors
    /// [`SwitchError::Store`].
    pub fn expire(&mut self, now: Time, out: &mut Vec<Envelope>) -> Result<(), SwitchError> {
        while let Some((due, id)) = self.timers.first().copied().filter(|(due, _)| *due <= now) {
            if let Some(txn) = self.txn(id).filter(|txn| txn.due_ns == due.as_nanos()) {
                let state = match txn.state {
                    TxnState::Authorizing => TxnState::Failed,
                    TxnState::Debiting | TxnState::Reversing => TxnState::Reversing,
                    TxnState::Crediting | TxnState::Deemed if self.is_hasty() => TxnState::Reversing,
                    TxnState::Crediting | TxnState::Deemed => TxnState::Deemed,
                    ended @ (TxnState::Credited | TxnState::Reversed | TxnState::Failed) => ended,
                };
                self.enter(now, txn, state)?;
            }
            self.timers.remove(&(due, id));
        }
        if self.store.deadline().is_some_and(|due| due <= now) {
            self.store.sync(now).map_err(SwitchError::Store)?;
        }
        self.held.release(self.store.durable(), out);
        Ok(())
    }

    fn begin(&mut self, now: Time, from: Party, txn: Txn) -> Result<(), SwitchError> {
        let asker = match txn.role {
            Role::Pay => txn.payer_psp,
            Role::Collect => txn.payee_psp,
        };
        if from != Party::Psp(asker) {
            return Err(SwitchError::WrongSender);
        }
        if let Some(known) = self.txn(txn.id) {
            // Asked again: the answer, if there is one already.
            if known.state.result() != PayResult::Pending {
                let body = Body::RespPay { txn: txn.id, result: known.state.result() };
                self.say(from, body);
            }
            return Ok(());
        }
        let view =
            TxnView { txn, state: TxnState::Authorizing, begun_ns: now.as_nanos(), due_ns: 0, checks: 0 };
        let is_payable = txn.minor > 0 && txn.minor <= self.config.max_minor;
        let knows_own_side = match txn.role {
            Role::Pay => txn.payer.is_some(),
            Role::Collect => txn.payee_account.is_some(),
        };
        let state = if is_payable && knows_own_side { TxnState::Authorizing } else { TxnState::Failed };
        self.enter(now, view, state)
    }

    fn authorized(
        &mut self,
        now: Time,
        from: Party,
        id: TxnId,
        account: Option<(u32, u64)>,
    ) -> Result<(), SwitchError> {
        let mut view = self.txn(id).ok_or(SwitchError::NoSuchTxn(id))?;
        if from != Party::Psp(asked_psp(&view.txn)) {
            return Err(SwitchError::WrongSender);
        }
        if view.state != TxnState::Authorizing {
            return Ok(()); // late or repeated
        }
        match (view.txn.role, account) {
            (_, None) => return self.enter(now, view, TxnState::Failed),
            (Role::Pay, Some(payee)) => view.txn.payee_account = Some(payee),
            (Role::Collect, Some(payer)) => {
                view.txn.payer = Some(payer);
            }
        }
        self.enter(now, view, TxnState::Debiting)
    }

    fn leg_ended(
        &mut self,
        now: Time,
        from: Party,
        id: TxnId,
        leg: Leg,
        result: LegResult,
    ) -> Result<(), SwitchError> {
        let view = self.txn(id).ok_or(SwitchError::NoSuchTxn(id))?;
        let bank = match leg {
            Leg::Debit | Leg::Reversal => view.txn.payer,
            Leg::Credit => view.txn.payee_account,
        };
        if bank.map(|(bank, _)| Party::Bank(bank)) != Some(from) {
            return Err(SwitchError::WrongSender);
        }
        let state = match (view.state, leg, result) {
            (TxnState::Debiting, Leg::Debit, LegResult::Done) => TxnState::Crediting,
            (TxnState::Debiting, Leg::Debit, LegResult::Refused) => TxnState::Failed,
            (TxnState::Crediting | TxnState::Deemed, Leg::Credit, LegResult::Done) => TxnState::Credited,
            (TxnState::Crediting | TxnState::Deemed, Leg::Credit, LegResult::Refused) => TxnState::Reversing,
            (TxnState::Reversing, Leg::Reversal, LegResult::Done) => TxnState::Reversed,
            // Late or repeated; a refused reversal is asked for again when it is due.
            _ => return Ok(()),
        };
        self.enter(now, view, state)
    }

    fn status(&mut self, now: Time, from: Party, id: TxnId) -> Result<(), SwitchError> {
        let Some(mut view) = self.txn(id) else {
            self.say(from, Body::RespChkTxn { txn: id, result: Ok(None) });
            return Ok(());
        };
        if from != Party::Psp(view.txn.payer_psp) && from != Party::Psp(view.txn.payee_psp) {
            return Err(SwitchError::WrongSender);
        }
        let admitted = self.config.checks.admit(now, Time::from_nanos(view.begun_ns), view.checks);
        if admitted.is_ok() {
            view.checks = view.checks.saturating_add(1);
            self.write(now, &view)?;
        }
        self.say(from, Body::RespChkTxn { txn: id, result: admitted.map(|()| Some(view.state.result())) });
        Ok(())
    }

    /// Writes a state, then says what belongs to it.
    fn enter(&mut self, now: Time, mut view: TxnView, state: TxnState) -> Result<(), SwitchError> {
        let before = view.state;
        view.state = state;
        let wait = match state {
            TxnState::Authorizing => self.config.auth_timeout,
            TxnState::Debiting | TxnState::Crediting => self.config.leg_timeout,
            TxnState::Reversing | TxnState::Deemed => self.config.settle_interval,
            TxnState::Credited | TxnState::Reversed | TxnState::Failed => Span::MAX,
        };
        view.due_ns = (now + wait).as_nanos();
        self.write(now, &view)?;
        if !state.has_ended() {
            self.timers.insert((Time::from_nanos(view.due_ns), view.txn.id));
        }
        let txn = view.txn;
        let ask = |leg| {
            let account = if leg == Leg::Credit { view.txn.payee_account } else { txn.payer };
            account.map(|(bank, account)| {
                (Party::Bank(bank), Body::ReqLeg { txn: txn.id, leg, account, minor: txn.minor })
            })
        };
        let message = match state {
            TxnState::Authorizing => Some((Party::Psp(asked_psp(&txn)), Body::ReqAuthDetails(txn))),
            TxnState::Debiting => ask(Leg::Debit),
            TxnState::Crediting | TxnState::Deemed => ask(Leg::Credit),
            TxnState::Reversing => ask(Leg::Reversal),
            TxnState::Credited | TxnState::Reversed | TxnState::Failed => None,
        };
        if let Some((to, body)) = message {
            self.say(to, body);
        }
        let is_told = state.result() != PayResult::Pending && (state != before || state == TxnState::Failed);
        if is_told {
            for psp in [txn.payer_psp, txn.payee_psp] {
                self.say(Party::Psp(psp), Body::RespPay { txn: txn.id, result: state.result() });
            }
        }
        Ok(())
    }

    fn write(&mut self, now: Time, view: &TxnView) -> Result<(), SwitchError> {
        let mut unit = Unit::new(&self.store);
        unit.put(&txn_key(view.txn.id), view);
        let batch = unit.into_batch();
        self.last = self.store.commit(now, &batch).map_err(SwitchError::Store)?;
        Ok(())
    }

    fn say(&mut self, to: Party, body: Body) {
        self.held.push(self.last, Envelope { from: Party::Switch, to, body });
    }

    #[cfg(test)]
    const fn is_hasty(&self) -> bool {
        self.reverses_deemed
    }

    #[cfg(not(test))]
    const fn is_hasty(&self) -> bool {
        false
    }
}

/// The app that is asked: the one that did not ask for the payment.
const fn asked_psp(txn: &Txn) -> u32 {
    match txn.role {
        Role::Pay => txn.payee_psp,
        Role::Collect => txn.payer_psp,
    }
}
