//! Kind `cache`: a service that answers from a bounded store with expiry.
//!
//! Without calls of its own it is filled by its callers: on a miss it says so, the caller loads the value and sends it
//! back. With calls it loads for itself. With `single_flight` one load of a key is under way at a time: whoever is to
//! load it gets a lease, the others wait for what it brings, and a lease whose load is lost ends by itself.
//!
//! An operation that `writes` drops the key, or writes it through if the cache has calls of its own.

mod kept;
mod origin;
mod settings;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;

use foreshock_systems::cache::Found;
use serde_json::{Map, Value};

use self::kept::{Kept, Said, Shelf};
pub(super) use self::origin::is_origin;
use self::origin::origin_of;
use self::settings::{Settings, read};
use self::watch::Watch;
use super::Kind;
use super::service::{self, Answered, Behaviour, Verdict, Woken};
use crate::cluster::{Cx, Fill, Filled, Node, Probes, Ref, Request};
use crate::kernel::draw::Key;
use crate::kernel::time::{Span, Time};
use crate::scenario::plan::{EntryId, KindTraits, Plan, ServiceId, ServicePlan};

/// As a cache should be.
pub(super) const SOUND: u8 = 0;

/// A cache whose values never expire, whatever its settings say.
pub(super) const KEEPS_EXPIRED: u8 = 1;

/// A cache that does not hear that a value is no longer true.
pub(super) const DEAF: u8 = 2;

/// Kind `cache`, and those that are wrong on purpose.
pub(super) struct CacheKind<const FLAW: u8>;

impl<const FLAW: u8> Kind for CacheKind<FLAW> {
    fn check_settings(settings: &Map<String, Value>) -> Vec<(String, String)> {
        read(settings).err().unwrap_or_default()
    }

    fn traits() -> KindTraits {
        KindTraits { keeps_copies: true, ..service::traits() }
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        let store = Store::new(&plan.services[service.index()], origin_of(plan, service), FLAW);
        service::node(service, plan, store)
    }
}

struct Store {
    settings: Settings,
    /// By operation: whether it writes.
    writes: Vec<bool>,
    /// Whether it loads for itself.
    loads_itself: bool,
    /// Whose versions its values have.
    origin: Option<ServiceId>,
    /// What it must never tell.
    watch: Watch,
    flaw: u8,
    /// `None` before the first start.
    shelf: Option<Shelf>,
    /// Decides about early expiry.
    early: Option<Key>,
    /// Loads by key since the last value came.
    loading: BTreeMap<u64, u64>,
    counts: Counts,
}

/// What only the simulator counts.
#[derive(Default)]
struct Counts {
    /// Misses that somebody was told to load.
    loads: u64,
    /// Most loads of one key before a value came.
    loads_of_one_key: u64,
    /// Requests that asked again because what they waited for did not come.
    asked_again: u64,
    invalidations: u64,
    invalidated: u64,
    /// Answers whose version was not the origin's any more.
    stale_reads: u64,
    stale_age: Span,
}

impl Store {
    fn new(plan: &ServicePlan, origin: Option<ServiceId>, flaw: u8) -> Store {
        Store {
            settings: read(&plan.settings).expect("the plan's settings were checked"),
            writes: plan.operations.iter().map(|operation| operation.writes).collect(),
            loads_itself: !plan.steps.is_empty(),
            origin,
            watch: Watch::default(),
            flaw,
            shelf: None,
            early: None,
            loading: BTreeMap::new(),
            counts: Counts::default(),
        }
    }

    fn write(&mut self, key: u64, cx: &mut Cx<'_>) -> Verdict {
        if self.loads_itself {
            return Verdict::Write;
        }
        self.invalidate(key, 0, cx);
        Verdict::Answer(Answered::default())
    }

    /// Answers with a value, and looks up what nobody in the simulated world knows: whether it is still true.
    fn value(&mut self, key: u64, version: u64, cx: &mut Cx<'_>) -> Answered {
        if let Some((invariant, witness)) = self.watch.told(&self.settings, cx.local_time(), key, version) {
            cx.violation(invariant, witness);
        }
        if let Some(origin) = self.origin
            && let Some(age) = cx.outdated_for(origin, key, version)
        {
            self.counts.stale_reads += 1;
            self.counts.stale_age = self.counts.stale_age.max(age);
        }
        Answered { missed: false, value: version }
    }

