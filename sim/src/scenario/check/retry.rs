//! Further attempts: settings of the file become configs of `foreshock_systems::retry`, which check their own ranges.

use foreshock_systems::retry::{
    AdaptiveConfig, BackoffConfig, BackoffKind, BudgetConfig, BudgetKind, Jitter, PushbackRule, RetryConfig,
};

use super::Checker;
use super::policies::narrow;
use super::run::span_or;
use crate::kernel::time::Span;
use crate::measure::OutcomeKind;
use crate::scenario::path::Path;
use crate::scenario::plan::{OutcomeSet, RetryPolicy};
use crate::scenario::raw::{
    RawBackoff, RawBackoffKind, RawBudget, RawBudgetName, RawBudgetTable, RawJitter, RawJitterName, RawRetry,
    RawRetryOn,
};

/// Longest pause asked for by a callee that is kept.
const LONGEST_RETRY_AFTER: Span = Span::from_secs(60);

impl Checker<'_> {
    /// Further attempts of a call.
    pub(super) fn retry(&mut self, path: &Path, raw: &RawRetry) -> Option<RetryPolicy> {
        let backoff = self.backoff(&path.key("backoff"), &raw.backoff)?;
        let config = RetryConfig {
            max_attempts: raw.max_attempts.0,
            backoff,
            throttling_base: None,
            pushback: match raw.honour_retry_after {
                None | Some(true) => PushbackRule::Lengthen { longest: LONGEST_RETRY_AFTER },
                Some(false) => PushbackRule::Ignore,
            },
            max_transparent: 0,
        };
        let config = self.validated(path, config, RetryConfig::validate)?;
        let budget = match &raw.budget {
            None => None,
            Some(budget) => Some(self.budget(&path.key("budget"), budget)?),
        };
        let every = [
            OutcomeKind::Timeout,
            OutcomeKind::Error,
            OutcomeKind::Rejected,
            OutcomeKind::Refused,
            OutcomeKind::Reset,
        ];
        let retry_on = match &raw.retry_on {
            None => OutcomeSet::of(&every),
            Some(outcomes) => {
                let outcomes: Vec<OutcomeKind> =
                    outcomes.iter().map(|outcome| outcome_kind(*outcome)).collect();
                if outcomes.is_empty() {
                    let help = "leave `retry` out for no retries".to_string();
                    self.missing(&path.key("retry_on"), "nothing is retried".to_string(), Some(help));
                }
                OutcomeSet::of(&outcomes)
            }
        };
        let adaptive = raw.adaptive.unwrap_or(false).then(AdaptiveConfig::default);
        Some(RetryPolicy { config, budget, retry_on, adaptive })
    }

    fn backoff(&mut self, path: &Path, raw: &RawBackoff) -> Option<BackoffConfig> {
        if raw.multiplier.is_some() && !matches!(raw.kind, None | Some(RawBackoffKind::Exponential)) {
            let message = "`multiplier` has an effect on exponential back-off only".to_string();
            self.warn(&path.key("multiplier"), message, None);
        }
        if raw.exponent.is_some() && !matches!(raw.kind, Some(RawBackoffKind::Power)) {
            let message = "`exponent` has an effect on the back-off `power` only".to_string();
            self.warn(&path.key("exponent"), message, None);
        }
        let multiplier = raw.multiplier.as_ref().map_or(2_000, |factor| factor.0);
        let config = BackoffConfig {
            kind: match raw.kind {
                Some(RawBackoffKind::Constant) => BackoffKind::Constant,
                Some(RawBackoffKind::Linear) => BackoffKind::Linear,
                None | Some(RawBackoffKind::Exponential) => BackoffKind::Exponential {
                    multiplier_milli: u32::try_from(multiplier).unwrap_or(u32::MAX),
                },
                Some(RawBackoffKind::Fibonacci) => BackoffKind::Fibonacci,
                Some(RawBackoffKind::Power) => {
                    BackoffKind::Power { exponent: raw.exponent.as_ref().map_or(4, |exponent| exponent.0) }
                }
                Some(RawBackoffKind::Decorrelated) => BackoffKind::Decorrelated,
                Some(RawBackoffKind::DecorrelatedV2) => BackoffKind::DecorrelatedV2,
            },
            base: span_or(raw.base.as_ref(), Span::from_millis(100)),
            cap: span_or(raw.cap.as_ref(), Span::from_secs(10)),
            jitter: raw.jitter.as_ref().map_or(Jitter::Full, jitter),
            first_exponent: raw.first_exponent.as_ref().map_or(0, |exponent| exponent.0),
        };
        self.validated(path, config, BackoffConfig::validate)
    }

    fn budget(&mut self, path: &Path, raw: &RawBudget) -> Option<BudgetConfig> {
        let config = match raw {
            RawBudget::Named(name) => budget_kind(*name).usual(),
            RawBudget::Ratio(ratio) => BudgetConfig::Ratio {
                ratio_ppm: narrow(ratio.0),
                reserve_per_s: 0,
                window: Span::from_secs(10),
            },
            RawBudget::Table(table) => self.budget_table(path, table)?,
        };
        self.validated(path, config, BudgetConfig::validate)
    }

    fn budget_table(&mut self, path: &Path, raw: &RawBudgetTable) -> Option<BudgetConfig> {
        let given: Vec<&str> = [
            (raw.ratio.is_some(), "ratio"),
            (raw.token_bucket.is_some(), "token_bucket"),
            (raw.in_flight.is_some(), "in_flight"),
        ]
        .into_iter()
        .filter_map(|(given, key)| given.then_some(key))
        .collect();
        if given.len() != 1 {
            let help = "give one of `ratio`, `token_bucket` and `in_flight`".to_string();
            self.missing(path, format!("a budget of {} kinds", given.len()), Some(help));
            return None;
        }
        if let Some(bucket) = &raw.token_bucket {
            let ratio = bucket.token_ratio.0 * 1_000.0;
            if !(0.0..=4e9).contains(&ratio) {
                let help = "the range is 0.001 to 4_000_000".to_string();
                let message = format!("a token ratio of {}", bucket.token_ratio.0);
                self.error_at_value(&path.key("token_bucket").key("token_ratio"), message, Some(help));
                return None;
            }
            return Some(BudgetConfig::Grpc {
                max_tokens_milli: bucket.max_tokens.0.saturating_mul(1_000),
                token_ratio_milli: libm::round(ratio) as u32,
            });
        }
        if let Some(in_flight) = &raw.in_flight {
            return Some(BudgetConfig::Percent {
                percent_ppm: narrow(in_flight.percent.0),
                min_in_flight: in_flight.floor.as_ref().map_or(3, |floor| floor.0),
            });
        }
        let reserve_milli = raw.reserve.as_ref().map_or(0, |reserve| reserve.0);
        if !reserve_milli.is_multiple_of(1_000) {
            let help = "give it in whole retries per second".to_string();
            self.error_at_value(&path.key("reserve"), "the reserve is too fine".to_string(), Some(help));
        }
        Some(BudgetConfig::Ratio {
            ratio_ppm: raw.ratio.as_ref().map_or(0, |ratio| narrow(ratio.0)),
            reserve_per_s: narrow(reserve_milli / 1_000),
            window: span_or(raw.window.as_ref(), Span::from_secs(10)),
        })
    }
}

