//! Where the time of requests went, hop by hop: the critical path of each traced request, walked back from its end.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::kernel::time::Time;
use crate::measure::{TraceSpan, TracedRequest};

/// A stretch of the critical path, averaged over requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PathPart {
    /// At which service or load; of the network the receiver; unanswered: the call.
    pub place: String,
    /// `queue`, `service`, `network`, `backoff`, `wait`, `unanswered`.
    pub kind: &'static str,
    /// Mean time per request.
    pub mean_us: u64,
    /// Share of the whole.
    pub share_ppm: u64,
}

/// The parts of the way of these requests, the longest first.
pub fn parts<'r>(requests: impl Iterator<Item = &'r TracedRequest>) -> Vec<PathPart> {
    let mut sums: BTreeMap<(String, &'static str), u64> = BTreeMap::new();
    let mut count = 0_u64;
    for request in requests {
        count += 1;
        walk(request, &mut |place, kind, ns| *sums.entry((place.to_string(), kind)).or_default() += ns);
    }
    let whole: u64 = sums.values().sum::<u64>().max(1);
    let mut parts: Vec<PathPart> = sums
        .into_iter()
        .map(|((place, kind), ns)| PathPart {
            place,
            kind,
            mean_us: ns / count.max(1) / 1_000,
            share_ppm: u64::try_from(u128::from(ns) * 1_000_000 / u128::from(whole)).unwrap_or(0),
        })
        .collect();
    parts.sort_by(|a, b| b.mean_us.cmp(&a.mean_us).then_with(|| (&a.place, a.kind).cmp(&(&b.place, b.kind))));
    parts
}

/// From the end of a request to its start: at each instant the stretch that was over last, or is still going on.
fn walk(request: &TracedRequest, add: &mut dyn FnMut(&str, &'static str, u64)) {
    let Some(ended) = request.ended else { return };
    let mut cursor = ended;
    while cursor > request.started {
        let leaf = request.spans.iter().filter(|span| span.kind != "call" && span.from < cursor);
        let next = leaf.max_by_key(|span| (span.to.min(cursor), span.from));
        let until = next.map_or(request.started, |span| span.to.min(cursor)).max(request.started);
        if until < cursor {
            add(unanswered(&request.spans, until, cursor), "unanswered", cursor.since(until).as_nanos());
        }
        let Some(span) = next else { return };
        let from = span.from.max(request.started);
        add(service_of(&span.node), span.kind, until.since(from).as_nanos());
        cursor = from.min(until);
    }
}

/// The innermost call under way all the time from `from` to `to`.
fn unanswered(spans: &[TraceSpan], from: Time, to: Time) -> &str {
    let open = spans.iter().filter(|span| span.kind == "call" && span.from <= from && span.to >= to);
    open.max_by_key(|span| span.from).map_or("?", |span| span.name.as_str())
}

fn service_of(node: &str) -> &str {
    node.split('/').next().unwrap_or(node)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::OutcomeKind;

    fn span(node: &str, kind: &'static str, from: u64, to: u64) -> TraceSpan {
        let at = |ms: u64| Time::from_nanos(ms * 1_000_000);
        TraceSpan {
            name: if kind == "call" { node.to_string() } else { kind.to_string() },
            node: node.to_string(),
            kind,
            from: at(from),
            to: at(to),
            attempt: 1,
        }
    }

    fn told(ended: u64, spans: Vec<TraceSpan>) -> Vec<(String, &'static str, u64)> {
        let request = TracedRequest {
            load: "users".to_string(),
            number: 0,
            started: Time::ZERO,
            ended: Some(Time::from_nanos(ended * 1_000_000)),
            outcome: OutcomeKind::Ok,
            spans,
        };
        parts([request].iter())
            .into_iter()
            .map(|part| (part.place, part.kind, part.mean_us / 1_000))
            .collect()
    }

    #[test]
    fn all_time_of_a_request_is_accounted_for() {
        let spans = vec![
            span("api", "network", 0, 1),
            span("api/1", "queue", 1, 4),
            span("api/1", "service", 4, 6),
            span("db", "network", 6, 7),
            span("db/2", "service", 7, 17),
            span("api", "network", 17, 18),
            span("api -> db", "call", 6, 18),
            span("users", "network", 18, 20),
            span("users -> api", "call", 0, 20),
        ];
        let parts = told(20, spans);
        assert_eq!(parts[0], ("db".to_string(), "service", 10));
        assert_eq!(parts.iter().map(|(_, _, ms)| ms).sum::<u64>(), 20);
    }

    #[test]
    fn of_two_calls_at_once_the_longer_counts() {
        let spans = vec![span("a", "service", 0, 3), span("b", "service", 0, 9)];
        assert_eq!(told(9, spans), [("b".to_string(), "service", 9)]);
    }

    #[test]
    fn work_that_goes_on_after_the_caller_left_counts_to_its_leaving() {
        let spans = vec![span("db/1", "queue", 2, 90), span("users -> db", "call", 0, 10)];
        assert_eq!(
            told(10, spans),
            [("db".to_string(), "queue", 8), ("users -> db".to_string(), "unanswered", 2)]
        );
    }
}
