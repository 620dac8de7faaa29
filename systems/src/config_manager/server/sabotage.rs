//! Watches told wrongly on purpose, one way each.

use super::Sabotage;
use crate::config_manager::message::Batch;

/// What is told instead of a batch.
pub(super) fn distorted(sabotage: Sabotage, stash: &mut Option<Batch>, mut batch: Batch) -> Vec<Batch> {
    let is_bookmark = batch.events.is_empty();
    match sabotage {
        Sabotage::SwapsRevisions => match stash.take() {
            // No bookmark may come in between, or it would be that promise that is broken.
            Some(held) if is_bookmark => {
                *stash = Some(held);
                Vec::new()
            }
            Some(earlier) => vec![batch, earlier],
            None if !is_bookmark && batch.revision.0.is_multiple_of(3) => {
                *stash = Some(batch);
                Vec::new()
            }
            None => vec![batch],
        },
        Sabotage::DoublesEvents => {
            batch.events.extend(batch.events.first().cloned());
            vec![batch]
        }
        Sabotage::SplitsRevisions if batch.events.len() > 1 => {
            let rest = batch.events.split_off(1);
            vec![batch.clone(), Batch { events: rest, ..batch }]
        }
        Sabotage::DropsRevisions if !is_bookmark && batch.revision.0.is_multiple_of(5) => Vec::new(),
        Sabotage::BookmarksEarly if !is_bookmark => {
            vec![Batch { events: Vec::new(), ..batch.clone() }, batch]
        }
        Sabotage::SplitsRevisions
        | Sabotage::DropsRevisions
        | Sabotage::BookmarksEarly
        | Sabotage::SkipsOnResume
        | Sabotage::HidesCompaction
        | Sabotage::ForgetsDeletionOnCompact
        | Sabotage::IgnoresCompare
        | Sabotage::TearsReleases
        | Sabotage::RollbackKeepsAdded
        | Sabotage::CanaryForAll
        | Sabotage::SkipsSchema
        | Sabotage::SpeaksBeforeDurable => vec![batch],
    }
}
