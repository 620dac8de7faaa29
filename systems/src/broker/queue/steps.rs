//! The queue: sends, receives, deletes, timeouts. Every step first says what changes, writes that down, and then
//! changes it, so that a store that refuses has changed nothing.

use super::config::{QueueConfig, QueueSabotage, SQS_MAX_DELAY, SQS_MAX_VISIBILITY, SQS_MAX_WAIT};
use super::message::{
    DeadReason, Delivery, Handle, MessageId, NewMessage, QueueInput, QueueOutput, QueueRejected,
};
use super::row;
use super::state::{Message, Place, QueueCounts, State};
use crate::store::{Batch, Store};
use crate::time::{Span, Time};
use std::collections::VecDeque;
use std::sync::Arc;

#[derive(Clone, Copy, Debug)]
struct Parked {
    token: u64,
    max: u32,
    visibility: Span,
    until: Time,
}

/// A queue.
#[derive(Clone, Debug)]
pub struct Queue<S> {
    config: QueueConfig,
    store: S,
    pub(super) state: State,
    parked: VecDeque<Parked>,
    sabotage: Option<QueueSabotage>,
}

/// Most messages of one receive.
const MOST_AT_ONCE: u32 = 10;
/// Most receives that wait.
const MOST_PARKED: usize = 100_000;
const NEXT: &[u8] = b"n";
const DEDUP: &[u8] = b"d";

/// What a step changes: messages that come to be, change or go.
type Changes = Vec<(u64, Option<Message>)>;

impl<S: Store> Queue<S> {
    /// A queue over what a store has. What it has counts as sent.
    pub fn open(config: QueueConfig, store: S) -> Queue<S> {
        let mut state = State::default();
        store.scan(&row::rows(), &mut |key, stored| {
            if let Some((id, message)) = row::number(key).zip(row::message(stored.value)) {
                state.insert(id, message, config.retention);
            }
            true
        });
        let mut known = Vec::new();
        store.scan(DEDUP, &mut |key, stored| {
            if let Ok((until, id)) = postcard::from_bytes::<(u64, u64)>(stored.value) {
                let name: Arc<[u8]> = key[DEDUP.len()..].into();
                known.push((Time::from_nanos(until), name.clone()));
                state.dedup.insert(name, id);
            }
            true
        });
        known.sort_unstable();
        state.dedup_until = known.into();
        let next = store.get(NEXT).and_then(|stored| stored.value.try_into().ok().map(u64::from_le_bytes));
        state.next = state.next.max(next.unwrap_or(0));
        state.counts =
            QueueCounts { sent: state.messages.len() as u64, dead: state.dead, ..QueueCounts::default() };
        Queue { config, store, state, parked: VecDeque::new(), sabotage: None }
    }

    /// The same with a defect, for tests of the checks that have to notice it.
    #[must_use]
    pub fn sabotaged(mut self, sabotage: Option<QueueSabotage>) -> Queue<S> {
        self.sabotage = sabotage;
        self.state.overtakes = sabotage == Some(QueueSabotage::OvertakesInGroups);
        self
    }

    /// How it works.
    pub const fn config(&self) -> &QueueConfig {
        &self.config
    }
    /// Works on with another config; how long messages are kept stays as it was.
    pub fn reconfigure(&mut self, config: QueueConfig) {
        self.config = QueueConfig { retention: self.config.retention, ..config };
    }
    /// What it writes to.
    pub const fn store(&self) -> &S {
        &self.store
    }
    /// What it wrote to: all that a crash leaves of it.
    pub fn into_store(self) -> S {
        self.store
    }
    /// What became of all messages.
    pub const fn counts(&self) -> QueueCounts {
        self.state.counts
    }
    /// Messages that are not dead.
    pub fn live(&self) -> u64 {
        self.state.live()
    }
    /// Messages in somebody's hands.
    pub const fn in_flight(&self) -> u64 {
        self.state.in_flight
    }
    /// Dead letters.
    pub const fn dead(&self) -> u64 {
        self.state.dead
    }
    /// Dead letters by name, with how often they were received.
    pub fn dead_letters(&self) -> impl Iterator<Item = (MessageId, u32)> {
        let dead = self.state.messages.iter().filter(|(_, message)| matches!(message.place, Place::Dead(_)));
        dead.map(|(id, message)| (MessageId(*id), message.receives))
    }

