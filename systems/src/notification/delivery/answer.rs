//! What providers say and what time brings: failover, another round, the next channel, and how a message ends.

use super::Delivery;
use super::config::{Channel, Milestone, UnknownRule};
use super::intake::Plan;
use super::message::{Answer, MessageId, Output, Receipt, Rejected};
use super::record::{Account, DeliveryState, FailureKind, Suppression};
use crate::arithmetic::keyed_word;
use crate::retry::{FailedAttempt, Pauses, RetryDecision};
use crate::store::Store;
use crate::time::{Span, Time};

use DeliveryState as S;

impl DeliveryState {
    /// The state after a receipt; the same if it says nothing new, `None` if it cannot be.
    pub const fn after(self, receipt: Receipt) -> Option<DeliveryState> {
        match (self, receipt) {
            // What was never sent on purpose was not sent.
            (S::Suppressed(_), _) => None,
            (S::Seen, Receipt::Delivered | Receipt::Seen) => Some(S::Seen),
            (S::Read, Receipt::Delivered | Receipt::Seen | Receipt::Read) => Some(S::Read),
            (S::Seen | S::Read, Receipt::Bounced | Receipt::Undelivered) => None,
            (S::Bounced, Receipt::Bounced) => Some(S::Bounced),
            (S::Bounced | S::Undelivered, Receipt::Undelivered) => Some(self),
            (S::Failed(_) | S::Expired, Receipt::Bounced | Receipt::Undelivered) => None,
            (_, Receipt::Delivered) => Some(S::Delivered),
            (_, Receipt::Seen) => Some(S::Seen),
            (_, Receipt::Read) => Some(S::Read),
            (_, Receipt::Bounced) => Some(S::Bounced),
            (_, Receipt::Undelivered) => Some(S::Undelivered),
        }
    }

    const fn has_reached(self, milestone: Milestone) -> bool {
        match milestone {
            Milestone::Delivered => matches!(self, S::Delivered | S::Seen | S::Read),
            Milestone::Seen => matches!(self, S::Seen | S::Read),
            Milestone::Read => matches!(self, S::Read),
        }
    }
}

/// A word of the sequence that the seed names, for one round of one message.
pub(super) fn next_word(seed: u64, message: MessageId, round: u32) -> u64 {
    keyed_word(seed ^ message.0.rotate_left(32), u64::from(round))
}

impl<K: Store> Delivery<K> {
    pub(super) fn answer(
        &mut self,
        now: Time,
        id: MessageId,
        attempt: u32,
        answer: Answer,
    ) -> Result<(), Rejected> {
        let message = self.messages.get(&id).ok_or(Rejected::UnknownMessage(id))?;
        let is_awaited = message.state == S::Sending && attempt == message.attempts;
        // A late yes is a yes, whatever was thought meanwhile.
        let undecided = matches!(message.state, S::Queued | S::Sending | S::Failed(_) | S::Expired);
        let is_late_yes =
            answer == Answer::Accepted && undecided && (1..=message.attempts).contains(&attempt);
        if !is_awaited && !is_late_yes {
            return Err(Rejected::NotExpected(id, attempt));
        }
        match answer {
            Answer::Accepted => self.accepted(now, id),
            Answer::Refused => self.settle(now, id, S::Failed(FailureKind::Refused)),
            Answer::Failed => self.next_provider(now, id),
            Answer::Unknown => self.unknown(now, id),
        }
        Ok(())
    }

    pub(super) fn receipt(&mut self, now: Time, id: MessageId, receipt: Receipt) -> Result<(), Rejected> {
        let message = self.messages.get(&id).ok_or(Rejected::UnknownMessage(id))?;
        let refused = Rejected::IllegalTransition(message.state, receipt);
        if message.attempts == 0 {
            return Err(refused);
        }
        let state = message.state.after(receipt).ok_or(refused)?;
        if state != message.state {
            self.settle(now, id, state);
        }
        Ok(())
    }

