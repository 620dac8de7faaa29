//! The store that survives a crash: every batch is appended to a log before it is visible, and the log is replayed
//! when the store is opened. A log that has grown too long is replaced by a new file that begins with a snapshot.
//!
//! A file is a sequence of frames, each `length u32 | CRC-32 u32 | kind u8 | commit u64 | writes`; a frame that is cut
//! short or does not match its checksum ends the file. The first frame of a file is its snapshot. In memory are the keys,
//! each with the place of its value in the file; what was appended is taken in there when somebody asks.

use super::batch::decode_write;
use super::filed::{self, Place, VERSION_BYTES};
use super::table::Table;
use super::{Batch, CommitNumber, Disk, DiskError, Store, StoreError, Stored};
use crate::time::{Span, Time};
use std::cell::{Cell, Ref, RefCell};
use std::fmt;

/// When the log is synced, and with that, when a commit counts as durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FsyncPolicy {
    /// In each commit: durable when it returns.
    EveryCommit,
    /// After so many commits, or when the oldest has waited so long (whoever drives calls
    /// [`sync`](super::Store::sync) at the deadline). Group commit: slower answers, fewer syncs.
    Group {
        /// Commits in a group; zero counts as one.
        max_commits: u32,
        /// How long the first may wait.
        max_wait: Span,
    },
    /// Never, and commits count as durable when handed to the operating system, as Redis' `appendfsync no` and
    /// PostgreSQL's `synchronous_commit = off` do: a crash takes the last ones. Not for money.
    Never,
}

/// How a log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalConfig {
    /// When it is synced.
    pub fsync: FsyncPolicy,
    /// A log longer than this and than twice its snapshot begins anew with a snapshot, in bytes.
    pub compact_above_bytes: usize,
}

impl Default for WalConfig {
    /// Synced in each commit, compacted above 1 MiB.
    fn default() -> WalConfig {
        WalConfig { fsync: FsyncPolicy::EveryCommit, compact_above_bytes: 1 << 20 }
    }
}

/// What was found when a store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The last commit that was whole.
    pub last: CommitNumber,
    /// Bytes at the end of the log that were no whole frame: commits that were never durable.
    pub dropped_bytes: usize,
}

/// Why a log cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecoverError {
    /// Commits are missing in the middle: not the end of a crash but damage. Restore from a copy.
    Gap {
        /// The last one before.
        after: CommitNumber,
        /// The next one found.
        found: CommitNumber,
    },
    /// There are files, and none begins with a whole snapshot. Restore from a copy.
    NoSnapshot,
    /// The disk failed.
    Disk(DiskError),
}

impl fmt::Display for RecoverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecoverError::Gap { after, found } => {
                write!(
                    f,
                    "commit {} follows commit {}: the log is damaged, restore it from a copy",
                    found.0, after.0
                )
            }
            RecoverError::NoSnapshot => {
                f.write_str("no log begins with a whole snapshot: restore it from a copy")
            }
            RecoverError::Disk(error) => write!(f, "{error}: try again"),
        }
    }
}

impl std::error::Error for RecoverError {}

const SNAPSHOT: u8 = 1;
const COMMIT: u8 = 2;
/// Length and checksum.
const FRAME_HEADER_BYTES: usize = 8;
/// A frame with a kind and a commit, and nothing else.
const EMPTY_SNAPSHOT_BYTES: usize = FRAME_CONTENT_AT;
/// Where the content of a frame begins in it: behind its header, its kind and its commit.
const FRAME_CONTENT_AT: usize = FRAME_HEADER_BYTES + 1 + VERSION_BYTES;

/// A store behind a write-ahead log.
#[derive(Clone, Debug)]
pub struct WalStore<D> {
    disk: D,
    config: WalConfig,
    table: RefCell<Table<Place>>,
    /// So many bytes of the file are taken in there.
    taken_in: Cell<usize>,
    last: CommitNumber,
    /// The one that values are read from; until the first snapshot of this store is made, the one before.
    values_in: u64,
    file: u64,
    file_bytes: usize,
    snapshot_bytes: usize,
    durable: CommitNumber,
    oldest_unsynced: Option<Time>,
    failed: Option<DiskError>,
    frame: Vec<u8>,
}