    /// Takes in what is asked.
    ///
    /// # Errors
    /// [`QueueRejected`].
    pub fn handle(
        &mut self,
        now: Time,
        input: QueueInput,
        out: &mut Vec<QueueOutput>,
    ) -> Result<(), QueueRejected> {
        match input {
            QueueInput::Send { token, message } => self.send(now, token, message, out)?,
            QueueInput::Receive { token, max, wait, visibility } => {
                let visibility = visibility.unwrap_or(self.config.visibility);
                within("a visibility timeout", visibility, SQS_MAX_VISIBILITY)?;
                within("a wait", wait, SQS_MAX_WAIT)?;
                let max = max.clamp(1, MOST_AT_ONCE);
                return self.receive(now, Parked { token, max, visibility, until: now + wait }, out);
            }
            QueueInput::Delete { handle } => self.delete(now, handle, out)?,
            QueueInput::ChangeVisibility { handle, visibility } => {
                self.change(now, handle, visibility, out)?;
            }
            QueueInput::Redrive { max } => self.redrive(now, max, out)?,
        }
        self.serve_parked(now, out)
    }

    /// When [`expire`](Queue::expire) wants to be called next.
    pub fn deadline(&self) -> Option<Time> {
        let timer = self.state.timers.first().map(|(at, _)| *at);
        let kept = self.state.retention.first().map(|(at, _)| *at);
        let parked = self.parked.iter().map(|parked| parked.until).min();
        let dedup = self.state.dedup_until.front().map(|(at, _)| *at);
        let due = [timer, kept, parked, dedup, self.store.deadline()];
        due.into_iter().flatten().min().filter(|at| *at < Time::MAX)
    }

    /// Ends delays, visibilities, waits and retentions.
    ///
    /// # Errors
    /// [`QueueRejected::Store`].
    pub fn expire(&mut self, now: Time, out: &mut Vec<QueueOutput>) -> Result<(), QueueRejected> {
        self.forget_old(now, out)?;
        self.end_timers(now, out)?;
        self.forget_ids(now)?;
        self.serve_parked(now, out)?;
        while let Some(at) = self.parked.iter().position(|parked| parked.until <= now) {
            if let Some(parked) = self.parked.remove(at) {
                out.push(QueueOutput::Received { token: parked.token, messages: Vec::new() });
            }
        }
        if self.store.deadline().is_some_and(|at| at <= now) {
            self.store.sync(now).map_err(QueueRejected::Store)?;
        }
        Ok(())
    }

    fn send(
        &mut self,
        now: Time,
        token: u64,
        new: NewMessage,
        out: &mut Vec<QueueOutput>,
    ) -> Result<(), QueueRejected> {
        let max_bytes = self.config.max_message_bytes;
        if new.body.len() as u64 > u64::from(max_bytes) {
            return Err(QueueRejected::TooLarge { max_bytes });
        }
        if new.group.is_some() != self.config.is_fifo || (new.group.is_some() && new.delay.is_some()) {
            return Err(QueueRejected::Group);
        }
        let delay = new.delay.unwrap_or(self.config.delay);
        within("a delay", delay, SQS_MAX_DELAY)?;
        if let Some(id) = new.dedup.as_ref().and_then(|dedup| self.state.dedup.get(dedup)) {
            self.state.counts.duplicates += 1;
            out.push(QueueOutput::Sent { token, message: MessageId(*id), is_duplicate: true });
            return Ok(());
        }
        if self.state.live() >= self.config.max_messages {
            return Err(QueueRejected::Full { max_messages: self.config.max_messages });
        }
        let id = self.state.next;
        let place = if delay.is_zero() { Place::Available } else { Place::Delayed(now + delay) };
        let (body, group, dedup) = (new.body, new.group, new.dedup);
        let until = now + self.config.dedup_window;
        let mut batch = Batch::new();
        batch.put(NEXT, id.saturating_add(1).to_le_bytes());
        if let Some(dedup) = &dedup {
            // Two numbers always have a form.
            let row = postcard::to_allocvec(&(until.as_nanos(), id)).expect("numbers can be written down");
            batch.put([DEDUP, dedup].concat(), row);
        }
        let message = Message { body, group, dedup: dedup.clone(), sent_at: now, receives: 0, place };
        self.apply(now, batch, vec![(id, Some(message))])?;
        if let Some(dedup) = dedup {
            self.state.dedup.insert(dedup.clone(), id);
            self.state.dedup_until.push_back((until, dedup));
        }
        self.state.counts.sent += 1;
        out.push(QueueOutput::Sent { token, message: MessageId(id), is_duplicate: false });
        Ok(())
    }

