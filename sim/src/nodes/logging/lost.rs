//! What syncs that failed have taken out of a log, counted across processes. Decides nothing.

use foreshock_systems::logging::Journal;
use foreshock_systems::store::SimDisk;

/// What syncs that failed have taken out of the files.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LostBySyncs {
    pub(super) total: u64,
    /// Of these, as this process' journal counts them.
    counted: u64,
    /// Of these, with numbers above the last durable line.
    pub(super) above_durable: u64,
    durable: u64,
}

impl LostBySyncs {
    /// The same books for the journal of the next process, which begins to count anew.
    pub(super) fn of_next_process(self) -> LostBySyncs {
        LostBySyncs { total: self.total, ..LostBySyncs::default() }
    }

    /// Takes in what the journal of this process has counted since.
    pub(super) fn follow(&mut self, journal: &Journal<SimDisk>) {
        if journal.durable() > self.durable {
            (self.durable, self.above_durable) = (journal.durable(), 0);
        }
        let more = journal.counts().lost.saturating_sub(self.counted);
        self.total += more;
        self.counted += more;
        self.above_durable += more;
    }
}
