//! Triggers, the messages that tell of them, and what providers really delivered. One entry for each, no history.

use std::collections::{BTreeMap, BTreeSet};

use foreshock_systems::notification::delivery::{Account, Channel};

use super::{Asked, Broken, Kept, MOST_WITNESSES, notified};
use crate::kernel::time::Time;
use crate::measure::Durations;

const CHANNELS: usize = Channel::ALL.len();
const CLASSES: usize = 4;

struct TriggerBook {
    asked: Asked,
    accepted_at: Option<Time>,
    /// Messages that tell of it and are not done with.
    open: u32,
    /// How often it has really arrived, by channel.
    delivered: [u16; CHANNELS],
    /// By which channels it stands in a digest; a bit each.
    digests: u8,
    /// A message of it is said not to have arrived, or not to have been sent on purpose.
    is_excused: bool,
}

impl TriggerBook {
    fn reached(&self) -> bool {
        self.delivered.iter().any(|count| *count > 0)
    }
}

struct Sent {
    channel: Channel,
    /// Of which triggers it tells, but for those that ended alone and are not known by name.
    events: Vec<u64>,
    /// How many of these have ended alone.
    gone: usize,
    account: Account,
    was_handed_out: bool,
}

/// The books on one notifier.
#[derive(Default)]
pub(super) struct MessageBook {
    triggers: BTreeMap<u64, TriggerBook>,
    messages: BTreeMap<u64, Sent>,
    /// By idempotency key: what a provider was given under it.
    contents: BTreeMap<u64, (u64, Vec<u64>)>,
    waits: [Option<Box<Durations>>; CLASSES],
    handed_out: u64,
    deliveries: u64,
    duplicates: u64,
}

fn place(channel: Channel) -> usize {
    Channel::ALL.iter().position(|other| *other == channel).unwrap_or(0)
}

impl MessageBook {
    pub(super) fn asked(&mut self, asked: Asked) {
        self.triggers.entry(asked.trigger).or_insert(TriggerBook {
            asked,
            accepted_at: None,
            open: 0,
            delivered: [0; CHANNELS],
            digests: 0,
            is_excused: false,
        });
    }

    pub(super) fn accepted(
        &mut self,
        message: u64,
        trigger: u64,
        channel: Channel,
        now: Time,
    ) -> Option<Broken> {
        let new = || Sent {
            channel,
            events: Vec::new(),
            gone: 0,
            account: Account::Pending,
            was_handed_out: false,
        };
        let sent = self.messages.entry(message).or_insert_with(new);
        if sent.account != Account::Pending {
            *sent = new(); // what had the number was never durable: a crash has given it to another
        }
        sent.events.push(trigger);
        let book = self.triggers.get_mut(&trigger)?;
        book.open += 1;
        book.accepted_at = book.accepted_at.or(Some(now));
        let bit = 1 << place(channel);
        let is_again = book.asked.is_digested && book.digests & bit != 0;
        book.digests |= bit;
        is_again.then(|| {
            let name = channel.name();
            (notified::DIGEST, format!("event {trigger:016x} is put into the digests of {name} twice"))
        })
    }

    pub(super) fn handed_out(
        &mut self,
        message: u64,
        key: u64,
        channel: Channel,
        triggers: Vec<u64>,
        now: Time,
    ) -> Vec<Broken> {
        self.handed_out += 1;
        let mut broken = Vec::new();
        if !self.messages.contains_key(&message) {
            // Written before a crash, and its acceptance never got out.
            for trigger in &triggers {
                broken.extend(self.accepted(message, *trigger, channel, now));
            }
        }
        let Some(sent) = self.messages.get_mut(&message) else { return broken };
        let told: BTreeSet<u64> = triggers.iter().copied().collect();
        if told.len() < triggers.len() {
            let text = format!("message {message} tells of {} events, some of them twice", triggers.len());
            broken.push((notified::DIGEST, text));
        }
        if triggers.len() + sent.gone != sent.events.len() {
            let (tells, has) = (triggers.len(), sent.events.len() - sent.gone.min(sent.events.len()));
            broken
                .push((notified::DIGEST, format!("message {message} tells of {tells} of its {has} events")));
        }
        if sent.gone > 0 {
            for trigger in sent.events.iter().filter(|trigger| !told.contains(trigger)) {
                if let Some(book) = self.triggers.get_mut(trigger) {
                    book.is_excused = true;
                    book.open = book.open.saturating_sub(1);
                }
            }
            (sent.events, sent.gone) = (triggers.clone(), 0);
        }
        if !std::mem::replace(&mut sent.was_handed_out, true) {
            for trigger in &triggers {
                let Some(book) = self.triggers.get(trigger) else { continue };
                let class = usize::from(book.asked.priority).min(CLASSES - 1);
                let waits = self.waits[class].get_or_insert_with(|| Box::new(Durations::new(2)));
                waits.record(now.since(book.accepted_at.unwrap_or(now)));
            }
        }
        self.contents.insert(key, (message, triggers));
        broken
    }

