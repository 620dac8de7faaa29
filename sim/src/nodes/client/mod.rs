//! The clients of a load: start requests as the load says and take their answers. They work on nothing.

mod arrivals;
mod schedule;

use std::sync::Arc;

use self::arrivals::{Gap, Stream};
use crate::cluster::{
    CallSpec, ConfigEdit, Cx, Done, Durable, LoadCommand, Message, Node, NodeId, Probes, Ref, Request, Token,
};
use crate::faults::Fault;
use crate::kernel::agenda::Handle;
use crate::kernel::draw::{Key, Lineage, Sampler, Seed, Zipf, below, name_hash};
use crate::kernel::time::Time;
use crate::scenario::plan::{
    Action, Arrivals, Keys, LoadId, LoadPlan, OperationId, Plan, Setting, TraceArrival,
};

/// The clients of `load`.
pub(crate) fn client(load: LoadId, plan: &Arc<Plan>) -> Box<dyn Node> {
    Box::new(Client {
        load,
        plan: Arc::clone(plan),
        keys: None,
        zipf: zipf(&plan.loads[load.index()]),
        streams: Vec::new(),
        arrivals_changed: false,
        closed: None,
    })
}

/// How many requests `load` offers in the whole run under `seed`, found by walking its arrivals alone; `None` for
/// clients that wait for answers, and where something on the timeline adds to its requests or changes their rate.
pub(crate) fn offered(load: LoadId, plan: &Plan, seed: Seed) -> Option<u64> {
    let own = plan.loads.get(load.index())?;
    if plan.run.redraw.is_some() || plan.timeline.iter().any(|entry| may_move_arrivals(&entry.action, plan)) {
        return None;
    }
    let gap_key = Key::derive(seed, &format!("load/{}", own.name), ARRIVAL);
    let mut stream = Stream::open(&own.arrivals, name_hash(&own.name), 1000, Time::ZERO)?;
    let end = Time::ZERO + plan.run.duration;
    while stream.next_arrival(gap_key, 0).is_some_and(|at| at < end) {
        stream.number += 1;
    }
    Some(stream.number)
}

/// Whether a load may offer other requests because of it.
fn may_move_arrivals(action: &Action, plan: &Plan) -> bool {
    let names_a_load = |settings: &[Setting]| {
        let of =
            |path: &str, load: &LoadPlan| path.split('.').any(|part| part == load.name || part == "load");
        settings.iter().any(|setting| plan.loads.iter().any(|load| of(&setting.path, load)))
    };
    match action {
        Action::Fault(fault) => matches!(fault, Fault::Surge(_) | Fault::ThunderingHerd(_)),
        Action::Deploy(deploy) => names_a_load(&deploy.set),
        Action::Config(settings) => names_a_load(settings),
        // Releases are settings that arrive later.
        Action::Publish(publish) => names_a_load(&publish.written),
        Action::Flag(_) | Action::Scale { .. } | Action::ExtraHop { .. } | Action::Rollback { .. } => false,
    }
}

/// The purpose of the draws of gaps between requests.
const ARRIVAL: &str = "arrival";

struct Client {
    load: LoadId,
    plan: Arc<Plan>,
    keys: Option<DrawKeys>,
    zipf: Option<Zipf>,
    /// Open arrivals: the load's own, then those of surges and herds.
    streams: Vec<Stream>,
    /// Set by new settings until the load's own stream follows them.
    arrivals_changed: bool,
    closed: Option<Closed>,
}

#[derive(Clone, Copy)]
struct DrawKeys {
    gap: Key,
    mix: Key,
    key: Key,
}

/// Clients that wait for their answers.
struct Closed {
    think: Sampler,
    think_key: Key,
    clients: Vec<ClosedClient>,
}

#[derive(Clone, Copy)]
struct ClosedClient {
    hash: u64,
    requests: u64,
}

/// Wake-up tokens from here on are closed clients, below they are streams.
const FIRST_CLOSED: u32 = 1 << 16;

impl Client {
    fn own(&self) -> &LoadPlan {
        &self.plan.loads[self.load.index()]
    }

    fn end(&self) -> Time {
        Time::ZERO + self.plan.run.duration
    }

    fn keys(&self) -> DrawKeys {
        self.keys.expect("a node is started before anything reaches it")
    }

