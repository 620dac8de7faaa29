//! From the queue to a provider: what is asked at the last moment, and who gets it. Whatever cannot go now makes room for
//! what can.

#[cfg(test)]
use super::config::Starvation;
use super::config::{Channel, QuietRule};
use super::message::{MessageId, Order, Output};
use super::record::{DeliveryState, Event, Message, Suppression};
use super::{Delivery, FIRST_SWEEP, ThrottleKey};
use crate::notification::template::{Facts, RenderRequest, Rendered, TemplateError};
use crate::rate_limiter::{Forgettable, Limiter, SlidingLog, WindowConfig};
use crate::store::Store;
use crate::time::{Span, Time};

/// What is asked again after so long if quiet hours have no end within years.
const A_DAY: Span = Span::from_secs(86_400);

impl<S: Store> Delivery<S> {
    /// Hands out what the providers of a channel take.
    pub(super) fn pump(&mut self, now: Time, channel: Channel) {
        let at = channel.index();
        while self.wakes[at] <= now {
            let Some(id) = self.next(now, at) else { return };
            if !self.admit(now, id) {
                continue;
            }
            match self.take_permit(now, id) {
                Ok(provider) => {
                    if !self.hand_out(now, id, provider) {
                        return;
                    }
                }
                Err(Blocked::Channel(wait)) => {
                    self.wakes[at] = now + wait.max(Span::from_nanos(1));
                    return;
                }
                Err(Blocked::Message(wait)) => {
                    let until = now + wait.max(Span::from_nanos(1));
                    self.change(id, |message| message.until_ns = until.as_nanos());
                }
            }
        }
    }

    fn next(&self, now: Time, at: usize) -> Option<MessageId> {
        #[cfg(test)]
        match self.sabotage {
            Some(super::Sabotage::LeastUrgentFirst) => return self.queues[at].last(),
            Some(super::Sabotage::NeverAges) => return self.queues[at].next(now, Starvation::Strict),
            _ => {}
        }
        self.queues[at].next(now, self.config.starvation)
    }

    /// Whether a message may go now. If not, it has left the queue.
    fn admit(&mut self, now: Time, id: MessageId) -> bool {
        let Some(message) = self.messages.get(&id) else { return false };
        // What a provider may have stays as it is, and so does its key.
        let whole = message.is_uncertain && message.expires_at() > now;
        self.take_events(now, id, DeliveryState::Expired, |event| {
            !whole && event.expires_ns <= now.as_nanos()
        });
        let Some(message) = self.messages.get(&id).filter(|message| message.place().is_some()) else {
            return false;
        };
        let Some(category) = self.category(message.category) else { return true };
        let (is_critical, rule, throttle) = (category.is_critical, category.quiet_hours, category.throttle);
        let wants =
            self.preferences.wants(message.recipient, message.tenant, message.category, message.channel);
        if !wants && !is_critical && !self.ignores_opt_outs() {
            self.settle(now, id, DeliveryState::Suppressed(Suppression::OptedOut));
            return false;
        }
        if !is_critical && let Some(ends) = self.quiet_until(now, message) {
            match rule {
                QuietRule::Drop => {
                    self.settle(now, id, DeliveryState::Suppressed(Suppression::QuietHours));
                }
                QuietRule::Defer => self.defer(id, ends),
            }
            return false;
        }
        if let Some(throttle) = throttle
            && !message.is_cleared
        {
            let key = (message.recipient, message.category, message.channel);
            if !self.throttle(now, key, throttle) {
                self.settle(now, id, DeliveryState::Suppressed(Suppression::Throttled));
                return false;
            }
        }
        self.change(id, |message| (message.is_cleared, message.is_deferred) = (true, false));
        true
    }

    fn ignores_opt_outs(&self) -> bool {
        #[cfg(test)]
        return self.is_broken(super::Sabotage::IgnoresOptOut);
        #[cfg(not(test))]
        false
    }

    /// Whether somebody may get one more.
    fn throttle(&mut self, now: Time, key: ThrottleKey, config: WindowConfig) -> bool {
        if self.throttles.len() >= self.next_sweep {
            self.throttles.retain(|_, log| log.settled_at() > now);
            self.next_sweep = self.throttles.len().saturating_mul(2).max(FIRST_SWEEP);
        }
        if !self.throttles.contains_key(&key) {
            // A config that was checked has no throttle that is refused.
            self.throttles.extend(SlidingLog::new(config, now).ok().map(|log| (key, log)));
        }
        self.throttles.get_mut(&key).is_none_or(|log| log.check(now, 1).is_ok())
    }

