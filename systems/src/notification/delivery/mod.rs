//! The product side: a trigger in, messages to providers out. Asks whether people want it and when, puts events together,
//! keeps the urgent ahead, goes from provider to provider and from channel to channel, and counts every message until it is
//! done with. Sends nothing: it says what to give to whom, and is told what they answer.
//!
//! ```text
//! Trigger -key-> message per recipient and ladder -delay, digest-> queue -wanted? quiet? too many?-> Send
//!   Queued -> Sending -> Sent -> Delivered -> Seen -> Read       Failed: next provider, later again, next channel
//! ```
//!
//! Every change is in the store before anything that depends on it comes out. After a crash a message that a provider may
//! have is one of which nobody knows whether it has: it goes again under the same key.

mod answer; // what providers say
mod config; // what it is told
mod intake; // triggers, digests, calling off
mod message; // inputs and outputs
mod preference; // what people want
mod provider; // how much a provider takes
mod pump; // from the queue to a provider
mod queue; // who is next
mod record; // a message as it is kept
mod tally; // what became of everything

pub use config::{
    CategoryConfig, CategoryId, Channel, DeliveryConfig, DeliveryError, DigestConfig, Milestone,
    ProviderConfig, ProviderId, QuietRule, Rung, Starvation, UnknownRule,
};
pub use message::{
    Answer, Input, MessageId, Order, Output, Receipt, RecipientId, Rejected, Start, TenantId, Trigger,
};
pub use preference::{Chooser, Preferences, Profile};
pub use queue::CLASSES;
pub use record::{Account, DeliveryState, FailureKind, Suppression};
pub use tally::Tally;

#[cfg(test)]
pub(super) use config::Sabotage;

use super::interval::WallClock;
use super::template::Render;
use crate::rate_limiter::SlidingLog;
use crate::store::{Batch, CommitNumber, Held, Store, StoreError};
use crate::time::Time;
use provider::Provider;
use queue::Queue;
use record::Message;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use tally::Tallies;

const MESSAGE: &[u8] = b"notification/message/";
const KEY: &[u8] = b"notification/key/";
const TALLIES: &[u8] = b"notification/tallies";

/// One place per channel.
const CHANNELS: usize = Channel::ALL.len();

/// For whom a digest is open: by tenant, recipient, category, channel and its key.
type DigestKey = (TenantId, RecipientId, CategoryId, Channel, String);

/// Whose messages are counted together.
type ThrottleKey = (RecipientId, CategoryId, Channel);

/// The fewest throttles among which those that remember nothing are looked for.
const FIRST_SWEEP: usize = 1_024;

/// Takes triggers, says what to send. Drive it so: [`handle`](Delivery::handle) what happens, carry out what comes out,
/// call [`expire`](Delivery::expire) at [`deadline`](Delivery::deadline). After a crash, [`open`](Delivery::open) it from
/// its store. What throttles have counted, preferences and profiles are not in it.
pub struct Delivery<S> {
    store: S,
    config: DeliveryConfig,
    templates: Box<dyn Render>,
    preferences: Preferences,
    clock: WallClock,
    messages: BTreeMap<MessageId, Message>,
    timers: BTreeSet<(Time, MessageId)>,
    keys: BTreeMap<String, Time>,
    key_timers: BTreeSet<(Time, String)>,
    digests: BTreeMap<DigestKey, MessageId>,
    by_cancellation: BTreeMap<String, BTreeSet<MessageId>>,
    queues: [Queue; CHANNELS],
    /// When a provider of the channel takes more, if the first in its queue waits for that.
    wakes: [Time; CHANNELS],
    providers: [Vec<Provider>; CHANNELS],
    throttles: BTreeMap<ThrottleKey, SlidingLog>,
    /// With how many throttles those that remember nothing are looked for.
    next_sweep: usize,
    tallies: Tallies,
    /// What the next commit writes.
    changed: BTreeSet<MessageId>,
    changed_keys: Vec<String>,
    outputs: Vec<Output>,
    held: Held<Output>,
    last: CommitNumber,
    broken: Option<StoreError>,
    #[cfg(test)]
    sabotage: Option<Sabotage>,
}

impl<S: fmt::Debug> fmt::Debug for Delivery<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").field("messages", &self.messages.len()).finish_non_exhaustive()
    }
}

impl<S: Store> Delivery<S> {
    /// A delivery over what a store holds.
    ///
    /// # Errors
    /// [`DeliveryError`].
    pub fn open(
        store: S,
        config: DeliveryConfig,
        templates: Box<dyn Render>,
        now: Time,
    ) -> Result<Delivery<S>, DeliveryError> {
        config.validate()?;
        let providers = providers_of(&config, now);
        let mut delivery = Delivery {
            last: store.durable(),
            store,
            config,
            templates,
            preferences: Preferences::default(),
            clock: WallClock::default(),
            messages: BTreeMap::new(),
            timers: BTreeSet::new(),
            keys: BTreeMap::new(),
            key_timers: BTreeSet::new(),
            digests: BTreeMap::new(),
            by_cancellation: BTreeMap::new(),
            queues: Default::default(),
            wakes: [Time::ZERO; CHANNELS],
            providers,
            throttles: BTreeMap::new(),
            next_sweep: FIRST_SWEEP,
            tallies: Tallies::default(),
            changed: BTreeSet::new(),
            changed_keys: Vec::new(),
            outputs: Vec::new(),
            held: Held::default(),
            broken: None,
            #[cfg(test)]
            sabotage: None,
        };
        delivery.load();
        Ok(delivery)
    }

