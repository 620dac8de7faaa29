//! Overlapping faults end independently: whatever began and ended before, the world is what the faults still in force
//! make of it. Once for the effects as data, once for a whole cluster that lived through it.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::{Index, subsequence};

use super::super::Cluster;
use super::super::network::Mishap;
use super::super::node::{NodeId, Token};
use super::*;
use crate::kernel::agenda::Agenda;
use crate::nodes::Kinds;
use crate::run::Detail;
use crate::scenario::{Files, Source, compile};

struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _relative: &str) -> Result<String, String> {
        Err("there are no files".to_string())
    }
}

/// Faults and changes with effects in this module, several of most kinds.
const ENTRIES: [&str; 40] = [
    "fault: {latency: {link: a -> b, add: 5ms}}",
    "fault: {latency: {link: '*', add: 1ms, jitter: 2ms}}",
    "fault: {loss: {link: a -> b, share: 10%}}",
    "fault: {loss: {link: a <-> b, share: 20%}}",
    "fault: {duplicate: {link: l -> a, share: 10%}}",
    "fault: {reorder: {link: '* -> b', share: 30%, delay: 3ms}}",
    "fault: {corrupt: {link: b -> a, share: 5%}}",
    "fault: {bandwidth: {link: a -> b, rate: 9kB/s}}",
    "fault: {bandwidth: {link: '*', rate: 5kB/s, buffer: 1kB}}",
    "fault: {bandwidth: {link: a <-> b, rate: 5kB/s, buffer: 2kB}}",
    "fault: {partition: {between: [[a], [b/1, b/2]]}}",
    "fault: {partition: {isolate: [b/1], mode: hold}}",
    "fault: {partition: {halves: [a, b], mode: {slow: 4ms}}}",
    "fault: {partition: {between: [[l], [a]], one_way: true}}",
    "fault: {refuse: {service: b, share: 50%}}",
    "fault: {refuse: {service: {service: b, pick: majority}, share: 20%}}",
    "fault: {crash: {service: b/1}}",
    "fault: {crash: {service: b, mode: host}}",
    "fault: {crash: {service: {service: a, pick: one}}}",
    "fault: {pause: {service: b/2}}",
    "fault: {pause: {service: [a, b/2]}}",
    "fault: {slow: {service: b, factor: x2}}",
    "fault: {slow: {service: {service: b, pick: minority}, factor: x3}}",
    "fault: {slow: {service: [a/1, b/1], factor: x0.5}}",
    "fault: {cpu_quota: {service: b, quota: 20ms}}",
    "fault: {cpu_quota: {service: b/1, quota: 5ms, period: 50ms}}",
    "fault: {clock: {service: b, skew: +5s}}",
    "fault: {clock: {service: [a, b/3], skew: -2s}}",
    "fault: {clock: {service: b/1, drift: 200ppm}}",
    "fault: {clock: {service: b, jump: -3s}}",
    "fault: {error: {service: b, share: 10%}}",
    "fault: {abort: {service: b, share: 20%, operations: [buy]}}",
    "fault: {delay: {service: a, add: 5ms, share: 30%}}",
    "fault: {reset: {call: a -> b, share: 10%}}",
    "fault: {retry_storm: {call: a -> b, attempts: x3}}",
    "fault: {retry_storm: {call: '* -> b', attempts: x2}}",
    "fault: {hot_key: {load: l, share: 10%, key: 3}}",
    "fault: {pool_exhaustion: {service: a, pool: db, leaked: 3}}",
    "fault: {pool_exhaustion: {service: a, pool: db, leaked: all}}",
    "extra_hop: {link: a -> b, name: hop, service_time: 1ms}",
];

/// A plan with these entries, all of them lasting to the end.
fn plan(entries: &[&str]) -> Arc<Plan> {
    let lines: Vec<String> = entries
        .iter()
        .enumerate()
        .map(|(index, action)| format!("  - {{id: e{index}, at: 1s, {action}}}\n"))
        .collect();
    let text = format!(
        "version: 1
name: overlap
run: {{duration: 1h}}
services:
  a: {{replicas: 3, pools: {{db: {{size: 8}}}}, calls: [{{to: b, pool: db, retry: {{max_attempts: 2}}}}]}}
  b: {{replicas: 4, workers: 2}}
load: [{{name: l, to: a, rate: 0/s, mix: {{browse: 50%, buy: 50%}}}}]
timeline:
{}",
        lines.concat()
    );
    let source = Source { name: "overlap.yaml", text: text.as_bytes() };
    match compile(source, &NoFiles, &Kinds::default()) {
        Ok(compiled) => Arc::new(compiled.plan),
        Err(error) => panic!("{error}"),
    }
}

fn entries() -> impl Strategy<Value = Vec<&'static str>> {
    subsequence(ENTRIES.to_vec(), 1..12).prop_shuffle()
}

const SEED: Seed = Seed(11);

fn at(ms: u64) -> Time {
    Time::ZERO + Span::from_millis(ms)
}

