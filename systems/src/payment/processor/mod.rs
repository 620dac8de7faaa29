//! The processor: one step is one batch in the store, and what leaves because of it leaves when the batch is durable.
//! All state is in the store; what is in memory beside it (timers, waiting callers, outputs not released yet) is
//! rebuilt or dropped by a crash without harm.

mod config; // numbers and policies
mod due; // timers in order
mod events; // webhooks and chargebacks
mod hot; // payments under way, decoded
mod outcomes; // what a provider's word changes
mod reconcile; // settlement files
mod requests; // what merchants ask for
mod step; // the batch, outputs and timers of one step
mod timers; // status checks, expiry, forgetting

pub use config::{ConfigError, FeeConfig, Policies, ProcessorConfig, ResolutionConfig};
pub use reconcile::{ReconcileReport, SettlementLine};

pub(super) use step::intent_key;

#[cfg(test)]
pub(super) use config::Sabotage;

use super::intent::Intent;
use super::ledger::{BalanceName, LedgerError};
use super::operation::{IntentId, OperationId, OperationState, Order, Outcome, ProviderId};
use super::request::{Answer, Request, RequestId};
use super::state::{AttemptEvent, AttemptState};
use super::unit::Unit;
use super::validate::Velocity;
use super::webhook::{Delivery, SignatureError, WebhookSecrets};
use crate::store::{Batch, CommitNumber, Held, Store, StoreError};
use crate::time::Time;
use config::Rules;
use due::Timers;
use hot::Hot;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use step::{Finished, Step, Timer};

/// What happens to a processor.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// A merchant asks.
    Request(Request),
    /// A provider answers an [`Order`]. Not for what comes without having been asked for.
    Word {
        /// About what.
        operation: OperationId,
        /// What it says.
        outcome: Outcome,
    },
    /// A provider tells by itself: believed if signed.
    Webhook(Delivery<'a>),
}

/// What a processor wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Tell a merchant.
    Answer {
        /// In answer to what.
        request: RequestId,
        /// What.
        answer: Answer,
    },
    /// Ask a provider.
    Send {
        /// Whom.
        provider: ProviderId,
        /// What.
        order: Order,
    },
    /// Tell people, or a log.
    Notice(Notice),
    /// Put away a payment as it was last: it was kept for long enough, and is not known here any more.
    Archive(Box<Intent>),
}

/// Something people may want to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// All status checks are used up; a webhook or the settlement file has to tell.
    Unresolved(OperationId),
    /// A charge came to light after its attempt had ended; it is being given back.
    LateSuccess(OperationId),
    /// Giving it back was refused again and again: somebody has to pay it back by hand.
    CompensationFailed(OperationId),
    /// The provider moved another amount than asked for: so many minor units.
    AmountMismatch(OperationId, i64),
    /// The provider takes back its last word.
    Contradiction {
        /// About what.
        operation: OperationId,
        /// What is known.
        known: OperationState,
        /// What it says now.
        said: Outcome,
    },
    /// Another provider is asked, after a refusal that allows it.
    FailedOver(OperationId),
    /// A webhook that was processed before.
    DuplicateEvent(ProviderId, u64),
}

/// Why an input changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// No operation has this name, or not at this provider.
    UnknownOperation(OperationId),
    /// Its signature is not to be believed. Answer 400.
    Signature(SignatureError),
    /// There are no secrets of this provider: add them with [`Processor::with_webhook`].
    UnknownSender(ProviderId),
    /// Signed, and not understood. Answer 400.
    BadEvent,
    /// It is about something that is not known to have happened yet. Answer 409: it will be delivered again.
    TooEarly,
    /// There is no way from this state by this event.
    IllegalTransition(AttemptState, AttemptEvent),
    /// The books do not take it.
    Ledger(LedgerError),
    /// The store failed: open it again, and the processor from it.
    Store(StoreError),
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rejected::UnknownOperation(operation) => {
                write!(f, "there is no operation {operation} at this provider")
            }
            Rejected::Signature(error) => error.fmt(f),
            Rejected::UnknownSender(provider) => {
                write!(f, "provider {} has no webhook secrets: add them", provider.0)
            }
            Rejected::BadEvent => {
                f.write_str("the body is no event: send what `ProviderEvent::encode` makes")
            }
            Rejected::TooEarly => f.write_str("what it is about is not known yet: deliver it again later"),
            Rejected::IllegalTransition(from, event) => write!(f, "{event:?} is not possible in {from:?}"),
            Rejected::Ledger(error) => error.fmt(f),
            Rejected::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Rejected {}

