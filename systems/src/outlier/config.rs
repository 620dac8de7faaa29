//! What an outlier detector is told, what of it is refused, and what of it cannot work with so many endpoints.
//! Plain data.

use super::rules::{FailurePercentage, SuccessRate};
use crate::arithmetic::{WHOLE_PPM, share_of};
use crate::time::Span;
use std::fmt;

/// When an endpoint is ejected and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutlierConfig {
    /// Failures without a success between them that eject an endpoint at once. 0 switches the rule off.
    pub consecutive_failures: u32,
    /// Ejects endpoints that succeed much less often than the others, at each sweep.
    pub success_rate: Option<SuccessRate>,
    /// Ejects endpoints that fail too often, whatever the others do, at each sweep.
    pub failure_percentage: Option<FailurePercentage>,
    /// From one sweep to the next, for the rules that judge at sweeps. More than zero.
    pub interval: Span,
    /// How long the first ejection lasts; the nth lasts n times as long. More than zero.
    pub base_ejection: Span,
    /// The longest ejection, if it is longer than the first.
    pub max_ejection: Span,
    /// A stretch this long back in rotation takes one from n. `None`: as long as `base_ejection`. More than zero.
    pub forgiven_after: Option<Span>,
    /// Largest share of endpoints ejected at once, in parts per million. Rounded down: 10 % of three is none.
    pub max_ejected_ppm: u32,
    /// Whether one endpoint may be ejected where the share is less than one, as gRPC and Envoy can do. Never the
    /// only one.
    pub at_least_one: bool,
}

impl Default for OutlierConfig {
    /// Five failures in a row eject for 30 s, five minutes at most; at most a tenth of the endpoints. The other
    /// rules are off.
    fn default() -> OutlierConfig {
        OutlierConfig {
            consecutive_failures: 5,
            success_rate: None,
            failure_percentage: None,
            interval: Span::from_secs(10),
            base_ejection: Span::from_secs(30),
            max_ejection: Span::from_secs(300),
            forgiven_after: None,
            max_ejected_ppm: 100_000,
            at_least_one: false,
        }
    }
}

impl OutlierConfig {
    /// What Envoy does by default: five failures in a row, and success rates compared every 10 s; one ejection is
    /// forgiven at each sweep.
    pub fn envoy() -> OutlierConfig {
        OutlierConfig {
            success_rate: Some(SuccessRate::default()),
            forgiven_after: Some(Span::from_secs(10)),
            ..OutlierConfig::default()
        }
    }

    /// What gRPC does (proposal A50) with both of its rules on: rates only, judged every 10 s; one ejection is
    /// forgiven at each sweep; one endpoint may always be ejected.
    pub fn grpc() -> OutlierConfig {
        OutlierConfig {
            consecutive_failures: 0,
            failure_percentage: Some(FailurePercentage::default()),
            at_least_one: true,
            ..OutlierConfig::envoy()
        }
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`OutlierError`] names the first field out of range. A detector made from a config that was not
    /// checked is safe all the same.
    pub fn validate(&self) -> Result<(), OutlierError> {
        if self.consecutive_failures == 0 && !self.sweeps() {
            return Err(OutlierError::NoFailures);
        }
        if self.base_ejection.is_zero() {
            return Err(OutlierError::NoEjection);
        }
        if self.forgiven_after == Some(Span::ZERO) {
            return Err(OutlierError::ForgivenAtOnce);
        }
        if !(1..=WHOLE_PPM).contains(&self.max_ejected_ppm) {
            return Err(OutlierError::Share { max_ejected_ppm: self.max_ejected_ppm });
        }
        if self.sweeps() && self.interval.is_zero() {
            return Err(OutlierError::NoInterval);
        }
        if let Some(rule) = self.success_rate {
            rule.validate()?;
        }
        match self.failure_percentage {
            Some(rule) => rule.validate(),
            None => Ok(()),
        }
    }

    /// What is valid and yet cannot do what it says with so many endpoints.
    pub fn warnings(&self, endpoints: usize) -> Vec<OutlierWarning> {
        let mut warnings = Vec::new();
        if self.max_ejected(endpoints) == 0 {
            warnings.push(OutlierWarning::NobodyEjected { endpoints, max_ejected_ppm: self.max_ejected_ppm });
        }
        let minimums = [
            self.success_rate.map(|rule| rule.minimum_hosts),
            self.failure_percentage.map(|rule| rule.minimum_hosts),
        ];
        for minimum_hosts in minimums.into_iter().flatten().filter(|minimum| *minimum as usize > endpoints) {
            warnings.push(OutlierWarning::TooFewEndpoints { endpoints, minimum_hosts });
        }
        if let Some(rule) = self.success_rate {
            // One bad endpoint among k is sqrt(k - 1) standard deviations below the mean, and never more.
            let most_milli = (endpoints as u64).saturating_sub(1).saturating_mul(1_000_000).isqrt();
            if u64::from(rule.sd_factor_milli) >= most_milli {
                let sd_factor_milli = rule.sd_factor_milli;
                warnings.push(OutlierWarning::FactorOutOfReach { endpoints, sd_factor_milli, most_milli });
            }
        }
        warnings
    }

