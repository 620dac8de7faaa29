//! The settings of kinds `message-queue` and `queue-consumer`. Reads them, and says what is wrong with them.

use foreshock_systems::broker::queue::{QueueConfig, SQS_MAX_WAIT};
use foreshock_systems::store::FsyncPolicy;
use serde_json::{Map, Value};

use crate::kernel::time::Span;
use crate::nodes::setting_table::{self, Setting, Wrong, lifetime, positive, share, span, switch, up_to};
use crate::nodes::store::{StoreKind, fsync};
use crate::scenario::quantity::Problem;

/// Settings of kind `message-queue`.
#[derive(Clone, Debug)]
pub(super) struct QueueSettings {
    pub(super) config: QueueConfig,
    pub(super) store: StoreKind,
    /// Whether all attempts of a client's call are one message.
    pub(super) is_deduplicated: bool,
}

const QUEUE: &[Setting<QueueSettings>] = &[
    ("visibility", |s, v| {
        s.config.visibility = lifetime(v)?;
        Ok(())
    }),
    ("delay", |s, v| {
        s.config.delay = span(v)?;
        Ok(())
    }),
    ("retention", |s, v| {
        s.config.retention = lifetime(v)?;
        Ok(())
    }),
    ("max_in_flight", |s, v| {
        s.config.max_in_flight = up_to(v, 120_000)?;
        Ok(())
    }),
    ("max_receives", |s, v| {
        s.config.max_receives = Some(up_to(v, 1_000)?);
        Ok(())
    }),
    ("fifo", |s, v| {
        s.config.is_fifo = switch(v)?;
        Ok(())
    }),
    ("dedup", |s, v| {
        s.is_deduplicated = switch(v)?;
        Ok(())
    }),
    ("dedup_window", |s, v| {
        s.config.dedup_window = lifetime(v)?;
        Ok(())
    }),
    ("max_messages", |s, v| {
        s.config.max_messages = u64::from(positive(v)?);
        Ok(())
    }),
    ("fsync", |s, v| {
        s.store = StoreKind::Wal(fsync(v)?);
        Ok(())
    }),
];

pub(super) fn queue(written: &Map<String, Value>) -> Result<QueueSettings, Vec<Wrong>> {
    let settings = QueueSettings {
        config: QueueConfig::default(),
        store: StoreKind::Wal(FsyncPolicy::EveryCommit),
        is_deduplicated: true,
    };
    let settings = setting_table::read("a message queue", QUEUE, settings, written)?;
    settings.config.validate().map_err(|error| vec![(String::new(), error.to_string())])?;
    Ok(settings)
}

/// Settings of kind `queue-consumer`.
#[derive(Clone, Debug)]
pub(super) struct ConsumerSettings {
    /// How long it waits for a message.
    pub(super) wait: Span,
    /// How long it rests after a call that failed.
    pub(super) rest: Span,
    /// Share of messages that nobody can process.
    pub(super) poison_ppm: u32,
}

const CONSUMER: &[Setting<ConsumerSettings>] = &[
    ("wait", |s, v| match span(v)? {
        wait if wait > SQS_MAX_WAIT => Err(Problem::new("this is too long", "the most is 20s")),
        wait => {
            s.wait = wait;
            Ok(())
        }
    }),
    ("rest", |s, v| {
        s.rest = lifetime(v)?;
        Ok(())
    }),
    ("poison", |s, v| {
        s.poison_ppm = share(v)?;
        Ok(())
    }),
];

pub(super) fn consumer(written: &Map<String, Value>) -> Result<ConsumerSettings, Vec<Wrong>> {
    let settings = ConsumerSettings { wait: Span::from_secs(1), rest: Span::from_millis(200), poison_ppm: 0 };
    setting_table::read("a queue consumer", CONSUMER, settings, written)
}
