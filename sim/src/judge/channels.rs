//! Agencies and the houses that they sell for, when the run is over: what guests have paid and kept paid is what stands in
//! the books of the houses. Looks at what both have shown, and nowhere else.

use super::Evidence;
use crate::scenario::plan::ServicePlan;

fn is_agency(service: &ServicePlan) -> bool {
    service.kind.contains("hotel-channel")
}

pub(super) fn has_agencies(evidence: &Evidence<'_>) -> bool {
    evidence.plan.services.iter().any(is_agency)
}

/// Unless a sale is still on its way.
pub(super) fn agree(evidence: &Evidence<'_>) -> Vec<String> {
    let shown = |service: &ServicePlan, name: &str| {
        let counts = evidence.measured.systems.get(&service.name);
        counts.and_then(|counts| counts.get(name)).copied().unwrap_or(0)
    };
    let sum = |name: &str| {
        let agencies = evidence.plan.services.iter().filter(|service| is_agency(service));
        agencies.map(|agency| shown(agency, name)).sum::<u64>()
    };
    if sum("untold") > 0 {
        return Vec::new();
    }
    let kept_minor = sum("taken_minor").saturating_sub(sum("given_back_minor"));
    let houses = evidence.plan.services.iter().filter(|service| service.kind == "hotel");
    let booked_minor = houses.map(|house| shown(house, "channel_minor")).sum::<u64>();
    if kept_minor == booked_minor {
        return Vec::new();
    }
    vec![format!("agencies keep {kept_minor}, and their guests have stays for {booked_minor}")]
}
