//! Notes: what nodes send each other beside requests and answers. A message carries only where its note lies; the note
//! is freed with the last message that carries it and the sender that may send it again. Knows nothing of links.

use super::node::NodeId;
use super::slab::{Ref, Slab};
use crate::nodes::broker::Mail;
use crate::nodes::config::Told;
use crate::nodes::flags::{FlagsAsked, FlagsTold};
use crate::nodes::notification::PeerMail;
use crate::nodes::telemetry::Report;

/// What a node tells another. One variant for each thing that nodes talk about.
#[derive(Clone, Debug)]
pub enum Note {
    /// What a replica measured of itself.
    Telemetry(Box<Report>),
    /// A report was taken: the replica's life and the number of the report in it.
    TelemetryTaken {
        /// Which life of the process had sent it.
        life: u32,
        /// Which of its reports.
        sequence: u64,
    },
    /// A replica asks for feature flags.
    FlagsAsked(FlagsAsked),
    /// Feature flags, or news of them.
    FlagsTold(Box<FlagsTold>),
    /// What a configuration server says to a replica that follows it.
    Config(Box<Told>),
    /// What the parties of a message broker say to each other.
    Broker(Box<Mail>),
    /// What routers of alerts tell each other.
    Peers(Box<PeerMail>),
}

impl Note {
    /// Bytes it takes while it is under way.
    fn memory_bytes(&self) -> u64 {
        match self {
            Note::Telemetry(report) => report.memory_bytes(),
            Note::FlagsTold(told) => told.memory_bytes(),
            Note::TelemetryTaken { .. } | Note::FlagsAsked(_) => 0,
            Note::Config(told) => told.memory_bytes(),
            Note::Broker(mail) => mail.memory_bytes(),
            Note::Peers(mail) => mail.memory_bytes(),
        }
    }
}

struct Held {
    note: Option<Note>,
    from: NodeId,
    /// Messages that carry it, and one more while its sender keeps it.
    references: u32,
    kept: bool,
    /// Whether anybody has got it.
    arrived: bool,
}

/// All notes under way.
pub(crate) struct Notes {
    held: Slab<Held>,
    bytes: u64,
}

impl Notes {
    pub(crate) fn new() -> Notes {
        Notes { held: Slab::new(), bytes: 0 }
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        self.held.memory_bytes() + self.bytes
    }

    /// A note that its sender keeps until it says otherwise.
    pub(crate) fn keep(&mut self, from: NodeId, note: Note) -> Ref {
        self.bytes += note.memory_bytes();
        self.held.insert(Held { note: Some(note), from, references: 1, kept: true, arrived: false })
    }

    pub(crate) fn get(&self, at: Ref) -> Option<&Note> {
        self.held.get(at)?.note.as_ref()
    }

    /// One more message carries it.
    pub(crate) fn carried(&mut self, at: Ref) {
        if let Some(held) = self.held.get_mut(at) {
            held.references += 1;
        }
    }

    /// Whether a note that has come to somebody is the first of its copies to do so.
    pub(crate) fn arrives(&mut self, at: Ref) -> bool {
        self.held.get_mut(at).is_some_and(|held| !std::mem::replace(&mut held.arrived, true))
    }

    /// A message that carried it is gone. Tells the note if that was the last of it and nobody ever got it.
    pub(crate) fn release(&mut self, at: Ref) -> Option<Note> {
        let held = self.held.get_mut(at)?;
        held.references -= 1;
        if held.references > 0 {
            return None;
        }
        let (note, arrived) = (held.note.take()?, held.arrived);
        self.bytes -= note.memory_bytes();
        self.held.remove(at);
        (!arrived).then_some(note)
    }

    /// Its sender no longer keeps it; otherwise as [`Notes::release`].
    pub(crate) fn forget(&mut self, at: Ref) -> Option<Note> {
        let held = self.held.get_mut(at)?;
        if std::mem::take(&mut held.kept) { self.release(at) } else { None }
    }

    /// All that a node keeps: what it loses when its process dies.
    pub(crate) fn kept_by(&self, node: NodeId) -> Vec<Ref> {
        let kept = self.held.iter().filter(|(_, held)| held.kept && held.from == node);
        kept.map(|(at, _)| at).collect()
    }

    /// Those that nobody has got yet.
    pub(crate) fn under_way(&self) -> impl Iterator<Item = &Note> {
        let waiting = self.held.iter().filter(|(_, held)| !held.arrived);
        waiting.filter_map(|(_, held)| held.note.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTE: Note = Note::TelemetryTaken { life: 1, sequence: 2 };
    const SENDER: NodeId = NodeId(3);

    #[test]
    fn a_note_is_freed_with_the_last_copy_and_told_as_lost_only_if_nobody_got_it() {
        let mut notes = Notes::new();
        let at = notes.keep(SENDER, NOTE);
        notes.carried(at);
        notes.carried(at);
        assert!(notes.forget(at).is_none());
        assert!(notes.release(at).is_none());
        assert_eq!(notes.under_way().count(), 1);
        assert!(notes.release(at).is_some(), "both copies were lost on the way");
        assert!(notes.get(at).is_none());

        let at = notes.keep(SENDER, NOTE);
        notes.carried(at);
        assert!(notes.arrives(at) && !notes.arrives(at));
        assert!(notes.release(at).is_none());
        assert!(notes.forget(at).is_none());
        assert_eq!((notes.held.len(), notes.memory_bytes() - notes.held.memory_bytes()), (0, 0));
    }

    #[test]
    fn a_sender_forgets_a_note_once_and_a_crash_takes_what_it_kept() {
        let mut notes = Notes::new();
        let (first, second) = (notes.keep(SENDER, NOTE), notes.keep(SENDER, NOTE));
        notes.carried(first);
        assert!(notes.forget(first).is_none());
        assert!(notes.forget(first).is_none(), "a message still carries it");
        assert_eq!(notes.kept_by(SENDER), [second]);
        assert!(notes.forget(second).is_some());
        assert_eq!(notes.under_way().count(), 1);
    }
}
