//! Parking: kind `parking-lot` keeps spots, tickets and books; kind `parking-gate` lets cars in and out by asking it, and
//! goes on by its own rule while it cannot. They talk over links and know nothing of each other.

mod closures;
mod gate;
mod lot;
mod sensors;
mod settings;
mod sign;
mod wire;

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Kind, service};
use crate::cluster::Node;
use crate::scenario::Around;
use crate::scenario::plan::{KindTraits, Plan, ServiceId};

/// What holds in every run with a lot.
pub(crate) mod invariant {
    /// What the lot's own audit looks at: capacity, tickets, money, signs.
    pub(crate) const BOOKS: &str = "parking_books";
    /// A spot has one car at most.
    pub(crate) const SPOT_ONCE: &str = "parking_spot_once";
    /// Who has booked, and comes in time, has the spot that was kept.
    pub(crate) const PROMISES: &str = "parking_promises";
    /// A sensor that contradicts the tickets for longer than the window is named.
    pub(crate) const SENSORS: &str = "parking_sensors";
}

/// The sound lot.
pub(super) const SOUND: u8 = 0;
/// Believes a gate that says which spot is free: check, then act.
pub(super) const BELIEVES_GATES: u8 = 1;
/// Books money again when a departure is told again.
pub(super) const CHARGES_AGAIN: u8 = 2;
/// Gives a spot that is kept for somebody to whoever comes first.
pub(super) const GIVES_KEPT_AWAY: u8 = 3;
/// Lets whoever has lost the ticket go for what the stay costs.
pub(super) const FORGIVES_LOST: u8 = 4;
/// Never says which sensor contradicts the tickets.
pub(super) const HIDES_SENSORS: u8 = 5;

/// Kind `parking-lot`, with a defect or without.
pub(super) struct ParkingLotKind<const DEFECT: u8>;

impl<const DEFECT: u8> Kind for ParkingLotKind<DEFECT> {
    fn check_settings(written: &Map<String, Value>) -> Vec<(String, String)> {
        settings::lot(written).err().unwrap_or_default()
    }

    fn traits() -> KindTraits {
        KindTraits { most_replicas: Some(1), ..service::traits() }
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        service::node(service, plan, lot::Lot::new(service, plan, DEFECT))
    }
}

/// Kind `parking-gate`.
pub(super) struct ParkingGateKind;

impl Kind for ParkingGateKind {
    fn check_settings(written: &Map<String, Value>) -> Vec<(String, String)> {
        settings::gate(written).err().unwrap_or_default()
    }

    fn check_around(written: &Map<String, Value>, around: &Around<'_>) -> Vec<(String, String)> {
        around.callees.first().map_or_else(Vec::new, |(_, lot)| settings::gate_at(written, lot))
    }

    fn traits() -> KindTraits {
        KindTraits { calls_itself: true, needs_calls: true, most_replicas: Some(1), ..service::traits() }
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        service::node(service, plan, gate::Gate::new(service, plan))
    }
}

/// The gates of a lot, in the order in which they are written.
fn gates_of(plan: &Plan, lot: ServiceId) -> Vec<ServiceId> {
    let all = (0..plan.services.len()).map(|index| ServiceId(index as u32));
    let calls = |service: &ServiceId| {
        super::payments::calls_of(plan, *service).iter().any(|edge| plan.edges[edge.index()].callee == lot)
    };
    all.filter(calls).collect()
}
