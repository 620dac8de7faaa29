//! Faults of connections: refused when opened, reset while in use.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Checker, Fault, Path, ResolveFault};
use crate::faults::{ConnectionRefuse, ConnectionReset};
use crate::scenario::quantity::Share;
use crate::scenario::raw::RawNodeList;

/// Connections are refused.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRefuse {
    /// Which replicas: `svc`, `svc/2`, `svc/*`, or `{service: svc, pick: one}`.
    service: RawNodeList,
    /// Which share of requests. Default 100%.
    #[serde(default)]
    share: Option<Share>,
}

impl ResolveFault for RawRefuse {
    fn resolve(&self, checker: &mut Checker<'_>, path: &Path) -> Option<Fault> {
        let share_ppm = checker.share_or_whole(&path.key("share"), self.share.as_ref());
        let nodes = checker.nodes(&path.key("service"), &self.service)?;
        Some(Fault::Refuse(ConnectionRefuse { nodes, share_ppm }))
    }
}

/// Connections break while a request is on its way.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawReset {
    /// Which calls, as in `a -> b`.
    call: String,
    /// Which share of attempts. Default 100%.
    #[serde(default)]
    share: Option<Share>,
}

impl ResolveFault for RawReset {
    fn resolve(&self, checker: &mut Checker<'_>, path: &Path) -> Option<Fault> {
        let share_ppm = checker.share_or_whole(&path.key("share"), self.share.as_ref());
        let edges = checker.edges_selected(&path.key("call"), &self.call)?;
        Some(Fault::Reset(ConnectionReset { edges, share_ppm }))
    }
}

impl Checker<'_> {
    /// The share of a fault, everything by default.
    pub(crate) fn share_or_whole(&mut self, path: &Path, share: Option<&Share>) -> u32 {
        share.map_or(1_000_000, |share| self.some_share(path, share))
    }
}