    /// When the quiet hours end in which the recipient is now.
    fn quiet_until(&self, now: Time, message: &Message) -> Option<Time> {
        #[cfg(test)]
        if self.is_broken(super::Sabotage::IgnoresQuietHours) {
            return None;
        }
        let quiet = self.preferences.profile(message.recipient)?.quiet_hours.as_ref()?;
        quiet.contains(now, self.clock).then(|| quiet.next_change(now, self.clock).unwrap_or(now + A_DAY))
    }

    fn defer(&mut self, id: MessageId, until: Time) {
        #[cfg(test)]
        if self.is_broken(super::Sabotage::LosesDeferred) {
            self.change(id, |message| message.until_ns = u64::MAX);
            return;
        }
        self.change(id, |message| (message.until_ns, message.is_deferred) = (until.as_nanos().max(1), true));
    }

    /// A permit of the provider that is to have it: its place among those of the channel.
    fn take_permit(&mut self, now: Time, id: MessageId) -> Result<usize, Blocked> {
        let Some(message) = self.messages.get(&id) else { return Err(Blocked::Channel(Span::MAX)) };
        let first = usize::from(message.next_provider);
        let providers = &mut self.providers[message.channel.index()];
        let mut wait = Span::MAX;
        for (at, provider) in providers.iter_mut().enumerate().skip(first) {
            match provider.try_take(now) {
                Ok(()) => return Ok(at),
                Err(more) => wait = wait.min(more),
            }
            // Where it may be already, no other may be asked.
            if message.is_uncertain || !provider.config.spills {
                break;
            }
        }
        let is_special = message.is_uncertain || first > 0;
        Err(if is_special { Blocked::Message(wait) } else { Blocked::Channel(wait) })
    }

    /// Gives a message to a provider. Whether the queue goes on.
    fn hand_out(&mut self, now: Time, id: MessageId, at: usize) -> bool {
        let Some(message) = self.messages.get(&id) else { return true };
        let (channel, priority, ready) =
            (message.channel, message.priority, Time::from_nanos(message.ready_ns));
        let Some(provider) = self.providers[channel.index()].get(at).map(|provider| provider.config) else {
            return true;
        };
        let Rendered { subject, body } = match self.write(message) {
            Ok(written) => written,
            Err(error) => {
                #[cfg(test)]
                if self.is_broken(super::Sabotage::StopsAtTemplateErrors) {
                    return false;
                }
                let fallback = self.category(message.category).map(|category| category.fallback.clone());
                self.tallies.template_errors = self.tallies.template_errors.saturating_add(1);
                self.outputs.push(Output::TemplateFailed { message: id, error });
                Rendered { subject: String::new(), body: fallback.unwrap_or_default() }
            }
        };
        let until = now + provider.ack_timeout;
        self.queues[channel.index()].note_taken(now, self.config.starvation, priority, ready);
        let order = self.change(id, |message| {
            message.attempts = message.attempts.saturating_add(1);
            message.state = DeliveryState::Sending;
            (message.provider, message.next_provider) = (Some(provider.id), at as u8);
            message.until_ns = until.as_nanos();
            let expires = message.expires_at();
            Order {
                message: id,
                attempt: message.attempts,
                provider: provider.id,
                channel,
                recipient: message.recipient,
                subject,
                body,
                idempotency_key: message.idempotency_key(),
                triggers: message.events.iter().map(|event| event.trigger.clone()).collect(),
                expires_at: (expires < Time::MAX).then_some(expires),
            }
        });
        #[cfg(test)]
        let order = order.map(|order| self.spoiled(order));
        self.outputs.extend(order.map(Output::Send));
        true
    }

    #[cfg(test)]
    fn spoiled(&self, mut order: Order) -> Order {
        match self.sabotage {
            Some(super::Sabotage::NewKeyPerAttempt) => order.idempotency_key += &order.attempt.to_string(),
            Some(super::Sabotage::DigestLosesOne) if order.triggers.len() > 1 => _ = order.triggers.pop(),
            _ => {}
        }
        order
    }

    fn write(&self, message: &Message) -> Result<Rendered, TemplateError> {
        let Some(category) = self.category(message.category) else { return Ok(Rendered::default()) };
        let facts = |event: &Event| event.facts.clone();
        let values = message.events.first().map(facts).unwrap_or_default();
        let facts = Facts { values, events: message.events.iter().map(facts).collect() };
        let locale =
            self.preferences.profile(message.recipient).map_or("", |profile| profile.locale.as_str());
        self.templates.render(&RenderRequest {
            template: &category.template,
            version: message.template_version,
            locale,
            facts: &facts,
        })
    }
}

/// Why a message waits for a provider.
enum Blocked {
    /// All of its channel wait as well.
    Channel(Span),
    /// It alone does.
    Message(Span),
}
