//! Leases: keys that go when whoever put them is not heard of any more (etcd's leases, Consul's sessions). A lease never
//! ends early: after a restart of the server each has its whole time again.

use super::rows::Rows;
use super::{Server, Stop};
use crate::config_manager::history::Mutation;
use crate::config_manager::key::Key;
use crate::config_manager::message::{Answer, LeaseId, Refusal};
use crate::store::{Store, StoreError};
use crate::time::{Span, Time};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A lease as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lease {
    ttl_ns: u64,
    keys: BTreeSet<Key>,
}

impl Lease {
    const fn ttl(&self) -> Span {
        Span::from_nanos(self.ttl_ns)
    }
}

/// All leases, and which keys go with them.
#[derive(Debug, Default)]
pub(super) struct Leases {
    leases: BTreeMap<LeaseId, Lease>,
    ends: BTreeMap<LeaseId, Time>,
    due: BTreeSet<(Time, LeaseId)>,
    of_key: BTreeMap<Key, LeaseId>,
}

impl Leases {
    /// Those that a store holds. Their time begins when the server is first told what time it is.
    pub(super) fn opened(leases: BTreeMap<LeaseId, Lease>) -> Leases {
        let keys = leases.iter().flat_map(|(id, lease)| lease.keys.iter().map(|key| (key.clone(), *id)));
        Leases { of_key: keys.collect(), leases, ..Leases::default() }
    }

    /// When the next one ends.
    pub(super) fn deadline(&self) -> Option<Time> {
        let has_unarmed = self.ends.len() < self.leases.len();
        if has_unarmed { Some(Time::ZERO) } else { self.due.first().map(|(due, _)| *due) }
    }

    fn arm(&mut self, now: Time) {
        if self.ends.len() < self.leases.len() {
            let unarmed = self.leases.keys().filter(|id| !self.ends.contains_key(id));
            for id in unarmed.copied().collect::<Vec<_>>() {
                self.renew(now, id);
            }
        }
    }

    /// Gives a lease its whole time again; says how much that is.
    fn renew(&mut self, now: Time, id: LeaseId) -> Option<Span> {
        let ttl = self.leases.get(&id)?.ttl();
        if let Some(old) = self.ends.insert(id, now + ttl) {
            self.due.remove(&(old, id));
        }
        self.due.insert((now + ttl, id));
        Some(ttl)
    }

    fn remove(&mut self, id: LeaseId) -> Option<Lease> {
        let lease = self.leases.remove(&id)?;
        for key in &lease.keys {
            self.of_key.remove(key);
        }
        if let Some(due) = self.ends.remove(&id) {
            self.due.remove(&(due, id));
        }
        Some(lease)
    }

    pub(super) fn contains(&self, id: LeaseId) -> bool {
        self.leases.contains_key(&id)
    }

    /// The leases that writes change: what is put belongs to `lease`, whatever it belonged to before.
    pub(super) fn changed_by(
        &self,
        mutations: &[Mutation],
        lease: Option<LeaseId>,
    ) -> BTreeMap<LeaseId, Lease> {
        let mut changed: BTreeMap<LeaseId, Lease> = BTreeMap::new();
        for mutation in mutations {
            let Mutation::Main(key, value) = mutation else { continue };
            let old = self.of_key.get(key).copied();
            let new = lease.filter(|_| value.is_some());
            if old == new {
                continue;
            }
            for (id, belongs) in old.map(|id| (id, false)).into_iter().chain(new.map(|id| (id, true))) {
                let Some(known) = self.leases.get(&id) else { continue };
                let keys = &mut changed.entry(id).or_insert_with(|| known.clone()).keys;
                let _ = if belongs { keys.insert(key.clone()) } else { keys.remove(key) };
            }
        }
        changed
    }

    /// Takes over what [`changed_by`](Leases::changed_by) said.
    pub(super) fn adopt(&mut self, changed: BTreeMap<LeaseId, Lease>) {
        for id in changed.keys() {
            for key in self.leases.get(id).iter().flat_map(|lease| &lease.keys) {
                self.of_key.remove(key);
            }
        }
        for (id, lease) in changed {
            self.of_key.extend(lease.keys.iter().map(|key| (key.clone(), id)));
            self.leases.insert(id, lease);
        }
    }
}

impl<S: Store> Server<S> {
    pub(super) fn grant(&mut self, now: Time, id: LeaseId, ttl: Span) -> Result<Answer, Stop> {
        if ttl.is_zero() {
            return Err(Refusal::NoTime.into());
        }
        if self.leases.contains(id) {
            return Err(Refusal::LeaseExists(id).into());
        }
        let lease = Lease { ttl_ns: ttl.as_nanos(), keys: BTreeSet::new() };
        let mut rows = Rows::default();
        rows.put_lease(id, &lease);
        self.commit(now, rows, Vec::new())?;
        self.leases.leases.insert(id, lease);
        self.leases.renew(now, id);
        Ok(Answer::Lease { lease: id, ttl })
    }

    pub(super) fn keep_alive(&mut self, now: Time, id: LeaseId) -> Result<Answer, Stop> {
        let ttl = self.leases.renew(now, id).ok_or(Refusal::UnknownLease(id))?;
        Ok(Answer::Lease { lease: id, ttl })
    }

    pub(super) fn revoke(&mut self, now: Time, id: LeaseId) -> Result<Answer, Stop> {
        if !self.leases.contains(id) {
            return Err(Refusal::UnknownLease(id).into());
        }
        self.end_lease(now, id)?;
        Ok(Answer::Lease { lease: id, ttl: Span::ZERO })
    }

    /// Ends the leases whose time is over.
    pub(super) fn expire_leases(&mut self, now: Time) -> Result<(), StoreError> {
        self.leases.arm(now);
        while let Some((_, id)) = self.leases.due.first().copied().filter(|(due, _)| *due <= now) {
            self.end_lease(now, id)?;
        }
        Ok(())
    }

    /// All keys of a lease go in one revision.
    fn end_lease(&mut self, now: Time, id: LeaseId) -> Result<(), StoreError> {
        let Some(lease) = self.leases.remove(id) else { return Ok(()) };
        let mut rows = Rows::default();
        rows.remove_lease(id);
        let gone = lease.keys.into_iter().map(|key| Mutation::Main(key, None));
        self.commit(now, rows, gone.collect())?;
        Ok(())
    }
}
