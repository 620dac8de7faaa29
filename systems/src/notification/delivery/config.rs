//! What a delivery is told: channels, providers, categories. Plain data, checked once.

use crate::rate_limiter::{RateLimitConfig, RateLimitError, WindowConfig, WindowError};
use crate::retry::{BackoffConfig, BackoffKind, Jitter, RetryConfig, RetryError};
use crate::store::StoreError;
use crate::time::Span;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// How somebody is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Channel {
    /// Mail.
    Email,
    /// Text message.
    Sms,
    /// On the lock screen.
    Push,
    /// In a chat room.
    Chat,
    /// A call to somebody's server.
    Webhook,
    /// In the product itself.
    InApp,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Channel; 6] =
        [Channel::Email, Channel::Sms, Channel::Push, Channel::Chat, Channel::Webhook, Channel::InApp];

    pub(super) const fn index(self) -> usize {
        self as usize
    }

    /// In small letters.
    pub const fn name(self) -> &'static str {
        match self {
            Channel::Email => "email",
            Channel::Sms => "sms",
            Channel::Push => "push",
            Channel::Chat => "chat",
            Channel::Webhook => "webhook",
            Channel::InApp => "in_app",
        }
    }
}

/// Who carries messages of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProviderId(pub u32);

/// What a message is about, as far as people can choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CategoryId(pub u32);

/// A provider. Of several for one channel the first is asked first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProviderConfig {
    /// Its name.
    pub id: ProviderId,
    /// What it carries.
    pub channel: Channel,
    /// How fast it may be asked.
    pub rate: Option<RateLimitConfig>,
    /// How much it carries in a day, or a month.
    pub quota: Option<WindowConfig>,
    /// Whether what it cannot take now goes to the next provider at once, instead of waiting for this one.
    pub spills: bool,
    /// Whether it delivers the same key once, however often it is given it.
    pub has_idempotency_key: bool,
    /// Without an answer for so long nobody knows what it did. Above zero.
    pub ack_timeout: Span,
}

impl ProviderConfig {
    /// Unlimited, with idempotency keys, and 10 s to answer.
    pub const fn new(id: ProviderId, channel: Channel) -> ProviderConfig {
        let ack_timeout = Span::from_secs(10);
        ProviderConfig {
            id,
            channel,
            rate: None,
            quota: None,
            spills: false,
            has_idempotency_key: true,
            ack_timeout,
        }
    }
}

/// How far a message has to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Milestone {
    /// It has arrived.
    Delivered,
    /// It was shown.
    Seen,
    /// It was read.
    Read,
}

/// One step of a ladder of channels. The next one is taken if this one fails, or if its message does not come far enough
/// in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rung {
    /// By which channel.
    pub channel: Channel,
    /// How far the message has to come, and how soon after a provider took it.
    pub escalate_unless: Option<(Milestone, Span)>,
}

impl Rung {
    /// By a channel; the next one only if it fails.
    pub const fn by(channel: Channel) -> Rung {
        Rung { channel, escalate_unless: None }
    }
}

/// What becomes of messages in somebody's quiet hours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QuietRule {
    /// They come when the hours are over.
    #[default]
    Defer,
    /// They do not come.
    Drop,
}

/// Several events in one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DigestConfig {
    /// How long it is open, from its first event on. Above zero.
    pub window: Span,
    /// With so many it goes at once. At least 1.
    pub max_events: usize,
}

/// What people are told about, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CategoryConfig {
    /// Its name.
    pub id: CategoryId,
    /// Ladders of channels; all begin at once.
    pub ladders: Vec<Vec<Rung>>,
    /// 0 is the most urgent, 3 the least.
    pub priority: u8,
    /// Whether it comes against opt-outs and in quiet hours.
    pub is_critical: bool,
    /// In quiet hours.
    pub quiet_hours: QuietRule,
    /// Several events in one message.
    pub digest: Option<DigestConfig>,
    /// The most messages that one recipient gets by one channel; others are dropped.
    pub throttle: Option<WindowConfig>,
    /// How long after the trigger a message is worth anything.
    pub ttl: Option<Span>,
    /// The name of the template.
    pub template: String,
    /// What is said if the template fails.
    pub fallback: String,
}

