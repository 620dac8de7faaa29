//! A longer story of steps in several systems: if one of them fails, what the earlier ones have done is undone, in
//! reverse. Every change is in the store before anything is asked for, so a crash at any point goes on where it
//! stopped. Never asks for a step under two names.

use super::unit::Unit;
use crate::store::{CommitNumber, Held, Store, StoreError};
use crate::time::{Span, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// A saga, by its starter's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SagaId(pub u64);

/// Names one action of one saga: the idempotency key towards whoever carries it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ActionId {
    /// Which saga.
    pub saga: SagaId,
    /// Which of its steps, counted from 0.
    pub step: u32,
    /// Do it, or undo it.
    pub direction: Direction,
}

/// Forward or back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Direction {
    /// Do it.
    Act,
    /// Undo it. Has to be possible also if it was never done: it then makes sure that it never will be.
    Compensate,
}

/// How an action ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionResult {
    /// Done.
    Done,
    /// Not done, and never will be.
    Refused,
    /// It may be done or not: ask again under the same name.
    Unknown,
}

/// Where a saga stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SagaState {
    /// This step is being done.
    Acting(u32),
    /// This step is being undone, those before it will be.
    Compensating(u32),
    /// All is done.
    Completed,
    /// All is undone.
    Compensated,
}

impl SagaState {
    /// Whether nothing happens any more.
    pub const fn has_ended(self) -> bool {
        matches!(self, SagaState::Completed | SagaState::Compensated)
    }
}

/// What a saga wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SagaOutput {
    /// Carry this out, unless it was carried out under this name before.
    Run {
        /// Its name.
        action: ActionId,
        /// What for: the starter's number, handed through.
        subject: u64,
    },
    /// It is over.
    Ended(SagaId, SagaState),
    /// Undoing has been refused or left unanswered so often; it goes on, but somebody should look.
    Stuck(ActionId),
}

/// How patient sagas are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SagaConfig {
    /// How long an action may take before it is asked for again under its name.
    pub retry_after: Span,
    /// Times a step is asked for without an answer before the saga turns back.
    pub max_tries: u32,
    /// Times undoing is asked for before somebody is told. It is never given up.
    pub stuck_after: u32,
}

impl Default for SagaConfig {
    /// Every 10 s; back after five; told after ten.
    fn default() -> SagaConfig {
        SagaConfig { retry_after: Span::from_secs(10), max_tries: 5, stuck_after: 10 }
    }
}

/// Why nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SagaError {
    /// There is a saga of this number; it goes on.
    Exists,
    /// It has no steps.
    NoSteps,
    /// A config without a pause between tries.
    NoPause,
    /// There is no such saga.
    NoSuchSaga,
    /// The store failed: open it again.
    Store(StoreError),
}

impl fmt::Display for SagaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SagaError::Exists => f.write_str("this saga was started before: it goes on"),
            SagaError::NoSteps => f.write_str("a saga has at least one step"),
            SagaError::NoPause => f.write_str("retry_after is longer than nothing"),
            SagaError::NoSuchSaga => f.write_str("no saga of this number was started here"),
            SagaError::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SagaError {}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    steps: u32,
    subject: u64,
    state: SagaState,
    tries: u32,
    due_ns: u64,
}

impl Record {
    /// The action that is under way.
    const fn action(&self, saga: SagaId) -> Option<ActionId> {
        match self.state {
            SagaState::Acting(step) => Some(ActionId { saga, step, direction: Direction::Act }),
            SagaState::Compensating(step) => Some(ActionId { saga, step, direction: Direction::Compensate }),
            SagaState::Completed | SagaState::Compensated => None,
        }
    }

    /// After the action under way has ended so; `None` if it has to be asked for again.
    const fn after(&self, result: ActionResult) -> Option<SagaState> {
        match (self.state, result) {
            (SagaState::Acting(step), ActionResult::Done) if step.saturating_add(1) < self.steps => {
                Some(SagaState::Acting(step + 1))
            }
            (SagaState::Acting(_), ActionResult::Done) => Some(SagaState::Completed),
            (SagaState::Acting(0), ActionResult::Refused) => Some(SagaState::Compensated),
            (SagaState::Acting(step), ActionResult::Refused) => Some(SagaState::Compensating(step - 1)),
            (SagaState::Compensating(0), ActionResult::Done) => Some(SagaState::Compensated),
            (SagaState::Compensating(step), ActionResult::Done) => Some(SagaState::Compensating(step - 1)),
            (SagaState::Acting(_) | SagaState::Compensating(_), ActionResult::Unknown) => None,
            (SagaState::Compensating(_), ActionResult::Refused) => None,
            (SagaState::Completed | SagaState::Compensated, _) => None,
        }
    }
}

fn saga_key(id: SagaId) -> Vec<u8> {
    [b"saga/".as_slice(), &id.0.to_be_bytes()].concat()
}

/// Runs sagas over a store.
pub struct Sagas<S> {
    store: S,
    config: SagaConfig,
    timers: BTreeSet<(Time, SagaId)>,
    held: Held<SagaOutput>,
    last: CommitNumber,
}

