//! Silences: people mute alerts for a while. Pending, active, then expired; an expired one is kept for the record and
//! forgotten later. Never looks at alerts by itself.

use super::label::Labels;
use super::matcher::{MatchOp, Matcher, Matchers};
use crate::time::{Span, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A silence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// Chosen by who makes it; the same id changes an earlier one.
    pub id: String,
    /// Which alerts. At least one, and one that does not match everything.
    pub matchers: Matchers,
    /// From then on.
    pub starts_at: Time,
    /// Until then, exclusive.
    pub ends_at: Time,
    /// When it was last changed: the later change wins between nodes.
    pub updated_at: Time,
    /// By whom.
    pub author: String,
    /// Why.
    pub comment: String,
}

/// Where a silence stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SilenceState {
    /// It has not begun.
    Pending,
    /// It mutes.
    Active,
    /// It is over.
    Expired,
}

impl Silence {
    /// Where it stands.
    pub fn state(&self, now: Time) -> SilenceState {
        if now >= self.ends_at {
            SilenceState::Expired
        } else if now >= self.starts_at {
            SilenceState::Active
        } else {
            SilenceState::Pending
        }
    }

    /// # Errors
    /// [`SilenceError`].
    pub fn validate(&self) -> Result<(), SilenceError> {
        if self.ends_at <= self.starts_at {
            return Err(SilenceError::EndsBeforeStart);
        }
        // What holds without any label holds for everything.
        if self.matchers.matches(&Labels::default()) {
            return Err(SilenceError::MatchesEverything);
        }
        Ok(())
    }
}

impl Silence {
    /// Whether it can come from another node: one that was ended before it began is empty, and yet has to be known.
    pub(super) fn validate_merged(&self) -> bool {
        self.ends_at >= self.starts_at && !self.matchers.matches(&Labels::default())
    }
}

/// Why a silence is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SilenceError {
    /// Its end is not after its start.
    EndsBeforeStart,
    /// Its matchers hold even for an alert without labels.
    MatchesEverything,
    /// There is none with this id.
    Unknown,
}

impl fmt::Display for SilenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SilenceError::EndsBeforeStart => "a silence has to end after it starts",
            SilenceError::MatchesEverything => {
                "at least one matcher of a silence must not match the empty value: name what is to be silent"
            }
            SilenceError::Unknown => "there is no silence with this id",
        })
    }
}

impl std::error::Error for SilenceError {}

/// All silences that are not forgotten.
#[derive(Clone, Debug)]
pub struct Silences {
    by_id: BTreeMap<String, Silence>,
    retention: Span,
}

impl Silences {
    /// None yet. `retention` is how long an expired one is kept; Alertmanager: 120 h.
    pub const fn new(retention: Span) -> Silences {
        Silences { by_id: BTreeMap::new(), retention }
    }

    /// Makes one, or changes the one with its id.
    ///
    /// # Errors
    /// [`SilenceError`]; then nothing has changed.
    pub fn set(&mut self, now: Time, silence: Silence) -> Result<&Silence, SilenceError> {
        silence.validate()?;
        let silence = Silence { updated_at: now, ..silence };
        let id = silence.id.clone();
        self.by_id.insert(id.clone(), silence);
        self.by_id.get(&id).ok_or(SilenceError::Unknown)
    }

    /// Ends one now; one that has not begun never will.
    ///
    /// # Errors
    /// [`SilenceError::Unknown`].
    pub fn expire(&mut self, now: Time, id: &str) -> Result<&Silence, SilenceError> {
        let silence = self.by_id.get_mut(id).ok_or(SilenceError::Unknown)?;
        if silence.state(now) != SilenceState::Expired {
            silence.ends_at = now;
            silence.starts_at = silence.starts_at.min(now);
            silence.updated_at = now;
        }
        Ok(silence)
    }

    /// Takes what another node knows: the later change wins. Whether anything changed.
    pub fn merge(&mut self, silence: &Silence) -> bool {
        let known = self.by_id.get(&silence.id).map(|known| (known.updated_at, known.ends_at));
        let newer = known.is_none_or(|known| (silence.updated_at, silence.ends_at) > known);
        if newer {
            self.by_id.insert(silence.id.clone(), silence.clone());
        }
        newer
    }

    /// The silence that mutes an alert, if one does.
    pub fn muted_by(&self, now: Time, labels: &Labels) -> Option<&Silence> {
        self.by_id
            .values()
            .find(|silence| silence.state(now) == SilenceState::Active && silence.matchers.matches(labels))
    }

    /// One of them.
    pub fn get(&self, id: &str) -> Option<&Silence> {
        self.by_id.get(id)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Silence> {
        self.by_id.values()
    }

    /// Forgets those that expired longer ago than the retention; their ids.
    pub fn forget_old(&mut self, now: Time) -> Vec<String> {
        let retention = self.retention;
        let old = |silence: &Silence| silence.ends_at + retention <= now;
        let ids: Vec<String> = self.by_id.values().filter(|s| old(s)).map(|s| s.id.clone()).collect();
        for id in &ids {
            self.by_id.remove(id);
        }
        ids
    }
}

/// A silence as it is stored and sent to other nodes.
#[derive(Serialize, Deserialize)]
struct Plain {
    id: String,
    matchers: Vec<(String, u8, String)>,
    times_ns: [u64; 3],
    author: String,
    comment: String,
}

const OPS: [MatchOp; 4] = [MatchOp::Equal, MatchOp::NotEqual, MatchOp::Matches, MatchOp::MatchesNot];

impl Silence {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let code = |op: MatchOp| OPS.iter().position(|other| *other == op).unwrap_or(0) as u8;
        let matchers = self
            .matchers
            .iter()
            .map(|m| (m.name().to_string(), code(m.op()), m.value().to_string()))
            .collect();
        let times_ns = [self.starts_at, self.ends_at, self.updated_at].map(Time::as_nanos);
        let (id, author, comment) = (self.id.clone(), self.author.clone(), self.comment.clone());
        let plain = Plain { id, matchers, times_ns, author, comment };
        postcard::to_allocvec(&plain).expect("silences have no types that do not encode")
    }

    /// From bytes; `None` if they are none of [`Silence::encode`].
    pub fn decode(bytes: &[u8]) -> Option<Silence> {
        let plain: Plain = postcard::from_bytes(bytes).ok()?;
        let matcher = |(name, op, value)| Matcher::new(name, *OPS.get(usize::from(op))?, value).ok();
        let matchers = plain.matchers.into_iter().map(matcher).collect::<Option<Vec<_>>>()?;
        let [starts_at, ends_at, updated_at] = plain.times_ns.map(Time::from_nanos);
        Some(Silence {
            id: plain.id,
            matchers: Matchers::new(matchers),
            starts_at,
            ends_at,
            updated_at,
            author: plain.author,
            comment: plain.comment,
        })
    }
}
