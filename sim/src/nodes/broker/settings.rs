//! The settings of the kinds of a message broker. Reads them, and says what is wrong with them.

use foreshock_systems::broker::client::{CommitWhen, PollerConfig, ProducerConfig};
use foreshock_systems::broker::group::{Assignor, GroupConfig, Protocol};
use foreshock_systems::broker::log::{Acks, BrokerConfig, Cleanup, ControllerConfig, LogConfig, TruncateBy};
use foreshock_systems::broker::placement::Placement;
use foreshock_systems::store::FsyncPolicy;
use serde_json::{Map, Value};

use crate::kernel::time::Span;
use crate::nodes::setting_table::{
    self, Setting, Wrong, choice, lifetime, positive, share, span, switch, up_to,
};
use crate::nodes::store::{StoreKind, fsync};

/// Settings of kind `broker`.
#[derive(Clone, Debug)]
pub(super) struct BrokerSettings {
    pub(super) config: BrokerConfig,
    pub(super) store: StoreKind,
    pub(super) heartbeat: Span,
}

const BROKER: &[Setting<BrokerSettings>] = &[
    ("min_insync_replicas", |s, v| Ok(s.config.min_insync_replicas = positive(v)?)),
    ("truncate_by", |s, v| {
        let choices =
            [("leader_epoch", TruncateBy::LeaderEpoch), ("high_watermark", TruncateBy::HighWatermark)];
        Ok(s.config.truncate_by = choice(v, &choices)?)
    }),
    ("replica_lag", |s, v| Ok(s.config.replica_lag = lifetime(v)?)),
    ("fetch_wait", |s, v| Ok(s.config.fetch_wait = span(v)?)),
    ("fetch_backoff", |s, v| Ok(s.config.fetch_backoff = lifetime(v)?)),
    ("fetch_timeout", |s, v| Ok(s.config.fetch_timeout = lifetime(v)?)),
    ("fetch_records", |s, v| Ok(s.config.fetch_records = positive(v)?)),
    ("produce_timeout", |s, v| Ok(s.config.produce_timeout = lifetime(v)?)),
    ("checkpoint_every", |s, v| Ok(s.config.checkpoint_every = lifetime(v)?)),
    ("clean_every", |s, v| Ok(s.config.clean_every = lifetime(v)?)),
    ("quota_bytes_per_s", |s, v| Ok(s.config.quota_bytes_per_s = Some(u64::from(positive(v)?)))),
    ("storage_bytes", |s, v| Ok(s.config.storage_bytes = Some(u64::from(positive(v)?)))),
    ("segment_bytes", |s, v| Ok(s.config.log.segment_bytes = u64::from(positive(v)?))),
    ("segment_age", |s, v| Ok(s.config.log.segment_age = lifetime(v)?)),
    ("retention", |s, v| Ok(s.config.log.retention = Some(lifetime(v)?))),
    ("retention_bytes", |s, v| Ok(s.config.log.retention_bytes = Some(u64::from(positive(v)?)))),
    ("cleanup", |s, v| {
        let choices = [
            ("delete", Cleanup::Delete),
            ("compact", Cleanup::Compact),
            ("compact_and_delete", Cleanup::CompactAndDelete),
        ];
        Ok(s.config.log.cleanup = choice(v, &choices)?)
    }),
    ("fsync", |s, v| Ok(s.store = StoreKind::Wal(fsync(v)?))),
    ("heartbeat", |s, v| Ok(s.heartbeat = lifetime(v)?)),
];

pub(super) fn broker(written: &Map<String, Value>) -> Result<BrokerSettings, Vec<Wrong>> {
    let usual = BrokerConfig {
        replica_lag: Span::from_secs(10),
        fetch_timeout: Span::from_secs(2),
        fetch_backoff: Span::from_millis(200),
        produce_timeout: Span::from_secs(10),
        log: LogConfig::default(),
        ..BrokerConfig::default()
    };
    let settings = BrokerSettings {
        config: usual,
        store: StoreKind::Wal(FsyncPolicy::Never),
        heartbeat: Span::from_millis(500),
    };
    let settings = setting_table::read("a broker", BROKER, settings, written)?;
    settings.config.validate().map_err(|error| vec![(String::new(), error.to_string())])?;
    Ok(settings)
}

/// Settings of kind `broker-controller`.
#[derive(Clone, Debug)]
pub(super) struct ControllerSettings {
    pub(super) config: ControllerConfig,
    pub(super) group: GroupConfig,
    pub(super) partitions: u32,
    /// Replicas of a partition; `None`: on every broker.
    pub(super) replication: Option<u32>,
    pub(super) store: StoreKind,
}

const MOST_PARTITIONS: u32 = 10_000;

