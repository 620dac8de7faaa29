//! The settings of the three kinds that a card payment passes through.

use foreshock_systems::payment::{CaptureMethod, FailoverRule, KeptAnswers, ProcessorConfig};
use foreshock_systems::store::FsyncPolicy;
use serde_json::{Map, Value};

use crate::kernel::time::Span;
use crate::measure::KeyPolicy;
use crate::nodes::setting_table::{
    self as settings, Setting, Wrong, choice, lifetime, positive, range, share, span, up_to,
};
use crate::nodes::store::StoreKind;
use crate::scenario::Around;

/// Settings of kind `payments`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ProcessorSettings {
    pub(super) config: ProcessorConfig,
    pub(super) failover: FailoverRule,
    pub(super) kept_answers: KeptAnswers,
    pub(super) store: StoreKind,
}

const PROCESSOR: [Setting<ProcessorSettings>; 12] = [
    ("key_ttl", |settings, value| {
        settings.config.keys.ttl = lifetime(value)?;
        Ok(())
    }),
    ("keep_answers", |settings, value| {
        settings.kept_answers =
            choice(value, &[("all", KeptAnswers::All), ("success_only", KeptAnswers::SuccessOnly)])?;
        Ok(())
    }),
    ("first_check_after", |settings, value| {
        settings.config.resolution.first_check_after = lifetime(value)?;
        Ok(())
    }),
    ("check_interval", |settings, value| {
        settings.config.resolution.interval = lifetime(value)?;
        Ok(())
    }),
    ("max_checks", |settings, value| {
        settings.config.resolution.max_checks = up_to(value, 10_000)?;
        Ok(())
    }),
    ("payment_ttl", |settings, value| {
        settings.config.intent_ttl = lifetime(value)?;
        Ok(())
    }),
    ("inbox_ttl", |settings, value| {
        settings.config.inbox_ttl = lifetime(value)?;
        Ok(())
    }),
    ("keep", |settings, value| {
        settings.config.keep = lifetime(value)?;
        Ok(())
    }),
    ("max_attempts", |settings, value| {
        settings.config.max_attempts = up_to(value, 100)?;
        Ok(())
    }),
    ("failover", |settings, value| {
        settings.failover = choice(
            value,
            &[
                ("not_processed", FailoverRule::NotProcessed),
                ("soft_decline", FailoverRule::NotProcessedOrSoft),
                ("never", FailoverRule::Never),
            ],
        )?;
        Ok(())
    }),
    ("fee", |settings, value| {
        settings.config.fees.share_ppm = share(value)?;
        Ok(())
    }),
    ("fee_fixed", |settings, value| {
        settings.config.fees.fixed_minor = i64::from(positive(value)?);
        Ok(())
    }),
];

/// The settings of a processor, or everything that is wrong with them.
pub(super) fn processor(written: &Map<String, Value>) -> Result<ProcessorSettings, Vec<Wrong>> {
    let settings = ProcessorSettings {
        config: ProcessorConfig::default(),
        failover: FailoverRule::NotProcessed,
        kept_answers: KeptAnswers::All,
        store: StoreKind::Wal(FsyncPolicy::EveryCommit),
    };
    settings::read_stored(
        "a processor of payments",
        &PROCESSOR,
        settings,
        |settings| &mut settings.store,
        written,
    )
}

/// Settings of kind `payment-provider`. Shares are of operations, in parts per million.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ProviderSettings {
    pub(super) decline_ppm: u32,
    pub(super) hard_decline_ppm: u32,
    pub(super) not_processed_ppm: u32,
    pub(super) pending_ppm: u32,
    pub(super) settles_after: Span,
    pub(super) answer_lost_ppm: u32,
    pub(super) webhook_delay: Span,
    pub(super) webhook_jitter: Span,
    pub(super) webhook_copies: u32,
    /// Of what was captured.
    pub(super) disputes_ppm: u32,
    pub(super) disputed_after: Span,
    /// Up to so much later, by chance.
    pub(super) dispute_jitter: Span,
    pub(super) decided_after: Span,
    /// Of disputes: the merchant keeps the money.
    pub(super) disputes_won_ppm: u32,
    /// From one settlement file to the next; `None`: there are none.
    pub(super) settlement_every: Option<Span>,
    /// How long it knows what it has done.
    pub(super) keep: Span,
}

