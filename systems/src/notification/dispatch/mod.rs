//! The alert side: alerts in, notifications out. Groups, inhibits, silences, repeats, and remembers who was told what.
//! Sends nothing: it says whom to tell, and is told how that went.
//!
//! ```text
//! Alert -> routes -> groups --tick--> muted? --wait for nodes before us--> told already? -> Notify
//!                                                                        log <- Delivered
//! ```
//!
//! The first tick of a group is `group_wait` after its first alert, the others `group_interval` apart. At a tick a receiver
//! is told if an alert is firing that it does not know of, if one that it knows of is over, or if `repeat_interval` has
//! passed, inclusive, since it was told. What a receiver knows stays known while it is muted: when the silence is over it
//! is told what it does not know, and is not told again what it does.

mod config; // what it is told
mod flush; // what a tick does
mod gossip; // other nodes
mod group; // one group
mod message; // inputs and outputs

pub use config::{DispatchConfig, DispatchError};
pub use message::{Alert, Input, Notification, NotificationId, Output, Reason, Rejected};

#[cfg(test)]
pub(super) use config::Sabotage;

use super::cluster::Cluster;
use super::inhibit::Inhibitor;
use super::label::Labels;
use super::log::{self, LogEntry, NotificationLog};
use super::route::{RouteId, RouteTree};
use super::silence::{Silence, Silences};
use crate::store::{Batch, Store, StoreError};
use crate::time::{Span, Time};
use group::{Group, Member};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Under which keys silences are stored.
const SILENCE: &[u8] = b"notification/silence/";

/// Under which key it is stored how often the store was opened.
const EPOCH: &[u8] = b"notification/epoch";

/// Takes alerts, says whom to tell. Drive it so: [`handle`](Dispatcher::handle) what happens, carry out what comes out,
/// call [`expire`](Dispatcher::expire) at [`deadline`](Dispatcher::deadline). After a crash, [`open`](Dispatcher::open) it
/// from its store: who was told what, and silences, are in it; alerts come again by themselves.
#[derive(Debug)]
pub struct Dispatcher<S> {
    store: S,
    config: DispatchConfig,
    tree: RouteTree,
    inhibitor: Inhibitor,
    silences: Silences,
    log: NotificationLog,
    cluster: Option<Cluster>,
    groups: BTreeMap<u64, Group>,
    by_labels: BTreeMap<(RouteId, Labels), u64>,
    timers: BTreeSet<(Time, u64)>,
    members: usize,
    next_group: u64,
    next_notification: u64,
    next_cleaning: Time,
    #[cfg(test)]
    sabotage: Option<Sabotage>,
}

impl<S: Store> Dispatcher<S> {
    /// A dispatcher over what a store holds.
    ///
    /// # Errors
    /// [`DispatchError`].
    pub fn open(store: S, config: DispatchConfig, now: Time) -> Result<Dispatcher<S>, DispatchError> {
        let tree = config.checked()?;
        let mut store = store;
        let next_notification = begin_epoch(&mut store, now).map_err(DispatchError::Store)?;
        let (mut log, mut silences) = (NotificationLog::default(), Silences::new(config.silence_retention));
        store.scan(log::PREFIX, &mut |_, stored| {
            if let Ok(entry) = postcard::from_bytes::<LogEntry>(stored.value) {
                log.merge(&entry);
            }
            true
        });
        store.scan(SILENCE, &mut |_, stored| {
            if let Some(silence) = Silence::decode(stored.value) {
                silences.merge(&silence);
            }
            true
        });
        Ok(Dispatcher {
            inhibitor: Inhibitor::new(config.inhibit_rules.clone()),
            cluster: config.cluster.clone().map(|cluster| Cluster::new(cluster, now)),
            store,
            tree,
            silences,
            log,
            groups: BTreeMap::new(),
            by_labels: BTreeMap::new(),
            timers: BTreeSet::new(),
            members: 0,
            next_group: 0,
            next_notification,
            next_cleaning: now + config.resolve_timeout,
            config,
            #[cfg(test)]
            sabotage: None,
        })
    }

    #[cfg(test)]
    pub(super) fn sabotaged(mut self, sabotage: Option<Sabotage>) -> Dispatcher<S> {
        self.sabotage = sabotage;
        self.inhibitor.allows_self = sabotage == Some(Sabotage::InhibitsItself);
        self
    }