impl<S: Store> Sagas<S> {
    /// Sagas over what a store holds; what was under way is asked for again, under its name.
    ///
    /// # Errors
    /// [`SagaError::NoPause`].
    pub fn open(store: S, config: SagaConfig) -> Result<Sagas<S>, SagaError> {
        if config.retry_after.is_zero() {
            return Err(SagaError::NoPause);
        }
        let mut timers = BTreeSet::new();
        store.scan(b"saga/", &mut |key, stored| {
            let number =
                key.iter().skip(b"saga/".len()).fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
            match postcard::from_bytes::<Record>(stored.value) {
                Ok(record) if !record.state.has_ended() => {
                    timers.insert((Time::from_nanos(record.due_ns), SagaId(number)));
                }
                Ok(_) | Err(_) => {}
            }
            true
        });
        let last = store.durable();
        Ok(Sagas { store, config, timers, held: Held::default(), last })
    }

    /// Begins one of so many steps.
    ///
    /// # Errors
    /// [`SagaError`]; then it is not begun.
    pub fn start(
        &mut self,
        now: Time,
        id: SagaId,
        steps: u32,
        subject: u64,
        out: &mut Vec<SagaOutput>,
    ) -> Result<(), SagaError> {
        if steps == 0 {
            return Err(SagaError::NoSteps);
        }
        if self.store.get(&saga_key(id)).is_some() {
            return Err(SagaError::Exists);
        }
        let record = Record { steps, subject, state: SagaState::Acting(0), tries: 0, due_ns: 0 };
        self.enter(now, id, record, None)?;
        self.release(out);
        Ok(())
    }

    /// Takes the result of an action. Repeated and late ones change nothing.
    ///
    /// # Errors
    /// [`SagaError`]; then nothing has changed.
    pub fn handle(
        &mut self,
        now: Time,
        action: ActionId,
        result: ActionResult,
        out: &mut Vec<SagaOutput>,
    ) -> Result<(), SagaError> {
        let record = self.record(action.saga).ok_or(SagaError::NoSuchSaga)?;
        let is_under_way = record.action(action.saga) == Some(action);
        if let Some(state) = record.after(result).filter(|_| is_under_way) {
            self.enter(now, action.saga, Record { state, tries: 0, ..record }, None)?;
        }
        self.release(out);
        Ok(())
    }

    /// When [`expire`](Sagas::expire) wants to be called.
    pub fn deadline(&self) -> Option<Time> {
        self.timers.first().map(|(due, _)| *due).into_iter().chain(self.store.deadline()).min()
    }

    /// Asks again for what has not been answered; turns back where that was too often.
    ///
    /// # Errors
    /// [`SagaError::Store`].
    pub fn expire(&mut self, now: Time, out: &mut Vec<SagaOutput>) -> Result<(), SagaError> {
        while let Some((due, id)) = self.timers.first().copied().filter(|(due, _)| *due <= now) {
            if let Some(record) = self.record(id).filter(|record| record.due_ns == due.as_nanos()) {
                self.again(now, id, record)?;
            }
            self.timers.remove(&(due, id));
        }
        if self.store.deadline().is_some_and(|due| due <= now) {
            self.store.sync(now).map_err(SagaError::Store)?;
        }
        self.release(out);
        Ok(())
    }

    /// Where a saga stands.
    pub fn state(&self, id: SagaId) -> Option<SagaState> {
        self.record(id).map(|record| record.state)
    }

    /// Gives the store back.
    pub fn into_store(self) -> S {
        self.store
    }

    fn record(&self, id: SagaId) -> Option<Record> {
        Unit::new(&self.store).get(&saga_key(id))
    }

    fn again(&mut self, now: Time, id: SagaId, record: Record) -> Result<(), SagaError> {
        match (record.state, record.action(id)) {
            // A step that may have been done is undone itself as well.
            (SagaState::Acting(step), _) if record.tries >= self.config.max_tries => {
                let state = SagaState::Compensating(step);
                self.enter(now, id, Record { state, tries: 0, ..record }, None)
            }
            (SagaState::Compensating(_), Some(action)) if record.tries == self.config.stuck_after => {
                self.enter(now, id, record, Some(SagaOutput::Stuck(action)))
            }
            (_, Some(_)) => self.enter(now, id, record, None),
            (_, None) => Ok(()),
        }
    }

    /// Writes a state, then asks for its action.
    fn enter(
        &mut self,
        now: Time,
        id: SagaId,
        record: Record,
        first: Option<SagaOutput>,
    ) -> Result<(), SagaError> {
        let due = now + self.config.retry_after;
        let record = Record { tries: record.tries.saturating_add(1), due_ns: due.as_nanos(), ..record };
        let mut unit = Unit::new(&self.store);
        unit.put(&saga_key(id), &record);
        let batch = unit.into_batch();
        self.last = self.store.commit(now, &batch).map_err(SagaError::Store)?;
        if let Some(output) = first {
            self.held.push(self.last, output);
        }
        let output = match record.action(id) {
            Some(action) => {
                self.timers.insert((due, id));
                SagaOutput::Run { action, subject: record.subject }
            }
            None => SagaOutput::Ended(id, record.state),
        };
        self.held.push(self.last, output);
        Ok(())
    }

    fn release(&mut self, out: &mut Vec<SagaOutput>) {
        self.held.release(self.store.durable(), out);
    }
}
