//! What objectives divide by what: counters as of now, by target and metric.

use super::Recorder;
use crate::measure::watch::{Counters, Watch};
use crate::scenario::plan::{EdgeId, LoadId, Metric, ServiceId, Target};

impl Recorder {
    /// The counters of an objective, as of now.
    pub(super) fn counters(&self, watch: &Watch) -> Counters {
        if let Some(counters) = watch.operation_counters() {
            return match watch.plan.metric {
                Metric::Goodput => Counters { whole: self.now_ns, part: counters.part },
                Metric::ErrorRate => Counters { whole: counters.whole, part: counters.whole - counters.part },
                Metric::Latency(_)
                | Metric::LatencyAll(_)
                | Metric::Availability
                | Metric::AttemptsPerRequest
                | Metric::Amplification
                | Metric::QueueDepth(_)
                | Metric::Utilization
                | Metric::RecoveryTime => counters,
            };
        }
        match watch.plan.target {
            Target::Load(load, _) => self.load_counters(load, watch.plan.metric),
            Target::Edge(edge) => self.edge_counters(edge, watch.plan.metric),
            Target::Service(service) => self.service_counters(service, watch.plan.metric),
        }
    }

    fn load_counters(&self, load: LoadId, metric: Metric) -> Counters {
        let record = &self.loads[load.index()];
        match metric {
            Metric::AttemptsPerRequest | Metric::Amplification => {
                let edge = &self.edges[record.edge.index()];
                Counters { whole: edge.requests, part: edge.attempts }
            }
            Metric::ErrorRate => {
                Counters { whole: record.ended.whole, part: record.ended.whole - record.ended.part }
            }
            Metric::Goodput => Counters { whole: self.now_ns, part: record.ended.part },
            Metric::Availability => record.ended,
            Metric::Latency(_)
            | Metric::LatencyAll(_)
            | Metric::QueueDepth(_)
            | Metric::Utilization
            | Metric::RecoveryTime => Counters::default(),
        }
    }

    fn edge_counters(&self, edge: EdgeId, metric: Metric) -> Counters {
        let record = &self.edges[edge.index()];
        match metric {
            Metric::AttemptsPerRequest => Counters { whole: record.requests, part: record.attempts },
            Metric::Amplification => Counters { whole: self.offered, part: record.attempts },
            Metric::ErrorRate => Counters { whole: record.ended, part: record.failed },
            Metric::Availability => Counters { whole: record.ended, part: record.good },
            Metric::Goodput => Counters { whole: self.now_ns, part: record.good },
            Metric::Latency(_)
            | Metric::LatencyAll(_)
            | Metric::QueueDepth(_)
            | Metric::Utilization
            | Metric::RecoveryTime => Counters::default(),
        }
    }

    fn service_counters(&self, service: ServiceId, metric: Metric) -> Counters {
        let levels = self.levels[service.index()];
        let into = || self.edges.iter().filter(move |edge| edge.callee == service);
        let counts = &self.services[service.index()].measured.all;
        match metric {
            Metric::QueueDepth(_) => Counters { whole: self.now_ns, part: levels.waiting_ns },
            Metric::Utilization => Counters { whole: levels.capacity_ns, part: levels.busy_ns },
            Metric::Amplification => {
                Counters { whole: self.offered, part: self.services[service.index()].arrivals }
            }
            Metric::AttemptsPerRequest => Counters {
                whole: into().map(|edge| edge.requests).sum(),
                part: into().map(|edge| edge.attempts).sum(),
            },
            Metric::ErrorRate => Counters {
                whole: u128::from(counts.completed + counts.turned_away),
                part: u128::from(counts.turned_away),
            },
            Metric::Availability => Counters {
                whole: u128::from(counts.completed + counts.turned_away),
                part: u128::from(counts.completed),
            },
            Metric::Goodput => Counters { whole: self.now_ns, part: u128::from(counts.completed) },
            Metric::Latency(_) | Metric::LatencyAll(_) | Metric::RecoveryTime => Counters::default(),
        }
    }
}
