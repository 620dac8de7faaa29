//! What became of everything. Counts events: a digest of three counts three times.

use super::CHANNELS;
use super::record::Account;
use serde::{Deserialize, Serialize};

/// What became of all that was to go by one channel. At every instant `accepted` is the sum of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// To be sent.
    pub accepted: u64,
    /// Not done with.
    pub pending: u64,
    /// Arrived.
    pub delivered: u64,
    /// Not arrived.
    pub failed: u64,
    /// Too late.
    pub expired: u64,
    /// Not sent on purpose.
    pub suppressed: u64,
}

impl Tally {
    pub(super) const fn account(&mut self, account: Account) -> &mut u64 {
        match account {
            Account::Pending => &mut self.pending,
            Account::Delivered => &mut self.delivered,
            Account::Failed => &mut self.failed,
            Account::Expired => &mut self.expired,
            Account::Suppressed => &mut self.suppressed,
        }
    }

    pub(super) const fn add(&mut self, account: Account, events: usize) {
        let count = self.account(account);
        *count = count.saturating_add(events as u64);
    }

    pub(super) const fn take(&mut self, account: Account, events: usize) {
        let count = self.account(account);
        *count = count.saturating_sub(events as u64);
    }
}

/// All of them, and what else is counted.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Tallies {
    pub(super) by_channel: [Tally; CHANNELS],
    pub(super) template_errors: u64,
    /// The number of the next message.
    pub(super) next_message: u64,
}
