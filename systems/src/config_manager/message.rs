//! What clients and the server say to each other. Plain data: how it is sent is the driver's business.

use super::history::{Entry, Event};
use super::key::{Key, Revision, Scope};
use super::release::{AuditEntry, Canary, Difference, Release, ReleaseId, ScopeState};
use super::schema::{Schema, Violation};
use super::txn::Txn;
use super::value::Value;
use super::{CanaryError, CanaryRule};
use crate::time::Span;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Who speaks to the server: one connection, or one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u64);

/// Comes back in the answer. Chosen by the peer, another one for each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Names a watch of a peer. Chosen by the peer, another one for each watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatchId(pub u64);

/// Names a lease. Chosen by whoever asks for it, another one for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LeaseId(pub u64);

/// Whose eyes, and what they look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The instance that looks: canaries are for some of them.
    pub instance: String,
    /// The scopes.
    pub scopes: Vec<Scope>,
}

/// What a peer asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// One key of the main release, as it is or as it was. Answered by [`Answer::Entry`].
    Get {
        /// Which.
        key: Key,
        /// As of when; `None` is now.
        at: Option<Revision>,
    },
    /// Everything that an instance sees, at one revision. Answered by [`Answer::Snapshot`].
    Snapshot {
        /// What is looked at.
        view: View,
        /// As of when; `None` is now.
        at: Option<Revision>,
    },
    /// Writes without a release. Answered by [`Answer::Txn`].
    Txn(Txn),
    /// Edits, publishes, rolls back. Answered by [`Answer::Done`] and others.
    Release {
        /// Of which scope.
        scope: Scope,
        /// Who does it.
        author: String,
        /// What.
        command: Command,
    },
    /// What was done last to a scope, newest first. Answered by [`Answer::Audit`].
    Audit {
        /// Which.
        scope: Scope,
        /// At most so many.
        most: usize,
    },
    /// Begins a lease. Answered by [`Answer::Lease`].
    Grant {
        /// Its name.
        lease: LeaseId,
        /// How long it lasts unless it is kept alive.
        ttl: Span,
    },
    /// Gives a lease its whole time again. Answered by [`Answer::Lease`].
    KeepAlive(LeaseId),
    /// Ends a lease; its keys go with it. Answered by [`Answer::Lease`].
    Revoke(LeaseId),
    /// Forgets what was before a revision. Answered by [`Answer::Compacted`].
    Compact(Revision),
    /// Tells of every change from a revision on. Answered by [`Push`]es, not by an answer; refusals are answered.
    Watch {
        /// Its name.
        watch: WatchId,
        /// What is looked at.
        view: View,
        /// The first revision to be told of.
        from: Revision,
    },
    /// Ends a watch. Not answered.
    Unwatch(WatchId),
    /// Asks for a bookmark of a watch at once. Answered by a [`Push`].
    Progress(WatchId),
    /// Asks what is newer, and waits a while if nothing is (long poll). Answered by [`Answer::Changes`].
    Poll {
        /// What is looked at.
        view: View,
        /// The last revision that is known.
        have: Revision,
        /// How long to wait at most.
        hold: Span,
    },
}

/// What can be done to a scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Changes the draft; `None` takes a setting away.
    Edit {
        /// Of the setting.
        name: String,
        /// Its new value.
        value: Option<Value>,
    },
    /// Drops the draft.
    Discard,
    /// Lets nobody else edit and publish, nor write directly.
    Lock,
    /// Lets everybody again.
    Unlock,
    /// Sets what values are allowed; what is there has to be.
    SetSchema(Option<Schema>),
    /// Tells what publishing the draft would do. Answered by [`Answer::DryRun`].
    DryRun,
    /// Makes the draft the main release.
    Publish {
        /// What for.
        comment: String,
        /// If given, only if this is the last release.
        expected: Option<ReleaseId>,
    },
    /// Makes the draft the canary, in the place of one that is there.
    PublishCanary {
        /// Whom it reaches.
        rule: CanaryRule,
        /// What for.
        comment: String,
    },
    /// Makes the canary the main release.
    Promote,
    /// Takes the canary back.
    Abandon,
    /// Restores a release, with the canary that it had.
    Rollback(ReleaseId),
    /// Shows the scope. Answered by [`Answer::Scope`].
    Show,
    /// Shows a release. Answered by [`Answer::Release`].
    ShowRelease(ReleaseId),
    /// Tells where two releases differ. Answered by [`Answer::Differences`].
    Diff(ReleaseId, ReleaseId),
}

