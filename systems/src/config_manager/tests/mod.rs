//! Stories, laws, and defects on purpose.

mod broken; // each defect and the one check that finds it

mod laws; // random stories over a bad network
mod leases; // keys that go, and elections
mod parts; // values, schemas, names, canaries, checkers
mod processes; // boot, cache, layers, listeners
mod scenarios; // the faults one knows by name
mod server; // transactions, releases, watches, polls
mod stores; // one suite for every store
mod world; // server, clients, network, faults, oracles

use super::client::{self, Client};
use super::message::{Answer, Command, Input, Output, Push, Request};
use super::server::{Sabotage, Server, ServerConfig};
use super::watch_log::LogEntry;
use super::*;
use crate::store::{FsyncPolicy, MemoryStore, SimDisk, Store, WalConfig, WalStore};
use crate::time::{Span, Time};
use std::collections::BTreeMap;

fn scope() -> Scope {
    Scope::new("shop", DEFAULT_CLUSTER, "checkout").expect("a scope")
}

fn key(name: &str) -> Key {
    scope().key(name).expect("a name")
}

fn view(instance: &str) -> View {
    View { instance: instance.to_string(), scopes: vec![scope()] }
}

fn at(ms: u64) -> Time {
    Time::ZERO + Span::from_millis(ms)
}

/// A server that is asked and answers at once.
struct Desk<S> {
    server: Server<S>,
    now: Time,
    requests: u64,
    /// What watches were told, by watch.
    pushed: Vec<(WatchId, Push)>,
}

const ADMIN: PeerId = PeerId(0);

impl Desk<MemoryStore> {
    fn new() -> Desk<MemoryStore> {
        Desk::over(MemoryStore::new(), None)
    }
}

impl<S: Store> Desk<S> {
    fn over(store: S, sabotage: Option<Sabotage>) -> Desk<S> {
        let config = ServerConfig { keep_revisions: None, ..ServerConfig::default() };
        let server = Server::open(store, config).expect("the store is whole").sabotaged(sabotage);
        Desk { server, now: Time::ZERO, requests: 0, pushed: Vec::new() }
    }

    fn take(&mut self, outputs: Vec<Output>) -> Vec<(RequestId, Answer)> {
        let mut answers = Vec::new();
        for output in outputs {
            match output {
                Output::Answer { request, answer, .. } => answers.push((request, answer)),
                Output::Push { watch, push, .. } => self.pushed.push((watch, push)),
            }
        }
        answers
    }

    /// The answers that come at once.
    fn send(&mut self, body: Request) -> Vec<Answer> {
        self.requests += 1;
        let mut out = Vec::new();
        let request = RequestId(self.requests);
        self.server
            .handle(self.now, Input::Request { from: ADMIN, request, body }, &mut out)
            .expect("the store works");
        self.take(out).into_iter().map(|(_, answer)| answer).collect()
    }

    fn ask(&mut self, body: Request) -> Answer {
        self.send(body).pop().expect("an answer")
    }

    fn command(&mut self, command: Command) -> Answer {
        self.ask(Request::Release { scope: scope(), author: "ann".to_string(), command })
    }

    fn edit(&mut self, name: &str, value: impl Into<Option<Value>>) {
        let answer = self.command(Command::Edit { name: name.to_string(), value: value.into() });
        assert!(matches!(answer, Answer::Done { .. }), "{answer:?}");
    }

    fn try_publish(&mut self) -> Answer {
        self.command(Command::Publish { comment: String::new(), expected: None })
    }

    fn publish(&mut self, settings: &[(&str, i64)]) -> ReleaseId {
        for (name, number) in settings {
            self.edit(name, Value::Integer(*number));
        }
        released(&self.try_publish())
    }

    fn put(&mut self, name: &str, number: i64) -> Revision {
        match self.ask(Request::Txn(Txn::put(key(name), Value::Integer(number)))) {
            Answer::Txn { revision, succeeded: true } => revision,
            answer => panic!("{answer:?}"),
        }
    }

