//! The client: keeps up with a server, lays the layers on each other, checks them, tells listeners, remembers the last
//! known good. What it serves never goes back, and never becomes invalid because the server is away.

mod cache; // bytes for the file beside the process
mod config; // numbers and policies
mod link; // the wire
mod listeners; // who is told
mod snapshot; // what readers hold

pub use cache::CacheError;
#[cfg(test)]
pub(in crate::config_manager) use config::Sabotage;
pub use config::{Apply, ClientConfig, ClientConfigError, OnInvalid, OnStoreDown, Transport};
pub use link::LinkCounters;
pub use listeners::{Change, ChangeKind, ChangeSet, Interest, ListenerId};
pub use snapshot::{SharedSnapshot, Snapshot};

use super::history::Entry;
use super::key::{Key, Revision};
use super::layers::{Layer, LocalLayers, Provenance, Raw, merged, resolved};
use super::message::{Answer, Push, Request, RequestId, WatchId};
use super::schema::{Schema, Violation};
use super::txn::Txn;
use super::watch_log::LogEntry;
use crate::time::{Span, Time};
use cache::Cache;
use link::{Link, Received};
use listeners::Listeners;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What happens to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// It shall begin, with what it saved last.
    Start {
        /// The bytes of the last [`Output::Save`], if there are any.
        cache: Option<Vec<u8>>,
    },
    /// The server answers.
    Answer {
        /// To which request.
        request: RequestId,
        /// What.
        answer: Answer,
    },
    /// The server tells a watch something.
    Push {
        /// Which.
        watch: WatchId,
        /// What.
        push: Push,
    },
    /// A listener has come to an end with what it was told.
    Listened {
        /// Which.
        listener: ListenerId,
        /// Whether it failed.
        has_failed: bool,
    },
}

/// What a client wants done, or has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Ask the server.
    Send {
        /// Comes back in the answer.
        request: RequestId,
        /// What.
        body: Request,
    },
    /// The answer to a request that is not the client's own: to a [`write`](Client::write).
    Answered {
        /// Which.
        request: RequestId,
        /// What the server says.
        answer: Answer,
    },
    /// Put these bytes in the place of those saved before, in one piece.
    Save(Vec<u8>),
    /// Settings can be read from now on.
    Ready {
        /// Where they come from.
        origin: Origin,
        /// The revision.
        revision: Revision,
        /// How old they are.
        age: Span,
    },
    /// The process must not start: the store is away, and that is what [`OnStoreDown::FailFastAtBoot`] says.
    BootFailed,
    /// Call a listener, and say when it is done.
    Notify {
        /// Which.
        listener: ListenerId,
        /// What changed.
        changes: ChangeSet,
    },
    /// A listener wrote what it listens to again and again: it is told nothing more.
    CutOff(ListenerId),
    /// Values are not allowed. What that means says [`OnInvalid`].
    Invalid {
        /// The revision that has them.
        revision: Revision,
        /// They.
        violations: Vec<Violation>,
    },
}

/// Where the first settings of a process come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From the server.
    Store,
    /// From what was saved before.
    Cache,
    /// From the process itself: the server is away and nothing was saved.
    Local,
}

/// Why an input changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// It has begun already.
    Started,
    /// What was saved cannot be used; it has begun without.
    Cache(CacheError),
    /// The listener has written what it listens to too often. [`Client::reinstate`] it when that is mended.
    CutOff(ListenerId),
    /// There is no such listener.
    UnknownListener(ListenerId),
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rejected::Started => f.write_str("the client has begun already"),
            Rejected::Cache(error) => error.fmt(f),
            Rejected::CutOff(id) => {
                write!(f, "listener {} keeps writing what it listens to: mend it, then reinstate it", id.0)
            }
            Rejected::UnknownListener(id) => write!(f, "there is no listener {}", id.0),
        }
    }
}

impl std::error::Error for Rejected {}

