//! What follows a configuration server inside a replica: the library's client over calls and notes, and what its values
//! do to the replica. A process that is not ready answers nobody.

use std::collections::BTreeMap;
use std::sync::Arc;

use foreshock_systems::config_manager::watch_log::LogEntry;
use foreshock_systems::config_manager::{
    Client, ClientConfig, ClientInput, ClientOutput, Layer, LinkCounters, LocalLayers, Origin, Push,
    Revision, Schema, Snapshot, Value, View,
};

use super::instance;
use super::wire::{Asked, Peer, Told, What};
use crate::cluster::{CallSpec, Cx, Probes, Ref};
use crate::kernel::agenda::Handle;
use crate::kernel::draw::{Key, Lineage, chance_ppm, name_hash};
use crate::kernel::time::{Span, Time};
use crate::nodes::tokens::CONFIG;
use crate::scenario::config_value::{CALL_DEADLINE, ERROR_RATE, SLOWDOWN};
use crate::scenario::plan::{ConfigClientPlan, ServiceId};

/// What the values in force do to a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::nodes) struct InForce {
    slowdown_milli: u64,
    error_ppm: u32,
    call_deadline: Option<Span>,
}

const NOTHING_SAID: InForce = InForce { slowdown_milli: 1_000, error_ppm: 0, call_deadline: None };

impl InForce {
    fn of(snapshot: &Snapshot) -> InForce {
        let number = |name: &str| snapshot.get(name).and_then(Value::as_integer);
        InForce {
            slowdown_milli: number(SLOWDOWN).map_or(1_000, |milli| u64::try_from(milli).unwrap_or(0)),
            error_ppm: number(ERROR_RATE).map_or(0, |ppm| u32::try_from(ppm).unwrap_or(0)),
            call_deadline: snapshot.get(CALL_DEADLINE).and_then(Value::as_duration),
        }
    }
}

#[derive(Default)]
struct Counts {
    boots_from_store: u64,
    boots_from_cache: u64,
    boots_from_local: u64,
    boots_failed: u64,
    boot_age_us_max: u64,
    turned_away: u64,
    errors: u64,
    invalid: u64,
    calls_failed: u64,
    /// Of lives that are over.
    link: LinkCounters,
}

/// The part of a replica that follows a configuration server.
pub(in crate::nodes) struct ConfigClient {
    plan: ConfigClientPlan,
    service: ServiceId,
    /// Writes down whatever comes instead of what the library takes.
    is_naive: bool,
    client: Option<Client>,
    instance: String,
    life: u32,
    /// The file beside the process.
    saved: Option<Vec<u8>>,
    is_ready: bool,
    /// What `in_force` was made of.
    used: Option<Arc<Snapshot>>,
    in_force: InForce,
    errors: Option<Key>,
    calls: u64,
    armed: Option<(Time, Handle)>,
    /// What a naive one has to write down.
    heard: Vec<LogEntry>,
    counts: Counts,
}

impl ConfigClient {
    pub(in crate::nodes) fn new(service: ServiceId, plan: &ConfigClientPlan) -> ConfigClient {
        ConfigClient {
            plan: plan.clone(),
            service,
            is_naive: false,
            client: None,
            instance: String::new(),
            life: 0,
            saved: None,
            is_ready: false,
            used: None,
            in_force: NOTHING_SAID,
            errors: None,
            calls: 0,
            armed: None,
            heard: Vec::new(),
            counts: Counts::default(),
        }
    }

    pub(in crate::nodes) const fn believe_everything(&mut self) {
        self.is_naive = true;
    }

    /// New settings: they count from the next start on, as flags of a process do.
    pub(in crate::nodes) fn reconfigure(&mut self, plan: &ConfigClientPlan) {
        self.plan = plan.clone();
    }

    /// The process starts.
    pub(in crate::nodes) fn start(&mut self, cx: &mut Cx<'_>) {
        self.stop(cx);
        if !cx.is_member() {
            return; // nobody has started it yet
        }
        self.life += 1;
        self.instance = instance(cx.plan(), self.service, cx.replica());
        self.errors = Some(cx.key("config_errors"));
        let life = cx.redrawn(u64::from(self.life));
        let seed = cx.key("config_client").draw2(u64::from(cx.replica()), life);
        let view = View { instance: self.instance.clone(), ..self.plan.client.view.clone() };
        let config = ClientConfig { view, seed, ..self.plan.client.clone() };
        let local =
            LocalLayers { defaults: self.plan.defaults.iter().cloned().collect(), ..LocalLayers::default() };
        let client = Client::new(config, Schema::default(), local);
        self.client = Some(client.expect("the plan's settings were checked"));
        let cache = self.saved.clone().filter(|_| self.plan.is_cached);
        self.handle(ClientInput::Start { cache }, cx);
        self.arm(cx);
    }

