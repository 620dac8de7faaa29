//! A shop under the real clock: a server publishes, tries a canary, rolls back; three processes follow by stream and by
//! long poll; the network to one of them is cut for a while, and one restarts from its cache meanwhile. Prints who has
//! which value from which revision.
//! `cargo run --package foreshock-systems --example config_manager`

#![allow(clippy::print_stdout, reason = "an example talks to a person")]
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "an example runs under the real clock"
)]

use foreshock_systems::config_manager::{
    Answer, Apply, CanaryRule, Client, ClientConfig, ClientInput, ClientOutput, Command, Field, Input,
    Interest, LocalLayers, Output, PeerId, ReleaseId, Request, RequestId, Schema, Scope, Server,
    ServerConfig, Transport, Value, View,
};
use foreshock_systems::store::MemoryStore;
use foreshock_systems::{Span, Time};
use std::time::{Duration, Instant};

const RUN: Span = Span::from_millis(1_600);
const ADMIN: PeerId = PeerId(u64::MAX);

struct Process {
    name: &'static str,
    peer: PeerId,
    client: Client,
    saved: Option<Vec<u8>>,
    is_cut: bool,
}

fn started(
    now: Time,
    number: u64,
    name: &'static str,
    saved: Option<Vec<u8>>,
) -> (Process, Vec<ClientOutput>) {
    let scopes = Scope::with_fallback("shop", "eu", "checkout").expect("a scope");
    let transport = match number % 2 {
        0 => Transport::Stream,
        _ => Transport::Poll { hold: Span::from_millis(300), pause: Span::ZERO },
    };
    let config = ClientConfig {
        transport,
        request_timeout: Span::from_millis(50),
        silence_timeout: Span::from_millis(200),
        apply: Apply::Immediately,
        seed: number,
        ..ClientConfig::new(View { instance: name.to_string(), scopes })
    };
    let schema = Schema::open([("timeout", Field::duration(Span::from_millis(1), Span::from_secs(10)))]);
    let mut client = Client::new(config, schema, LocalLayers::default()).expect("it can be meant");
    client.listen(Interest::name("timeout"));
    let mut out = Vec::new();
    client.handle(now, ClientInput::Start { cache: saved.clone() }, &mut out).expect("it can begin");
    (Process { name, peer: PeerId(number), client, saved, is_cut: false }, out)
}

/// Carries out what a process wants; what it asks the server goes there, unless the network is cut.
fn carry(
    now: Time,
    process: &mut Process,
    outputs: Vec<ClientOutput>,
    server: &mut Server<MemoryStore>,
) -> Vec<Output> {
    let mut answers = Vec::new();
    for output in outputs {
        match output {
            ClientOutput::Send { request, body } if !process.is_cut => {
                let input = Input::Request { from: process.peer, request, body };
                server.handle(now, input, &mut answers).expect("memory does not fail");
            }
            ClientOutput::Save(bytes) => process.saved = Some(bytes),
            ClientOutput::Ready { origin, revision, age } => {
                println!("{now}  {}: starts from {origin:?}, revision {revision}, {age} old", process.name);
            }
            ClientOutput::Notify { listener, changes } => {
                for change in &changes.changes {
                    let text = |side: Option<&foreshock_systems::config_manager::Effective>| {
                        side.map_or("nothing".to_string(), |side| side.value.to_string())
                    };
                    let (old, new) = (text(change.old.as_ref()), text(change.new.as_ref()));
                    println!(
                        "{now}  {}: {} {old} -> {new} at revision {}",
                        process.name, change.name, changes.revision
                    );
                }
                let done = ClientInput::Listened { listener, has_failed: false };
                process.client.handle(now, done, &mut Vec::new()).expect("it was told");
            }
            ClientOutput::Send { .. }
            | ClientOutput::Answered { .. }
            | ClientOutput::BootFailed
            | ClientOutput::CutOff(_)
            | ClientOutput::Invalid { .. } => {}
        }
    }
    answers
}

