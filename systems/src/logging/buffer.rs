//! A bounded buffer between who logs and who writes. What happens when it is full is a policy. Never grows beyond its
//! bounds, never drops without saying which line and why.

use super::audit::{DropReason, Violation};
use super::record::{Record, Severity};
use crate::arithmetic::share_of;
use std::collections::VecDeque;

/// What happens to a line that finds the buffer full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// Who logs waits. The only policy that slows the request down.
    Block,
    /// It is dropped.
    DropNewest,
    /// The oldest ones are dropped for it.
    DropOldest,
    /// One in so many takes the place of the oldest; the others are dropped. Zero counts as one.
    Sample {
        /// Of how many one is kept.
        one_in: u32,
    },
}

/// How much a buffer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferConfig {
    /// Lines at most; zero counts as one.
    pub max_records: u32,
    /// Bytes at most, by [`Record::size_bytes`].
    pub max_bytes: u64,
    /// When there is no room.
    pub when_full: WhenFull,
    /// When less than this share of the lines is left, lines below a warning are dropped, as in Logback's asynchronous
    /// appender (20 % there); 0 is never.
    pub reserve_ppm: u32,
}

impl Default for BufferConfig {
    /// 256 lines as in Logback's asynchronous appender, 1 MiB, the newest dropped.
    fn default() -> BufferConfig {
        BufferConfig { max_records: 256, max_bytes: 1 << 20, when_full: WhenFull::DropNewest, reserve_ppm: 0 }
    }
}

/// What became of a line that was put into a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// It is in, and these had to go for it.
    In { displaced: u64 },
    /// It was dropped, and nothing else.
    Dropped(DropReason),
    /// There is no room; ask again with the same line.
    Full(Record),
}

/// Lines that wait to be written, the oldest first.
#[derive(Clone, Debug)]
pub struct Buffer {
    config: BufferConfig,
    lines: VecDeque<Record>,
    held_bytes: u64,
    offers_while_full: u64,
}

impl Buffer {
    /// An empty one.
    pub fn new(config: BufferConfig) -> Buffer {
        Buffer { config, lines: VecDeque::new(), held_bytes: 0, offers_while_full: 0 }
    }

    /// Lines held.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Bytes held.
    pub const fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    /// Follows a new config, but for a bound on bytes below what is held already: nothing is thrown away for it.
    pub fn reconfigure(&mut self, config: BufferConfig, on_their_way: u64) {
        let held = self.held_bytes.saturating_add(on_their_way);
        self.config = BufferConfig { max_bytes: config.max_bytes.max(held), ..config };
    }

    fn max_records(&self) -> usize {
        self.config.max_records.max(1) as usize
    }

    fn has_room_for(&self, bytes: u64, (lines, held): (usize, u64)) -> bool {
        lines < self.max_records() && held.saturating_add(bytes) <= self.config.max_bytes
    }

    fn is_nearly_full(&self) -> bool {
        let reserve = share_of(self.max_records() as u64, self.config.reserve_ppm);
        ((self.max_records() - self.lines.len().min(self.max_records())) as u64) < reserve
    }

    /// `on_their_way` are bytes of lines that were taken out and are not written: memory is memory.
    pub(super) fn put(&mut self, line: Record, on_their_way: u64) -> Put {
        let bytes = line.size_bytes();
        if !line.is_audit && bytes > self.config.max_bytes {
            return Put::Dropped(DropReason::TooLarge);
        }
        if !line.is_audit && line.severity > Severity::Warning && self.is_nearly_full() {
            return Put::Dropped(DropReason::Unimportant);
        }
        // An audit line larger than the bound would wait for ever: it is taken when it is alone.
        let held = self.held_bytes.saturating_add(on_their_way);
        if self.has_room_for(bytes, (self.lines.len(), held)) || (line.is_audit && held == 0) {
            self.push(line, bytes);
            return Put::In { displaced: 0 };
        }
        if line.is_audit {
            return Put::Full(line);
        }
        match self.config.when_full {
            WhenFull::Block => Put::Full(line),
            WhenFull::DropNewest => Put::Dropped(DropReason::Newest),
            WhenFull::DropOldest => self.displace(line, held, DropReason::Newest),
            WhenFull::Sample { one_in } => {
                let turn = self.offers_while_full % u64::from(one_in.max(1));
                self.offers_while_full = self.offers_while_full.wrapping_add(1);
                match turn {
                    0 => self.displace(line, held, DropReason::FullSample),
                    _ => Put::Dropped(DropReason::FullSample),
                }
            }
        }
    }

    /// Makes room by dropping the oldest that are not for the auditors; if that is not enough, drops the line instead.
    fn displace(&mut self, line: Record, held: u64, otherwise: DropReason) -> Put {
        let bytes = line.size_bytes();
        let (mut left, mut displaced, mut freed) = ((self.lines.len(), held), 0, 0);
        for old in self.lines.iter().take_while(|old| !old.is_audit) {
            if self.has_room_for(bytes, left) {
                break;
            }
            let size = old.size_bytes();
            (left, displaced, freed) = ((left.0 - 1, left.1 - size), displaced + 1, freed + size);
        }
        if !self.has_room_for(bytes, left) {
            return Put::Dropped(otherwise);
        }
        self.lines.drain(..displaced);
        self.held_bytes -= freed;
        self.push(line, bytes);
        Put::In { displaced: displaced as u64 }
    }

    fn push(&mut self, line: Record, bytes: u64) {
        self.held_bytes += bytes;
        self.lines.push_back(line);
    }

    /// Takes the oldest lines out: at most so many, at most so many bytes, but at least one if there is any.
    pub(super) fn take(&mut self, max_records: usize, max_bytes: u64) -> Vec<Record> {
        let (mut count, mut bytes) = (0, 0u64);
        for line in self.lines.iter().take(max_records.max(1)) {
            let next = bytes.saturating_add(line.size_bytes());
            if count > 0 && next > max_bytes {
                break;
            }
            (count, bytes) = (count + 1, next);
        }
        self.held_bytes -= bytes;
        self.lines.drain(..count).collect()
    }

    /// All lines are gone; how many they were.
    pub(super) fn clear(&mut self) -> u64 {
        let lines = self.lines.len() as u64;
        self.lines.clear();
        self.held_bytes = 0;
        lines
    }

    /// Holds what it says against what it holds, line by line.
    ///
    /// # Errors
    /// [`Violation::Miscounted`].
    pub fn audit_whole(&self) -> Result<(), Violation> {
        let bytes: u64 = self.lines.iter().map(Record::size_bytes).sum();
        if bytes == self.held_bytes { Ok(()) } else { Err(Violation::Miscounted) }
    }

    /// What can be looked at in no time, after every step; `on_their_way` counts against its bound, too.
    ///
    /// # Errors
    /// [`Violation::OverBound`].
    pub fn audit(&self, on_their_way: u64) -> Result<(), Violation> {
        let (bound_bytes, held_bytes) = (self.config.max_bytes, self.held_bytes.saturating_add(on_their_way));
        // A single line of an audit may be larger than all that is allowed.
        let is_single = self.held_bytes == 0 || (on_their_way == 0 && self.lines.len() == 1);
        if held_bytes > bound_bytes && !is_single {
            return Err(Violation::OverBound { held_bytes, bound_bytes });
        }
        Ok(())
    }
}