    /// Arms the next arrival of a stream, if it has one while the load lasts.
    #[inline]
    fn arm(&mut self, index: usize, cx: &mut Cx<'_>) {
        let end = self.end();
        let gap_key = self.keys().gap;
        let salt = cx.redrawn(0);
        let stream = &mut self.streams[index];
        stream.wake = match stream.next_arrival(gap_key, salt).filter(|at| *at < end) {
            Some(at) => cx.wake_at(at, Token(index as u32)),
            None => Handle::NONE,
        };
    }

    fn add_stream(&mut self, stream: Stream, cx: &mut Cx<'_>) {
        self.streams.push(stream);
        self.arm(self.streams.len() - 1, cx);
    }

    /// A stream's next request starts.
    #[inline]
    fn stream_due(&mut self, index: usize, cx: &mut Cx<'_>) {
        let Some(stream) = self.streams.get_mut(index) else { return };
        let number = stream.number;
        stream.number += 1;
        let recorded = stream.recorded(number);
        let (client, entry) = (stream.client, stream.entry);
        let key = stream.key;
        if let Some(entry) = entry {
            cx.touch(entry);
        }
        let recorded = recorded.map_or((None, key), |arrival: TraceArrival| (arrival.operation, arrival.key));
        // Only the load's own requests are traced: those of a fault have numbers of their own.
        let trace_number = if entry.is_none() { number } else { u64::MAX };
        self.start_request(client, number, trace_number, recorded, 0, cx);
        self.arm(index, cx);
    }

    #[inline]
    fn start_request(
        &mut self,
        client: u64,
        number: u64,
        trace_number: u64,
        recorded: (Option<OperationId>, Option<u64>),
        token: u64,
        cx: &mut Cx<'_>,
    ) {
        let lineage = Lineage::root(client, number);
        let operation = recorded.0.unwrap_or_else(|| self.draw_operation(cx.redrawn(lineage.raw())));
        let key = recorded.1.unwrap_or_else(|| self.draw_key(cx.redrawn(lineage.raw()), cx));
        let traced = cx.offered(self.load, trace_number, cx.now());
        let own = self.own();
        let spec = CallSpec {
            edge: own.edge,
            copy: 0,
            lineage,
            load: self.load,
            operation,
            key,
            arguments: [0; 3],
            wanted_at: cx.now(),
            deadline: Time::MAX,
            patience: own.patience,
            is_retry: false,
            priority: own.priority,
            traced,
            token,
        };
        cx.call(spec, Ref::NONE);
    }

    #[inline]
    fn draw_operation(&self, identity: u64) -> OperationId {
        let mix = &self.own().mix;
        if mix.len() == 1 {
            return mix[0].0;
        }
        let mut drawn = below(self.keys().mix.draw(identity), 1_000_000);
        for (operation, share_ppm) in mix {
            if drawn < u64::from(*share_ppm) {
                return *operation;
            }
            drawn -= u64::from(*share_ppm);
        }
        mix.last().map_or(OperationId(0), |(operation, _)| *operation)
    }

    #[inline]
    fn draw_key(&self, identity: u64, cx: &mut Cx<'_>) -> u64 {
        let seed = cx.seed();
        let hot =
            cx.hot_keys(self.load, |id| Key::derive(seed, &format!("fault/{id}"), "hot").draw(identity));
        if let Some(hot) = hot {
            return hot;
        }
        match (&self.zipf, self.own().keys) {
            (Some(zipf), _) => zipf.sample(self.keys().key, identity),
            (None, Keys::Uniform { items: 0 | 1 }) => 0,
            (None, Keys::Uniform { items } | Keys::Zipf { items, .. }) => {
                below(self.keys().key.draw(identity), items)
            }
        }
    }

    fn start_closed(&mut self, cx: &mut Cx<'_>) {
        let Arrivals::Closed { clients, think } = &self.own().arrivals else { return };
        let think = Sampler::new(think).expect("the plan's distributions were checked");
        let name = self.own().name.clone();
        let clients = (0..*clients)
            .map(|client| ClosedClient { hash: name_hash(&format!("{name}/{client}")), requests: 0 })
            .collect();
        self.closed = Some(Closed { think, think_key: cx.key("think"), clients });
        let count = self.closed.as_ref().map_or(0, |closed| closed.clients.len());
        for client in 0..count {
            self.think(client, cx);
        }
    }

    /// A closed client pauses before its next request.
    fn think(&mut self, client: usize, cx: &mut Cx<'_>) {
        let end = self.end();
        let Some(closed) = &self.closed else { return };
        let Some(state) = closed.clients.get(client) else { return };
        let identity = cx.redrawn(Lineage::root(state.hash, state.requests).raw());
        let at = cx.now() + closed.think.sample(closed.think_key, identity);
        if at < end {
            cx.wake_at(at, Token(FIRST_CLOSED + client as u32));
        }
    }

