//! From the journal to the store: batches in order, one on its way at a time, again after a failure, a checkpoint behind
//! what was acknowledged. At least once: what was sent and not checkpointed comes again after a crash.

use super::audit::Violation;
use super::journal::{Journal, Position};
use super::record::Record;
use crate::store::{Batch as Writes, Disk, Store, StoreError};
use crate::time::{Span, Time};
use serde::{Deserialize, Serialize};

/// Where a shipper reads.
pub trait LineSource {
    /// Lines from a position on, at most so many, and the position behind them.
    fn read(&self, from: Position, max_records: usize) -> (Vec<Record>, Position);
}

impl<D: Disk> LineSource for Journal<D> {
    fn read(&self, from: Position, max_records: usize) -> (Vec<Record>, Position) {
        Journal::read(self, from, max_records)
    }
}

/// How a shipper sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShipperConfig {
    /// Lines in a batch at most; zero counts as one.
    pub batch_records: u32,
    /// The pause after the first failure; it doubles with each further one.
    pub pause: Span,
    /// The longest pause.
    pub max_pause: Span,
    /// Checkpoints are saved at most this often.
    pub checkpoint_every: Span,
}

impl Default for ShipperConfig {
    /// 500 lines, pauses from 100 ms to 30 s, a checkpoint every 5 s.
    fn default() -> ShipperConfig {
        ShipperConfig {
            batch_records: 500,
            pause: Span::from_millis(100),
            max_pause: Span::from_secs(30),
            checkpoint_every: Span::from_secs(5),
        }
    }
}

/// Lines to be sent together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// In the order of their numbers.
    pub lines: Vec<Record>,
    behind: Position,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    sequence: u64,
    position: Position,
}

/// Sends a journal on.
#[derive(Clone, Debug)]
pub struct Shipper {
    config: ShipperConfig,
    acknowledged: Mark,
    saved: Mark,
    saved_at: Time,
    in_flight: Option<Batch>,
    failures: u32,
    not_before: Time,
}

const CHECKPOINT: &[u8] = b"shipper/checkpoint";

impl Shipper {
    /// Goes on behind the checkpoint that a store holds, or at the beginning.
    pub fn resume(config: ShipperConfig, store: &dyn Store, now: Time) -> Shipper {
        let saved = store.get(CHECKPOINT).and_then(|stored| postcard::from_bytes(stored.value).ok());
        let saved: Mark = saved.unwrap_or_default();
        Shipper {
            config,
            acknowledged: saved,
            saved,
            saved_at: now,
            in_flight: None,
            failures: 0,
            not_before: now,
        }
    }

    /// The next batch, if none is on its way, no pause is on, and there is anything to send.
    pub fn next(&mut self, now: Time, source: &impl LineSource) -> Option<&Batch> {
        if self.in_flight.is_some() || now < self.not_before {
            return None;
        }
        let most = self.config.batch_records.max(1) as usize;
        let (lines, behind) = source.read(self.acknowledged.position, most);
        if lines.is_empty() {
            return None;
        }
        self.in_flight = Some(Batch { lines, behind });
        self.in_flight.as_ref()
    }

    /// The batch on its way.
    pub const fn in_flight(&self) -> Option<&Batch> {
        self.in_flight.as_ref()
    }

    /// The store has taken the batch, or will never take what it left out.
    pub fn acknowledged(&mut self) {
        let Some(batch) = self.in_flight.take() else { return };
        let sequence = batch.lines.last().map_or(self.acknowledged.sequence, |line| line.sequence);
        self.acknowledged = Mark { sequence, position: batch.behind };
        self.failures = 0;
    }

    /// The batch did not arrive, or the store asks for a pause: it goes again, after at least `pause`. `entropy` is a
    /// uniformly distributed word.
    pub fn failed(&mut self, now: Time, pause: Span, entropy: u64) {
        if self.in_flight.take().is_none() {
            return;
        }
        let longest =
            crate::arithmetic::grown(self.config.pause, 2_000, self.failures, self.config.max_pause);
        let half = longest.as_nanos() / 2;
        let jittered = crate::arithmetic::uniform(entropy, half, longest.as_nanos());
        self.failures = self.failures.saturating_add(1);
        self.not_before = now + Span::from_nanos(jittered).max(pause);
    }

    /// Until when it pauses.
    pub const fn not_before(&self) -> Time {
        self.not_before
    }

    /// Saves the checkpoint if that is due and it has moved. Segments up to it may go then.
    ///
    /// # Errors
    /// [`StoreError`]; the old checkpoint is still there.
    pub fn checkpoint(&mut self, now: Time, store: &mut dyn Store) -> Result<(), StoreError> {
        let is_due = now.since(self.saved_at) >= self.config.checkpoint_every;
        if !is_due || self.saved == self.acknowledged {
            return Ok(());
        }
        let bytes = postcard::to_allocvec(&self.acknowledged).expect("plain numbers always encode");
        let mut writes = Writes::new();
        writes.put(CHECKPOINT, bytes);
        store.commit(now, &writes)?;
        store.sync(now)?;
        (self.saved, self.saved_at) = (self.acknowledged, now);
        Ok(())
    }

    /// When [`checkpoint`](Shipper::checkpoint) has something to save.
    pub fn checkpoint_due(&self) -> Option<Time> {
        (self.saved != self.acknowledged).then(|| self.saved_at + self.config.checkpoint_every)
    }

    /// Follows a new config. A pause that is on goes on.
    pub const fn reconfigure(&mut self, config: ShipperConfig) {
        self.config = config;
    }

    /// The last line below the saved checkpoint: a crash does not bring it again.
    pub const fn saved(&self) -> u64 {
        self.saved.sequence
    }

    /// The last line that the store has acknowledged.
    pub const fn sequence(&self) -> u64 {
        self.acknowledged.sequence
    }

    /// The checkpoint is never ahead of what `store_has` acknowledged of this source.
    ///
    /// # Errors
    /// [`Violation::CheckpointAhead`].
    pub fn audit(&self, store_has: u64) -> Result<(), Violation> {
        let checkpoint = self.saved.sequence.max(self.acknowledged.sequence);
        if checkpoint > store_has {
            return Err(Violation::CheckpointAhead { checkpoint, acknowledged: store_has });
        }
        Ok(())
    }
}