const PROVIDER: [Setting<ProviderSettings>; 16] = [
    ("decline", |settings, value| {
        settings.decline_ppm = share(value)?;
        Ok(())
    }),
    ("hard_decline", |settings, value| {
        settings.hard_decline_ppm = share(value)?;
        Ok(())
    }),
    ("not_processed", |settings, value| {
        settings.not_processed_ppm = share(value)?;
        Ok(())
    }),
    ("pending", |settings, value| {
        settings.pending_ppm = share(value)?;
        Ok(())
    }),
    ("settles_after", |settings, value| {
        settings.settles_after = lifetime(value)?;
        Ok(())
    }),
    ("answer_lost", |settings, value| {
        settings.answer_lost_ppm = share(value)?;
        Ok(())
    }),
    ("webhook_delay", |settings, value| {
        settings.webhook_delay = span(value)?;
        Ok(())
    }),
    ("webhook_jitter", |settings, value| {
        settings.webhook_jitter = span(value)?;
        Ok(())
    }),
    ("webhook_copies", |settings, value| {
        settings.webhook_copies = up_to(value, 100)?;
        Ok(())
    }),
    ("disputes", |settings, value| {
        settings.disputes_ppm = share(value)?;
        Ok(())
    }),
    ("disputed_after", |settings, value| {
        settings.disputed_after = span(value)?;
        Ok(())
    }),
    ("dispute_jitter", |settings, value| {
        settings.dispute_jitter = span(value)?;
        Ok(())
    }),
    ("decided_after", |settings, value| {
        settings.decided_after = lifetime(value)?;
        Ok(())
    }),
    ("disputes_won", |settings, value| {
        settings.disputes_won_ppm = share(value)?;
        Ok(())
    }),
    ("settlement_every", |settings, value| {
        settings.settlement_every = Some(lifetime(value)?);
        Ok(())
    }),
    ("keep", |settings, value| {
        settings.keep = lifetime(value)?;
        Ok(())
    }),
];

/// The settings of a provider, or everything that is wrong with them.
pub(super) fn provider(written: &Map<String, Value>) -> Result<ProviderSettings, Vec<Wrong>> {
    let settings = ProviderSettings {
        decline_ppm: 0,
        hard_decline_ppm: 0,
        not_processed_ppm: 0,
        pending_ppm: 0,
        settles_after: Span::from_secs(5),
        answer_lost_ppm: 0,
        webhook_delay: Span::from_millis(100),
        webhook_jitter: Span::ZERO,
        webhook_copies: 1,
        disputes_ppm: 0,
        disputed_after: Span::from_secs(30),
        dispute_jitter: Span::ZERO,
        decided_after: Span::from_secs(60),
        disputes_won_ppm: 0,
        settlement_every: None,
        keep: ProcessorConfig::default().keep,
    };
    let settings = settings::read("a payment provider", &PROVIDER, settings, written)?;
    let refused = [settings.decline_ppm, settings.hard_decline_ppm, settings.not_processed_ppm];
    if refused.iter().map(|ppm| u64::from(*ppm)).sum::<u64>() > 1_000_000 {
        let message = "more than all of the operations are refused; `decline`, `hard_decline` and `not_processed` are \
                       at most 100% together";
        return Err(vec![("decline".to_string(), message.to_string())]);
    }
    let of_disputes = ["disputed_after", "dispute_jitter", "decided_after", "disputes_won"];
    let idle: Vec<Wrong> = of_disputes
        .iter()
        .filter(|key| written.contains_key(**key) && !written.contains_key("disputes"))
        .map(|key| ((*key).to_string(), "has no effect without `disputes`; add `disputes: 1%`".to_string()))
        .collect();
    if idle.is_empty() { Ok(settings) } else { Err(idle) }
}

/// What a provider tells needs somebody who is told.
pub(super) fn provider_around(written: &Map<String, Value>, around: &Around<'_>) -> Vec<Wrong> {
    if !around.callees.is_empty() {
        return Vec::new();
    }
    let told = ["disputes", "settlement_every"].into_iter().filter(|key| written.contains_key(*key));
    let help =
        "tells the processor, and this provider calls none; add `calls: [{to: payments, timeout: 2s}]`";
    told.map(|key| (key.to_string(), help.to_string())).collect()
}

/// Settings of kind `payment-client`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClientSettings {
    pub(super) key: KeyPolicy,
    /// Smallest and largest amount of an order, in minor units.
    pub(super) amount_minor: (u32, u32),
    pub(super) capture: CaptureMethod,
    /// Share of the paid orders that are given back whole.
    pub(super) refund_ppm: u32,
    pub(super) attempts: u32,
    pub(super) pause: Span,
    pub(super) merchants: u32,
}