impl CategoryConfig {
    /// By one channel, at the least urgent but one priority, with nothing special about it.
    pub fn new(id: CategoryId, channel: Channel, template: &str) -> CategoryConfig {
        CategoryConfig {
            id,
            ladders: vec![vec![Rung::by(channel)]],
            priority: 2,
            is_critical: false,
            quiet_hours: QuietRule::Defer,
            digest: None,
            throttle: None,
            ttl: None,
            template: template.into(),
            fallback: String::new(),
        }
    }
}

/// Whether the less urgent may starve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Starvation {
    /// A message moves up one class for each step that it waits. Above zero. Those that moved to the top take turns with
    /// those that belong there, so neither keeps the other out.
    Aging(Span),
    /// The most urgent first, always.
    Strict,
}

/// What if nobody knows whether a provider that has no idempotency key took a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownRule {
    /// It is sent again, by the next provider: it may come twice.
    #[default]
    AtLeastOnce,
    /// It is not: it may not come.
    AtMostOnce,
}

/// What a delivery is told.
#[derive(Clone, Debug, PartialEq)]
pub struct DeliveryConfig {
    /// Who carries messages.
    pub providers: Vec<ProviderConfig>,
    /// What they are about.
    pub categories: Vec<CategoryConfig>,
    /// Channels whose providers say later whether a message arrived, and how long that is waited for. On others a message
    /// has arrived when a provider took it.
    pub receipts: Vec<(Channel, Span)>,
    /// How a message is tried again when every provider of its channel has failed. Each round asks all of them.
    pub retry: RetryConfig,
    /// Where nobody knows what a provider did.
    pub unknown: UnknownRule,
    /// Whether the less urgent may starve.
    pub starvation: Starvation,
    /// How long the key of a trigger is remembered.
    pub keep_keys: Span,
    /// How long a message that is done with is remembered, for late receipts.
    pub keep_settled: Span,
    /// The most messages that wait; triggers beyond are refused. At least 1.
    pub max_pending: usize,
    /// Names the sequence of random words by which retries are spread.
    pub seed: u64,
}

impl DeliveryConfig {
    /// Nobody and nothing yet, with Knock's retries: up to eight over half an hour.
    pub fn new() -> DeliveryConfig {
        let backoff = BackoffConfig {
            kind: BackoffKind::Exponential { multiplier_milli: 2_000 },
            base: Span::from_secs(15),
            cap: Span::from_secs(10 * 60),
            jitter: Jitter::Proportional { ppm: 100_000 },
            first_exponent: 0,
        };
        DeliveryConfig {
            providers: Vec::new(),
            categories: Vec::new(),
            receipts: Vec::new(),
            retry: RetryConfig { max_attempts: 8, backoff, max_transparent: 0, ..RetryConfig::default() },
            unknown: UnknownRule::AtLeastOnce,
            starvation: Starvation::Aging(Span::from_secs(60)),
            keep_keys: Span::from_secs(24 * 3_600),
            keep_settled: Span::from_secs(24 * 3_600),
            max_pending: 1_000_000,
            seed: 0,
        }
    }

    /// # Errors
    /// [`DeliveryError`] names the first thing that is wrong.
    pub fn validate(&self) -> Result<(), DeliveryError> {
        self.retry.validate().map_err(DeliveryError::Retry)?;
        let mut ids = BTreeSet::new();
        for provider in &self.providers {
            if !ids.insert(provider.id) {
                return Err(DeliveryError::TwoProviders(provider.id));
            }
            if let Some(rate) = provider.rate {
                rate.validate().map_err(DeliveryError::Rate)?;
            }
            if let Some(quota) = provider.quota {
                quota.validate().map_err(DeliveryError::Window)?;
            }
            if provider.ack_timeout.is_zero() {
                return Err(DeliveryError::Zero("ack_timeout"));
            }
        }
        if self.starvation == Starvation::Aging(Span::ZERO) {
            return Err(DeliveryError::Zero("the step of aging"));
        }
        if self.max_pending == 0 {
            return Err(DeliveryError::Zero("max_pending"));
        }
        self.categories.iter().enumerate().try_for_each(|(at, category)| self.check_category(at, category))
    }

