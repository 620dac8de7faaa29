//! Watches a delivery: invariants 5 to 10, from its outputs and from what arrives at the other end.

use super::Violation;
use crate::notification::delivery::{
    Account, Channel, Delivery, DeliveryState, MessageId, Order, Output, ProviderId, RecipientId, Tally,
    Trigger,
};
use crate::store::Store;
use crate::time::{Span, Time};
use std::collections::{BTreeMap, BTreeSet};

/// What was triggered.
#[derive(Clone, Debug)]
struct Triggered {
    at: Time,
    expires_at: Time,
    is_critical: bool,
    priority: u8,
}

/// A message, as its outputs tell.
#[derive(Clone, Debug)]
struct Seen {
    channel: Channel,
    /// Events that were accepted and have not gone alone.
    events: BTreeMap<String, usize>,
    /// How many of them there are.
    count: usize,
    /// How many events went before the rest did.
    gone: usize,
    account: Account,
    attempts: u32,
}

/// Watches a delivery. Tell it everything, in order.
#[derive(Clone, Debug, Default)]
pub struct MessageAudit {
    /// How long the first attempt for each class may take from the trigger on, where that is bounded.
    pub longest_wait: [Option<Span>; 4],
    triggers: BTreeMap<String, Triggered>,
    messages: BTreeMap<MessageId, Seen>,
    /// By channel: accepted, and what went by account alone.
    accepted: BTreeMap<Channel, u64>,
    went: BTreeMap<(Channel, Account), u64>,
    template_errors: u64,
    /// What providers with keys have delivered.
    keys: BTreeSet<(ProviderId, String)>,
    arrived: BTreeSet<(String, RecipientId, Channel)>,
    /// What was found.
    pub violations: Vec<Violation>,
}

impl MessageAudit {
    /// A trigger was given; `expires_at` is when it is worth nothing, by itself or by its category.
    pub fn triggered(
        &mut self,
        now: Time,
        trigger: &Trigger,
        expires_at: Time,
        is_critical: bool,
        priority: u8,
    ) {
        let new = Triggered { at: now, expires_at, is_critical, priority };
        self.triggers.entry(trigger.key.clone()).or_insert(new);
    }

    /// Something came out. For a [`Output::Send`], whether its recipient wants such messages, and wants them now.
    pub fn output(&mut self, now: Time, output: &Output, wants: bool, is_quiet: bool) {
        match output {
            Output::Accepted { message, trigger, channel, .. } => {
                *self.accepted.entry(*channel).or_default() += 1;
                let seen = self.messages.entry(*message).or_insert_with(|| Seen {
                    channel: *channel,
                    events: BTreeMap::new(),
                    count: 0,
                    gone: 0,
                    account: Account::Pending,
                    attempts: 0,
                });
                *seen.events.entry(trigger.clone()).or_default() += 1;
                seen.count += 1;
            }
            Output::Duplicate { .. } => {}
            Output::Send(order) => self.sent(now, order, wants, is_quiet),
            Output::State { message, state, events } => self.state(*message, *state, *events),
            Output::TemplateFailed { .. } => self.template_errors += 1,
        }
    }

    fn sent(&mut self, now: Time, order: &Order, wants: bool, is_quiet: bool) {
        let id = order.message;
        let triggers: Vec<Triggered> =
            order.triggers.iter().filter_map(|key| self.triggers.get(key)).cloned().collect();
        let is_critical = triggers.iter().all(|trigger| trigger.is_critical);
        if !wants && !is_critical {
            self.violations.push(Violation::OptedOut(id));
        }
        if is_quiet && !is_critical {
            self.violations.push(Violation::Disturbed(id));
        }
        if triggers.iter().all(|trigger| trigger.expires_at <= now) {
            self.violations.push(Violation::HandedOutExpired(id));
        }
        let Some(seen) = self.messages.get_mut(&id) else {
            self.violations.push(Violation::WrongEvents(id));
            return;
        };
        seen.attempts += 1;
        let mut carried: BTreeMap<String, usize> = BTreeMap::new();
        for trigger in &order.triggers {
            *carried.entry(trigger.clone()).or_default() += 1;
        }
        let all_once = carried.values().all(|count| *count == 1)
            && carried.keys().all(|trigger| seen.events.contains_key(trigger))
            && carried.len() + seen.gone == seen.count;
        if !all_once {
            self.violations.push(Violation::WrongEvents(id));
        }
        for trigger in triggers.iter().filter(|_| seen.attempts == 1) {
            let longest = self.longest_wait.get(usize::from(trigger.priority)).copied().flatten();
            let waited = now.since(trigger.at);
            if longest.is_some_and(|longest| waited > longest) {
                self.violations.push(Violation::WaitedTooLong(id, waited));
            }
        }
    }

    fn state(&mut self, id: MessageId, state: DeliveryState, events: usize) {
        let Some(seen) = self.messages.get_mut(&id) else { return };
        let here = seen.count - seen.gone;
        if events < here {
            seen.gone += events;
            *self.went.entry((seen.channel, state.account())).or_default() += events as u64;
        } else {
            seen.account = state.account();
        }
    }

    /// A provider does what it was told. `has_key` says whether it delivers one key once.
    pub fn arrives(&mut self, order: &Order, has_key: bool) {
        let is_new = self.keys.insert((order.provider, order.idempotency_key.clone()));
        if has_key && !is_new {
            return;
        }
        for trigger in &order.triggers {
            let (recipient, channel) = (order.recipient, order.channel);
            if !self.arrived.insert((trigger.clone(), recipient, channel)) {
                let trigger = trigger.clone();
                self.violations.push(Violation::Twice { trigger, recipient, channel });
            }
        }
    }

    /// Whether everything is counted, and adds up.
    pub fn check<S: Store>(&mut self, delivery: &Delivery<S>) {
        let mut counts: BTreeMap<(Channel, Account), u64> = self.went.clone();
        for seen in self.messages.values() {
            *counts.entry((seen.channel, seen.account)).or_default() += (seen.count - seen.gone) as u64;
        }
        let mut kept: BTreeMap<Channel, u64> = BTreeMap::new();
        for (_, channel, state, events) in delivery.messages() {
            if state.account() == Account::Pending {
                *kept.entry(channel).or_default() += events as u64;
            }
        }
        for channel in Channel::ALL {
            let count = |account| counts.get(&(channel, account)).copied().unwrap_or(0);
            let expected = Tally {
                accepted: self.accepted.get(&channel).copied().unwrap_or(0),
                pending: count(Account::Pending),
                delivered: count(Account::Delivered),
                failed: count(Account::Failed),
                expired: count(Account::Expired),
                suppressed: count(Account::Suppressed),
            };
            let found = delivery.tally(channel);
            let sum = found.pending + found.delivered + found.failed + found.expired + found.suppressed;
            let kept = kept.get(&channel).copied().unwrap_or(0);
            if found != expected || sum != found.accepted || kept != found.pending {
                self.violations.push(Violation::Tally(channel, found));
            }
        }
        if delivery.template_errors() != self.template_errors {
            self.violations.push(Violation::TemplateErrors(delivery.template_errors()));
        }
    }

    /// Whether nothing is left over when there was time for everything.
    pub fn finish(&mut self) {
        let pending = self.messages.iter().filter(|(_, seen)| seen.account == Account::Pending);
        self.violations.extend(pending.map(|(id, _)| Violation::Lost(*id)));
    }
}
