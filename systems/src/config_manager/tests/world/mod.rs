//! A server on a disk, clients with their caches and listeners, writers, and a network between them that loses,
//! doubles, delays and reorders. After each step every invariant is checked against whole configurations.

use super::*;
use crate::arithmetic::{keyed_word, uniform};
use crate::config_manager::linearizability::{Act, Operation};
use std::collections::BTreeSet;

mod oracles; // what has to hold at any instant, and in the end

type Disk = WalStore<SimDisk>;

pub(super) const CLIENTS: usize = 4;
const WRITERS: usize = 2;
/// After the last fault every client has the last release within this: the longest silence, the longest pause, a
/// resync with its jitter, and as many lost packets again.
pub(super) const CONVERGED_WITHIN: Span = Span::from_secs(10);

/// One who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Party {
    Client(usize),
    Writer(usize),
}

#[derive(Clone, Debug)]
enum Packet {
    ToServer(Party, PeerId, RequestId, Request),
    ToParty(Party, PeerId, Output),
    /// A listener of a client comes to an end.
    Listened(usize, PeerId, ListenerId, bool),
}

struct Process {
    client: Option<Client>,
    peer: PeerId,
    saved: Option<Vec<u8>>,
    is_cut: bool,
    truth: Truth,
    logs: Vec<Vec<LogEntry>>,
    listener: ListenerId,
    /// What the listener makes of what it is told.
    heard: BTreeMap<String, Value>,
    heard_revision: Revision,
}

#[derive(Default)]
struct Writer {
    /// The request under way: which operation, and what it knows.
    asked: Option<(RequestId, usize)>,
    known: Option<(Option<Revision>, Option<u64>)>,
}

pub(super) struct World {
    pub(super) now: Time,
    seed: u64,
    draws: u64,
    server: Option<Server<Disk>>,
    platters: Option<SimDisk>,
    wal: WalConfig,
    sabotage: Option<Sabotage>,
    of_clients: Option<client::Sabotage>,
    agenda: BTreeMap<(Time, u64), Packet>,
    processes: Vec<Process>,
    writers: Vec<Writer>,
    operations: Vec<Operation>,
    requests: u64,
    loss_percent: u64,
    /// Who may see a canary's marker; `None` is everybody.
    markers: BTreeMap<i64, Option<CanaryRule>>,
    /// What each instance saw of each release.
    releases: BTreeMap<ReleaseId, Vec<BTreeMap<String, Value>>>,
    pub(super) problems: BTreeSet<&'static str>,
    pub(super) converged: u64,
}

impl World {
    pub(super) fn new(seed: u64, sabotage: Option<Sabotage>) -> World {
        World::with(seed, sabotage, None)
    }

    pub(super) fn with(seed: u64, sabotage: Option<Sabotage>, of_clients: Option<client::Sabotage>) -> World {
        let fsync = match seed % 2 {
            0 => FsyncPolicy::EveryCommit,
            _ => FsyncPolicy::Group { max_commits: 4, max_wait: Span::from_millis(5) },
        };
        let wal = WalConfig { fsync, compact_above_bytes: 4_000 };
        let mut world = World {
            now: Time::ZERO,
            seed,
            draws: 0,
            server: None,
            platters: Some(SimDisk::new()),
            wal,
            sabotage,
            of_clients,
            agenda: BTreeMap::new(),
            processes: Vec::new(),
            writers: (0..WRITERS).map(|_| Writer::default()).collect(),
            operations: Vec::new(),
            requests: 0,
            loss_percent: 0,
            markers: BTreeMap::new(),
            releases: BTreeMap::new(),
            problems: BTreeSet::new(),
            converged: 0,
        };
        world.raise_server();
        for index in 0..CLIENTS {
            world.processes.push(Process {
                client: None,
                peer: PeerId(0),
                saved: None,
                is_cut: false,
                truth: Truth::default(),
                logs: Vec::new(),
                listener: ListenerId(0),
                heard: BTreeMap::new(),
                heard_revision: Revision::ZERO,
            });
            world.start_client(index);
        }
        let schema = Schema::open([("limit", Field::integer(0, 100))]);
        world.admin(Command::SetSchema(Some(schema)));
        world
    }