    /// The process ends, well or not.
    fn stop(&mut self, cx: &mut Cx<'_>) {
        if let Some((_, handle)) = self.armed.take() {
            cx.cancel_wake(handle);
        }
        self.crash();
    }

    /// The process dies; its file stays.
    pub(in crate::nodes) fn crash(&mut self) {
        if let Some(client) = self.client.take() {
            self.counts.link = sum(self.counts.link, client.counters());
        }
        self.is_ready = false;
        self.used = None;
        self.in_force = NOTHING_SAID;
        self.armed = None;
        self.heard.clear();
    }

    /// Whether requests are taken; one that is not is counted.
    pub(in crate::nodes) const fn takes_requests(&mut self) -> bool {
        self.counts.turned_away += if self.is_ready { 0 } else { 1 };
        self.is_ready
    }

    /// A request begins: what it takes under the values in force, and whether it will fail because of them.
    pub(in crate::nodes) fn begin_request(
        &mut self,
        demand: Span,
        identity: u64,
        cx: &mut Cx<'_>,
    ) -> (Span, bool) {
        let mut out = Vec::new();
        if let Some(client) = &mut self.client {
            client.begin_request(&mut out);
        }
        self.take_up(cx);
        let InForce { slowdown_milli, error_ppm, .. } = self.in_force;
        let fails = error_ppm > 0
            && self.errors.is_some_and(|key| chance_ppm(key.draw(cx.redrawn(identity)), error_ppm));
        self.counts.errors += u64::from(fails);
        (demand.mul_ratio(slowdown_milli, 1_000), fails)
    }

    /// Calls are given up after this long.
    pub(in crate::nodes) const fn call_deadline(&self) -> Option<Span> {
        self.in_force.call_deadline
    }

    /// Whether a call was one of its questions.
    pub(in crate::nodes) fn call_done(&mut self, done: &crate::cluster::Done) -> bool {
        let is_ours = done.edge == self.plan.edge;
        // What the server says comes by itself, and the client does not wait for ever.
        let failed = is_ours && done.outcome != crate::measure::OutcomeKind::Ok;
        self.counts.calls_failed += u64::from(failed);
        is_ours
    }

    /// The server has said something.
    pub(in crate::nodes) fn told(&mut self, told: Told, cx: &mut Cx<'_>) {
        if told.life != self.life || self.client.is_none() {
            return;
        }
        let input = match told.what {
            What::Answer(request, answer) => ClientInput::Answer { request, answer },
            What::Push(watch, push) => {
                if let (true, Push::Batch(batch)) = (self.is_naive, &push) {
                    self.heard.push(match batch.events.is_empty() {
                        true => LogEntry::Bookmark(batch.revision),
                        false => LogEntry::Batch(batch.events.clone()),
                    });
                }
                ClientInput::Push { watch, push }
            }
        };
        self.handle(input, cx);
        self.arm(cx);
    }

    /// Something is due.
    pub(in crate::nodes) fn expire(&mut self, cx: &mut Cx<'_>) {
        self.armed = None;
        let mut out = Vec::new();
        if let Some(client) = &mut self.client {
            client.expire(cx.local_time(), &mut out);
        }
        self.carry_out(out, cx);
        self.arm(cx);
    }

    fn handle(&mut self, input: ClientInput, cx: &mut Cx<'_>) {
        let Some(client) = &mut self.client else { return };
        let mut out = Vec::new();
        // A file that cannot be used is as good as none.
        let _ = client.handle(cx.local_time(), input, &mut out);
        self.carry_out(out, cx);
    }

    fn carry_out(&mut self, out: Vec<ClientOutput>, cx: &mut Cx<'_>) {
        for output in out {
            match output {
                ClientOutput::Send { request, body } => {
                    let peer = Peer { service: self.service, replica: cx.replica(), life: self.life };
                    if let Some(asked) = Asked::of(peer, request, &body) {
                        self.ask(asked, cx);
                    }
                }
                ClientOutput::Save(bytes) => self.saved = Some(bytes),
                ClientOutput::Ready { origin, age, .. } => self.ready(origin, age),
                ClientOutput::BootFailed => self.counts.boots_failed += 1,
                ClientOutput::Invalid { .. } => self.counts.invalid += 1,
                ClientOutput::Answered { .. } | ClientOutput::Notify { .. } | ClientOutput::CutOff(_) => {}
            }
        }
        self.write_down(cx);
        self.take_up(cx);
    }

