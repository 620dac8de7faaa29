//! What a desk is told. Plain data.

use super::isolation::Isolation;
use crate::time::Span;
use std::fmt;

/// Whose clock ends a hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HoldClock {
    /// The store's: the only one that everybody shares.
    #[default]
    Store,
    /// The one of whoever asks. Sells what was sold as soon as two of them differ; here to show that.
    Caller,
}

/// What becomes of money for a hold that has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LatePayment {
    /// The units are taken again if they are free, else the money goes back.
    #[default]
    ReacquireElseRefund,
    /// The money goes back.
    Refund,
}

/// How two who want the same are kept apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Contention {
    /// Both go ahead, and the isolation decides at the commit.
    #[default]
    Optimistic,
    /// Units are locked in the order of their names before they are read; whoever meets a lock begins again later.
    Pessimistic,
}

/// How a desk sells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeskConfig {
    /// How far its transactions are kept apart.
    pub isolation: Isolation,
    /// How two who want the same are kept apart.
    pub contention: Contention,
    /// Whose clock ends a hold.
    pub hold_clock: HoldClock,
    /// How long a hold lasts.
    pub hold_ttl: Span,
    /// Whether the desk ends holds by itself; if not, somebody has to sweep.
    pub sweeps: bool,
    /// How often it may be made longer.
    pub extensions: u8,
    /// It lasts at least so long from the moment at which its money is asked for; nothing: no longer for that.
    pub payment_grace: Span,
    /// What becomes of money that comes too late.
    pub late_payment: LatePayment,
    /// Units that a customer may have within a scope, held and sold; 0 is no bound.
    pub max_per_customer: u32,
    /// Units that one booking may name.
    pub max_units: u32,
    /// How many may wait in line.
    pub max_waiters: u32,
    /// How long the payment system may take before it is asked again, under the same name.
    pub ask_again: Span,
}

impl Default for DeskConfig {
    /// Serializable, by the store's clock; ten minutes, once ten more; ten seconds for the payment system.
    fn default() -> DeskConfig {
        DeskConfig {
            isolation: Isolation::Serializable,
            contention: Contention::Optimistic,
            hold_clock: HoldClock::Store,
            hold_ttl: Span::from_secs(600),
            sweeps: true,
            extensions: 1,
            payment_grace: Span::ZERO,
            late_payment: LatePayment::ReacquireElseRefund,
            max_per_customer: 0,
            max_units: 400,
            max_waiters: 1_000,
            ask_again: Span::from_secs(10),
        }
    }
}

/// What is wrong with a config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// A hold that never is.
    NoHold,
    /// The payment system would be asked without a pause.
    NoPause,
    /// Nothing could be booked.
    NoUnits,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ConfigError::NoHold => "`hold_ttl` is zero: let a hold last for some minutes",
            ConfigError::NoPause => "`ask_again` is zero: let the payment system have some seconds",
            ConfigError::NoUnits => "`max_units` is zero: let a booking name at least one unit",
        })
    }
}

impl std::error::Error for ConfigError {}

impl DeskConfig {
    /// Whether it can be worked by.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub const fn validate(&self) -> Result<(), ConfigError> {
        if self.hold_ttl.is_zero() {
            Err(ConfigError::NoHold)
        } else if self.ask_again.is_zero() {
            Err(ConfigError::NoPause)
        } else if self.max_units == 0 {
            Err(ConfigError::NoUnits)
        } else {
            Ok(())
        }
    }
}