    fn load(&mut self) {
        let (mut messages, mut keys) = (Vec::new(), Vec::new());
        self.store.scan(MESSAGE, &mut |_, stored| {
            messages.extend(postcard::from_bytes::<Message>(stored.value).ok());
            true
        });
        self.store.scan(KEY, &mut |key, stored| {
            let name = String::from_utf8(key[KEY.len()..].to_vec()).ok();
            let until = stored.value.try_into().ok().map(u64::from_le_bytes).map(Time::from_nanos);
            keys.extend(name.zip(until));
            true
        });
        if let Some(stored) = self.store.get(TALLIES) {
            self.tallies = postcard::from_bytes(stored.value).unwrap_or_default();
        }
        for message in messages {
            self.index(message);
        }
        for (key, until) in keys {
            self.key_timers.insert((until, key.clone()));
            self.keys.insert(key, until);
        }
    }

    /// Puts a message among the others and into every index.
    fn index(&mut self, mut message: Message) {
        let id = message.id;
        message.timer = message.due();
        if message.timer < Time::MAX {
            self.timers.insert((message.timer, id));
        }
        if let Some((class, ready)) = message.place() {
            self.queues[message.channel.index()].push(class, ready, id);
        }
        if let Some(key) = message.digest_key() {
            self.digests.insert(key, id);
        }
        if message.state.account() == Account::Pending {
            for key in message.events.iter().filter_map(|event| event.cancellation_key.clone()) {
                self.by_cancellation.entry(key).or_default().insert(id);
            }
        }
        self.messages.insert(id, message);
    }

    #[cfg(test)]
    pub(super) fn sabotaged(mut self, sabotage: Option<Sabotage>) -> Delivery<S> {
        self.sabotage = sabotage;
        self
    }

    #[cfg(test)]
    fn is_broken(&self, sabotage: Sabotage) -> bool {
        self.sabotage == Some(sabotage)
    }

    /// What people want.
    pub const fn preferences(&self) -> &Preferences {
        &self.preferences
    }

    /// What people want, to be changed. It counts for everything that is not handed out yet.
    pub const fn preferences_mut(&mut self) -> &mut Preferences {
        &mut self.preferences
    }

    /// How far a message has come; `None` if it is unknown or forgotten.
    pub fn state(&self, message: MessageId) -> Option<DeliveryState> {
        self.messages.get(&message).map(|message| message.state)
    }

    /// What became of everything that was to go by a channel.
    pub const fn tally(&self, channel: Channel) -> Tally {
        self.tallies.by_channel[channel.index()]
    }

    /// How often a template failed and the fallback was sent.
    pub const fn template_errors(&self) -> u64 {
        self.tallies.template_errors
    }

    /// Every message that is kept: its channel, its state, and how many events it tells of.
    pub fn messages(&self) -> impl Iterator<Item = (MessageId, Channel, DeliveryState, usize)> {
        self.messages
            .values()
            .map(|message| (message.id, message.channel, message.state, message.events.len()))
    }

    /// How many messages of a channel are ready and wait for a provider.
    pub fn queue_len(&self, channel: Channel) -> usize {
        self.queues[channel.index()].len()
    }

    /// Gives the store back, for instance after it failed.
    pub fn into_store(self) -> S {
        self.store
    }

    /// The wall clock was set. Who waits for quiet hours to end is asked again at once.
    ///
    /// # Errors
    /// [`Rejected::Store`].
    pub fn set_clock(&mut self, now: Time, clock: WallClock, out: &mut Vec<Output>) -> Result<(), Rejected> {
        self.usable()?;
        self.clock = clock;
        let is_deferred = |message: &&Message| message.is_deferred;
        let deferred: Vec<MessageId> =
            self.messages.values().filter(is_deferred).map(|message| message.id).collect();
        for id in deferred {
            self.change(id, |message| message.until_ns = 0);
        }
        self.finish(now, out)
    }

    /// From now on it is told this. What providers have counted of their limits begins anew.
    ///
    /// # Errors
    /// [`DeliveryError`]; then nothing has changed.
    pub fn reconfigure(&mut self, now: Time, config: DeliveryConfig) -> Result<(), DeliveryError> {
        config.validate()?;
        self.providers = providers_of(&config, now);
        self.wakes = [Time::ZERO; CHANNELS];
        self.config = config;
        Ok(())
    }