    /// To load a key: by the caller, or by the cache itself.
    fn load(&mut self, key: u64, lease: u64) -> Verdict {
        self.note_load(key);
        match self.loads_itself {
            true => Verdict::Load(lease),
            false => Verdict::Answer(Answered { missed: true, value: lease }),
        }
    }

    fn note_load(&mut self, key: u64) {
        self.counts.loads += 1;
        let loads = self.loading.entry(key).or_default();
        *loads += 1;
        self.counts.loads_of_one_key = self.counts.loads_of_one_key.max(*loads);
    }

    /// That there is none: a caller that fills the cache must not load it.
    fn absent(&self) -> Answered {
        Answered { missed: self.loads_itself, value: 0 }
    }

    /// What those who waited for a load are to be told of it.
    fn woken(&self, jobs: Vec<Ref>, found: &Found<u64>) -> Woken {
        let verdict = match found {
            Found::Fresh(version) | Found::Stale(version) => {
                Some(Verdict::Answer(Answered { missed: false, value: *version }))
            }
            Found::Absent => Some(Verdict::Answer(self.absent())),
            Found::Failed if self.loads_itself => Some(Verdict::Fail),
            // The next of them gets the lease.
            Found::Failed | Found::Pending => None,
        };
        Woken { jobs, verdict }
    }

    fn take_up(&mut self, fill: &Fill, cx: &Cx<'_>) -> Option<Woken> {
        if fill.found != Filled::Failed {
            self.loading.remove(&fill.key);
        }
        let shelf = self.shelf.as_mut()?;
        if let Filled::Value(_) = fill.found {
            self.watch.brought(cx.local_time(), fill.key);
            self.watch.forget(shelf.len(), |key| shelf.has(key));
        }
        let (jobs, found) = shelf.bring(&self.settings, cx.local_time(), fill)?;
        Some(self.woken(jobs, &found))
    }

    fn preload(&mut self, cx: &mut Cx<'_>) {
        let (now, origin) = (cx.local_time(), self.origin);
        let Some(shelf) = &mut self.shelf else { return };
        // The lowest keys, which a skewed load asks for most, come last and go last.
        for key in (0..u64::from(self.settings.preload)).rev() {
            let version = origin.map_or(0, |origin| {
                cx.read_out(origin, key);
                cx.held_by(origin, key)
            });
            shelf.put(&self.settings, now, key, version);
            self.watch.brought(now, key);
        }
    }

    /// The settings it keeps to.
    fn obeyed(&self) -> Settings {
        let mut obeyed = self.settings.clone();
        if self.flaw == KEEPS_EXPIRED {
            obeyed.loading.cache.ttl = None;
        }
        obeyed
    }
}

impl Behaviour for Store {
    fn answer(&mut self, request: &Request, job: Ref, cx: &mut Cx<'_>) -> Verdict {
        let key = request.key;
        if self.writes.get(request.operation.index()).copied().unwrap_or(false) {
            return self.write(key, cx);
        }
        let draws = self.settings.loading.early_expiry_milli > 0;
        let word =
            self.early.filter(|_| draws).map_or(0, |early| early.draw(cx.redrawn(request.lineage.raw())));
        let Some(shelf) = &mut self.shelf else { return Verdict::Fail };
        match shelf.ask(&self.settings, cx.local_time(), key, word, job) {
            Said::Value(version) => Verdict::Answer(self.value(key, version, cx)),
            Said::ValueAndLoad(version, lease) if self.loads_itself => {
                self.note_load(key);
                Verdict::AnswerAndLoad(self.value(key, version, cx), lease)
            }
            Said::ValueAndLoad(_, lease) | Said::Missing(lease) => self.load(key, lease),
            Said::Absent => Verdict::Answer(self.absent()),
            Said::Failed => Verdict::Fail,
            Said::Loading => Verdict::Wait,
        }
    }

    fn answer_again(&mut self, request: &Request, job: Ref, cx: &mut Cx<'_>) -> Verdict {
        self.counts.asked_again += 1;
        self.answer(request, job, cx)
    }

    fn start(&mut self, cx: &mut Cx<'_>) {
        match &mut self.shelf {
            Some(shelf) => shelf.restart(cx.local_time(), self.settings.persistent),
            None => {
                let seed = cx.key("cache").draw(0);
                self.shelf = Some(Shelf::new(&self.obeyed(), seed, cx.key("entry_size")));
                self.early = Some(cx.key("early_expiry"));
            }
        }
        self.loading.clear();
        if self.settings.preload > 0 {
            self.preload(cx);
        }
    }