impl From<LedgerError> for Rejected {
    fn from(error: LedgerError) -> Rejected {
        Rejected::Ledger(error)
    }
}

/// So many things are forgotten in one batch: bounds a commit, however much is due.
const SWEPT_AT_ONCE: usize = 32;

/// Takes requests, asks providers, keeps books. Drive it so: [`handle`](Processor::handle) what happens,
/// carry out what comes out, in order; call [`expire`](Processor::expire) at [`deadline`](Processor::deadline).
/// After a crash, [`open`](Processor::open) it from its store.
pub struct Processor<S> {
    store: S,
    rules: Rules,
    secrets: BTreeMap<ProviderId, WebhookSecrets>,
    velocity: Velocity,
    timers: Timers,
    waiting: BTreeMap<OperationId, RequestId>,
    held: Held<Output>,
    last: CommitNumber,
    hot: Hot,
    /// Operations that a provider has been asked for and has not told the end of.
    asked: BTreeSet<OperationId>,
    /// By the last thing it was asked to do.
    changed_balances: Vec<BalanceName>,
    /// Empty: its memory is used again by the next step.
    spare: Batch,
}

impl<S: Store> Processor<S> {
    /// A processor over what a store holds. What was under way is taken up again: asked about, not done again.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn open(store: S, config: ProcessorConfig, policies: Policies) -> Result<Processor<S>, ConfigError> {
        config.validate()?;
        let (timers, asked) = timers::rebuilt(&store, &config);
        let last = store.durable();
        let rules = Rules::new(config, policies);
        Ok(Processor {
            store,
            rules,
            secrets: BTreeMap::new(),
            velocity: Velocity::default(),
            timers,
            waiting: BTreeMap::new(),
            held: Held::default(),
            last,
            hot: Hot::default(),
            asked,
            changed_balances: Vec::new(),
            spare: Batch::new(),
        })
    }

    /// Believes webhooks of a provider that are signed with its secrets.
    #[must_use]
    pub fn with_webhook(mut self, provider: ProviderId, secrets: WebhookSecrets) -> Processor<S> {
        self.secrets.insert(provider, secrets);
        self
    }

    #[cfg(test)]
    pub(super) fn sabotaged(mut self, sabotage: Sabotage) -> Processor<S> {
        self.rules.sabotage = Some(sabotage);
        self
    }

    /// Other numbers from now on. What was under way keeps the times it was given.
    ///
    /// # Errors
    /// [`ConfigError`]; then the old ones go on.
    pub fn reconfigure(&mut self, config: ProcessorConfig) -> Result<(), ConfigError> {
        config.validate()?;
        self.rules.config = config;
        Ok(())
    }

    /// The store.
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// The balances that the last call has changed, of those that take in what happened or do what is due.
    pub fn changed_balances(&self) -> &[BalanceName] {
        &self.changed_balances
    }

    /// Gives the store back, for instance after it failed.
    pub fn into_store(self) -> S {
        self.store
    }

    /// All payments, in the order in which they were made.
    pub fn intents(&self, visit: &mut dyn FnMut(Intent)) {
        self.store.scan(b"intent/", &mut |_, stored| {
            if let Ok(intent) = postcard::from_bytes(stored.value) {
                visit(intent);
            }
            true
        });
    }

    /// The number that the next payment will have: all before it were given.
    pub fn next_intent(&self) -> IntentId {
        let stored = self.store.get(requests::NEXT_INTENT);
        IntentId(stored.and_then(|stored| postcard::from_bytes(stored.value).ok()).unwrap_or(1))
    }

    /// Whether there is such a payment.
    pub fn has_intent(&self, id: IntentId) -> bool {
        self.store.get(&step::intent_key(id)).is_some()
    }

    /// A payment.
    pub fn intent(&self, id: IntentId) -> Option<Intent> {
        if let Some(intent) = self.hot.get(id) {
            return Some(intent.clone());
        }
        postcard::from_bytes(self.store.get(&step::intent_key(id))?.value).ok()
    }

    /// Takes what happened. A merchant's request is always answered, sooner or later.
    ///
    /// # Errors
    /// [`Rejected`]; then nothing has changed. Outputs of earlier steps may come out all the same.
    pub fn handle(&mut self, now: Time, input: Input<'_>, out: &mut Vec<Output>) -> Result<(), Rejected> {
        self.changed_balances.clear();
        let result = match input {
            Input::Request(request) => self.request(now, request),
            Input::Word { operation, outcome } => self.run(now, |step| step.word(None, operation, outcome)),
            Input::Webhook(delivery) => self.webhook(now, delivery),
        };
        self.release(out);
        result
    }

    /// When [`expire`](Processor::expire) wants to be called next.
    pub fn deadline(&self) -> Option<Time> {
        self.timers.first_due().into_iter().chain(self.store.deadline()).min()
    }

    /// Does what is due: syncs the store, asks for outcomes, ends what is over.
    ///
    /// # Errors
    /// [`Rejected`]: the rest is still due.
    pub fn expire(&mut self, now: Time, out: &mut Vec<Output>) -> Result<(), Rejected> {
        self.changed_balances.clear();
        let mut due = Vec::new();
        while let Some(first) = self.timers.pop_due(now) {
            let is_sweeping = first.1.is_sweeping();
            due.push(first);
            while is_sweeping && due.len() < SWEPT_AT_ONCE {
                let Some(next) = self.timers.pop_sweeping(now) else { break };
                due.push(next);
            }
            self.fire(now, &mut due)?;
        }
        if self.store.deadline().is_some_and(|due| due <= now) {
            self.store.sync(now).map_err(Rejected::Store)?;
        }
        self.release(out);
        Ok(())
    }

    /// Carries out what is due in one step. What cannot be carried out must not block the others for ever.
    fn fire(&mut self, now: Time, due: &mut Vec<(Time, Timer)>) -> Result<(), Rejected> {
        // A status check of what is known by now asks for nothing.
        due.retain(|(_, timer)| !matches!(timer, Timer::Check(id) if !self.asked.contains(id)));
        if due.is_empty() {
            return Ok(());
        }
        let result = self.run(now, |step| due.iter().try_for_each(|(_, timer)| step.timer(timer)));
        match result {
            Err(Rejected::Store(_)) => self.timers.extend(due.drain(..)),
            Err(_) if due.len() > 1 => {
                let alone = due.drain(..).map(|timer| self.fire(now, &mut vec![timer]));
                return alone.fold(Ok(()), Result::and);
            }
            Ok(()) | Err(_) => due.clear(),
        }
        result
    }

    fn request(&mut self, now: Time, request: Request) -> Result<(), Rejected> {
        let mut velocity = std::mem::take(&mut self.velocity);
        let result = self.run(now, |step| step.request(&mut velocity, request));
        self.velocity = velocity;
        result
    }

    fn webhook(&mut self, now: Time, delivery: Delivery<'_>) -> Result<(), Rejected> {
        let secrets =
            self.secrets.get(&delivery.provider).ok_or(Rejected::UnknownSender(delivery.provider))?;
        secrets.verify(now, delivery.signature, delivery.body).map_err(Rejected::Signature)?;
        let event = super::webhook::ProviderEvent::decode(delivery.body).ok_or(Rejected::BadEvent)?;
        self.run(now, |step| step.event(delivery.provider, &event))
    }

    /// One step: what it wrote in one batch, then its outputs behind that batch.
    fn run<T>(
        &mut self,
        now: Time,
        work: impl FnOnce(&mut Step<'_, S>) -> Result<T, Rejected>,
    ) -> Result<T, Rejected> {
        let unit = Unit::over(&self.store, std::mem::take(&mut self.spare));
        let mut step = Step::new(now, &self.rules, unit, &mut self.waiting, &mut self.hot);
        let result = work(&mut step)?;
        let Finished { mut batch, balances, outputs, timers, changed } = step.finish();
        // A store that fails may have written them all the same.
        self.changed_balances.extend(balances);
        if !batch.is_empty() {
            self.last = self.store.commit(now, &batch).map_err(Rejected::Store)?;
            batch.clear();
        }
        self.spare = batch;
        for intent in changed {
            for operation in &intent.operations {
                match operation.state {
                    OperationState::InFlight | OperationState::Pending => self.asked.insert(operation.id),
                    OperationState::Unresolved
                    | OperationState::Abandoned
                    | OperationState::Succeeded
                    | OperationState::Declined(_)
                    | OperationState::Mismatched(_) => self.asked.remove(&operation.id),
                };
            }
            self.hot.put(intent);
        }
        for output in outputs {
            self.held.push(self.last, output);
        }
        self.timers.extend(timers);
        Ok(result)
    }

    fn release(&mut self, out: &mut Vec<Output>) {
        let durable = self.store.durable();
        let durable =
            if self.rules.is_broken(config::Sabotage::SendsBeforeDurable) { self.last } else { durable };
        self.held.release(durable, out);
    }
}
