//! Settings of kind `notifier`, read from the file or refused with the place and what to write instead.

use std::collections::BTreeMap;

use foreshock_systems::notification::Minutes;
use foreshock_systems::notification::delivery::{
    CategoryConfig, CategoryId, Channel, DeliveryConfig, DigestConfig, ProviderConfig, ProviderId, QuietRule,
    Rung, Starvation, UnknownRule,
};
use foreshock_systems::rate_limiter::{RateLimitConfig, SlidingLog, WindowAlignment, WindowConfig};
use serde_json::{Map, Value};

use super::provider::{self, CHANNELS};
use crate::kernel::time::{Span, Time};
use crate::nodes::settings::{Reader, Wrong};
use crate::nodes::store::StoreKind;
use crate::scenario::Around;
use crate::scenario::quantity::{Count, Positive, Rate, Share};
use crate::scenario::suggest;

/// Settings of a notifier.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Settings {
    pub(super) store: StoreKind,
    /// By operation.
    categories: BTreeMap<String, CategorySettings>,
    /// By the name of the service.
    providers: BTreeMap<String, ProviderSettings>,
    retry_base: Span,
    retry_cap: Span,
    rounds: u32,
    unknown: UnknownRule,
    starvation: Starvation,
    key_ttl: Span,
    max_pending: u32,
    /// Whose hours are quiet, and when.
    pub(super) quiet: Option<Quiet>,
    /// What the wall clock shows at the start, in seconds of the day.
    pub(super) wall_clock_s: i64,
}

/// Quiet hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quiet {
    pub(super) hours: Minutes,
    /// Of the people.
    pub(super) share_ppm: u32,
}

/// What requests of one operation are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CategorySettings {
    /// A ladder; empty is the channel of the first provider.
    channels: Vec<Channel>,
    pub(super) priority: u8,
    pub(super) is_critical: bool,
    pub(super) opted_out_ppm: u32,
    quiet_hours: QuietRule,
    pub(super) digest: Option<DigestConfig>,
    throttle: Option<WindowConfig>,
    ttl: Option<Span>,
}

/// An operation of which the file says nothing.
const USUAL: CategorySettings = CategorySettings {
    channels: Vec::new(),
    priority: 2,
    is_critical: false,
    opted_out_ppm: 0,
    quiet_hours: QuietRule::Defer,
    digest: None,
    throttle: None,
    ttl: None,
};

/// How a provider is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ProviderSettings {
    rate: Option<RateLimitConfig>,
    spills: bool,
    ack_timeout: Option<Span>,
    /// What is believed of it; `None`: the truth.
    knows_keys: Option<bool>,
}

const KEYS: [&str; 13] = [
    "store",
    "fsync",
    "categories",
    "providers",
    "retry_base",
    "retry_cap",
    "rounds",
    "unknown",
    "aging",
    "key_ttl",
    "max_pending",
    "quiet_hours",
    "wall_clock",
];
const CATEGORY_KEYS: [&str; 8] =
    ["channels", "priority", "critical", "opted_out", "quiet_hours", "digest", "throttle", "ttl"];
const PROVIDER_KEYS: [&str; 5] = ["rate", "burst", "spills", "ack_timeout", "idempotency_keys"];

