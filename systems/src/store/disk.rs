//! Append-only files by number: the trait, and a simulated disk whose power can be cut. What was appended and not
//! synced may survive a cut in part; what was synced survives whole. Never the host's disk.

use crate::arithmetic::{keyed_word, uniform};
use std::collections::BTreeMap;
use std::fmt;

/// Why a disk did not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskError {
    /// No room.
    Full,
    /// It has reported that it could not make data durable. What was appended since the last sync may be lost, even if
    /// a later sync succeeds.
    SyncFailed,
    /// The power is off.
    Off,
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DiskError::Full => "the disk is full",
            DiskError::SyncFailed => "the disk could not make data durable",
            DiskError::Off => "the disk has no power",
        })
    }
}

impl std::error::Error for DiskError {}

/// Files that only grow.
pub trait Disk {
    /// The numbers of the files there are, ascending.
    fn files(&self) -> Vec<u64>;
    /// What a file holds; nothing if there is no such file.
    fn read(&self, file: u64) -> &[u8];
    /// Appends to a file, which comes into being with its first byte.
    ///
    /// # Errors
    /// [`DiskError`]; an unknown part may have been appended.
    fn append(&mut self, file: u64, bytes: &[u8]) -> Result<(), DiskError>;
    /// Makes what a file holds durable, and that it exists.
    ///
    /// # Errors
    /// [`DiskError`]; an unknown part is durable.
    fn sync(&mut self, file: u64) -> Result<(), DiskError>;
    /// Removes a file. Until the next sync of any file it may come back after a crash.
    ///
    /// # Errors
    /// [`DiskError`]; it may still be there.
    fn remove(&mut self, file: u64) -> Result<(), DiskError>;
}

/// When and how the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PowerCut {
    /// Operations that still succeed; the next one and all after it fail.
    pub after_operations: u64,
    /// A uniformly distributed word: decides how much of what was not synced survives, and whether the last byte of
    /// that is garbage.
    pub entropy: u64,
}

#[derive(Clone, Debug, Default)]
struct File {
    bytes: Vec<u8>,
    synced: usize,
    is_removed: bool,
}

/// A disk in memory that can lose its power, refuse to sync, or be full. Cloning it copies the platters.
#[derive(Clone, Debug, Default)]
pub struct SimDisk {
    files: BTreeMap<u64, File>,
    operations: u64,
    cut: Option<PowerCut>,
    capacity_bytes: Option<usize>,
    failing_syncs: u32,
    /// Empty: the memory of the largest file that is gone, for the next one.
    spare: Vec<u8>,
}

impl SimDisk {
    /// An empty disk without faults.
    pub fn new() -> SimDisk {
        SimDisk::default()
    }

    /// Whether the power is off: whatever comes next is refused.
    pub fn is_off(&self) -> bool {
        self.cut.is_some_and(|cut| self.operations >= cut.after_operations)
    }

    /// Appends, syncs and removals so far, refused ones included: the points at which a test may cut the power.
    pub const fn operations(&self) -> u64 {
        self.operations
    }

    /// Cuts the power later.
    pub fn cut_power(&mut self, cut: PowerCut) {
        self.cut =
            Some(PowerCut { after_operations: self.operations.saturating_add(cut.after_operations), ..cut });
    }

    /// Bounds what all files may hold together; `None` is no bound.
    pub const fn set_capacity(&mut self, bytes: Option<usize>) {
        self.capacity_bytes = bytes;
    }

    /// Makes that many syncs fail from now on; what they should have made durable is dropped at a crash.
    pub const fn fail_syncs(&mut self, count: u32) {
        self.failing_syncs = count;
    }

    /// Power back on: of what was not synced each file keeps a part drawn by the cut's word (all draws from zero if it
    /// was never cut), and a file that was removed may be there again.
    #[must_use]
    pub fn restart(mut self) -> SimDisk {
        let entropy = self.cut.map_or(0, |cut| cut.entropy);
        for (number, file) in &mut self.files {
            let unsynced = file.bytes.len() - file.synced;
            let word = keyed_word(entropy, number.saturating_mul(2));
            let kept = uniform(word, 0, unsynced as u64) as usize;
            file.bytes.truncate(file.synced + kept);
            let is_torn = keyed_word(entropy, number.saturating_mul(2).saturating_add(1)) & 1 == 1;
            if let (true, Some(last)) = (kept > 0 && is_torn, file.bytes.last_mut()) {
                *last ^= 0x5A;
            }
            file.synced = file.bytes.len();
            file.is_removed &= word & 1 == 0;
        }
        self.files.retain(|_, file| !file.is_removed && !file.bytes.is_empty());
        SimDisk { files: self.files, capacity_bytes: self.capacity_bytes, ..SimDisk::default() }
    }

    fn step(&mut self) -> Result<(), DiskError> {
        let is_off = self.is_off();
        self.operations = self.operations.saturating_add(1);
        if is_off { Err(DiskError::Off) } else { Ok(()) }
    }

    fn used_bytes(&self) -> usize {
        self.files.values().filter(|file| !file.is_removed).map(|file| file.bytes.len()).sum()
    }
}

impl Disk for SimDisk {
    fn files(&self) -> Vec<u64> {
        self.files.iter().filter(|(_, file)| !file.is_removed).map(|(number, _)| *number).collect()
    }

    fn read(&self, file: u64) -> &[u8] {
        self.files.get(&file).filter(|file| !file.is_removed).map_or(&[], |file| &file.bytes)
    }

    fn append(&mut self, file: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.step()?;
        if self
            .capacity_bytes
            .is_some_and(|capacity| self.used_bytes().saturating_add(bytes.len()) > capacity)
        {
            return Err(DiskError::Full);
        }
        let spare = &mut self.spare;
        let new = || File { bytes: std::mem::take(spare), ..File::default() };
        let written = self.files.entry(file).or_insert_with(new);
        if written.is_removed {
            *written = File::default();
        }
        written.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self, file: u64) -> Result<(), DiskError> {
        self.step()?;
        if self.failing_syncs > 0 {
            self.failing_syncs -= 1;
            return Err(DiskError::SyncFailed);
        }
        if let Some(file) = self.files.get_mut(&file) {
            file.synced = file.bytes.len();
        }
        // A sync commits the journal of the file system, and with it the removals before it.
        while let Some((number, _)) = self.files.iter().find(|(_, file)| file.is_removed) {
            let number = *number;
            let gone = self.files.remove(&number).map_or_else(Vec::new, |file| file.bytes);
            if gone.capacity() > self.spare.capacity() {
                self.spare = gone;
                self.spare.clear();
            }
        }
        Ok(())
    }

    fn remove(&mut self, file: u64) -> Result<(), DiskError> {
        self.step()?;
        if let Some(file) = self.files.get_mut(&file) {
            file.is_removed = true;
        }
        Ok(())
    }
}