    pub(super) fn delivered(&mut self, key: u64) -> Vec<Broken> {
        self.deliveries += 1;
        let Some((message, triggers)) = self.contents.get(&key) else { return Vec::new() };
        let channel = self.messages.get(message).map_or(0, |sent| place(sent.channel));
        let mut broken = Vec::new();
        for trigger in triggers {
            let Some(book) = self.triggers.get_mut(trigger) else { continue };
            self.duplicates += u64::from(book.delivered[channel] > 0);
            book.delivered[channel] = book.delivered[channel].saturating_add(1);
            if book.asked.is_opted_out && !book.asked.is_critical {
                let text = format!("event {trigger:016x} was delivered to somebody who had opted out of it");
                broken.push((notified::OPTED_OUT, text));
            }
        }
        broken
    }

    pub(super) fn ended(&mut self, message: u64, account: Account, events: usize) -> Vec<Broken> {
        let Some(sent) = self.messages.get_mut(&message) else { return Vec::new() };
        if events < sent.events.len().saturating_sub(sent.gone) {
            sent.gone += events;
            return Vec::new();
        }
        let before = std::mem::replace(&mut sent.account, account);
        let channel = place(sent.channel);
        let mut has_arrived = false;
        for trigger in &sent.events {
            let Some(book) = self.triggers.get_mut(trigger) else { continue };
            has_arrived |= book.delivered[channel] > 0;
            book.is_excused |= account != Account::Delivered || sent.gone > 0;
            if before == Account::Pending {
                book.open = book.open.saturating_sub(1);
            }
        }
        if account == Account::Delivered && !has_arrived {
            let text = format!("message {message} is said to be delivered, and no provider has delivered it");
            return vec![(notified::DELIVERED, text)];
        }
        Vec::new()
    }

    /// Compares everything that is not done with with what is in the store.
    pub(super) fn found(&mut self, kept: &Kept) -> Vec<Broken> {
        let mut broken = Vec::new();
        let mut lost = Vec::new();
        let open = self.messages.iter().filter(|(_, sent)| sent.account == Account::Pending);
        for (message, sent) in open {
            let here = sent.events.len().saturating_sub(sent.gone);
            match kept.pending.get(message) {
                Some((_, events)) if *events == here => {}
                Some((_, events)) => {
                    let text =
                        format!("message {message} has {events} events in the store, {here} were accepted");
                    broken.push((notified::CONSERVED, text));
                }
                None => {
                    lost.push(*message);
                    for trigger in &sent.events {
                        let Some(book) = self.triggers.get_mut(trigger) else { continue };
                        book.open = book.open.saturating_sub(1);
                        if !std::mem::replace(&mut book.is_excused, true) && !book.reached() {
                            let text =
                                format!("event {trigger:016x} was accepted and is in the store no more");
                            broken.push((notified::DELIVERED, text));
                        }
                    }
                }
            }
        }
        for message in lost {
            self.messages.remove(&message);
        }
        for (channel, tally) in &kept.tallies {
            let sum = tally.pending + tally.delivered + tally.failed + tally.expired + tally.suppressed;
            let pending = kept.pending.values().filter(|(of, _)| of == channel);
            let pending: usize = pending.map(|(_, events)| *events).sum();
            if sum != tally.accepted || pending as u64 != tally.pending {
                let name = channel.name();
                let text = format!("by {name}: {tally:?}, and {pending} events are pending in the store");
                broken.push((notified::CONSERVED, text));
            }
        }
        broken.truncate(MOST_WITNESSES);
        broken
    }

    /// Triggers that everybody is done with, and that neither arrived nor are said not to have.
    pub(super) fn untold(&self) -> Vec<Broken> {
        let untold = self.triggers.iter().filter(|(_, book)| {
            book.accepted_at.is_some() && book.open == 0 && !book.reached() && !book.is_excused
        });
        let witness = untold.map(|(trigger, _)| {
            (notified::DELIVERED, format!("event {trigger:016x} was accepted, and nobody was told"))
        });
        witness.take(MOST_WITNESSES).collect()
    }

    pub(super) fn shown(&mut self) -> BTreeMap<String, u64> {
        let reached = self.triggers.values().filter(|book| book.reached()).count() as u64;
        let is_untrue = |sent: &&Sent| {
            let channel = place(sent.channel);
            let arrived =
                |trigger| self.triggers.get(trigger).is_some_and(|book| book.delivered[channel] > 0);
            sent.account == Account::Failed && sent.events.iter().any(arrived)
        };
        let untrue = self.messages.values().filter(is_untrue).count() as u64;
        let mut shown: BTreeMap<String, u64> = [
            ("true_reached", reached),
            ("true_deliveries", self.deliveries),
            ("true_duplicates", self.duplicates),
            ("delivered_though_failed", untrue),
            ("handed_out", self.handed_out),
        ]
        .map(|(count, value)| (count.to_string(), value))
        .into();
        for (class, waits) in self.waits.iter_mut().enumerate() {
            if let Some(waits) = waits {
                let summary = waits.summary();
                shown.insert(format!("wait_p99_us.p{class}"), summary.p99_ns / 1_000);
                shown.insert(format!("wait_max_us.p{class}"), summary.max_ns / 1_000);
            }
        }
        shown
    }
}