/// The settings, or everything that is wrong with them.
pub(super) fn read(written: &Map<String, Value>) -> Result<Settings, Wrong> {
    let mut wrong = Wrong::new();
    let mut reader = Reader { map: written, at: String::new(), wrong: &mut wrong };
    reader.refuse_unknown(&KEYS, "kind `notifier`");
    let retry_base = reader.positive_span("retry_base").unwrap_or(Span::from_secs(15));
    let retry_cap = reader.positive_span("retry_cap").unwrap_or(Span::from_secs(600).max(retry_base));
    if retry_cap < retry_base {
        reader.wrong_at("retry_cap", format!("is below `retry_base`, which is {retry_base}; raise it"));
    }
    let read = Settings {
        store: reader.store(),
        categories: reader
            .mappings("categories", "write `categories: {receipt: {channels: [email]}}`", |name, reader| {
                category(reader).map(|category| (name.to_string(), category))
            })
            .into_iter()
            .collect(),
        providers: reader
            .mappings("providers", "write `providers: {mail: {rate: 100/s}}`", |name, reader| {
                Some((name.to_string(), provider_use(reader)))
            })
            .into_iter()
            .collect(),
        retry_base,
        retry_cap,
        rounds: reader.value("rounds", Positive::read).map_or(8, |rounds| rounds.0),
        unknown: reader
            .choice(
                "unknown",
                &[("at_least_once", UnknownRule::AtLeastOnce), ("at_most_once", UnknownRule::AtMostOnce)],
            )
            .unwrap_or_default(),
        starvation: starvation(&mut reader),
        key_ttl: reader.positive_span("key_ttl").unwrap_or(Span::from_secs(86_400)),
        max_pending: reader.value("max_pending", Positive::read).map_or(1_000_000, |most| most.0),
        quiet: quiet(&mut reader),
        wall_clock_s: minute(&mut reader, "wall_clock").map_or(0, |minute| i64::from(minute) * 60),
    };
    if wrong.is_empty() { Ok(read) } else { Err(wrong) }
}

fn starvation(reader: &mut Reader<'_>) -> Starvation {
    if reader.map.get("aging").and_then(Value::as_str) == Some("never") {
        return Starvation::Strict;
    }
    Starvation::Aging(reader.positive_span("aging").unwrap_or(Span::from_secs(60)))
}

fn quiet(reader: &mut Reader<'_>) -> Option<Quiet> {
    let Value::Object(map) = reader.map.get("quiet_hours")? else {
        reader
            .wrong_at("quiet_hours", "says nothing; write `{from: \"22:00\", until: \"07:00\", share: 50%}`");
        return None;
    };
    let mut inner = Reader { map, at: "quiet_hours.".to_string(), wrong: reader.wrong };
    inner.refuse_unknown(&["from", "until", "share"], "quiet hours");
    for key in ["from", "until"].into_iter().filter(|key| !map.contains_key(*key)) {
        inner.missing(&format!("has no `{key}`: add `{key}: \"22:00\"`"));
    }
    let share_ppm = inner.value("share", Share::read).map_or(1_000_000, |share| share.0);
    let hours = Minutes { from: minute(&mut inner, "from")?, until: minute(&mut inner, "until")? };
    Some(Quiet { hours, share_ppm })
}

/// A time of day as `21:30`, in minutes.
fn minute(reader: &mut Reader<'_>, key: &str) -> Option<u16> {
    let value = reader.map.get(key)?;
    let parts = value.as_str().and_then(|text| text.split_once(':'));
    let parts = parts.and_then(|(hour, minute)| hour.parse::<u16>().ok().zip(minute.parse::<u16>().ok()));
    let found =
        parts.filter(|(hour, minute)| *hour < 24 && *minute < 60).map(|(hour, minute)| hour * 60 + minute);
    if found.is_none() {
        reader.wrong_at(key, "is no time of day; write `\"21:30\"`");
    }
    found
}

fn category(reader: &mut Reader<'_>) -> Option<CategorySettings> {
    reader.refuse_unknown(&CATEGORY_KEYS, "a category");
    let usual = USUAL;
    let priority = reader.value("priority", Count::read).map_or(u32::from(usual.priority), |value| value.0);
    if priority > 3 {
        reader.wrong_at("priority", "is out of range; write 0 (urgent) to 3");
    }
    Some(CategorySettings {
        channels: channels(reader),
        priority: priority.min(3) as u8,
        is_critical: reader.switch("critical").unwrap_or(usual.is_critical),
        opted_out_ppm: reader.value("opted_out", Share::read).map_or(0, |share| share.0),
        quiet_hours: reader
            .choice("quiet_hours", &[("defer", QuietRule::Defer), ("drop", QuietRule::Drop)])
            .unwrap_or_default(),
        digest: counted_window(reader, "digest", "max_events").map(|(window, most)| DigestConfig {
            window,
            max_events: most.map_or(usize::MAX, |most| most as usize),
        }),
        throttle: throttle(reader),
        ttl: reader.positive_span("ttl"),
    })
}

