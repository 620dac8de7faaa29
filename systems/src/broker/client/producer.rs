//! A producer: gathers records into batches, keeps a bounded buffer, has a bounded number of batches of a partition in
//! flight, and repeats what fails, in order. With an identity its batches bear sequences, so that what is repeated is
//! written once. Never decides which partition.

use super::super::log::{Acks, BATCHES_REMEMBERED, NewRecord, Produce, Rejected, Stamp};
use super::super::{PartitionId, ProducerId};
use crate::time::{Span, Time};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;

/// Everything a producer is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerConfig {
    /// Its identity; `None`: what is repeated may be written twice.
    pub identity: Option<ProducerId>,
    /// When a batch counts as delivered.
    pub acks: Acks,
    /// What may wait here and be in flight, in bytes.
    pub buffer_bytes: u64,
    /// Most records of a batch; zero counts as one.
    pub batch_records: u32,
    /// How long a batch waits for more records.
    pub linger: Span,
    /// Batches of a partition in flight; zero counts as one, and with an identity more than 5 as 5.
    pub max_in_flight: u32,
    /// How long to wait before a batch is sent again.
    pub retry_backoff: Span,
    /// How long a record may take in all; then it has failed, and may be written or not.
    pub delivery_timeout: Span,
}

impl Default for ProducerConfig {
    /// Kafka's: acknowledged by all, 32 MiB, five batches in flight, 100 ms between attempts, two minutes in all.
    fn default() -> ProducerConfig {
        ProducerConfig {
            identity: None,
            acks: Acks::All,
            buffer_bytes: 32 << 20,
            batch_records: 500,
            linger: Span::ZERO,
            max_in_flight: 5,
            retry_backoff: Span::from_millis(100),
            delivery_timeout: Span::from_secs(120),
        }
    }
}

/// The buffer is full: wait for deliveries, or drop the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferFull {
    /// The bound.
    pub buffer_bytes: u64,
}

impl fmt::Display for BufferFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes wait for delivery: send less, or later", self.buffer_bytes)
    }
}

impl std::error::Error for BufferFull {}

/// A batch to be sent. Report what becomes of it under its `id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sending {
    /// Names this attempt.
    pub id: u64,
    /// What to send to the leader of its partition.
    pub produce: Produce,
}

/// What became of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProducerOutput {
    /// They are written, as `acks` says.
    Delivered {
        /// As they were named when they were handed over.
        tags: Vec<u64>,
        /// How often the batch was sent.
        attempts: u32,
    },
    /// They may be written or not.
    Failed {
        /// As they were named when they were handed over.
        tags: Vec<u64>,
        /// The last reason heard; `None` if there was no answer.
        reason: Option<Rejected>,
    },
}

/// What has happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProducerCounts {
    /// Records taken.
    pub taken: u64,
    /// Records refused because the buffer was full.
    pub refused: u64,
    /// Batches sent, first time or again.
    pub attempts: u64,
    /// Batches sent again.
    pub retries: u64,
    /// Records delivered.
    pub delivered: u64,
    /// Records given up.
    pub failed: u64,
    /// New epochs begun because a leader had lost what came before.
    pub epochs: u64,
}

#[derive(Clone, Debug)]
struct Outgoing {
    records: Vec<NewRecord>,
    tags: Vec<u64>,
    bytes: u64,
    first_at: Time,
    sequence: Option<u64>,
    /// The attempt in flight.
    in_flight: Option<u64>,
    not_before: Time,
    attempts: u32,
    reason: Option<Rejected>,
}

#[derive(Clone, Debug, Default)]
struct Lane {
    /// In order. The last one may still take records.
    batches: VecDeque<Outgoing>,
    next_sequence: u64,
    epoch: u16,
}

/// A producer.
#[derive(Clone, Debug)]
pub struct Producer {
    config: ProducerConfig,
    lanes: BTreeMap<PartitionId, Lane>,
    attempts: BTreeMap<u64, PartitionId>,
    buffered: u64,
    next_id: u64,
    silent_until: Time,
    counts: ProducerCounts,
}

