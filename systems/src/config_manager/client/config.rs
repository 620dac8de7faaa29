//! How a client keeps up, and what it does when it cannot.

use crate::config_manager::message::View;
use crate::time::Span;
use std::fmt;

/// How a client hears of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// The server tells by itself (etcd, Consul's streaming).
    Stream,
    /// The client asks (Apollo, Nacos, Consul's blocking queries).
    Poll {
        /// How long the server may wait until there is something; zero for plain polling.
        hold: Span,
        /// How long the client waits between an answer and the next question.
        pause: Span,
    },
}

/// What happens if the store cannot be reached when a process starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnStoreDown {
    /// It starts with what it had last, and says how old that is; without, with what it knows by itself.
    #[default]
    LastKnownGood,
    /// It does not start (Spring's `fail-fast`).
    FailFastAtBoot,
}

/// When a change takes effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Apply {
    /// As soon as it is known.
    Immediately,
    /// When the next request begins: one request sees one configuration.
    #[default]
    AtRequestBoundary,
}

/// What happens to a release with a value that the client's schema does not allow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnInvalid {
    /// None of it takes effect.
    #[default]
    RejectRelease,
    /// That value keeps what it was; the others take effect.
    SkipKey,
}

/// How a client works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// Who it is, and which scopes it reads; where two have the same name, the first scope counts.
    pub view: View,
    /// How it hears of changes.
    pub transport: Transport,
    /// After so long without an answer a request has failed. A poll may take its `hold` longer.
    pub request_timeout: Span,
    /// After so long without a word a stream has failed; longer than the server's interval of bookmarks.
    pub silence_timeout: Span,
    /// The pause after a failure: drawn from a range that doubles with each failure in a row, from this ...
    pub retry_base: Span,
    /// ... to this.
    pub retry_cap: Span,
    /// Before everything is asked for again, a pause up to this: a fleet whose history was compacted away does not ask
    /// all at once.
    pub resync_jitter: Span,
    /// How long a process waits for the store when it starts without a cache.
    pub boot_timeout: Span,
    /// What it does if that is over.
    pub on_store_down: OnStoreDown,
    /// Changes within so long of the first count as one.
    pub debounce: Span,
    /// When they take effect.
    pub apply: Apply,
    /// What happens to values that are not allowed.
    pub invalid: OnInvalid,
    /// The cache is written with each change, and again after so long without one: its age is what counts at boot.
    pub save_interval: Span,
    /// A listener that writes what it listens to, so many times in a row, is cut off.
    pub most_own_writes: u32,
    /// Another one for each client: its pauses are drawn by it.
    pub seed: u64,
    /// Whether what it is told is recorded for [`take_log`](super::Client::take_log).
    pub is_recorded: bool,
}

impl ClientConfig {
    /// A stream with bookmarks each 5 s; pauses from 100 ms to 10 s, up to 5 s before a resync; changes count at the
    /// next request.
    pub fn new(view: View) -> ClientConfig {
        ClientConfig {
            view,
            transport: Transport::Stream,
            request_timeout: Span::from_secs(5),
            silence_timeout: Span::from_secs(15),
            retry_base: Span::from_millis(100),
            retry_cap: Span::from_secs(10),
            resync_jitter: Span::from_secs(5),
            boot_timeout: Span::from_secs(5),
            on_store_down: OnStoreDown::default(),
            debounce: Span::ZERO,
            apply: Apply::default(),
            invalid: OnInvalid::default(),
            save_interval: Span::from_secs(60),
            most_own_writes: 3,
            seed: 0,
            is_recorded: false,
        }
    }

    /// Whether it can be meant. One that was not checked is safe as well.
    ///
    /// # Errors
    /// Says what to write instead.
    pub fn validate(&self) -> Result<(), ClientConfigError> {
        if self.view.scopes.is_empty() {
            Err(ClientConfigError::NoScopes)
        } else if self.request_timeout.is_zero() || self.silence_timeout.is_zero() {
            Err(ClientConfigError::NoTimeout)
        } else if self.retry_base.is_zero() || self.retry_cap < self.retry_base {
            Err(ClientConfigError::Retry)
        } else if matches!(self.transport, Transport::Poll { hold, pause } if hold.is_zero() && pause.is_zero())
        {
            Err(ClientConfigError::BusyPoll)
        } else if self.most_own_writes == 0 {
            Err(ClientConfigError::NoOwnWrites)
        } else {
            Ok(())
        }
    }
}

/// Defects for tests: each breaks one promise, and a check has to find it.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config_manager) enum Sabotage {
    /// A batch is taken even if the one before it is missing.
    IgnoresGaps,
    /// After a failure it does not ask again.
    GivesUp,
    /// What a busy listener should be told later is dropped.
    ForgetsWhatWaits,
    /// It starts without its cache.
    IgnoresCache,
}

/// Why a config cannot be meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientConfigError {
    /// It reads nothing.
    NoScopes,
    /// Everything would fail at once.
    NoTimeout,
    /// The pauses after failures are none, or shrink.
    Retry,
    /// It would ask all the time.
    BusyPoll,
    /// Every listener that writes would be cut off at once.
    NoOwnWrites,
}

impl fmt::Display for ClientConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ClientConfigError::NoScopes => "`view.scopes` is empty: write which scopes to read",
            ClientConfigError::NoTimeout => "a timeout is zero: write how long to wait, as 5 s",
            ClientConfigError::Retry => "`retry_base` is zero or above `retry_cap`: write as 100 ms and 10 s",
            ClientConfigError::BusyPoll => {
                "`hold` and `pause` are both zero: write how long to wait, as 60 s"
            }
            ClientConfigError::NoOwnWrites => "`most_own_writes` is zero: write how many rounds, as 3",
        })
    }
}

impl std::error::Error for ClientConfigError {}