    fn accepted(&mut self, now: Time, id: MessageId) {
        let Some(message) = self.messages.get(&id) else { return };
        let rung = self.category(message.category).and_then(|category| {
            category.ladders.get(usize::from(message.ladder))?.get(usize::from(message.rung)).copied()
        });
        let escalate = rung.and_then(|rung| rung.escalate_unless).map(|(_, within)| now + within);
        let escalate =
            escalate.filter(|_| !message.has_escalated && !message.is_cancelled).unwrap_or(Time::MAX);
        let wait = self.receipt_wait(message.channel);
        self.change(id, |message| message.escalate_ns = escalate.as_nanos());
        match wait {
            None => self.settle(now, id, S::Delivered),
            Some(wait) => {
                let events = self.change(id, |message| {
                    message.state = S::Sent;
                    message.until_ns = (now + wait).as_nanos().max(1);
                    message.events.len()
                });
                let events = events.unwrap_or(0);
                self.outputs.push(Output::State { message: id, state: S::Sent, events });
            }
        }
    }

    fn receipt_wait(&self, channel: Channel) -> Option<Span> {
        self.config.receipts.iter().find(|(of, _)| *of == channel).map(|(_, wait)| *wait)
    }

    /// The provider may have it. One with keys is asked again, and no other; without keys the config decides.
    fn unknown(&mut self, now: Time, id: MessageId) {
        let Some(message) = self.messages.get(&id) else { return };
        let providers = &self.providers[message.channel.index()];
        let has_key = providers
            .get(usize::from(message.next_provider))
            .is_some_and(|provider| provider.config.has_idempotency_key);
        #[cfg(test)]
        if self.is_broken(super::Sabotage::FailsOverFromUnknown) {
            return self.next_provider(now, id);
        }
        match (has_key, self.config.unknown) {
            (true, _) => {
                self.change(id, |message| message.is_uncertain = true);
                self.next_round(now, id);
            }
            (false, UnknownRule::AtLeastOnce) => self.next_provider(now, id),
            (false, UnknownRule::AtMostOnce) => {
                self.settle(now, id, S::Failed(FailureKind::Uncertain));
            }
        }
    }

    /// The provider does not have it: the next one at once, or all of them later.
    fn next_provider(&mut self, now: Time, id: MessageId) {
        let Some(message) = self.messages.get(&id) else { return };
        let next = usize::from(message.next_provider) + 1;
        if message.is_uncertain || next >= self.providers[message.channel.index()].len() {
            return self.next_round(now, id);
        }
        if message.is_cancelled {
            return self.settle(now, id, S::Suppressed(Suppression::Cancelled));
        }
        self.change(id, |message| {
            (message.state, message.until_ns, message.next_provider) = (S::Queued, 0, next as u8);
        });
    }

    fn next_round(&mut self, now: Time, id: MessageId) {
        let Some(message) = self.messages.get(&id) else { return };
        if message.is_cancelled {
            return self.settle(now, id, S::Suppressed(Suppression::Cancelled));
        }
        let rounds = message.rounds.saturating_add(1);
        let expires = message.expires_at();
        let failed = FailedAttempt {
            attempt: rounds,
            pauses: Pauses::after(rounds),
            time_left: (expires < Time::MAX).then(|| expires.since(now)),
            ..FailedAttempt::FIRST
        };
        let kind = if message.is_uncertain { FailureKind::Uncertain } else { FailureKind::Exhausted };
        let pause = match self.config.retry.propose(&failed, next_word(self.config.seed, id, rounds)) {
            RetryDecision::RetryAfter(pause) => pause,
            RetryDecision::Resend => Span::ZERO,
            RetryDecision::GiveUp(_) => return self.settle(now, id, S::Failed(kind)),
        };
        self.change(id, |message| {
            message.state = S::Queued;
            message.rounds = rounds;
            message.until_ns = (now + pause).as_nanos().max(1);
            if !message.is_uncertain {
                message.next_provider = 0;
            }
        });
    }

