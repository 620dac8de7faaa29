//! How the server's state lies in a store: one log row a revision over the rows as they were at the last compaction.
//! Opening replays the log through the same code that wrote it.

use super::OpenError;
use super::leases::Lease;
use crate::config_manager::history::{Base, History, Mutation, Row};
use crate::config_manager::key::{Revision, Scope};
use crate::config_manager::message::LeaseId;
use crate::config_manager::release::{AuditEntry, Release, ReleaseId, ScopeState};
use crate::store::{Batch, Store};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

const HEAD: &[u8] = b"head";
const LOG: &[u8] = b"log/";
const BASE: &[u8] = b"base/";
const SCOPE: &[u8] = b"scope/";
const RELEASE: &[u8] = b"release/";
const LEASE: &[u8] = b"lease/";
const AUDIT: &[u8] = b"audit/";

fn numbered(prefix: &[u8], number: u64) -> Vec<u8> {
    [prefix, &number.to_be_bytes()].concat()
}

fn base_row(row: &Row) -> Vec<u8> {
    let (kind, name) = match row {
        Row::Main(key) => ("main/", key.to_string()),
        Row::Canary(key) => ("canary/", key.to_string()),
        Row::Rule(scope) => ("rule/", scope.to_string()),
    };
    [BASE, kind.as_bytes(), name.as_bytes()].concat()
}

fn release_row(scope: &Scope, id: ReleaseId) -> Vec<u8> {
    // Scopes have no control characters: none is the beginning of another's row.
    numbered(&[RELEASE, scope.as_str().as_bytes(), b"\0"].concat(), id.0)
}

fn encoded<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_allocvec(value).expect("rows have no types that do not encode")
}

/// What one step writes.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) batch: Batch,
}

impl Rows {
    pub(super) fn put_log(&mut self, revision: Revision, mutations: &[Mutation]) {
        self.batch.put(numbered(LOG, revision.0), encoded(&mutations));
    }

    pub(super) fn put_scope(&mut self, scope: &Scope, state: &ScopeState) {
        self.batch.put([SCOPE, scope.as_str().as_bytes()].concat(), encoded(state));
    }

    pub(super) fn put_release(&mut self, scope: &Scope, release: &Release) {
        self.batch.put(release_row(scope, release.id), encoded(release));
    }

    pub(super) fn remove_release(&mut self, scope: &Scope, id: ReleaseId) {
        self.batch.remove(release_row(scope, id));
    }

    pub(super) fn put_lease(&mut self, id: LeaseId, lease: &Lease) {
        self.batch.put(numbered(LEASE, id.0), encoded(lease));
    }

    pub(super) fn remove_lease(&mut self, id: LeaseId) {
        self.batch.remove(numbered(LEASE, id.0));
    }

    pub(super) fn put_audit(&mut self, entry: &AuditEntry) {
        self.batch.put(numbered(AUDIT, entry.number), encoded(entry));
    }

    pub(super) fn remove_audit(&mut self, number: u64) {
        self.batch.remove(numbered(AUDIT, number));
    }

    /// Moves the beginning of the history.
    pub(super) fn compact(&mut self, from: Revision, through: Revision, rows: &[(Row, Option<Base>)]) {
        for number in from.next().0..=through.0 {
            self.batch.remove(numbered(LOG, number));
        }
        for (row, base) in rows {
            match base {
                Some(base) => self.batch.put(base_row(row), encoded(base)),
                None => self.batch.remove(base_row(row)),
            };
        }
        self.batch.put(HEAD, encoded(&through));
    }
}

/// A release, if it is still kept.
pub(super) fn release<S: Store>(store: &S, scope: &Scope, id: ReleaseId) -> Option<Release> {
    postcard::from_bytes(store.get(&release_row(scope, id))?.value).ok()
}

/// An entry of the audit, if it is still kept.
pub(super) fn audit<S: Store>(store: &S, number: u64) -> Option<AuditEntry> {
    postcard::from_bytes(store.get(&numbered(AUDIT, number))?.value).ok()
}

/// What was found in a store.
pub(super) struct Found {
    pub(super) history: History,
    pub(super) scopes: BTreeMap<Scope, ScopeState>,
    pub(super) leases: BTreeMap<LeaseId, Lease>,
    pub(super) audited: u64,
}

/// Reads everything back.
pub(super) fn open<S: Store>(store: &S) -> Result<Found, OpenError> {
    let compacted = match store.get(HEAD) {
        Some(head) => decoded(HEAD, head.value)?,
        None => Revision::ZERO,
    };
    let mut history = History::compacted_at(compacted);
    for (_, base) in all::<_, Base>(store, BASE)? {
        history.restore(base);
    }
    for (row, mutations) in all::<_, Vec<Mutation>>(store, LOG)? {
        if row != numbered(LOG, history.current().next().0) {
            return Err(OpenError::Damaged(row));
        }
        history.apply(mutations);
    }
    let mut scopes = BTreeMap::new();
    for (row, state) in all::<_, ScopeState>(store, SCOPE)? {
        let name = std::str::from_utf8(&row[SCOPE.len()..]).ok().and_then(|name| name.parse().ok());
        scopes.insert(name.ok_or(OpenError::Damaged(row))?, state);
    }
    let mut leases = BTreeMap::new();
    for (row, lease) in all::<_, Lease>(store, LEASE)? {
        let Some(number) = row[LEASE.len()..].first_chunk::<8>() else { return Err(OpenError::Damaged(row)) };
        leases.insert(LeaseId(u64::from_be_bytes(*number)), lease);
    }
    let audited = all::<_, AuditEntry>(store, AUDIT)?.last().map_or(0, |(_, entry)| entry.number);
    Ok(Found { history, scopes, leases, audited })
}

fn decoded<T: DeserializeOwned>(row: &[u8], value: &[u8]) -> Result<T, OpenError> {
    postcard::from_bytes(value).map_err(|_| OpenError::Damaged(row.to_vec()))
}

/// All rows with a prefix, in order.
fn all<S: Store, T: DeserializeOwned>(store: &S, prefix: &[u8]) -> Result<Vec<(Vec<u8>, T)>, OpenError> {
    let mut found = Ok(Vec::new());
    store.scan(prefix, &mut |row, stored| {
        match (&mut found, decoded(row, stored.value)) {
            (Ok(rows), Ok(value)) => rows.push((row.to_vec(), value)),
            (_, Err(error)) => found = Err(error),
            (Err(_), Ok(_)) => {}
        }
        found.is_ok()
    });
    found
}