impl<D: Disk> WalStore<D> {
    /// Opens what a disk holds; an empty disk is an empty store. The store begins a new file, so that nothing is ever
    /// appended behind the remains of a crash.
    ///
    /// # Errors
    /// [`RecoverError`].
    pub fn open(disk: D, config: WalConfig) -> Result<(WalStore<D>, Recovered), RecoverError> {
        let files = disk.files();
        let (mut replayed, mut values_in) = (None, 0);
        for file in files.iter().rev() {
            (replayed, values_in) = (replay(disk.read(*file))?, *file);
            if replayed.is_some() {
                break;
            }
        }
        // The very first snapshot, of an empty store, may be torn: a store that crashed while it was made.
        let was_never_made = match files[..] {
            [] => true,
            [file] => file == 0 && disk.read(file).len() <= EMPTY_SNAPSHOT_BYTES,
            [..] => false,
        };
        if replayed.is_none() && !was_never_made {
            return Err(RecoverError::NoSnapshot);
        }
        let (table, dropped_bytes) = replayed.unwrap_or_default();
        let recovered = Recovered { last: table.last, dropped_bytes };
        let mut store = WalStore {
            disk,
            config,
            last: table.last,
            table: RefCell::new(table),
            taken_in: Cell::new(0),
            values_in,
            file: files.last().map_or(0, |last| last.saturating_add(1)),
            file_bytes: 0,
            snapshot_bytes: 0,
            durable: CommitNumber::NONE,
            oldest_unsynced: None,
            failed: None,
            frame: Vec::new(),
        };
        store.begin_file(&files).map_err(RecoverError::Disk)?;
        Ok((store, recovered))
    }

    /// The disk, for instance to open it again after a crash.
    pub fn into_disk(self) -> D {
        self.disk
    }

    /// How it is written.
    pub const fn config(&self) -> WalConfig {
        self.config
    }

    /// The last commit, durable or not.
    pub const fn last(&self) -> CommitNumber {
        self.last
    }

    /// The disk.
    pub const fn disk(&self) -> &D {
        &self.disk
    }

    /// The disk, to break it.
    pub const fn disk_mut(&mut self) -> &mut D {
        &mut self.disk
    }

    /// The rows as they are now. Whoever never asks pays for it only when a snapshot is made.
    fn rows(&self) -> Ref<'_, Table<Place>> {
        let taken_in = self.taken_in.replace(self.file_bytes);
        if taken_in < self.file_bytes {
            let mut table = self.table.borrow_mut();
            let appended = self.disk.read(self.values_in).get(taken_in..self.file_bytes);
            let mut frames = appended.unwrap_or_default();
            while let Some((_, body)) = split_frame(&mut frames)
                && let Some((_, number, writes)) = split_body(body)
            {
                filed::apply(&mut table, number, writes, self.file_bytes - frames.len() - writes.len());
            }
        }
        self.table.borrow()
    }

    /// Writes a snapshot to `self.file`, makes it durable, then removes the files before it.
    fn begin_file(&mut self, older: &[u64]) -> Result<(), DiskError> {
        drop(self.rows());
        self.frame.clear();
        begin_frame(&mut self.frame, SNAPSHOT, self.last);
        let table = self.table.get_mut();
        filed::append_rows(table, self.disk.read(self.values_in), self.snapshot_bytes, &mut self.frame);
        end_frame(&mut self.frame);
        self.disk.append(self.file, &self.frame)?;
        self.disk.sync(self.file)?;
        filed::moved(table, FRAME_CONTENT_AT);
        self.values_in = self.file;
        self.snapshot_bytes = self.frame.len();
        self.file_bytes = self.frame.len();
        self.taken_in.set(self.file_bytes);
        self.durable = self.last;
        self.oldest_unsynced = None;
        for file in older {
            self.disk.remove(*file)?;
        }
        Ok(())
    }

    fn compact_if_long(&mut self) -> Result<(), DiskError> {
        let bound = self.config.compact_above_bytes.max(self.snapshot_bytes.saturating_mul(2));
        if self.file_bytes <= bound {
            return Ok(());
        }
        let old = self.file;
        self.file = self.file.saturating_add(1);
        self.begin_file(&[old])
    }

    fn sync_log(&mut self) -> Result<(), DiskError> {
        self.disk.sync(self.file)?;
        self.durable = self.last;
        self.oldest_unsynced = None;
        Ok(())
    }

    /// After a commit was appended and applied.
    fn settle(&mut self, now: Time) -> Result<(), DiskError> {
        let unsynced = self.last.0.saturating_sub(self.durable.0);
        match self.config.fsync {
            FsyncPolicy::EveryCommit => self.sync_log()?,
            FsyncPolicy::Group { max_commits, .. } if unsynced >= u64::from(max_commits) => {
                self.sync_log()?
            }
            FsyncPolicy::Group { .. } => self.oldest_unsynced = self.oldest_unsynced.or(Some(now)),
            FsyncPolicy::Never => self.durable = self.last,
        }
        self.compact_if_long()
    }

    /// From the first failure on nothing is promised: what the disk has of the last commits is not known.
    fn guard<T>(&mut self, result: Result<T, DiskError>) -> Result<T, StoreError> {
        result.map_err(|error| {
            self.failed = Some(error);
            StoreError::Disk(error)
        })
    }
}

