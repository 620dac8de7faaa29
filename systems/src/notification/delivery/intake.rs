//! How messages come to be: from triggers, into digests, on the next rung of a ladder; and how they are called off.

use super::config::CategoryConfig;
use super::message::{MessageId, Output, RecipientId, Rejected, Start, TenantId, Trigger};
use super::record::{DeliveryState, Event, Message, Suppression};
use super::{Account, CategoryId, Delivery};
use crate::store::Store;
use crate::time::Time;
use std::collections::BTreeSet;

/// A message that is to be.
pub(super) struct Plan {
    pub(super) tenant: TenantId,
    pub(super) recipient: RecipientId,
    pub(super) category: CategoryId,
    pub(super) ladder: u8,
    pub(super) rung: u8,
    pub(super) priority: u8,
    pub(super) events: Vec<Event>,
    pub(super) start: Time,
    /// The key of the digest it belongs to; a message of a later rung belongs to none.
    pub(super) digest: Option<String>,
}

impl<S: Store> Delivery<S> {
    pub(super) fn category(&self, id: CategoryId) -> Option<&CategoryConfig> {
        self.config.categories.iter().find(|category| category.id == id)
    }

    pub(super) fn trigger(&mut self, now: Time, trigger: Trigger) -> Result<(), Rejected> {
        let category = self.category(trigger.category).ok_or(Rejected::UnknownCategory(trigger.category))?;
        if trigger.key.is_empty() {
            return Err(Rejected::NoKey);
        }
        let priority = trigger.priority.unwrap_or(category.priority);
        if usize::from(priority) >= super::CLASSES {
            return Err(Rejected::Priority(priority));
        }
        if self.is_known(now, &trigger.key) {
            self.outputs.push(Output::Duplicate { key: trigger.key });
            return Ok(());
        }
        let recipients: BTreeSet<RecipientId> = trigger.recipients.iter().copied().collect();
        let ladders = category.ladders.len();
        let pending: u64 = self.tallies.by_channel.iter().map(|tally| tally.pending).sum();
        let more = recipients.len().saturating_mul(ladders) as u64;
        if pending.saturating_add(more) > self.config.max_pending as u64 {
            return Err(Rejected::Full);
        }
        let ttl = category.ttl.map(|ttl| now + ttl);
        let expires = trigger.expires_at.into_iter().chain(ttl).min().unwrap_or(Time::MAX);
        #[cfg(test)]
        let expires = if self.is_broken(super::Sabotage::HandsOutExpired) { Time::MAX } else { expires };
        let digest = category.digest.map(|_| trigger.digest_key.clone());
        let start = match trigger.start {
            Start::Now => now,
            Start::After(span) => now + span,
            Start::At(at) => at.max(now),
        };
        self.remember(now, &trigger.key);
        for recipient in recipients {
            for ladder in 0..ladders as u8 {
                let event = Event {
                    trigger: trigger.key.clone(),
                    facts: trigger.facts.clone(),
                    expires_ns: expires.as_nanos(),
                    cancellation_key: trigger.cancellation_key.clone(),
                };
                self.start(
                    now,
                    Plan {
                        tenant: trigger.tenant,
                        recipient,
                        category: trigger.category,
                        ladder,
                        rung: 0,
                        priority,
                        events: vec![event],
                        start,
                        digest: digest.clone(),
                    },
                );
            }
        }
        Ok(())
    }

    fn is_known(&self, now: Time, key: &str) -> bool {
        #[cfg(test)]
        if self.is_broken(super::Sabotage::ForgetsKeys) {
            return false;
        }
        self.keys.get(key).is_some_and(|until| *until > now)
    }

    fn remember(&mut self, now: Time, key: &str) {
        let until = now + self.config.keep_keys;
        if let Some(before) = self.keys.insert(key.to_string(), until) {
            self.key_timers.remove(&(before, key.to_string()));
        }
        self.key_timers.insert((until, key.to_string()));
        self.changed_keys.push(key.to_string());
    }

