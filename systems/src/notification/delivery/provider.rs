//! How much a provider takes: its rate and its quota. Never looks at messages.

use super::config::ProviderConfig;
use crate::rate_limiter::{FixedWindow, Limiter, RetryAt, TokenBucket};
use crate::time::{Span, Time};

/// A provider and what is left of its limits.
#[derive(Clone, Debug)]
pub(super) struct Provider {
    pub(super) config: ProviderConfig,
    rate: Option<TokenBucket>,
    quota: Option<FixedWindow>,
}

impl Provider {
    pub(super) fn new(config: ProviderConfig, now: Time) -> Provider {
        Provider {
            config,
            rate: config.rate.map(|rate| TokenBucket::new(rate, now)),
            quota: config.quota.map(|quota| FixedWindow::new(quota, now)),
        }
    }

    /// Takes one permit, or says after how long there is one.
    pub(super) fn try_take(&mut self, now: Time) -> Result<(), Span> {
        if let Some(quota) = &mut self.quota {
            quota.check(now, 1).map_err(|RetryAt(wait)| wait)?;
        }
        let Some(rate) = &mut self.rate else { return Ok(()) };
        rate.check(now, 1).map_err(|RetryAt(wait)| {
            if let Some(quota) = &mut self.quota {
                quota.give_back(now, 1);
            }
            wait
        })
    }
}