/// The layout of the plans above: the load's node, three of `a`, four of `b`, perhaps a proxy.
fn effects(plan: &Plan, active: &[Active]) -> Effects {
    let replicas: Vec<u32> = plan.services.iter().map(|service| service.replicas).collect();
    let layout = Layout { service_base: &[1, 4, 8], load_node: &[0], replicas: &replicas, nodes: 9 };
    Effects::of(plan, SEED, &layout, active)
}

fn active(plan: &Plan, entry: usize, since_ms: u64) -> Active {
    let replicas = plan.services.iter().map(|service| service.replicas).collect();
    Active { entry: EntryId(entry as u32), since: at(since_ms), ended: false, replicas }
}

/// The effects of one entry alone.
fn alone(plan: &Plan, one: &Active) -> Effects {
    effects(plan, std::slice::from_ref(one))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// The order in which they began or ended does not matter, nor do those that have ended, except for clocks that
    /// jumped.
    #[test]
    fn effects_are_those_of_the_set_still_in_force(entries in entries(), ends in any::<u16>(), order in any::<Index>()) {
        let plan = plan(&entries);
        let mut all: Vec<Active> = (0..entries.len()).map(|entry| active(&plan, entry, 10 * entry as u64)).collect();
        for one in &mut all {
            one.ended = ends >> one.entry.0 & 1 == 1;
        }
        let stays = |one: &Active| !one.ended || entries[one.entry.index()].contains("jump");
        let remaining: Vec<Active> = all.iter().filter(|one| stays(one)).cloned().collect();
        let turn = order.index(all.len());
        all.rotate_left(turn);
        prop_assert_eq!(effects(&plan, &all), effects(&plan, &remaining));
    }

    /// A second, simpler account of how overlapping entries combine, from the effects of each alone.
    #[test]
    fn overlapping_effects_combine_as_each_kind_says(entries in entries()) {
        let plan = plan(&entries);
        let all: Vec<Active> = (0..entries.len()).map(|entry| active(&plan, entry, 10 * entry as u64)).collect();
        let together = effects(&plan, &all);
        let each: Vec<Effects> = all.iter().map(|one| alone(&plan, one)).collect();
        for (node, combined) in together.nodes.iter().enumerate() {
            let nodes = || each.iter().map(|effects| &effects.nodes[node]);
            let factor = nodes().fold(1000, |factor, one| factor * one.factor_milli / 1000);
            prop_assert_eq!(combined.factor_milli, factor, "factors multiply");
            prop_assert_eq!(combined.clock_offset_ns, nodes().map(|one| one.clock_offset_ns).sum::<i64>());
            let drifts: Vec<Drift> = nodes().flat_map(|one| one.clock_drifts.clone()).collect();
            prop_assert_eq!(&combined.clock_drifts, &drifts, "clocks gain from each drift's own start");
            prop_assert_eq!(combined.paused, nodes().find_map(|one| one.paused));
            let modes: Vec<CrashMode> = nodes().filter_map(|one| Some(one.crashed?.0)).collect();
            let worst = if modes.contains(&CrashMode::Host) { Some(CrashMode::Host) } else { modes.first().copied() };
            prop_assert_eq!(combined.crashed.map(|(mode, _)| mode), worst, "a dead host is silent");
            let strictest = nodes().filter_map(|one| one.quota).map(Quota::share_ppm).min();
            prop_assert_eq!(combined.quota.map(Quota::share_ppm), strictest, "the strictest quota holds");
            let refusals: Vec<_> = nodes().flat_map(|one| one.refuse.clone()).collect();
            prop_assert_eq!(&combined.refuse, &refusals, "each refuses its share");
        }
        for (link, combined) in together.links.iter().enumerate() {
            let links = || each.iter().map(|effects| &effects.links[link]);
            let narrowest = links().filter_map(|one| one.bandwidth).map(|(plan, _)| plan.bytes_per_s).min();
            prop_assert_eq!(combined.bandwidth.map(|(plan, _)| plan.bytes_per_s), narrowest, "the narrowest line holds");
            prop_assert_eq!(&combined.lost, &links().flat_map(|one| one.lost.clone()).collect::<Vec<_>>());
            prop_assert_eq!(combined.added.len(), links().map(|one| one.added.len()).sum::<usize>());
        }
        for (edge, combined) in together.edges.iter().enumerate() {
            let edges = || each.iter().map(|effects| &effects.edges[edge]);
            let strongest = edges().filter_map(|one| one.storm).map(|(factor, _)| factor).max();
            prop_assert_eq!(combined.storm.map(|(factor, _)| factor), strongest, "the strongest storm holds");
        }
        prop_assert_eq!(together.cuts, each.iter().flat_map(|one| one.cuts.clone()).collect::<Vec<_>>());
        prop_assert_eq!(together.leaks, each.iter().flat_map(|one| one.leaks.clone()).collect::<Vec<_>>());
    }

    /// A cluster that lived through beginnings and endings stands as one in which only the rest ever began.
    #[test]
    fn a_cluster_stands_as_if_what_has_ended_had_never_been(
        entries in entries(),
        times in proptest::collection::vec((1..500_u64, 1..500_u64, any::<bool>()), 12),
    ) {
        let plan = plan(&entries);
        let mut whole = Vec::new();
        let mut rest = Vec::new();
        for (entry, (begins, lasts, ends)) in times.iter().take(entries.len()).enumerate() {
            let stays = !ends || entries[entry].contains("jump");
            whole.push((*begins, entry as u32, true));
            if *ends {
                whole.push((*begins + *lasts, entry as u32, false));
            }
            if stays {
                rest.push((*begins, entry as u32, true));
            }
        }
        prop_assert_eq!(after(&plan, &mut whole), after(&plan, &mut rest));
    }
}

