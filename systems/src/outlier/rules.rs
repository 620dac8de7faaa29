//! The rules that judge endpoints by the calls of one interval, and the trait to bring another. Never eject:
//! they name outliers, the detector decides.

use super::config::OutlierError;
use crate::arithmetic::{WHOLE_PPM, reaches_share};

/// The calls to one endpoint within one interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallCounts {
    /// Those that succeeded.
    pub succeeded: u64,
    /// Those that failed.
    pub failed: u64,
}

impl CallCounts {
    /// All of them.
    pub const fn total(self) -> u64 {
        self.succeeded.saturating_add(self.failed)
    }

    /// Share that succeeded, in parts per thousand million, rounded down; of no calls, all did.
    fn success_ppb(self) -> u64 {
        match self.total() {
            0 => WHOLE_PPB,
            total => (u128::from(self.succeeded) * u128::from(WHOLE_PPB) / u128::from(total)) as u64,
        }
    }
}

const WHOLE_PPB: u64 = 1_000_000_000;

/// Names the outliers among endpoints.
pub trait OutlierRule {
    /// Appends to `outliers` the numbers of the endpoints that are, by the calls of one interval.
    fn outliers(&self, interval: &[CallCounts], outliers: &mut Vec<usize>);
}

/// Outliers succeed less often than the mean less a multiple of the standard deviation, over the endpoints with
/// enough calls (Envoy; gRPC proposal A50). The deviation is that of the population.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SuccessRate {
    /// The multiple, in thousandths.
    pub sd_factor_milli: u32,
    /// Endpoints with enough calls that are needed to compare.
    pub minimum_hosts: u32,
    /// Calls within an interval that are enough. At least 1.
    pub request_volume: u32,
    /// Chance that an outlier is ejected, in parts per million.
    pub enforced_ppm: u32,
}

impl Default for SuccessRate {
    /// 1.9 standard deviations, five endpoints, 100 calls, always.
    fn default() -> SuccessRate {
        SuccessRate { sd_factor_milli: 1_900, minimum_hosts: 5, request_volume: 100, enforced_ppm: WHOLE_PPM }
    }
}

/// Outliers fail at least a given share of their calls, if they have enough.
///
/// Envoy and the comments of A50's config say "at least"; A50's algorithm says "more than".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailurePercentage {
    /// The share, in parts per million. At least 1.
    pub failing_at_ppm: u32,
    /// Endpoints with enough calls that are needed.
    pub minimum_hosts: u32,
    /// Calls within an interval that are enough. At least 1.
    pub request_volume: u32,
    /// Chance that an outlier is ejected, in parts per million.
    pub enforced_ppm: u32,
}

impl Default for FailurePercentage {
    /// 85 % of 50 calls, five endpoints, always.
    fn default() -> FailurePercentage {
        FailurePercentage {
            failing_at_ppm: 850_000,
            minimum_hosts: 5,
            request_volume: 50,
            enforced_ppm: WHOLE_PPM,
        }
    }
}

impl SuccessRate {
    pub(super) fn validate(&self) -> Result<(), OutlierError> {
        validate_rule(self.request_volume, [self.enforced_ppm, 1])
    }
}

impl FailurePercentage {
    pub(super) fn validate(&self) -> Result<(), OutlierError> {
        validate_rule(self.request_volume, [self.enforced_ppm, self.failing_at_ppm])
    }
}

fn validate_rule(request_volume: u32, shares_ppm: [u32; 2]) -> Result<(), OutlierError> {
    match shares_ppm.into_iter().find(|share_ppm| !(1..=WHOLE_PPM).contains(share_ppm)) {
        Some(share_ppm) => Err(OutlierError::RuleShare { share_ppm }),
        None if request_volume == 0 => Err(OutlierError::NoVolume),
        None => Ok(()),
    }
}

/// The endpoints with enough calls, if they are enough.
fn comparable(
    interval: &[CallCounts],
    request_volume: u32,
    minimum_hosts: u32,
) -> impl Iterator<Item = (usize, CallCounts)> + Clone {
    let volume = u64::from(request_volume.max(1));
    let judged =
        move || interval.iter().copied().enumerate().filter(move |(_, counts)| counts.total() >= volume);
    let enough = judged().count() >= minimum_hosts as usize;
    judged().filter(move |_| enough)
}

impl OutlierRule for SuccessRate {
    /// With rates r of k endpoints, S their sum and Q the sum of their squares, r < S/k - f sqrt(kQ - S²)/k is
    /// (S - kr)² > f² (kQ - S²) where S > kr: exact in integers, no root needed.
    fn outliers(&self, interval: &[CallCounts], outliers: &mut Vec<usize>) {
        let judged = comparable(interval, self.request_volume, self.minimum_hosts);
        let (mut count, mut sum, mut squares) = (0u128, 0u128, 0u128);
        for (_, counts) in judged.clone() {
            let rate = u128::from(counts.success_ppb());
            count += 1;
            sum += rate;
            squares = squares.saturating_add(rate * rate);
        }
        let deviation = count.saturating_mul(squares).saturating_sub(sum.saturating_mul(sum));
        let factor = u128::from(self.sd_factor_milli);
        let allowed = deviation.saturating_mul(factor * factor);
        for (endpoint, counts) in judged {
            let below = sum.saturating_sub(count * u128::from(counts.success_ppb()));
            if below > 0 && below.saturating_mul(below).saturating_mul(1_000_000) > allowed {
                outliers.push(endpoint);
            }
        }
    }
}

impl OutlierRule for FailurePercentage {
    fn outliers(&self, interval: &[CallCounts], outliers: &mut Vec<usize>) {
        let judged = comparable(interval, self.request_volume, self.minimum_hosts);
        let failing =
            judged.filter(|(_, counts)| reaches_share(counts.failed, counts.total(), self.failing_at_ppm));
        outliers.extend(failing.map(|(endpoint, _)| endpoint));
    }
}