    fn receive(&mut self, now: Time, ask: Parked, out: &mut Vec<QueueOutput>) -> Result<(), QueueRejected> {
        let max_in_flight = self.config.max_in_flight;
        if self.state.in_flight >= u64::from(max_in_flight) {
            return Err(QueueRejected::OverLimit { max_in_flight });
        }
        let chosen = self.choose(ask.max);
        if chosen.is_empty() && ask.until > now {
            if self.parked.len() >= MOST_PARKED {
                return Err(QueueRejected::OverLimit { max_in_flight });
            }
            self.parked.push_back(ask);
            return Ok(());
        }
        self.hand_out(now, ask, &chosen, out)
    }

    /// What a receive of up to `max` messages gets: the oldest, and of a group only what comes next.
    fn choose(&self, max: u32) -> Vec<u64> {
        let room = u64::from(self.config.max_in_flight).saturating_sub(self.state.in_flight);
        let max = u64::from(max).min(room) as usize;
        if self.sabotage == Some(QueueSabotage::GivesTwice) {
            let there = |(id, message): (&u64, &Message)| {
                (!matches!(message.place, Place::Dead(_) | Place::Delayed(_))).then_some(*id)
            };
            return self.state.messages.iter().filter_map(there).take(max).collect();
        }
        let mut chosen: Vec<u64> = self.state.available.iter().copied().take(max).collect();
        for group in self.state.ready_groups.values() {
            let waiting = self.state.groups.get(group).into_iter().flat_map(|group| &group.waiting);
            let available = waiting.take_while(|id| {
                self.state.messages.get(id).is_some_and(|message| message.place == Place::Available)
            });
            chosen.extend(available.copied().take(max - chosen.len()));
            if chosen.len() == max {
                break;
            }
        }
        chosen
    }

    fn hand_out(
        &mut self,
        now: Time,
        ask: Parked,
        chosen: &[u64],
        out: &mut Vec<QueueOutput>,
    ) -> Result<(), QueueRejected> {
        let mut changes = Changes::new();
        let mut messages = Vec::new();
        let visible_at = now + ask.visibility;
        let mut again = 0;
        for id in chosen {
            let Some(message) = self.state.messages.get(id) else { continue };
            again += u64::from(message.receives > 0);
            let receives = message.receives.saturating_add(1);
            let place = Place::InFlight(visible_at);
            changes.push((*id, Some(Message { receives, place, ..message.clone() })));
            messages.push(Delivery {
                handle: Handle { message: MessageId(*id), receive: receives },
                body: message.body.clone(),
                group: message.group.clone(),
                sent_at: message.sent_at,
                visible_at,
            });
        }
        self.apply(now, Batch::new(), changes)?;
        self.state.counts.received += messages.len() as u64;
        self.state.counts.redelivered += again;
        out.push(QueueOutput::Received { token: ask.token, messages });
        Ok(())
    }

    fn serve_parked(&mut self, now: Time, out: &mut Vec<QueueOutput>) -> Result<(), QueueRejected> {
        while let Some(ask) = self.parked.front().copied() {
            let chosen = self.choose(ask.max);
            if chosen.is_empty() {
                break;
            }
            self.parked.pop_front();
            self.hand_out(now, ask, &chosen, out)?;
        }
        Ok(())
    }

    /// The message of a handle, if that is the latest receive of it and it is in somebody's hands, or was and has not
    /// been received again.
    fn held(&mut self, handle: Handle) -> Result<Message, QueueRejected> {
        let id = handle.message;
        let found = self.state.messages.get(&id.0);
        let found = found.filter(|message| !matches!(message.place, Place::Dead(_)));
        let Some(message) = found else {
            self.state.counts.stale += 1;
            return Err(QueueRejected::UnknownMessage(id));
        };
        if message.receives != handle.receive && self.sabotage != Some(QueueSabotage::IgnoresHandles) {
            self.state.counts.stale += 1;
            return Err(QueueRejected::StaleHandle { current: message.receives });
        }
        Ok(message.clone())
    }

    fn delete(&mut self, now: Time, handle: Handle, out: &mut Vec<QueueOutput>) -> Result<(), QueueRejected> {
        self.held(handle)?;
        self.apply(now, Batch::new(), vec![(handle.message.0, None)])?;
        self.state.counts.deleted += 1;
        out.push(QueueOutput::Deleted { message: handle.message });
        Ok(())
    }

    fn change(
        &mut self,
        now: Time,
        handle: Handle,
        visibility: Span,
        out: &mut Vec<QueueOutput>,
    ) -> Result<(), QueueRejected> {
        within("a visibility timeout", visibility, SQS_MAX_VISIBILITY)?;
        let message = self.held(handle)?;
        if !matches!(message.place, Place::InFlight(_)) {
            return Err(QueueRejected::NotInFlight(handle.message));
        }
        if visibility.is_zero() {
            return self.give_back(now, handle.message.0, message, out);
        }
        let place = Place::InFlight(now + visibility);
        self.apply(now, Batch::new(), vec![(handle.message.0, Some(Message { place, ..message }))])
    }

