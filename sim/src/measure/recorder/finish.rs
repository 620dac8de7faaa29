//! The end of a run: sums and histograms become what was measured.

use std::collections::BTreeMap;

use super::{Recorder, ServiceLevels};
use crate::kernel::time::Time;
use crate::measure::jobs::JobBook;
use crate::measure::money::MoneyEnd;
use crate::measure::monitoring::{AlertMeasured, MonitoringEnd, MonitoringMeasured};
use crate::measure::notifications::NoticeProbe;
use crate::measure::watch::Counters;
use crate::measure::{
    ConfigBook, ConfigsMeasured, FlagsMeasured, JobsMeasured, LimitMeasured, LinkMeasured, LoadMeasured,
    Measured, SloMeasured,
};
use crate::scenario::plan::{Plan, ServiceId};

/// What only the arenas know when the run stops.
pub(crate) struct EndState {
    /// Requests under way, all and of those started after the warm-up, by load.
    pub(crate) load_in_flight: Vec<(u64, u64)>,
    pub(crate) inside: Vec<u64>,
    pub(crate) population_ns: Vec<u128>,
    pub(crate) links: Vec<LinkMeasured>,
    pub(crate) systems: BTreeMap<String, BTreeMap<String, u64>>,
    pub(crate) monitoring: MonitoringEnd,
    pub(crate) money: MoneyEnd,
    /// Of those that notify: whether they run, and what they still have to do.
    pub(crate) notices: Vec<(ServiceId, bool, NoticeProbe)>,
}

impl Recorder {
    /// Puts everything together. `inside` and `in_flight` were counted in the arenas.
    pub(crate) fn finish(mut self, plan: &Plan, end: EndState, now: Time) -> Measured {
        let unseen: Vec<_> = self.config_books.values_mut().flat_map(|book| book.close()).collect();
        self.config_broken(unseen, now);
        let (load_end_ns, levels_at_end) =
            self.levels_at_load_end.take().unwrap_or_else(|| (self.now_ns, self.levels.clone()));
        let run_ns = load_end_ns.saturating_sub(u128::from(self.warm_at.as_nanos())).max(1);
        let counters: Vec<Counters> = self.watches.iter().map(|watch| self.counters(watch)).collect();
        let mut slos: Vec<SloMeasured> = std::mem::take(&mut self.watches)
            .into_iter()
            .zip(counters)
            .map(|(watch, at_end)| watch.finish(at_end))
            .collect();
        let marks = slos.split_off(plan.slos.len().min(slos.len()));
        let limits = self.limits();
        let mut systems = end.systems;
        for (name, limit) in &limits {
            if let Some(counts) = systems.get_mut(name) {
                counts.insert("over_admitted".to_string(), limit.over_admitted);
                counts.insert("most_in_window".to_string(), limit.most_in_window);
            }
        }
        let loads = self.loads.into_iter().zip(end.load_in_flight).map(|(mut record, (all, warm))| {
            record.measured.latency = record.latency.summary();
            record.measured.failed_latency = record.failed_latency.summary();
            record.measured.all.in_flight = all;
            record.measured.in_flight = warm;
            record.measured
        });
        let services = self.services.into_iter().enumerate().map(|(index, mut record)| {
            let (levels, warm) = (&levels_at_end[index], &self.levels_at_warm[index]);
            record.measured.wait = record.wait.summary();
            record.measured.service = record.service.summary();
            record.measured.utilization_ppm = share_ppm(levels, warm);
            let waiting_ns = levels.waiting_ns - warm.waiting_ns;
            record.measured.queue_mean_milli = u64::try_from(waiting_ns * 1_000 / run_ns).unwrap_or(u64::MAX);
            record.measured.all.in_system = end.inside[index];
            record.measured.in_system_integral_ns = end.population_ns[index];
            record.measured
        });
        let (monitoring, alerts) = self.monitoring.finish(plan, end.monitoring);
        add_monitoring(&mut systems, &monitoring, &alerts);
        let jobs = jobs_measured(plan, std::mem::take(&mut self.job_books), now, &mut systems);
        let configs = configs_measured(plan, &self.config_books, now, &mut systems);
        let name = |service: ServiceId| plan.services[service.index()].name.clone();
        let money = self.money.finish(name, &end.money);
        for (service, counts) in money.iter().flat_map(|money| &money.systems) {
            let counts = counts.iter().map(|(count, value)| (count.to_string(), *value));
            systems.entry(service.clone()).or_default().extend(counts);
        }
        let bookings = self.bookings.finish(name);
        for (service, counts) in bookings.iter().flat_map(|bookings| &bookings.systems) {
            let counts = counts.iter().map(|(count, value)| (count.to_string(), *value));
            systems.entry(service.clone()).or_default().extend(counts);
        }
        let flags = self.flags.finish(plan, now);
        add_flags(&mut systems, &flags);
        let notifications = self.notifications.finish(name, &end.notices, now);
        for (service, counts) in notifications.iter().flat_map(|notifications| &notifications.systems) {
            systems.entry(service.clone()).or_default().extend(counts.clone());
        }
        let loads: Vec<LoadMeasured> = loads.collect();
        let edges = self.edges.into_iter().map(|mut record| {
            record.measured.latency = match record.load {
                Some(load) => loads[load.index()].latency,
                None => record.latency.summary(),
            };
            record.measured
        });
        let edges = edges.collect();
        Measured {
            loads,
            services: services.collect(),
            edges,
            links: end.links,
            timeline: self.timeline,
            slos,
            marks,
            entries: self.entries,
            systems,
            limits,
            monitoring,
            configs,
            money,
            bookings,
            notifications,
            alerts,
            jobs,
            flags,
            violations: self.violations,
        }
    }
}

