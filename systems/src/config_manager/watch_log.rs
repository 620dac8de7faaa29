//! The six guarantees of a watch, each a check over the recorded log of one watcher. The names are those of etcd's
//! robustness tests. What should have been told is the caller's to know: a second source, never the watcher's server.

use super::history::Event;
use super::key::{Key, Revision};
use std::collections::BTreeSet;
use std::fmt;

/// What one watcher saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogEntry {
    /// It began, or began anew, and asked for everything from this revision on.
    Begun {
        /// The first one that it wants.
        from: Revision,
    },
    /// A batch, with what was in it.
    Batch(Vec<Event>),
    /// A progress notice: everything up to this revision has been told.
    Bookmark(Revision),
    /// It was told that the history begins after this revision.
    TooLate(Revision),
    /// It got everything at once, at this revision.
    Resynced(Revision),
}

/// A guarantee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Guarantee {
    /// Revisions never go down.
    Ordered,
    /// No event comes twice.
    Unique,
    /// All events of one revision come in one batch.
    Atomic,
    /// Between two revisions that arrived, every matching one arrived.
    Reliable,
    /// A watch that began at a revision misses nothing from there on, or is told that it comes too late.
    Resumable,
    /// After a progress notice nothing older comes.
    Bookmarkable,
}

/// A guarantee that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// [`Guarantee::Ordered`].
    WentBack {
        /// The revision that came first.
        after: Revision,
        /// The older one that came then.
        came: Revision,
    },
    /// [`Guarantee::Unique`].
    CameTwice(Revision, Key),
    /// [`Guarantee::Atomic`].
    Torn(Revision),
    /// [`Guarantee::Reliable`].
    Lost(Revision, Key),
    /// [`Guarantee::Resumable`].
    Skipped {
        /// What the watch asked for.
        from: Revision,
        /// The first that should have been told and was not.
        missing: Revision,
    },
    /// [`Guarantee::Bookmarkable`].
    AfterBookmark {
        /// What the notice covered.
        bookmark: Revision,
        /// What came then.
        came: Revision,
    },
}

impl Violation {
    /// Which guarantee it breaks.
    pub const fn guarantee(&self) -> Guarantee {
        match self {
            Violation::WentBack { .. } => Guarantee::Ordered,
            Violation::CameTwice(..) => Guarantee::Unique,
            Violation::Torn(_) => Guarantee::Atomic,
            Violation::Lost(..) => Guarantee::Reliable,
            Violation::Skipped { .. } => Guarantee::Resumable,
            Violation::AfterBookmark { .. } => Guarantee::Bookmarkable,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::WentBack { after, came } => write!(f, "revision {came} came after {after}"),
            Violation::CameTwice(revision, key) => write!(f, "`{key}` of revision {revision} came twice"),
            Violation::Torn(revision) => write!(f, "revision {revision} did not come in one batch"),
            Violation::Lost(revision, key) => write!(f, "`{key}` of revision {revision} was lost"),
            Violation::Skipped { from, missing } => {
                write!(f, "a watch from revision {from} was not told of revision {missing}")
            }
            Violation::AfterBookmark { bookmark, came } => {
                write!(f, "revision {came} came after the notice of {bookmark}")
            }
        }
    }
}

impl std::error::Error for Violation {}

/// One check; `truth` is all that the watcher should have seen, from the first revision on, oldest first.
type Check = fn(log: &[LogEntry], truth: &[Event]) -> Result<(), Violation>;

/// The six, by name.
pub const CHECKS: [(Guarantee, Check); 6] = [
    (Guarantee::Ordered, |log, _| ordered(log)),
    (Guarantee::Unique, |log, _| unique(log)),
    (Guarantee::Atomic, |log, _| atomic(log)),
    (Guarantee::Reliable, reliable),
    (Guarantee::Resumable, resumable),
    (Guarantee::Bookmarkable, |log, _| bookmarkable(log)),
];

/// Every guarantee that a log breaks, each by its first violation.
pub fn violations(log: &[LogEntry], truth: &[Event]) -> Vec<Violation> {
    CHECKS.iter().filter_map(|(_, check)| check(log, truth).err()).collect()
}

fn events(log: &[LogEntry]) -> impl Iterator<Item = &Event> {
    log.iter().flat_map(|entry| match entry {
        LogEntry::Batch(events) => events.as_slice(),
        LogEntry::Begun { .. } | LogEntry::Bookmark(_) | LogEntry::TooLate(_) | LogEntry::Resynced(_) => &[],
    })
}

/// Revisions never go down.
///
/// # Errors
/// [`Violation::WentBack`].
pub fn ordered(log: &[LogEntry]) -> Result<(), Violation> {
    let mut after = Revision::ZERO;
    for event in events(log) {
        if event.revision < after {
            return Err(Violation::WentBack { after, came: event.revision });
        }
        after = event.revision;
    }
    Ok(())
}