    /// Puts events on a rung: into the digest that is open there, or into a message of their own.
    pub(super) fn start(&mut self, now: Time, plan: Plan) {
        let Some(category) = self.category(plan.category) else { return };
        let Some(rung) =
            category.ladders.get(usize::from(plan.ladder)).and_then(|l| l.get(usize::from(plan.rung)))
        else {
            return;
        };
        let (channel, window) = (rung.channel, category.digest);
        let template_version = self.templates.version(&category.template).unwrap_or(0);
        let digest_key =
            plan.digest.clone().map(|key| (plan.tenant, plan.recipient, plan.category, channel, key));
        let open = digest_key.as_ref().and_then(|key| self.digests.get(key)).copied();
        if let Some((open, window)) = open.zip(window) {
            self.extend(now, open, plan.events, window.max_events);
            return;
        }
        let id = MessageId(self.tallies.next_message);
        self.tallies.next_message += 1;
        let wait = if plan.digest.is_some() { window.map(|window| window.window) } else { None };
        let until = wait.map_or(plan.start, |wait| plan.start + wait);
        let is_ready = until <= now;
        let message = Message {
            id,
            tenant: plan.tenant,
            recipient: plan.recipient,
            category: plan.category,
            channel,
            ladder: plan.ladder,
            rung: plan.rung,
            priority: plan.priority,
            template_version,
            state: DeliveryState::Queued,
            events: plan.events,
            open_digest: plan.digest,
            until_ns: if is_ready { 0 } else { until.as_nanos() },
            ready_ns: if is_ready { now.as_nanos() } else { 0 },
            attempts: 0,
            rounds: 0,
            next_provider: 0,
            provider: None,
            is_uncertain: false,
            escalate_ns: u64::MAX,
            has_escalated: false,
            is_cancelled: false,
            is_cleared: false,
            is_deferred: false,
            forget_ns: u64::MAX,
            timer: Time::MAX,
        };
        self.count_accepted(&message);
        let is_full = window.is_some_and(|window| message.events.len() >= window.max_events);
        self.changed.insert(id);
        self.index(message);
        if is_full && digest_key.is_some() {
            self.make_ready(now, id);
        }
    }

    fn count_accepted(&mut self, message: &Message) {
        let tally = &mut self.tallies.by_channel[message.channel.index()];
        let new = &message.events;
        tally.accepted = tally.accepted.saturating_add(new.len() as u64);
        tally.pending = tally.pending.saturating_add(new.len() as u64);
        self.outputs.extend(new.iter().map(|event| Output::Accepted {
            message: message.id,
            trigger: event.trigger.clone(),
            recipient: message.recipient,
            channel: message.channel,
        }));
    }

    fn extend(&mut self, now: Time, id: MessageId, events: Vec<Event>, max_events: usize) {
        #[cfg(test)]
        let events = match self.sabotage {
            Some(super::Sabotage::DigestsTwice) => [events.clone(), events].concat(),
            _ => events,
        };
        let Some(message) = self.messages.get(&id) else { return };
        let (channel, recipient, before) = (message.channel, message.recipient, message.events.len());
        for event in &events {
            let (trigger, message) = (event.trigger.clone(), id);
            self.outputs.push(Output::Accepted { message, trigger, recipient, channel });
            if let Some(key) = &event.cancellation_key {
                self.by_cancellation.entry(key.clone()).or_default().insert(id);
            }
        }
        let tally = &mut self.tallies.by_channel[channel.index()];
        tally.accepted = tally.accepted.saturating_add(events.len() as u64);
        let is_full = before + events.len() >= max_events;
        self.change(id, |message| message.events.extend(events));
        if is_full {
            self.make_ready(now, id);
        }
    }

    /// The wait is over; a digest takes no more.
    pub(super) fn make_ready(&mut self, now: Time, id: MessageId) {
        let key = self.change(id, |message| {
            message.until_ns = 0;
            if message.ready_ns == 0 {
                message.ready_ns = now.as_nanos();
            }
            message.close_digest()
        });
        if let Some(key) = key.flatten() {
            self.digests.remove(&key);
        }
    }

    /// Calls off what a key stands for. What a provider may have is not tried again.
    pub(super) fn cancel(&mut self, now: Time, key: &str) {
        for id in self.by_cancellation.remove(key).unwrap_or_default() {
            let Some(message) = self.messages.get(&id) else { continue };
            if message.state.account() != Account::Pending {
                continue;
            }
            if message.state == DeliveryState::Queued && !message.is_uncertain {
                let cancelled = DeliveryState::Suppressed(Suppression::Cancelled);
                self.take_events(now, id, cancelled, |event| event.cancellation_key.as_deref() == Some(key));
            } else {
                self.change(id, |message| {
                    message.is_cancelled = true;
                    message.escalate_ns = u64::MAX;
                });
            }
        }
    }

    /// Ends a part of a message, or all of it.
    pub(super) fn take_events(
        &mut self,
        now: Time,
        id: MessageId,
        state: DeliveryState,
        goes: impl Fn(&Event) -> bool,
    ) {
        let Some(message) = self.messages.get(&id) else { return };
        let going = message.events.iter().filter(|event| goes(event)).count();
        if going == message.events.len() {
            self.settle(now, id, state);
        } else if going > 0 {
            let channel = message.channel;
            self.change(id, |message| message.events.retain(|event| !goes(event)));
            self.tallies.by_channel[channel.index()].add(state.account(), going);
            self.outputs.push(Output::State { message: id, state, events: going });
        }
    }
}
