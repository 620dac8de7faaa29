//! Jobs in the simulator: a scheduler that keeps them, workers that fetch and run them, enqueuers that add some by the
//! calendar, and sinks that they write to. They talk over links and know nothing of each other; what truly came of the
//! jobs is in the books of the harness (`measure/jobs`), which none of them sees.

mod body;
mod calendar;
mod counts;
mod enqueuer;
mod scheduler;
mod settings;
mod sink;
mod words;
mod worker;
mod workflow;

use std::sync::Arc;

use serde_json::{Map, Value};

pub(crate) use self::body::Body;
pub(super) use self::enqueuer::Mistake;
pub(super) use self::scheduler::Flaw;
use super::{Kind, service};
use crate::cluster::Node;
use crate::measure::StoredJob;
use crate::scenario::plan::{JobsRole, KindTraits, Plan, ServiceId};

/// The name of the kind of sinks: workers tell them whose lease they have.
const SINK: &str = "job-sink";

/// What a job scheduler is like at the end of a run, for the books.
#[derive(Clone, Debug)]
pub(crate) struct JobsProbe {
    /// All jobs it keeps.
    pub(crate) stored: Vec<StoredJob>,
    /// What its own audit finds wrong.
    pub(crate) audit: Option<String>,
}

/// Kind `job-scheduler`.
pub(super) struct JobSchedulerKind;

impl Kind for JobSchedulerKind {
    fn check_settings(settings: &Map<String, Value>) -> Vec<(String, String)> {
        settings::read(settings).err().unwrap_or_default()
    }

    fn traits() -> KindTraits {
        KindTraits { jobs: JobsRole::Schedules, ..service::traits() }
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        scheduler(service, plan, Flaw::None)
    }
}

/// A scheduler with a flaw, or without.
pub(super) fn scheduler(service: ServiceId, plan: &Arc<Plan>, flaw: Flaw) -> Box<dyn Node> {
    let server = scheduler::JobServer::new(service, plan, flaw);
    service::node(service, plan, server)
}

/// Kind `job-worker`.
pub(super) struct JobWorkerKind;

impl Kind for JobWorkerKind {
    fn check_settings(settings: &Map<String, Value>) -> Vec<(String, String)> {
        worker::written(settings).err().unwrap_or_default()
    }

    fn traits() -> KindTraits {
        KindTraits { jobs: JobsRole::Works, ..KindTraits::default() }
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        Box::new(worker::Worker::new(service, plan))
    }
}

/// Kind `job-enqueuer`.
pub(super) struct JobEnqueuerKind;

impl Kind for JobEnqueuerKind {
    fn check_settings(settings: &Map<String, Value>) -> Vec<(String, String)> {
        enqueuer::read(settings).err().unwrap_or_default()
    }

    fn traits() -> KindTraits {
        KindTraits { jobs: JobsRole::Enqueues, ..KindTraits::default() }
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        enqueuer(service, plan, Mistake::None)
    }
}

/// An enqueuer with a mistake, or without.
pub(super) fn enqueuer(service: ServiceId, plan: &Arc<Plan>, mistake: Mistake) -> Box<dyn Node> {
    Box::new(enqueuer::Enqueuer::new(service, plan, mistake))
}

/// Kind `job-sink`.
pub(super) struct JobSinkKind;

impl Kind for JobSinkKind {
    fn check_settings(settings: &Map<String, Value>) -> Vec<(String, String)> {
        sink::read(settings).err().unwrap_or_default()
    }

    fn traits() -> KindTraits {
        service::traits()
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        let sink = sink::Sink::new(&plan.services[service.index()]);
        service::node(service, plan, sink)
    }
}

/// The pool that a worker's settings name, for checks across services.
pub(crate) fn pool_named(settings: &Map<String, Value>) -> Option<&str> {
    worker::pool_named(settings)
}