/// No event comes twice.
///
/// # Errors
/// [`Violation::CameTwice`].
pub fn unique(log: &[LogEntry]) -> Result<(), Violation> {
    let mut seen = BTreeSet::new();
    match events(log).find(|event| !seen.insert((event.revision, &event.key))) {
        Some(event) => Err(Violation::CameTwice(event.revision, event.key.clone())),
        None => Ok(()),
    }
}

/// All events of one revision come in one batch, and only they.
///
/// # Errors
/// [`Violation::Torn`].
pub fn atomic(log: &[LogEntry]) -> Result<(), Violation> {
    let mut seen = BTreeSet::new();
    for entry in log {
        let LogEntry::Batch(events) = entry else { continue };
        let revisions: BTreeSet<Revision> = events.iter().map(|event| event.revision).collect();
        let is_mixed = revisions.len() > 1;
        if let Some(torn) = revisions.into_iter().find(|revision| is_mixed || !seen.insert(*revision)) {
            return Err(Violation::Torn(torn));
        }
    }
    Ok(())
}

/// What a watcher saw between one beginning and the next.
struct Session<'a> {
    from: Revision,
    events: Vec<&'a Event>,
    /// The last revision that a notice covers.
    bookmark: Option<Revision>,
}

fn sessions(log: &[LogEntry]) -> Vec<Session<'_>> {
    let mut sessions: Vec<Session<'_>> = Vec::new();
    for entry in log {
        match (entry, sessions.last_mut()) {
            (LogEntry::Begun { from }, _) => {
                sessions.push(Session { from: *from, events: Vec::new(), bookmark: None });
            }
            (LogEntry::Batch(events), Some(session)) => session.events.extend(events),
            (LogEntry::Bookmark(revision), Some(session)) => {
                session.bookmark = session.bookmark.max(Some(*revision));
            }
            (LogEntry::Batch(_) | LogEntry::Bookmark(_), None)
            | (LogEntry::TooLate(_) | LogEntry::Resynced(_), _) => {}
        }
    }
    sessions
}

/// Whether an event was told, and told right.
fn has(session: &Session<'_>, wanted: &Event) -> bool {
    session.events.contains(&wanted)
}

fn between(truth: &[Event], first: Revision, last: Revision) -> impl Iterator<Item = &Event> {
    let start = truth.partition_point(|event| event.revision < first);
    truth[start..].iter().take_while(move |event| event.revision <= last)
}

/// Between two revisions that arrived in one session, every matching event arrived; a notice counts as its revision.
///
/// # Errors
/// [`Violation::Lost`].
pub fn reliable(log: &[LogEntry], truth: &[Event]) -> Result<(), Violation> {
    for session in sessions(log) {
        let revisions = session.events.iter().map(|event| event.revision);
        let Some(first) = revisions.clone().min() else { continue };
        let last = revisions.max().max(session.bookmark).unwrap_or(first);
        if let Some(lost) = between(truth, first, last).find(|event| !has(&session, event)) {
            return Err(Violation::Lost(lost.revision, lost.key.clone()));
        }
    }
    Ok(())
}

/// A watch misses nothing between the revision that it began at and the first that arrived, and it began no later than
/// after what was known.
///
/// # Errors
/// [`Violation::Skipped`].
pub fn resumable(log: &[LogEntry], truth: &[Event]) -> Result<(), Violation> {
    for session in sessions(log) {
        let first = session.events.iter().map(|event| event.revision).min().map(Revision::previous);
        let Some(reached) = first.or(session.bookmark) else { continue };
        if let Some(missing) = between(truth, session.from, reached).next() {
            return Err(Violation::Skipped { from: session.from, missing: missing.revision });
        }
    }
    let mut known = Revision::ZERO;
    for entry in log {
        match entry {
            LogEntry::Begun { from } if *from > known.next() => {
                return Err(Violation::Skipped { from: *from, missing: known.next() });
            }
            LogEntry::Begun { .. } | LogEntry::TooLate(_) => {}
            LogEntry::Batch(events) => {
                known = events.iter().map(|event| event.revision).max().max(Some(known)).unwrap_or(known)
            }
            LogEntry::Bookmark(revision) | LogEntry::Resynced(revision) => known = known.max(*revision),
        }
    }
    Ok(())
}

/// After a notice for a revision no event up to it comes.
///
/// # Errors
/// [`Violation::AfterBookmark`].
pub fn bookmarkable(log: &[LogEntry]) -> Result<(), Violation> {
    let mut bookmark = Revision::ZERO;
    for entry in log {
        match entry {
            LogEntry::Bookmark(revision) => bookmark = bookmark.max(*revision),
            LogEntry::Batch(events) => {
                if let Some(late) = events.iter().find(|event| event.revision <= bookmark) {
                    return Err(Violation::AfterBookmark { bookmark, came: late.revision });
                }
            }
            LogEntry::Begun { .. } | LogEntry::TooLate(_) | LogEntry::Resynced(_) => {}
        }
    }
    Ok(())
}
