//! One process: how it boots, what it serves while the store is away, which layer counts, who is told.

use super::client::Rejected;
use super::*;

/// What a listener was told: names and new numbers.
type News = Vec<(String, Option<i64>)>;

/// A client that talks to a desk without a network.
struct Process {
    client: Client,
    saved: Option<Vec<u8>>,
    seen: Vec<client::Output>,
}

fn quick() -> ClientConfig {
    ClientConfig { apply: Apply::Immediately, ..ClientConfig::new(view("node")) }
}

impl Process {
    fn new(config: ClientConfig, schema: Schema, local: LocalLayers) -> Process {
        let client = Client::new(config, schema, local).expect("it can be meant");
        Process { client, saved: None, seen: Vec::new() }
    }

    fn plain() -> Process {
        Process::new(quick(), Schema::default(), LocalLayers::default())
    }

    fn start(&mut self, desk: &mut Desk<MemoryStore>, cache: Option<Vec<u8>>) -> Result<(), Rejected> {
        let mut out = Vec::new();
        let started = self.client.handle(desk.now, client::Input::Start { cache }, &mut out);
        self.carry(desk, out);
        started
    }

    /// Carries everything to the desk and back until nobody has anything to say.
    fn carry(&mut self, desk: &mut Desk<MemoryStore>, mut outputs: Vec<client::Output>) {
        while !outputs.is_empty() {
            for output in std::mem::take(&mut outputs) {
                let client::Output::Send { request, body } = output else {
                    if let client::Output::Save(bytes) = &output {
                        self.saved = Some(bytes.clone());
                    }
                    self.seen.push(output);
                    continue;
                };
                let input = Input::Request { from: PeerId(9), request, body };
                let mut answers = Vec::new();
                desk.server.handle(desk.now, input, &mut answers).expect("the store works");
                self.hear(desk, answers, &mut outputs);
            }
        }
    }

    fn hear(&mut self, desk: &Desk<MemoryStore>, answers: Vec<Output>, outputs: &mut Vec<client::Output>) {
        for answer in answers {
            let (Output::Answer { to, .. } | Output::Push { to, .. }) = &answer;
            if *to != PeerId(9) {
                continue;
            }
            let input = match answer {
                Output::Answer { request, answer, .. } => client::Input::Answer { request, answer },
                Output::Push { watch, push, .. } => client::Input::Push { watch, push },
            };
            self.client.handle(desk.now, input, outputs).expect("it can be used");
        }
    }

    /// Somebody else publishes; the process hears of it.
    fn publish(&mut self, desk: &mut Desk<MemoryStore>, settings: &[(&str, Value)]) {
        let mut commands: Vec<Command> = settings
            .iter()
            .map(|(name, value)| Command::Edit { name: (*name).to_string(), value: Some(value.clone()) })
            .collect();
        commands.push(Command::Publish { comment: String::new(), expected: None });
        let mut outputs = Vec::new();
        for command in commands {
            let body = Request::Release { scope: scope(), author: "ann".to_string(), command };
            let mut answers = Vec::new();
            let input = Input::Request { from: ADMIN, request: RequestId(1), body };
            desk.server.handle(desk.now, input, &mut answers).expect("the store works");
            self.hear(desk, answers, &mut outputs);
        }
        self.carry(desk, outputs);
    }

    fn listened(&mut self, desk: &mut Desk<MemoryStore>, listener: ListenerId, has_failed: bool) {
        let mut out = Vec::new();
        let input = client::Input::Listened { listener, has_failed };
        self.client.handle(desk.now, input, &mut out).expect("it can be used");
        self.carry(desk, out);
    }

    /// The change sets since the last time: whom, and the new values.
    fn told(&mut self) -> Vec<(ListenerId, News)> {
        let mut told = Vec::new();
        for output in std::mem::take(&mut self.seen) {
            if let client::Output::Notify { listener, changes } = output {
                let new = changes.changes.iter().map(|change| {
                    let new = change.new.as_ref().and_then(|new| new.value.as_integer());
                    (change.name.clone(), new)
                });
                told.push((listener, new.collect()));
            }
        }
        told
    }

    fn expire_at(&mut self, desk: &mut Desk<MemoryStore>, now: Time) {
        desk.now = now;
        let mut out = Vec::new();
        self.client.expire(now, &mut out);
        self.carry(desk, out);
    }

    fn integer(&self, name: &str) -> Option<i64> {
        self.client.snapshot().get(name).and_then(Value::as_integer)
    }
}

