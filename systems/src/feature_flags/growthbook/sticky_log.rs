//! Sticky buckets that survive a crash: a log of what was put, written before it counts as kept. Writes and reads no
//! file: whoever drives it appends what it puts out, and syncs when it says so.

use super::sticky::{Assignments, MemoryStickyStore, StickyStore};
use crate::feature_flags::hash::Murmur3;

/// When the log has to be on the disk and not only on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncPolicy {
    /// With every write: nobody loses a bucket.
    Always,
    /// With every so many buckets: as many less one may be lost, and are drawn again. Zero counts as one.
    Every(u32),
    /// When the operating system likes.
    Never,
}

/// Bytes for the end of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogWrite {
    /// What to append.
    pub bytes: Vec<u8>,
    /// Whether it has to be on the disk before anybody relies on it.
    pub sync: bool,
}

/// Sticky buckets in memory, and a log of them.
#[derive(Clone, Debug)]
pub struct LoggedStickyStore {
    memory: MemoryStickyStore,
    policy: SyncPolicy,
    unwritten: Vec<u8>,
    puts_since_sync: u32,
}

/// What was found in a log.
#[derive(Debug)]
pub struct Recovered {
    /// The store as of the last whole record.
    pub store: LoggedStickyStore,
    /// Whole records.
    pub records: u64,
    /// Their length: cut the log here before anything is appended.
    pub valid_bytes: usize,
}

/// A record: length of the body, hash of the body, body. The body is four texts, each after its length. All numbers are
/// 32 bits, the lowest byte first.
const HEADER_BYTES: usize = 8;
const CHECKSUM_SEED: u32 = 0x5713_C4B7;

impl LoggedStickyStore {
    /// Nothing kept yet.
    pub fn new(policy: SyncPolicy) -> LoggedStickyStore {
        LoggedStickyStore {
            memory: MemoryStickyStore::default(),
            policy,
            unwritten: Vec::new(),
            puts_since_sync: 0,
        }
    }

    /// The store that `log` is of. What stands behind the first record that is not whole is not read.
    pub fn recover(policy: SyncPolicy, log: &[u8]) -> Recovered {
        let mut store = LoggedStickyStore::new(policy);
        let (mut rest, mut records) = (log, 0);
        while let Some(([attribute, value, bucket, variation], after)) = read_record(rest) {
            store.memory.put(attribute, value, bucket.to_string(), variation.to_string());
            records += 1;
            rest = after;
        }
        Recovered { store, records, valid_bytes: log.len() - rest.len() }
    }

    /// What has to be appended to the log; nothing if there is nothing new.
    pub fn take_write(&mut self) -> Option<LogWrite> {
        if self.unwritten.is_empty() {
            return None;
        }
        let sync = match self.policy {
            SyncPolicy::Always => true,
            SyncPolicy::Every(puts) => self.puts_since_sync >= puts.max(1),
            SyncPolicy::Never => false,
        };
        if sync {
            self.puts_since_sync = 0;
        }
        Some(LogWrite { bytes: std::mem::take(&mut self.unwritten), sync })
    }

    /// A log that says the same in as few records as there are buckets. What has not been written yet is in it.
    pub fn compacted(&mut self) -> Vec<u8> {
        self.unwritten.clear();
        let mut log = Vec::new();
        for (attribute, value, buckets) in self.memory.iter() {
            for (bucket, variation) in buckets {
                append_record(&mut log, [attribute, value, bucket, variation]);
            }
        }
        log
    }

    /// Everybody's buckets: attribute, its value, buckets.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &Assignments)> {
        self.memory.iter()
    }
}

impl StickyStore for LoggedStickyStore {
    fn get(&self, attribute: &str, value: &str) -> Option<&Assignments> {
        self.memory.get(attribute, value)
    }

    fn put(&mut self, attribute: &str, value: &str, bucket: String, variation: String) {
        if self.get(attribute, value).and_then(|buckets| buckets.get(&bucket)) == Some(&variation) {
            return;
        }
        append_record(&mut self.unwritten, [attribute, value, &bucket, &variation]);
        self.puts_since_sync = self.puts_since_sync.saturating_add(1);
        self.memory.put(attribute, value, bucket, variation);
    }
}

fn append_record(log: &mut Vec<u8>, texts: [&str; 4]) {
    let start = log.len();
    log.extend_from_slice(&[0; HEADER_BYTES]);
    for text in texts {
        log.extend_from_slice(&(text.len() as u32).to_le_bytes());
        log.extend_from_slice(text.as_bytes());
    }
    let body = &log[start + HEADER_BYTES..];
    let (length, checksum) = (body.len() as u32, checksum(body));
    log[start..start + 4].copy_from_slice(&length.to_le_bytes());
    log[start + 4..start + HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
}

fn checksum(body: &[u8]) -> u32 {
    let mut hash = Murmur3::new(CHECKSUM_SEED);
    hash.write(body);
    hash.finish()
}

/// The texts of the first record, and what stands behind it; nothing if it is not whole.
fn read_record(log: &[u8]) -> Option<([&str; 4], &[u8])> {
    let (length, rest) = read_number(log)?;
    let (expected, rest) = read_number(rest)?;
    let (body, after) = rest.split_at_checked(length as usize)?;
    if checksum(body) != expected {
        return None;
    }
    let mut texts = [""; 4];
    let mut rest = body;
    for text in &mut texts {
        let (length, behind) = read_number(rest)?;
        let (bytes, behind) = behind.split_at_checked(length as usize)?;
        *text = str::from_utf8(bytes).ok()?;
        rest = behind;
    }
    rest.is_empty().then_some((texts, after))
}

fn read_number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u32::from_le_bytes(*number), rest))
}