    fn closed_due(&mut self, client: usize, cx: &mut Cx<'_>) {
        let Some(state) = self.closed.as_mut().and_then(|closed| closed.clients.get_mut(client)) else {
            return;
        };
        let (hash, number) = (state.hash, state.requests);
        state.requests += 1;
        let trace_number = if client == 0 { number } else { u64::MAX };
        self.start_request(hash, number, trace_number, (None, None), client as u64, cx);
    }

    #[inline]
    fn call_done(&mut self, done: &Done, cx: &mut Cx<'_>) {
        cx.ended(self.load, done);
        if self.closed.is_some() {
            self.think(done.token as usize, cx);
        }
    }

    fn command(&mut self, command: LoadCommand, cx: &mut Cx<'_>) {
        let name = self.own().name.clone();
        match command {
            LoadCommand::SurgeStart { entry, extra_milli } => {
                let id = &self.plan.timeline[entry.index()].id;
                let client = name_hash(&format!("{name}/{id}"));
                if let Some(stream) = Stream::open(&self.own().arrivals, client, extra_milli, cx.now()) {
                    self.add_stream(Stream { entry: Some(entry), ..stream }, cx);
                }
            }
            LoadCommand::SurgeEnd { entry } => {
                for stream in self.streams.iter_mut().filter(|stream| stream.entry == Some(entry)) {
                    cx.cancel_wake(std::mem::take(&mut stream.wake));
                    stream.gap = Gap::Over;
                }
            }
            LoadCommand::Herd { entry, requests, over, key } => {
                let id = &self.plan.timeline[entry.index()].id;
                let client = name_hash(&format!("{name}/{id}"));
                let gap = Gap::Spread { from: cx.now(), requests, over };
                self.add_stream(Stream { client, gap, entry: Some(entry), key, ..Stream::default() }, cx);
            }
        }
    }
}

impl Node for Client {
    fn start(&mut self, cx: &mut Cx<'_>) {
        self.keys = Some(DrawKeys { gap: cx.key(ARRIVAL), mix: cx.key("operation"), key: cx.key("key") });
        let client = name_hash(&self.own().name);
        if let Some(stream) = Stream::open(&self.own().arrivals, client, 1000, Time::ZERO) {
            self.add_stream(stream, cx);
        }
        self.start_closed(cx);
    }

    fn deliver(&mut self, _from: NodeId, message: Message, cx: &mut Cx<'_>) {
        match &message {
            Message::Done(done) => self.call_done(done, cx),
            Message::Load(command) => self.command(*command, cx),
            Message::Request(_)
            | Message::Cancel(_)
            | Message::Fill(_)
            | Message::Invalidate { .. }
            | Message::Note(_)
            | Message::Entry { .. }
            | Message::Flag(_) => {}
        }
    }

    fn wake(&mut self, token: Token, cx: &mut Cx<'_>) {
        if token == Token::RECONFIGURED {
            // The load's own stream follows new stages from now on; other settings must not move a single arrival.
            if std::mem::take(&mut self.arrivals_changed)
                && let Some(stream) = self.streams.first_mut()
            {
                cx.cancel_wake(std::mem::take(&mut stream.wake));
                stream.follow(&self.plan.loads[self.load.index()].arrivals, cx.now());
                self.arm(0, cx);
            }
        } else if token.0 < FIRST_CLOSED {
            self.stream_due(token.0 as usize, cx);
        } else {
            self.closed_due((token.0 - FIRST_CLOSED) as usize, cx);
        }
    }

    fn crash(&mut self, _keep: Durable, _lost: &mut dyn FnMut(&Request)) {}

    fn reconfigure(&mut self, edit: &ConfigEdit<'_>) -> Result<(), String> {
        let index = self.load.index();
        self.arrivals_changed |= edit.plan.loads[index].arrivals != self.plan.loads[index].arrivals;
        self.plan = Arc::clone(edit.plan);
        self.zipf = zipf(self.own());
        Ok(())
    }

    fn probe(&self, _out: &mut Probes) {}
}

fn zipf(load: &LoadPlan) -> Option<Zipf> {
    match load.keys {
        Keys::Uniform { .. } => None,
        Keys::Zipf { items, s } => Some(Zipf::new(items, s).expect("the plan's distributions were checked")),
    }
}