fn one(name: &str, number: i64) -> Vec<(&str, Value)> {
    vec![(name, Value::Integer(number))]
}

#[test]
fn a_process_restarts_from_its_cache_while_the_store_is_away_and_says_how_old_that_is() {
    let mut desk = Desk::new();
    desk.publish(&[("timeout", 1_000)]);
    let mut process = Process::plain();
    process.start(&mut desk, None).expect("it can begin");
    assert_eq!(process.client.origin(), Some(Origin::Store));
    let saved = process.saved.take();
    assert!(saved.is_some());

    let later = at(3_600_000);
    let mut again = Process::plain();
    let mut out = Vec::new();
    again
        .client
        .handle(later, client::Input::Start { cache: saved }, &mut out)
        .expect("its own cache is good");
    let ready =
        client::Output::Ready { origin: Origin::Cache, revision: Revision(1), age: Span::from_secs(3_600) };
    assert!(out.contains(&ready), "{out:?}");
    assert_eq!((again.integer("timeout"), again.client.age(later)), (Some(1_000), Span::from_secs(3_600)));
    // The store stays away for a day: it goes on asking, at a bounded pace, and serving.
    let mut asked = 0;
    while let Some(due) = again.client.deadline().filter(|due| *due < later + Span::from_secs(86_400)) {
        let mut out = Vec::new();
        again.client.expire(due, &mut out);
        asked += out.len();
    }
    assert!((5_000..30_000).contains(&asked), "{asked}");
    assert_eq!(again.integer("timeout"), Some(1_000));
}

#[test]
fn a_damaged_or_foreign_cache_is_refused_and_does_no_harm() {
    let mut desk = Desk::new();
    desk.publish(&[("a", 1)]);
    let mut process = Process::plain();
    process.start(&mut desk, None).expect("it can begin");
    let saved = process.saved.take().expect("it was saved");
    for index in 0..saved.len() {
        let mut damaged = saved.clone();
        damaged[index] ^= 1;
        let mut process = Process::plain();
        let started = process.start(&mut desk, Some(damaged));
        assert_eq!(started, Err(Rejected::Cache(CacheError::Damaged)), "byte {index}");
        assert_eq!((process.integer("a"), process.client.origin()), (Some(1), Some(Origin::Store)));
    }
    let other = ClientConfig::new(view("another"));
    let mut process = Process::new(other, Schema::default(), LocalLayers::default());
    assert_eq!(process.start(&mut desk, Some(saved)), Err(Rejected::Cache(CacheError::OtherView)));
}

#[test]
fn without_store_and_cache_a_process_starts_with_what_it_knows_or_not_at_all() {
    let local = || LocalLayers { defaults: numbers(&[("a", 1)]), ..LocalLayers::default() };
    for (on_store_down, starts) in [(OnStoreDown::LastKnownGood, true), (OnStoreDown::FailFastAtBoot, false)]
    {
        let config = ClientConfig { on_store_down, ..quick() };
        let mut client = Client::new(config, Schema::default(), local()).expect("it can be meant");
        let mut out = Vec::new();
        client.handle(at(0), client::Input::Start { cache: None }, &mut out).expect("it can begin");
        client.expire(at(4_999), &mut out);
        assert_eq!(client.origin(), None);
        client.expire(at(5_000), &mut out);
        assert_eq!(client.origin(), starts.then_some(Origin::Local));
        assert_eq!(out.contains(&client::Output::BootFailed), !starts);
        assert_eq!(client.deadline().is_some(), starts, "one that does not start does not ask");
    }
}

#[test]
fn the_later_layer_counts_and_says_so() {
    let mut desk = Desk::new();
    desk.publish(&[("c", 4), ("d", 4)]);
    let local = LocalLayers {
        defaults: numbers(&[("a", 1), ("b", 1), ("c", 1), ("d", 1)]),
        file: read_properties("# a comment\nb = 2\n c=2\nnonsense\nd = 2"),
        environment: read_environment("SHOP_", [("SHOP_C", "3"), ("PATH", "/bin"), ("SHOP_DB_POOL", "40")]),
        overrides: numbers(&[("d", 5)]),
    };
    let pool = ("db.pool", Field::integer(1, 50));
    let schema = Schema::open([("b", Field::of(Kind::Integer)), ("c", Field::of(Kind::Integer)), pool]);
    let mut process = Process::new(quick(), schema, local);
    process.start(&mut desk, None).expect("it can begin");
    for (name, value, layer) in [
        ("a", 1, Layer::Defaults),
        ("b", 2, Layer::File),
        ("db.pool", 40, Layer::Environment),
        ("c", 4, Layer::Remote),
        ("d", 5, Layer::Override),
    ] {
        let provenance = process.client.snapshot().provenance(name).expect(name).clone();
        assert_eq!((process.integer(name), provenance.layer), (Some(value), layer), "{name}");
        assert_eq!(provenance.revision, (layer == Layer::Remote).then_some(Revision(1)));
    }
}