/// A process that reads settings.
///
/// Drive it so: [`handle`](Client::handle) what happens, carry out what comes out, in order; call
/// [`expire`](Client::expire) at [`deadline`](Client::deadline). A request reads from what
/// [`begin_request`](Client::begin_request) gives it, to its end.
#[derive(Clone, Debug)]
pub struct Client {
    config: ClientConfig,
    schema: Schema,
    local: LocalLayers,
    link: Link,
    /// What the server has told, at `link.have()`.
    mirror: BTreeMap<Key, Entry>,
    /// The last configuration that was allowed.
    latest: Arc<Snapshot>,
    /// What readers get.
    current: Arc<Snapshot>,
    listeners: Listeners,
    is_started: bool,
    origin: Option<Origin>,
    /// When the server was last heard of; for a cache, when that was written.
    as_of: Time,
    saved_at: Time,
    boot_due: Option<Time>,
    debounce_due: Option<Time>,
    rejected: Option<Revision>,
}

impl Client {
    /// A client that knows nothing yet.
    ///
    /// # Errors
    /// [`ClientConfigError`].
    pub fn new(
        config: ClientConfig,
        schema: Schema,
        local: LocalLayers,
    ) -> Result<Client, ClientConfigError> {
        config.validate()?;
        let nothing = Arc::new(Snapshot::default());
        Ok(Client {
            config,
            schema,
            local,
            link: Link::new(),
            mirror: BTreeMap::new(),
            latest: Arc::clone(&nothing),
            current: nothing,
            listeners: Listeners::default(),
            is_started: false,
            origin: None,
            as_of: Time::ZERO,
            saved_at: Time::ZERO,
            boot_due: None,
            debounce_due: None,
            rejected: None,
        })
    }

    #[cfg(test)]
    pub(in crate::config_manager) const fn sabotaged(mut self, sabotage: Option<Sabotage>) -> Client {
        self.link.sabotage = sabotage;
        self.listeners.sabotage = sabotage;
        self
    }

    /// What counts now. Changes between two calls; a request keeps what it got.
    pub const fn snapshot(&self) -> &Arc<Snapshot> {
        &self.current
    }

    /// What counts for a request that begins now: the latest there is. Listeners are told if it is new.
    pub fn begin_request(&mut self, out: &mut Vec<Output>) -> Arc<Snapshot> {
        self.adopt(out);
        Arc::clone(&self.current)
    }

    /// The last revision that the server has told, whether it has taken effect or not.
    pub const fn have(&self) -> Revision {
        self.link.have()
    }

    /// Where the first settings came from; `None` while there are none.
    pub const fn origin(&self) -> Option<Origin> {
        self.origin
    }

    /// How long ago the server last said that this is the latest.
    pub const fn age(&self, now: Time) -> Span {
        now.since(self.as_of)
    }

    /// The revision that the client's schema does not allow, if it is the last one.
    pub const fn rejected(&self) -> Option<Revision> {
        self.rejected
    }

    /// How often things have happened on the wire.
    pub const fn counters(&self) -> LinkCounters {
        self.link.counters
    }

    /// What it was told since the last time, for [`watch_log`](super::watch_log); nothing unless
    /// [`is_recorded`](ClientConfig::is_recorded).
    pub fn take_log(&mut self) -> Vec<LogEntry> {
        std::mem::take(&mut self.link.log)
    }

    /// Somebody wants to be told of changes from now on.
    pub fn listen(&mut self, interest: Interest) -> ListenerId {
        self.listeners.add(interest)
    }

    /// Somebody does not any more.
    pub fn unlisten(&mut self, listener: ListenerId) {
        self.listeners.remove(listener);
    }

    /// How often a listener failed.
    pub fn listener_errors(&self, listener: ListenerId) -> Option<u64> {
        self.listeners.errors(listener)
    }

    /// Lets a listener that was cut off listen again.
    pub fn reinstate(&mut self, listener: ListenerId) {
        self.listeners.reinstate(listener);
    }

    /// Writes to the server; who listens and writes says so. The answer comes as [`Output::Answered`], if it comes.
    ///
    /// # Errors
    /// [`Rejected::CutOff`].
    pub fn write(
        &mut self,
        by: Option<ListenerId>,
        txn: Txn,
        out: &mut Vec<Output>,
    ) -> Result<RequestId, Rejected> {
        if let Some(listener) = by {
            let names = txn.then.iter().chain(&txn.otherwise).map(|write| write.key().name());
            if !self.listeners.note_write(listener, names) {
                let is_cut_off = self.listeners.is_cut_off(listener);
                return Err(if is_cut_off {
                    Rejected::CutOff(listener)
                } else {
                    Rejected::UnknownListener(listener)
                });
            }
        }
        let request = self.link.next_request();
        out.push(Output::Send { request, body: Request::Txn(txn) });
        Ok(request)
    }

