//! Kind `metrics`: collects what replicas report of themselves and turns it into windows, percentiles, rates and alerts.
//! It knows only what it is told over links. What it has taken is on its disk, so that a crash costs it only what is
//! sent meanwhile.

mod alerts;
mod life;
mod settings;
mod source;
mod window;

use std::collections::BTreeMap;
use std::sync::Arc;

use foreshock_systems::metrics::temporality::CumulativeToDelta;
use foreshock_systems::metrics::{AlertChange, Labels, Registry, SeriesId};
use serde_json::{Map, Value};

use self::alerts::Watched;
use self::life::Addition;
use self::settings::Settings;
use self::source::{Source, Taken};
use super::Kind;
use super::service::ServiceNode;
use super::telemetry::Report;
use super::tokens::TICK;
use crate::cluster::{ConfigEdit, Cx, Durable, Message, Node, NodeId, Note, Probes, Ref, Request, Token};
use crate::kernel::draw::{Lineage, name_hash};
use crate::kernel::time::{Span, Time};
use crate::measure::WindowTold;
use crate::scenario::plan::{
    KindTraits, Plan, ServiceId, ServicePlan, TelemetryPlan, TelemetryRole, Temporality,
};

/// Kind `metrics`.
pub(super) struct Metrics;

impl Kind for Metrics {
    fn check_settings(settings: &Map<String, Value>) -> Vec<(String, String)> {
        settings::read(settings).err().unwrap_or_default()
    }

    fn traits() -> KindTraits {
        KindTraits { has_admission: true, telemetry: TelemetryRole::Collects, ..KindTraits::default() }
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        Box::new(Collector::new(service, plan))
    }
}

/// A node that collects. Requests it answers like any service.
pub(super) struct Collector {
    service: ServiceId,
    plan: Arc<Plan>,
    inner: ServiceNode,
    settings: Settings,
    sources: Vec<Source>,
    alerts: Vec<Watched>,
    series: Registry<Series>,
    overflowed: u64,
    /// Answers sent.
    /// Answers sent, by whom they go to: what others are told is none of their chance.
    answers: BTreeMap<NodeId, u64>,
}

/// Requests of one label set.
#[derive(Clone, Default)]
struct Series {
    requests: u64,
    running: CumulativeToDelta,
}

impl Collector {
    pub(super) fn new(service: ServiceId, plan: &Arc<Plan>) -> Collector {
        let settings = read(&plan.services[service.index()]);
        let sources: Vec<Source> = reporters(service, plan)
            .map(|(reporter, telemetry)| Source::new(reporter, telemetry, plan, &settings))
            .collect();
        Collector {
            service,
            plan: Arc::clone(plan),
            inner: ServiceNode::new(service, plan, None),
            alerts: watched(&settings, &sources),
            series: Registry::new(settings.max_series as usize, Series::default()),
            overflowed: 0,
            answers: BTreeMap::new(),
            sources,
            settings,
        }
    }

    /// From when on a silent replica of a service is missing.
    fn stale_after(&self, source: usize) -> Span {
        let service = &self.plan.services[self.sources[source].service.index()];
        let every = service.telemetry.as_ref().map_or(Span::ZERO, |telemetry| telemetry.every);
        self.settings.stale_after.unwrap_or(self.settings.window.max(every).saturating_mul(3))
    }

    fn arm(&self, cx: &mut Cx<'_>) {
        let every_ns = self.settings.evaluate.unwrap_or(self.settings.window).as_nanos().max(1);
        let passed = cx.now().as_nanos() / every_ns + 1;
        cx.wake_at(Time::from_nanos(passed.saturating_mul(every_ns)), TICK);
    }

    pub(super) fn take(&mut self, from: NodeId, note: Ref, cx: &mut Cx<'_>) {
        let now = cx.local_time();
        let Some(Note::Telemetry(report)) = cx.note(note) else { return };
        let Some(source) = self.sources.iter().position(|source| source.service == report.service) else {
            return;
        };
        let stale_after = self.stale_after(source);
        let taken = self.sources[source].take(now, report, stale_after);
        if let Taken::Added(addition) = taken {
            self.count_series(source, report, &addition);
            for alert in self.alerts.iter_mut().filter(|alert| alert.source == source) {
                alert.record(now, report.replica, &addition);
            }
        }
        let answer = report.wants_answer.then_some((report.life, report.sequence));
        self.tell(source, now, cx);
        if let Some((life, sequence)) = answer {
            self.answer(source, from, Note::TelemetryTaken { life, sequence }, cx);
        }
    }

    fn count_series(&mut self, source: usize, report: &Report, addition: &Addition) {
        self.overflowed += addition.overflowed;
        let overflow = self.series.get_mut(SeriesId::OVERFLOW);
        overflow.requests += addition.overflowed;
        let replica = (report.replica + 1).to_string();
        for series in &report.series {
            let operation =
                series.operation.map(|operation| self.plan.operations[operation.index()].as_str());
            let key = series.key.map(|key| key.to_string());
            let labels = Labels::new([
                ("service", self.sources[source].name.as_str()),
                ("replica", replica.as_str()),
                ("operation", operation.unwrap_or_default()),
                ("key", key.as_deref().unwrap_or_default()),
            ]);
            let id = self.series.series(&labels.expect("the names are there and differ"));
            let counted = self.series.get_mut(id);
            let added = match report.temporality {
                Temporality::Delta => series.requests,
                Temporality::Cumulative if id == SeriesId::OVERFLOW => 0,
                Temporality::Cumulative => {
                    counted.running.observe(Time::from_nanos(report.sequence), series.requests).amount()
                }
            };
            counted.requests += added;
            self.overflowed += if id == SeriesId::OVERFLOW { added } else { 0 };
        }
    }

