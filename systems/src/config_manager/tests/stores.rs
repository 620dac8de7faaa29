//! One suite for every store: what a server was, it is again when it is opened from what its store holds, wherever the
//! power went.

use super::*;
use crate::arithmetic::keyed_word;
use crate::store::PowerCut;

type Disk = WalStore<SimDisk>;

fn wal(fsync: FsyncPolicy) -> Disk {
    let config = WalConfig { fsync, compact_above_bytes: 2_000 };
    WalStore::open(SimDisk::new(), config).expect("an empty disk is an empty store").0
}

const GROUP: FsyncPolicy = FsyncPolicy::Group { max_commits: 3, max_wait: Span::from_millis(5) };

fn config() -> ServerConfig {
    ServerConfig { keep_revisions: Some(6), keep_releases: 4, keep_audit: 8, ..ServerConfig::default() }
}

/// The requests of a busy day, all kinds of them.
fn day() -> Vec<Request> {
    let release = |command| Request::Release { scope: scope(), author: "ann".to_string(), command };
    let edit =
        |name: &str, number| Command::Edit { name: name.to_string(), value: Some(Value::Integer(number)) };
    let publish = || Command::Publish { comment: String::new(), expected: None };
    let mut requests =
        vec![release(Command::SetSchema(Some(Schema::open([("a", Field::integer(0, 1_000))]))))];
    requests.push(Request::Grant { lease: LeaseId(1), ttl: Span::from_millis(20) });
    let leased = Txn { lease: Some(LeaseId(1)), ..Txn::put(key("leased"), Value::Integer(1)) };
    requests.push(Request::Txn(leased));
    for number in 0..12 {
        requests.extend([release(edit("a", number)), release(edit("b", number)), release(publish())]);
        let canary = Command::PublishCanary { rule: CanaryRule::named(&["one"]), comment: String::new() };
        match number % 4 {
            0 => requests.extend([release(edit("a", 900 + number)), release(canary)]),
            1 => requests.push(release(Command::Promote)),
            2 => requests.push(release(Command::Rollback(ReleaseId(2 + number as u64)))),
            _ => requests.push(Request::Txn(Txn::delete(key("b")))),
        }
    }
    requests.push(release(Command::Lock));
    requests
}

/// All that one can ask of a server, as text.
fn observed<S: Store>(server: &mut Server<S>, now: Time) -> String {
    let stats = server.stats();
    let mut out = Vec::new();
    let mut ask = |body| {
        let input = Input::Request { from: ADMIN, request: RequestId(0), body };
        server.handle(now, input, &mut out).expect("reads do not fail");
    };
    for number in stats.compacted.0..=stats.revision.0 {
        for name in ["one", "two"] {
            ask(Request::Snapshot { view: view(name), at: Some(Revision(number)) });
        }
    }
    let release = |command| Request::Release { scope: scope(), author: "ann".to_string(), command };
    ask(release(Command::Show));
    for number in 0..40 {
        ask(release(Command::ShowRelease(ReleaseId(number))));
    }
    ask(Request::Audit { scope: scope(), most: 100 });
    for name in ["one", "two"] {
        ask(Request::Watch { watch: WatchId(1), view: view(name), from: stats.compacted.next() });
    }
    format!("{} {} {} {out:?}", stats.revision, stats.compacted, stats.versions)
}

/// The law that every store keeps: opened again, a server is what it was.
fn a_reopened_server_is_the_same<S: Store>(fresh: S, reopened: impl Fn(S) -> S) {
    let mut server = Server::open(fresh, config()).expect("the store is whole");
    for (index, body) in day().into_iter().enumerate() {
        let input = Input::Request { from: ADMIN, request: RequestId(0), body };
        server.handle(at(index as u64), input, &mut Vec::new()).expect("the store works");
        let mut now = at(index as u64);
        while let Some(due) = server.deadline().filter(|due| *due <= at(index as u64 + 10)) {
            now = now.max(due);
            server.expire(now, &mut Vec::new()).expect("the store works");
        }
        let before = observed(&mut server, now);
        server = Server::open(reopened(server.into_store()), config()).expect("the store is whole");
        assert_eq!(observed(&mut server, now), before, "after request {index}");
        server = Server::open(reopened(server.into_store()), config()).expect("the store is whole");
    }
}

