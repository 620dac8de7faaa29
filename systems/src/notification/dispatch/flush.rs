//! What a tick of a group does: who is muted, what the receiver knows already, what it is told; and what an answer does.

use super::gossip::encoded;
use super::group::{Before, Group, InFlight, Waiting};
use super::message::{Alert, Notification, NotificationId, Output, Reason, Rejected};
use super::{Dispatcher, LogEntry};
use crate::arithmetic::keyed_word;
use crate::notification::label::Labels;
use crate::notification::route::RouteOptions;
use crate::retry::{FailedAttempt, Pauses, RetryDecision};
use crate::store::{Batch, Store};
use crate::time::{Span, Time};
use std::sync::Arc;

/// What there is to tell of a group.
struct Snapshot {
    firing: Vec<Arc<Alert>>,
    resolved: Vec<Arc<Alert>>,
    /// Alerts that are over, and of which the receiver never heard or need not hear.
    gone: Vec<Labels>,
}

impl<S: Store> Dispatcher<S> {
    /// Does what is due for one group, and sets its timer anew.
    pub(super) fn serve(&mut self, now: Time, id: u64, out: &mut Vec<Output>) -> Result<(), Rejected> {
        let Some(group) = self.groups.get(&id) else { return Ok(()) };
        let (tick, waited) = (group.next_tick <= now, group.waiting.as_ref().is_some_and(|w| w.until <= now));
        let answer_due = group.in_flight.as_ref().is_some_and(|in_flight| in_flight.due <= now);
        if tick {
            self.tick(now, id, out)?;
        } else if waited {
            let waiting = self.groups.get_mut(&id).and_then(|group| group.waiting.take());
            if let Some(waiting) = waiting {
                self.decide(now, id, waiting.tick, Some(&waiting.members), out)?;
            }
        } else if answer_due {
            self.overdue(now, id, out)?;
        }
        self.reset_timer(id);
        Ok(())
    }

    fn reset_timer(&mut self, id: u64) {
        if let Some(group) = self.groups.get_mut(&id) {
            self.timers.remove(&(group.timer, id));
            group.timer = group.due();
            self.timers.insert((group.timer, id));
        }
    }

    fn tick(&mut self, now: Time, id: u64, out: &mut Vec<Output>) -> Result<(), Rejected> {
        let Some(group) = self.groups.get_mut(&id) else { return Ok(()) };
        let Some(route) = self.tree.get(group.route) else { return Ok(()) };
        let tick = group.take_tick(now, route.options.group_interval);
        // However long the wait for other nodes: the next tick must not begin it anew.
        if group.waiting.is_some() {
            return Ok(());
        }
        if group.members.is_empty() && group.in_flight.is_none() {
            self.remove_group(id);
            return Ok(());
        }
        match self.wait_for_peers(now) {
            Some(wait) => {
                let members = members_now(self.groups.get(&id), now);
                if let Some(group) = self.groups.get_mut(&id) {
                    group.waiting = Some(Waiting { tick, until: now + wait, members });
                }
                Ok(())
            }
            None => self.decide(now, id, tick, None, out),
        }
    }

    /// How long nodes before this one have to tell first; `None` if it is this one's turn at once.
    fn wait_for_peers(&self, now: Time) -> Option<Span> {
        let wait = self.cluster.as_ref()?.wait(now);
        #[cfg(test)]
        if self.is_broken(super::Sabotage::StaysSilentBehindOthers) && !wait.is_zero() {
            return Some(Span::MAX);
        }
        (!wait.is_zero()).then_some(wait)
    }

    fn remove_group(&mut self, id: u64) {
        if let Some(group) = self.groups.remove(&id) {
            self.timers.remove(&(group.timer, id));
            self.by_labels.remove(&(group.route, group.labels));
        }
    }