#[test]
fn the_first_scope_counts_then_the_default_cluster_then_what_is_shared() {
    let mut desk = Desk::new();
    let scopes = ["shop/eu/checkout", "shop/default/checkout", "shared/default/common"];
    let scopes = scopes.map(|text| text.parse::<Scope>().expect("a scope"));
    for (index, names) in [&["a"][..], &["a", "b"], &["a", "b", "c"]].into_iter().enumerate() {
        for name in names {
            let key = scopes[index].key(name).expect("a name");
            desk.ask(Request::Txn(Txn::put(key, Value::Integer(index as i64))));
        }
    }
    let view = View { instance: "node".to_string(), scopes: scopes.to_vec() };
    let config = ClientConfig { view, ..quick() };
    let mut process = Process::new(config, Schema::default(), LocalLayers::default());
    process.start(&mut desk, None).expect("it can begin");
    assert_eq!(["a", "b", "c"].map(|name| process.integer(name)), [Some(0), Some(1), Some(2)]);
    let provenance = process.client.snapshot().provenance("c").expect("it is there");
    assert_eq!(provenance.scope.as_ref(), Some(&scopes[2]));
}

#[test]
fn placeholders_are_filled_in_across_layers_and_those_that_lead_nowhere_are_refused() {
    let mut desk = Desk::new();
    desk.edit("url", Value::text("https://${host}:${port:443}/${path:}$${x}"));
    desk.edit("host", Value::text("${region}.example.org"));
    released(&desk.try_publish());
    let local =
        LocalLayers { environment: read_environment("", [("REGION", "eu")]), ..LocalLayers::default() };
    let mut process = Process::new(quick(), Schema::default(), local);
    process.start(&mut desk, None).expect("it can begin");
    let url = |process: &Process| process.client.snapshot().get("url").cloned();
    let good = Some(Value::text("https://eu.example.org:443/${x}"));
    assert_eq!(url(&process), good);
    for bad in ["${url}", "${nowhere}", "${open"] {
        process.publish(&mut desk, &[("host", Value::text(bad))]);
        assert_eq!(url(&process), good, "{bad}");
        assert_eq!(process.client.rejected(), Some(desk.server.stats().revision));
    }
    process.publish(&mut desk, &[("host", Value::text("b.example.org"))]);
    assert_eq!(url(&process), Some(Value::text("https://b.example.org:443/${x}")));
    assert_eq!(process.client.rejected(), None);
    // Each doubles the one before: refused before it fills the memory.
    let doubled =
        (0..40).map(|number| (format!("x{number}"), Value::Text(format!("${{x{0}}}${{x{0}}}", number + 1))));
    let mut doubled: BTreeMap<String, Value> = doubled.collect();
    doubled.insert("x12".to_string(), Value::Text("0123456789".repeat(100)));
    process.client.set_local(
        desk.now,
        LocalLayers { defaults: doubled, ..LocalLayers::default() },
        &mut Vec::new(),
    );
    assert_eq!(url(&process), Some(Value::text("https://b.example.org:443/${x}")));
}

#[test]
fn a_release_that_the_process_does_not_allow_is_rejected_whole_or_without_that_key() {
    for (invalid, other) in [(OnInvalid::RejectRelease, 1), (OnInvalid::SkipKey, 2)] {
        let mut desk = Desk::new();
        desk.publish(&[("pool", 40), ("other", 1)]);
        let schema = Schema::open([("pool", Field::integer(10, 100).required())]);
        let config = ClientConfig { invalid, ..quick() };
        let mut process = Process::new(config, schema, LocalLayers::default());
        process.start(&mut desk, None).expect("it can begin");
        process.publish(&mut desk, &[("pool", Value::Integer(0)), ("other", Value::Integer(2))]);
        assert_eq!(
            (process.integer("pool"), process.integer("other")),
            (Some(40), Some(other)),
            "{invalid:?}"
        );
        assert_eq!(process.client.rejected(), Some(Revision(2)));
        let complaint = process.seen.iter().any(|output| {
            matches!(output, client::Output::Invalid { revision: Revision(2), violations } if violations[0].name == "pool")
        });
        assert!(complaint, "{:?}", process.seen);
        // What was saved is the last known good, not the last known.
        let mut again = Process::new(quick(), Schema::default(), LocalLayers::default());
        again.start(&mut Desk::new(), process.saved.clone()).expect("its own cache is good");
        assert_eq!(again.integer("pool"), Some(40));
    }
}