    fn draw(&mut self, most: u64) -> u64 {
        self.draws += 1;
        uniform(keyed_word(self.seed, self.draws), 0, most)
    }

    fn client_config(&self, index: usize) -> ClientConfig {
        ClientConfig {
            transport: match index % 2 {
                0 => Transport::Stream,
                _ => Transport::Poll { hold: Span::from_millis(800), pause: Span::ZERO },
            },
            request_timeout: Span::from_millis(200),
            silence_timeout: Span::from_millis(900),
            retry_base: Span::from_millis(20),
            retry_cap: Span::from_millis(500),
            resync_jitter: Span::from_millis(300),
            boot_timeout: Span::from_millis(500),
            debounce: if index == 2 { Span::from_millis(30) } else { Span::ZERO },
            apply: if index == 3 { Apply::AtRequestBoundary } else { Apply::Immediately },
            seed: self.seed ^ index as u64,
            is_recorded: true,
            ..ClientConfig::new(view(&instance(index)))
        }
    }

    pub(super) fn start_client(&mut self, index: usize) {
        if self.processes[index].client.is_some() {
            return;
        }
        self.requests += 1;
        let peer = PeerId(self.requests);
        let mut client = Client::new(self.client_config(index), Schema::default(), LocalLayers::default())
            .expect("it can be meant")
            .sabotaged(self.of_clients);
        let process = &mut self.processes[index];
        process.listener = client.listen(Interest::All);
        (process.peer, process.heard_revision) = (peer, Revision::ZERO);
        process.heard.clear();
        process.logs.push(Vec::new());
        let mut out = Vec::new();
        let cache = process.saved.clone();
        let is_cached = cache.is_some();
        client.handle(self.now, client::Input::Start { cache }, &mut out).expect("its own cache is good");
        if is_cached && client.origin() != Some(Origin::Cache) {
            self.problems.insert("8: a cache did not start a process");
        }
        // What it starts with is not told to listeners: they read it.
        self.processes[index].heard = values(&client);
        self.processes[index].client = Some(client);
        self.carry(index, out);
    }

    pub(super) fn crash_client(&mut self, index: usize) {
        self.processes[index].client = None;
    }

    pub(super) fn cut(&mut self, index: usize, is_cut: bool) {
        self.processes[index].is_cut = is_cut;
    }

    pub(super) const fn lose(&mut self, percent: u64) {
        self.loss_percent = percent;
    }

    pub(super) fn raise_server(&mut self) {
        let Some(disk) = self.platters.take() else { return };
        let store = WalStore::open(disk.restart(), self.wal).expect("the log is whole").0;
        let config = ServerConfig {
            progress_interval: Span::from_millis(250),
            keep_revisions: None,
            ..ServerConfig::default()
        };
        let server = Server::open(store, config).expect("the store is whole").sabotaged(self.sabotage);
        let current = server.history().current();
        for process in &mut self.processes {
            process.truth.forget_after(current);
            if process.client.as_ref().is_some_and(|client| client.have() > current) {
                self.problems.insert("told of what a crash took");
            }
        }
        self.server = Some(server);
        // Releases that were never durable are gone, and their numbers are given again.
        let latest = self.show().and_then(|(state, _)| state.latest);
        self.releases.retain(|id, _| Some(*id) <= latest);
    }

    fn show(&mut self) -> Option<(ScopeState, Option<Canary>)> {
        self.requests += 1;
        let body = Request::Release { scope: scope(), author: "ann".to_string(), command: Command::Show };
        let mut out = self.serve(ADMIN, RequestId(self.requests), body)?;
        let server = self.server.as_mut()?;
        if let Some(due) = server.deadline().filter(|_| out.is_empty()) {
            // Only the disk, which has not synced what came before, holds the answer back.
            server.expire(due.max(self.now), &mut out).expect("the power is on");
        }
        out.into_iter().find_map(|output| match output {
            Output::Answer { answer: Answer::Scope { state, canary }, .. } => Some((state, canary)),
            Output::Answer { .. } | Output::Push { .. } => None,
        })
    }

