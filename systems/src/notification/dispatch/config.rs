//! What a dispatcher is told. Plain data, checked once.

use crate::notification::cluster::{ClusterConfig, ClusterError};
use crate::notification::inhibit::InhibitRule;
use crate::notification::interval::{TimeInterval, WallClock};
use crate::notification::route::{RouteConfig, RouteError, RouteTree};
use crate::retry::{BackoffConfig, RetryConfig, RetryError};
use crate::store::StoreError;
use crate::time::Span;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What a dispatcher is told.
#[derive(Debug)]
pub struct DispatchConfig {
    /// Who is told what.
    pub routes: RouteConfig,
    /// Which alerts keep which others quiet.
    pub inhibit_rules: Vec<InhibitRule>,
    /// Times by name, for the mute and active intervals of routes.
    pub intervals: BTreeMap<String, TimeInterval>,
    /// Receivers that are not told when an alert is over.
    pub without_resolved: BTreeSet<String>,
    /// An alert that does not say when it ends is over so long after it was last heard of. Alertmanager: 5 m.
    pub resolve_timeout: Span,
    /// How long an expired silence is kept. Alertmanager: 120 h.
    pub silence_retention: Span,
    /// How long it is known what a receiver was told; at least twice the repeat interval in any case.
    pub log_retention: Span,
    /// How a notification that failed is tried again, until the next tick of its group decides anew.
    pub retry: RetryConfig,
    /// Without an answer for so long, a notification has failed. Above zero.
    pub notify_timeout: Span,
    /// The most alerts that are kept, counted once for each of their groups. At least 1.
    pub max_alerts: usize,
    /// What the wall clock shows.
    pub clock: WallClock,
    /// Names the sequence of random words by which retries are spread.
    pub seed: u64,
    /// The other nodes, if there are any.
    pub cluster: Option<ClusterConfig>,
}

impl DispatchConfig {
    /// With these routes, Alertmanager's times and nothing else.
    pub fn new(routes: RouteConfig) -> DispatchConfig {
        let five_days = Span::from_secs(120 * 3_600);
        let backoff = BackoffConfig {
            base: Span::from_millis(500),
            cap: Span::from_secs(60),
            ..BackoffConfig::default()
        };
        DispatchConfig {
            routes,
            inhibit_rules: Vec::new(),
            intervals: BTreeMap::new(),
            without_resolved: BTreeSet::new(),
            resolve_timeout: Span::from_secs(5 * 60),
            silence_retention: five_days,
            log_retention: five_days,
            retry: RetryConfig { max_attempts: 10, backoff, ..RetryConfig::default() },
            notify_timeout: Span::from_secs(60),
            max_alerts: 1_000_000,
            clock: WallClock::default(),
            seed: 0,
            cluster: None,
        }
    }

    pub(super) fn checked(&self) -> Result<RouteTree, DispatchError> {
        let tree = RouteTree::new(&self.routes).map_err(DispatchError::Route)?;
        for (_, route) in tree.iter() {
            let names = route.options.mute_intervals.iter().chain(&route.options.active_intervals);
            if let Some(name) = names.into_iter().find(|name| !self.intervals.contains_key(*name)) {
                let (key, name) = (route.key.clone(), name.clone());
                return Err(DispatchError::Route(RouteError::UnknownInterval { key, name }));
            }
        }
        self.retry.validate().map_err(DispatchError::Retry)?;
        if let Some(cluster) = &self.cluster {
            cluster.validate().map_err(DispatchError::Cluster)?;
        }
        if self.notify_timeout.is_zero() || self.resolve_timeout.is_zero() || self.max_alerts == 0 {
            return Err(DispatchError::Zero);
        }
        Ok(tree)
    }
}

/// Why a dispatcher's config is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DispatchError {
    /// The routing tree.
    Route(RouteError),
    /// The retries.
    Retry(RetryError),
    /// The cluster.
    Cluster(ClusterError),
    /// The store.
    Store(StoreError),
    /// `notify_timeout`, `resolve_timeout` or `max_alerts` is zero.
    Zero,
}

impl fmt::Display for DispatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DispatchError::Route(error) => error.fmt(f),
            DispatchError::Retry(error) => error.fmt(f),
            DispatchError::Cluster(error) => error.fmt(f),
            DispatchError::Store(error) => error.fmt(f),
            DispatchError::Zero => {
                f.write_str("notify_timeout, resolve_timeout and max_alerts have to be above zero")
            }
        }
    }
}

impl std::error::Error for DispatchError {}

/// One defect each, for the checkers to find.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::notification) enum Sabotage {
    DropsContinue,
    ForgetsWhatWasTold,
    NotifiesAtHalfTheWait,
    TellsAlertsThatAreGone,
    IgnoresSilences,
    InhibitsItself,
    TakesMutedForTold,
    StaysSilentBehindOthers,
    IgnoresGossip,
}
