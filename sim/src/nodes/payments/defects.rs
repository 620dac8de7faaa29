//! Processors with one defect each, for tests of the books that have to notice: never in a user's table.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Defect, Kind, processor_node, settings};
use crate::cluster::Node;
use crate::scenario::plan::{KindTraits, Plan, ServiceId};

/// Every defect there is, with the name of the kind that has it.
pub(in crate::nodes) const DEFECTS: [(&str, Defect); 7] = [
    ("test-payments-charge-again", Defect::ChargesAgain),
    ("test-payments-take-too-much", Defect::TakesTooMuch),
    ("test-payments-refund-twice", Defect::RefundsTwice),
    ("test-payments-lose-balances", Defect::LosesBalances),
    ("test-payments-confirm-unasked", Defect::ConfirmsUnasked),
    ("test-payments-ignore-keys", Defect::IgnoresKeys),
    ("test-payments-ignore-disputes", Defect::IgnoresDisputes),
];

/// Kind `payments` with a defect of the table.
pub(in crate::nodes) struct Defective<const DEFECT: usize>;

impl<const DEFECT: usize> Kind for Defective<DEFECT> {
    fn check_settings(written: &Map<String, Value>) -> Vec<(String, String)> {
        settings::processor(written).err().unwrap_or_default()
    }

    fn traits() -> KindTraits {
        KindTraits { calls_itself: true, most_replicas: Some(1), ..KindTraits::default() }
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        processor_node(service, plan, DEFECTS.get(DEFECT).map(|(_, defect)| *defect))
    }
}