    /// Tells the receiver what it does not know, if anything. With `only`, of nothing but these alerts.
    fn decide(
        &mut self,
        now: Time,
        id: u64,
        tick: Time,
        only: Option<&Before>,
        out: &mut Vec<Output>,
    ) -> Result<(), Rejected> {
        let Some(group) = self.groups.get(&id) else { return Ok(()) };
        let Some(route) = self.tree.get(group.route) else { return Ok(()) };
        let entry = self.log.get(&group.key, &route.options.receiver);
        let snapshot = self.snapshot(now, group, &route.options, entry, only);
        let reason = if self.cluster.as_ref().is_some_and(|cluster| !cluster.may_send(now)) {
            None
        } else {
            self.reason(tick, &snapshot, &route.options, entry)
        };
        let in_flight = group.in_flight.as_ref();
        let is_under_way = in_flight.is_some_and(|f| f.says(&snapshot.firing, &snapshot.resolved));
        let notification = reason.filter(|_| !is_under_way).map(|reason| Notification {
            id: NotificationId { group: id, number: self.next_notification },
            attempt: 1,
            receiver: route.options.receiver.clone(),
            group: group.key.clone(),
            group_labels: group.labels.clone(),
            at: tick,
            reason,
            firing: snapshot.firing,
            resolved: snapshot.resolved,
        });
        self.drop_members(now, id, &snapshot.gone)?;
        match (notification, reason) {
            (Some(notification), _) => {
                self.next_notification += 1;
                self.hand_out(now, id, notification, (Span::ZERO, 0), out);
            }
            // What it was about is over, muted, or told by another node: no further attempt. One under way may still be
            // answered.
            (None, None) => {
                if let Some(group) = self.groups.get_mut(&id) {
                    group.in_flight = group.in_flight.take().filter(|in_flight| !in_flight.is_waiting);
                }
            }
            (None, Some(_)) => {}
        }
        Ok(())
    }

    fn hand_out(
        &mut self,
        now: Time,
        id: u64,
        notification: Notification,
        pause: (Span, u64),
        out: &mut Vec<Output>,
    ) {
        let due = now + self.config.notify_timeout;
        out.push(Output::Notify(notification.clone()));
        if let Some(group) = self.groups.get_mut(&id) {
            group.in_flight = Some(InFlight { notification, due, is_waiting: false, pause });
        }
    }

    /// What there is to tell; with `only`, as far as it is still so now. What ended or began again since is told at the
    /// next tick, or nodes that waited would tell what those before them did not.
    fn snapshot(
        &self,
        now: Time,
        group: &Group,
        options: &RouteOptions,
        entry: Option<&LogEntry>,
        only: Option<&Before>,
    ) -> Snapshot {
        let tells_resolved = !self.config.without_resolved.contains(&options.receiver);
        let route_is_muted = self.is_muted_by_time(now, options);
        let mut snapshot = Snapshot { firing: Vec::new(), resolved: Vec::new(), gone: Vec::new() };
        for (labels, member) in &group.members {
            let is_over = member.ends_at <= now && !self.takes_gone_for_firing();
            if only.is_some_and(|only| only.get(labels) != Some(&is_over)) {
                continue;
            }
            let is_known = entry.is_some_and(|entry| entry.is_firing(member.fingerprint));
            if is_over && !(is_known && tells_resolved) {
                snapshot.gone.push(labels.clone());
            } else if !route_is_muted && !self.is_muted(now, labels) {
                let list = if is_over { &mut snapshot.resolved } else { &mut snapshot.firing };
                list.push(Arc::clone(&member.alert));
            }
        }
        snapshot
    }

    const fn takes_gone_for_firing(&self) -> bool {
        #[cfg(test)]
        if let Some(super::Sabotage::TellsAlertsThatAreGone) = self.sabotage {
            return true;
        }
        false
    }

