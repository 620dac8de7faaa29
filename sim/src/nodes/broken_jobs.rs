//! Job schedulers and enqueuers that are wrong on purpose, one for each invariant about jobs: never in a user's table.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::Kind;
use super::jobs::{Flaw, JobEnqueuerKind, JobSchedulerKind, Mistake, enqueuer, scheduler};
use crate::cluster::Node;
use crate::scenario::plan::{JobsRole, KindTraits, Plan, ServiceId};

macro_rules! flawed_schedulers {
    ($( $(#[$doc:meta])* $name:ident($flaw:ident); )*) => {$(
        $(#[$doc])*
        pub(super) struct $name;

        impl Kind for $name {
            fn check_settings(settings: &Map<String, Value>) -> Vec<(String, String)> {
                JobSchedulerKind::check_settings(settings)
            }

            fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
                scheduler(service, plan, Flaw::$flaw)
            }

            fn traits() -> KindTraits {
                KindTraits { jobs: JobsRole::Schedules, has_admission: true, ..KindTraits::default() }
            }
        }
    )*};
}

flawed_schedulers! {
    /// Takes every commit, whatever its token.
    Unfenced(IgnoresTokens);
    /// Forgets a job at each restart.
    Forgetful(ForgetsAJob);
    /// Answers before what it says is durable.
    Hasty(AnswersEarly);
    /// Enqueues the steps of a workflow as if none came after another.
    Orderless(IgnoresOrder);
}

macro_rules! mistaken_enqueuers {
    ($( $(#[$doc:meta])* $name:ident($mistake:ident); )*) => {$(
        $(#[$doc])*
        pub(super) struct $name;

        impl Kind for $name {
            fn check_settings(settings: &Map<String, Value>) -> Vec<(String, String)> {
                JobEnqueuerKind::check_settings(settings)
            }

            fn traits() -> KindTraits {
                KindTraits { jobs: JobsRole::Enqueues, ..KindTraits::default() }
            }

            fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
                enqueuer(service, plan, Mistake::$mistake)
            }
        }
    )*};
}

mistaken_enqueuers! {
    /// Enqueues every tick by itself, as cron on every machine does.
    Alone(NeverAsks);
    /// Enqueues half past two again when the clocks have been put back to two.
    Doubling(TicksTwice);
}