    /// Replaces what the process itself says, for instance after its file was edited.
    pub fn set_local(&mut self, now: Time, local: LocalLayers, out: &mut Vec<Output>) {
        self.local = local;
        if self.origin.is_some() {
            self.changed(now, out);
        }
    }

    /// Takes what happened.
    ///
    /// # Errors
    /// [`Rejected`].
    pub fn handle(&mut self, now: Time, input: Input, out: &mut Vec<Output>) -> Result<(), Rejected> {
        match input {
            Input::Start { .. } if self.is_started => Err(Rejected::Started),
            Input::Start { cache } => self.start(now, cache.as_deref(), out),
            Input::Answer { request, answer } => {
                let (mut received, mut asked) = (Vec::new(), Vec::new());
                let is_ours =
                    self.link.answer(now, &self.config, request, &answer, &mut received, &mut asked);
                self.receive(now, received, out);
                send(asked, out);
                if !is_ours && matches!(answer, Answer::Txn { .. } | Answer::Refused(_)) {
                    out.push(Output::Answered { request, answer });
                }
                Ok(())
            }
            Input::Push { watch, push } => {
                let mut received = Vec::new();
                self.link.push(now, &self.config, watch, push, &mut received);
                self.receive(now, received, out);
                Ok(())
            }
            Input::Listened { listener, has_failed } => {
                let mut told = Vec::new();
                let most = self.config.most_own_writes;
                if self.listeners.done(listener, has_failed, most, &mut told) {
                    out.push(Output::CutOff(listener));
                }
                notify(told, out);
                Ok(())
            }
        }
    }

    /// When [`expire`](Client::expire) wants to be called next.
    pub fn deadline(&self) -> Option<Time> {
        self.link.deadline().into_iter().chain(self.boot_due).chain(self.debounce_due).min()
    }

    /// Does what is due: asks again, gives up, lets changes take effect, starts without the server.
    pub fn expire(&mut self, now: Time, out: &mut Vec<Output>) {
        if self.debounce_due.is_some_and(|due| due <= now) {
            self.settle(now, out);
        }
        if self.boot_due.is_some_and(|due| due <= now) {
            self.boot_without_store(now, out);
        }
        let mut asked = Vec::new();
        self.link.expire(now, &self.config, &mut asked);
        send(asked, out);
    }

    fn start(&mut self, now: Time, cache: Option<&[u8]>, out: &mut Vec<Output>) -> Result<(), Rejected> {
        self.is_started = true;
        let cache = match self.config.on_store_down {
            OnStoreDown::LastKnownGood => cache,
            OnStoreDown::FailFastAtBoot => None,
        };
        #[cfg(test)]
        let cache = cache.filter(|_| self.link.sabotage != Some(Sabotage::IgnoresCache));
        let cache = cache.map(|bytes| Cache::decode(bytes, &self.config.view)).transpose();
        let mut known = None;
        if let Ok(Some(Cache { revision, as_of, entries })) = &cache {
            self.mirror.clone_from(entries);
            (self.as_of, self.saved_at) = (*as_of, *as_of);
            if self.rebuild(*revision, out) {
                known = Some(*revision);
                self.ready(now, Origin::Cache, out);
            } else {
                // The process has another schema by now than when it was saved.
                self.mirror.clear();
            }
        }
        self.boot_due = known.is_none().then(|| now + self.config.boot_timeout);
        let mut asked = Vec::new();
        self.link.start(now, &self.config, known, &mut asked);
        send(asked, out);
        cache.map(|_| ()).map_err(Rejected::Cache)
    }

    fn boot_without_store(&mut self, now: Time, out: &mut Vec<Output>) {
        self.boot_due = None;
        match self.config.on_store_down {
            OnStoreDown::FailFastAtBoot => {
                self.link.stop();
                out.push(Output::BootFailed);
            }
            OnStoreDown::LastKnownGood => {
                if self.rebuild(Revision::ZERO, out) {
                    self.ready(now, Origin::Local, out);
                }
            }
        }
    }