    /// A message is in nobody's hands any more and not done: it is available again, or dead.
    fn give_back(
        &mut self,
        now: Time,
        id: u64,
        message: Message,
        out: &mut Vec<QueueOutput>,
    ) -> Result<(), QueueRejected> {
        let receives = message.receives;
        let is_dead = self.config.max_receives.is_some_and(|most| receives >= most.max(1))
            && self.sabotage != Some(QueueSabotage::NeverDead);
        if self.sabotage == Some(QueueSabotage::ForgetsOnTimeout) {
            return self.apply(now, Batch::new(), vec![(id, None)]);
        }
        let place = if is_dead { Place::Dead(now) } else { Place::Available };
        self.apply(now, Batch::new(), vec![(id, Some(Message { place, ..message }))])?;
        self.state.counts.dead += u64::from(is_dead);
        let message = MessageId(id);
        out.push(if is_dead {
            QueueOutput::Dead { message, reason: DeadReason::MaxReceives, receives }
        } else {
            QueueOutput::Returned { message }
        });
        Ok(())
    }

    fn redrive(&mut self, now: Time, max: u32, out: &mut Vec<QueueOutput>) -> Result<(), QueueRejected> {
        let dead: Vec<u64> = self.dead_letters().map(|(id, _)| id.0).take(max as usize).collect();
        let mut changes = Changes::new();
        for id in &dead {
            let Some(message) = self.state.messages.get(id) else { continue };
            let back = Message { place: Place::Available, receives: 0, sent_at: now, ..message.clone() };
            changes.push((*id, Some(back)));
        }
        self.apply(now, Batch::new(), changes)?;
        self.state.counts.redriven += dead.len() as u64;
        out.extend(dead.into_iter().map(|id| QueueOutput::Redriven { message: MessageId(id) }));
        Ok(())
    }

    fn end_timers(&mut self, now: Time, out: &mut Vec<QueueOutput>) -> Result<(), QueueRejected> {
        while let Some((_, id)) = self.state.timers.first().copied().filter(|(at, _)| *at <= now) {
            let Some(message) = self.state.messages.get(&id).cloned() else { break };
            match message.place {
                Place::InFlight(_) => self.give_back(now, id, message, out)?,
                Place::Delayed(_) | Place::Available | Place::Dead(_) => {
                    let available = Message { place: Place::Available, ..message };
                    self.apply(now, Batch::new(), vec![(id, Some(available))])?;
                }
            }
        }
        Ok(())
    }

    fn forget_old(&mut self, now: Time, out: &mut Vec<QueueOutput>) -> Result<(), QueueRejected> {
        while let Some((_, id)) = self.state.retention.first().copied().filter(|(at, _)| *at <= now) {
            let was_dead =
                self.state.messages.get(&id).is_some_and(|message| matches!(message.place, Place::Dead(_)));
            self.apply(now, Batch::new(), vec![(id, None)])?;
            *(if was_dead { &mut self.state.counts.dead_expired } else { &mut self.state.counts.expired }) +=
                1;
            out.push(QueueOutput::Expired { message: MessageId(id), was_dead });
        }
        Ok(())
    }

    fn forget_ids(&mut self, now: Time) -> Result<(), QueueRejected> {
        let mut batch = Batch::new();
        while let Some((_, name)) = self.state.dedup_until.pop_front_if(|(until, _)| *until <= now) {
            batch.remove([DEDUP, &name].concat());
            self.state.dedup.remove(&name);
        }
        if batch.is_empty() {
            return Ok(());
        }
        self.store.commit(now, &batch).map(|_| ()).map_err(QueueRejected::Store)
    }

    /// Writes changes down, then makes them.
    fn apply(&mut self, now: Time, mut batch: Batch, changes: Changes) -> Result<(), QueueRejected> {
        for (id, message) in &changes {
            match message {
                Some(message) => batch.put(row::key(*id), row::bytes(message)),
                None => batch.remove(row::key(*id)),
            };
        }
        if batch.is_empty() {
            return Ok(());
        }
        self.store.commit(now, &batch).map_err(QueueRejected::Store)?;
        for (id, message) in changes {
            self.state.remove(id, self.config.retention);
            if let Some(message) = message {
                self.state.insert(id, message, self.config.retention);
            }
        }
        Ok(())
    }
}

fn within(what: &'static str, span: Span, max: Span) -> Result<(), QueueRejected> {
    if span > max { Err(QueueRejected::TooLong { what, max }) } else { Ok(()) }
}
