//! Faults of callers: retry storms, surges, herds, hot keys.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Checker, Fault, Path, ResolveFault};
use crate::faults::{HotKey, RetryStorm, Surge, ThunderingHerd};
use crate::kernel::time::Span;
use crate::scenario::plan::LoadId;
use crate::scenario::quantity::{Duration, Factor, Positive, Share, Total};

/// Callers drop their back-off and multiply attempts.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRetryStorm {
    /// Which calls: `a -> b`, `* -> b`, or the name of a load.
    call: String,
    /// Attempts are multiplied by this whole number.
    attempts: Factor,
}

impl ResolveFault for RawRetryStorm {
    fn resolve(&self, checker: &mut Checker<'_>, path: &Path) -> Option<Fault> {
        let edges = checker.edges_selected(&path.key("call"), &self.call);
        let factor = self.attempts.0 / 1_000;
        if !self.attempts.0.is_multiple_of(1_000) || !(1..=1_000).contains(&factor) {
            let help = "use a whole number from x1 to x1000".to_string();
            checker.error_at_value(&path.key("attempts"), "attempts are whole".to_string(), Some(help));
            return None;
        }
        Some(Fault::RetryStorm(RetryStorm { edges: edges?, attempts_factor: factor as u32 }))
    }
}

/// More requests of an open load.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSurge {
    /// Which load.
    load: String,
    /// The whole rate as a multiple of the load's own.
    factor: Factor,
}

impl ResolveFault for RawSurge {
    fn resolve(&self, checker: &mut Checker<'_>, path: &Path) -> Option<Fault> {
        if !(1_000..=1_000_000).contains(&self.factor.0) {
            let help = "use x1 to x1000: a surge adds requests".to_string();
            checker.error_at_value(&path.key("factor"), "this is no surge".to_string(), Some(help));
        }
        let load = checker.open_load(&path.key("load"), &self.load)?;
        Some(Fault::Surge(Surge { load, factor_milli: self.factor.0 }))
    }
}

/// Many requests at once.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawHerd {
    /// Which load they belong to.
    load: String,
    /// How many.
    requests: Positive,
    /// Spread evenly over this time. Default 0s: all in the same instant.
    #[serde(default)]
    over: Option<Duration>,
    /// Their key. Default drawn one by one.
    #[serde(default)]
    key: Option<Total>,
}

impl ResolveFault for RawHerd {
    fn resolve(&self, checker: &mut Checker<'_>, path: &Path) -> Option<Fault> {
        let load = checker.open_load(&path.key("load"), &self.load)?;
        Some(Fault::ThunderingHerd(ThunderingHerd {
            load,
            requests: self.requests.0,
            over: self.over.as_ref().map_or(Span::ZERO, |over| over.0),
            key: self.key.as_ref().map(|key| key.0),
        }))
    }
}

/// One key takes a share of all requests of a load.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawHotKey {
    /// Which load.
    load: String,
    /// Which share.
    share: Share,
    /// Which key. Default 0.
    #[serde(default)]
    key: Option<Total>,
}

impl ResolveFault for RawHotKey {
    fn resolve(&self, checker: &mut Checker<'_>, path: &Path) -> Option<Fault> {
        let share_ppm = checker.some_share(&path.key("share"), &self.share);
        let load = checker.load(&path.key("load"), &self.load)?;
        Some(Fault::HotKey(HotKey { load, share_ppm, key: self.key.as_ref().map_or(0, |key| key.0) }))
    }
}

impl Checker<'_> {
    /// The load of this name, if requests can be added to it.
    fn open_load(&mut self, path: &Path, name: &str) -> Option<LoadId> {
        let load = self.load(path, name)?;
        if !self.is_open(load) {
            let message = format!("`{name}` has closed clients: no requests can be added");
            self.error_at_value(path, message, Some("use a load with a rate".to_string()));
            return None;
        }
        Some(load)
    }
}