    pub(super) fn crash_server(&mut self) {
        let Some(server) = self.server.take() else { return };
        let mut disk = server.into_store().into_disk();
        let entropy = keyed_word(self.seed, self.draws);
        disk.cut_power(crate::store::PowerCut { after_operations: 0, entropy });
        self.platters = Some(disk);
    }

    /// Hands the server something, and takes note of every revision that it makes.
    fn serve(&mut self, peer: PeerId, request: RequestId, body: Request) -> Option<Vec<Output>> {
        let server = self.server.as_mut()?;
        let mut out = Vec::new();
        let handled = server.handle(self.now, Input::Request { from: peer, request, body }, &mut out);
        handled.expect("the power is on");
        self.follow();
        Some(out)
    }

    fn follow(&mut self) {
        let Some(server) = &self.server else { return };
        for (index, process) in self.processes.iter_mut().enumerate() {
            process.truth.follow(server, &view(&instance(index)));
        }
    }

    fn effective(&self) -> Vec<BTreeMap<String, Value>> {
        let states = self.processes.iter().map(|process| process.truth.states.last_key_value());
        states.map(|state| state.map_or_else(BTreeMap::new, |(_, state)| by_name(state))).collect()
    }

    /// Somebody at the server's own desk does something; says whether a release came of it.
    pub(super) fn admin(&mut self, command: Command) -> Option<ReleaseId> {
        self.requests += 1;
        let request = RequestId(self.requests);
        let body = Request::Release { scope: scope(), author: "ann".to_string(), command: command.clone() };
        let mut out = self.serve(ADMIN, request, body)?;
        let server = self.server.as_mut()?;
        if let Some(due) = server.deadline().filter(|_| out.is_empty()) {
            // Only the disk holds the answer back.
            server.expire(due.max(self.now), &mut out).expect("the power is on");
        }
        let mut release = None;
        for output in out {
            match output {
                Output::Answer { to: ADMIN, answer: Answer::Done { release: made, .. }, .. } => {
                    release = made
                }
                other => self.post_output(other),
            }
        }
        let id = release?;
        let effective = self.effective();
        if let Command::Rollback(to) = command
            && self.releases.get(&to) != Some(&effective)
        {
            self.problems.insert("6: a rollback is not what was");
        }
        self.releases.insert(id, effective);
        Some(id)
    }

    pub(super) fn edit(&mut self, name: &str, number: i64) {
        self.admin(Command::Edit { name: name.to_string(), value: Some(Value::Integer(number)) });
    }

    pub(super) fn publish(&mut self, number: i64) {
        self.edit("pair.a", number);
        self.edit("pair.b", number);
        self.edit(&format!("extra {}", number % 5), number);
        let gone = Command::Edit { name: format!("extra {}", (number + 2) % 5), value: None };
        self.admin(gone);
        self.admin(Command::Publish { comment: String::new(), expected: None });
        self.admin(Command::Discard);
    }

    pub(super) fn publish_bad(&mut self) {
        self.edit("limit", 500);
        self.admin(Command::Publish { comment: String::new(), expected: None });
        self.admin(Command::Discard);
    }

    pub(super) fn canary(&mut self, number: i64, rule: CanaryRule) {
        self.edit("marker", number);
        self.edit("pair.a", -number);
        self.edit("pair.b", -number);
        self.markers.insert(number, Some(rule.clone()));
        self.admin(Command::PublishCanary { rule, comment: String::new() });
        self.admin(Command::Discard);
    }

    pub(super) fn promote(&mut self) {
        let canary = self.show().and_then(|(_, canary)| canary);
        let marker = canary.and_then(|canary| canary.changes.get("marker")?.as_ref()?.as_integer());
        if let (Some(marker), Some(_)) = (marker, self.admin(Command::Promote)) {
            self.markers.insert(marker, None);
        }
    }

    pub(super) fn rollback(&mut self, back: u64) {
        let ids: Vec<ReleaseId> = self.releases.keys().copied().collect();
        if let Some(id) = ids.len().checked_sub(1 + back as usize).map(|index| ids[index]) {
            // A canary of then is out again, for those for whom it was.
            self.admin(Command::Rollback(id));
        }
    }

