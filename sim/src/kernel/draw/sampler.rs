//! `Sampler`: a checked distribution with its constants worked out, ready to draw from.
//! Never yields a negative or undefined span: values are rounded to whole nanoseconds and saturate.

use super::distribution::{Distribution, DistributionError};
use super::empirical::Points;
use super::gamma::Gamma;
use super::{Key, chance_ppm, normal, unit, unit_exponential};
use crate::kernel::time::Span;

/// A distribution that can be drawn from.
///
/// Everything but gamma and bimodal is drawn by inversion: one word gives one value, and a greater word never a
/// smaller value. So under another parameter the same identity keeps its place in the distribution, which is
/// what makes two runs comparable.
#[derive(Clone, Debug)]
pub struct Sampler {
    form: Form,
    mean: Span,
    min: Span,
}

#[derive(Clone, Debug)]
enum Form {
    Constant(Span),
    /// `width_ns` more nanoseconds are as likely as `min`.
    Uniform {
        min: Span,
        width_ns: u64,
    },
    Exponential {
        mean_ns: f64,
    },
    Normal {
        mean_ns: f64,
        sd_ns: f64,
    },
    LogNormal {
        median_ns: f64,
        sigma: f64,
    },
    Pareto {
        min_ns: f64,
        shape: f64,
        cap: Span,
    },
    Gamma {
        mean_ns: f64,
        gamma: Gamma,
    },
    Bimodal(Box<Bimodal>),
    Empirical(Points),
}

#[derive(Clone, Debug)]
struct Bimodal {
    fast: Sampler,
    slow: Sampler,
    slow_ppm: u32,
}

impl Sampler {
    /// Works out the constants of `distribution`.
    ///
    /// # Errors
    /// When its parameters contradict each other or lie outside of what [`Distribution`] states.
    pub fn new(distribution: &Distribution) -> Result<Sampler, DistributionError> {
        Sampler::nested(distribution, Distribution::MAX_DEPTH)
    }

    fn nested(distribution: &Distribution, depth_left: usize) -> Result<Sampler, DistributionError> {
        match distribution {
            Distribution::Constant(span) => Ok(Sampler::constant(*span)),
            Distribution::Uniform { min, max } => Sampler::uniform(*min, *max),
            Distribution::Exponential { mean } => {
                Ok(Sampler::inverting(Form::Exponential { mean_ns: ns(*mean) }, *mean))
            }
            Distribution::Normal { mean, sd } => Ok(Sampler::normal(*mean, *sd)),
            Distribution::LogNormal { median, p99 } => Sampler::lognormal(*median, *p99),
            Distribution::Pareto { min, shape, cap } => Sampler::pareto(*min, *shape, *cap),
            Distribution::Gamma { mean, shape } => Sampler::gamma(*mean, *shape),
            Distribution::Bimodal { fast, slow, slow_ppm } => {
                let depth_left = depth_left.checked_sub(1).ok_or(DistributionError::TooDeep)?;
                let fast = Sampler::nested(fast, depth_left)?;
                let slow = Sampler::nested(slow, depth_left)?;
                Sampler::bimodal(fast, slow, *slow_ppm)
            }
            Distribution::Empirical(empirical) => {
                let points = Points::new(empirical)?;
                let mean = points.mean();
                Ok(Sampler::inverting(Form::Empirical(points), mean))
            }
        }
    }

    fn constant(span: Span) -> Sampler {
        Sampler { form: Form::Constant(span), mean: span, min: span }
    }

    /// A form that is drawn by inversion, so that its ends are the values of the least and the greatest word.
    /// Where a tail is too heavy for 52 bits to reach its end, the mean ends where the values end.
    fn inverting(form: Form, mean: Span) -> Sampler {
        let mut sampler = Sampler { form, mean, min: Span::ZERO };
        sampler.min = sampler.at(0);
        sampler.mean = mean.clamp(sampler.min, sampler.at(u64::MAX));
        sampler
    }

    fn uniform(min: Span, max: Span) -> Result<Sampler, DistributionError> {
        if min > max {
            return Err(DistributionError::MinAboveMax { min, max });
        }
        let width_ns = max.as_nanos() - min.as_nanos();
        let mean = min + Span::from_nanos(width_ns.div_ceil(2));
        Ok(Sampler::inverting(Form::Uniform { min, width_ns }, mean))
    }

    fn normal(mean: Span, sd: Span) -> Sampler {
        if sd.is_zero() {
            return Sampler::constant(mean);
        }
        let (mean_ns, sd_ns) = (ns(mean), ns(sd));
        let zero = mean_ns / sd_ns;
        // What is cut at zero lifts the mean: the integral of z * density over what lies above zero.
        let lifted = mean_ns * normal::cumulative(zero) + sd_ns * normal::density(zero);
        Sampler::inverting(Form::Normal { mean_ns, sd_ns }, nearest(lifted))
    }

    fn lognormal(median: Span, p99: Span) -> Result<Sampler, DistributionError> {
        if p99 < median {
            return Err(DistributionError::P99BelowMedian { median, p99 });
        }
        if p99 == median {
            return Ok(Sampler::constant(median));
        }
        if median.is_zero() {
            return Err(DistributionError::ZeroMedian { p99 });
        }
        let median_ns = ns(median);
        let sigma = libm::log(ns(p99) / median_ns) / normal::Z99;
        let mean = nearest(median_ns * libm::exp(0.5 * sigma * sigma));
        Ok(Sampler::inverting(Form::LogNormal { median_ns, sigma }, mean))
    }

