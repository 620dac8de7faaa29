//! Configuration servers that are wrong on purpose, one for each guarantee of a watch, and a service that believes all
//! it is told: never in a user's table.

use std::sync::Arc;

use foreshock_systems::config_manager::Batch;
use serde_json::{Map, Value};

use super::{ConfigServer, Defect, server};
use crate::cluster::Node;
use crate::nodes::Kind;
use crate::nodes::service::ServiceNode;
use crate::scenario::plan::{ConfigRole, KindTraits, Plan, ServiceId};

/// The kinds, and what they do wrong.
pub(in crate::nodes) const DEFECTS: [(&str, Defect); 7] = [
    ("test-config-swaps", Defect::SwapsReleases),
    ("test-config-doubles", Defect::DoublesEvents),
    ("test-config-splits", Defect::SplitsReleases),
    ("test-config-drops", Defect::DropsReleases),
    ("test-config-skips", Defect::SkipsOnResume),
    ("test-config-hurries", Defect::BookmarksEarly),
    ("test-config-canary-for-all", Defect::CanaryForAll),
];

/// A server with the defect of that number.
pub(in crate::nodes) struct Defective<const DEFECT: usize>;

impl<const DEFECT: usize> Kind for Defective<DEFECT> {
    fn check_settings(settings: &Map<String, Value>) -> Vec<(String, String)> {
        ConfigServer::check_settings(settings)
    }

    fn traits() -> KindTraits {
        KindTraits {
            config: ConfigRole::Serves,
            has_admission: true,
            most_replicas: Some(1),
            ..KindTraits::default()
        }
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        server(service, plan, DEFECTS[DEFECT].1)
    }
}

/// A service whose client writes down whatever comes, in the order in which it comes.
pub(in crate::nodes) struct Naive;

impl Kind for Naive {
    fn check_settings(settings: &Map<String, Value>) -> Vec<(String, String)> {
        settings.keys().map(|key| (key.clone(), "is no setting of this kind".to_string())).collect()
    }

    fn traits() -> KindTraits {
        KindTraits { config: ConfigRole::Follows, ..KindTraits::default() }
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        Box::new(ServiceNode::new(service, plan, None).with_naive_config_client())
    }
}

/// What is told instead of a batch; `stash` is what is held back.
pub(super) fn distorted(defect: Defect, stash: &mut Option<Batch>, mut batch: Batch) -> Vec<Batch> {
    let is_bookmark = batch.events.is_empty();
    match defect {
        Defect::SwapsReleases => match stash.take() {
            // No bookmark may come in between, or it would be that promise that is broken.
            Some(held) if is_bookmark => {
                *stash = Some(held);
                Vec::new()
            }
            Some(earlier) => vec![batch, earlier],
            None if !is_bookmark && batch.revision.0.is_multiple_of(2) => {
                *stash = Some(batch);
                Vec::new()
            }
            None => vec![batch],
        },
        Defect::DoublesEvents => {
            batch.events.extend(batch.events.first().cloned());
            vec![batch]
        }
        Defect::SplitsReleases if batch.events.len() > 1 => {
            let rest = batch.events.split_off(1);
            vec![batch.clone(), Batch { events: rest, ..batch }]
        }
        Defect::DropsReleases if !is_bookmark && batch.revision.0.is_multiple_of(3) => Vec::new(),
        Defect::BookmarksEarly if !is_bookmark => {
            vec![Batch { events: Vec::new(), ..batch.clone() }, batch]
        }
        Defect::None
        | Defect::SplitsReleases
        | Defect::DropsReleases
        | Defect::BookmarksEarly
        | Defect::SkipsOnResume
        | Defect::CanaryForAll => vec![batch],
    }
}