    fn ready(&mut self, origin: Origin, age: Span) {
        self.is_ready = true;
        match origin {
            Origin::Store => self.counts.boots_from_store += 1,
            Origin::Cache => {
                self.counts.boots_from_cache += 1;
                self.counts.boot_age_us_max = self.counts.boot_age_us_max.max(age.as_nanos() / 1_000);
            }
            Origin::Local => self.counts.boots_from_local += 1,
        }
    }

    fn ask(&mut self, asked: Asked, cx: &mut Cx<'_>) {
        self.calls += 1;
        let (key, arguments) = asked.words();
        let spec = CallSpec {
            key,
            arguments,
            ..CallSpec::of_its_own(
                self.plan.edge,
                Lineage::root(name_hash(&format!("config/{}", self.instance)), self.calls),
                cx.now(),
            )
        };
        cx.call(spec, Ref::NONE);
    }

    /// Brings the books what the replica was told.
    fn write_down(&mut self, cx: &mut Cx<'_>) {
        let Some(client) = &mut self.client else { return };
        let mut log = client.take_log();
        if self.is_naive {
            log.retain(|entry| !matches!(entry, LogEntry::Batch(_) | LogEntry::Bookmark(_)));
            log.splice(0..0, std::mem::take(&mut self.heard));
        }
        if !log.is_empty() {
            let server = cx.plan().edges[self.plan.edge.index()].callee;
            cx.config_heard(server, &self.plan.client.view.scopes[0], &self.instance, log);
        }
    }

    /// Follows what is in force, if that has changed.
    fn take_up(&mut self, cx: &mut Cx<'_>) {
        let Some(client) = self.client.as_ref().filter(|_| self.is_ready) else { return };
        let current = client.snapshot();
        if self.used.as_ref().is_some_and(|used| Arc::ptr_eq(used, current)) {
            return;
        }
        let current = Arc::clone(current);
        self.in_force = InForce::of(&current);
        let remote =
            current.settings().iter().filter(|(_, effective)| effective.provenance.layer == Layer::Remote);
        let values: BTreeMap<String, Value> =
            remote.map(|(name, effective)| (name.clone(), Value::clone(&effective.value))).collect();
        let revision = current.revision();
        self.used = Some(current);
        if revision > Revision::ZERO {
            let server = cx.plan().edges[self.plan.edge.index()].callee;
            cx.config_in_force(server, &self.plan.client.view.scopes[0], &self.instance, revision, &values);
        }
    }

    fn arm(&mut self, cx: &mut Cx<'_>) {
        let wanted = self.client.as_ref().and_then(Client::deadline);
        if wanted == self.armed.map(|(at, _)| at) {
            return;
        }
        if let Some((_, handle)) = self.armed.take() {
            cx.cancel_wake(handle);
        }
        self.armed = wanted.map(|at| {
            // A clock that stands still must not be looked at all the time.
            let nap = match at.since(cx.local_time()) {
                Span::ZERO => Span::ZERO,
                nap => nap.max(Span::from_micros(100)),
            };
            (at, cx.wake_at(cx.now() + nap, CONFIG))
        });
    }

    pub(in crate::nodes) fn probe(&self, out: &mut Probes) {
        let link = match &self.client {
            Some(client) => sum(self.counts.link, client.counters()),
            None => self.counts.link,
        };
        let counts = &self.counts;
        out.counts.extend([
            ("config_snapshots", link.snapshots),
            ("config_resyncs", link.resyncs),
            ("config_follows", link.follows),
            ("config_timeouts", link.timeouts),
            ("config_calls_failed", counts.calls_failed),
            ("config_errors", counts.errors),
            ("boots_from_store", counts.boots_from_store),
            ("boots_from_cache", counts.boots_from_cache),
            ("boots_from_local", counts.boots_from_local),
        ]);
        let where_there_are_any = [
            ("config_duplicates", link.duplicates),
            ("config_early", link.early),
            ("config_outdated", link.outdated),
            ("config_invalid", counts.invalid),
            ("boots_failed", counts.boots_failed),
            ("turned_away_not_ready", counts.turned_away),
        ];
        out.counts.extend(where_there_are_any.into_iter().filter(|(_, count)| *count > 0));
        if counts.boots_from_cache > 0 {
            out.maxima.insert("boot_age_us_max", counts.boot_age_us_max);
        }
    }
}

fn sum(a: LinkCounters, b: LinkCounters) -> LinkCounters {
    LinkCounters {
        snapshots: a.snapshots + b.snapshots,
        resyncs: a.resyncs + b.resyncs,
        follows: a.follows + b.follows,
        timeouts: a.timeouts + b.timeouts,
        duplicates: a.duplicates + b.duplicates,
        early: a.early + b.early,
        outdated: a.outdated + b.outdated,
    }
}
