//! UPI: kinds `upi-psp` (the server behind an app; its load are payments), `upi-switch` and `upi-bank`. Every message is
//! a call that is acknowledged once it has been worked on; what comes of it is another message.

mod bank;
mod post;
mod psp;
mod settings;
mod switch;
mod wire;

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Kind, service};
use crate::cluster::Node;
use crate::scenario::plan::{KindTraits, Plan, ServiceId};

const SWITCH: &str = "upi-switch";
const BANK: &str = "upi-bank";
const PSP: &str = "upi-psp";

/// Kind `upi-switch`.
pub(super) struct UpiSwitch;

impl Kind for UpiSwitch {
    fn check_settings(written: &Map<String, Value>) -> Vec<(String, String)> {
        settings::read_switch(written).err().unwrap_or_default()
    }

    fn traits() -> KindTraits {
        KindTraits { calls_itself: true, most_replicas: Some(1), ..service::traits() }
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        service::node(service, plan, switch::SwitchNode::new(service, plan))
    }
}

/// Kind `upi-bank`; with a defect, one of those that the books have to find.
pub(super) struct UpiBank<const DEFECT: u8>;

/// A bank without a defect.
pub(super) const SOUND: u8 = 0;
/// A bank that carries out a leg as often as it is asked to.
pub(super) const FORGETFUL: u8 = 1;
/// A bank that credits a paisa more than it is paid.
pub(super) const GENEROUS: u8 = 2;

impl<const DEFECT: u8> Kind for UpiBank<DEFECT> {
    fn check_settings(written: &Map<String, Value>) -> Vec<(String, String)> {
        settings::read_bank(written).err().unwrap_or_default()
    }

    fn traits() -> KindTraits {
        KindTraits { calls_itself: true, most_replicas: Some(1), ..service::traits() }
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        service::node(service, plan, bank::BankNode::new(service, plan, DEFECT))
    }
}

/// Kind `upi-psp`.
pub(super) struct UpiPsp;

impl Kind for UpiPsp {
    fn check_settings(written: &Map<String, Value>) -> Vec<(String, String)> {
        settings::read_psp(written).err().unwrap_or_default()
    }

    fn traits() -> KindTraits {
        KindTraits { calls_itself: true, most_replicas: Some(1), ..service::traits() }
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        service::node(service, plan, psp::PspNode::new(service, plan))
    }
}
