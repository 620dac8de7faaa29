//! Who is told what. A revision is told in one piece, revisions in their order, each once; a bookmark after them. What
//! is to be told is a function of the history, so that a watch that begins anew misses nothing.

#[cfg(test)]
use super::config::Sabotage;
use crate::config_manager::history::{Event, History};
use crate::config_manager::key::{Revision, Scope};
use crate::config_manager::message::{Answer, Batch, Output, PeerId, Push, RequestId, View, WatchId};
use crate::time::Time;
use std::collections::{BTreeMap, BTreeSet};

/// Where something is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Channel {
    Stream(WatchId),
    Poll(RequestId),
}

type Listener = (PeerId, Channel);

#[derive(Clone, Debug)]
struct Watcher {
    instance: String,
    scopes: BTreeSet<Scope>,
    /// The last revision it was told about, or of a bookmark.
    sent: Revision,
    /// When a poll has waited long enough.
    until: Option<Time>,
    /// The lower, the longer it has been there.
    age_rank: u64,
}

/// All watches and polls that wait.
#[derive(Debug, Default)]
pub(super) struct Watches {
    watchers: BTreeMap<Listener, Watcher>,
    by_scope: BTreeMap<Scope, BTreeSet<Listener>>,
    polls_due: BTreeSet<(Time, Listener)>,
    begun: u64,
    told: Vec<Output>,
    #[cfg(test)]
    pub(super) sabotage: Option<Sabotage>,
    #[cfg(test)]
    stash: BTreeMap<Listener, Batch>,
}

impl Watches {
    pub(super) fn streams(&self) -> usize {
        self.watchers.len() - self.polls_due.len()
    }

    pub(super) fn polls(&self) -> usize {
        self.polls_due.len()
    }

    pub(super) fn first_poll(&self) -> Option<Time> {
        self.polls_due.first().map(|(due, _)| *due)
    }

