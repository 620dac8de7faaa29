//! The last known good configuration as bytes, for a file beside the process. Bytes that are not whole, or of another
//! view, are refused; nothing in them makes reading them fail otherwise.

use crate::config_manager::history::Entry;
use crate::config_manager::key::{Key, Revision, Scope};
use crate::config_manager::message::View;
use crate::config_manager::value::Value;
use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What is in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cache {
    pub(super) revision: Revision,
    /// When the server was last heard of.
    pub(super) as_of: Time,
    pub(super) entries: BTreeMap<Key, Entry>,
}

/// Why a cache is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheError {
    /// It is damaged, or not a cache, or one of another version.
    Damaged,
    /// It is of another instance, or of other scopes.
    OtherView,
}

impl fmt::Display for CacheError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CacheError::Damaged => {
                "the cache is damaged: remove it, the next answer of the store makes another"
            }
            CacheError::OtherView => {
                "the cache is of another instance or of other scopes: give each its own file"
            }
        })
    }
}

impl std::error::Error for CacheError {}

const MAGIC: &[u8; 4] = b"cfg1";

#[derive(Serialize, Deserialize)]
struct Body {
    revision: Revision,
    as_of_ns: u64,
    instance: String,
    scopes: Vec<Scope>,
    rows: Vec<Line>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    key: Key,
    value: Value,
    revision: Revision,
    created: Revision,
    version: u64,
}

impl Cache {
    /// `cfg1`, a CRC-32, and the content.
    pub(super) fn encode(&self, view: &View) -> Vec<u8> {
        let rows = self.entries.iter().map(|(key, entry)| Line {
            key: key.clone(),
            value: Value::clone(&entry.value),
            revision: entry.revision,
            created: entry.created,
            version: entry.version,
        });
        let body = Body {
            revision: self.revision,
            as_of_ns: self.as_of.as_nanos(),
            instance: view.instance.clone(),
            scopes: view.scopes.clone(),
            rows: rows.collect(),
        };
        let body = postcard::to_allocvec(&body).expect("it has no types that do not encode");
        [MAGIC.as_slice(), &crc32fast::hash(&body).to_le_bytes(), &body].concat()
    }

    /// Reads what [`encode`](Cache::encode) wrote.
    pub(super) fn decode(bytes: &[u8], view: &View) -> Result<Cache, CacheError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(CacheError::Damaged)?;
        let (checksum, body) = rest.split_first_chunk::<4>().ok_or(CacheError::Damaged)?;
        if crc32fast::hash(body) != u32::from_le_bytes(*checksum) {
            return Err(CacheError::Damaged);
        }
        let body: Body = postcard::from_bytes(body).map_err(|_| CacheError::Damaged)?;
        if body.instance != view.instance || body.scopes != view.scopes {
            return Err(CacheError::OtherView);
        }
        let entries = body.rows.into_iter().map(|line| {
            let Line { key, value, revision, created, version } = line;
            (key, Entry { value: Arc::new(value), revision, created, version })
        });
        Ok(Cache {
            revision: body.revision,
            as_of: Time::from_nanos(body.as_of_ns),
            entries: entries.collect(),
        })
    }
}
