//! The server: answers requests, keeps the history, tells watches. One request is one batch in the store, and what
//! leaves because of it leaves when the batch is durable. Never waits, sends or reads a clock.

mod config; // numbers
mod leases; // keys that go when nobody is heard of
mod releases; // drafts, publishing, canaries, rollback
mod requests; // reads, transactions, compaction
mod rows; // what lies in the store
#[cfg(test)]
mod sabotage; // watches told wrongly on purpose
mod watches; // who is told what, in which order

#[cfg(test)]
pub(in crate::config_manager) use config::Sabotage;
pub use config::{ServerConfig, ServerConfigError};

use super::history::{Compacted, History, Mutation};
use super::key::{Revision, Scope};
use super::message::{Answer, Input, LeaseId, Output, PeerId, Refusal, Request, RequestId};
use super::release::{Action, AuditEntry, ScopeState};
use crate::store::{CommitNumber, Held, Store, StoreError};
use crate::time::Time;
use leases::Leases;
use rows::Rows;
use std::collections::BTreeMap;
use std::fmt;
use watches::Watches;

/// Why a server cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// The config cannot be meant.
    Config(ServerConfigError),
    /// A row of the store cannot be read. Restore the store from a copy.
    Damaged(Vec<u8>),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Config(error) => error.fmt(f),
            OpenError::Damaged(row) => {
                write!(f, "row `{}` cannot be read: restore the store from a copy", row.escape_ascii())
            }
        }
    }
}

impl std::error::Error for OpenError {}

impl From<ServerConfigError> for OpenError {
    fn from(error: ServerConfigError) -> OpenError {
        OpenError::Config(error)
    }
}

/// Why a request is not answered: nobody knows whether it took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// The store failed: open it again, and the server from it.
    Store(StoreError),
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rejected::Store(error) = self;
        write!(f, "{error}, and the server from it")
    }
}

impl std::error::Error for Rejected {}

/// Why a request was not carried out.
enum Stop {
    Refused(Refusal),
    Store(StoreError),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Stop {
        Stop::Refused(refusal)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Stop {
        Stop::Store(error)
    }
}

impl From<Compacted> for Stop {
    fn from(Compacted(revision): Compacted) -> Stop {
        Stop::Refused(Refusal::Compacted(revision))
    }
}

/// What a server has done, and what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerStats {
    /// The last revision.
    pub revision: Revision,
    /// The history begins after this one.
    pub compacted: Revision,
    /// Versions of keys in the history.
    pub versions: usize,
    /// Watches that are open.
    pub watches: usize,
    /// Long polls that wait.
    pub polls: usize,
    /// Snapshots that were asked for: each is a whole configuration on the wire.
    pub snapshots: u64,
    /// Watches and polls that came too late for the history.
    pub too_late: u64,
}

/// Keeps configurations and tells of changes. Drive it so: [`handle`](Server::handle) what happens, send what comes
/// out, in order; call [`expire`](Server::expire) at [`deadline`](Server::deadline). After a crash,
/// [`open`](Server::open) it from its store; watches and polls are lost then, and clients begin them anew.
#[derive(Debug)]
pub struct Server<S> {
    store: S,
    config: ServerConfig,
    history: History,
    scopes: BTreeMap<Scope, ScopeState>,
    audited: u64,
    leases: Leases,
    watches: Watches,
    held: Held<Output>,
    last: CommitNumber,
    next_progress: Option<Time>,
    snapshots: u64,
    too_late: u64,
    #[cfg(test)]
    sabotage: Option<Sabotage>,
}

