//! Choosing a replica: one balancer per caller node and callee. Knows what its caller has sent, nothing more.

use foreshock_systems::outlier::{OutlierConfig, OutlierDetector};
use xxhash_rust::xxh3::xxh3_64;

use super::node::NodeId;
use crate::kernel::draw::{Key, Seed, Stream, below};
use crate::kernel::time::Time;
use crate::scenario::plan::{Balance, HealthCheckPlan, LinkId, ServiceId, ServicePlan};

/// What a balancer answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pick {
    /// This replica, from 0.
    Replica(u32),
    /// Nobody may be called.
    Nobody,
}

/// A balancer of one caller node for one callee.
pub(crate) struct Balancer {
    pub(crate) owner: NodeId,
    pub(crate) service: ServiceId,
    /// Way there and back, for probes.
    pub(crate) links: (LinkId, LinkId),
    algorithm: Balance,
    weights: Vec<u32>,
    /// All replicas that may ever exist, shuffled by a key of this balancer so that fleets do not move in step.
    order: Vec<u32>,
    member: Vec<bool>,
    /// Members that probes have not found sick, in `order`.
    eligible: Vec<u32>,
    in_flight: Vec<u32>,
    turn: u64,
    smooth: Vec<i64>,
    ring: Vec<(u64, u32)>,
    key: Key,
    outlier: Option<(OutlierConfig, OutlierDetector)>,
    pub(crate) health: Option<HealthCheckPlan>,
    /// Whether the next round of probes is scheduled.
    pub(crate) is_probing: bool,
    probes: Vec<ProbeState>,
}

/// What probes know of a replica.
#[derive(Clone, Copy, Debug, Default)]
struct ProbeState {
    awaiting: bool,
    failures: u32,
    successes: u32,
    sick: bool,
}

impl Balancer {
    pub(crate) fn new(
        seed: Seed,
        owner: NodeId,
        owner_name: &str,
        service: ServiceId,
        plan: &ServicePlan,
        links: (LinkId, LinkId),
    ) -> Balancer {
        let count = plan.max_replicas as usize;
        let entity = format!("balancer/{owner_name} -> {}", plan.name);
        let mut balancer = Balancer {
            owner,
            service,
            links,
            algorithm: plan.balance,
            weights: Vec::new(),
            order: shuffled(plan.max_replicas, Key::derive(seed, &entity, "order")),
            member: (0..plan.max_replicas).map(|replica| replica < plan.replicas).collect(),
            eligible: Vec::new(),
            in_flight: vec![0; count],
            turn: 0,
            smooth: vec![0; count],
            ring: Vec::new(),
            key: Key::derive(seed, &entity, "choice"),
            outlier: None,
            health: None,
            is_probing: false,
            probes: vec![ProbeState::default(); count],
        };
        balancer.reconfigure(plan);
        balancer
    }

    /// Follows new settings; what is in flight stays counted.
    pub(crate) fn reconfigure(&mut self, plan: &ServicePlan) {
        self.algorithm = plan.balance;
        self.weights = (0..self.member.len())
            .map(
                |replica| {
                    if plan.weights.is_empty() { 1 } else { plan.weights[replica % plan.weights.len()] }
                },
            )
            .collect();
        if self.outlier.as_ref().map(|(config, _)| config) != plan.outlier.as_ref() {
            self.outlier = plan
                .outlier
                .as_ref()
                .map(|config| (*config, OutlierDetector::new(*config, self.member.len())));
        }
        self.health = plan.health_check;
        if self.health.is_none() {
            self.probes.fill(ProbeState::default());
        }
        self.ring = match plan.balance {
            Balance::RingHash { virtual_nodes } => ring(&plan.name, self.member.len() as u32, virtual_nodes),
            Balance::RoundRobin
            | Balance::Random
            | Balance::LeastRequests
            | Balance::PowerOfChoices { .. }
            | Balance::Weighted => Vec::new(),
        };
        self.refresh();
    }

