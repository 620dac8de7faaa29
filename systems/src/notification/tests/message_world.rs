//! A delivery, providers that fail in every way, and people; watched by the audit.

use crate::notification::audit::MessageAudit;
use crate::notification::delivery::*;
use crate::notification::template::{Escape, MissingVariable, PlainTemplates, TemplateSource};
use crate::notification::*;
use crate::store::{MemoryStore, Store};
use crate::time::{Span, Time};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) const LATENCY: Span = Span::from_millis(200);

pub(super) const PLAIN: CategoryId = CategoryId(1);
pub(super) const CODE: CategoryId = CategoryId(2);
pub(super) const DIGEST: CategoryId = CategoryId(3);
pub(super) const CRITICAL: CategoryId = CategoryId(4);
pub(super) const BROKEN: CategoryId = CategoryId(5);
pub(super) const LADDER: CategoryId = CategoryId(6);
pub(super) const FEW: CategoryId = CategoryId(7);

pub(super) const MAIL_A: ProviderId = ProviderId(1);
pub(super) const MAIL_B: ProviderId = ProviderId(2);
pub(super) const SMS: ProviderId = ProviderId(3);
pub(super) const PUSH: ProviderId = ProviderId(4);

pub(super) const ANN: RecipientId = RecipientId(1);
pub(super) const BOB: RecipientId = RecipientId(2);

/// What a provider does with an order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Mode {
    Works,
    /// Says that it does not take it.
    Down,
    /// Takes nothing and says nothing.
    Silent,
    /// Delivers it, and the answer is lost.
    AckLost,
    Refuses,
}

pub(super) fn config() -> DeliveryConfig {
    use crate::rate_limiter::{WindowAlignment, WindowConfig};
    let category = |id, channel, change: &dyn Fn(&mut CategoryConfig)| {
        let mut category = CategoryConfig::new(id, channel, "text");
        category.fallback = "see the product".into();
        change(&mut category);
        category
    };
    let three_an_hour =
        WindowConfig { limit: 3, window: Span::from_secs(3_600), alignment: WindowAlignment::Clock };
    let push_then_sms = vec![
        Rung { channel: Channel::Push, escalate_unless: Some((Milestone::Seen, Span::from_secs(300))) },
        Rung::by(Channel::Sms),
    ];
    DeliveryConfig {
        providers: vec![
            ProviderConfig::new(MAIL_A, Channel::Email),
            ProviderConfig::new(MAIL_B, Channel::Email),
            ProviderConfig::new(SMS, Channel::Sms),
            ProviderConfig::new(PUSH, Channel::Push),
        ],
        categories: vec![
            category(PLAIN, Channel::Email, &|_| {}),
            category(CODE, Channel::Sms, &|it| {
                (it.ttl, it.priority) = (Some(Span::from_secs(120)), 0);
            }),
            category(DIGEST, Channel::Email, &|it| {
                it.digest = Some(DigestConfig { window: Span::from_secs(600), max_events: 5 });
            }),
            category(CRITICAL, Channel::Email, &|it| (it.is_critical, it.priority) = (true, 0)),
            category(BROKEN, Channel::Email, &|it| it.template = "broken".into()),
            category(LADDER, Channel::Push, &|it| it.ladders = vec![push_then_sms.clone()]),
            category(FEW, Channel::Email, &|it| it.throttle = Some(three_an_hour)),
        ],
        ..DeliveryConfig::new()
    }
}

pub(super) fn templates() -> Box<PlainTemplates> {
    let source = |name: &str, body: &str| TemplateSource {
        name: name.into(),
        version: 1,
        subject: "news".into(),
        body: body.into(),
        escape: Escape::None,
        ..TemplateSource::default()
    };
    let templates = PlainTemplates::new(MissingVariable::Error);
    Box::new(
        templates.with(source("text", "{{ event_count }} new")).with(source("broken", "{{ nobody_knows }}")),
    )
}

pub(super) struct MessageWorld<S = MemoryStore> {
    pub(super) delivery: Delivery<S>,
    pub(super) audit: MessageAudit,
    pub(super) now: Time,
    pub(super) config: DeliveryConfig,
    pub(super) modes: BTreeMap<ProviderId, Mode>,
    pub(super) orders: Vec<(Time, Order)>,
    pub(super) outputs: Vec<(Time, Output)>,
    mail: BTreeMap<(Time, u64), (MessageId, u32, Answer)>,
    sent: u64,
    steps: u64,
    quiet: BTreeMap<RecipientId, Arc<TimeInterval>>,
    clock: WallClock,
}

impl MessageWorld {
    pub(super) fn new(config: DeliveryConfig, sabotage: Option<Sabotage>) -> MessageWorld {
        MessageWorld::over(MemoryStore::new(), config, sabotage)
    }
}

impl<S: Store> MessageWorld<S> {
    pub(super) fn over(store: S, config: DeliveryConfig, sabotage: Option<Sabotage>) -> MessageWorld<S> {
        let delivery =
            Delivery::open(store, config.clone(), templates(), Time::ZERO).unwrap().sabotaged(sabotage);
        MessageWorld {
            delivery,
            audit: MessageAudit::default(),
            now: Time::ZERO,
            config,
            modes: BTreeMap::new(),
            orders: Vec::new(),
            outputs: Vec::new(),
            mail: BTreeMap::new(),
            sent: 0,
            steps: 0,
            quiet: BTreeMap::new(),
            clock: WallClock::default(),
        }
    }