#[test]
fn whatever_the_store_a_reopened_server_is_what_it_was() {
    a_reopened_server_is_the_same(MemoryStore::new(), |store| store);
    for fsync in [FsyncPolicy::EveryCommit, GROUP, FsyncPolicy::Never] {
        a_reopened_server_is_the_same(wal(fsync), |store| {
            let config = store.config();
            WalStore::open(store.into_disk(), config).expect("the log is whole").0
        });
    }
}

/// Runs the day until the power goes; what is left has all that was answered, and nothing by halves.
fn problem_of_crash(fsync: FsyncPolicy, cut: PowerCut, sabotage: Option<Sabotage>) -> Result<bool, String> {
    let mut store = wal(fsync);
    store.disk_mut().cut_power(cut);
    let Ok(server) = Server::open(store, config()) else { return Ok(false) };
    let mut server = server.sabotaged(sabotage);
    let (mut answered, mut has_died, mut possible) = (Revision::ZERO, false, BTreeMap::new());
    let states = |server: &Server<Disk>| {
        let history = server.history();
        ["one", "two"].map(|name| history.snapshot(&scope(), name, history.current()))
    };
    possible.insert(Revision::ZERO, states(&server));
    for (index, body) in day().into_iter().enumerate() {
        let mut out = Vec::new();
        let input = Input::Request { from: ADMIN, request: RequestId(0), body };
        has_died = server.handle(at(index as u64), input, &mut out).is_err();
        possible.insert(server.stats().revision, states(&server));
        for output in out {
            if let Output::Answer {
                answer: Answer::Done { revision, .. } | Answer::Txn { revision, .. },
                ..
            } = output
            {
                answered = answered.max(revision);
            }
        }
        if has_died {
            break;
        }
    }
    let config_of_log = server.store().config();
    let disk = server.into_store().into_disk().restart();
    let (store, _) = WalStore::open(disk, config_of_log).map_err(|error| error.to_string())?;
    let server = Server::open(store, config()).map_err(|error| error.to_string())?;
    let revision = server.stats().revision;
    if revision < answered {
        return Err(format!("{answered} was answered, {revision} is left"));
    }
    match possible.get(&revision) {
        Some(state) if *state != states(&server) => Err(format!("revision {revision} is not what it was")),
        // A commit that failed may still have reached the disk.
        Some(_) => Ok(has_died),
        None if has_died => Ok(true),
        None => Err(format!("revision {revision} never was")),
    }
}

fn every_crash(fsync: FsyncPolicy, sabotage: Option<Sabotage>) -> Result<u64, String> {
    for crashes in 0..400 {
        let after_operations = crashes + 2; // opening an empty disk takes two
        let entropy = keyed_word(5, after_operations);
        if !problem_of_crash(fsync, PowerCut { after_operations, entropy }, sabotage)? {
            return Ok(crashes);
        }
    }
    Err("it dies however late the crash is".to_string())
}

#[test]
fn wherever_the_power_goes_what_was_answered_is_there() {
    for fsync in [FsyncPolicy::EveryCommit, GROUP] {
        let crashes = every_crash(fsync, None).expect("nothing answered is lost");
        assert!(crashes > 60, "only {crashes} points to die at");
    }
    let spoken_too_early = every_crash(GROUP, Some(Sabotage::SpeaksBeforeDurable)).unwrap_err();
    assert!(spoken_too_early.contains("was answered"), "{spoken_too_early}");
    assert!(every_crash(FsyncPolicy::Never, None).is_err());
}

#[test]
fn a_store_with_a_row_that_cannot_be_read_is_refused() {
    let mut server = Server::open(MemoryStore::new(), config()).expect("an empty store is whole");
    let body = Request::Txn(Txn::put(key("a"), Value::Integer(1)));
    server
        .handle(at(0), Input::Request { from: ADMIN, request: RequestId(0), body }, &mut Vec::new())
        .expect("it works");
    let store = server.into_store();
    let mut rows = Vec::new();
    store.scan(b"", &mut |row, _| {
        rows.push(row.to_vec());
        true
    });
    assert_eq!(rows.len(), 1);
    for row in rows {
        let mut store = store.clone();
        let mut batch = crate::store::Batch::new();
        batch.put(row.clone(), [0xFF; 3]);
        store.commit(at(0), &batch).expect("it works");
        assert_eq!(Server::open(store, config()).map(|_| ()).unwrap_err(), OpenError::Damaged(row));
    }
}
