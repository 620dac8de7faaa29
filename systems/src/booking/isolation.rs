//! How far transactions are kept apart, and which anomalies each level lets through. Facts after the Hermitage study
//! (Kleppmann 2014) and Adya's phenomena (1999); never a claim about what a program needs.

use std::fmt;

/// How far transactions are kept apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isolation {
    /// Each read sees the newest commit, each write replaces whatever is there: PostgreSQL's default. A counter that is
    /// read, added to and written back loses updates.
    ReadCommitted,
    /// Reads see the state at the beginning, locking reads and writes the newest one: MySQL's default.
    RepeatableRead,
    /// As read committed, and whoever writes what it has read is refused if that has changed meanwhile (a version column,
    /// compare and set).
    VersionCheck,
    /// Reads see the state at the beginning; of two that write the same row the first to commit wins. PostgreSQL's
    /// repeatable read, Oracle's "serializable".
    Snapshot,
    /// As if one after the other, in the order of their commits: whoever wrote is refused if anything it has read has
    /// changed meanwhile, absent rows included (validation at commit, Kung and Robinson 1981).
    #[default]
    Serializable,
}

/// What concurrent transactions can do to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Anomaly {
    /// G0: the writes of two transactions are mixed.
    DirtyWrite,
    /// G1a: something is read that was rolled back.
    AbortedRead,
    /// G1b: something is read that was overwritten by its own transaction.
    IntermediateRead,
    /// G1c: two transactions each see what the other wrote.
    CircularRead,
    /// OTV: what was seen of a transaction is not there any more at the next look.
    ObservedVanishes,
    /// PMP: the same question to many rows has another answer the second time.
    PredicateSkew,
    /// P4: two read, both write, and one of the writes is gone.
    LostUpdate,
    /// G-single: one row is seen before and another one after the same transaction.
    ReadSkew,
    /// G2-item: two read the same rows, and each writes another one of them.
    ItemWriteSkew,
    /// G2: the same with rows that were not there.
    WriteSkew,
}

impl Anomaly {
    /// All of them.
    pub const ALL: [Anomaly; 10] = [
        Anomaly::DirtyWrite,
        Anomaly::AbortedRead,
        Anomaly::IntermediateRead,
        Anomaly::CircularRead,
        Anomaly::ObservedVanishes,
        Anomaly::PredicateSkew,
        Anomaly::LostUpdate,
        Anomaly::ReadSkew,
        Anomaly::ItemWriteSkew,
        Anomaly::WriteSkew,
    ];
}

impl Isolation {
    /// All of them, from the weakest on.
    pub const ALL: [Isolation; 5] = [
        Isolation::ReadCommitted,
        Isolation::RepeatableRead,
        Isolation::VersionCheck,
        Isolation::Snapshot,
        Isolation::Serializable,
    ];

    /// Whether an anomaly cannot happen among transactions of this level, if they may read as they like: with locking
    /// reads as well.
    pub const fn prevents(self, anomaly: Anomaly) -> bool {
        match anomaly {
            Anomaly::DirtyWrite
            | Anomaly::AbortedRead
            | Anomaly::IntermediateRead
            | Anomaly::CircularRead
            | Anomaly::ObservedVanishes => true,
            Anomaly::PredicateSkew | Anomaly::ReadSkew => {
                matches!(self, Isolation::Snapshot | Isolation::Serializable)
            }
            Anomaly::LostUpdate => {
                matches!(self, Isolation::VersionCheck | Isolation::Snapshot | Isolation::Serializable)
            }
            Anomaly::ItemWriteSkew | Anomaly::WriteSkew => matches!(self, Isolation::Serializable),
        }
    }

    /// Whether plain reads see one state, however long the transaction takes.
    pub const fn reads_snapshot(self) -> bool {
        match self {
            Isolation::ReadCommitted | Isolation::VersionCheck => false,
            Isolation::RepeatableRead | Isolation::Snapshot | Isolation::Serializable => true,
        }
    }

    /// As it is written in settings.
    pub const fn name(self) -> &'static str {
        match self {
            Isolation::ReadCommitted => "read_committed",
            Isolation::RepeatableRead => "repeatable_read",
            Isolation::VersionCheck => "version_check",
            Isolation::Snapshot => "snapshot",
            Isolation::Serializable => "serializable",
        }
    }
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
