//! Kind `log-shipper`: runs beside a service that logs, reads its files, and sends what is synced in them to the store
//! that its first call goes to. It keeps its place on a disk of its own and goes on from there after a crash, so that
//! lines may go twice and none is left out. It takes no lines from requests.

use foreshock_systems::logging::{Shipper, ShipperConfig};
use foreshock_systems::store::FsyncPolicy;
use serde_json::{Map, Value};

use super::words::Shipment;
use crate::cluster::{CallSpec, Cx, Done, Durable, NodeId, Probes, Ref, Request};
use crate::kernel::draw::{Key, Lineage, name_hash};
use crate::kernel::time::{Span, Time};
use crate::measure::OutcomeKind;
use crate::nodes::service::{Answered, Behaviour, Verdict, Woken};
use crate::nodes::setting_table::{self as table, Setting, Wrong, lifetime, span, text, up_to};
use crate::nodes::store::{AnyStore, Fallen, StoreKind};
use crate::scenario::plan::{EdgeId, Plan, ServiceId, ServicePlan};
use crate::scenario::{Around, suggest};

/// Settings of a shipper.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// The service whose files it reads.
    reads: String,
    config: ShipperConfig,
    /// How long it looks away when there is nothing to send.
    poll_every: Span,
    store: StoreKind,
}

const SETTINGS: [Setting<Settings>; 6] = [
    ("reads", |s, v| {
        s.reads = text(v)?;
        Ok(())
    }),
    ("batch", |s, v| {
        s.config.batch_records = up_to(v, 100_000)?;
        Ok(())
    }),
    ("pause", |s, v| {
        s.config.pause = lifetime(v)?;
        Ok(())
    }),
    ("max_pause", |s, v| {
        s.config.max_pause = lifetime(v)?;
        Ok(())
    }),
    ("checkpoint_every", |s, v| {
        s.config.checkpoint_every = span(v)?;
        Ok(())
    }),
    ("poll_every", |s, v| {
        s.poll_every = lifetime(v)?;
        Ok(())
    }),
];

/// The settings of a shipper, or everything that is wrong with them.
pub(super) fn read(written: &Map<String, Value>) -> Result<Settings, Vec<Wrong>> {
    let usual = Settings {
        reads: String::new(),
        config: ShipperConfig::default(),
        poll_every: Span::from_millis(200),
        store: StoreKind::Memory,
    };
    let settings =
        table::read_stored("a log shipper", &SETTINGS, usual, |settings| &mut settings.store, written)?;
    if matches!(settings.store, StoreKind::Wal(FsyncPolicy::Never | FsyncPolicy::Group { .. })) {
        let message = "a checkpoint is synced when it is saved; leave it out, or write `store: memory`";
        return Err(vec![("fsync".to_string(), message.to_string())]);
    }
    match settings.reads.is_empty() {
        true => Err(vec![(String::new(), "a shipper says whose files it `reads`".to_string())]),
        false => Ok(settings),
    }
}

/// Whether a kind is that of a shipper, with a defect or without one.
fn is_shipper(kind: &str) -> bool {
    kind.contains("log-shipper")
}

/// Whether anybody ships what a service logs.
pub(super) fn is_shipped(own: &ServicePlan, plan: &Plan) -> bool {
    let reads =
        |service: &ServicePlan| service.settings.get("reads").and_then(Value::as_str) == Some(&own.name);
    plan.services.iter().any(|service| is_shipper(&service.kind) && reads(service))
}

/// Whether it reads the files of a service that logs, and each of its replicas those of one.
pub(super) fn check_around(written: &Map<String, Value>, around: &Around<'_>) -> Vec<Wrong> {
    let Ok(settings) = read(written) else { return Vec::new() };
    let loggers = around.services.iter().filter(|service| service.kind.contains("logging"));
    let loggers: Vec<_> = loggers.collect();
    let Some(read) = loggers.iter().find(|service| service.name == settings.reads) else {
        let names: Vec<&str> = loggers.iter().map(|service| service.name).collect();
        let help =
            suggest::help(&settings.reads, &names).map_or_else(String::new, |help| format!("; {help}"));
        return vec![("reads".to_string(), format!("no service of that name writes a log{help}"))];
    };
    let own = around.services.iter().find(|service| service.name == around.name);
    match own.filter(|own| own.replicas != read.replicas) {
        Some(own) => {
            let (theirs, ours) = (read.replicas, own.replicas);
            let message = format!(
                "`{}` has {theirs} replicas and its shipper {ours}: each needs one of its own",
                read.name
            );
            vec![("reads".to_string(), message)]
        }
        None => Vec::new(),
    }
}

#[derive(Default)]
struct Counts {
    batches: u64,
    failed: u64,
    lines: u64,
    checkpoints: u64,
    restarts: u64,
}

pub(super) struct ShipperNode {
    settings: Settings,
    /// For tests of the books that have to notice: its checkpoint does not wait for the store.
    hurries: bool,
    /// Whose files it reads, and where it sends to; a plan without them has been refused.
    source: Option<ServiceId>,
    store: Option<EdgeId>,
    shipper: Option<(Shipper, AnyStore)>,
    fallen: Option<Fallen>,
    /// The call under way.
    call: Option<u64>,
    calls: u64,
    looks_at: Time,
    pauses: Option<Key>,
    counts: Counts,
}

