//! The books on logs that are shipped: what their writers, the files on their disks, their shippers and their store know
//! of every line, held against each other whenever one of them has done something. The files of a log live here, because
//! two processes of one machine look at them; all else is read by nobody in the simulated world. Never decides.

use std::collections::{BTreeMap, VecDeque};

use foreshock_systems::logging::{LineSource, Position, Record};

use super::logs::log_invariant;
use super::money::Broken;
use crate::cluster::NodeId;
use crate::scenario::plan::{Party, Plan, ServiceId};

/// What a writer knows of its lines.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Written {
    /// Said so far.
    pub(crate) emitted: u64,
    /// Dropped, for any reason.
    pub(crate) dropped: u64,
    /// In memory.
    pub(crate) in_ring: u64,
    /// In its files, and not synced.
    pub(crate) unsynced: u64,
    /// In its files before a crash, and not after it.
    pub(crate) lost_in_crashes: u64,
}

/// What a store knows of the lines of one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// The number of the last line it has taken.
    pub(crate) last: u64,
    /// Lines stored.
    pub(crate) stored: u64,
    /// Lines it will never take.
    pub(crate) refused: u64,
}

/// The files of a log, as another process of its machine sees them: lines that are synced, and not removed yet. A
/// position is the number of the line before it.
#[derive(Debug, Default)]
pub(crate) struct LogFiles {
    lines: VecDeque<Record>,
}

impl LogFiles {
    fn up_to(&self, last: u64) -> usize {
        self.lines.partition_point(|line| line.sequence <= last)
    }

    /// Lines above one number, up to another.
    fn between(&self, above: u64, last: u64) -> u64 {
        self.up_to(last).saturating_sub(self.up_to(above)) as u64
    }

    /// The lines of a batch.
    fn batch(&self, first: u64, last: u64) -> Vec<Record> {
        let from = self.up_to(first.saturating_sub(1));
        let to = self.up_to(last).max(from);
        self.lines.range(from..to).cloned().collect()
    }
}

impl LineSource for LogFiles {
    fn read(&self, from: Position, max_records: usize) -> (Vec<Record>, Position) {
        let lines: Vec<Record> =
            self.lines.range(self.up_to(from.offset)..).take(max_records).cloned().collect();
        let offset = lines.last().map_or(from.offset, |line| line.sequence);
        (lines, Position { offset, ..from })
    }
}

/// One log: that of one replica.
#[derive(Debug, Default)]
struct Log {
    written: Written,
    files: LogFiles,
    /// Up to where its shipper needs no line any more.
    released: u64,
    store: Option<ServiceId>,
    taken: Taken,
    /// The last line that its store has told its shipper to have.
    acknowledged: u64,
    /// The last line that its store had before it lost some.
    fell_from: u64,
    lost_by_store: u64,
}

impl Log {
    fn on_disk(&self) -> u64 {
        self.written.unsynced + self.files.between(self.taken.last, u64::MAX)
    }

    fn balance(&self) -> Option<Broken> {
        let Written { emitted, dropped, in_ring, lost_in_crashes, .. } = self.written;
        let (on_disk, stored, refused) = (self.on_disk(), self.taken.stored, self.taken.refused);
        let lost_by_store = self.lost_by_store;
        let accounted = dropped + in_ring + on_disk + lost_in_crashes + stored + refused + lost_by_store;
        (emitted != accounted).then(|| {
            let witness = format!(
                "{emitted} lines were said; {dropped} were dropped, {in_ring} are in memory, {on_disk} on disk, \
                 {stored} stored, {refused} refused, {lost_in_crashes} lost in crashes, {lost_by_store} by the store"
            );
            (log_invariant::SHIPPED, witness)
        })
    }

    /// Lines up to a number leave the files.
    fn release(&mut self, last: u64) {
        if last <= self.released {
            return;
        }
        self.lost_by_store += self.files.between(self.taken.last, last.min(self.fell_from));
        self.files.lines.drain(..self.files.up_to(last));
        self.released = last;
    }

