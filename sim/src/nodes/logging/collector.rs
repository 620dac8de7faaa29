//! Kind `log-store`: takes batches of lines, each line once by its number, answers when its disk has them, indexes them
//! one after the other, and forgets the oldest. What it cannot take now it turns away whole. Lines are counted here, not
//! kept: what is in them changes nothing.

use std::collections::{BTreeMap, VecDeque};

use foreshock_systems::logging::{LogStore, LogStoreConfig, LogStoreCounts, OutOfOrder, Pushed, Refusal};
use foreshock_systems::rate_limiter::RateLimitConfig;
use foreshock_systems::store::{Batch, CommitNumber, FsyncPolicy, Store};
use serde_json::{Map, Value};

use super::words::Shipment;
use crate::cluster::{Cx, Durable, NodeId, Probes, Ref, Request};
use crate::kernel::time::{Span, Time};
use crate::measure::Taken;
use crate::nodes::service::{Answered, Behaviour, Verdict, Woken};
use crate::nodes::setting_table::{self as table, Setting, Wrong, choice, lifetime, positive, span, up_to};
use crate::nodes::store::{AnyStore, Fallen, StoreKind};
use crate::scenario::plan::ServicePlan;

/// No defect.
pub(super) const SOUND: u8 = 0;
/// For tests of the books that have to notice: a batch that comes again is stored again.
pub(super) const TAKES_AGAIN: u8 = 1;
/// A batch is acknowledged before the disk has it.
pub(super) const HURRIES: u8 = 2;

/// Settings of a store.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    config: LogStoreConfig,
    limit: Option<u32>,
    limit_burst: u32,
    /// What taking in a line costs beside the usual work.
    line_time: Span,
    /// What indexing a line takes, in the background.
    index_time: Span,
    /// Lines older than this go.
    retention: Span,
    /// Of each source, lines beyond this many go.
    keep: u64,
    store: StoreKind,
}

const SETTINGS: [Setting<Settings>; 10] = [
    ("limit", |s, v| {
        s.limit = Some(up_to(v, 10_000_000)?);
        Ok(())
    }),
    ("limit_burst", |s, v| {
        s.limit_burst = up_to(v, 10_000_000)?;
        Ok(())
    }),
    ("max_streams", |s, v| {
        s.config.max_streams = positive(v)?;
        Ok(())
    }),
    ("index_queue", |s, v| {
        s.config.queue_lines = u64::from(positive(v)?);
        Ok(())
    }),
    ("max_age", |s, v| {
        s.config.max_age = lifetime(v)?;
        Ok(())
    }),
    ("out_of_order", |s, v| {
        s.config.out_of_order = choice(v, &[("accept", OutOfOrder::Accept), ("refuse", OutOfOrder::Refuse)])?;
        Ok(())
    }),
    ("line_time", |s, v| {
        s.line_time = span(v)?;
        Ok(())
    }),
    ("index_time", |s, v| {
        s.index_time = span(v)?;
        Ok(())
    }),
    ("retention", |s, v| {
        s.retention = lifetime(v)?;
        Ok(())
    }),
    ("keep", |s, v| {
        s.keep = u64::from(positive(v)?);
        Ok(())
    }),
];

/// The settings of a store, or everything that is wrong with them.
pub(super) fn read(written: &Map<String, Value>) -> Result<Settings, Vec<Wrong>> {
    let usual = Settings {
        config: LogStoreConfig { keep_lines: 0, ..LogStoreConfig::default() },
        limit: None,
        limit_burst: 1_000,
        line_time: Span::from_micros(1),
        index_time: Span::from_micros(5),
        retention: Span::from_secs(7 * 86_400),
        keep: 1_000_000,
        store: StoreKind::Memory,
    };
    let mut settings =
        table::read_stored("a log store", &SETTINGS, usual, |settings| &mut settings.store, written)?;
    settings.config.stream_limit = settings.limit.map(|limit| RateLimitConfig {
        rate_per_s_milli: u64::from(limit) * 1_000,
        burst: u64::from(settings.limit_burst),
    });
    Ok(settings)
}