    fn ready(&mut self, now: Time, origin: Origin, out: &mut Vec<Output>) {
        self.origin = Some(origin);
        self.boot_due = None;
        self.current = Arc::clone(&self.latest);
        let age = if origin == Origin::Local { Span::ZERO } else { self.age(now) };
        out.push(Output::Ready { origin, revision: self.current.revision, age });
    }

    fn receive(&mut self, now: Time, received: Vec<Received>, out: &mut Vec<Output>) {
        if received.is_empty() {
            return;
        }
        self.as_of = self.as_of.max(now);
        let mut is_changed = false;
        for one in received {
            match one {
                Received::All(_, entries) => {
                    self.mirror = entries.into_iter().collect();
                    is_changed = true;
                }
                Received::Changes(_, events) => {
                    is_changed |= !events.is_empty();
                    for event in events {
                        match event.entry {
                            Some(entry) => drop(self.mirror.insert(event.key, entry)),
                            None => drop(self.mirror.remove(&event.key)),
                        }
                    }
                }
            }
        }
        if is_changed {
            self.changed(now, out);
        } else if self.rejected.is_none() && now.since(self.saved_at) >= self.config.save_interval {
            self.save(now, out);
        }
    }

    /// Something is different: now, or when no more has come for a while.
    fn changed(&mut self, now: Time, out: &mut Vec<Output>) {
        if self.config.debounce.is_zero() || self.origin.is_none() {
            self.settle(now, out);
        } else {
            self.debounce_due.get_or_insert(now + self.config.debounce);
        }
    }

    fn settle(&mut self, now: Time, out: &mut Vec<Output>) {
        self.debounce_due = None;
        if !self.rebuild(self.link.have(), out) {
            return;
        }
        if self.rejected.is_none() {
            self.save(now, out);
        }
        if self.origin.is_none() {
            self.ready(now, Origin::Store, out);
        } else if self.config.apply == Apply::Immediately {
            self.adopt(out);
        }
    }

    /// Makes `latest` of what is known; `false` if it is not allowed.
    fn rebuild(&mut self, revision: Revision, out: &mut Vec<Output>) -> bool {
        let mut remote = BTreeMap::new();
        for scope in self.config.view.scopes.iter().rev() {
            for (key, entry) in self.mirror.range(scope.floor()..).take_while(|(key, _)| key.scope() == scope)
            {
                let (layer, scope, revision) = (Layer::Remote, Some(scope.clone()), Some(entry.revision));
                let provenance = Provenance { layer, scope, revision };
                remote.insert(key.name().to_string(), Raw { value: Arc::clone(&entry.value), provenance });
            }
        }
        let raw = merged(&self.local, remote);
        let (mut settings, violations) = resolved(&raw, &self.schema);
        self.rejected = (!violations.is_empty()).then_some(revision);
        if !violations.is_empty() {
            for violation in &violations {
                if let Some(good) = self.latest.settings.get(&violation.name) {
                    settings.insert(violation.name.clone(), good.clone());
                }
            }
            let is_complete = self.schema.missing(|name| settings.contains_key(name)).next().is_none();
            out.push(Output::Invalid { revision, violations });
            if self.config.invalid == OnInvalid::RejectRelease || !is_complete {
                return false;
            }
        }
        self.latest = Arc::new(Snapshot { revision, settings });
        true
    }

    /// Lets `latest` take effect.
    fn adopt(&mut self, out: &mut Vec<Output>) {
        if Arc::ptr_eq(&self.latest, &self.current) || self.origin.is_none() {
            return;
        }
        let old = std::mem::replace(&mut self.current, Arc::clone(&self.latest));
        let mut told = Vec::new();
        self.listeners.tell(&old, &self.current, &mut told);
        notify(told, out);
    }

    fn save(&mut self, now: Time, out: &mut Vec<Output>) {
        self.saved_at = now;
        let revision = self.link.have();
        let cache = Cache { revision, as_of: self.as_of, entries: self.mirror.clone() };
        out.push(Output::Save(cache.encode(&self.config.view)));
    }
}

fn send(asked: Vec<(RequestId, Request)>, out: &mut Vec<Output>) {
    out.extend(asked.into_iter().map(|(request, body)| Output::Send { request, body }));
}

fn notify(told: Vec<(ListenerId, ChangeSet)>, out: &mut Vec<Output>) {
    out.extend(told.into_iter().map(|(listener, changes)| Output::Notify { listener, changes }));
}
