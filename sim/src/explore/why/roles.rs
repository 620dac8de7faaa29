//! What each candidate turned out to be, by taking it alone out of the run that failed.

use std::sync::Arc;

use super::Case;
use super::answer::{ButFor, Role};
use super::candidates::{Candidate, Standing};
use super::counterfactual::{Ending, World};
use super::diagnosis::damage_ppm;
use super::words::options;

/// With this little of the damage left, whoever was taken out made it what it was.
const AMPLIFIES_PPM: u64 = 800_000;
/// A tenth fewer good requests: whoever was taken out kept it from being worse. Less is what any change does to a
/// system that fails.
const WORSE_IN: i64 = 10;

/// A line for each candidate, in their order.
pub(super) fn but_for(case: &mut Case<'_, '_>) -> Vec<ButFor> {
    let acted: Vec<bool> =
        case.candidates.iter().map(|candidate| candidate.acted(&case.failed.measured)).collect();
    let worlds: Vec<World> = case
        .candidates
        .iter()
        .zip(&acted)
        .filter(|(_, acted)| **acted)
        .map(|(candidate, _)| (candidate.removal.clone(), case.seed))
        .collect();
    let mut told = case.replays.endings(&worlds).into_iter();
    let numbered = case.candidates.iter().enumerate().zip(acted);
    numbered
        .map(|((index, candidate), acted)| {
            let ending = if acted { told.next() } else { None };
            line(case, index, candidate, ending)
        })
        .collect()
}

fn line(
    case: &Case<'_, '_>,
    index: usize,
    candidate: &Candidate,
    ending: Option<Result<Arc<Ending>, String>>,
) -> ButFor {
    let factual = &case.diagnosis.factual;
    let is_root = case.diagnosis.root.contains(&index);
    let mut line = ButFor {
        id: candidate.id.clone(),
        kind: candidate.kind,
        role: if is_root { Role::Root } else { Role::Idle },
        prevents: false,
        damage_left_ppm: None,
        good_more: None,
        options: options(&candidate.removal),
        not_tried: None,
    };
    match ending {
        None => line.not_tried = Some("it did nothing in this run".to_string()),
        Some(Err(reason)) => {
            line.role = if is_root { Role::Root } else { Role::Unknown };
            line.not_tried = Some(reason);
        }
        Some(Ok(ending)) => {
            let left = damage_ppm(case.replays, factual, &ending);
            let more = i64::try_from(i128::from(ending.good) - i128::from(factual.good)).unwrap_or(i64::MAX);
            line.prevents = left == 0;
            line.damage_left_ppm = Some(left);
            line.good_more = Some(more);
            line.role = role(candidate.standing, is_root, left, more, factual.good);
        }
    }
    line
}

fn role(standing: Standing, is_root: bool, left_ppm: u64, good_more: i64, good: u64) -> Role {
    let worse =
        good_more.saturating_mul(WORSE_IN).saturating_add(i64::try_from(good).unwrap_or(i64::MAX)) < 0;
    match standing {
        _ if is_root => Role::Root,
        Standing::Policy | Standing::Reaction if left_ppm >= AMPLIFIES_PPM && worse => Role::Protects,
        // Of less load fewer requests end well, and a cut gives a full service a rest: that says nothing.
        _ if left_ppm >= AMPLIFIES_PPM => Role::Innocent,
        Standing::Event | Standing::Policy => Role::Amplifier,
        Standing::Load | Standing::Capacity | Standing::Reaction => Role::Condition,
    }
}

/// Candidates of one role.
pub(super) fn ids_of(lines: &[ButFor], role: Role) -> Vec<String> {
    lines.iter().filter(|line| line.role == role).map(|line| line.id.clone()).collect()
}
