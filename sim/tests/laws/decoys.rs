//! Faults that do next to nothing, strewn over a scenario by a seed: the hay around a needle. Never judges.

use foreshock::kernel::draw::{Key, Seed, below, name_hash};
use foreshock::nodes::Kinds;
use foreshock::scenario::plan::Plan;
use foreshock::scenario::replanned;
use serde_json::{Value, json};

/// As few and as many decoys as a scenario gets.
const FEWEST: u64 = 8;
const MOST: u64 = 20;

/// The scenario with 8 to 20 decoys among its entries. How many, which and when depends on its name and `seed` alone.
pub(crate) fn with_decoys(plan: &Plan, seed: u64, kinds: &Kinds) -> Plan {
    let draw =
        |what: &str, number: u64| Key::derive(Seed(seed), "decoy", what).draw2(name_hash(&plan.name), number);
    let wanted = FEWEST + below(draw("count", 0), MOST - FEWEST + 1);
    let links: Vec<&str> = plan.edges.iter().map(|edge| edge.name.as_str()).collect();
    let services: Vec<&str> = plan.services.iter().map(|service| service.name.as_str()).collect();
    let length_ms = plan.run.duration.as_nanos() / 1_000_000;
    let mut decoyed = plan.clone();
    let (mut number, mut added) = (0, 0);
    while added < wanted {
        number += 1;
        assert!(number < 10 * MOST, "{}: hardly a decoy can be added", plan.name);
        let pick = |what: &str, count: usize| below(draw(what, number), count as u64) as usize;
        let (link, service) = (links[pick("link", links.len())], services[pick("service", services.len())]);
        let (fault, lasts_ms) = harmless(pick("form", FORMS), link, service);
        let at_ms = below(draw("at", number), length_ms * 9 / 10) + 1;
        let id = format!("decoy-{number}");
        let entry =
            json!({"id": id, "at": format!("{at_ms}ms"), "for": format!("{lasts_ms}ms"), "fault": fault});
        let mut document = (*decoyed.document).clone();
        let Some(timeline) = document["timeline"].as_array_mut() else {
            panic!("{}: no timeline", plan.name)
        };
        timeline.insert(pick("place", timeline.len() + 1), entry);
        // Not every kind of node has every fault; another is drawn instead.
        if let Ok(more) = replanned(&[plan], &document, kinds) {
            (decoyed, added) = (more, added + 1);
        }
    }
    decoyed
}

/// Forms of decoys.
const FORMS: usize = 9;

/// A fault too small to matter, and for how many milliseconds it does so.
fn harmless(form: usize, link: &str, service: &str) -> (Value, u64) {
    match form {
        0 => (json!({"latency": {"link": link, "add": "50us"}}), 2_000),
        1 => (json!({"latency": {"link": link, "add": "20us", "jitter": "20us"}}), 1_000),
        2 => (json!({"loss": {"link": link, "share": "0.001%"}}), 1_500),
        3 => (json!({"duplicate": {"link": link, "share": "0.001%"}}), 1_000),
        4 => (json!({"reorder": {"link": link, "share": "0.01%", "delay": "50us"}}), 1_000),
        5 => (json!({"slow": {"service": service, "factor": "x1.01"}}), 2_000),
        6 => (json!({"pause": {"service": service}}), 1),
        7 => (json!({"clock": {"service": service, "skew": "+10us"}}), 3_000),
        _ => (json!({"delay": {"service": service, "add": "20us", "share": "10%"}}), 1_500),
    }
}
