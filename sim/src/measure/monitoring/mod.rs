//! The harness' own books on a system's monitoring: what really happened beside what was told of it. The simulated
//! world never sees them.

mod book;
mod windows;

use std::collections::BTreeMap;

use self::book::Book;
use crate::cluster::{Note, Probes};
use crate::kernel::time::{Span, Time};
use crate::scenario::plan::{Plan, ServiceId};

pub use book::{AlertMeasured, CollectedProbe, EventAccounts, MonitoringMeasured, Silence, Unreported};
pub use windows::{Gap, WindowTold, WindowsMeasured};

/// The books on every service that reports on itself, and on the alerts.
pub(crate) struct Monitoring {
    /// By service.
    books: Vec<Option<Box<Book>>>,
    alerts: BTreeMap<(ServiceId, String), AlertMeasured>,
}

/// What only the nodes and the arenas know when the run stops, by service.
#[derive(Debug, Default)]
pub(crate) struct MonitoringEnd {
    /// Replicas whose process runs.
    pub(crate) alive: BTreeMap<ServiceId, Vec<u32>>,
    pub(crate) unreported: BTreeMap<ServiceId, Unreported>,
    /// Events of reports that say differences and have not arrived yet.
    pub(crate) under_way: BTreeMap<ServiceId, u64>,
    pub(crate) collected: Vec<CollectedProbe>,
}

impl MonitoringEnd {
    /// What a replica shows of itself when the run stops.
    pub(crate) fn add_replica(&mut self, service: ServiceId, replica: u32, is_up: bool, probes: &mut Probes) {
        if is_up {
            self.alive.entry(service).or_default().push(replica);
        }
        let sum = self.unreported.entry(service).or_default();
        sum.buffered += probes.unreported.buffered;
        sum.lost_in_crash += probes.unreported.lost_in_crash;
        self.collected.append(&mut probes.collected);
    }

    /// A note that nobody has got yet.
    pub(crate) fn add_under_way(&mut self, note: &Note) {
        if let Note::Telemetry(report) = note {
            *self.under_way.entry(report.service).or_default() += report.events();
        }
    }
}

impl Monitoring {
    pub(crate) fn new(plan: &Plan) -> Monitoring {
        let books = plan
            .services
            .iter()
            .map(|service| service.telemetry.as_ref().map(|telemetry| Box::new(Book::new(telemetry))));
        Monitoring { books: books.collect(), alerts: BTreeMap::new() }
    }

    fn book(&mut self, service: ServiceId) -> Option<&mut Book> {
        self.books.get_mut(service.index())?.as_deref_mut()
    }

    /// A replica, in one of its lives, has answered a request.
    #[inline]
    pub(crate) fn answered(
        &mut self,
        service: ServiceId,
        who: (u32, u32),
        latency: Span,
        recorded: bool,
        now: Time,
    ) {
        if let Some(book) = self.book(service) {
            book.answered(who, latency, recorded, now);
        }
    }

    /// A report has come to somebody for the first time.
    pub(crate) fn note_arrived(&mut self, note: &Note) {
        if let Note::Telemetry(report) = note
            && let Some(book) = self.book(report.service)
        {
            book.arrived((report.replica, report.life), report.events());
        }
    }

    /// A report is gone, and nobody has ever got it.
    pub(crate) fn note_lost(&mut self, note: &Note) {
        if let Note::Telemetry(report) = note
            && let Some(book) = self.book(report.service)
        {
            book.lost(report.events());
        }
    }

    /// Somebody shows windows of this length of what a service reports.
    pub(crate) fn shows(&mut self, service: ServiceId, window: Span) {
        if let Some(book) = self.book(service) {
            book.windows.set_length(window);
        }
    }

    pub(crate) fn window_told(&mut self, service: ServiceId, window: WindowTold) {
        if let Some(book) = self.book(service) {
            book.windows.told(window);
        }
    }

    pub(crate) fn alert_changed(
        &mut self,
        (by, name): (ServiceId, &str),
        fires: bool,
        is_missing: bool,
        now: Time,
    ) {
        let key = (by, name.to_string());
        self.alerts.entry(key).or_default().changed(fires, is_missing, now);
    }

    /// What was measured of each service that reports, and of the alerts: by service that evaluates them, and name.
    pub(crate) fn finish(
        self,
        plan: &Plan,
        mut end: MonitoringEnd,
    ) -> (Vec<MonitoringMeasured>, BTreeMap<(String, String), AlertMeasured>) {
        let mut measured = Vec::new();
        for (index, book) in self.books.into_iter().enumerate() {
            let Some(telemetry) = &plan.services[index].telemetry else { continue };
            let Some(book) = book else { continue };
            let service = ServiceId(index as u32);
            let collected = end.collected.iter().position(|probe| probe.service == service);
            let collected = collected.map(|position| end.collected.swap_remove(position));
            let name = plan.services[index].name.clone();
            let aggregator = plan.services[telemetry.to.index()].name.clone();
            measured.push(book.finish((name, aggregator), service, collected, &end));
        }
        let name = |service: ServiceId| plan.services[service.index()].name.clone();
        let alerts = self.alerts.into_iter().map(|((by, alert), measured)| ((name(by), alert), measured));
        (measured, alerts.collect())
    }
}
