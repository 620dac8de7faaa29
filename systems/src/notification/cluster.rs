//! Several nodes that see the same alerts: who waits for whom, and what they tell each other. A cut between them may make
//! duplicates, never silence, unless one asks for a single leader. Sends nothing itself.

use super::log::LogEntry;
use crate::time::{Span, Time};
use std::collections::BTreeMap;
use std::fmt;

/// A node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u32);

/// What is worth more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HaMode {
    /// Every node tells, unless it learns in time that another has: duplicates, but never silence. Alertmanager's.
    #[default]
    AtLeastOnce,
    /// Only the first node of a majority tells: no duplicates, but silence where there is no majority.
    SingleLeader,
}

/// A node's view of its cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterConfig {
    /// Which node this is.
    pub me: PeerId,
    /// All nodes, this one among them or not.
    pub members: Vec<PeerId>,
    /// How long the second node waits for word from the first, the third twice as long, and so on. Alertmanager: 15 s.
    pub peer_timeout: Span,
    /// How often a node tells the others that it is there, and one of them, in turn, all it knows. Above zero.
    pub gossip_interval: Span,
    /// Not heard from for so long is gone: those behind it move up. More than `gossip_interval`.
    pub failure_timeout: Span,
    /// What is worth more.
    pub mode: HaMode,
}

impl ClusterConfig {
    /// With the times that Alertmanager and its gossip library have.
    pub fn new(me: PeerId, members: Vec<PeerId>) -> ClusterConfig {
        ClusterConfig {
            me,
            members,
            peer_timeout: Span::from_secs(15),
            gossip_interval: Span::from_secs(1),
            failure_timeout: Span::from_secs(10),
            mode: HaMode::AtLeastOnce,
        }
    }

    /// # Errors
    /// [`ClusterError`].
    pub fn validate(&self) -> Result<(), ClusterError> {
        if self.gossip_interval.is_zero() {
            return Err(ClusterError::NoGossip);
        }
        if self.failure_timeout <= self.gossip_interval {
            return Err(ClusterError::ImpatientPeers);
        }
        Ok(())
    }
}

/// Why a cluster's config is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterError {
    /// The gossip interval is zero.
    NoGossip,
    /// A node would be taken for gone between two of its messages.
    ImpatientPeers,
}

impl fmt::Display for ClusterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ClusterError::NoGossip => "gossip_interval has to be above zero: 1s is usual",
            ClusterError::ImpatientPeers => "failure_timeout has to be longer than gossip_interval",
        })
    }
}

impl std::error::Error for ClusterError {}

/// What one node tells another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gossip {
    /// What receivers were told.
    pub entries: Vec<LogEntry>,
    /// Silences, as [`Silence::encode`](super::Silence::encode) writes them.
    pub silences: Vec<Vec<u8>>,
}

/// Who is there, seen from one node.
#[derive(Clone, Debug)]
pub struct Cluster {
    config: ClusterConfig,
    /// When each of the others was last heard from; at the start all count as there.
    heard: BTreeMap<PeerId, Time>,
    next_gossip: Time,
    turn: usize,
}

impl Cluster {
    pub(super) fn new(config: ClusterConfig, now: Time) -> Cluster {
        let others = config.members.iter().filter(|peer| **peer != config.me);
        let heard = others.map(|peer| (*peer, now)).collect();
        Cluster { next_gossip: now + config.gossip_interval, heard, config, turn: 0 }
    }

    pub(super) fn hear(&mut self, now: Time, from: PeerId) {
        if let Some(heard) = self.heard.get_mut(&from) {
            *heard = now;
        }
    }

    /// How many nodes that are there stand before this one.
    pub fn position(&self, now: Time) -> u32 {
        let before = self.heard.range(..self.config.me);
        before.filter(|(_, heard)| self.is_there(now, **heard)).count() as u32
    }

    fn is_there(&self, now: Time, heard: Time) -> bool {
        heard + self.config.failure_timeout > now
    }

    /// How long this node waits before it tells anybody.
    pub fn wait(&self, now: Time) -> Span {
        self.config.peer_timeout.saturating_mul(u64::from(self.position(now)))
    }

    /// Whether this node may tell anybody at all.
    pub fn may_send(&self, now: Time) -> bool {
        match self.config.mode {
            HaMode::AtLeastOnce => true,
            HaMode::SingleLeader => {
                let there = 1 + self.heard.values().filter(|heard| self.is_there(now, **heard)).count();
                self.position(now) == 0 && there * 2 > self.heard.len() + 1
            }
        }
    }

    /// All others.
    pub fn peers(&self) -> impl Iterator<Item = PeerId> {
        self.heard.keys().copied()
    }

    pub(super) const fn deadline(&self) -> Time {
        self.next_gossip
    }

    /// Whether it is time to gossip, and then whose turn it is to be told everything.
    pub(super) fn take_turn(&mut self, now: Time) -> Option<Option<PeerId>> {
        if now < self.next_gossip {
            return None;
        }
        self.next_gossip = now + self.config.gossip_interval;
        let whole = self.heard.keys().nth(self.turn % self.heard.len().max(1)).copied();
        self.turn = self.turn.wrapping_add(1);
        Some(whole)
    }
}
