//! Reads, transactions, compaction, and the beginning of watches and polls. Never releases anything.

#[cfg(test)]
use super::Sabotage;
use super::rows::{self, Rows};
use super::{Server, Stop};
use crate::config_manager::history::{Compacted, Mutation};
use crate::config_manager::key::{Key, Revision, Scope};
use crate::config_manager::message::{Answer, PeerId, Refusal, RequestId, View, WatchId};
use crate::config_manager::schema::{Problem, Violation};
use crate::config_manager::txn::{Txn, Write};
use crate::store::{Store, StoreError};
use crate::time::{Span, Time};
use std::collections::BTreeSet;

impl<S: Store> Server<S> {
    pub(super) fn get(&self, key: &Key, at: Option<Revision>) -> Result<Answer, Stop> {
        let revision = self.readable(at)?;
        Ok(Answer::Entry { revision, entry: self.history.main(key, revision) })
    }

    pub(super) fn snapshot(&mut self, view: &View, at: Option<Revision>) -> Result<Answer, Stop> {
        let revision = self.readable(at)?;
        self.snapshots = self.snapshots.saturating_add(1);
        let scopes: BTreeSet<&Scope> = view.scopes.iter().collect();
        let entries =
            scopes.into_iter().flat_map(|scope| self.history.snapshot(scope, &view.instance, revision));
        Ok(Answer::Snapshot { revision, entries: entries.collect() })
    }

    fn readable(&self, at: Option<Revision>) -> Result<Revision, Stop> {
        let current = self.history.current();
        match at {
            None => Ok(current),
            Some(at) if at > current => Err(Refusal::Future(current).into()),
            Some(at) if at < self.history.compacted() => Err(Compacted(self.history.compacted()).into()),
            Some(at) => Ok(at),
        }
    }

    pub(super) fn txn(&mut self, now: Time, txn: Txn) -> Result<Answer, Stop> {
        let current = self.history.current();
        let holds = |compare: &crate::config_manager::txn::Compare| {
            compare.holds(self.history.main(compare.key(), current).as_ref())
        };
        let succeeded = txn.compare.iter().all(holds);
        #[cfg(test)]
        let succeeded = succeeded || self.is_broken(Sabotage::IgnoresCompare);
        let writes = if succeeded { txn.then } else { txn.otherwise };
        if let Some(lease) = txn.lease.filter(|lease| !self.leases.contains(*lease)) {
            return Err(Refusal::UnknownLease(lease).into());
        }
        let mut keys = BTreeSet::new();
        for write in &writes {
            if !keys.insert(write.key()) {
                return Err(Refusal::Twice(write.key().clone()).into());
            }
            self.check_write(write, txn.lease.is_some())?;
        }
        let mutations = writes.into_iter().filter_map(|write| match write {
            Write::Put(key, value) => Some(Mutation::Main(key, Some(value))),
            Write::Delete(key) => {
                self.history.main(&key, current).is_some().then_some(Mutation::Main(key, None))
            }
        });
        let mutations = mutations.collect();
        let revision = self.commit_leased(now, Rows::default(), mutations, txn.lease)?;
        Ok(Answer::Txn { succeeded, revision })
    }

    /// Whether a write past all releases is allowed.
    fn check_write(&self, write: &Write, is_leased: bool) -> Result<(), Refusal> {
        let Some(state) = self.scopes.get(write.key().scope()) else { return Ok(()) };
        if let Some(author) = &state.locked_by {
            return Err(Refusal::Locked(author.clone()));
        }
        let Some(schema) = &state.schema else { return Ok(()) };
        let name = write.key().name();
        let is_required = schema.fields.get(name).is_some_and(|field| field.is_required);
        let missing = || Err(Violation { name: name.to_string(), problem: Problem::Missing });
        let checked = match write {
            Write::Delete(_) if is_required => missing(),
            Write::Delete(_) => Ok(()),
            // What belongs to a lease will go.
            Write::Put(..) if is_required && is_leased => missing(),
            Write::Put(_, value) => schema.check_published(name, value),
        };
        #[cfg(test)]
        let checked = if self.is_broken(Sabotage::SkipsSchema) { Ok(()) } else { checked };
        checked.map_err(|violation| Refusal::Invalid(vec![violation]))
    }