const CONTROLLER: &[Setting<ControllerSettings>] = &[
    ("partitions", |s, v| Ok(s.partitions = up_to(v, MOST_PARTITIONS)?)),
    ("replication", |s, v| Ok(s.replication = Some(positive(v)?))),
    ("session", |s, v| Ok(s.config.session = lifetime(v)?)),
    ("unclean_election", |s, v| Ok(s.config.unclean_election = switch(v)?)),
    ("fsync", |s, v| Ok(s.store = StoreKind::Wal(fsync(v)?))),
    ("group_session", |s, v| Ok(s.group.session = lifetime(v)?)),
    ("poll_interval", |s, v| Ok(s.group.poll_interval = lifetime(v)?)),
    ("initial_delay", |s, v| Ok(s.group.initial_delay = span(v)?)),
    ("assignor", |s, v| {
        let choices =
            [("range", Assignor::Range), ("round_robin", Assignor::RoundRobin), ("sticky", Assignor::Sticky)];
        Ok(s.group.assignor = choice(v, &choices)?)
    }),
    ("rebalance", |s, v| {
        let choices = [("eager", Protocol::Eager), ("cooperative", Protocol::Cooperative)];
        Ok(s.group.protocol = choice(v, &choices)?)
    }),
];

pub(super) fn controller(written: &Map<String, Value>) -> Result<ControllerSettings, Vec<Wrong>> {
    let settings = ControllerSettings {
        config: ControllerConfig::default(),
        group: GroupConfig::default(),
        partitions: 1,
        replication: None,
        store: StoreKind::Wal(FsyncPolicy::EveryCommit),
    };
    setting_table::read("a broker controller", CONTROLLER, settings, written)
}

/// Settings of kind `broker-producer`.
#[derive(Clone, Debug)]
pub(super) struct ProducerSettings {
    pub(super) config: ProducerConfig,
    pub(super) is_idempotent: bool,
    pub(super) placement: Placement,
    pub(super) request_timeout: Span,
    pub(super) metadata_every: Span,
    pub(super) record_bytes: u32,
}

const PRODUCER: &[Setting<ProducerSettings>] = &[
    ("acks", |s, v| {
        let choices = [("none", Acks::None), ("leader", Acks::Leader), ("all", Acks::All)];
        Ok(s.config.acks = choice(v, &choices)?)
    }),
    ("idempotent", |s, v| Ok(s.is_idempotent = switch(v)?)),
    ("placement", |s, v| {
        Ok(s.placement = choice(v, &[("modulo", Placement::Modulo), ("jump", Placement::Jump)])?)
    }),
    ("buffer_bytes", |s, v| Ok(s.config.buffer_bytes = u64::from(positive(v)?))),
    ("batch_records", |s, v| Ok(s.config.batch_records = positive(v)?)),
    ("linger", |s, v| Ok(s.config.linger = span(v)?)),
    ("max_in_flight", |s, v| Ok(s.config.max_in_flight = positive(v)?)),
    ("retry_backoff", |s, v| Ok(s.config.retry_backoff = lifetime(v)?)),
    ("delivery_timeout", |s, v| Ok(s.config.delivery_timeout = lifetime(v)?)),
    ("request_timeout", |s, v| Ok(s.request_timeout = lifetime(v)?)),
    ("metadata_every", |s, v| Ok(s.metadata_every = lifetime(v)?)),
    ("record_bytes", |s, v| Ok(s.record_bytes = up_to(v, 1_000_000)?)),
];

pub(super) fn producer(written: &Map<String, Value>) -> Result<ProducerSettings, Vec<Wrong>> {
    let settings = ProducerSettings {
        config: ProducerConfig::default(),
        is_idempotent: true,
        placement: Placement::Modulo,
        request_timeout: Span::from_secs(2),
        metadata_every: Span::from_secs(1),
        record_bytes: 100,
    };
    setting_table::read("a broker producer", PRODUCER, settings, written)
}

/// Settings of kind `broker-consumer`.
#[derive(Clone, Debug)]
pub(super) struct ConsumerSettings {
    pub(super) config: PollerConfig,
    pub(super) max_poll_records: u32,
    pub(super) poll_wait: Span,
    pub(super) request_timeout: Span,
    pub(super) retry_pause: Span,
    pub(super) poison_ppm: u32,
}

const CONSUMER: &[Setting<ConsumerSettings>] = &[
    ("max_poll_records", |s, v| Ok(s.max_poll_records = positive(v)?)),
    ("poll_wait", |s, v| Ok(s.poll_wait = span(v)?)),
    ("poll_interval", |s, v| Ok(s.config.poll_interval = lifetime(v)?)),
    ("heartbeat", |s, v| Ok(s.config.heartbeat_every = lifetime(v)?)),
    ("commit", |s, v| {
        Ok(s.config.commit = choice(v, &[("after", CommitWhen::After), ("before", CommitWhen::Before)])?)
    }),
    ("request_timeout", |s, v| Ok(s.request_timeout = lifetime(v)?)),
    ("retry_pause", |s, v| Ok(s.retry_pause = lifetime(v)?)),
    ("poison", |s, v| Ok(s.poison_ppm = share(v)?)),
];

pub(super) fn consumer(written: &Map<String, Value>) -> Result<ConsumerSettings, Vec<Wrong>> {
    let settings = ConsumerSettings {
        config: PollerConfig::default(),
        max_poll_records: 500,
        poll_wait: Span::from_millis(500),
        request_timeout: Span::from_secs(2),
        retry_pause: Span::from_millis(200),
        poison_ppm: 0,
    };
    setting_table::read("a broker consumer", CONSUMER, settings, written)
}