fn jitter(raw: &RawJitter) -> Jitter {
    match raw {
        RawJitter::Named(RawJitterName::None) => Jitter::None,
        RawJitter::Named(RawJitterName::Full) => Jitter::Full,
        RawJitter::Named(RawJitterName::Equal) => Jitter::Equal,
        RawJitter::Named(RawJitterName::Grpc) => Jitter::GRPC,
        RawJitter::Named(RawJitterName::Polly) => Jitter::POLLY,
        RawJitter::Around(share) => Jitter::Proportional { ppm: share.around.0 },
    }
}

fn budget_kind(raw: RawBudgetName) -> BudgetKind {
    match raw {
        RawBudgetName::Aws => BudgetKind::Aws,
        RawBudgetName::AwsLegacy => BudgetKind::AwsLegacy,
        RawBudgetName::Grpc => BudgetKind::Grpc,
        RawBudgetName::Finagle => BudgetKind::Finagle,
        RawBudgetName::Percent => BudgetKind::Percent,
    }
}

fn outcome_kind(raw: RawRetryOn) -> OutcomeKind {
    match raw {
        RawRetryOn::Timeout => OutcomeKind::Timeout,
        RawRetryOn::Error => OutcomeKind::Error,
        RawRetryOn::Rejected => OutcomeKind::Rejected,
        RawRetryOn::Refused => OutcomeKind::Refused,
        RawRetryOn::Reset => OutcomeKind::Reset,
    }
}