    /// A replica joins or leaves.
    pub(crate) fn set_member(&mut self, replica: u32, member: bool) {
        self.member[replica as usize] = member;
        self.probes[replica as usize] = ProbeState::default();
        self.refresh();
    }

    fn refresh(&mut self) {
        self.eligible.clear();
        let (member, probes) = (&self.member, &self.probes);
        self.eligible.extend(
            self.order
                .iter()
                .copied()
                .filter(|replica| member[*replica as usize] && !probes[*replica as usize].sick),
        );
    }

    fn ejected(&self, now: Time, replica: u32) -> bool {
        self.outlier.as_ref().is_some_and(|(_, detector)| detector.is_ejected(now, replica as usize))
    }

    /// Chooses a replica for the attempt of this identity.
    #[inline]
    pub(crate) fn pick(&mut self, now: Time, identity: u64, request_key: u64, avoid: Option<u32>) -> Pick {
        if self.eligible.is_empty() {
            return Pick::Nobody;
        }
        let chosen = match self.algorithm {
            Balance::RoundRobin => self.in_turn(now, avoid),
            Balance::Random => self.random(now, identity, 1, avoid),
            Balance::PowerOfChoices { choices } => self.random(now, identity, choices, avoid),
            Balance::LeastRequests => self.least(now, avoid),
            Balance::Weighted => self.smooth_weighted(now, avoid),
            Balance::RingHash { .. } => self.on_ring(now, request_key, avoid),
        };
        let chosen =
            chosen.or_else(|| self.eligible.iter().copied().find(|replica| !self.ejected(now, *replica)));
        chosen.map_or(Pick::Nobody, Pick::Replica)
    }

    fn usable(&self, now: Time, replica: u32, avoid: Option<u32>) -> bool {
        Some(replica) != avoid && !self.ejected(now, replica)
    }

    fn in_turn(&mut self, now: Time, avoid: Option<u32>) -> Option<u32> {
        let count = self.eligible.len() as u64;
        for _ in 0..count {
            let replica = self.eligible[(self.turn % count) as usize];
            self.turn += 1;
            if self.usable(now, replica, avoid) {
                return Some(replica);
            }
        }
        None
    }

    /// The least loaded of `choices` distinct replicas drawn at random; the first drawn wins a tie.
    #[inline]
    fn random(&self, now: Time, identity: u64, choices: u32, avoid: Option<u32>) -> Option<u32> {
        const MOST_DRAWS: u32 = 64;
        const MOST_CHOICES: usize = 16;
        let count = self.eligible.len() as u64;
        let wanted = u64::from(choices).min(count) as usize;
        if wanted == 0 {
            return None;
        }
        let mut words = self.key.stream(identity);
        if wanted == 2 && avoid.is_none() && self.outlier.is_none() {
            return Some(self.best_of_two(words, MOST_DRAWS));
        }
        let mut seen = [u32::MAX; MOST_CHOICES];
        let mut found = 0;
        let mut best: Option<(u32, u32)> = None;
        for _ in 0..MOST_DRAWS {
            let replica = self.eligible[below(words.next_u64(), count) as usize];
            if seen[..found].contains(&replica) || !self.usable(now, replica, avoid) {
                continue;
            }
            let in_flight = self.in_flight[replica as usize];
            if best.is_none_or(|(least, _)| in_flight < least) {
                best = Some((in_flight, replica));
            }
            if found + 1 >= wanted.min(MOST_CHOICES) {
                break;
            }
            seen[found] = replica;
            found += 1;
        }
        best.map(|(_, replica)| replica)
    }

    /// What is chosen of two where every replica is usable.
    #[inline]
    fn best_of_two(&self, mut words: Stream, most_draws: u32) -> u32 {
        let count = self.eligible.len() as u64;
        let first = self.eligible[below(words.next_u64(), count) as usize];
        for _ in 1..most_draws {
            let second = self.eligible[below(words.next_u64(), count) as usize];
            if second != first {
                let is_better = self.in_flight[second as usize] < self.in_flight[first as usize];
                return if is_better { second } else { first };
            }
        }
        first
    }