    /// Ends a message, or moves one that had ended. What failed goes on by the next channel.
    pub(super) fn settle(&mut self, now: Time, id: MessageId, state: DeliveryState) {
        let keep = self.config.keep_settled;
        let ended = self.change(id, |message| {
            message.state = state;
            message.until_ns = 0;
            // Somebody who does not want it by this channel, or cannot be reached by it, may well by the next.
            let goes_on = state.account() == Account::Failed || state == S::Suppressed(Suppression::OptedOut);
            if state.account() != Account::Delivered {
                message.escalate_ns = u64::MAX;
            }
            // Not before it is known whether the next rung has to be taken.
            let escalation = if message.escalate_ns == u64::MAX { 0 } else { message.escalate_ns + 1 };
            message.forget_ns = (now + keep).as_nanos().max(escalation);
            (goes_on && !message.is_cancelled, message.close_digest(), message.events.len())
        });
        let Some((goes_on, digest, events)) = ended else { return };
        if let Some(digest) = digest {
            self.digests.remove(&digest);
        }
        #[cfg(test)]
        if self.is_broken(super::Sabotage::ForgetsToCountExpired) && state == S::Expired {
            let channel = self.messages[&id].channel;
            self.tallies.by_channel[channel.index()].take(Account::Expired, events);
        }
        self.outputs.push(Output::State { message: id, state, events });
        self.forget_cancellations(id);
        if goes_on {
            self.escalate(now, id);
        }
    }

    fn forget_cancellations(&mut self, id: MessageId) {
        let Some(message) = self.messages.get(&id) else { return };
        for key in message.events.iter().filter_map(|event| event.cancellation_key.as_ref()) {
            if let Some(ids) = self.by_cancellation.get_mut(key) {
                ids.remove(&id);
                if ids.is_empty() {
                    self.by_cancellation.remove(key);
                }
            }
        }
    }

    /// Takes the next rung, once.
    fn escalate(&mut self, now: Time, id: MessageId) {
        let Some(message) = self.messages.get(&id).filter(|message| !message.has_escalated) else { return };
        let is_worth = |expires_ns: u64| expires_ns > now.as_nanos();
        let events: Vec<_> =
            message.events.iter().filter(|event| is_worth(event.expires_ns)).cloned().collect();
        let plan = Plan {
            tenant: message.tenant,
            recipient: message.recipient,
            category: message.category,
            ladder: message.ladder,
            rung: message.rung.saturating_add(1),
            priority: message.priority,
            events,
            start: now,
            digest: None,
        };
        self.change(id, |message| message.has_escalated = true);
        if !plan.events.is_empty() {
            self.start(now, plan);
        }
    }

    /// Does what is due for one message.
    pub(super) fn serve(&mut self, now: Time, id: MessageId) {
        let Some(message) = self.messages.get(&id) else {
            self.timers.retain(|(_, other)| *other != id);
            return;
        };
        let is_due = |ns: u64| ns <= now.as_nanos();
        if is_due(message.escalate_ns) {
            let milestone = self.category(message.category).and_then(|category| {
                category
                    .ladders
                    .get(usize::from(message.ladder))?
                    .get(usize::from(message.rung))?
                    .escalate_unless
            });
            let goes_on = milestone.is_some_and(|(milestone, _)| !message.state.has_reached(milestone));
            self.change(id, |message| message.escalate_ns = u64::MAX);
            if goes_on {
                self.escalate(now, id);
            }
            return;
        }
        match message.state {
            S::Queued if is_due(message.expires_at().as_nanos()) => self.settle(now, id, S::Expired),
            S::Queued => self.make_ready(now, id),
            S::Sending => self.unknown(now, id),
            S::Sent => self.settle(now, id, S::Undelivered),
            S::Delivered | S::Bounced | S::Undelivered | S::Seen | S::Read => self.forget(id),
            S::Failed(_) | S::Expired | S::Suppressed(_) => self.forget(id),
        }
    }

    fn forget(&mut self, id: MessageId) {
        if let Some(message) = self.messages.remove(&id) {
            self.timers.remove(&(message.timer, id));
            self.changed.insert(id);
        }
    }
}
