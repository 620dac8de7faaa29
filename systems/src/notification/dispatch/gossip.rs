//! What a dispatcher tells other nodes and takes from them. Losing any of it costs a duplicate at most.

use super::{Dispatcher, LogEntry, Output, Rejected, SILENCE};
use crate::notification::cluster::{Gossip, PeerId};
use crate::notification::silence::Silence;
use crate::store::{Batch, Store};
use crate::time::Time;

impl<S: Store> Dispatcher<S> {
    pub(super) fn tell_peers(&self, entries: &[LogEntry], silences: &[Vec<u8>], out: &mut Vec<Output>) {
        for to in self.cluster.iter().flat_map(|cluster| cluster.peers()) {
            let gossip = Gossip { entries: entries.to_vec(), silences: silences.to_vec() };
            out.push(Output::Gossip { to, gossip });
        }
    }

    /// Tells everybody that this node is there, and one of them all it knows.
    pub(super) fn gossip(&mut self, now: Time, out: &mut Vec<Output>) {
        let Some(whole) = self.cluster.as_mut().and_then(|cluster| cluster.take_turn(now)) else { return };
        for to in self.cluster.iter().flat_map(|cluster| cluster.peers()) {
            let gossip = if Some(to) == whole { self.everything() } else { Gossip::default() };
            out.push(Output::Gossip { to, gossip });
        }
    }

    fn everything(&self) -> Gossip {
        Gossip {
            entries: self.log.iter().cloned().collect(),
            silences: self.silences.iter().map(Silence::encode).collect(),
        }
    }

    pub(super) fn hear(&mut self, now: Time, from: PeerId, gossip: &Gossip) -> Result<(), Rejected> {
        if let Some(cluster) = &mut self.cluster {
            cluster.hear(now, from);
        }
        #[cfg(test)]
        if self.is_broken(super::Sabotage::IgnoresGossip) {
            return Ok(());
        }
        let mut batch = Batch::new();
        for entry in gossip.entries.iter().filter(|entry| entry.expires_ns > now.as_nanos()) {
            if self.log.merge(entry) {
                batch.put(entry.store_key(), encoded(entry));
            }
        }
        for silence in gossip.silences.iter().filter_map(|bytes| Silence::decode(bytes)) {
            // What was forgotten here must not come back from a node that has not forgotten it yet.
            let is_old = silence.ends_at + self.config.silence_retention <= now;
            if !is_old && silence.validate_merged() && self.silences.merge(&silence) {
                batch.put([SILENCE, silence.id.as_bytes()].concat(), silence.encode());
            }
        }
        self.commit(now, &batch)
    }
}

pub(super) fn encoded(entry: &LogEntry) -> Vec<u8> {
    postcard::to_allocvec(entry).expect("entries have no types that do not encode")
}