    /// How many of `endpoints` may be ejected at once.
    pub fn max_ejected(&self, endpoints: usize) -> usize {
        let share = share_of(endpoints as u64, self.max_ejected_ppm.min(WHOLE_PPM)) as usize;
        share.max(usize::from(self.at_least_one && endpoints > 1))
    }

    /// Whether a rule judges at sweeps.
    pub(super) fn sweeps(&self) -> bool {
        self.success_rate.is_some() || self.failure_percentage.is_some()
    }

    /// How long the `nth` ejection lasts, from 1.
    pub(super) fn ejection(&self, nth: u32) -> Span {
        let most = self.max_ejection.max(self.base_ejection);
        self.base_ejection.saturating_mul(u64::from(nth)).min(most)
    }
}

/// Why an outlier config is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutlierError {
    /// `consecutive_failures` is zero, and no other rule is on.
    NoFailures,
    /// `base_ejection` is zero.
    NoEjection,
    /// `forgiven_after` is zero.
    ForgivenAtOnce,
    /// The share is zero or above all.
    Share {
        /// In parts per million.
        max_ejected_ppm: u32,
    },
    /// `interval` is zero and a rule needs it.
    NoInterval,
    /// A rule's share is above all, or would eject everybody.
    RuleShare {
        /// In parts per million.
        share_ppm: u32,
    },
    /// A rule judges endpoints without calls.
    NoVolume,
}

impl fmt::Display for OutlierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OutlierError::NoFailures => {
                f.write_str("consecutive_failures 0 and no other rule ejects nobody: use 1 or more")
            }
            OutlierError::NoEjection => {
                f.write_str("an ejection of no length: use a base_ejection above zero, such as 30s")
            }
            OutlierError::ForgivenAtOnce => {
                f.write_str("forgiven_after 0s forgives at once: use more, such as 10s, or leave it out")
            }
            OutlierError::Share { max_ejected_ppm } => {
                write!(
                    f,
                    "max_ejected_ppm {max_ejected_ppm}: use 1 to 1000000; without ejection leave it out"
                )
            }
            OutlierError::NoInterval => {
                f.write_str("sweeps without a pause between them: use an interval above zero, such as 10s")
            }
            OutlierError::RuleShare { share_ppm } => {
                write!(f, "a share of {share_ppm} ppm in a rule: use 1 to 1000000")
            }
            OutlierError::NoVolume => {
                f.write_str("request_volume 0 would judge endpoints without calls: use 1 or more")
            }
        }
    }
}

impl std::error::Error for OutlierError {}

/// What a config cannot do with so many endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutlierWarning {
    /// The share is less than one endpoint.
    NobodyEjected {
        /// How many there are.
        endpoints: usize,
        /// The share.
        max_ejected_ppm: u32,
    },
    /// A rule wants more endpoints to compare.
    TooFewEndpoints {
        /// How many there are.
        endpoints: usize,
        /// How many it wants.
        minimum_hosts: u32,
    },
    /// A single bad endpoint is never so many standard deviations below the mean.
    FactorOutOfReach {
        /// How many there are.
        endpoints: usize,
        /// How far below, in thousandths of a standard deviation.
        sd_factor_milli: u32,
        /// How far it can be.
        most_milli: u64,
    },
}

impl fmt::Display for OutlierWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OutlierWarning::NobodyEjected { endpoints, max_ejected_ppm } => write!(
                f,
                "{max_ejected_ppm} ppm of {endpoints} endpoints is none: raise max_ejected_ppm or use at_least_one"
            ),
            OutlierWarning::TooFewEndpoints { endpoints, minimum_hosts } => write!(
                f,
                "a rule wants {minimum_hosts} endpoints to compare and there are {endpoints}: lower minimum_hosts"
            ),
            OutlierWarning::FactorOutOfReach { endpoints, sd_factor_milli, most_milli } => write!(
                f,
                "one bad endpoint of {endpoints} is at most {most_milli} thousandths of a standard deviation below \
                 the mean and never {sd_factor_milli}: lower sd_factor_milli, or use a failure percentage"
            ),
        }
    }
}