impl Producer {
    /// A producer with nothing to send.
    pub fn new(config: ProducerConfig) -> Producer {
        Producer {
            config,
            lanes: BTreeMap::new(),
            attempts: BTreeMap::new(),
            buffered: 0,
            next_id: 0,
            silent_until: Time::ZERO,
            counts: ProducerCounts::default(),
        }
    }

    /// What has happened.
    pub const fn counts(&self) -> ProducerCounts {
        self.counts
    }
    /// What waits here or is in flight, in bytes.
    pub const fn buffered_bytes(&self) -> u64 {
        self.buffered
    }
    /// How it works.
    pub const fn config(&self) -> &ProducerConfig {
        &self.config
    }

    /// Takes a record, which whoever drives knows as `tag`.
    ///
    /// # Errors
    /// [`BufferFull`].
    pub fn send(
        &mut self,
        now: Time,
        partition: PartitionId,
        record: NewRecord,
        tag: u64,
    ) -> Result<(), BufferFull> {
        let bytes = record.size_bytes();
        if self.buffered.saturating_add(bytes) > self.config.buffer_bytes {
            self.counts.refused += 1;
            return Err(BufferFull { buffer_bytes: self.config.buffer_bytes });
        }
        self.buffered += bytes;
        self.counts.taken += 1;
        let most = self.config.batch_records.max(1) as usize;
        let lane = self.lanes.entry(partition).or_default();
        let open = lane.batches.back_mut().filter(|last| last.attempts == 0 && last.records.len() < most);
        match open {
            Some(open) => {
                open.records.push(record);
                open.tags.push(tag);
                open.bytes += bytes;
            }
            None => lane.batches.push_back(Outgoing {
                records: vec![record],
                tags: vec![tag],
                bytes,
                first_at: now,
                sequence: None,
                in_flight: None,
                not_before: now,
                attempts: 0,
                reason: None,
            }),
        }
        Ok(())
    }

    /// The next batch to be sent, if one is due. Ask until there is none.
    pub fn poll(&mut self, now: Time) -> Option<Sending> {
        if self.silent_until > now {
            return None;
        }
        let config = self.config;
        let found = self.lanes.iter_mut().find_map(|(partition, lane)| {
            let (at, due_at) = lane.next(&config)?;
            (due_at <= now).then_some((*partition, lane, at))
        });
        let (partition, lane, at) = found?;
        let epoch = lane.epoch;
        let batch = lane.batches.get_mut(at)?;
        self.next_id += 1;
        self.counts.attempts += 1;
        self.counts.retries += u64::from(batch.attempts > 0);
        batch.attempts = batch.attempts.saturating_add(1);
        batch.in_flight = Some(self.next_id);
        if batch.sequence.is_none() {
            batch.sequence = Some(lane.next_sequence);
            lane.next_sequence += batch.records.len() as u64;
        }
        let sequence = batch.sequence.unwrap_or(0);
        let stamp = config.identity.map(|producer| Stamp { producer, epoch, sequence });
        let produce = Produce { partition, acks: config.acks, stamp, records: batch.records.clone() };
        self.attempts.insert(self.next_id, partition);
        Some(Sending { id: self.next_id, produce })
    }

    /// A batch was acknowledged (or, with [`Acks::None`], sent); `throttle` is how long the broker wants silence.
    pub fn acknowledged(&mut self, now: Time, id: u64, throttle: Span, out: &mut Vec<ProducerOutput>) {
        self.silent_until = self.silent_until.max(now + throttle);
        let Some((partition, at)) = self.attempt(id) else { return };
        let batch = self.lanes.get_mut(&partition).and_then(|lane| lane.batches.remove(at));
        let Some(batch) = batch else { return };
        self.buffered -= batch.bytes;
        self.counts.delivered += batch.tags.len() as u64;
        out.push(ProducerOutput::Delivered { tags: batch.tags, attempts: batch.attempts });
    }

