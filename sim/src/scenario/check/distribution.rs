//! Distributions: what the file says becomes what the kernel draws from, whose own checks find impossible ranges.

use super::Checker;
use crate::kernel::draw::{Distribution, Empirical, Sampler, Zipf};
use crate::kernel::time::Span;
use crate::scenario::path::Path;
use crate::scenario::raw::{RawDistribution, RawEmpirical, RawNamedDistribution};

impl Checker<'_> {
    /// The distribution, or `None` if there is no such one; that is noted at `path`.
    pub(crate) fn distribution(&mut self, path: &Path, raw: &RawDistribution) -> Option<Distribution> {
        let distribution = self.unchecked(path, raw)?;
        if let Err(error) = Sampler::new(&distribution) {
            let (message, help) = split_advice(&error.to_string());
            self.error_at_key(path, message, help);
            return None;
        }
        Some(distribution)
    }

    fn unchecked(&mut self, path: &Path, raw: &RawDistribution) -> Option<Distribution> {
        let named = match raw {
            RawDistribution::Bare(time) => return Some(Distribution::Constant(time.0)),
            RawDistribution::Named(named) => named,
        };
        Some(match &**named {
            RawNamedDistribution::Constant(time) => Distribution::Constant(time.0),
            RawNamedDistribution::Uniform(raw) => Distribution::Uniform { min: raw.min.0, max: raw.max.0 },
            RawNamedDistribution::Exponential(raw) => Distribution::Exponential { mean: raw.mean.0 },
            RawNamedDistribution::Normal(raw) => Distribution::Normal { mean: raw.mean.0, sd: raw.sd.0 },
            RawNamedDistribution::Lognormal(raw) => {
                Distribution::LogNormal { median: raw.median.0, p99: raw.p99.0 }
            }
            RawNamedDistribution::Pareto(raw) => Distribution::Pareto {
                min: raw.min.0,
                shape: raw.shape.0,
                cap: raw.cap.as_ref().map(|cap| cap.0),
            },
            RawNamedDistribution::Gamma(raw) => Distribution::Gamma { mean: raw.mean.0, shape: raw.shape.0 },
            RawNamedDistribution::Bimodal(raw) => {
                let path = path.key("bimodal");
                let fast = self.distribution(&path.key("fast"), &raw.fast);
                let slow = self.distribution(&path.key("slow"), &raw.slow);
                Distribution::Bimodal {
                    fast: Box::new(fast?),
                    slow: Box::new(slow?),
                    slow_ppm: raw.slow_share.0,
                }
            }
            RawNamedDistribution::Empirical(raw) => {
                Distribution::Empirical(self.empirical(&path.key("empirical"), raw)?)
            }
        })
    }

    fn empirical(&mut self, path: &Path, raw: &RawEmpirical) -> Option<Empirical> {
        match (&raw.quantiles, &raw.samples) {
            (None, Some(samples)) => {
                Some(Empirical::Samples(samples.iter().map(|sample| sample.0).collect()))
            }
            (Some(quantiles), None) => {
                let path = path.key("quantiles");
                let mut points = Vec::with_capacity(quantiles.len());
                let mut whole = true;
                for (key, value) in quantiles {
                    match quantile(key) {
                        Some(ppm) => points.push((ppm, value.0)),
                        None => {
                            whole = false;
                            let help = "write it as in `99%` or `p99`".to_string();
                            self.error_at_key(
                                &path.key(key),
                                format!("`{key}` is not a quantile"),
                                Some(help),
                            );
                        }
                    }
                }
                whole.then_some(Empirical::Quantiles(points))
            }
            (None, None) | (Some(_), Some(_)) => {
                let help =
                    "give one of `quantiles: {50%: 3ms, 99%: 40ms}` and `samples: [1ms, 2ms]`".to_string();
                self.missing(
                    path,
                    "an empirical distribution has exactly one source".to_string(),
                    Some(help),
                );
                None
            }
        }
    }

    /// `add` with up to `jitter` more, each value with the same chance.
    pub(crate) fn with_jitter(
        &mut self,
        path: &Path,
        add: Distribution,
        jitter: Span,
    ) -> Option<Distribution> {
        if jitter.is_zero() {
            return Some(add);
        }
        match add {
            Distribution::Constant(least) => Some(Distribution::Uniform { min: least, max: least + jitter }),
            Distribution::Uniform { .. }
            | Distribution::Exponential { .. }
            | Distribution::Normal { .. }
            | Distribution::LogNormal { .. }
            | Distribution::Pareto { .. }
            | Distribution::Gamma { .. }
            | Distribution::Bimodal { .. }
            | Distribution::Empirical(_) => {
                let help = "remove `jitter`, or write `add` as a plain duration".to_string();
                let message = "`add` is random already".to_string();
                self.error_at_key(path, message, Some(help));
                None
            }
        }
    }

    /// Notes a skewed choice of keys that cannot be drawn from.
    pub(crate) fn check_zipf(&mut self, path: &Path, items: u64, s: f64) {
        if let Err(error) = Zipf::new(items, s) {
            let (message, help) = split_advice(&error.to_string());
            self.error_at_key(path, message, help);
        }
    }
}

/// Reads `99%`, `99.9%`, `p99`, `p999` (99.9 %) as parts per million.
pub(crate) fn quantile(text: &str) -> Option<u32> {
    let text = text.trim();
    let digits =
        |number: &str| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let percent = match (text.strip_suffix('%'), text.strip_prefix('p')) {
        (Some(number), _) if digits(number) => number.to_string(),
        (None, Some(number)) if digits(number) => {
            // p999 is 99.9 %.
            if number.len() > 2 && number.starts_with("99") && !number.contains('.') {
                format!("{}.{}", &number[..2], &number[2..])
            } else {
                number.to_string()
            }
        }
        (Some(_), _) | (None, Some(_)) | (None, None) => return None,
    };
    let (whole, fraction) = percent.split_once('.').unwrap_or((&percent, ""));
    if fraction.len() > 4 || whole.is_empty() {
        return None;
    }
    let ppm: u32 = format!("{whole}{fraction:0<4}").parse().ok()?;
    (ppm <= 1_000_000).then_some(ppm)
}

/// Splits `what is wrong: what to do`.
pub(crate) fn split_advice(text: &str) -> (String, Option<String>) {
    match text.rsplit_once(": ") {
        Some((message, help)) => (message.to_string(), Some(help.to_string())),
        None => (text.to_string(), None),
    }
}
