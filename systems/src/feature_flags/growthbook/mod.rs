//! GrowthBook's dialect: conditions on any JSON, numbers of its own to bucket by, experiments with coverage, namespaces,
//! holdouts and sticky buckets. Never loads or saves anything: sticky buckets are behind a trait.

pub mod bucketing;
mod compare;
mod condition;
mod definition;
mod experiment;
mod features;
mod sticky;
mod sticky_log;

pub use condition::{Condition, Groups};
pub use definition::{
    BanditDefinition, ExperimentDefinition, FeatureDefinition, FeatureSetDefinition, Filter, LeafDefinition,
    ParentCondition, ReadFeature, RuleDefinition, VariationMeta,
};
pub use experiment::{Experiment, ExperimentResult, Leaf};
pub use features::{FeatureResult, Features, Source, User};
pub use sticky::{Assignments, MemoryStickyStore, NotSticky, StickyStore};
pub use sticky_log::{LogWrite, LoggedStickyStore, Recovered, SyncPolicy};
