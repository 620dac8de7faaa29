//! The processor's numbers and policies. Plain data, checked before use.

use crate::arithmetic::WHOLE_PPM;
use crate::payment::idempotency::{KeepAnswer, KeptAnswers, KeyConfig};
use crate::payment::operation::ProviderId;
use crate::payment::routing::{Failover, FailoverRule, InOrder, Route};
use crate::payment::validate::{Limits, VelocityLimit};
use crate::time::Span;
use std::fmt;

/// How an outcome that nobody told is found out: by asking, so many times; then by waiting for a webhook or the
/// settlement file. Never by doing it again under another name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResolutionConfig {
    /// From sending to the first status check; until then the merchant waits for the answer.
    pub first_check_after: Span,
    /// From one check to the next.
    pub interval: Span,
    /// Checks in all.
    pub max_checks: u32,
}

/// What we keep of what is taken. Never more than that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeeConfig {
    /// A share.
    pub share_ppm: u32,
    /// And a fixed part, in minor units.
    pub fixed_minor: i64,
}

impl FeeConfig {
    /// The fee on an amount, rounded down; from nothing to all of it.
    pub fn on(&self, minor: i64) -> i64 {
        let share = i128::from(minor) * i128::from(self.share_ppm) / i128::from(WHOLE_PPM);
        let fee = share.saturating_add(i128::from(self.fixed_minor));
        i64::try_from(fee.clamp(0, i128::from(minor.max(0)))).unwrap_or(0)
    }
}

/// A processor's numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessorConfig {
    /// Bounds for a payment.
    pub limits: Limits,
    /// Bounds for a payer.
    pub velocity: Option<VelocityLimit>,
    /// How idempotency keys are treated.
    pub keys: KeyConfig,
    /// What we keep.
    pub fees: FeeConfig,
    /// How unknown outcomes are found out.
    pub resolution: ResolutionConfig,
    /// From the creation of a payment to its expiry, if nothing was taken.
    pub intent_ttl: Span,
    /// Attempts a payment may take, failovers included.
    pub max_attempts: u32,
    /// Operations a payment may go through: captures, refunds, everything.
    pub max_operations: u32,
    /// How long the number of a processed webhook is remembered. What is older changes nothing either, because an
    /// operation ends once.
    pub inbox_ttl: Span,
    /// How long a payment is kept after its expiry, or after its last operation if that was later; longer if it is not
    /// settled by then, and for ever if this is [`Span::MAX`]. It can be given back and disputed as long as it is kept.
    pub keep: Span,
}

impl Default for ProcessorConfig {
    /// First check after 30 s, five in all, a minute apart; a day to pay; three attempts; kept for 540 days, the
    /// longest that the rules of the card networks give a payer to dispute a payment.
    fn default() -> ProcessorConfig {
        ProcessorConfig {
            limits: Limits::default(),
            velocity: None,
            keys: KeyConfig::default(),
            fees: FeeConfig::default(),
            resolution: ResolutionConfig {
                first_check_after: Span::from_secs(30),
                interval: Span::from_secs(60),
                max_checks: 5,
            },
            intent_ttl: Span::from_secs(24 * 3600),
            max_attempts: 3,
            max_operations: 1_000,
            inbox_ttl: Span::from_secs(30 * 24 * 3600),
            keep: Span::from_secs(540 * 24 * 3600),
        }
    }
}

/// What is wrong with a config, and what to write instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// The smallest amount is above the largest, or below 1.
    Limits,
    /// A fee of more than all of it, or a negative one.
    Fees,
    /// Checks without a pause are a storm.
    CheckInterval,
    /// Payments that expire at once.
    IntentTtl,
    /// No attempt, or no operation.
    NoAttempts,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ConfigError::Limits => "limits: write 1 <= min_minor <= max_minor",
            ConfigError::Fees => "fees: share_ppm is at most 1000000, fixed_minor at least 0",
            ConfigError::CheckInterval => {
                "resolution: first_check_after and interval are longer than nothing"
            }
            ConfigError::IntentTtl => "intent_ttl is longer than nothing",
            ConfigError::NoAttempts => "max_attempts and max_operations are at least 1",
        })
    }
}

impl std::error::Error for ConfigError {}

impl ProcessorConfig {
    /// Whether it can work.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub const fn validate(&self) -> Result<(), ConfigError> {
        if self.limits.min_minor < 1 || self.limits.max_minor < self.limits.min_minor {
            return Err(ConfigError::Limits);
        }
        if self.fees.share_ppm > WHOLE_PPM || self.fees.fixed_minor < 0 {
            return Err(ConfigError::Fees);
        }
        if self.resolution.first_check_after.is_zero() || self.resolution.interval.is_zero() {
            return Err(ConfigError::CheckInterval);
        }
        if self.intent_ttl.is_zero() {
            return Err(ConfigError::IntentTtl);
        }
        if self.max_attempts == 0 || self.max_operations == 0 {
            return Err(ConfigError::NoAttempts);
        }
        Ok(())
    }
}

/// What a user may plug in.
pub struct Policies {
    /// Which provider is asked.
    pub route: Box<dyn Route>,
    /// After which refusals another one is.
    pub failover: Box<dyn Failover>,
    /// Which answers a key keeps.
    pub kept_answers: Box<dyn KeepAnswer>,
}

impl Policies {
    /// These providers in this order, another one only if the first has not processed it, every answer kept.
    pub fn in_order(providers: impl Into<Vec<ProviderId>>) -> Policies {
        Policies {
            route: Box::new(InOrder(providers.into())),
            failover: Box::new(FailoverRule::NotProcessed),
            kept_answers: Box::new(KeptAnswers::All),
        }
    }
}

/// A defect for tests: what the checkers have to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(test), allow(dead_code, reason = "only tests break a processor"))]
pub(in crate::payment) enum Sabotage {
    /// Refunds are not bounded by what was taken.
    RefundsUnbounded,
    /// A word is taken again, however often it comes.
    ForgetsOutcomes,
    /// What is not known is done again under a new name.
    ChargesAgain,
    /// A key whose request still runs is free.
    IgnoresRunningKeys,
    /// Outputs leave before their batch is durable.
    SendsBeforeDurable,
    /// Fees are taken from nobody.
    OneSidedFees,
    /// Captures are not bounded by what was authorized.
    CapturesUnbounded,
    /// A late charge is kept.
    KeepsLateCharges,
    /// What payments have moved that are put away is not carried forward.
    DropsTransfers,
}

pub(super) struct Rules {
    pub(super) config: ProcessorConfig,
    pub(super) policies: Policies,
    #[cfg(test)]
    pub(super) sabotage: Option<Sabotage>,
}

impl Rules {
    pub(super) const fn new(config: ProcessorConfig, policies: Policies) -> Rules {
        Rules {
            config,
            policies,
            #[cfg(test)]
            sabotage: None,
        }
    }

    /// Whether a test has broken this; outside tests, nothing is.
    #[cfg(test)]
    pub(super) fn is_broken(&self, sabotage: Sabotage) -> bool {
        self.sabotage == Some(sabotage)
    }

    #[cfg(not(test))]
    pub(super) const fn is_broken(&self, _sabotage: Sabotage) -> bool {
        false
    }
}