    /// From ten at night to seven in the morning, where it is always the time of the first meridian.
    pub(super) fn be_quiet(&mut self, recipient: RecipientId) {
        let times = vec![Minutes::between((22, 0), (7, 0))];
        let patterns = vec![TimePattern { times, ..TimePattern::default() }];
        let hours = Arc::new(TimeInterval { patterns, zone: Box::new(FixedOffset(0)) });
        self.quiet.insert(recipient, Arc::clone(&hours));
        let profile = Profile { locale: String::new(), quiet_hours: Some(hours) };
        self.delivery.preferences_mut().set_profile(recipient, profile);
    }

    pub(super) fn set_clock(&mut self, origin_unix_s: i64) {
        self.clock = WallClock { origin_unix_s };
        let mut out = Vec::new();
        self.delivery.set_clock(self.now, self.clock, &mut out).unwrap();
        self.carry_out(out);
    }

    pub(super) fn run_until(&mut self, until: Time) {
        loop {
            let mail = self.mail.keys().next().map(|(due, _)| *due);
            let due = self.delivery.deadline().into_iter().chain(mail).min();
            let Some(due) = due.filter(|due| *due <= until) else { break };
            self.now = self.now.max(due);
            self.steps += 1;
            if self.steps > 10_000 {
                // Something is due for ever: what does not move will be found.
                break;
            }
            if let Some(entry) = self.mail.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let (message, attempt, answer) = entry.remove();
                // A late answer may come when nobody waits for it any more.
                let _ = self.give(Input::Answer { message, attempt, answer });
                continue;
            }
            let mut out = Vec::new();
            self.delivery.expire(self.now, &mut out).unwrap();
            self.carry_out(out);
        }
        self.now = until;
    }

    pub(super) fn pass(&mut self, span: Span) {
        let until = self.now + span;
        self.run_until(until);
    }

    pub(super) fn give(&mut self, input: Input) -> Result<(), Rejected> {
        let mut out = Vec::new();
        let result = self.delivery.handle(self.now, input, &mut out);
        self.carry_out(out);
        result
    }

    pub(super) fn trigger(&mut self, trigger: Trigger) {
        let category = self.config.categories.iter().find(|it| it.id == trigger.category).unwrap();
        let ttl = category.ttl.map_or(Time::MAX, |ttl| self.now + ttl);
        let expires_at = trigger.expires_at.unwrap_or(Time::MAX).min(ttl);
        let priority = trigger.priority.unwrap_or(category.priority);
        self.audit.triggered(self.now, &trigger, expires_at, category.is_critical, priority);
        self.give(Input::Trigger(trigger)).unwrap();
    }

    fn carry_out(&mut self, out: Vec<Output>) {
        for output in out {
            let (wants, is_quiet) = match &output {
                Output::Send(order) => self.wishes(order),
                _ => (true, false),
            };
            self.audit.output(self.now, &output, wants, is_quiet);
            self.outputs.push((self.now, output.clone()));
            if let Output::Send(order) = output {
                self.serve(order);
            }
        }
        self.audit.check(&self.delivery);
    }

    fn wishes(&self, order: &Order) -> (bool, bool) {
        let category = self.category_of(order);
        let preferences = self.delivery.preferences();
        let wants = preferences.wants(order.recipient, TenantId(0), category, order.channel);
        let quiet = self.quiet.get(&order.recipient);
        (wants, quiet.is_some_and(|hours| hours.contains(self.now, self.clock)))
    }

    /// Keys of triggers begin with the number of their category.
    fn category_of(&self, order: &Order) -> CategoryId {
        let number = order.triggers[0].split('-').next().unwrap();
        CategoryId(number.parse().unwrap())
    }

    /// The provider's part.
    fn serve(&mut self, order: Order) {
        let provider = self.config.providers.iter().find(|it| it.id == order.provider).unwrap();
        let mode = self.modes.get(&order.provider).copied().unwrap_or(Mode::Works);
        if matches!(mode, Mode::Works | Mode::AckLost) {
            self.audit.arrives(&order, provider.has_idempotency_key);
        }
        let answer = match mode {
            Mode::Works => Some(Answer::Accepted),
            Mode::Down => Some(Answer::Failed),
            Mode::Refuses => Some(Answer::Refused),
            Mode::Silent | Mode::AckLost => None,
        };
        if let Some(answer) = answer {
            self.sent += 1;
            self.mail.insert((self.now + LATENCY, self.sent), (order.message, order.attempt, answer));
        }
        self.orders.push((self.now, order));
    }

    pub(super) fn found(&mut self) -> Vec<String> {
        self.audit.finish();
        self.audit.violations.iter().map(ToString::to_string).collect()
    }
}

/// A trigger whose key names its category.
pub(super) fn trigger(category: CategoryId, number: u64, recipient: RecipientId) -> Trigger {
    Trigger::new(format!("{}-{number}-{}", category.0, recipient.0), category, recipient)
}