fn deliver(now: Time, mut packets: Vec<Output>, processes: &mut [Process], server: &mut Server<MemoryStore>) {
    while !packets.is_empty() {
        for packet in std::mem::take(&mut packets) {
            let (Output::Answer { to, .. } | Output::Push { to, .. }) = &packet;
            let Some(process) = processes.iter_mut().find(|process| process.peer == *to && !process.is_cut)
            else {
                continue;
            };
            let input = match packet {
                Output::Answer { request, answer, .. } => ClientInput::Answer { request, answer },
                Output::Push { watch, push, .. } => ClientInput::Push { watch, push },
            };
            let mut out = Vec::new();
            process.client.handle(now, input, &mut out).expect("it can be used");
            packets.extend(carry(now, process, out, server));
        }
    }
}

fn timeout(ms: u64) -> Command {
    Command::Edit { name: "timeout".to_string(), value: Some(Value::Duration(Span::from_millis(ms))) }
}

fn publish() -> Command {
    Command::Publish { comment: String::new(), expected: None }
}

fn main() {
    let start = Instant::now();
    let now = || Time::from_nanos(start.elapsed().as_nanos() as u64);
    let config = ServerConfig { progress_interval: Span::from_millis(60), ..ServerConfig::default() };
    let mut server = Server::open(MemoryStore::new(), config).expect("an empty store is whole");
    let canary = Command::PublishCanary { rule: CanaryRule::named(&["node c"]), comment: "try".to_string() };
    let mut plan = vec![
        (0, vec![timeout(1_000), publish()]),
        (300, vec![timeout(100), canary]),
        (600, vec![Command::Promote]),
        (1_100, vec![Command::Rollback(ReleaseId(1))]),
    ];
    plan.reverse();
    let mut processes = Vec::new();
    for (number, name) in [(1, "node a"), (2, "node b"), (3, "node c")] {
        let (mut process, out) = started(now(), number, name, None);
        let packets = carry(now(), &mut process, out, &mut server);
        processes.push(process);
        deliver(now(), packets, &mut processes, &mut server);
    }
    let mut has_restarted = false;
    while now() < Time::ZERO + RUN {
        let at = now();
        let ms = at.as_micros() / 1_000;
        let mut packets = Vec::new();
        while let Some((_, commands)) = plan.pop_if(|(due, _)| *due <= ms) {
            for command in commands {
                let scope = "shop/default/checkout".parse().expect("a scope");
                let body = Request::Release { scope, author: "ann".to_string(), command };
                let input = Input::Request { from: ADMIN, request: RequestId(0), body };
                server.handle(at, input, &mut packets).expect("memory does not fail");
            }
        }
        for packet in &packets {
            if let Output::Answer {
                to: ADMIN, answer: Answer::Done { release: Some(id), revision }, ..
            } = packet
            {
                println!("{at}  ann made release {id} at revision {revision}");
            }
        }
        processes[1].is_cut = (500..900).contains(&ms);
        if ms >= 700 && !has_restarted {
            has_restarted = true;
            let saved = processes[1].saved.clone();
            let (mut process, out) = started(at, 4, "node b", saved);
            process.is_cut = true;
            packets.extend(carry(at, &mut process, out, &mut server));
            processes[1] = process;
        }
        server.expire(at, &mut packets).expect("memory does not fail");
        for process in &mut processes {
            let mut out = Vec::new();
            process.client.expire(at, &mut out);
            packets.extend(carry(at, process, out, &mut server));
        }
        deliver(at, packets, &mut processes, &mut server);
        std::thread::sleep(Duration::from_millis(10));
    }
    for process in &processes {
        let snapshot = process.client.snapshot();
        let value = snapshot.get("timeout").map(ToString::to_string).unwrap_or_default();
        let age = process.client.age(now());
        println!("{}: timeout {value} at revision {}, {age} old", process.name, snapshot.revision());
    }
}