impl<S: Store> Server<S> {
    /// A server over what a store holds.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(store: S, config: ServerConfig) -> Result<Server<S>, OpenError> {
        config.validate()?;
        let found = rows::open(&store)?;
        let last = store.durable();
        Ok(Server {
            store,
            config,
            history: found.history,
            scopes: found.scopes,
            audited: found.audited,
            leases: Leases::opened(found.leases),
            watches: Watches::default(),
            held: Held::default(),
            last,
            next_progress: None,
            snapshots: 0,
            too_late: 0,
            #[cfg(test)]
            sabotage: None,
        })
    }

    #[cfg(test)]
    pub(in crate::config_manager) fn sabotaged(mut self, sabotage: Option<Sabotage>) -> Server<S> {
        self.sabotage = sabotage;
        self.watches.sabotage = sabotage;
        self
    }

    #[cfg(test)]
    fn is_broken(&self, sabotage: Sabotage) -> bool {
        self.sabotage == Some(sabotage)
    }

    /// The store.
    pub const fn store(&self) -> &S {
        &self.store
    }

    #[cfg(test)]
    pub(in crate::config_manager) const fn history(&self) -> &History {
        &self.history
    }

    /// Gives the store back, for instance after it failed.
    pub fn into_store(self) -> S {
        self.store
    }

    /// What it has done, and what it holds.
    pub fn stats(&self) -> ServerStats {
        ServerStats {
            revision: self.history.current(),
            compacted: self.history.compacted(),
            versions: self.history.versions(),
            watches: self.watches.streams(),
            polls: self.watches.polls(),
            snapshots: self.snapshots,
            too_late: self.too_late,
        }
    }

    /// Changes the numbers while running.
    ///
    /// # Errors
    /// [`ServerConfigError`]; then the old ones stay.
    pub fn reconfigure(&mut self, config: ServerConfig) -> Result<(), ServerConfigError> {
        config.validate()?;
        self.config = config;
        Ok(())
    }

    /// Takes what happened. A request is answered, refusals included. Requests that write have to arrive at most once,
    /// as over TCP: of two copies of a compare-and-set the second fails, and its answer may be the one that is heard.
    ///
    /// # Errors
    /// [`Rejected`]: the store failed, and the request is not answered. Outputs of earlier steps may come out all the
    /// same.
    pub fn handle(&mut self, now: Time, input: Input, out: &mut Vec<Output>) -> Result<(), Rejected> {
        self.expire_leases(now).map_err(Rejected::Store)?;
        let result = match input {
            Input::Request { from, request, body } => self.request(now, from, request, body),
            Input::Gone(peer) => {
                self.watches.forget(peer);
                Ok(())
            }
        };
        self.release_held(out);
        result
    }

    /// When [`expire`](Server::expire) wants to be called next.
    pub fn deadline(&self) -> Option<Time> {
        let progress = self.next_progress.filter(|_| self.watches.streams() > 0);
        let others = self.watches.first_poll().into_iter().chain(self.leases.deadline());
        progress.into_iter().chain(others).chain(self.store.deadline()).min()
    }

    /// Does what is due: syncs the store, ends leases, gives bookmarks, answers polls that have waited long enough.
    ///
    /// # Errors
    /// [`Rejected`].
    pub fn expire(&mut self, now: Time, out: &mut Vec<Output>) -> Result<(), Rejected> {
        self.expire_leases(now).map_err(Rejected::Store)?;
        if self.store.deadline().is_some_and(|due| due <= now) {
            self.store.sync(now).map_err(Rejected::Store)?;
        }
        if self.next_progress.is_some_and(|due| due <= now) {
            self.next_progress = (self.watches.streams() > 0).then(|| now + self.config.progress_interval);
            self.watches.bookmark_all(self.history.current());
        }
        self.watches.expire_polls(now, self.history.current());
        self.hold_told();
        self.release_held(out);
        Ok(())
    }

    fn request(
        &mut self,
        now: Time,
        from: PeerId,
        request: RequestId,
        body: Request,
    ) -> Result<(), Rejected> {
        let answered = self.carry_out(now, from, request, body);
        self.hold_told();
        let answer = match answered {
            Ok(None) => return Ok(()),
            Ok(Some(answer)) => answer,
            Err(Stop::Refused(refusal)) => Answer::Refused(refusal),
            Err(Stop::Store(error)) => return Err(Rejected::Store(error)),
        };
        self.held.push(self.last, Output::Answer { to: from, request, answer });
        Ok(())
    }

    /// `None` if it is answered otherwise, or later.
    fn carry_out(
        &mut self,
        now: Time,
        from: PeerId,
        request: RequestId,
        body: Request,
    ) -> Result<Option<Answer>, Stop> {
        match body {
            Request::Get { key, at } => self.get(&key, at).map(Some),
            Request::Snapshot { view, at } => self.snapshot(&view, at).map(Some),
            Request::Txn(txn) => self.txn(now, txn).map(Some),
            Request::Release { scope, author, command } => {
                self.command(now, &scope, &author, command).map(Some)
            }
            Request::Audit { scope, most } => Ok(Some(self.audit(&scope, most))),
            Request::Grant { lease, ttl } => self.grant(now, lease, ttl).map(Some),
            Request::KeepAlive(lease) => self.keep_alive(now, lease).map(Some),
            Request::Revoke(lease) => self.revoke(now, lease).map(Some),
            Request::Compact(revision) => self.compact(now, revision).map(Some),
            Request::Watch { watch, view, from: first } => {
                self.watch(now, from, watch, view, first).map(|()| None)
            }
            Request::Unwatch(watch) => {
                self.watches.end(from, watch);
                Ok(None)
            }
            Request::Progress(watch) => {
                let is_open = self.watches.bookmark(from, watch, self.history.current());
                if is_open { Ok(None) } else { Err(Refusal::UnknownWatch(watch).into()) }
            }
            Request::Poll { view, have, hold } => self.poll(now, from, request, view, have, hold),
        }
    }

    /// Writes a step: rows first, then memory, then whoever watches is told.
    fn commit(&mut self, now: Time, rows: Rows, mutations: Vec<Mutation>) -> Result<Revision, StoreError> {
        self.commit_leased(now, rows, mutations, None)
    }

    /// The same; what is put belongs to a lease.
    fn commit_leased(
        &mut self,
        now: Time,
        mut rows: Rows,
        mutations: Vec<Mutation>,
        lease: Option<LeaseId>,
    ) -> Result<Revision, StoreError> {
        let leases = self.leases.changed_by(&mutations, lease);
        for (id, lease) in &leases {
            rows.put_lease(*id, lease);
        }
        if !mutations.is_empty() {
            rows.put_log(self.history.current().next(), &mutations);
        }
        if !rows.batch.is_empty() {
            self.last = self.store.commit(now, &rows.batch)?;
        }
        self.leases.adopt(leases);
        if !mutations.is_empty() {
            let revision = self.history.apply(mutations);
            self.watches.tell(&self.history, revision);
            self.compact_if_long(now)?;
        }
        Ok(self.history.current())
    }

    /// The next entry of the audit, in the same step as what it tells of.
    fn put_audit(
        &mut self,
        now: Time,
        rows: &mut Rows,
        scope: &Scope,
        author: &str,
        action: Action,
        revision: Option<Revision>,
    ) {
        let number = self.audited.saturating_add(1);
        let (author, scope, at_ns) = (author.to_string(), scope.clone(), now.as_nanos());
        rows.put_audit(&AuditEntry { number, at_ns, author, scope, action, revision });
        if let Some(old) = number.checked_sub(self.config.keep_audit).filter(|old| *old > 0) {
            rows.remove_audit(old);
        }
        self.audited = number;
    }

    fn hold_told(&mut self) {
        for output in self.watches.drain() {
            self.held.push(self.last, output);
        }
    }

    fn release_held(&mut self, out: &mut Vec<Output>) {
        let durable = self.store.durable();
        #[cfg(test)]
        let durable = if self.is_broken(Sabotage::SpeaksBeforeDurable) { self.last } else { durable };
        self.held.release(durable, out);
    }
}