    fn pareto(min: Span, shape: f64, cap: Option<Span>) -> Result<Sampler, DistributionError> {
        if !(shape.is_finite() && shape > 0.0) {
            return Err(DistributionError::ParetoShape(shape));
        }
        if min.is_zero() {
            return Err(DistributionError::ZeroMin);
        }
        // What exceeds the longest span is cut to it, so there always is a cap, and always a mean.
        let cap = cap.unwrap_or(Span::MAX);
        if cap < min {
            return Err(DistributionError::CapBelowMin { min, cap });
        }
        let min_ns = ns(min);
        let reach = libm::log(ns(cap) / min_ns);
        let mean = nearest(min_ns + min_ns * reach * mean_decay((shape - 1.0) * reach)).min(cap);
        Ok(Sampler::inverting(Form::Pareto { min_ns, shape, cap }, mean))
    }

    fn gamma(mean: Span, shape: f64) -> Result<Sampler, DistributionError> {
        if !(Distribution::MIN_GAMMA_SHAPE..=Distribution::MAX_GAMMA_SHAPE).contains(&shape) {
            return Err(DistributionError::GammaShape(shape));
        }
        let form = Form::Gamma { mean_ns: ns(mean), gamma: Gamma::new(shape) };
        Ok(Sampler { form, mean, min: Span::ZERO })
    }

    fn bimodal(fast: Sampler, slow: Sampler, slow_ppm: u32) -> Result<Sampler, DistributionError> {
        if slow_ppm > 1_000_000 {
            return Err(DistributionError::ShareAboveOne { slow_ppm });
        }
        let weighed = |span: Span, ppm: u32| u128::from(span.as_nanos()) * u128::from(ppm);
        let sum = weighed(fast.mean, 1_000_000 - slow_ppm) + weighed(slow.mean, slow_ppm);
        let mean = Span::from_nanos(((sum + 500_000) / 1_000_000) as u64);
        let min = match slow_ppm {
            0 => fast.min,
            1_000_000 => slow.min,
            1..=u32::MAX => fast.min.min(slow.min),
        };
        Ok(Sampler { form: Form::Bimodal(Box::new(Bimodal { fast, slow, slow_ppm })), mean, min })
    }

    /// The span of `identity` under `key`.
    #[inline]
    pub fn sample(&self, key: Key, identity: u64) -> Span {
        // The latency of most links, and not worth a call.
        if let Form::Constant(span) = &self.form {
            return *span;
        }
        self.draw(key, identity)
    }

    fn draw(&self, key: Key, identity: u64) -> Span {
        match &self.form {
            Form::Constant(span) => *span,
            Form::Gamma { mean_ns, gamma } => nearest(mean_ns * gamma.sample(key.stream(identity))),
            Form::Bimodal(bimodal) => bimodal.sample(key, identity),
            Form::Uniform { .. }
            | Form::Exponential { .. }
            | Form::Normal { .. }
            | Form::LogNormal { .. }
            | Form::Pareto { .. }
            | Form::Empirical(_) => self.at(key.draw(identity)),
        }
    }

    /// The value that `word` stands for, of a form that is drawn by inversion.
    #[inline]
    pub(super) fn at(&self, word: u64) -> Span {
        match &self.form {
            Form::Constant(span) => *span,
            Form::Uniform { min, width_ns } => match width_ns.checked_add(1) {
                Some(count) => *min + Span::from_nanos(super::below(word, count)),
                None => Span::from_nanos(word),
            },
            Form::Exponential { mean_ns } => nearest(mean_ns * unit_exponential(word)),
            Form::Normal { mean_ns, sd_ns } => nearest(mean_ns + sd_ns * normal::quantile(unit(word))),
            Form::LogNormal { median_ns, sigma } => {
                nearest(median_ns * libm::exp(sigma * normal::quantile(unit(word))))
            }
            Form::Pareto { min_ns, shape, cap } => {
                nearest(min_ns * libm::exp(unit_exponential(word) / shape)).min(*cap)
            }
            Form::Empirical(points) => points.at(word),
            Form::Gamma { .. } | Form::Bimodal(_) => self.min,
        }
    }

    /// The mean in nanoseconds, worked out and not drawn; [`Span::MAX`] where it is longer than that.
    pub fn mean(&self) -> Span {
        self.mean
    }

    /// A span that no draw falls short of: the shortest possible one, or zero for gamma.
    pub fn min(&self) -> Span {
        self.min
    }
}

impl Bimodal {
    /// One word chooses and another one, the same whatever was chosen, gives the value: a request that stays
    /// fast when the slow share grows takes as long as before.
    fn sample(&self, key: Key, identity: u64) -> Span {
        /// Stands for the value as against the choice.
        const VALUE: u64 = 1;
        let chosen = if chance_ppm(key.draw(identity), self.slow_ppm) { &self.slow } else { &self.fast };
        chosen.sample(key.child(VALUE), identity)
    }
}

/// The mean of e^(-t) over 0 to `exponent`, for any exponent.
fn mean_decay(exponent: f64) -> f64 {
    if exponent == 0.0 { 1.0 } else { -libm::expm1(-exponent) / exponent }
}

fn ns(span: Span) -> f64 {
    span.as_nanos() as f64
}

/// The span nearest to `ns`; none for what is negative or not a number, the longest for what is longer.
#[inline]
pub(super) fn nearest(ns: f64) -> Span {
    /// From here on every float is whole, and adding one half could carry it to the next.
    const WHOLE: f64 = (1_u64 << 52) as f64;
    Span::from_nanos(if ns < WHOLE { (ns + 0.5) as u64 } else { ns as u64 })
}