    fn take(&mut self, (first, last): (u64, u64), taken: Taken) -> Vec<Broken> {
        let was = std::mem::replace(&mut self.taken, taken);
        // A store that has lost lines may be sent what follows them: their shipper has passed them long ago.
        let passed = first.saturating_sub(1).min(self.fell_from);
        self.lost_by_store += self.files.between(was.last, passed);
        let new = self.files.between(was.last.max(first.saturating_sub(1)), last);
        let took = (taken.stored + taken.refused).saturating_sub(was.stored + was.refused);
        let again = (took > new).then(|| {
            let witness = format!("lines {first} to {last} were taken: {took}, of which {new} are new");
            (log_invariant::STORED_ONCE, witness)
        });
        again.into_iter().chain(self.balance()).collect()
    }

    /// Its store is back from a crash, and has this.
    fn store_back(&mut self, taken: Taken) -> Vec<Broken> {
        let was = std::mem::replace(&mut self.taken, taken);
        let fell = (was.stored + was.refused).saturating_sub(taken.stored + taken.refused);
        self.fell_from = self.fell_from.max(was.last);
        // What stands in the files may be sent again.
        self.lost_by_store += fell.saturating_sub(self.files.between(taken.last, was.last));
        let lost = (taken.last < self.acknowledged).then(|| {
            let (last, acknowledged) = (taken.last, self.acknowledged);
            (log_invariant::STORE_KEPT, format!("{acknowledged} lines were acknowledged, {last} are there"))
        });
        lost.into_iter().chain(self.balance()).collect()
    }
}

/// The books, by writer.
#[derive(Default)]
pub(crate) struct LogBooks {
    logs: BTreeMap<NodeId, Log>,
    /// Of a source of which nobody has heard.
    no_files: LogFiles,
}

impl LogBooks {
    /// A writer has done something; these lines are synced since it did so last.
    pub(crate) fn written(
        &mut self,
        writer: NodeId,
        written: Written,
        synced: Vec<Record>,
    ) -> Option<Broken> {
        let log = self.logs.entry(writer).or_default();
        log.files.lines.extend(synced);
        log.written = written;
        log.balance()
    }

    /// Up to where nobody needs the lines of a writer any more.
    pub(crate) fn released(&self, writer: NodeId) -> u64 {
        self.logs.get(&writer).map_or(0, |log| log.released)
    }

    /// The files of a writer.
    pub(crate) fn files(&self, writer: NodeId) -> &LogFiles {
        self.logs.get(&writer).map_or(&self.no_files, |log| &log.files)
    }

    /// The lines of a batch on its way.
    pub(crate) fn batch(&self, writer: NodeId, first: u64, last: u64) -> Vec<Record> {
        self.files(writer).batch(first, last)
    }

    /// A shipper has saved up to where it has shipped: the lines up to there may go.
    pub(crate) fn checkpointed(&mut self, writer: NodeId, saved: u64) -> Vec<Broken> {
        let Some(log) = self.logs.get_mut(&writer) else { return Vec::new() };
        log.release(saved);
        let ahead = (saved > log.acknowledged).then(|| {
            let witness = format!("the checkpoint is at {saved}, and {} was acknowledged", log.acknowledged);
            (log_invariant::CHECKPOINT, witness)
        });
        ahead.into_iter().chain(log.balance()).collect()
    }

    /// A store has taken a batch, and has this of its source now.
    pub(crate) fn taken(
        &mut self,
        store: ServiceId,
        writer: NodeId,
        batch: (u64, u64),
        taken: Taken,
    ) -> Vec<Broken> {
        let log = self.logs.entry(writer).or_default();
        log.store = Some(store);
        log.take(batch, taken)
    }

    /// A store says that it has the lines up to this one.
    pub(crate) fn acknowledged(&mut self, writer: NodeId, last: u64) {
        let log = self.logs.entry(writer).or_default();
        log.acknowledged = log.acknowledged.max(last);
    }