    fn least(&self, now: Time, avoid: Option<u32>) -> Option<u32> {
        self.eligible
            .iter()
            .copied()
            .filter(|replica| self.usable(now, *replica, avoid))
            .min_by_key(|replica| self.in_flight[*replica as usize])
    }

    /// Smooth weighted round robin: everyone gains its weight, the richest is taken and pays the total.
    fn smooth_weighted(&mut self, now: Time, avoid: Option<u32>) -> Option<u32> {
        let mut total = 0;
        let mut best: Option<u32> = None;
        for &replica in &self.eligible {
            if !self.usable(now, replica, avoid) {
                continue;
            }
            let weight = i64::from(self.weights[replica as usize]);
            total += weight;
            self.smooth[replica as usize] += weight;
            if best.is_none_or(|other| self.smooth[replica as usize] > self.smooth[other as usize]) {
                best = Some(replica);
            }
        }
        self.smooth[best? as usize] -= total;
        best
    }

    fn on_ring(&self, now: Time, request_key: u64, avoid: Option<u32>) -> Option<u32> {
        let point = xxh3_64(&request_key.to_le_bytes());
        let start = self.ring.partition_point(|(at, _)| *at < point);
        (0..self.ring.len()).map(|step| self.ring[(start + step) % self.ring.len()].1).find(|replica| {
            let index = *replica as usize;
            self.member[index] && !self.probes[index].sick && self.usable(now, *replica, avoid)
        })
    }

    /// An attempt was sent.
    #[inline]
    pub(crate) fn started(&mut self, replica: u32) {
        self.in_flight[replica as usize] += 1;
    }

    /// An attempt is over; `ok` is false if the callee is to blame.
    #[inline]
    pub(crate) fn ended(&mut self, now: Time, replica: u32, ok: bool) {
        let in_flight = &mut self.in_flight[replica as usize];
        assert!(*in_flight > 0, "an attempt ends once, after it was started");
        *in_flight -= 1;
        if let Some((_, detector)) = &mut self.outlier {
            detector.record(now, replica as usize, ok);
        }
    }

    /// A round of probes is due: judges the last one and names the replicas to probe now.
    pub(crate) fn probe_round(&mut self, out: &mut Vec<u32>) {
        let Some(health) = self.health else { return };
        for replica in 0..self.member.len() {
            if !self.member[replica] {
                continue;
            }
            let probe = &mut self.probes[replica];
            if probe.awaiting {
                probe.successes = 0;
                probe.failures += 1;
                probe.sick |= probe.failures >= health.unhealthy_after;
            }
            probe.awaiting = true;
            out.push(replica as u32);
        }
        self.refresh();
    }

    /// A probe was answered.
    pub(crate) fn probe_answered(&mut self, replica: u32) {
        let Some(health) = self.health else { return };
        let probe = &mut self.probes[replica as usize];
        probe.awaiting = false;
        probe.failures = 0;
        probe.successes += 1;
        if probe.sick && probe.successes >= health.healthy_after {
            probe.sick = false;
            self.refresh();
        }
    }
}

/// The numbers below `count` in an order drawn from `key`. With a larger count the further numbers come in between;
/// those that were there keep their order, so that a replica more moves nobody else.
pub(crate) fn shuffled(count: u32, key: Key) -> Vec<u32> {
    let mut order: Vec<u32> = (0..count).collect();
    order.sort_unstable_by_key(|number| (key.draw(u64::from(*number)), *number));
    order
}

/// Virtual nodes on a ring. Names alone decide, so that every balancer has the same ring, after a restart too.
fn ring(service: &str, replicas: u32, virtual_nodes: u32) -> Vec<(u64, u32)> {
    let mut points: Vec<(u64, u32)> = (0..replicas)
        .flat_map(|replica| {
            (0..virtual_nodes).map(move |virtual_node| {
                (xxh3_64(format!("{service}/{replica}#{virtual_node}").as_bytes()), replica)
            })
        })
        .collect();
    points.sort_unstable();
    points
}