fn channels(reader: &mut Reader<'_>) -> Vec<Channel> {
    let Some(value) = reader.map.get("channels") else { return Vec::new() };
    let names = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    let mut ladder = Vec::new();
    for name in &names {
        let name = name.as_str().unwrap_or_default();
        match CHANNELS.iter().find(|(known, _)| *known == name) {
            Some((_, channel)) if ladder.contains(channel) => {
                reader.wrong_at("channels", format!("has `{name}` twice; keep one"));
            }
            Some((_, channel)) => ladder.push(*channel),
            None => {
                let known = CHANNELS.map(|(known, _)| known);
                let help = suggest::help(name, &known).map_or_else(String::new, |help| format!("; {help}"));
                reader.wrong_at("channels", format!("names `{name}`, which is no channel{help}"));
            }
        }
    }
    if names.is_empty() {
        reader.wrong_at("channels", "is empty; name one, such as `[email]`");
    }
    ladder
}

fn throttle(reader: &mut Reader<'_>) -> Option<WindowConfig> {
    let (window, limit) = counted_window(reader, "throttle", "limit")?;
    let limit = limit.map_or(1, u64::from);
    let config = WindowConfig { limit, window, alignment: WindowAlignment::default() };
    if let Err(error) = SlidingLog::new(config, Time::ZERO) {
        reader.wrong_at("throttle", error.to_string());
        return None;
    }
    Some(config)
}

/// A window of time with a number, as `{window: 10m, limit: 3}`.
fn counted_window(reader: &mut Reader<'_>, key: &str, number: &str) -> Option<(Span, Option<u32>)> {
    let Value::Object(map) = reader.map.get(key)? else {
        reader.wrong_at(key, format!("says nothing; write `{{window: 10m, {number}: 10}}`"));
        return None;
    };
    let at = format!("{}{key}.", reader.at);
    let mut inner = Reader { map, at, wrong: reader.wrong };
    inner.refuse_unknown(&["window", number], &format!("a {key}"));
    if !map.contains_key("window") {
        inner.missing("has no `window`: add `window: 10m`");
    }
    let number = inner.value(number, Positive::read).map(|number| number.0);
    Some((inner.positive_span("window")?, number))
}

fn provider_use(reader: &mut Reader<'_>) -> ProviderSettings {
    reader.refuse_unknown(&PROVIDER_KEYS, "a provider");
    let burst = reader.value("burst", Positive::read).map(|burst| u64::from(burst.0));
    let rate = reader.value("rate", Rate::read);
    if burst.is_some() && !reader.map.contains_key("rate") {
        reader.wrong_at("burst", "has no effect without a `rate`; add one");
    }
    let rate = rate.map(|rate| RateLimitConfig { rate_per_s_milli: rate.0, burst: burst.unwrap_or(1) });
    if let Some(Err(error)) = rate.map(|rate| rate.validate()) {
        reader.wrong_at("rate", error.to_string());
    }
    ProviderSettings {
        rate,
        spills: reader.switch("spills").unwrap_or(false),
        ack_timeout: reader.positive_span("ack_timeout"),
        knows_keys: reader.switch("idempotency_keys"),
    }
}

