//! Kind `elevator-bank`: each request is a person who comes to a bank of lifts, and is answered on the floor where they
//! wanted to be.

mod bank;
mod settings;
mod traffic;

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Kind, service};
use crate::cluster::Node;
use crate::scenario::plan::{KindTraits, Plan, ServiceId};

/// What holds in every run with lifts.
pub(crate) mod invariant {
    /// What the bank's own audit looks at: people, capacity, directions, calls.
    pub(crate) const PEOPLE: &str = "lifts_lose_nobody";
    /// Nobody waits for longer than the bound that the scenario states.
    pub(crate) const BOUNDED: &str = "lifts_wait_bounded";
    /// Who was said to be there is there once.
    pub(crate) const ONCE: &str = "lifts_deliver_once";
}

/// The sound bank.
pub(super) const SOUND: u8 = 0;
/// Tells people that they are there when they board.
pub(super) const DELIVERS_EARLY: u8 = 1;

/// Kind `elevator-bank`, with a defect or without.
pub(super) struct ElevatorBank<const DEFECT: u8>;

impl<const DEFECT: u8> Kind for ElevatorBank<DEFECT> {
    fn check_settings(written: &Map<String, Value>) -> Vec<(String, String)> {
        settings::read(written).err().unwrap_or_default()
    }

    fn traits() -> KindTraits {
        KindTraits { most_replicas: Some(1), ..service::traits() }
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        service::node(service, plan, bank::Lifts::new(service, plan, DEFECT))
    }
}
