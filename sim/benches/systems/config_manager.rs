//! Configuration: reading a setting, publishing a release of ten settings among a thousand, and telling a thousand
//! watches of a change. Beside reading stands a plain ordered map, which knows no layers and no revisions; beside
//! publishing the same ten writes into such a map. There is no peer that does the same work in one process.

use criterion::{BatchSize, Criterion};
use foreshock_systems::Time;
use foreshock_systems::config_manager::{
    Client, ClientConfig, ClientInput, ClientOutput, Command, Input, Key, LocalLayers, Output, PeerId,
    Request, RequestId, Revision, Schema, Scope, Server, ServerConfig, Snapshot, Txn, Value, View, WatchId,
};
use foreshock_systems::store::MemoryStore;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

const SETTINGS: usize = 1_000;
const WATCHES: u64 = 1_000;

fn scope() -> Scope {
    Scope::new("shop", "default", "checkout").expect("a scope")
}

fn view() -> View {
    View { instance: "node".to_string(), scopes: vec![scope()] }
}

fn key(number: usize) -> Key {
    scope().key(&format!("service.setting-{number}")).expect("a name")
}

fn ask(server: &mut Server<MemoryStore>, body: Request, out: &mut Vec<Output>) {
    let input = Input::Request { from: PeerId(0), request: RequestId(0), body };
    server.handle(Time::ZERO, input, out).expect("memory does not fail");
}

fn filled() -> Server<MemoryStore> {
    let mut server =
        Server::open(MemoryStore::new(), ServerConfig::default()).expect("an empty store is whole");
    for number in 0..SETTINGS {
        let put = Txn::put(key(number), Value::Integer(number as i64));
        ask(&mut server, Request::Txn(put), &mut Vec::new());
    }
    server
}

/// What a process has of a filled server.
fn snapshot(server: &mut Server<MemoryStore>) -> Arc<Snapshot> {
    let mut client = Client::new(ClientConfig::new(view()), Schema::default(), LocalLayers::default())
        .expect("it can be meant");
    let (mut asked, mut answers) = (Vec::new(), Vec::new());
    client.handle(Time::ZERO, ClientInput::Start { cache: None }, &mut asked).expect("it can begin");
    for output in asked {
        if let ClientOutput::Send { body, .. } = output {
            ask(server, body, &mut answers);
        }
    }
    for answer in answers {
        if let Output::Answer { answer, .. } = answer {
            let input = ClientInput::Answer { request: RequestId(1), answer };
            client.handle(Time::ZERO, input, &mut Vec::new()).expect("it can be used");
        }
    }
    Arc::clone(client.snapshot())
}

pub(crate) fn benchmarks(criterion: &mut Criterion) {
    let mut server = filled();
    let snapshot = snapshot(&mut server);
    assert_eq!(snapshot.settings().len(), SETTINGS);
    let plain: BTreeMap<String, Value> = snapshot
        .settings()
        .iter()
        .map(|(name, effective)| (name.clone(), Value::clone(&effective.value)))
        .collect();
    let mut group = criterion.benchmark_group("config_manager/get");
    group.bench_function("snapshot", |bencher| {
        bencher.iter(|| snapshot.get(black_box("service.setting-500")).and_then(Value::as_integer));
    });
    group.bench_function("btree_map", |bencher| {
        bencher.iter(|| plain.get(black_box("service.setting-500")).and_then(Value::as_integer));
    });
    group.finish();
    publish(criterion);
    fan_out(criterion);
}

fn publish(criterion: &mut Criterion) {
    let command = |command| Request::Release { scope: scope(), author: "ann".to_string(), command };
    let mut group = criterion.benchmark_group("config_manager/publish_10_of_1000");
    let mut server = filled();
    let mut number = 0;
    group.bench_function("server", |bencher| {
        bencher.iter(|| {
            number += 1;
            let mut out = Vec::new();
            for setting in 0..10 {
                let value = Some(Value::Integer(number));
                let edit = Command::Edit { name: key(setting).name().to_string(), value };
                ask(&mut server, command(edit), &mut out);
            }
            ask(&mut server, command(Command::Publish { comment: String::new(), expected: None }), &mut out);
            out.len()
        });
    });
    let mut plain: BTreeMap<Key, Value> =
        (0..SETTINGS).map(|number| (key(number), Value::Integer(0))).collect();
    group.bench_function("btree_map", |bencher| {
        bencher.iter(|| {
            number += 1;
            for setting in 0..10 {
                plain.insert(key(setting), Value::Integer(number));
            }
            plain.len()
        });
    });
    group.finish();
}

fn fan_out(criterion: &mut Criterion) {
    let mut server = filled();
    let mut out = Vec::new();
    for peer in 1..=WATCHES {
        let from = Revision(SETTINGS as u64 + 1);
        let body = Request::Watch { watch: WatchId(1), view: view(), from };
        let input = Input::Request { from: PeerId(peer), request: RequestId(0), body };
        server.handle(Time::ZERO, input, &mut out).expect("memory does not fail");
    }
    let mut number = 0;
    criterion.bench_function("config_manager/put_with_1000_watches", |bencher| {
        bencher.iter_batched(
            Vec::new,
            |mut out| {
                number += 1;
                ask(&mut server, Request::Txn(Txn::put(key(1), Value::Integer(number))), &mut out);
                assert_eq!(out.len() as u64, WATCHES + 1);
                out
            },
            BatchSize::SmallInput,
        );
    });
}