#[test]
fn a_request_sees_one_configuration_to_its_end() {
    let mut desk = Desk::new();
    desk.publish(&[("a", 1), ("b", 1)]);
    let mut process =
        Process::new(ClientConfig::new(view("node")), Schema::default(), LocalLayers::default());
    process.client.listen(Interest::All);
    process.start(&mut desk, None).expect("it can begin");
    let request = process.client.begin_request(&mut Vec::new());
    process.publish(&mut desk, &[("a", Value::Integer(2)), ("b", Value::Integer(2))]);
    assert_eq!((request.get("a"), process.integer("a")), (Some(&Value::Integer(1)), Some(1)));
    let mut out = Vec::new();
    let next = process.client.begin_request(&mut out);
    assert_eq!((next.get("a"), next.get("b")), (Some(&Value::Integer(2)), Some(&Value::Integer(2))));
    assert_eq!((out.len(), request.revision(), next.revision()), (1, Revision(1), Revision(2)));
    let shared = SharedSnapshot::new(request);
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                let mut last = Revision::ZERO;
                while last < Revision(2) {
                    let snapshot = shared.load();
                    assert!(snapshot.revision() >= last && snapshot.get("a") == snapshot.get("b"));
                    last = snapshot.revision();
                }
            });
        }
        shared.publish(next);
    });
}

#[test]
fn a_listener_that_fails_or_never_comes_back_holds_up_nobody() {
    let mut desk = Desk::new();
    let mut process = Process::plain();
    process.start(&mut desk, None).expect("it can begin");
    let [stuck, failing, fine] = [(); 3].map(|()| process.client.listen(Interest::name("a")));
    let elsewhere = process.client.listen(Interest::Prefix("b.".to_string()));
    for number in 1..=3 {
        process.publish(&mut desk, &one("a", number));
        process.listened(&mut desk, failing, true);
        process.listened(&mut desk, fine, false);
    }
    process.publish(&mut desk, &one("b.c", 7));
    let news = |number| vec![("a".to_string(), Some(number))];
    let told = process.told();
    let of = |id| told.iter().filter(|(to, _)| *to == id).map(|(_, news)| news.clone()).collect::<Vec<_>>();
    assert_eq!(of(stuck), [news(1)]);
    assert_eq!(of(failing), [news(1), news(2), news(3)]);
    assert_eq!(of(fine), [news(1), news(2), news(3)]);
    assert_eq!(of(elsewhere), [vec![("b.c".to_string(), Some(7))]]);
    assert_eq!(process.client.listener_errors(failing), Some(3));
    // When it does come back, it is told the rest at once.
    process.listened(&mut desk, stuck, false);
    assert_eq!(process.told(), [(stuck, news(3))]);
}

#[test]
fn a_listener_that_writes_what_it_listens_to_is_cut_off_after_so_many_rounds() {
    let mut desk = Desk::new();
    let mut process = Process::plain();
    process.start(&mut desk, None).expect("it can begin");
    let echo = process.client.listen(Interest::name("a"));
    process.publish(&mut desk, &one("a", 0));
    let mut rounds = 0;
    while let [(listener, news)] = &process.told()[..] {
        rounds += 1;
        assert!(rounds < 10, "it goes round for ever");
        let number = news[0].1.expect("it is there") + 1;
        let mut out = Vec::new();
        let txn = Txn::put(key("a"), Value::Integer(number));
        process.client.write(Some(*listener), txn, &mut out).expect("it may still write");
        process.carry(&mut desk, out);
        process
            .client
            .handle(
                desk.now,
                client::Input::Listened { listener: echo, has_failed: false },
                &mut process.seen,
            )
            .expect("it can be used");
        if process.seen.contains(&client::Output::CutOff(echo)) {
            break;
        }
    }
    assert_eq!(rounds, 3);
    let txn = || Txn::put(key("a"), Value::Integer(9));
    assert_eq!(process.client.write(Some(echo), txn(), &mut Vec::new()), Err(Rejected::CutOff(echo)));
    process.publish(&mut desk, &one("a", 50));
    assert_eq!(process.told(), []);
    process.client.reinstate(echo);
    process.publish(&mut desk, &one("a", 51));
    assert_eq!(process.told(), [(echo, vec![("a".to_string(), Some(51))])]);
    assert!(process.client.write(Some(echo), txn(), &mut Vec::new()).is_ok());
}