/// What is wrong with names of operations and of providers, and with channels that nobody carries.
pub(super) fn check_around(written: &Map<String, Value>, around: &Around<'_>) -> Wrong {
    let Ok(settings) = read(written) else { return Wrong::new() };
    let mut wrong = Wrong::new();
    let carried: Vec<Channel> = around.callees.iter().map(|(_, settings)| channel_of(settings)).collect();
    let operations: Vec<&str> = around.operations.iter().map(String::as_str).collect();
    for (name, category) in &settings.categories {
        if !operations.contains(&name.as_str()) {
            let help = suggest::help(name, &operations).map_or_else(String::new, |help| format!("; {help}"));
            wrong.push((
                format!("categories.{name}"),
                format!("no request is of the operation `{name}`{help}"),
            ));
        }
        for channel in category.channels.iter().filter(|channel| !carried.contains(channel)) {
            let channel = channel.name();
            let message = format!(
                "nobody that is called carries `{channel}`: call a provider with `channel: {channel}`"
            );
            wrong.push((format!("categories.{name}.channels"), message));
        }
    }
    let callees: Vec<&str> = around.callees.iter().map(|(name, _)| *name).collect();
    for name in settings.providers.keys().filter(|name| !callees.contains(&name.as_str())) {
        let help = suggest::help(name, &callees).map_or_else(String::new, |help| format!("; {help}"));
        wrong.push((format!("providers.{name}"), format!("it does not call `{name}`{help}")));
    }
    if wrong.is_empty()
        && !callees.is_empty()
        && let Err(error) = settings.config(around.operations, around.callees.iter().copied(), 0).validate()
    {
        wrong.push((String::new(), error.to_string()));
    }
    wrong
}

/// What a service that is called carries; one of another kind is mail.
fn channel_of(settings: &Map<String, Value>) -> Channel {
    provider::read(settings).map_or(Channel::Email, |settings| settings.channel)
}

impl Settings {
    pub(super) fn category(&self, operation: &str) -> &CategorySettings {
        static OTHER: CategorySettings = USUAL;
        self.categories.get(operation).unwrap_or(&OTHER)
    }

    /// The library's config: one category for each operation, one provider for each call.
    pub(super) fn config<'a>(
        &self,
        operations: &[String],
        callees: impl Iterator<Item = (&'a str, &'a Map<String, Value>)>,
        seed: u64,
    ) -> DeliveryConfig {
        let providers: Vec<ProviderConfig> = (0u32..)
            .zip(callees)
            .map(|(id, (name, truth))| {
                let usual = ProviderConfig::new(ProviderId(id), channel_of(truth));
                let used = self.providers.get(name).copied().unwrap_or_default();
                let truth = provider::read(truth).is_ok_and(|truth| truth.knows_keys);
                ProviderConfig {
                    rate: used.rate,
                    spills: used.spills,
                    has_idempotency_key: used.knows_keys.unwrap_or(truth),
                    ack_timeout: used.ack_timeout.unwrap_or(usual.ack_timeout),
                    ..usual
                }
            })
            .collect();
        let first = providers.first().map_or(Channel::Email, |provider| provider.channel);
        let categories = (0u32..).zip(operations).map(|(id, operation)| {
            let settings = self.category(operation);
            let usual = CategoryConfig::new(CategoryId(id), first, super::notifier::TEMPLATE);
            let ladder: Vec<Rung> = settings.channels.iter().copied().map(Rung::by).collect();
            CategoryConfig {
                ladders: if ladder.is_empty() { usual.ladders } else { vec![ladder] },
                priority: settings.priority,
                is_critical: settings.is_critical,
                quiet_hours: settings.quiet_hours,
                digest: settings.digest,
                throttle: settings.throttle,
                ttl: settings.ttl,
                ..usual
            }
        });
        let mut config = DeliveryConfig::new();
        config.categories = categories.collect();
        config.providers = providers;
        config.retry.max_attempts = self.rounds;
        config.retry.backoff.base = self.retry_base;
        config.retry.backoff.cap = self.retry_cap;
        config.unknown = self.unknown;
        config.starvation = self.starvation;
        config.keep_keys = self.key_ttl;
        config.max_pending = self.max_pending as usize;
        config.seed = seed;
        config
    }
}