    /// What is to be sent since the last time.
    pub(super) fn drain(&mut self) -> std::vec::Drain<'_, Output> {
        self.told.drain(..)
    }

    /// Begins a watch: what it has missed, then a bookmark.
    pub(super) fn begin(
        &mut self,
        history: &History,
        peer: PeerId,
        watch: WatchId,
        view: View,
        from: Revision,
        most: usize,
    ) {
        let listener = (peer, Channel::Stream(watch));
        let missed = self.since(history, &view, from.previous());
        self.add(listener, view, from.previous(), None, most);
        for events in missed {
            self.push_events(listener, events);
        }
        self.push_bookmark(listener, history.current());
    }

    /// Lets a poll wait.
    pub(super) fn park(
        &mut self,
        peer: PeerId,
        request: RequestId,
        view: View,
        sent: Revision,
        until: Time,
        most: usize,
    ) {
        self.add((peer, Channel::Poll(request)), view, sent, Some(until), most);
    }

    /// All that happened after a revision, as a view sees it, one batch a revision.
    pub(super) fn since(&self, history: &History, view: &View, after: Revision) -> Vec<Vec<Event>> {
        let scopes: BTreeSet<&Scope> = view.scopes.iter().collect();
        let revisions = history.revisions_after(after).map(|revision| {
            let touched: BTreeSet<&Scope> = history.touched(revision).iter().map(|row| row.scope()).collect();
            let seen = scopes.intersection(&touched);
            seen.flat_map(|scope| {
                let sides = self.sides(history, scope, &view.instance, revision);
                history.events(scope, revision, sides)
            })
            .collect::<Vec<Event>>()
        });
        revisions.filter(|events| !events.is_empty()).collect()
    }

    /// Whether an instance was a canary before a revision, and whether it is from then on.
    fn sides(&self, history: &History, scope: &Scope, instance: &str, revision: Revision) -> [bool; 2] {
        [revision.previous(), revision].map(|at| {
            #[cfg(test)]
            if self.sabotage == Some(Sabotage::CanaryForAll) {
                return history.rule(scope, at).is_some();
            }
            history.is_canary(scope, instance, at)
        })
    }

    /// Tells everybody whom it concerns of a new revision.
    pub(super) fn tell(&mut self, history: &History, revision: Revision) {
        let touched: BTreeSet<&Scope> = history.touched(revision).iter().map(|row| row.scope()).collect();
        let concerned = touched.iter().filter_map(|scope| self.by_scope.get(*scope));
        let concerned: BTreeSet<Listener> = concerned.flatten().copied().collect();
        // All who look at a scope from the same side of the canary see the same.
        let mut seen: BTreeMap<(&Scope, [bool; 2]), Vec<Event>> = BTreeMap::new();
        for listener in concerned {
            let Some(watcher) = self.watchers.get(&listener) else { continue };
            let mut events = Vec::new();
            for scope in touched.iter().filter(|scope| watcher.scopes.contains(**scope)) {
                let sides = self.sides(history, scope, &watcher.instance, revision);
                let of_scope =
                    seen.entry((scope, sides)).or_insert_with(|| history.events(scope, revision, sides));
                events.extend_from_slice(of_scope);
            }
            if !events.is_empty() {
                self.push_events(listener, events);
            }
        }
    }

    /// Gives every stream a bookmark.
    pub(super) fn bookmark_all(&mut self, current: Revision) {
        let streams = self.watchers.keys().filter(|(_, channel)| matches!(channel, Channel::Stream(_)));
        for listener in streams.copied().collect::<Vec<_>>() {
            self.push_bookmark(listener, current);
        }
    }

    /// Gives one stream a bookmark; says whether it is there.
    pub(super) fn bookmark(&mut self, peer: PeerId, watch: WatchId, current: Revision) -> bool {
        let listener = (peer, Channel::Stream(watch));
        let is_open = self.watchers.contains_key(&listener);
        if is_open {
            self.push_bookmark(listener, current);
        }
        is_open
    }

    /// Answers polls that have waited long enough.
    pub(super) fn expire_polls(&mut self, now: Time, current: Revision) {
        while let Some((_, listener)) = self.polls_due.first().copied().filter(|(due, _)| *due <= now) {
            self.answer_poll(listener, current, Vec::new());
        }
    }

    /// Ends a watch.
    pub(super) fn end(&mut self, peer: PeerId, watch: WatchId) {
        self.remove((peer, Channel::Stream(watch)));
    }

    /// Ends all that a peer has.
    pub(super) fn forget(&mut self, peer: PeerId) {
        for listener in self.of_peer(peer) {
            self.remove(listener);
        }
    }

    /// Tells a watch that it comes too late.
    pub(super) fn push_compacted(&mut self, to: PeerId, watch: WatchId, compacted: Revision) {
        self.remove((to, Channel::Stream(watch)));
        self.told.push(Output::Push { to, watch, push: Push::Compacted(compacted) });
    }

    fn add(&mut self, listener: Listener, view: View, sent: Revision, until: Option<Time>, most: usize) {
        self.remove(listener);
        let mut others = self.of_peer(listener.0);
        while others.len() >= most.max(1) {
            let ranked = others.iter().enumerate().min_by_key(|(_, other)| self.watchers[*other].age_rank);
            let Some(oldest) = ranked.map(|(index, _)| index) else { break };
            self.cancel(others.swap_remove(oldest));
        }
        self.begun = self.begun.saturating_add(1);
        let scopes: BTreeSet<Scope> = view.scopes.into_iter().collect();
        for scope in &scopes {
            self.by_scope.entry(scope.clone()).or_default().insert(listener);
        }
        self.polls_due.extend(until.map(|until| (until, listener)));
        let watcher = Watcher { instance: view.instance, scopes, sent, until, age_rank: self.begun };
        self.watchers.insert(listener, watcher);
    }

    fn of_peer(&self, peer: PeerId) -> Vec<Listener> {
        let first = (peer, Channel::Stream(WatchId(0)));
        self.watchers
            .range(first..)
            .map(|(listener, _)| *listener)
            .take_while(|(of, _)| *of == peer)
            .collect()
    }

    fn cancel(&mut self, listener: Listener) {
        let Some(watcher) = self.watchers.get(&listener) else { return };
        match listener {
            (to, Channel::Stream(watch)) => {
                self.told.push(Output::Push { to, watch, push: Push::Cancelled });
                self.remove(listener);
            }
            (_, Channel::Poll(_)) => self.answer_poll(listener, watcher.sent, Vec::new()),
        }
    }

    fn remove(&mut self, listener: Listener) {
        let Some(watcher) = self.watchers.remove(&listener) else { return };
        for scope in &watcher.scopes {
            if let Some(listeners) = self.by_scope.get_mut(scope) {
                listeners.remove(&listener);
                if listeners.is_empty() {
                    self.by_scope.remove(scope);
                }
            }
        }
        if let Some(until) = watcher.until {
            self.polls_due.remove(&(until, listener));
        }
    }

    fn answer_poll(&mut self, listener: Listener, revision: Revision, batches: Vec<Vec<Event>>) {
        self.remove(listener);
        if let (to, Channel::Poll(request)) = listener {
            self.told.push(Output::Answer { to, request, answer: Answer::Changes { revision, batches } });
        }
    }

    fn push_bookmark(&mut self, listener: Listener, revision: Revision) {
        let Some(watcher) = self.watchers.get_mut(&listener) else { return };
        let after = std::mem::replace(&mut watcher.sent, revision);
        self.push_batch(listener, Batch { after, revision, events: Vec::new() });
    }

    /// The events of one revision.
    fn push_events(&mut self, listener: Listener, events: Vec<Event>) {
        let Some(watcher) = self.watchers.get_mut(&listener) else { return };
        let Some(revision) = events.first().map(|event| event.revision) else { return };
        match listener.1 {
            Channel::Stream(_) => {
                let after = std::mem::replace(&mut watcher.sent, revision);
                self.push_batch(listener, Batch { after, revision, events });
            }
            Channel::Poll(_) => self.answer_poll(listener, revision, vec![events]),
        }
    }

    fn push_batch(&mut self, listener: Listener, batch: Batch) {
        let (to, Channel::Stream(watch)) = listener else { return };
        #[cfg(test)]
        if let Some(sabotage) = self.sabotage {
            let mut stash = self.stash.remove(&listener);
            for batch in super::sabotage::distorted(sabotage, &mut stash, batch) {
                self.told.push(Output::Push { to, watch, push: Push::Batch(batch) });
            }
            self.stash.extend(stash.map(|batch| (listener, batch)));
            return;
        }
        self.told.push(Output::Push { to, watch, push: Push::Batch(batch) });
    }
}