    fn check_category(&self, at: usize, category: &CategoryConfig) -> Result<(), DeliveryError> {
        let id = category.id;
        if self.categories[..at].iter().any(|other| other.id == id) {
            return Err(DeliveryError::TwoCategories(id));
        }
        if category.priority > 3 {
            return Err(DeliveryError::Priority(id));
        }
        if category.ladders.is_empty() || category.ladders.iter().any(Vec::is_empty) {
            return Err(DeliveryError::NoChannel(id));
        }
        if category.ladders.len() > 200 || category.ladders.iter().any(|ladder| ladder.len() > 200) {
            return Err(DeliveryError::LongLadder(id));
        }
        let channels = category.ladders.iter().flatten().map(|rung| rung.channel);
        // Twice by one channel would be two messages for one trigger.
        let mut seen = BTreeSet::new();
        for channel in channels {
            if !seen.insert(channel) {
                return Err(DeliveryError::ChannelTwice(id, channel));
            }
            if !self.providers.iter().any(|provider| provider.channel == channel) {
                return Err(DeliveryError::NoProvider(id, channel));
            }
        }
        if let Some(digest) = category.digest
            && (digest.window.is_zero() || digest.max_events == 0)
        {
            return Err(DeliveryError::Zero("the window or max_events of a digest"));
        }
        category.throttle.map_or(Ok(()), |throttle| {
            crate::rate_limiter::SlidingLog::new(throttle, crate::time::Time::ZERO)
                .map(|_| ())
                .map_err(DeliveryError::Window)
        })
    }
}

impl Default for DeliveryConfig {
    fn default() -> DeliveryConfig {
        DeliveryConfig::new()
    }
}

/// Why a delivery's config is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryError {
    /// The retries.
    Retry(RetryError),
    /// A provider's rate.
    Rate(RateLimitError),
    /// A quota or throttle.
    Window(WindowError),
    /// Two providers have one name.
    TwoProviders(ProviderId),
    /// Two categories have one name.
    TwoCategories(CategoryId),
    /// A priority above 3.
    Priority(CategoryId),
    /// A category without a channel, or with an empty ladder.
    NoChannel(CategoryId),
    /// A category with more than 200 ladders or rungs.
    LongLadder(CategoryId),
    /// A channel stands twice in a category.
    ChannelTwice(CategoryId, Channel),
    /// Nobody carries a channel.
    NoProvider(CategoryId, Channel),
    /// Something has to be above zero.
    Zero(&'static str),
    /// The store.
    Store(StoreError),
}

impl fmt::Display for DeliveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeliveryError::Retry(error) => error.fmt(f),
            DeliveryError::Rate(error) => error.fmt(f),
            DeliveryError::Window(error) => error.fmt(f),
            DeliveryError::TwoProviders(id) => write!(f, "there are two providers {}: rename one", id.0),
            DeliveryError::TwoCategories(id) => write!(f, "there are two categories {}: rename one", id.0),
            DeliveryError::Priority(id) => write!(f, "category {}: a priority is 0 (urgent) to 3", id.0),
            DeliveryError::NoChannel(id) => write!(f, "category {}: every ladder needs a channel", id.0),
            DeliveryError::LongLadder(id) => write!(f, "category {}: at most 200 ladders and rungs", id.0),
            DeliveryError::ChannelTwice(id, channel) => {
                write!(f, "category {}: {} stands there twice: keep one", id.0, channel.name())
            }
            DeliveryError::NoProvider(id, channel) => {
                write!(f, "category {}: add a provider of {}", id.0, channel.name())
            }
            DeliveryError::Zero(what) => write!(f, "{what} has to be above zero"),
            DeliveryError::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for DeliveryError {}

/// One defect each, for the checkers to find.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::notification) enum Sabotage {
    IgnoresOptOut,
    IgnoresQuietHours,
    LosesDeferred,
    DigestsTwice,
    DigestLosesOne,
    ForgetsToCountExpired,
    ForgetsKeys,
    FailsOverFromUnknown,
    NewKeyPerAttempt,
    LeastUrgentFirst,
    NeverAges,
    HandsOutExpired,
    StopsAtTemplateErrors,
}