    fn reconfigure(&mut self, plan: &ServicePlan) {
        let Ok(settings) = read(&plan.settings) else { return };
        self.writes = plan.operations.iter().map(|operation| operation.writes).collect();
        if settings != self.settings {
            self.settings = settings;
            let obeyed = self.obeyed();
            if let Some(shelf) = &mut self.shelf {
                shelf.reconfigure(&obeyed);
            }
        }
    }

    fn fill(&mut self, fill: &Fill, cx: &mut Cx<'_>) -> Option<Woken> {
        self.take_up(fill, cx)
    }

    fn loaded(&mut self, fill: &Fill, cx: &mut Cx<'_>) -> Option<Woken> {
        self.take_up(fill, cx)
    }

    fn written(&mut self, key: u64, filled: Filled, cx: &mut Cx<'_>) {
        match (filled, &mut self.shelf) {
            (Filled::Value(version), Some(shelf)) => {
                if let Some(origin) = self.origin {
                    cx.read_out(origin, key);
                }
                shelf.put(&self.settings, cx.local_time(), key, version);
                self.watch.brought(cx.local_time(), key);
            }
            // Nobody knows whether it was written.
            (Filled::Absent | Filled::Failed, _) => self.invalidate(key, 0, cx),
            (Filled::Value(_), None) => {}
        }
    }

    fn invalidate(&mut self, key: u64, version: u64, cx: &mut Cx<'_>) {
        let Some(shelf) = &mut self.shelf else { return };
        self.counts.invalidations += 1;
        self.watch.invalidated(key, version);
        if self.flaw == DEAF {
            return;
        }
        self.counts.invalidated += u64::from(shelf.invalidate(cx.local_time(), key, version));
    }

    /// The only entry that is about a cache: it loses what it keeps.
    fn entry(&mut self, entry: EntryId, begins: bool, cx: &mut Cx<'_>) {
        let Some(shelf) = self.shelf.as_mut().filter(|shelf| begins && shelf.len() > 0) else { return };
        shelf.wipe();
        cx.touch(entry);
    }

    fn deadline(&self) -> Option<Time> {
        self.shelf.as_ref().and_then(Shelf::next_late)
    }

    fn expire(&mut self, local: Time, _cx: &mut Cx<'_>) -> Option<Woken> {
        let (key, jobs, found) = self.shelf.as_mut()?.end_late(local)?;
        self.loading.remove(&key);
        Some(self.woken(jobs, &found))
    }

    fn probe(&self, out: &mut Probes) {
        let Some(shelf) = &self.shelf else { return };
        let (cache, loads) = shelf.stats();
        let misses = cache.misses.saturating_sub(self.counts.asked_again);
        out.counts.insert("hits", cache.hits);
        out.counts.insert("misses", misses);
        out.shares.insert("hit_ratio_ppm", (cache.hits, cache.hits + misses));
        out.counts.insert("expired", cache.expired);
        out.counts.insert("evicted", cache.evicted);
        out.counts.insert("refused", cache.refused);
        out.counts.insert("entries", u64::from(shelf.len()));
        out.counts.insert("loads", self.counts.loads);
        out.maxima.insert("loads_of_one_key_max", self.counts.loads_of_one_key);
        if matches!(shelf.kept, Kept::Leased(_)) {
            out.counts.insert("coalesced", loads.joined);
            out.counts.insert("loads_failed", loads.failed.saturating_sub(shelf.timed_out));
            out.counts.insert("lease_timeouts", shelf.timed_out);
            out.counts.insert("late_fills", shelf.late_fills);
            out.counts.insert("outdated_fills", loads.outdated);
            out.counts.insert("refreshes", loads.refreshes);
            out.counts.insert("served_expired", loads.stale_served);
            out.counts.insert("negative_hits", loads.negative_hits);
        }
        if self.origin.is_some() {
            out.counts.insert("invalidations", self.counts.invalidations);
            out.counts.insert("invalidated", self.counts.invalidated);
            out.counts.insert("stale_reads", self.counts.stale_reads);
            out.maxima.insert("stale_age_max_us", self.counts.stale_age.as_nanos() / 1_000);
        }
    }
}
