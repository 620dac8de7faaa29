//! Single requests in the Trace Event format that Chrome, Perfetto and Speedscope read: one process for each
//! request, one track for each node. Times are exact decimals of microseconds, written without a float.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;

use crate::kernel::time::Time;
use crate::measure::{Trace, TracedRequest};

/// The trace as JSON.
pub fn to_trace_events(trace: &Trace) -> String {
    let mut events = Vec::new();
    for (index, request) in trace.requests.iter().enumerate() {
        request_events(index as u64 + 1, request, &mut events);
    }
    let mut text = String::from("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n");
    text.push_str(&events.join(",\n"));
    text.push_str("\n]}\n");
    text
}

/// The track of the request as a whole; nodes have the tracks after it.
const REQUEST_TRACK: u64 = 0;

fn request_events(process: u64, request: &TracedRequest, events: &mut Vec<String>) {
    let outcome = if request.ended.is_some() { request.outcome.name() } else { "in flight" };
    let name = format!("{} #{} {outcome}", request.load, request.number);
    events.push(named("process_name", process, REQUEST_TRACK, &name));
    events.push(named("thread_name", process, REQUEST_TRACK, "request"));
    let mut tracks: BTreeMap<&str, u64> = BTreeMap::new();
    for span in &request.spans {
        let next = tracks.len() as u64 + 1;
        tracks.entry(&span.node).or_insert(next);
    }
    for (node, track) in &tracks {
        events.push(named("thread_name", process, *track, node));
    }
    let last_seen = request.spans.iter().map(|span| span.to).max().unwrap_or(request.started);
    let ended = request.ended.unwrap_or(last_seen);
    events.push(stretch(&name, "request", process, REQUEST_TRACK, (request.started, ended), None));
    for span in &request.spans {
        let track = tracks.get(span.node.as_str()).copied().unwrap_or(REQUEST_TRACK);
        events.push(stretch(&span.name, span.kind, process, track, (span.from, span.to), Some(span.attempt)));
    }
}

fn named(what: &str, process: u64, track: u64, name: &str) -> String {
    format!(
        "{{\"ph\":\"M\",\"name\":\"{what}\",\"pid\":{process},\"tid\":{track},\"args\":{{\"name\":{}}}}}",
        quoted(name)
    )
}

fn stretch(
    name: &str,
    kind: &str,
    process: u64,
    track: u64,
    (from, to): (Time, Time),
    attempt: Option<u32>,
) -> String {
    let mut text = format!(
        "{{\"ph\":\"X\",\"name\":{},\"cat\":{},\"pid\":{process},\"tid\":{track},\"ts\":{},\"dur\":{}",
        quoted(name),
        quoted(kind),
        micros(from.as_nanos()),
        micros(to.since(from).as_nanos())
    );
    if let Some(attempt) = attempt {
        let _ = write!(text, ",\"args\":{{\"attempt\":{attempt}}}");
    }
    text.push('}');
    text
}

/// Microseconds as an exact decimal number.
fn micros(ns: u64) -> String {
    let (whole, rest) = (ns / 1_000, ns % 1_000);
    if rest == 0 { whole.to_string() } else { format!("{whole}.{rest:03}") }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{OutcomeKind, TraceSpan};

    #[test]
    fn a_request_becomes_a_process_with_a_track_for_each_node_and_exact_times() {
        let at = Time::from_nanos;
        let span = |name: &str, node: &str, kind, from, to| TraceSpan {
            name: name.to_string(),
            node: node.to_string(),
            kind,
            from: at(from),
            to: at(to),
            attempt: 1,
        };
        let request = TracedRequest {
            load: "the \"buyers\"".to_string(),
            number: 7,
            started: at(1_000),
            ended: Some(at(5_500)),
            outcome: OutcomeKind::Ok,
            spans: vec![
                span("queue", "shop/1", "queue", 2_000, 3_001),
                span("buyers -> shop", "buyers", "call", 1_000, 5_500),
            ],
        };
        let text = to_trace_events(&Trace { requests: vec![request] });
        let value: Value = serde_json::from_str(&text).expect("the trace is JSON");
        let events = value["traceEvents"].as_array().expect("a list of events");
        assert_eq!(events.len(), 7);
        assert!(text.contains("\"ts\":1,\"dur\":4.500"), "{text}");
        assert!(text.contains("\"ts\":2,\"dur\":1.001"), "{text}");
        assert!(text.contains("the \\\"buyers\\\" #7 ok"), "{text}");
    }

    #[test]
    fn no_request_is_an_empty_list() {
        let value: Value = serde_json::from_str(&to_trace_events(&Trace::default())).expect("JSON");
        assert_eq!(value["traceEvents"], Value::Array(Vec::new()));
    }
}