    /// A store is back, and has this of each of its sources. Whether its settings let it lose lines.
    pub(crate) fn store_back(
        &mut self,
        store: ServiceId,
        found: &BTreeMap<NodeId, Taken>,
        may_lose: bool,
    ) -> Vec<Broken> {
        let logs = self.logs.iter_mut().filter(|(_, log)| log.store == Some(store));
        let broken =
            logs.flat_map(|(writer, log)| log.store_back(found.get(writer).copied().unwrap_or_default()));
        broken.filter(|(id, _)| !may_lose || *id != log_invariant::STORE_KEPT).collect()
    }

    /// What is in the books, beside what the parties know of themselves.
    pub(crate) fn add_to(
        &self,
        plan: &Plan,
        party: impl Fn(NodeId) -> Party,
        systems: &mut BTreeMap<String, BTreeMap<String, u64>>,
    ) {
        for (writer, log) in &self.logs {
            let Party::Service(service) = party(*writer) else { continue };
            let values = systems.entry(plan.services[service.index()].name.clone()).or_default();
            for (name, lines) in [
                ("lines_on_disk", log.on_disk()),
                ("lines_shipped", log.taken.stored + log.taken.refused),
                ("lines_lost_by_store", log.lost_by_store),
            ] {
                *values.entry(name.to_string()).or_default() += lines;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use foreshock_systems::logging::Severity;
    use foreshock_systems::time::Time;

    const WRITER: NodeId = NodeId(3);
    const STORE: ServiceId = ServiceId(1);

    /// Books of a log of ten lines that are all synced.
    fn ten_lines() -> LogBooks {
        let line = |sequence| Record { sequence, ..Record::new(Time::ZERO, Severity::Error, "a", "b") };
        let mut books = LogBooks::default();
        let written = Written { emitted: 10, ..Written::default() };
        assert_eq!(books.written(WRITER, written, (1..=10).map(line).collect()), None);
        books
    }

    fn ids(broken: Vec<Broken>) -> Vec<&'static str> {
        broken.into_iter().map(|(id, _)| id).collect()
    }

    fn took(books: &mut LogBooks, batch: (u64, u64), stored: u64) -> Vec<&'static str> {
        ids(books.taken(STORE, WRITER, batch, Taken { last: batch.1, stored, refused: 0 }))
    }

    #[test]
    fn lines_that_come_again_after_a_crash_of_the_shipper_leave_the_books_balanced() {
        let mut books = ten_lines();
        assert!(took(&mut books, (1, 4), 4).is_empty());
        books.acknowledged(WRITER, 4);
        assert!(books.checkpointed(WRITER, 4).is_empty());
        assert!(took(&mut books, (5, 8), 8).is_empty());
        assert!(took(&mut books, (5, 8), 8).is_empty(), "the store knows them already");
        assert_eq!(books.released(WRITER), 4);
        assert_eq!(books.batch(WRITER, 5, 8).len(), 4);
    }

    #[test]
    fn each_mistake_is_noticed() {
        let mut twice = ten_lines();
        took(&mut twice, (1, 4), 4);
        assert_eq!(took(&mut twice, (1, 4), 8), [log_invariant::STORED_ONCE, log_invariant::SHIPPED]);

        let mut hurried = ten_lines();
        let ahead = ids(hurried.checkpointed(WRITER, 4));
        assert_eq!(ahead, [log_invariant::CHECKPOINT, log_invariant::SHIPPED]);

        let mut skipped = ten_lines();
        assert_eq!(took(&mut skipped, (5, 8), 4), [log_invariant::SHIPPED]);
    }

    #[test]
    fn what_a_store_loses_in_a_crash_is_counted_and_excused_by_its_settings_only() {
        for may_lose in [true, false] {
            let mut books = ten_lines();
            took(&mut books, (1, 8), 8);
            books.acknowledged(WRITER, 8);
            assert!(books.checkpointed(WRITER, 4).is_empty());
            let found = BTreeMap::from([(WRITER, Taken { last: 2, stored: 2, refused: 0 })]);
            let broken = ids(books.store_back(STORE, &found, may_lose));
            assert_eq!(broken.is_empty(), may_lose, "{broken:?}");
            // Its shipper goes on behind what was acknowledged.
            assert!(took(&mut books, (9, 10), 4).is_empty());
            assert_eq!(books.logs[&WRITER].lost_by_store, 6);
        }
    }
}