impl<D: Disk> Store for WalStore<D> {
    fn get(&self, key: &[u8]) -> Option<Stored<'_>> {
        let (version, place) = self.rows().get(key).map(|(version, place)| (version, *place))?;
        Some(Stored { version, value: place.read(self.disk.read(self.values_in)) })
    }

    fn scan(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8], Stored<'_>) -> bool) {
        let values = self.disk.read(self.values_in);
        self.rows().scan(prefix, &mut |key, version, place| {
            visit(key, Stored { version, value: place.read(values) })
        });
    }

    fn commit(&mut self, now: Time, batch: &Batch) -> Result<CommitNumber, StoreError> {
        self.failed.map_or(Ok(()), |error| Err(StoreError::Disk(error)))?;
        if !batch.conditions.is_empty() {
            self.rows().check(batch)?;
        }
        let number = CommitNumber(self.last.0.saturating_add(1));
        self.frame.clear();
        begin_frame(&mut self.frame, COMMIT, number);
        self.frame.extend_from_slice(batch.encoded());
        end_frame(&mut self.frame);
        let appended = self.disk.append(self.file, &self.frame);
        self.guard(appended)?;
        self.file_bytes = self.file_bytes.saturating_add(self.frame.len());
        self.last = number;
        let settled = self.settle(now);
        self.guard(settled)?;
        Ok(number)
    }

    fn sync(&mut self, _now: Time) -> Result<CommitNumber, StoreError> {
        self.failed.map_or(Ok(()), |error| Err(StoreError::Disk(error)))?;
        let synced = self.sync_log();
        self.guard(synced)?;
        Ok(self.durable)
    }

    fn durable(&self) -> CommitNumber {
        self.durable
    }

    fn deadline(&self) -> Option<Time> {
        let FsyncPolicy::Group { max_wait, .. } = self.config.fsync else { return None };
        self.oldest_unsynced.filter(|_| self.failed.is_none()).map(|oldest| oldest + max_wait)
    }
}

fn begin_frame(frame: &mut Vec<u8>, kind: u8, number: CommitNumber) {
    frame.extend_from_slice(&[0; FRAME_HEADER_BYTES]);
    frame.push(kind);
    frame.extend_from_slice(&number.0.to_le_bytes());
}

fn end_frame(frame: &mut [u8]) {
    let (header, body) = frame.split_at_mut(FRAME_HEADER_BYTES);
    header[..4].copy_from_slice(&(body.len() as u32).to_le_bytes());
    header[4..].copy_from_slice(&crc32fast::hash(body).to_le_bytes());
}

/// Takes a frame from the front that may be damaged: its checksum, and what it is of.
fn split_frame<'a>(bytes: &mut &'a [u8]) -> Option<(u32, &'a [u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (checksum, rest) = rest.split_first_chunk::<4>()?;
    let (body, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *bytes = rest;
    Some((u32::from_le_bytes(*checksum), body))
}

/// Its kind, its commit, its content.
fn split_body(body: &[u8]) -> Option<(u8, CommitNumber, &[u8])> {
    let (kind, content) = body.split_first()?;
    let (number, content) = content.split_first_chunk::<VERSION_BYTES>()?;
    Some((*kind, CommitNumber(u64::from_le_bytes(*number)), content))
}

/// Takes a whole frame from the front.
fn take_frame<'a>(bytes: &mut &'a [u8]) -> Option<(u8, CommitNumber, &'a [u8])> {
    let mut rest = *bytes;
    let (checksum, body) = split_frame(&mut rest)?;
    let frame = if crc32fast::hash(body) == checksum { split_body(body)? } else { return None };
    *bytes = rest;
    Some(frame)
}

/// The state a file holds and the bytes at its end that are no frame; `None` if it has no whole snapshot.
fn replay(file: &[u8]) -> Result<Option<(Table<Place>, usize)>, RecoverError> {
    let mut bytes = file;
    let Some((SNAPSHOT, last, mut content)) = take_frame(&mut bytes) else { return Ok(None) };
    let mut table = Table::default();
    while let Some((version, rest)) = content.split_first_chunk::<VERSION_BYTES>() {
        content = rest;
        let Some((key, Some(value))) = decode_write(&mut content) else { return Ok(None) };
        let at = file.len() - bytes.len() - content.len() - value.len();
        table.write(CommitNumber(u64::from_le_bytes(*version)), key, Some(Place::new(at, value.len())));
    }
    table.last = last;
    while let Some((_, number, content)) = take_frame(&mut bytes) {
        if number.0 != table.last.0.saturating_add(1) {
            return Err(RecoverError::Gap { after: table.last, found: number });
        }
        filed::apply(&mut table, number, content, file.len() - bytes.len() - content.len());
    }
    Ok(Some((table, bytes.len())))
}