/// What can be seen of a cluster after these edges, each an instant in ms, an entry, and whether it begins.
fn after(plan: &Arc<Plan>, edges: &mut [(u64, u32, bool)]) -> String {
    let mut cluster = Cluster::new(Arc::clone(plan), SEED, Kinds::default(), &Detail::default());
    let mut agenda = Agenda::new();
    cluster.start(&mut agenda);
    // An entry begins before another ends in the same instant.
    edges.sort_unstable_by_key(|(at_ms, entry, begins)| (*at_ms, !*begins, *entry));
    for (at_ms, entry, begins) in edges.iter() {
        if *begins {
            cluster.entry_due(at(*at_ms), *entry, &mut agenda);
        } else {
            cluster.entry_over(at(*at_ms), *entry, &mut agenda);
        }
    }
    stands(&mut cluster, at(2000))
}

/// Everything that faults change in a cluster, as text; work of 10 ms is started everywhere to see how it runs.
fn stands(cluster: &mut Cluster, now: Time) -> String {
    let core = &mut cluster.core;
    let mut lines = vec![format!(
        "{:?} paused {} down {:?}",
        core.effects, cluster.timeline.paused, cluster.timeline.down
    )];
    for (link, plan) in core.links.iter().zip(&plan_links(&core.plan)) {
        let chances: Vec<(Mishap, u32, Key, Option<EntryId>)> = link
            .chances
            .iter()
            .map(|chance| (chance.what, chance.share_ppm, chance.key, chance.entry))
            .collect();
        let added: Vec<(Key, EntryId)> = link.added.iter().map(|added| (added.key, added.entry)).collect();
        lines.push(format!("{plan}: {chances:?} {added:?} {:?}", link.bandwidth));
    }
    for cut in &core.cuts {
        lines.push(format!("cut {:?} {:?} {:?} {:?} {:?}", cut.entry, cut.mode, cut.from, cut.to, cut.held));
    }
    for rules in &core.dependencies {
        for rule in rules {
            lines.push(format!(
                "rule {:?} {} {:?} {:?}",
                rule.entry, rule.share_ppm, rule.operations, rule.key
            ));
        }
    }
    for edge in &core.edge_states {
        let resets: Vec<(u32, EntryId)> =
            edge.resets.iter().map(|reset| (reset.share_ppm, reset.entry)).collect();
        lines.push(format!(
            "edge {:?} storm {} {:?} {resets:?}",
            edge.edge, edge.storm_factor, edge.storm_entry
        ));
    }
    for gate in &core.gates {
        lines.push(format!("gate {} of {} {:?}", gate.places.max_in_flight(), gate.size, gate.leak_entry));
    }
    for index in 0..core.nodes.len() as u32 {
        let node = &core.nodes[index as usize];
        let standing = format!(
            "{} up {} ready {} member {} {:?}",
            node.name, node.up, node.ready, node.member, node.clock
        );
        let processor = core.processors.processor_of(NodeId(index));
        core.processors.start(now, NodeId(index), Token(0), Span::from_millis(10));
        let finish = core.processors.next_finish(processor);
        let quota = core.processors.quota_state(now, NodeId(index));
        lines.push(format!("{standing} 10 ms of work end at {finish:?}, quota {quota:?}"));
    }
    lines.join("\n")
}

fn plan_links(plan: &Plan) -> Vec<String> {
    plan.links.iter().map(|link| link.name.clone()).collect()
}

#[test]
fn who_is_drawn_stays_drawn_when_replicas_come_and_all_means_those_who_come_as_well() {
    let plan = plan(&[
        "fault: {slow: {service: {service: b, pick: majority}, factor: x2}}",
        "fault: {crash: {service: b}}",
    ]);
    let hit = |replicas_of_b: u32, drawn_from: u32| {
        let mut one = active(&plan, 0, 0);
        one.replicas = vec![3, drawn_from].into();
        let all = active(&plan, 1, 0);
        let layout =
            Layout { service_base: &[1, 4], load_node: &[0], replicas: &[3, replicas_of_b], nodes: 12 };
        let effects = Effects::of(&plan, SEED, &layout, &[one, all]);
        let slow: Vec<usize> = (0..12).filter(|node| effects.nodes[*node].factor_milli == 2000).collect();
        let down = effects.nodes.iter().filter(|node| node.crashed.is_some()).count();
        (slow, down)
    };
    let (slow, down) = hit(4, 4);
    assert_eq!((slow.len(), down), (3, 4));
    assert_eq!(hit(7, 4), (slow.clone(), 7));
    assert_eq!(hit(2, 4), (slow, 2));
    assert_eq!(hit(7, 7).0.len(), 4);
}
