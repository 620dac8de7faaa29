//! The settings of the kinds of a message broker. Reads them, and says what is wrong with them.

use foreshock_systems::broker::client::{CommitWhen, PollerConfig, ProducerConfig};
use foreshock_systems::broker::group::{Assignor, GroupConfig, Protocol};
use foreshock_systems::broker::log::{Acks, BrokerConfig, Cleanup, ControllerConfig, LogConfig, TruncateBy};
use foreshock_systems::broker::placement::Placement;
use foreshock_systems::store::FsyncPolicy;
use serde_json::{Map, Value};

use super::handlers::Costs;
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
    pub(super) costs: Costs,
}

const BROKER: &[Setting<BrokerSettings>] = &[
    ("min_insync_replicas", |s, v| {
        s.config.min_insync_replicas = positive(v)?;
        Ok(())
    }),
    ("truncate_by", |s, v| {
        let choices =
            [("leader_epoch", TruncateBy::LeaderEpoch), ("high_watermark", TruncateBy::HighWatermark)];
        s.config.truncate_by = choice(v, &choices)?;
        Ok(())
    }),
    ("replica_lag", |s, v| {
        s.config.replica_lag = lifetime(v)?;
        Ok(())
    }),
    ("fetch_wait", |s, v| {
        s.config.fetch_wait = span(v)?;
        Ok(())
    }),
    ("fetch_backoff", |s, v| {
        s.config.fetch_backoff = lifetime(v)?;
        Ok(())
    }),
    ("fetch_timeout", |s, v| {
        s.config.fetch_timeout = lifetime(v)?;
        Ok(())
    }),
    ("fetch_records", |s, v| {
        s.config.fetch_records = positive(v)?;
        Ok(())
    }),
    ("produce_timeout", |s, v| {
        s.config.produce_timeout = lifetime(v)?;
        Ok(())
    }),
    ("checkpoint_every", |s, v| {
        s.config.checkpoint_every = lifetime(v)?;
        Ok(())
    }),
    ("clean_every", |s, v| {
        s.config.clean_every = lifetime(v)?;
        Ok(())
    }),
    ("quota_bytes_per_s", |s, v| {
        s.config.quota_bytes_per_s = Some(u64::from(positive(v)?));
        Ok(())
    }),
    ("storage_bytes", |s, v| {
        s.config.storage_bytes = Some(u64::from(positive(v)?));
        Ok(())
    }),
    ("segment_bytes", |s, v| {
        s.config.log.segment_bytes = u64::from(positive(v)?);
        Ok(())
    }),
    ("segment_age", |s, v| {
        s.config.log.segment_age = lifetime(v)?;
        Ok(())
    }),
    ("retention", |s, v| {
        s.config.log.retention = Some(lifetime(v)?);
        Ok(())
    }),
    ("retention_bytes", |s, v| {
        s.config.log.retention_bytes = Some(u64::from(positive(v)?));
        Ok(())
    }),
    ("cleanup", |s, v| {
        let choices = [
            ("delete", Cleanup::Delete),
            ("compact", Cleanup::Compact),
            ("compact_and_delete", Cleanup::CompactAndDelete),
        ];
        s.config.log.cleanup = choice(v, &choices)?;
        Ok(())
    }),
    ("fsync", |s, v| {
        s.store = StoreKind::Wal(fsync(v)?);
        Ok(())
    }),
    ("heartbeat", |s, v| {
        s.heartbeat = lifetime(v)?;
        Ok(())
    }),
    ("produce_time", |s, v| {
        s.costs.produce = span(v)?;
        Ok(())
    }),
    ("fetch_time", |s, v| {
        s.costs.fetch = span(v)?;
        Ok(())
    }),
    ("record_time", |s, v| {
        s.costs.record = span(v)?;
        Ok(())
    }),
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
        costs: Costs::default(),
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
    ("partitions", |s, v| {
        s.partitions = up_to(v, MOST_PARTITIONS)?;
        Ok(())
    }),
    ("replication", |s, v| {
        s.replication = Some(positive(v)?);
        Ok(())
    }),
    ("session", |s, v| {
        s.config.session = lifetime(v)?;
        Ok(())
    }),
    ("unclean_election", |s, v| {
        s.config.unclean_election = switch(v)?;
        Ok(())
    }),
    ("fsync", |s, v| {
        s.store = StoreKind::Wal(fsync(v)?);
        Ok(())
    }),
    ("group_session", |s, v| {
        s.group.session = lifetime(v)?;
        Ok(())
    }),
    ("poll_interval", |s, v| {
        s.group.poll_interval = lifetime(v)?;
        Ok(())
    }),
    ("initial_delay", |s, v| {
        s.group.initial_delay = span(v)?;
        Ok(())
    }),
    ("assignor", |s, v| {
        let choices =
            [("range", Assignor::Range), ("round_robin", Assignor::RoundRobin), ("sticky", Assignor::Sticky)];
        s.group.assignor = choice(v, &choices)?;
        Ok(())
    }),
    ("rebalance", |s, v| {
        let choices = [("eager", Protocol::Eager), ("cooperative", Protocol::Cooperative)];
        s.group.protocol = choice(v, &choices)?;
        Ok(())
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
        s.config.acks = choice(v, &choices)?;
        Ok(())
    }),
    ("idempotent", |s, v| {
        s.is_idempotent = switch(v)?;
        Ok(())
    }),
    ("placement", |s, v| {
        s.placement = choice(v, &[("modulo", Placement::Modulo), ("jump", Placement::Jump)])?;
        Ok(())
    }),
    ("buffer_bytes", |s, v| {
        s.config.buffer_bytes = u64::from(positive(v)?);
        Ok(())
    }),
    ("batch_records", |s, v| {
        s.config.batch_records = positive(v)?;
        Ok(())
    }),
    ("linger", |s, v| {
        s.config.linger = span(v)?;
        Ok(())
    }),
    ("max_in_flight", |s, v| {
        s.config.max_in_flight = positive(v)?;
        Ok(())
    }),
    ("retry_backoff", |s, v| {
        s.config.retry_backoff = lifetime(v)?;
        Ok(())
    }),
    ("delivery_timeout", |s, v| {
        s.config.delivery_timeout = lifetime(v)?;
        Ok(())
    }),
    ("request_timeout", |s, v| {
        s.request_timeout = lifetime(v)?;
        Ok(())
    }),
    ("metadata_every", |s, v| {
        s.metadata_every = lifetime(v)?;
        Ok(())
    }),
    ("record_bytes", |s, v| {
        s.record_bytes = up_to(v, 1_000_000)?;
        Ok(())
    }),
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
    ("max_poll_records", |s, v| {
        s.max_poll_records = positive(v)?;
        Ok(())
    }),
    ("poll_wait", |s, v| {
        s.poll_wait = span(v)?;
        Ok(())
    }),
    ("poll_interval", |s, v| {
        s.config.poll_interval = lifetime(v)?;
        Ok(())
    }),
    ("heartbeat", |s, v| {
        s.config.heartbeat_every = lifetime(v)?;
        Ok(())
    }),
    ("commit", |s, v| {
        s.config.commit = choice(v, &[("after", CommitWhen::After), ("before", CommitWhen::Before)])?;
        Ok(())
    }),
    ("request_timeout", |s, v| {
        s.request_timeout = lifetime(v)?;
        Ok(())
    }),
    ("retry_pause", |s, v| {
        s.retry_pause = lifetime(v)?;
        Ok(())
    }),
    ("poison", |s, v| {
        s.poison_ppm = share(v)?;
        Ok(())
    }),
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