#[test]
fn changes_within_the_debounce_are_told_as_one_from_first_to_last() {
    let mut desk = Desk::new();
    let config = ClientConfig { debounce: Span::from_millis(50), ..quick() };
    let mut process = Process::new(config, Schema::default(), LocalLayers::default());
    process.start(&mut desk, None).expect("it can begin");
    let listener = process.client.listen(Interest::All);
    for number in 1..=3 {
        desk.now = at(number * 10);
        process.publish(&mut desk, &one("a", number as i64));
    }
    assert_eq!((process.told().len(), process.integer("a")), (0, None));
    assert_eq!(process.client.deadline(), Some(at(60)));
    process.expire_at(&mut desk, at(60));
    assert_eq!(process.told(), [(listener, vec![("a".to_string(), Some(3))])]);
}

#[test]
fn a_client_whose_history_was_compacted_away_asks_for_everything_after_a_pause() {
    let mut desk = Desk::new();
    desk.publish(&[("a", 1)]);
    let mut process = Process::plain();
    process.start(&mut desk, None).expect("it can begin");
    let saved = process.saved.take();
    desk.publish(&[("a", 2), ("b", 2)]);
    desk.edit("b", None);
    desk.publish(&[("a", 3)]);
    desk.ask(Request::Compact(Revision(3)));
    let mut pauses = Vec::new();
    for seed in 0..20 {
        let config = ClientConfig { seed, ..quick() };
        let mut again = Process::new(config, Schema::default(), LocalLayers::default());
        again.start(&mut desk, saved.clone()).expect("its own cache is good");
        assert_eq!((again.integer("a"), again.client.counters().resyncs), (Some(1), 1));
        let due = again.client.deadline().expect("it will ask");
        pauses.push(due.since(desk.now));
        let now = desk.now;
        again.expire_at(&mut desk, due);
        assert_eq!((again.integer("a"), again.client.have()), (Some(3), Revision(3)));
        desk.now = now;
        let mut out = Vec::new();
        desk.server.handle(desk.now, Input::Gone(PeerId(9)), &mut out).expect("the store works");
    }
    pauses.sort();
    assert!(pauses[0] < Span::from_secs(2) && pauses[19] > Span::from_secs(3), "not all at once: {pauses:?}");
    assert!(pauses[19] <= Span::from_secs(5));
}

#[test]
fn a_server_that_has_lost_something_does_not_take_a_client_back() {
    let mut desk = Desk::new();
    desk.publish(&[("a", 1)]);
    desk.publish(&[("a", 2)]);
    let mut process = Process::plain();
    process.start(&mut desk, None).expect("it can begin");
    let saved = process.saved.take();
    let mut old = Desk::new();
    old.publish(&[("a", 1)]);
    let mut again = Process::plain();
    again.start(&mut old, saved).expect("its own cache is good");
    for _ in 0..20 {
        let due = again.client.deadline().expect("it goes on");
        again.expire_at(&mut old, due);
        assert_eq!(again.integer("a"), Some(2));
    }
    assert!(again.client.counters().outdated > 5);
    old.publish(&[("a", 7)]);
    old.publish(&[("a", 8)]);
    let due = again.client.deadline().expect("it goes on");
    again.expire_at(&mut old, due);
    assert_eq!(again.integer("a"), Some(8));
}

#[test]
fn configs_that_cannot_be_meant_are_refused_with_what_to_write() {
    let busy = Transport::Poll { hold: Span::ZERO, pause: Span::ZERO };
    let nothing = View { instance: "node".to_string(), scopes: Vec::new() };
    for (config, says) in [
        (ClientConfig { view: nothing, ..quick() }, "view.scopes"),
        (ClientConfig { request_timeout: Span::ZERO, ..quick() }, "timeout"),
        (ClientConfig { retry_base: Span::ZERO, ..quick() }, "retry_base"),
        (ClientConfig { transport: busy, ..quick() }, "hold"),
        (ClientConfig { most_own_writes: 0, ..quick() }, "most_own_writes"),
    ] {
        let error = config.validate().unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}