    #[cfg(test)]
    fn is_broken(&self, sabotage: Sabotage) -> bool {
        self.sabotage == Some(sabotage)
    }

    /// The routing tree.
    pub const fn routes(&self) -> &RouteTree {
        &self.tree
    }

    /// What receivers were told.
    pub const fn log(&self) -> &NotificationLog {
        &self.log
    }

    /// All silences.
    pub const fn silences(&self) -> &Silences {
        &self.silences
    }

    /// The other nodes.
    pub const fn cluster(&self) -> Option<&Cluster> {
        self.cluster.as_ref()
    }

    /// How many groups there are.
    pub fn group_count(&self) -> usize {
        self.groups.len()
    }

    /// How many alerts are kept, counted once for each of their groups.
    pub const fn alert_count(&self) -> usize {
        self.members
    }

    /// Gives the store back.
    pub fn into_store(self) -> S {
        self.store
    }

    /// Takes what happened.
    ///
    /// # Errors
    /// [`Rejected`]; then nothing has changed, unless the store failed: open it again, and the dispatcher from it.
    pub fn handle(&mut self, now: Time, input: Input, out: &mut Vec<Output>) -> Result<(), Rejected> {
        match input {
            Input::Alert(alert) => self.alert(now, alert),
            Input::SetSilence(silence) => {
                let silence = self.silences.set(now, silence).map_err(Rejected::Silence)?.clone();
                self.share_silence(now, &silence, out)
            }
            Input::ExpireSilence { id } => {
                let silence = self.silences.expire(now, &id).map_err(Rejected::Silence)?.clone();
                self.share_silence(now, &silence, out)
            }
            Input::Delivered(id) => self.delivered(now, id, out),
            Input::Failed { id, retryable } => {
                let group = self.in_flight(id)?;
                self.failed(now, group, retryable, out);
                Ok(())
            }
            Input::Gossip { from, gossip } => self.hear(now, from, &gossip),
            Input::SetClock(clock) => {
                self.config.clock = clock;
                Ok(())
            }
        }
    }

    /// When [`expire`](Dispatcher::expire) wants to be called next.
    pub fn deadline(&self) -> Option<Time> {
        let group = self.timers.first().map(|(due, _)| *due).filter(|due| *due < Time::MAX);
        let gossip = self.cluster.as_ref().map(Cluster::deadline);
        let cleaning = (self.members > 0 || self.log.iter().next().is_some()).then_some(self.next_cleaning);
        [group, gossip, cleaning, self.store.deadline()].into_iter().flatten().min()
    }

    /// Does what is due.
    ///
    /// # Errors
    /// [`Rejected::Store`]: the rest is still due.
    pub fn expire(&mut self, now: Time, out: &mut Vec<Output>) -> Result<(), Rejected> {
        while let Some((due, group)) = self.timers.first().copied().filter(|(due, _)| is_due(*due, now)) {
            debug_assert!(
                self.groups.get(&group).is_some_and(|group| group.timer == due),
                "a timer of no group"
            );
            self.serve(now, group, out)?;
        }
        self.gossip(now, out);
        if self.next_cleaning <= now {
            self.next_cleaning = now + self.config.resolve_timeout;
            self.clean(now)?;
        }
        if self.store.deadline().is_some_and(|due| due <= now) {
            self.store.sync(now).map_err(Rejected::Store)?;
        }
        Ok(())
    }

    fn alert(&mut self, now: Time, alert: Alert) -> Result<(), Rejected> {
        if alert.labels.is_empty() {
            return Err(Rejected::NoLabels);
        }
        let ends_at = alert.ends_at.unwrap_or(now + self.config.resolve_timeout);
        let routes = self.routes_of(&alert.labels);
        let joins = routes.iter().filter(|route| !self.is_member(**route, &alert.labels)).count();
        if joins > 0 && self.members.saturating_add(joins) > self.config.max_alerts {
            return Err(Rejected::TooManyAlerts);
        }
        self.inhibitor.observe(now, &alert.labels, ends_at);
        let fingerprint = alert.labels.fingerprint();
        let alert = Arc::new(alert);
        for route in routes {
            self.join(now, route, Member { alert: Arc::clone(&alert), fingerprint, ends_at });
        }
        Ok(())
    }