    fn delete(&mut self, name: &str) {
        let answer = self.ask(Request::Txn(Txn::delete(key(name))));
        assert!(matches!(answer, Answer::Txn { succeeded: true, .. }), "{answer:?}");
    }

    fn watch(&mut self, watch: u64, instance: &str, from: u64) {
        let body = Request::Watch { watch: WatchId(watch), view: view(instance), from: Revision(from) };
        let answers = self.send(body);
        assert!(answers.is_empty(), "{answers:?}");
    }

    /// What a watch was told since the last time.
    fn told(&mut self, watch: u64) -> Vec<Push> {
        let (of_watch, others) =
            std::mem::take(&mut self.pushed).into_iter().partition(|(of, _)| *of == WatchId(watch));
        self.pushed = others;
        of_watch.into_iter().map(|(_, push)| push).collect()
    }

    /// What an instance sees, by name.
    fn seen(&mut self, instance: &str) -> BTreeMap<String, Value> {
        match self.ask(Request::Snapshot { view: view(instance), at: None }) {
            Answer::Snapshot { entries, .. } => entries
                .into_iter()
                .map(|(key, entry)| (key.name().to_string(), Value::clone(&entry.value)))
                .collect(),
            answer => panic!("{answer:?}"),
        }
    }

    fn pass(&mut self, span: Span) {
        let until = self.now + span;
        while let Some(due) = self.server.deadline().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            let mut out = Vec::new();
            self.server.expire(self.now, &mut out).expect("the store works");
            assert!(self.take(out).is_empty(), "nobody has asked");
        }
        self.now = until;
    }
}

fn released(answer: &Answer) -> ReleaseId {
    match answer {
        Answer::Done { release: Some(release), .. } => *release,
        answer => panic!("{answer:?}"),
    }
}

fn numbers(settings: &[(&str, i64)]) -> BTreeMap<String, Value> {
    settings.iter().map(|(name, number)| ((*name).to_string(), Value::Integer(*number))).collect()
}

/// What a watcher that believes everything writes into its log.
fn logged(pushes: Vec<Push>) -> Vec<LogEntry> {
    let entry = |push| match push {
        Push::Batch(batch) if batch.events.is_empty() => LogEntry::Bookmark(batch.revision),
        Push::Batch(batch) => LogEntry::Batch(batch.events),
        Push::Compacted(revision) => LogEntry::TooLate(revision),
        Push::Cancelled => panic!("it has one watch"),
    };
    pushes.into_iter().map(entry).collect()
}

/// What an instance should have been told: whole configurations compared, one revision after the other.
#[derive(Clone, Debug, Default)]
struct Truth {
    states: BTreeMap<Revision, BTreeMap<Key, Entry>>,
    events: Vec<Event>,
}

impl Truth {
    fn add(&mut self, revision: Revision, state: BTreeMap<Key, Entry>) {
        let nothing = BTreeMap::new();
        let before = self.states.get(&revision.previous()).unwrap_or(&nothing);
        let keys: std::collections::BTreeSet<&Key> = before.keys().chain(state.keys()).collect();
        for key in keys {
            if before.get(key) != state.get(key) {
                self.events.push(Event { revision, key: key.clone(), entry: state.get(key).cloned() });
            }
        }
        self.states.insert(revision, state);
    }

    /// A crash took what came after a revision.
    fn forget_after(&mut self, revision: Revision) {
        self.states.retain(|at, _| *at <= revision);
        self.events.retain(|event| event.revision <= revision);
    }

    /// Adds every revision that a server has made since the last time.
    fn follow<S: Store>(&mut self, server: &Server<S>, view: &View) {
        let history = server.history();
        let known = self.states.last_key_value().map_or(Revision::ZERO, |(revision, _)| *revision);
        for number in known.next().0..=history.current().0 {
            let revision = Revision(number);
            let state = view
                .scopes
                .iter()
                .flat_map(|scope| history.snapshot(scope, &view.instance, revision))
                .collect();
            self.add(revision, state);
        }
    }
}