impl ShipperNode {
    pub(super) fn new(service: ServiceId, plan: &Plan, store: Option<EdgeId>, hurries: bool) -> ShipperNode {
        let settings = settings_of(&plan.services[service.index()]);
        let source = plan.services.iter().position(|service| service.name == settings.reads);
        ShipperNode {
            source: source.map(|index| ServiceId(index as u32)),
            settings,
            hurries,
            store,
            shipper: None,
            fallen: None,
            call: None,
            calls: 0,
            looks_at: Time::ZERO,
            pauses: None,
            counts: Counts::default(),
        }
    }

    fn source(&self, cx: &Cx<'_>) -> Option<NodeId> {
        self.source.map(|source| cx.replica_of(source, cx.replica()))
    }

    fn send(&mut self, local: Time, cx: &mut Cx<'_>) {
        let (Some(source), Some(edge)) = (self.source(cx), self.store) else { return };
        self.looks_at = local + self.settings.poll_every;
        let Some((shipper, _)) = &mut self.shipper else { return };
        let Some(batch) = shipper.next(local, cx.log_files(source)) else { return };
        let number = |line: Option<&foreshock_systems::logging::Record>| line.map_or(0, |line| line.sequence);
        let (first, last) = (number(batch.lines.first()), number(batch.lines.last()));
        self.counts.batches += 1;
        self.counts.lines += batch.lines.len() as u64;
        self.calls += 1;
        self.call = Some(self.calls);
        let lineage = Lineage::root(cx.name_of(cx.node()), self.calls).call(name_hash("ship"), 0);
        let arguments = Shipment { source, first, last }.arguments();
        let spec = CallSpec { arguments, token: self.calls, ..CallSpec::of_its_own(edge, lineage, cx.now()) };
        cx.call(spec, Ref::NONE);
        if self.hurries {
            shipper.acknowledged();
            self.checkpoint(local, cx);
        }
    }

    fn checkpoint(&mut self, local: Time, cx: &mut Cx<'_>) {
        let Some(source) = self.source(cx) else { return };
        let Some((shipper, store)) = &mut self.shipper else { return };
        let was = shipper.saved();
        // A store on a simulated disk of its own is never full; one that refused would be asked again.
        if shipper.checkpoint(local, store).is_ok() && shipper.saved() != was {
            self.counts.checkpoints += 1;
            let saved = shipper.saved();
            cx.log_checkpointed(source, saved);
        }
    }
}

fn settings_of(plan: &ServicePlan) -> Settings {
    read(&plan.settings).expect("the plan's settings were checked")
}

impl Behaviour for ShipperNode {
    fn answer(&mut self, _request: &Request, _job: Ref, _cx: &mut Cx<'_>) -> Verdict {
        Verdict::Answer(Answered::default())
    }

    fn start(&mut self, cx: &mut Cx<'_>) {
        self.pauses = Some(cx.key("shipper pauses"));
        let local = cx.local_time();
        let disk = self.fallen.take().and_then(|fallen| fallen.disk(self.counts.restarts, cx));
        let store = AnyStore::open(self.settings.store, disk);
        self.shipper = Some((Shipper::resume(self.settings.config, &store, local), store));
        self.looks_at = local;
    }

    fn crash(&mut self, keep: Durable) {
        self.counts.restarts += 1;
        self.call = None;
        self.fallen = self.shipper.take().map(|(_, store)| store.fallen(keep));
    }

    fn reconfigure(&mut self, plan: &ServicePlan) {
        let store = self.settings.store;
        // Where its place is kept changes with the next start only.
        self.settings = Settings { store, ..settings_of(plan) };
        if let Some((shipper, _)) = &mut self.shipper {
            shipper.reconfigure(self.settings.config);
        }
    }

    fn calls_itself(&self) -> bool {
        true
    }

    fn call_done(&mut self, done: &Done, cx: &mut Cx<'_>) -> Option<Woken> {
        if self.call != Some(done.token) {
            return None;
        }
        self.call = None;
        let local = cx.local_time();
        let is_taken = done.outcome == OutcomeKind::Ok && !done.missed;
        let word = self.pauses.map_or(0, |key| key.draw(cx.redrawn(self.calls)));
        let (shipper, _) = self.shipper.as_mut()?;
        if is_taken {
            shipper.acknowledged();
            self.checkpoint(local, cx);
            self.send(local, cx);
        } else {
            self.counts.failed += 1;
            shipper.failed(local, Span::ZERO, word);
        }
        None
    }

    fn deadline(&self) -> Option<Time> {
        let (shipper, _) = self.shipper.as_ref()?;
        let looks = self.call.is_none().then(|| self.looks_at.max(shipper.not_before()));
        looks.into_iter().chain(shipper.checkpoint_due()).min()
    }

    fn expire(&mut self, local: Time, cx: &mut Cx<'_>) -> Option<Woken> {
        self.checkpoint(local, cx);
        let not_before = self.shipper.as_ref().map_or(Time::MAX, |(shipper, _)| shipper.not_before());
        if self.call.is_none() && local >= self.looks_at.max(not_before) {
            self.send(local, cx);
        }
        None
    }

    fn probe(&self, out: &mut Probes) {
        let counts = &self.counts;
        out.counts.extend([
            ("batches_sent", counts.batches),
            ("batches_failed", counts.failed),
            ("lines_sent", counts.lines),
            ("checkpoints", counts.checkpoints),
            ("restarts", counts.restarts),
        ]);
        if let Some((shipper, _)) = &self.shipper {
            out.counts.insert("lines_acknowledged", shipper.sequence());
            out.counts.insert("lines_checkpointed", shipper.saved());
        }
    }
}