    fn is_member(&self, route: RouteId, labels: &Labels) -> bool {
        let Some(node) = self.tree.get(route) else { return false };
        let group = self.by_labels.get(&(route, node.options.group_of(labels)));
        let group = group.and_then(|id| self.groups.get(id));
        group.is_some_and(|group| group.members.contains_key(labels))
    }

    /// The routes of an alert, in tree order.
    pub fn routes_of(&self, labels: &Labels) -> Vec<RouteId> {
        #[cfg(test)]
        if self.is_broken(Sabotage::DropsContinue) {
            return self.tree.matching_without_continue(labels);
        }
        self.tree.matching(labels)
    }

    /// Puts an alert into its group at a route. One that is over is of interest only where it was heard of: here, or
    /// before a restart.
    fn join(&mut self, now: Time, route: RouteId, member: Member) {
        let Some(node) = self.tree.get(route) else { return };
        let labels = node.options.group_of(&member.alert.labels);
        let known = self.by_labels.get(&(route, labels.clone())).copied();
        let is_here = known
            .and_then(|id| self.groups.get(&id))
            .is_some_and(|group| group.members.contains_key(&member.alert.labels));
        let key = |labels: &Labels| format!("{}:{labels}", node.key);
        if member.ends_at <= now && !is_here {
            let entry = self.log.get(&key(&labels), &node.options.receiver);
            if !entry.is_some_and(|entry| entry.is_firing(member.fingerprint)) {
                return;
            }
        }
        let id = match known {
            Some(id) => id,
            None => {
                let first_tick = now + self.group_wait(node.options.group_wait);
                let key = key(&labels);
                self.add_group(route, labels, key, first_tick)
            }
        };
        let Some(group) = self.groups.get_mut(&id) else { return };
        let before = group.members.insert(member.alert.labels.clone(), member);
        self.members += usize::from(before.is_none());
    }

    fn group_wait(&self, span: Span) -> Span {
        #[cfg(test)]
        if self.is_broken(Sabotage::NotifiesAtHalfTheWait) {
            return span.mul_ratio(1, 2);
        }
        span
    }

    fn add_group(&mut self, route: RouteId, labels: Labels, key: String, next_tick: Time) -> u64 {
        let id = self.next_group;
        self.next_group += 1;
        self.by_labels.insert((route, labels.clone()), id);
        self.timers.insert((next_tick, id));
        let (members, timer) = (BTreeMap::new(), next_tick);
        let group = Group { route, labels, key, members, next_tick, waiting: None, in_flight: None, timer };
        self.groups.insert(id, group);
        id
    }

    fn share_silence(&mut self, now: Time, silence: &Silence, out: &mut Vec<Output>) -> Result<(), Rejected> {
        let mut batch = Batch::new();
        batch.put([SILENCE, silence.id.as_bytes()].concat(), silence.encode());
        self.commit(now, &batch)?;
        // Whoever made it relies on it.
        self.store.sync(now).map_err(Rejected::Store)?;
        self.tell_peers(&[], &[silence.encode()], out);
        Ok(())
    }

    fn commit(&mut self, now: Time, batch: &Batch) -> Result<(), Rejected> {
        if batch.is_empty() {
            return Ok(());
        }
        self.store.commit(now, batch).map(|_| ()).map_err(Rejected::Store)
    }

    /// Forgets what is too old to matter.
    fn clean(&mut self, now: Time) -> Result<(), Rejected> {
        self.inhibitor.forget_ended(now);
        let mut batch = Batch::new();
        for id in self.silences.forget_old(now) {
            batch.remove([SILENCE, id.as_bytes()].concat());
        }
        for entry in self.log.forget_expired(now) {
            batch.remove(entry.store_key());
        }
        self.commit(now, &batch)
    }
}

/// The end of time means never.
fn is_due(due: Time, now: Time) -> bool {
    due <= now && due < Time::MAX
}

/// The first number for notifications: beyond all that a dispatcher over this store used before.
fn begin_epoch(store: &mut impl Store, now: Time) -> Result<u64, StoreError> {
    let before =
        store.get(EPOCH).and_then(|stored| stored.value.try_into().ok()).map_or(0, u64::from_le_bytes);
    let epoch = before.wrapping_add(1);
    let mut batch = Batch::new();
    batch.put(EPOCH, epoch.to_le_bytes());
    store.commit(now, &batch)?;
    store.sync(now)?;
    Ok(epoch << 32)
}