    /// Whether an inhibition or a silence keeps an alert quiet.
    pub fn is_muted(&self, now: Time, labels: &Labels) -> bool {
        #[cfg(test)]
        if self.is_broken(super::Sabotage::IgnoresSilences) {
            return self.inhibitor.muted_by(now, labels).is_some();
        }
        self.inhibitor.muted_by(now, labels).is_some() || self.silences.muted_by(now, labels).is_some()
    }

    fn is_muted_by_time(&self, now: Time, options: &RouteOptions) -> bool {
        let holds = |name: &String| {
            self.config.intervals.get(name).is_some_and(|interval| interval.contains(now, self.config.clock))
        };
        options.mute_intervals.iter().any(holds)
            || (!options.active_intervals.is_empty() && !options.active_intervals.iter().any(holds))
    }

    /// Why the receiver has to be told this; `None` if it need not.
    fn reason(
        &self,
        tick: Time,
        snapshot: &Snapshot,
        options: &RouteOptions,
        entry: Option<&LogEntry>,
    ) -> Option<Reason> {
        #[cfg(test)]
        let entry = entry.filter(|_| !self.is_broken(super::Sabotage::ForgetsWhatWasTold));
        let Some(entry) = entry else {
            return (!snapshot.firing.is_empty()).then_some(Reason::First);
        };
        let is_known = |alert: &Arc<Alert>| entry.is_firing(alert.labels.fingerprint());
        if !snapshot.firing.iter().all(is_known) {
            let knows_none = entry.firing.is_empty();
            return Some(if knows_none { Reason::First } else { Reason::NewAlerts });
        }
        if snapshot.resolved.iter().any(is_known) {
            return Some(Reason::Resolved);
        }
        let is_time = tick.since(entry.at()) >= options.repeat_interval;
        (!snapshot.firing.is_empty() && is_time).then_some(Reason::Repeat)
    }

    /// Alerts that are over and need not be told of. A receiver that is not told of ends must still not take an alert
    /// that comes back for one it knows.
    fn drop_members(&mut self, now: Time, id: u64, gone: &[Labels]) -> Result<(), Rejected> {
        let Some(group) = self.groups.get_mut(&id) else { return Ok(()) };
        for labels in gone {
            self.members -= usize::from(group.members.remove(labels).is_some());
        }
        let Some(route) = self.tree.get(group.route) else { return Ok(()) };
        let known = self.log.get(&group.key, &route.options.receiver);
        let Some(mut entry) = known.filter(|_| !gone.is_empty()).cloned() else { return Ok(()) };
        let before = entry.firing.len();
        entry.firing.retain(|fingerprint| gone.iter().all(|labels| labels.fingerprint() != *fingerprint));
        if entry.firing.len() == before {
            return Ok(());
        }
        // Newer than the entry it replaces, so that it wins everywhere, and still of the same tick.
        entry.revision = entry.revision.saturating_add(1);
        self.write(now, &entry)
    }

    fn write(&mut self, now: Time, entry: &LogEntry) -> Result<(), Rejected> {
        if !self.log.merge(entry) {
            return Ok(());
        }
        let mut batch = Batch::new();
        batch.put(entry.store_key(), encoded(entry));
        self.commit(now, &batch)
    }

    /// The group in which a notification is under way.
    pub(super) fn in_flight(&self, id: NotificationId) -> Result<u64, Rejected> {
        let in_flight = self.groups.get(&id.group).and_then(|group| group.in_flight.as_ref());
        let is_it = in_flight.is_some_and(|in_flight| in_flight.notification.id == id);
        if is_it { Ok(id.group) } else { Err(Rejected::UnknownNotification(id)) }
    }