    /// Hands on what was told of windows.
    fn tell(&mut self, source: usize, now: Time, cx: &mut Cx<'_>) {
        let service = self.sources[source].service;
        for window in std::mem::take(&mut self.sources[source].told) {
            cx.window_told(service, window);
            self.heed(source, now, &window);
        }
    }

    fn heed(&mut self, source: usize, now: Time, window: &WindowTold) {
        for alert in self.alerts.iter_mut().filter(|alert| alert.source == source) {
            alert.window_told(now, window);
        }
    }

    fn answer(&mut self, source: usize, to: NodeId, note: Note, cx: &mut Cx<'_>) {
        let service = &self.plan.services[self.sources[source].service.index()];
        let Some(link) = service.telemetry.as_ref().map(|telemetry| telemetry.answer_link) else { return };
        let answers = self.answers.entry(to).or_insert(0);
        *answers += 1;
        let own = &self.plan.services[self.service.index()].name;
        let identity = Lineage::root(name_hash(&format!("telemetry/{own}")) ^ cx.name_of(to), *answers).raw();
        let note = cx.write(note);
        cx.send_note(link, to, note, identity);
        cx.forget(note);
    }

    fn tick(&mut self, cx: &mut Cx<'_>) {
        self.arm(cx);
        let now = cx.local_time();
        for source in 0..self.sources.len() {
            let stale_after = self.stale_after(source);
            self.sources[source].tick(now, &self.settings, stale_after);
            self.tell(source, now, cx);
        }
        for position in 0..self.alerts.len() {
            let source = self.alerts[position].source;
            let stale_after = self.stale_after(source);
            let is_missing = self.sources[source].misses_any(now, stale_after, self.settings.forget_after);
            let alert = &mut self.alerts[position];
            let name = alert.settings.name.clone();
            alert.evaluate(now, is_missing, stale_after, |change| match change {
                AlertChange::Fired => cx.alert_changed(&name, true, is_missing),
                AlertChange::Resolved => cx.alert_changed(&name, false, is_missing),
            });
        }
    }
}

fn read(plan: &ServicePlan) -> Settings {
    settings::read(&plan.settings).expect("the plan's settings were checked")
}

/// The services that report to `collector`.
fn reporters(collector: ServiceId, plan: &Plan) -> impl Iterator<Item = (ServiceId, &TelemetryPlan)> {
    let services = (0..).map(ServiceId).zip(&plan.services);
    services.filter_map(move |(id, service)| {
        let telemetry = service.telemetry.as_ref().filter(|telemetry| telemetry.to == collector)?;
        Some((id, telemetry))
    })
}

fn watched(settings: &Settings, sources: &[Source]) -> Vec<Watched> {
    let alerts = settings.alerts.iter().filter_map(|alert| {
        let source = sources.iter().position(|source| source.name == alert.of)?;
        Some(Watched::new(alert.clone(), source, sources[source].replica_count()))
    });
    alerts.collect()
}

impl Node for Collector {
    fn start(&mut self, cx: &mut Cx<'_>) {
        self.inner.start(cx);
        for source in &self.sources {
            cx.shows(source.service, self.settings.window);
        }
        self.arm(cx);
    }

    fn deliver(&mut self, from: NodeId, message: Message, cx: &mut Cx<'_>) {
        match message {
            Message::Note(note) => self.take(from, note, cx),
            Message::Request(_)
            | Message::Done(_)
            | Message::Cancel(_)
            | Message::Fill(_)
            | Message::Invalidate { .. }
            | Message::Load(_)
            | Message::Entry { .. }
            | Message::Flag(_) => self.inner.deliver(from, message, cx),
        }
    }

    fn wake(&mut self, token: Token, cx: &mut Cx<'_>) {
        if token == TICK { self.tick(cx) } else { self.inner.wake(token, cx) }
    }

    fn crash(&mut self, keep: Durable, lost: &mut dyn FnMut(&Request)) {
        self.inner.crash(keep, lost);
    }

    fn reconfigure(&mut self, edit: &ConfigEdit<'_>) -> Result<(), String> {
        let new = read(&edit.plan.services[self.service.index()]);
        let old = &self.settings;
        let fixed = |settings: &Settings| {
            let Settings { window, lateness, late, max_ahead, early, idle_after, max_series, .. } = settings;
            (*window, *lateness, *late, *max_ahead, *early, *idle_after, *max_series)
        };
        if fixed(&new) != fixed(old) {
            return Err("windows and the limit of series stay as they are while it collects".to_string());
        }
        self.inner.reconfigure(edit)?;
        self.plan = Arc::clone(edit.plan);
        if new.alerts != old.alerts {
            self.alerts = watched(&new, &self.sources);
        }
        self.settings = new;
        Ok(())
    }

    fn probe(&self, out: &mut Probes) {
        self.inner.probe(out);
        out.counts.insert("series", self.series.len() as u64);
        out.counts.insert("series_overflowed", self.overflowed);
        out.collected = self.sources.iter().map(Source::probe).collect();
    }
}