/// What the server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To [`Request::Get`].
    Entry {
        /// The last revision of the store, or the one asked for.
        revision: Revision,
        /// What is there.
        entry: Option<Entry>,
    },
    /// To [`Request::Snapshot`].
    Snapshot {
        /// Of all of it.
        revision: Revision,
        /// In the order of the keys.
        entries: Vec<(Key, Entry)>,
    },
    /// To [`Request::Txn`].
    Txn {
        /// Whether the conditions held.
        succeeded: bool,
        /// The revision it made, or the last one if it changed nothing.
        revision: Revision,
    },
    /// A command was carried out.
    Done {
        /// The release it made.
        release: Option<ReleaseId>,
        /// The last revision.
        revision: Revision,
    },
    /// To [`Command::DryRun`].
    DryRun {
        /// What would change.
        differences: Vec<Difference>,
        /// Why it would be refused.
        violations: Vec<Violation>,
    },
    /// To [`Command::Show`].
    Scope {
        /// Its draft, schema, lock.
        state: ScopeState,
        /// Its canary.
        canary: Option<Canary>,
    },
    /// To [`Command::ShowRelease`].
    Release(Release),
    /// To [`Command::Diff`].
    Differences(Vec<Difference>),
    /// To [`Request::Audit`].
    Audit(Vec<AuditEntry>),
    /// To [`Request::Grant`], [`Request::KeepAlive`] and [`Request::Revoke`].
    Lease {
        /// Which.
        lease: LeaseId,
        /// How much time it has.
        ttl: Span,
    },
    /// To [`Request::Compact`]: the history begins after this revision.
    Compacted(Revision),
    /// To [`Request::Poll`]: what is newer, one batch a revision; none if nothing is.
    Changes {
        /// Everything up to this one has been told.
        revision: Revision,
        /// Oldest first.
        batches: Vec<Vec<Event>>,
    },
    /// Nothing was done.
    Refused(Refusal),
}

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The history begins after this revision: ask for a snapshot.
    Compacted(Revision),
    /// The store has not come so far. Holds its last revision.
    Future(Revision),
    /// The schema does not allow it.
    Invalid(Vec<Violation>),
    /// A key comes twice in one transaction.
    Twice(Key),
    /// Somebody else has the lock.
    Locked(String),
    /// There is no lock.
    NotLocked,
    /// The draft is empty, or changes nothing.
    NothingToPublish,
    /// There has been another release.
    Outdated(Option<ReleaseId>),
    /// No canary is out.
    NoCanary,
    /// The rule of the canary cannot be meant.
    Rule(CanaryError),
    /// There is no such release, or not any more.
    UnknownRelease(ReleaseId),
    /// The name cannot be one.
    Name(super::KeyError),
    /// There is no such lease, or it has ended: who held it holds nothing any more.
    UnknownLease(LeaseId),
    /// There is a lease of that name.
    LeaseExists(LeaseId),
    /// A lease that lasts no time.
    NoTime,
    /// There is no such watch.
    UnknownWatch(WatchId),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Compacted(revision) => {
                write!(f, "what was up to revision {revision} is not known any more: ask for a snapshot")
            }
            Refusal::Future(revision) => write!(f, "the last revision is {revision}: ask for that one"),
            Refusal::Invalid(violations) => {
                for (index, violation) in violations.iter().enumerate() {
                    write!(f, "{}{violation}", if index == 0 { "" } else { "; " })?;
                }
                Ok(())
            }
            Refusal::Twice(key) => write!(f, "`{key}` is written twice: write it once"),
            Refusal::Locked(author) => {
                write!(f, "{author} is at it: wait, or ask for the lock to be given up")
            }
            Refusal::NotLocked => f.write_str("nobody has the lock: there is nothing to give up"),
            Refusal::NothingToPublish => f.write_str("the draft changes nothing: edit first"),
            Refusal::Outdated(Some(latest)) => write!(f, "the last release is {latest} by now: look again"),
            Refusal::Outdated(None) => f.write_str("there is no release yet: expect none"),
            Refusal::NoCanary => f.write_str("no canary is out: publish one first"),
            Refusal::Rule(error) => error.fmt(f),
            Refusal::UnknownRelease(id) => write!(f, "release {id} is not known, or too long ago"),
            Refusal::Name(error) => error.fmt(f),
            Refusal::UnknownLease(lease) => write!(f, "lease {} has ended: begin another", lease.0),
            Refusal::LeaseExists(lease) => write!(f, "lease {} is there: choose another name", lease.0),
            Refusal::NoTime => f.write_str("the lease lasts no time: write how long, as 10 s"),
            Refusal::UnknownWatch(watch) => write!(f, "there is no watch {}: begin one", watch.0),
        }
    }
}

impl std::error::Error for Refusal {}

/// What a watch is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Push {
    /// All that one revision did; nothing at all if it is a bookmark.
    Batch(Batch),
    /// What it should begin with is not known any more: ask for a snapshot. The watch is over.
    Compacted(Revision),
    /// The peer has begun more watches than it may. The watch is over.
    Cancelled,
}

/// A link in the chain of what a watch is told. A receiver that misses one sees that `after` is not what it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The revision of the link before.
    pub after: Revision,
    /// Everything up to this revision has been told with this batch.
    pub revision: Revision,
    /// All that the revision did, in the order of the keys; empty for a bookmark.
    pub events: Vec<Event>,
}

/// What a server wants sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// An answer.
    Answer {
        /// To whom.
        to: PeerId,
        /// To which request.
        request: RequestId,
        /// What.
        answer: Answer,
    },
    /// News for a watch.
    Push {
        /// To whom.
        to: PeerId,
        /// Which watch.
        watch: WatchId,
        /// What.
        push: Push,
    },
}

/// What happens to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A peer asks.
    Request {
        /// Who.
        from: PeerId,
        /// Comes back in the answer.
        request: RequestId,
        /// What.
        body: Request,
    },
    /// A peer is gone: its watches and polls are over.
    Gone(PeerId),
}