    pub(super) fn delivered(
        &mut self,
        now: Time,
        id: NotificationId,
        out: &mut Vec<Output>,
    ) -> Result<(), Rejected> {
        let group_id = self.in_flight(id)?;
        let Some(group) = self.groups.get_mut(&group_id) else { return Ok(()) };
        let Some(in_flight) = group.in_flight.take() else { return Ok(()) };
        let told = in_flight.notification;
        // What is over and told is done with, unless it has begun anew.
        for alert in &told.resolved {
            let is_over = group.members.get(&alert.labels).is_some_and(|member| member.ends_at <= now);
            if is_over && group.members.remove(&alert.labels).is_some() {
                self.members -= 1;
            }
        }
        let repeat = self.tree.get(group.route).map_or(Span::ZERO, |route| route.options.repeat_interval);
        let keep = self.config.log_retention.max(repeat.saturating_mul(2));
        let mut firing: Vec<u64> = told.firing.iter().map(|alert| alert.labels.fingerprint()).collect();
        #[cfg(test)]
        if self.sabotage == Some(super::Sabotage::TakesMutedForTold) {
            firing.extend(group.members.keys().map(Labels::fingerprint));
        }
        firing.sort_unstable();
        firing.dedup();
        let entry = LogEntry {
            group: told.group,
            receiver: told.receiver,
            at_ns: told.at.as_nanos(),
            revision: 0,
            firing,
            expires_ns: (now + keep).as_nanos(),
        };
        self.reset_timer(group_id);
        self.write(now, &entry)?;
        self.tell_peers(std::slice::from_ref(&entry), &[], out);
        Ok(())
    }

    /// An attempt failed: another one later, or none before the next tick.
    pub(super) fn failed(&mut self, now: Time, id: u64, retryable: bool, out: &mut Vec<Output>) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        let Some(in_flight) = &mut group.in_flight else { return };
        let attempt = in_flight.notification.attempt;
        let entropy = keyed_word(
            self.config.seed ^ in_flight.notification.id.number.rotate_left(32),
            u64::from(attempt),
        );
        let (previous, previous_entropy) = in_flight.pause;
        let pauses = Pauses { failed_attempts: attempt, previous, previous_entropy };
        let failed = FailedAttempt { attempt, pauses, retryable, ..FailedAttempt::FIRST };
        match self.config.retry.propose(&failed, entropy) {
            RetryDecision::RetryAfter(pause) => {
                (in_flight.is_waiting, in_flight.due, in_flight.pause) =
                    (true, now + pause, (pause, entropy));
            }
            RetryDecision::Resend => (in_flight.is_waiting, in_flight.due) = (true, now),
            RetryDecision::GiveUp(_) => {
                out.push(Output::GaveUp(in_flight.notification.id));
                group.in_flight = None;
            }
        }
        self.reset_timer(id);
    }

    /// No answer came, or it is time for another attempt: of what is still so.
    fn overdue(&mut self, now: Time, id: u64, out: &mut Vec<Output>) -> Result<(), Rejected> {
        let Some(in_flight) = self.groups.get(&id).and_then(|group| group.in_flight.clone()) else {
            return Ok(());
        };
        if !in_flight.is_waiting {
            self.failed(now, id, true, out);
            return Ok(());
        }
        let mut told = in_flight.notification;
        let firing = told.firing.iter().map(|alert| (alert.labels.clone(), false));
        let over = told.resolved.iter().map(|alert| (alert.labels.clone(), true));
        let members = firing.chain(over).collect();
        let before =
            self.groups.get(&id).and_then(|group| group.in_flight.as_ref().map(|f| f.notification.id));
        self.decide(now, id, told.at, Some(&members), out)?;
        let after =
            self.groups.get(&id).and_then(|group| group.in_flight.as_ref().map(|f| f.notification.id));
        if before == after {
            told.attempt = told.attempt.saturating_add(1);
            self.hand_out(now, id, told, in_flight.pause, out);
        }
        Ok(())
    }
}

fn members_now(group: Option<&Group>, now: Time) -> Before {
    let members = group.into_iter().flat_map(|group| &group.members);
    members.map(|(labels, member)| (labels.clone(), member.ends_at <= now)).collect()
}
