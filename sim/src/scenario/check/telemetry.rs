//! Who reports what of itself to whom.

use serde_json::{Map, Value};

use super::Checker;
use super::run::span_or;
use crate::kernel::draw::name_hash;
use crate::kernel::time::Span;
use crate::scenario::path::Path;
use crate::scenario::plan::{
    Condition, HistogramKind, Party, ServiceId, ServicePlan, TelemetryPlan, TelemetryRole, Temporality,
};
use crate::scenario::raw::{
    RawHistogramKind, RawLabel, RawScenario, RawService, RawTelemetry, RawTemporality,
};
use crate::scenario::suggest;

/// The alerts among the settings of a service that collects.
fn alerts(settings: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    settings.get("alerts").and_then(Value::as_object).into_iter().flatten()
}

/// From one report to the next, unless said otherwise.
const EVERY: Span = Span::from_secs(10);
/// Most replicas of a service that reports: each keeps histograms, and so does whoever collects.
const MOST_REPORTERS: u32 = 1_000;
/// Most series a replica may be asked to count apart.
const SERIES_LIMIT: u32 = 1_000_000;
/// Series counted apart, unless said otherwise: OpenTelemetry's limit.
const MOST_SERIES: u32 = 2_000;

impl Checker<'_> {
    /// The telemetry of all services; their links come after those of all calls.
    pub(crate) fn resolve_telemetry(&mut self, raw: &RawScenario) {
        for (index, (name, service)) in raw.services.iter().enumerate() {
            let Some(telemetry) = &service.telemetry else { continue };
            let path = Path::root().key("services").key(name).key("telemetry");
            self.check_reporter(&path, name, service);
            let replicas = self.services.get(index).map_or(0, |service| service.max_replicas);
            if replicas > MOST_REPORTERS {
                let message = format!("{replicas} replicas that report are too many");
                self.error_at_key(&path, message, Some(format!("the most is {MOST_REPORTERS}")));
            }
            let plan = self.telemetry_plan(&path, telemetry, ServiceId(index as u32));
            if let Some(service) = self.services.get_mut(index) {
                service.telemetry = plan;
            }
        }
        self.check_alerts(raw);
    }

    /// Whoever collects has alerts on services; each has to report to it.
    fn check_alerts(&mut self, raw: &RawScenario) {
        for (index, (name, service)) in raw.services.iter().enumerate() {
            let kind = service.kind.as_deref().unwrap_or(super::PLAIN_KIND);
            if self.around.kinds.traits(kind).telemetry != TelemetryRole::Collects {
                continue;
            }
            let id = ServiceId(index as u32);
            let reports_here =
                |plan: &ServicePlan| plan.telemetry.as_ref().is_some_and(|telemetry| telemetry.to == id);
            for (alert, settings) in alerts(&service.settings) {
                let Some(of) = settings.get("of").and_then(Value::as_str) else { continue };
                let path = Path::root().key("services").key(name).key("alerts").key(alert).key("of");
                let Some(watched) = self.service(&path, of) else { continue };
                if !self.services.get(watched.index()).is_some_and(reports_here) && self.lost.is_whole(&path)
                {
                    let message = format!("`{of}` does not report to `{name}`");
                    let help = format!("add `telemetry: {{to: {name}}}` to `{of}`");
                    self.error_at_value(&path, message, Some(help));
                }
            }
        }
    }

    /// Reads `metrics/slow`: an alert of a service that collects.
    pub(crate) fn alert_named(&mut self, path: &Path, text: &str) -> Option<Condition> {
        let Some((collector, alert)) = text.trim().split_once('/') else {
            let help = "write the service and the alert, as in `metrics/slow`".to_string();
            self.error_at_value(path, format!("`{text}` is not an alert"), Some(help));
            return None;
        };
        let at = self.service(path, collector)?;
        let plan = self.services.get(at.index())?;
        let is_collector = self.around.kinds.traits(&plan.kind).telemetry == TelemetryRole::Collects;
        let known: Vec<String> = match is_collector {
            true => alerts(&plan.settings).map(|(name, _)| name.clone()).collect(),
            false => Vec::new(),
        };
        if !known.iter().any(|name| name == alert) {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let help = suggest::help(alert, &known);
            self.error_at_value(path, format!("`{collector}` has no alert `{alert}`"), help);
            return None;
        }
        Some(Condition::AlertFires { at, name: name_hash(alert) })
    }

    fn check_reporter(&mut self, path: &Path, name: &str, raw: &RawService) {
        let kind = raw.kind.as_deref().unwrap_or(super::PLAIN_KIND);
        if self.around.kinds.names().iter().any(|known| known == kind)
            && self.around.kinds.traits(kind).telemetry != TelemetryRole::Reports
        {
            let message = format!("`{name}` is of kind `{kind}`, which reports nothing of itself");
            self.error_at_key(path, message, Some("remove `telemetry`".to_string()));
        }
    }

    fn telemetry_plan(&mut self, path: &Path, raw: &RawTelemetry, from: ServiceId) -> Option<TelemetryPlan> {
        let to = self.collector(&path.key("to"), &raw.to);
        self.check_telemetry(path, raw);
        let to = to?;
        let labels = raw.labels.as_deref().unwrap_or_default();
        let (reporter, collector) = (Party::Service(from), Party::Service(to));
        Some(TelemetryPlan {
            to,
            report_link: self.link(reporter, collector),
            answer_link: self.link(collector, reporter),
            every: span_or(raw.every.as_ref(), EVERY),
            histogram: match raw.histogram {
                None | Some(RawHistogramKind::Hdr) => HistogramKind::Hdr,
                Some(RawHistogramKind::Relative) => HistogramKind::Relative,
                Some(RawHistogramKind::Classic) => HistogramKind::Classic,
                Some(RawHistogramKind::Exponential) => HistogramKind::Exponential,
            },
            temporality: match raw.temporality {
                None | Some(RawTemporality::Delta) => Temporality::Delta,
                Some(RawTemporality::Cumulative) => Temporality::Cumulative,
            },
            queue: raw.queue.as_ref().map_or(0, |queue| queue.0),
            sample_ppm: raw.sample.as_ref().map_or(1_000_000, |share| share.0),
            slow: raw.slow.as_ref().zip(raw.sample_slow.as_ref()).map(|(slow, share)| (slow.0, share.0)),
            expected_interval: raw.expected_interval.as_ref().map(|interval| interval.0),
            by_operation: labels.iter().any(|label| matches!(label, RawLabel::Operation)),
            by_key: labels.iter().any(|label| matches!(label, RawLabel::Key)),
            max_series: raw.max_series.as_ref().map_or(MOST_SERIES, |most| most.0),
        })
    }

    /// The service that collects reports.
    fn collector(&mut self, path: &Path, name: &str) -> Option<ServiceId> {
        let service = self.service(path, name)?;
        let plan = self.services.get(service.index())?;
        let (kind, replicas) = (plan.kind.clone(), plan.max_replicas);
        if self.around.kinds.traits(&kind).telemetry != TelemetryRole::Collects {
            let message = format!("`{name}` is of kind `{kind}`, which collects no reports");
            self.error_at_value(path, message, Some("name a service of kind `metrics`".to_string()));
            return None;
        }
        if replicas > 1 {
            let message =
                format!("`{name}` has {replicas} replicas, and each would see only some of the reports");
            self.error_at_value(path, message, Some("leave it with one replica".to_string()));
        }
        Some(service)
    }

    /// What does not fit together.
    fn check_telemetry(&mut self, path: &Path, raw: &RawTelemetry) {
        if raw.every.as_ref().is_some_and(|every| every.0 < Span::from_millis(1)) {
            let help = Some("write `10s`; 1ms is the least".to_string());
            self.error_at_value(&path.key("every"), "reports without a pause".to_string(), help);
        }
        match (&raw.slow, &raw.sample_slow) {
            (None, Some(_)) => {
                let help = Some("add `slow: 100ms`".to_string());
                let message = "nothing says from when on a request is slow".to_string();
                self.error_at_key(&path.key("sample_slow"), message, help);
            }
            (Some(_), None) => {
                let help = Some("add `sample_slow: 100%`".to_string());
                self.warn(&path.key("slow"), "`slow` has no effect without `sample_slow`".to_string(), help);
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
        let cumulative = matches!(raw.temporality, Some(RawTemporality::Cumulative));
        let moving =
            matches!(raw.histogram, Some(RawHistogramKind::Relative | RawHistogramKind::Exponential));
        if cumulative && moving {
            let message =
                "running sums of a histogram whose buckets move cannot be told apart again".to_string();
            let help = Some("use `hdr` or `classic`, or `temporality: delta`".to_string());
            self.error_at_value(&path.key("histogram"), message, help);
        }
        if cumulative && raw.queue.as_ref().is_some_and(|queue| queue.0 > 0) {
            let message =
                "`queue` has no effect on running sums: the next one makes up for one that was lost";
            self.warn(&path.key("queue"), message.to_string(), None);
        }
        if let Some(interval) = &raw.expected_interval {
            let at = path.key("expected_interval");
            if interval.0.is_zero() {
                let help = Some("leave it out for no correction".to_string());
                self.error_at_value(&at, "an interval of no length".to_string(), help);
            }
            if !matches!(raw.histogram, None | Some(RawHistogramKind::Hdr)) {
                let message = "only `histogram: hdr` makes up for requests that were not made".to_string();
                self.error_at_key(&at, message, Some("remove one of the two".to_string()));
            }
        }
        if raw.max_series.as_ref().is_some_and(|most| most.0 > SERIES_LIMIT) {
            let message = "nobody can keep so many series apart".to_string();
            let help = format!("the most is {SERIES_LIMIT}");
            self.error_at_value(&path.key("max_series"), message, Some(help));
        }
        if raw.max_series.is_some() && raw.labels.as_ref().is_none_or(Vec::is_empty) {
            let help = Some("add `labels: [operation]`".to_string());
            let message = "`max_series` has no effect without `labels`".to_string();
            self.warn(&path.key("max_series"), message, help);
        }
    }
}