    pub(super) fn compact(&mut self, back: u64) {
        let Some(current) = self.server.as_ref().map(|server| server.history().current()) else { return };
        self.requests += 1;
        let body = Request::Compact(Revision(current.0.saturating_sub(back)));
        for output in self.serve(ADMIN, RequestId(self.requests), body).unwrap_or_default() {
            self.post_output(output);
        }
    }

    /// A writer reads the counter, or sets it if nobody else has since it read.
    pub(super) fn write(&mut self, writer: usize) {
        let writer = writer % WRITERS;
        if self.operations.len() >= 100 {
            return;
        }
        self.requests += 1;
        let request = RequestId(self.requests);
        let counter = scope_of_counter().key("n").expect("a name");
        let new = self.requests;
        let (act, body) = match self.writers[writer].known.take() {
            None => (Act::Read(None), Request::Get { key: counter, at: None }),
            Some((revision, expected)) => (
                Act::CompareAndSet { expected, new, succeeded: None },
                Request::Txn(Txn::compare_and_set(counter, revision, Value::Integer(new as i64))),
            ),
        };
        self.writers[writer].asked = Some((request, self.operations.len()));
        self.operations.push(Operation { began: self.now, ended: Time::MAX, act });
        self.post(Packet::ToServer(Party::Writer(writer), PeerId(1_000_000 + writer as u64), request, body));
    }

    fn answer_writer(&mut self, writer: usize, request: RequestId, answer: &Answer) {
        let Some((_, index)) = self.writers[writer].asked.take_if(|(asked, _)| *asked == request) else {
            return;
        };
        let operation = &mut self.operations[index];
        match (&mut operation.act, answer) {
            (Act::Read(read), Answer::Entry { entry, .. }) => {
                let number =
                    entry.as_ref().and_then(|entry| entry.value.as_integer()).map(|number| number as u64);
                *read = number;
                self.writers[writer].known = Some((entry.as_ref().map(|entry| entry.revision), number));
            }
            (Act::CompareAndSet { succeeded, .. }, Answer::Txn { succeeded: has, .. }) => {
                *succeeded = Some(*has)
            }
            (_, answer) => panic!("{answer:?}"),
        }
        operation.ended = self.now;
    }

    /// Gives a packet to the network: it may be lost, doubled, and is late by as much as it likes.
    fn post(&mut self, packet: Packet) {
        if self.draw(99) < self.loss_percent {
            return;
        }
        // Writes go over what delivers at most once, as the law of the server says.
        let may_double = !matches!(packet, Packet::ToServer(Party::Writer(_), ..));
        let copies = 1 + u64::from(may_double && self.draw(99) < self.loss_percent / 2);
        for _ in 0..copies {
            let due = self.now + Span::from_micros(100 + self.draw(20_000));
            self.draws += 1;
            self.agenda.insert((due, self.draws), packet.clone());
        }
    }

    fn post_output(&mut self, output: Output) {
        let (Output::Answer { to, .. } | Output::Push { to, .. }) = &output;
        let to = *to;
        let of_writer = to.0.checked_sub(1_000_000).map(|index| Party::Writer(index as usize));
        let of_client = self.processes.iter().position(|process| process.peer == to).map(Party::Client);
        if let Some(party) = of_client.or(of_writer) {
            self.post(Packet::ToParty(party, to, output));
        }
    }

    fn carry(&mut self, index: usize, outputs: Vec<client::Output>) {
        let peer = self.processes[index].peer;
        for output in outputs {
            match output {
                client::Output::Send { request, body } => {
                    self.post(Packet::ToServer(Party::Client(index), peer, request, body));
                }
                client::Output::Save(bytes) => self.processes[index].saved = Some(bytes),
                client::Output::Ready { .. } => {
                    let process = &mut self.processes[index];
                    process.heard = process.client.as_ref().map(values).unwrap_or_default();
                }
                client::Output::Notify { listener, changes } => {
                    self.hear(index, &changes);
                    let due = self.now + Span::from_micros(self.draw(300_000));
                    let has_failed = self.draw(1) == 1;
                    self.draws += 1;
                    let packet = Packet::Listened(index, peer, listener, has_failed);
                    self.agenda.insert((due, self.draws), packet);
                }
                client::Output::Invalid { .. } | client::Output::CutOff(_) | client::Output::BootFailed => {
                    self.problems.insert("a client complains");
                }
                client::Output::Answered { .. } => {}
            }
        }
    }

