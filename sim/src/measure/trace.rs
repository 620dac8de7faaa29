//! Single requests hop by hop, for the few that a trace was asked for. Off, it costs one comparison.

use std::collections::BTreeMap;

use super::OutcomeKind;
use crate::cluster::NodeId;
use crate::kernel::time::Time;
use crate::scenario::plan::{EdgeId, LoadId};

/// Requests hop by hop.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// In the order in which they started.
    pub requests: Vec<TracedRequest>,
}

/// One request and everything done for it.
#[derive(Clone, Debug)]
pub struct TracedRequest {
    /// Whose request.
    pub load: String,
    /// Which of the load's requests.
    pub number: u64,
    /// Its intended start.
    pub started: Time,
    /// Its end, if it had one.
    pub ended: Option<Time>,
    /// How it ended.
    pub outcome: OutcomeKind,
    /// What was done for it, in the order in which it was over.
    pub spans: Vec<TraceSpan>,
}

/// A stretch of time spent on a request.
#[derive(Clone, Debug)]
pub struct TraceSpan {
    /// Of an attempt the edge, else the same as `kind`.
    pub name: String,
    /// At which node.
    pub node: String,
    /// `wait`, `backoff`, `network`, `queue`, `service`, `call`.
    pub kind: &'static str,
    /// From
    pub from: Time,
    /// to.
    pub to: Time,
    /// Of which attempt.
    pub attempt: u32,
}

#[derive(Clone, Copy)]
struct RawSpan {
    kind: &'static str,
    edge: Option<EdgeId>,
    node: NodeId,
    from: Time,
    to: Time,
    attempt: u32,
}

struct RawRequest {
    load: LoadId,
    number: u64,
    started: Time,
    ended: Option<(Time, OutcomeKind)>,
    spans: Vec<RawSpan>,
}

/// Most spans kept of one request; a retry storm would otherwise fill memory.
const MOST_SPANS: usize = 4096;

/// Collects spans of the first requests of each load.
#[derive(Default)]
pub(crate) struct TraceRecorder {
    per_load: u32,
    /// From which instants on; empty: from the start.
    from: Vec<Time>,
    /// Requests traced, by load and instant.
    admitted: BTreeMap<(LoadId, usize), u32>,
    requests: Vec<RawRequest>,
}

impl TraceRecorder {
    /// Traces the first `per_load` requests of each load that start after each of the instants `from`; of the whole
    /// run if there is none.
    pub(crate) fn new(per_load: u32, mut from: Vec<Time>) -> TraceRecorder {
        from.sort_unstable();
        TraceRecorder { per_load, from, admitted: BTreeMap::new(), requests: Vec::new() }
    }

    /// A ticket for a request that is to be traced, 0 for one that is not.
    #[inline]
    pub(crate) fn admit(&mut self, load: LoadId, number: u64, started: Time) -> u32 {
        if self.per_load == 0 { 0 } else { self.admit_if_wanted(load, number, started) }
    }

    #[cold]
    fn admit_if_wanted(&mut self, load: LoadId, number: u64, started: Time) -> u32 {
        if !self.is_wanted(load, number, started) {
            return 0;
        }
        self.requests.push(RawRequest { load, number, started, ended: None, spans: Vec::new() });
        self.requests.len() as u32
    }

    fn is_wanted(&mut self, load: LoadId, number: u64, started: Time) -> bool {
        if self.from.is_empty() {
            return number < u64::from(self.per_load);
        }
        let begun = self.from.partition_point(|from| *from <= started);
        if begun == 0 {
            return false;
        }
        let admitted = self.admitted.entry((load, begun)).or_default();
        *admitted = admitted.saturating_add(1);
        *admitted <= self.per_load
    }

    pub(crate) fn ended(&mut self, ticket: u32, now: Time, outcome: OutcomeKind) {
        if let Some(request) = self.request(ticket) {
            request.ended = Some((now, outcome));
        }
    }

    fn request(&mut self, ticket: u32) -> Option<&mut RawRequest> {
        self.requests.get_mut((ticket as usize).checked_sub(1)?)
    }

    fn push(&mut self, ticket: u32, span: RawSpan) {
        if ticket == 0 {
            return;
        }
        if let Some(request) = self.request(ticket)
            && request.spans.len() < MOST_SPANS
        {
            request.spans.push(span);
        }
    }

    /// A stretch of time; empty ones are left out.
    #[inline]
    pub(crate) fn span(
        &mut self,
        ticket: u32,
        kind: &'static str,
        node: NodeId,
        from: Time,
        to: Time,
        attempt: u32,
    ) {
        if ticket != 0 && to > from {
            self.push(ticket, RawSpan { kind, edge: None, node, from, to, attempt });
        }
    }

    /// An attempt from its sending to its end as its caller saw it.
    #[inline]
    pub(crate) fn call_span(
        &mut self,
        ticket: u32,
        edge: EdgeId,
        node: NodeId,
        from: Time,
        to: Time,
        attempt: u32,
    ) {
        if ticket != 0 {
            self.push(ticket, RawSpan { kind: "call", edge: Some(edge), node, from, to, attempt });
        }
    }

    /// Names for numbers.
    pub(crate) fn finish(
        self,
        load_name: impl Fn(LoadId) -> String,
        node_name: impl Fn(NodeId) -> String,
        edge_name: impl Fn(EdgeId) -> String,
    ) -> Trace {
        let requests = self
            .requests
            .into_iter()
            .map(|raw| TracedRequest {
                load: load_name(raw.load),
                number: raw.number,
                started: raw.started,
                ended: raw.ended.map(|(at, _)| at),
                outcome: raw.ended.map_or(OutcomeKind::Cancelled, |(_, outcome)| outcome),
                spans: raw
                    .spans
                    .into_iter()
                    .map(|span| TraceSpan {
                        name: span.edge.map_or_else(|| span.kind.to_string(), &edge_name),
                        node: node_name(span.node),
                        kind: span.kind,
                        from: span.from,
                        to: span.to,
                        attempt: span.attempt,
                    })
                    .collect(),
            })
            .collect();
        Trace { requests }
    }
}
