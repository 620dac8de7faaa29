//! Logins that a server remembers: they end when not used, and in any case after a time.

use crate::time::{Span, Time};
use std::collections::BTreeMap;

/// How long sessions live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    /// Since it was used last.
    pub sliding: Span,
    /// Since it began.
    pub absolute: Span,
}

/// Why a session is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    /// It never was, or ended long ago.
    Unknown,
    /// Not used for too long.
    Idle,
    /// Too old.
    TooOld,
}

#[derive(Clone, Copy, Debug)]
struct Session {
    subject: u64,
    begun: Time,
    used: Time,
}

/// The sessions of a server.
#[derive(Clone, Debug)]
pub struct Sessions {
    config: SessionConfig,
    sessions: BTreeMap<u64, Session>,
}

impl Sessions {
    /// None yet.
    pub fn new(config: SessionConfig) -> Sessions {
        Sessions { config, sessions: BTreeMap::new() }
    }

    /// A login. A session of that number is replaced.
    pub fn begin(&mut self, now: Time, session: u64, subject: u64) {
        self.sessions.insert(session, Session { subject, begun: now, used: now });
    }

    /// Uses a session: whose it is.
    ///
    /// # Errors
    /// [`SessionEnd`].
    pub fn touch(&mut self, now: Time, session: u64) -> Result<u64, SessionEnd> {
        let found = self.sessions.get_mut(&session).ok_or(SessionEnd::Unknown)?;
        let end = if now.since(found.begun) >= self.config.absolute {
            SessionEnd::TooOld
        } else if now.since(found.used) >= self.config.sliding {
            SessionEnd::Idle
        } else {
            found.used = found.used.max(now);
            return Ok(found.subject);
        };
        self.sessions.remove(&session);
        Err(end)
    }

    /// A logout. Whether there was one to end.
    pub fn end(&mut self, session: u64) -> bool {
        self.sessions.remove(&session).is_some()
    }

    /// Sessions remembered.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }
}