/// Lines that were taken together: of this many, the last has this number, and the time is that of taking.
#[derive(Clone, Copy, Debug)]
struct Chunk {
    last: u64,
    taken_at: Time,
    lines: u64,
}

/// One source.
#[derive(Debug, Default)]
struct Source {
    taken: Taken,
    /// In the order of taking: the oldest go first.
    chunks: VecDeque<Chunk>,
    kept: u64,
}

pub(super) struct Collector {
    settings: Settings,
    defect: u8,
    lines: LogStore,
    sources: BTreeMap<NodeId, Source>,
    store: Option<AnyStore>,
    fallen: Option<Fallen>,
    /// Batches that wait for the disk.
    unsynced: VecDeque<(CommitNumber, Ref, NodeId, u64)>,
    /// Until when the index has worked off what waited.
    indexed_at: Time,
    now: Time,
    restarts: u64,
    /// Of lives that are over.
    retired: LogStoreCounts,
    refusals: BTreeMap<&'static str, u64>,
}

impl Collector {
    pub(super) fn new(plan: &ServicePlan, defect: u8) -> Collector {
        let settings = settings_of(plan);
        Collector {
            lines: LogStore::new(settings.config),
            settings,
            defect,
            sources: BTreeMap::new(),
            store: None,
            fallen: None,
            unsynced: VecDeque::new(),
            indexed_at: Time::ZERO,
            now: Time::ZERO,
            restarts: 0,
            retired: LogStoreCounts::default(),
            refusals: BTreeMap::new(),
        }
    }

    /// The index has worked since it was looked at last.
    fn index(&mut self) {
        let (now, each_ns) = (self.now, self.settings.index_time.as_nanos());
        if self.lines.waiting() == 0 || each_ns == 0 {
            self.lines.indexed(u64::MAX);
            self.indexed_at = self.indexed_at.max(now);
            return;
        }
        let done = (now.since(self.indexed_at).as_nanos() / each_ns).min(self.lines.waiting());
        self.lines.indexed(done);
        self.indexed_at += self.settings.index_time.saturating_mul(done);
    }

    fn take(&mut self, shipment: Shipment, job: Ref, cx: &mut Cx<'_>) -> Verdict {
        self.index();
        let (source, last) = (shipment.source, shipment.last);
        let lines = cx.log_batch(source, (shipment.first, last));
        let pushed = match self.lines.push(self.now, u64::from(source.0), &lines) {
            Ok(pushed) => self.defective(pushed),
            Err(refusal) => {
                *self.refusals.entry(name(refusal)).or_default() += 1;
                return Verdict::TurnAway;
            }
        };
        let known = self.sources.entry(source).or_default();
        let has = self.lines.last_sequence(u64::from(source.0));
        known.taken = Taken {
            last: has,
            stored: known.taken.stored + pushed.stored,
            refused: known.taken.refused + pushed.refused,
        };
        if pushed.stored > 0 {
            known.chunks.push_back(Chunk { last: has, taken_at: self.now, lines: pushed.stored });
            known.kept += pushed.stored;
        }
        cx.log_taken(source, (shipment.first, last), known.taken);
        let commit = self.save(source);
        let is_durable = match (&self.store, commit) {
            (Some(store), Some(commit)) => store.durable() >= commit,
            (None, _) | (_, None) => false,
        };
        if is_durable || self.defect == HURRIES || !self.is_synced() {
            cx.log_acknowledged(source, last.min(has));
            return Verdict::Answer(Answered { missed: false, value: pushed.stored });
        }
        let Some(commit) = commit else { return Verdict::Fail };
        self.unsynced.push_back((commit, job, source, last.min(has)));
        Verdict::Wait
    }

    /// Whether the settings promise that what is acknowledged outlives a crash.
    fn is_synced(&self) -> bool {
        !matches!(self.settings.store, StoreKind::Memory | StoreKind::Wal(FsyncPolicy::Never))
    }