    /// Takes what happened.
    ///
    /// # Errors
    /// [`Rejected`]; then nothing has changed, unless the store failed: after that it refuses everything.
    pub fn handle(&mut self, now: Time, input: Input, out: &mut Vec<Output>) -> Result<(), Rejected> {
        self.usable()?;
        match input {
            Input::Trigger(trigger) => self.trigger(now, trigger)?,
            Input::Cancel { key } => self.cancel(now, &key),
            Input::Answer { message, attempt, answer } => self.answer(now, message, attempt, answer)?,
            Input::Receipt { message, receipt } => self.receipt(now, message, receipt)?,
        }
        self.finish(now, out)
    }

    /// When [`expire`](Delivery::expire) wants to be called next.
    pub fn deadline(&self) -> Option<Time> {
        let message = self.timers.first().map(|(due, _)| *due);
        let key = self.key_timers.first().map(|(due, _)| *due);
        let queues = self.queues.iter().zip(self.wakes);
        let wake =
            queues.filter(|(queue, wake)| queue.len() > 0 && *wake < Time::MAX).map(|(_, wake)| wake).min();
        [message, key, wake, self.store.deadline()].into_iter().flatten().min()
    }

    /// Does what is due.
    ///
    /// # Errors
    /// [`Rejected::Store`].
    pub fn expire(&mut self, now: Time, out: &mut Vec<Output>) -> Result<(), Rejected> {
        self.usable()?;
        while let Some((_, id)) = self.timers.first().copied().filter(|(due, _)| *due <= now) {
            self.serve(now, id);
        }
        while let Some((_, key)) = self.key_timers.first().filter(|(due, _)| *due <= now).cloned() {
            if let Some(until) = self.keys.remove(&key) {
                self.key_timers.remove(&(until, key.clone()));
            }
            self.changed_keys.push(key);
        }
        if self.store.deadline().is_some_and(|due| due <= now) {
            self.store.sync(now).map_err(|error| self.fail(error))?;
        }
        self.finish(now, out)
    }

    fn usable(&self) -> Result<(), Rejected> {
        self.broken.clone().map_or(Ok(()), |error| Err(Rejected::Store(error)))
    }

    fn fail(&mut self, error: StoreError) -> Rejected {
        self.broken = Some(error.clone());
        Rejected::Store(error)
    }

    /// Gives providers what they take, writes what changed, and hands out what may leave.
    fn finish(&mut self, now: Time, out: &mut Vec<Output>) -> Result<(), Rejected> {
        for channel in Channel::ALL {
            self.pump(now, channel);
        }
        let batch = self.batch();
        if !batch.is_empty() {
            self.last = self.store.commit(now, &batch).map_err(|error| self.fail(error))?;
        }
        for output in self.outputs.drain(..) {
            self.held.push(self.last, output);
        }
        self.held.release(self.store.durable(), out);
        Ok(())
    }

    fn batch(&mut self) -> Batch {
        let mut batch = Batch::new();
        for id in std::mem::take(&mut self.changed) {
            let key = [MESSAGE, &id.0.to_be_bytes()].concat();
            match self.messages.get(&id) {
                Some(message) => batch.put(key, encoded(message)),
                None => batch.remove(key),
            };
        }
        for name in std::mem::take(&mut self.changed_keys) {
            let key = [KEY, name.as_bytes()].concat();
            match self.keys.get(&name) {
                Some(until) => batch.put(key, until.as_nanos().to_le_bytes()),
                None => batch.remove(key),
            };
        }
        if !batch.is_empty() {
            batch.put(TALLIES, encoded(&self.tallies));
        }
        batch
    }

    /// Changes a message, and with it the timers, the queue and the tallies. The one place where any of them moves.
    fn change<T>(&mut self, id: MessageId, work: impl FnOnce(&mut Message) -> T) -> Option<T> {
        let message = self.messages.get_mut(&id)?;
        let (place, account, events) = (message.place(), message.state.account(), message.events.len());
        let result = work(message);
        let due = message.due();
        if due != message.timer {
            self.timers.remove(&(message.timer, id));
            if due < Time::MAX {
                self.timers.insert((due, id));
            }
            message.timer = due;
        }
        let queue = &mut self.queues[message.channel.index()];
        if place != message.place() {
            if let Some((class, ready)) = place {
                queue.remove(class, ready, id);
            }
            if let Some((class, ready)) = message.place() {
                queue.push(class, ready, id);
            }
        }
        let tally = &mut self.tallies.by_channel[message.channel.index()];
        tally.take(account, events);
        tally.add(message.state.account(), message.events.len());
        self.changed.insert(id);
        Some(result)
    }
}

/// Those of each channel, in their order.
fn providers_of(config: &DeliveryConfig, now: Time) -> [Vec<Provider>; CHANNELS] {
    Channel::ALL.map(|channel| {
        let of_channel = config.providers.iter().filter(|provider| provider.channel == channel);
        of_channel.map(|provider| Provider::new(*provider, now)).collect()
    })
}

fn encoded(value: &impl serde::Serialize) -> Vec<u8> {
    postcard::to_allocvec(value).expect("records have no types that do not encode")
}
