//! What a broker and a controller are told. Plain data with a check that says what to write instead; never decides.

use super::segments::LogConfig;
use crate::time::Span;
use std::fmt;

/// How a follower brings its log in line with its leader's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TruncateBy {
    /// Cuts where the leader's log parts from its own, by the epochs of the records (KIP-101, KIP-279).
    #[default]
    LeaderEpoch,
    /// Cuts at its own high watermark, as Kafka did before 0.11: two leader changes in a row lose records that were
    /// acknowledged. Kept to show that.
    HighWatermark,
}

/// Everything a broker is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokerConfig {
    /// How partitions are kept.
    pub log: LogConfig,
    /// Replicas in sync, the leader among them, that `acks = all` needs. At least 1.
    pub min_insync_replicas: u32,
    /// How followers bring their logs in line.
    pub truncate_by: TruncateBy,
    /// How long a follower may be behind and still count as in sync. Above zero.
    pub replica_lag: Span,
    /// How long a leader keeps a follower waiting that has everything. Less than half of `replica_lag`.
    pub fetch_wait: Span,
    /// How long a follower waits after a question that failed. Above zero.
    pub fetch_backoff: Span,
    /// How long a follower waits for an answer. More than `fetch_wait`.
    pub fetch_timeout: Span,
    /// Most records that a follower gets at once. At least 1.
    pub fetch_records: u32,
    /// How long `acks = all` may take. Above zero.
    pub produce_timeout: Span,
    /// Largest batch, in bytes. Above zero.
    pub max_batch_bytes: u64,
    /// How often high watermarks are written down. Above zero.
    pub checkpoint_every: Span,
    /// How often retention and compaction are looked at. Above zero.
    pub clean_every: Span,
    /// What producers may write in a second, in bytes; `None` is no bound. Above zero.
    pub quota_bytes_per_s: Option<u64>,
    /// What all partitions may take, in bytes; beyond it producers are refused. `None` is no bound.
    pub storage_bytes: Option<u64>,
    /// Readers, followers and producers that may wait in a partition. At least 1.
    pub max_waiting: u32,
}

impl Default for BrokerConfig {
    /// Kafka's, except that two replicas have to be in sync.
    fn default() -> BrokerConfig {
        BrokerConfig {
            log: LogConfig::default(),
            min_insync_replicas: 2,
            truncate_by: TruncateBy::LeaderEpoch,
            replica_lag: Span::from_secs(30),
            fetch_wait: Span::from_millis(500),
            fetch_backoff: Span::from_secs(1),
            fetch_timeout: Span::from_secs(30),
            fetch_records: 1_000,
            produce_timeout: Span::from_secs(30),
            max_batch_bytes: 1 << 20,
            checkpoint_every: Span::from_secs(5),
            clean_every: Span::from_secs(300),
            quota_bytes_per_s: None,
            storage_bytes: None,
            max_waiting: 100_000,
        }
    }
}

/// Everything a controller is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControllerConfig {
    /// How long a broker that is not heard of counts as there. Above zero.
    pub session: Span,
    /// Whether a replica that was not in sync may lead if no other can: loses records that were acknowledged.
    pub unclean_election: bool,
}

impl Default for ControllerConfig {
    /// Kafka's: nine seconds, no unclean election.
    fn default() -> ControllerConfig {
        ControllerConfig { session: Span::from_secs(9), unclean_election: false }
    }
}

/// What is wrong with a config, and what to write instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// Has to be above zero.
    Zero(&'static str),
    /// Has to be less than something else.
    NotBelow(&'static str, &'static str),
    /// Has to lie within bounds.
    OutOfRange(&'static str, u64, u64),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Zero(field) => write!(f, "{field} has to be above zero"),
            ConfigError::NotBelow(field, bound) => write!(f, "{field} has to be less than {bound}"),
            ConfigError::OutOfRange(field, least, most) => {
                write!(f, "{field} has to lie between {least} and {most}")
            }
        }
    }
}

impl std::error::Error for ConfigError {}

/// The first of the fields that is zero.
pub(in super::super) fn none_is_zero(fields: &[(&'static str, u64)]) -> Result<(), ConfigError> {
    let zero = fields.iter().find(|(_, value)| *value == 0);
    zero.map_or(Ok(()), |(field, _)| Err(ConfigError::Zero(field)))
}

impl BrokerConfig {
    /// Checks the config. One that was not checked is safe, but may not replicate.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn validate(&self) -> Result<(), ConfigError> {
        none_is_zero(&[
            ("segment_bytes", self.log.segment_bytes),
            ("segment_age", self.log.segment_age.as_nanos()),
            ("min_insync_replicas", u64::from(self.min_insync_replicas)),
            ("replica_lag", self.replica_lag.as_nanos()),
            ("fetch_backoff", self.fetch_backoff.as_nanos()),
            ("fetch_records", u64::from(self.fetch_records)),
            ("produce_timeout", self.produce_timeout.as_nanos()),
            ("max_batch_bytes", self.max_batch_bytes),
            ("checkpoint_every", self.checkpoint_every.as_nanos()),
            ("clean_every", self.clean_every.as_nanos()),
            ("quota_bytes_per_s", self.quota_bytes_per_s.unwrap_or(1)),
            ("max_waiting", u64::from(self.max_waiting)),
        ])?;
        if self.fetch_wait.saturating_mul(2) >= self.replica_lag {
            return Err(ConfigError::NotBelow("fetch_wait", "half of replica_lag"));
        }
        if self.fetch_wait >= self.fetch_timeout {
            return Err(ConfigError::NotBelow("fetch_wait", "fetch_timeout"));
        }
        Ok(())
    }
}

impl ControllerConfig {
    /// Checks the config.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn validate(&self) -> Result<(), ConfigError> {
        none_is_zero(&[("session", self.session.as_nanos())])
    }
}

/// A defect, for tests of the checks that have to notice it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// The high watermark waits for every replica, in sync or not.
    HighWatermarkOfAllReplicas,
    /// The high watermark is where the leader's own log ends.
    HighWatermarkOfLeader,
    /// A leader's high watermark falls back when somebody asks who is behind it.
    HighWatermarkFalls,
    /// `acks = all` is answered as `acks = 1` is.
    AnswersEarly,
    /// Consumers see what is not replicated yet.
    ReadsBeyondHighWatermark,
    /// Consumers miss every seventh record.
    SkipsRecords,
    /// Sequences are not looked at.
    IgnoresSequences,
    /// A follower keeps what its leader does not have.
    KeepsDivergentTail,
    /// Records go by age without being counted.
    ForgetsRecords,
    /// The controller elects whom it likes, and does not say so.
    ElectsAnybody,
}