impl Recorder {
    /// What the limits let pass, by the names of their owners.
    fn limits(&self) -> BTreeMap<String, LimitMeasured> {
        let of_services = self
            .service_limits
            .iter()
            .map(|(service, watch)| (&self.services[service.index()].measured.name, watch));
        let of_edges =
            self.edge_limits.iter().map(|(edge, watch)| (&self.edges[edge.index()].measured.name, watch));
        of_services.chain(of_edges).map(|(name, watch)| (name.clone(), watch.measured())).collect()
    }
}

/// What the books say of jobs, among what their schedulers show.
fn jobs_measured(
    plan: &Plan,
    books: Vec<Option<Box<JobBook>>>,
    now: Time,
    systems: &mut BTreeMap<String, BTreeMap<String, u64>>,
) -> Vec<JobsMeasured> {
    let kept = plan.services.iter().zip(books).filter_map(|(service, book)| Some((service, book?)));
    let measured = kept.map(|(service, book)| {
        let measured = book.finish(service.name.clone(), now);
        systems.entry(service.name.clone()).or_default().extend(measured.counts());
        measured
    });
    measured.collect()
}

/// What the books say of configuration, among what the servers show.
fn configs_measured(
    plan: &Plan,
    books: &BTreeMap<ServiceId, Box<ConfigBook>>,
    now: Time,
    systems: &mut BTreeMap<String, BTreeMap<String, u64>>,
) -> Vec<ConfigsMeasured> {
    let measured = books.iter().map(|(service, book)| {
        let measured = book.finish(plan.services[service.index()].name.clone(), now);
        systems.entry(measured.server.clone()).or_default().extend(measured.counts());
        measured
    });
    measured.collect()
}

/// What was collected, and the alerts on it, among what the collecting service shows.
fn add_monitoring(
    systems: &mut BTreeMap<String, BTreeMap<String, u64>>,
    monitoring: &[MonitoringMeasured],
    alerts: &BTreeMap<(String, String), AlertMeasured>,
) {
    for measured in monitoring {
        systems.entry(measured.aggregator.clone()).or_default().extend(measured.counts());
    }
    for ((service, name), alert) in alerts {
        let first = [("first_fired_us", alert.first_fired), ("first_resolved_us", alert.first_resolved)];
        let counts = [("fired", alert.fired), ("resolved", alert.resolved)];
        let times = first.into_iter().filter_map(|(what, at)| Some((what, at?.as_micros())));
        let named =
            counts.into_iter().chain(times).map(|(what, count)| (format!("alert.{name}.{what}"), count));
        systems.entry(service.clone()).or_default().extend(named);
    }
}

/// How the copies of flags fared at whoever keeps them, and what was evaluated at whoever follows them.
fn add_flags(systems: &mut BTreeMap<String, BTreeMap<String, u64>>, flags: &[FlagsMeasured]) {
    for measured in flags {
        systems.entry(measured.server.clone()).or_default().extend(measured.counts());
        for service in &measured.services {
            systems.entry(service.service.clone()).or_default().extend(service.counts());
        }
    }
}

pub(super) fn share_ppm(levels: &ServiceLevels, before: &ServiceLevels) -> u32 {
    let capacity_ns = levels.capacity_ns - before.capacity_ns;
    let busy_ns = levels.busy_ns - before.busy_ns;
    let share = (busy_ns * 1_000_000).checked_div(capacity_ns).unwrap_or(0);
    u32::try_from(share).unwrap_or(u32::MAX)
}