const CLIENT: [Setting<ClientSettings>; 7] = [
    ("key", |settings, value| {
        settings.key = choice(value, &[("order", KeyPolicy::Order), ("attempt", KeyPolicy::Attempt)])?;
        Ok(())
    }),
    ("amount", |settings, value| {
        settings.amount_minor = range(value, 1_000_000_000)?;
        Ok(())
    }),
    ("capture", |settings, value| {
        settings.capture =
            choice(value, &[("automatic", CaptureMethod::Automatic), ("manual", CaptureMethod::Manual)])?;
        Ok(())
    }),
    ("refund", |settings, value| {
        settings.refund_ppm = share(value)?;
        Ok(())
    }),
    ("attempts", |settings, value| {
        settings.attempts = up_to(value, 1_000)?;
        Ok(())
    }),
    ("pause", |settings, value| {
        settings.pause = span(value)?;
        Ok(())
    }),
    ("merchants", |settings, value| {
        settings.merchants = up_to(value, 64)?;
        Ok(())
    }),
];

/// The settings of a paying client, or everything that is wrong with them.
pub(super) fn client(written: &Map<String, Value>) -> Result<ClientSettings, Vec<Wrong>> {
    let settings = ClientSettings {
        key: KeyPolicy::Order,
        amount_minor: (10_000, 10_000),
        capture: CaptureMethod::Automatic,
        refund_ppm: 0,
        attempts: 3,
        pause: Span::from_secs(2),
        merchants: 1,
    };
    settings::read("a paying client", &CLIENT, settings, written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    type Read<S> = fn(&Map<String, Value>) -> Result<S, Vec<Wrong>>;

    fn wrong<S>(read: Read<S>, settings: &Value) -> Vec<String> {
        let settings = settings.as_object().expect("settings are a mapping");
        let wrong = read(settings).err().unwrap_or_default();
        wrong.into_iter().map(|(key, message)| format!("{key}: {message}")).collect()
    }

    #[test]
    fn every_kind_works_without_settings() {
        assert_eq!(wrong(processor, &json!({})), [""; 0]);
        assert_eq!(wrong(provider, &json!({})), [""; 0]);
        assert_eq!(wrong(client, &json!({})), [""; 0]);
    }

    #[test]
    fn a_group_of_commits_is_read_whatever_the_order_of_store_and_fsync() {
        let settings = json!({"fsync": {"group": {"commits": 16, "wait": "2ms"}}, "store": "wal"});
        let read = processor(settings.as_object().expect("a mapping")).expect("nothing is wrong");
        let group = FsyncPolicy::Group { max_commits: 16, max_wait: Span::from_millis(2) };
        assert_eq!(read.store, StoreKind::Wal(group));
    }

    #[test]
    fn every_mistake_is_told_with_what_to_do() {
        assert_eq!(
            wrong(
                processor,
                &json!({"fsync": "sometimes", "key_ttl": 5, "fee": "120%", "failover": "nver", "max_checks": 0, "keyttl": "1s"})
            ),
            [
                "fsync: `sometimes` is not known here; use every_commit or never",
                "key_ttl: `5` has no unit; write `5ms` or `5s`",
                "fee: `120%` is more than everything; a share is at most 100%",
                "failover: `nver` is not known here; did you mean `never`?",
                "max_checks: must be at least 1, found `0`",
                "keyttl: a processor of payments has no setting `keyttl`; did you mean `key_ttl`?",
            ]
        );
        assert_eq!(
            wrong(processor, &json!({"fsync": "never", "store": "memory"})),
            ["fsync: a store in memory has nothing to sync; remove one of `store` and `fsync`"]
        );
        assert_eq!(
            wrong(processor, &json!({"fsync": {"group": {"commits": 3, "wait": "1ms", "more": 1}}})),
            [
                "fsync: a group has `commits` and `wait`; write `every_commit`, `never`, or `{group: {commits: 16, wait: 2ms}}`"
            ]
        );
        assert_eq!(
            wrong(client, &json!({"key": "ordre", "amount": {"min": 5, "max": 2}, "merchants": 65})),
            [
                "key: `ordre` is not known here; did you mean `order`?",
                "amount: min is above max; swap them",
                "merchants: 65 is too many; the most is 64",
            ]
        );
        assert_eq!(
            wrong(provider, &json!({"decline": "60%", "hard_decline": "50%"})),
            [
                "decline: more than all of the operations are refused; `decline`, `hard_decline` and `not_processed` are \
                 at most 100% together"
            ]
        );
        assert_eq!(
            wrong(provider, &json!({"disputes_won": "40%", "settlement_every": "0s"})),
            ["settlement_every: no time at all; use a longer one, or leave it out"]
        );
        assert_eq!(
            wrong(provider, &json!({"disputes_won": "40%"})),
            ["disputes_won: has no effect without `disputes`; add `disputes: 1%`"]
        );
    }
}