    /// Lets time pass, and everything in it happen.
    pub(super) fn pass(&mut self, span: Span) {
        let until = self.now + span;
        for _ in 0..100_000 {
            let packet = self.agenda.keys().next().map(|(due, _)| *due);
            let server = self.server.as_ref().and_then(Server::deadline);
            let clients = self.processes.iter().filter_map(|process| process.client.as_ref()?.deadline());
            let Some(due) = clients.chain(packet).chain(server).min().filter(|due| *due <= until) else {
                self.now = until;
                self.check();
                return;
            };
            self.now = self.now.max(due);
            if packet == Some(due)
                && let Some((_, packet)) = self.agenda.pop_first()
            {
                self.arrive(packet);
            } else if server == Some(due) {
                self.expire_server();
            } else {
                self.expire_clients();
            }
            self.check();
        }
        panic!("time does not pass");
    }

    fn expire_server(&mut self) {
        let Some(server) = &mut self.server else { return };
        let mut out = Vec::new();
        server.expire(self.now, &mut out).expect("the power is on");
        for output in out {
            self.post_output(output);
        }
    }

    fn expire_clients(&mut self) {
        for index in 0..self.processes.len() {
            let mut out = Vec::new();
            if let Some(client) = &mut self.processes[index].client {
                client.expire(self.now, &mut out);
            }
            self.carry(index, out);
        }
    }

    fn arrive(&mut self, packet: Packet) {
        let is_cut = |world: &World, party: Party| match party {
            Party::Client(index) => world.processes[index].is_cut,
            Party::Writer(_) => false,
        };
        match packet {
            Packet::ToServer(party, peer, request, body) if !is_cut(self, party) => {
                for output in self.serve(peer, request, body).unwrap_or_default() {
                    self.post_output(output);
                }
            }
            Packet::ToParty(Party::Writer(writer), _, Output::Answer { request, answer, .. }) => {
                self.answer_writer(writer, request, &answer);
            }
            Packet::ToParty(party @ Party::Client(index), peer, output) if !is_cut(self, party) => {
                let input = match output {
                    Output::Answer { request, answer, .. } => client::Input::Answer { request, answer },
                    Output::Push { watch, push, .. } => client::Input::Push { watch, push },
                };
                self.give(index, peer, input);
            }
            Packet::Listened(index, peer, listener, has_failed) => {
                self.give(index, peer, client::Input::Listened { listener, has_failed });
            }
            Packet::ToServer(..) | Packet::ToParty(..) => {}
        }
    }

    fn give(&mut self, index: usize, peer: PeerId, input: client::Input) {
        let mut out = Vec::new();
        let process = &mut self.processes[index];
        let Some(client) = process.client.as_mut().filter(|_| process.peer == peer) else { return };
        client.handle(self.now, input, &mut out).expect("nothing is refused");
        // Its requests are short: one begins all the time.
        if index == 3 {
            client.begin_request(&mut out);
        }
        self.carry(index, out);
    }
}

fn instance(index: usize) -> String {
    format!("node-{index}")
}

/// Nobody watches it: the writers' own.
fn scope_of_counter() -> Scope {
    Scope::new("shop", DEFAULT_CLUSTER, "counters").expect("a scope")
}

fn by_name(state: &BTreeMap<Key, Entry>) -> BTreeMap<String, Value> {
    state.iter().map(|(key, entry)| (key.name().to_string(), Value::clone(&entry.value))).collect()
}

fn values(client: &Client) -> BTreeMap<String, Value> {
    let settings = client.snapshot().settings().iter();
    settings.map(|(name, effective)| (name.clone(), Value::clone(&effective.value))).collect()
}