    /// A batch was refused, or not answered (`None`): it is sent again unless that cannot help.
    pub fn failed(&mut self, now: Time, id: u64, reason: Option<Rejected>, out: &mut Vec<ProducerOutput>) {
        let backoff = self.config.retry_backoff;
        let Some((partition, at)) = self.attempt(id) else { return };
        let Some(lane) = self.lanes.get_mut(&partition) else { return };
        let Some(batch) = lane.batches.get_mut(at) else { return };
        (batch.in_flight, batch.not_before) = (None, now + backoff);
        batch.reason.clone_from(&reason);
        match reason {
            // The broker that took the batches before has lost them: begin anew behind what it has.
            Some(Rejected::OutOfOrderSequence { .. }) if at == 0 => {
                if lane.batches.iter().all(|batch| batch.in_flight.is_none()) {
                    lane.begin_epoch();
                    self.counts.epochs += 1;
                }
            }
            Some(Rejected::TooLarge { .. } | Rejected::ProducerFenced { .. } | Rejected::Empty) => {
                let Some(batch) = lane.batches.remove(at) else { return };
                self.give_up(batch, out);
            }
            Some(_) | None => {}
        }
    }

    /// When [`expire`](Producer::expire) or [`poll`](Producer::poll) wants to be called next.
    pub fn deadline(&self) -> Option<Time> {
        let config = &self.config;
        let due = self.lanes.values().filter_map(|lane| lane.next(config).map(|(_, at)| at));
        let lapses = self.lanes.values().filter_map(|lane| lane.batches.front());
        let lapses = lapses.map(|batch| batch.first_at + config.delivery_timeout);
        due.map(|at| at.max(self.silent_until)).chain(lapses).min()
    }

    /// Gives up what has taken too long.
    pub fn expire(&mut self, now: Time, out: &mut Vec<ProducerOutput>) {
        let timeout = self.config.delivery_timeout;
        let mut late = Vec::new();
        for lane in self.lanes.values_mut() {
            while let Some(batch) = lane.batches.pop_front_if(|batch| batch.first_at + timeout <= now) {
                late.push(batch);
            }
        }
        for batch in late {
            self.give_up(batch, out);
        }
    }

    fn give_up(&mut self, batch: Outgoing, out: &mut Vec<ProducerOutput>) {
        self.buffered -= batch.bytes;
        self.counts.failed += batch.tags.len() as u64;
        batch.in_flight.and_then(|id| self.attempts.remove(&id));
        out.push(ProducerOutput::Failed { tags: batch.tags, reason: batch.reason });
    }

    /// The partition and the place of the batch whose attempt this is.
    fn attempt(&mut self, id: u64) -> Option<(PartitionId, usize)> {
        let partition = self.attempts.remove(&id)?;
        let lane = self.lanes.get(&partition)?;
        let at = lane.batches.iter().position(|batch| batch.in_flight == Some(id))?;
        Some((partition, at))
    }
}

impl Lane {
    /// The batch to be sent next, and when.
    fn next(&self, config: &ProducerConfig) -> Option<(usize, Time)> {
        let most = config.max_in_flight.max(1) as usize;
        let bound = if config.identity.is_some() { most.min(BATCHES_REMEMBERED) } else { most };
        let in_flight = self.batches.iter().filter(|batch| batch.in_flight.is_some()).count();
        if in_flight >= bound {
            return None;
        }
        let at = self.batches.iter().position(|batch| batch.in_flight.is_none())?;
        let batch = &self.batches[at];
        let is_open = batch.attempts == 0
            && at + 1 == self.batches.len()
            && batch.records.len() < config.batch_records.max(1) as usize;
        let lingers_until = if is_open { batch.first_at + config.linger } else { Time::ZERO };
        Some((at, batch.not_before.max(lingers_until)))
    }

    /// Numbers everything that waits anew, in a new epoch (KIP-360). Nothing is in flight.
    fn begin_epoch(&mut self) {
        self.epoch = self.epoch.saturating_add(1);
        self.next_sequence = 0;
        for batch in &mut self.batches {
            if batch.sequence.is_some() {
                batch.sequence = Some(self.next_sequence);
                self.next_sequence += batch.records.len() as u64;
            }
        }
    }
}
