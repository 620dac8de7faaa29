//! How values are loaded: plain data and its checks.

use super::super::config::{CacheConfig, CacheError};
use crate::time::Span;
use std::fmt;

/// What is kept of a load that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnLoadError {
    /// Nothing: the next one who asks starts a load.
    #[default]
    NotCached,
    /// The failure, for so long: who asks is told at once. The breaker of a single key.
    Negative(Span),
}

/// How values are loaded. The default: a default cache, with single flight and nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadingConfig {
    /// How much is kept and for how long. Its `grace` is replaced by the longer of the two stale spans below.
    pub cache: CacheConfig,
    /// Age from which on a value that is asked for is loaded anew, while it is still served; `None`: never.
    pub refresh_after: Option<Span>,
    /// How long past its expiry a value is served while it is loaded anew (RFC 5861).
    pub stale_while_revalidate: Span,
    /// How long past its expiry a value is served when loading it anew has failed (RFC 5861).
    pub stale_if_error: Span,
    /// After so long a load counts as failed; `None`: never.
    pub load_timeout: Option<Span>,
    /// How long it is kept that the origin has no value; `None`: not at all.
    pub absent_ttl: Option<Span>,
    /// What is kept of a load that failed.
    pub on_error: OnLoadError,
    /// Eagerness to load before expiry by chance, in thousandths of the last load's duration ("beta"); 1,000 is the
    /// published optimum, 0 switches it off. Vattani, Chierichetti and Lowenstein, "Optimal probabilistic cache
    /// stampede prevention", VLDB 2015.
    pub early_expiry_milli: u32,
    /// Whether invalidations are kept for the other nodes ([`LoadingCache::take_broadcast`](super::LoadingCache)).
    pub broadcast: bool,
}

impl LoadingConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`LoadingError`] names the first field out of range. A config that was not checked is safe all the same.
    pub fn validate(&self) -> Result<(), LoadingError> {
        self.cache.validate().map_err(LoadingError::Cache)?;
        let negative = match self.on_error {
            OnLoadError::NotCached => None,
            OnLoadError::Negative(span) => Some(span),
        };
        let spans = [
            ("refresh_after", self.refresh_after),
            ("load_timeout", self.load_timeout),
            ("absent_ttl", self.absent_ttl),
            ("on_error", negative),
        ];
        if let Some((field, _)) = spans.iter().find(|(_, span)| *span == Some(Span::ZERO)) {
            return Err(LoadingError::NoSpan { field });
        }
        match (self.refresh_after, self.cache.ttl) {
            (Some(refresh_after), Some(ttl)) if refresh_after >= ttl => {
                Err(LoadingError::RefreshTooLate { refresh_after, ttl })
            }
            _ => Ok(()),
        }
    }
}

/// Why a loading config is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadingError {
    /// The cache's part is refused.
    Cache(CacheError),
    /// A span is zero.
    NoSpan {
        /// The field.
        field: &'static str,
    },
    /// Values expire before they would be refreshed.
    RefreshTooLate {
        /// Age for the refresh.
        refresh_after: Span,
        /// Age at expiry.
        ttl: Span,
    },
}

impl fmt::Display for LoadingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadingError::Cache(error) => error.fmt(f),
            LoadingError::NoSpan { field } => {
                write!(f, "a {field} of zero: use a longer one, or leave it out")
            }
            LoadingError::RefreshTooLate { refresh_after, ttl } => {
                write!(f, "refresh_after is {refresh_after}, but values expire at {ttl}: use less than that")
            }
        }
    }
}

impl std::error::Error for LoadingError {}