    /// What a store makes of a batch that does not tell old lines from new ones.
    fn defective(&self, pushed: Pushed) -> Pushed {
        match self.defect {
            TAKES_AGAIN => Pushed { stored: pushed.stored + pushed.duplicates, duplicates: 0, ..pushed },
            _ => pushed,
        }
    }

    /// Writes down what is known of a source, without what goes by age or number.
    fn save(&mut self, source: NodeId) -> Option<CommitNumber> {
        let known = self.sources.get_mut(&source)?;
        let store = self.store.as_mut()?;
        let mut batch = Batch::new();
        let Taken { last, stored, refused } = known.taken;
        batch.put(source_key(source), words(&[last, stored, refused]));
        if let Some(newest) = known.chunks.back().filter(|chunk| chunk.last == last) {
            batch.put(chunk_key(source, last), words(&[newest.taken_at.as_nanos(), newest.lines]));
        }
        let (now, settings) = (self.now, &self.settings);
        let too_old = |chunk: &Chunk| now.since(chunk.taken_at) >= settings.retention;
        while known.chunks.front().is_some_and(|chunk| too_old(chunk) || known.kept > settings.keep) {
            let Some(chunk) = known.chunks.pop_front() else { break };
            known.kept -= chunk.lines;
            batch.remove(chunk_key(source, chunk.last));
        }
        // A disk of its own that is never full takes every batch.
        store.commit(now, &batch).ok()
    }

    /// The chunk that goes first by age: when it was taken, and whose it is.
    fn oldest(&self) -> Option<(Time, NodeId)> {
        let first = |(source, known): (&NodeId, &Source)| Some((known.chunks.front()?.taken_at, *source));
        self.sources.iter().filter_map(first).min()
    }

    fn restore(&mut self, store: &AnyStore) {
        let mut sources: BTreeMap<NodeId, Source> = BTreeMap::new();
        store.scan(b"source/", &mut |key, stored| {
            if let (Some(source), [last, of, refused]) = (number(key, 7), read_words(stored.value)) {
                let taken = Taken { last, stored: of, refused };
                sources.entry(NodeId(source as u32)).or_default().taken = taken;
            }
            true
        });
        store.scan(b"chunk/", &mut |key, stored| {
            let at = (number(key, 6), number(key, 14), read_words(stored.value));
            if let (Some(source), Some(last), [at_ns, lines, _]) = at {
                let known = sources.entry(NodeId(source as u32)).or_default();
                known.chunks.push_back(Chunk { last, taken_at: Time::from_nanos(at_ns), lines });
                known.kept += lines;
            }
            true
        });
        self.lines = LogStore::new(self.settings.config);
        for (source, known) in &sources {
            self.lines.restore(self.now, u64::from(source.0), known.taken.last, known.taken.stored);
        }
        self.sources = sources;
    }

    /// Counts of this life, without what was restored.
    fn counts(&self) -> LogStoreCounts {
        let (own, old) = (self.lines.counts(), self.retired);
        LogStoreCounts {
            duplicates: own.duplicates + old.duplicates,
            throttled: own.throttled + old.throttled,
            gaps: own.gaps + old.gaps,
            ..own
        }
    }
}

fn settings_of(plan: &ServicePlan) -> Settings {
    read(&plan.settings).expect("the plan's settings were checked")
}

const fn name(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::StreamLimit(_) => "refused_over_limit",
        Refusal::Cardinality => "refused_too_many_streams",
        Refusal::QueueFull => "refused_queue_full",
    }
}

fn source_key(source: NodeId) -> Vec<u8> {
    [b"source/".as_slice(), &u64::from(source.0).to_be_bytes()].concat()
}

fn chunk_key(source: NodeId, last: u64) -> Vec<u8> {
    [b"chunk/".as_slice(), &u64::from(source.0).to_be_bytes(), &last.to_be_bytes()].concat()
}

/// The number that stands in a key from a byte on.
fn number(key: &[u8], from: usize) -> Option<u64> {
    let bytes = key.get(from..from + 8)?;
    bytes.try_into().ok().map(u64::from_be_bytes)
}

fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// Up to three words; those that are not there are zero.
fn read_words(bytes: &[u8]) -> [u64; 3] {
    [0, 8, 16].map(|from| number(bytes, from).unwrap_or(0))
}

impl Behaviour for Collector {
    fn answer(&mut self, request: &Request, job: Ref, cx: &mut Cx<'_>) -> Verdict {
        self.now = self.now.max(cx.local_time());
        match Shipment::of(request.arguments) {
            Some(shipment) => self.take(shipment, job, cx),
            // Anybody else looks for lines.
            None => Verdict::Proceed(Answered { missed: false, value: self.lines.counts().stored }),
        }
    }

    fn demand(&self, request: &Request, usual: Span) -> Span {
        let lines = Shipment::of(request.arguments).map_or(0, |shipment| shipment.lines());
        usual + self.settings.line_time.saturating_mul(lines)
    }

    fn start(&mut self, cx: &mut Cx<'_>) {
        self.now = self.now.max(cx.local_time());
        let disk = self.fallen.take().and_then(|fallen| fallen.disk(self.restarts, cx));
        let store = AnyStore::open(self.settings.store, disk);
        self.restore(&store);
        self.store = Some(store);
        if self.restarts > 0 {
            let found = self.sources.iter().map(|(source, known)| (*source, known.taken));
            cx.log_store_back(&found.collect(), !self.is_synced());
        }
    }

    fn crash(&mut self, keep: Durable) {
        self.retired = self.counts();
        self.restarts += 1;
        self.unsynced.clear();
        self.fallen = self.store.take().map(|store| store.fallen(keep));
    }

    fn reconfigure(&mut self, plan: &ServicePlan) {
        // Where lines are kept changes with the next start only.
        self.settings = Settings { store: self.settings.store, ..settings_of(plan) };
        self.lines.reconfigure(self.settings.config);
    }

    fn deadline(&self) -> Option<Time> {
        let store = self.store.as_ref()?;
        let durable = store.durable();
        if self.unsynced.front().is_some_and(|(commit, ..)| *commit <= durable) {
            return Some(Time::ZERO);
        }
        let sync = store.deadline().filter(|_| !self.unsynced.is_empty());
        let waiting = self.lines.waiting();
        let indexed = self.indexed_at + self.settings.index_time.saturating_mul(waiting);
        let indexed = (waiting > 0).then_some(indexed);
        let expired = self.oldest().map(|(at, _)| at + self.settings.retention);
        sync.into_iter().chain(indexed).chain(expired).min()
    }

    fn expire(&mut self, local: Time, cx: &mut Cx<'_>) -> Option<Woken> {
        self.now = self.now.max(local);
        self.index();
        let (now, store) = (self.now, self.store.as_mut()?);
        if store.deadline().is_some_and(|due| due <= now) {
            // What could not be synced is asked for again at the next deadline.
            let _ = store.sync(now);
        }
        let durable = store.durable();
        if let Some((at, source)) = self.oldest()
            && now.since(at) >= self.settings.retention
        {
            self.save(source);
        }
        let (_, job, source, last) = self.unsynced.pop_front_if(|(commit, ..)| *commit <= durable)?;
        cx.log_acknowledged(source, last);
        Some(Woken { jobs: vec![job], verdict: Some(Verdict::Answer(Answered::default())) })
    }

    fn probe(&self, out: &mut Probes) {
        let counts = self.counts();
        let kept: u64 = self.sources.values().map(|source| source.kept).sum();
        let stored: u64 = self.sources.values().map(|source| source.taken.stored).sum();
        let refused: u64 = self.sources.values().map(|source| source.taken.refused).sum();
        out.counts.extend([
            ("lines_stored", stored),
            ("lines_duplicate", counts.duplicates),
            ("lines_refused", refused),
            ("lines_kept", kept),
            ("lines_expired", stored - kept),
            ("lines_waiting_for_index", self.lines.waiting()),
            ("batches_turned_away", counts.throttled),
            ("streams", self.sources.len() as u64),
            ("restarts", self.restarts),
        ]);
        for (reason, batches) in &self.refusals {
            out.counts.insert(reason, *batches);
        }
    }
}
