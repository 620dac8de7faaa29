//! What the parties of a shipped log see of its files, and tell its books. Sends nothing.

use std::collections::BTreeMap;

use foreshock_systems::logging::Record;

use super::cx::Cx;
use super::node::NodeId;
use crate::measure::{LogFiles, Taken, Written};

impl Cx<'_> {
    /// This writer of a log has done something, and these of its lines are synced now.
    pub(crate) fn log_written(&mut self, written: Written, synced: Vec<Record>) {
        let (now, writer) = (self.engine.now, self.node);
        let recorder = &mut self.engine.core.recorder;
        let broken = recorder.logs.written(writer, written, synced);
        recorder.books_broken(broken, now);
    }

    /// Up to where the shipper of this writer needs no lines any more.
    pub(crate) fn log_released(&self) -> u64 {
        self.engine.core.recorder.logs.released(self.node)
    }

    /// The files of a log on the machine of `writer`, and so of its shipper.
    pub(crate) fn log_files(&self, writer: NodeId) -> &LogFiles {
        self.engine.core.recorder.logs.files(writer)
    }

    /// This shipper has saved that all lines of `writer` up to this one are shipped.
    pub(crate) fn log_checkpointed(&mut self, writer: NodeId, saved: u64) {
        let now = self.engine.now;
        let recorder = &mut self.engine.core.recorder;
        let broken = recorder.logs.checkpointed(writer, saved);
        recorder.books_broken(broken, now);
    }

    /// The lines that a batch carries.
    pub(crate) fn log_batch(&self, writer: NodeId, (first, last): (u64, u64)) -> Vec<Record> {
        self.engine.core.recorder.logs.batch(writer, first, last)
    }

    /// This store has taken a batch, and has this of its source now.
    pub(crate) fn log_taken(&mut self, writer: NodeId, batch: (u64, u64), taken: Taken) {
        let (now, store) = (self.engine.now, self.service());
        let recorder = &mut self.engine.core.recorder;
        let broken = recorder.logs.taken(store, writer, batch, taken);
        recorder.books_broken(broken, now);
    }

    /// This store answers that it has all lines of `writer` up to this one.
    pub(crate) fn log_acknowledged(&mut self, writer: NodeId, last: u64) {
        self.engine.core.recorder.logs.acknowledged(writer, last);
    }

    /// This store is back and has this of its sources; `may_lose` says whether its settings let it lose lines.
    pub(crate) fn log_store_back(&mut self, found: &BTreeMap<NodeId, Taken>, may_lose: bool) {
        let (now, store) = (self.engine.now, self.service());
        let recorder = &mut self.engine.core.recorder;
        let broken = recorder.logs.store_back(store, found, may_lose);
        recorder.books_broken(broken, now);
    }
}