    pub(super) fn audit(&self, scope: &Scope, most: usize) -> Answer {
        let oldest = self.audited.saturating_sub(self.config.keep_audit);
        let numbers = (oldest.saturating_add(1)..=self.audited).rev();
        let entries = numbers.filter_map(|number| rows::audit(&self.store, number));
        Answer::Audit(entries.filter(|entry| entry.scope == *scope).take(most).collect())
    }

    pub(super) fn compact(&mut self, now: Time, through: Revision) -> Result<Answer, Stop> {
        if through > self.history.current() {
            return Err(Refusal::Future(self.history.current()).into());
        }
        self.forget(now, through)?;
        Ok(Answer::Compacted(self.history.compacted()))
    }

    pub(super) fn compact_if_long(&mut self, now: Time) -> Result<(), StoreError> {
        let Some(keep) = self.config.keep_revisions else { return Ok(()) };
        let kept = self.history.current().0.saturating_sub(self.history.compacted().0);
        if kept < keep.saturating_mul(2) {
            return Ok(());
        }
        self.forget(now, Revision(self.history.current().0.saturating_sub(keep)))
    }

    fn forget(&mut self, now: Time, through: Revision) -> Result<(), StoreError> {
        let from = self.history.compacted();
        if through <= from {
            return Ok(());
        }
        let compacted = self.history.compact(through);
        let mut rows = Rows::default();
        rows.compact(from, through, &compacted);
        self.last = self.store.commit(now, &rows.batch)?;
        Ok(())
    }

    pub(super) fn watch(
        &mut self,
        now: Time,
        peer: PeerId,
        watch: WatchId,
        view: View,
        from: Revision,
    ) -> Result<(), Stop> {
        let (current, compacted) = (self.history.current(), self.history.compacted());
        if from > current.next() {
            return Err(Refusal::Future(current).into());
        }
        let is_too_late = from <= compacted && compacted > Revision::ZERO;
        #[cfg(test)]
        let is_too_late = is_too_late
            && !self.is_broken(Sabotage::HidesCompaction)
            && !(from == compacted && self.is_broken(Sabotage::ForgetsDeletionOnCompact));
        if is_too_late {
            self.too_late = self.too_late.saturating_add(1);
            self.watches.push_compacted(peer, watch, compacted);
            return Ok(());
        }
        #[cfg(test)]
        let from =
            if self.is_broken(Sabotage::SkipsOnResume) { from.next().min(current.next()) } else { from };
        self.watches.begin(&self.history, peer, watch, view, from, self.config.most_watches_per_peer);
        self.next_progress = self.next_progress.or(Some(now + self.config.progress_interval));
        Ok(())
    }

    pub(super) fn poll(
        &mut self,
        now: Time,
        peer: PeerId,
        request: RequestId,
        view: View,
        have: Revision,
        hold: Span,
    ) -> Result<Option<Answer>, Stop> {
        let (revision, compacted) = (self.history.current(), self.history.compacted());
        if have > revision {
            return Err(Refusal::Future(revision).into());
        }
        if have < compacted {
            self.too_late = self.too_late.saturating_add(1);
            return Err(Compacted(compacted).into());
        }
        let hold = hold.min(self.config.most_hold);
        let batches = self.watches.since(&self.history, &view, have);
        if !batches.is_empty() || hold.is_zero() {
            return Ok(Some(Answer::Changes { revision, batches }));
        }
        let most = self.config.most_watches_per_peer;
        self.watches.park(peer, request, view, revision, now + hold, most);
        Ok(None)
    }
}
