//! Kind `broker-producer`: each request is a record, placed by its key, and is answered when the leader has acknowledged it
//! as `acks` says. Knows who leads from the controller, which it asks now and then and whenever somebody refuses.

use std::collections::BTreeMap;
use std::sync::Arc;

use foreshock_systems::broker::client::{Producer, ProducerOutput};
use foreshock_systems::broker::log::{Acks, NewRecord, Rejected};
use foreshock_systems::broker::{PartitionId, ProducerId};

use super::post::Post;
use super::settings::{self, ProducerSettings};
use super::wire::{Mail, Said};
use crate::cluster::{Cx, Durable, Probes, Ref, Request};
use crate::kernel::draw::name_hash;
use crate::kernel::time::{Span, Time};
use crate::nodes::service::{Answered, Behaviour, Verdict, Woken};
use crate::scenario::plan::{Plan, ServiceId, ServicePlan};

const DONE: Verdict = Verdict::Answer(Answered { missed: false, value: 0 });

pub(super) struct ProducerNode {
    service: ServiceId,
    replica: u32,
    plan: Arc<Plan>,
    settings: ProducerSettings,
    post: Post,
    brokers: Vec<ServiceId>,
    controller: Option<ServiceId>,
    producer: Producer,
    lives: u64,
    /// Who leads, by partition, as far as it knows.
    leaders: BTreeMap<PartitionId, Option<ServiceId>>,
    asked_at: Time,
    asks_at: Time,
    /// Attempts that wait for an answer, and until when.
    under_way: BTreeMap<u64, Time>,
    /// Requests by the tags of their records.
    waiting: BTreeMap<u64, Ref>,
    tags: u64,
    delivered: Vec<Ref>,
    failed: Vec<Ref>,
    seen: Time,
    retired: foreshock_systems::broker::client::ProducerCounts,
}

impl ProducerNode {
    pub(super) fn new(service: ServiceId, replica: u32, plan: &Arc<Plan>) -> ProducerNode {
        let written = &plan.services[service.index()].settings;
        let settings = settings::producer(written).expect("the plan's settings were checked");
        let post = Post::new(service, replica, plan);
        let producer = Producer::new(settings.config);
        ProducerNode {
            service,
            replica,
            plan: Arc::clone(plan),
            brokers: post.brokers(),
            controller: post.controller(),
            post,
            settings,
            producer,
            lives: 0,
            leaders: BTreeMap::new(),
            asked_at: Time::ZERO,
            asks_at: Time::ZERO,
            under_way: BTreeMap::new(),
            waiting: BTreeMap::new(),
            tags: 0,
            delivered: Vec::new(),
            failed: Vec::new(),
            seen: Time::ZERO,
            retired: Default::default(),
        }
    }

    /// One producer for each life of the process.
    fn identity(&self) -> ProducerId {
        let name = format!("{}/{}", self.plan.services[self.service.index()].name, self.replica);
        ProducerId(name_hash(&name).wrapping_add(self.lives))
    }

    fn ask_who_leads(&mut self, cx: &mut Cx<'_>) {
        self.asked_at = self.seen;
        self.asks_at = self.seen + self.settings.metadata_every;
        if let Some(controller) = self.controller {
            self.post.send_to_service(controller, Said::WhoLeads, cx);
        }
    }

    /// Sends what is due.
    fn pump(&mut self, cx: &mut Cx<'_>) {
        while let Some(sending) = self.producer.poll(self.seen) {
            let leader = self.leaders.get(&sending.produce.partition).copied().flatten();
            let mut out = Vec::new();
            match leader {
                Some(leader) => {
                    let (number, acks) = (sending.id, sending.produce.acks);
                    self.post.send_to_service(leader, Said::Produce { number, produce: sending.produce }, cx);
                    if acks == Acks::None {
                        self.producer.acknowledged(self.seen, number, Span::ZERO, &mut out);
                    } else {
                        self.under_way.insert(number, self.seen + self.settings.request_timeout);
                    }
                }
                None => {
                    let reason = Some(Rejected::NotLeader { leader: None });
                    self.producer.failed(self.seen, sending.id, reason, &mut out);
                }
            }
            self.take(out);
        }
    }

    fn take(&mut self, out: Vec<ProducerOutput>) {
        for output in out {
            match output {
                ProducerOutput::Delivered { tags, .. } => {
                    self.delivered.extend(tags.iter().filter_map(|tag| self.waiting.remove(tag)));
                }
                ProducerOutput::Failed { tags, .. } => {
                    self.failed.extend(tags.iter().filter_map(|tag| self.waiting.remove(tag)));
                }
            }
        }
    }

    fn give_up_late(&mut self) {
        let now = self.seen;
        let late: Vec<u64> =
            self.under_way.iter().filter(|(_, until)| **until <= now).map(|(number, _)| *number).collect();
        let mut out = Vec::new();
        for number in late {
            self.under_way.remove(&number);
            self.asks_at = now;
            self.producer.failed(now, number, None, &mut out);
        }
        self.producer.expire(now, &mut out);
        self.take(out);
    }

    fn ended(&mut self) -> Option<Woken> {
        if !self.delivered.is_empty() {
            return Some(Woken { jobs: std::mem::take(&mut self.delivered), verdict: Some(DONE) });
        }
        let jobs = std::mem::take(&mut self.failed);
        (!jobs.is_empty()).then_some(Woken { jobs, verdict: Some(Verdict::Fail) })
    }

    fn count(&self) -> [(&'static str, u64); 7] {
        let (now, before) = (self.producer.counts(), self.retired);
        [
            ("records", now.taken + before.taken),
            ("records_refused", now.refused + before.refused),
            ("records_delivered", now.delivered + before.delivered),
            ("records_given_up", now.failed + before.failed),
            ("batches", now.attempts + before.attempts),
            ("batches_again", now.retries + before.retries),
            ("producer_epochs", now.epochs + before.epochs),
        ]
    }
}

impl Behaviour for ProducerNode {
    fn answer(&mut self, request: &Request, job: Ref, cx: &mut Cx<'_>) -> Verdict {
        self.seen = self.seen.max(cx.local_time());
        let key = request.key.to_le_bytes();
        let partitions = self.leaders.len() as u32;
        let at = self.settings.placement.partition(&key, partitions) as usize;
        // Before it knows any partition it cannot place a record.
        let Some(partition) = self.leaders.keys().nth(at).copied() else { return Verdict::TurnAway };
        let mut value = request.call.raw().to_le_bytes().to_vec();
        value.extend_from_slice(&request.operation.0.to_le_bytes());
        value.extend_from_slice(&request.load.0.to_le_bytes());
        value.resize(value.len().max(self.settings.record_bytes as usize), 0);
        let record = NewRecord { key: Some(key.as_slice().into()), value: Some(value.into()) };
        self.tags += 1;
        if self.producer.send(self.seen, partition, record, self.tags).is_err() {
            return Verdict::TurnAway;
        }
        self.waiting.insert(self.tags, job);
        self.pump(cx);
        if self.settings.config.acks == Acks::None && !self.waiting.contains_key(&self.tags) {
            self.delivered.retain(|delivered| *delivered != job);
            return DONE;
        }
        Verdict::Wait
    }

    fn start(&mut self, cx: &mut Cx<'_>) {
        self.seen = self.seen.max(cx.local_time());
        self.lives += 1;
        let identity = self.settings.is_idempotent.then(|| self.identity());
        let config = foreshock_systems::broker::client::ProducerConfig { identity, ..self.settings.config };
        self.producer = Producer::new(config);
        self.ask_who_leads(cx);
    }

    fn crash(&mut self, _keep: Durable) {
        let now = self.producer.counts();
        self.retired.taken += now.taken;
        self.retired.refused += now.refused;
        self.retired.delivered += now.delivered;
        self.retired.failed += now.failed;
        self.retired.attempts += now.attempts;
        self.retired.retries += now.retries;
        self.retired.epochs += now.epochs;
        self.producer = Producer::new(self.settings.config);
        self.under_way.clear();
        self.waiting.clear();
        self.delivered.clear();
        self.failed.clear();
        self.leaders.clear();
    }

    fn reconfigure(&mut self, plan: &ServicePlan) {
        if let Ok(settings) = settings::producer(&plan.settings) {
            self.settings = settings;
        }
    }

    fn calls_itself(&self) -> bool {
        true
    }

    fn note(&mut self, mail: Mail, cx: &mut Cx<'_>) -> Option<Woken> {
        self.seen = self.seen.max(cx.local_time());
        match mail.said {
            Said::Leaders(all) => {
                for assignment in all {
                    let leader = assignment.leader.and_then(|id| self.brokers.get(id.0 as usize).copied());
                    self.leaders.insert(assignment.partition, leader);
                }
            }
            Said::Produced { number, result } if self.under_way.remove(&number).is_some() => {
                let mut out = Vec::new();
                match result {
                    Ok(throttle) => self.producer.acknowledged(self.seen, number, throttle, &mut out),
                    Err(reason) => {
                        if matches!(reason, Rejected::NotLeader { .. } | Rejected::NoLongerLeader) {
                            self.asks_at = self.seen;
                        }
                        self.producer.failed(self.seen, number, Some(reason), &mut out);
                    }
                }
                self.take(out);
            }
            _ => {}
        }
        self.pump(cx);
        self.ended()
    }

    fn deadline(&self) -> Option<Time> {
        if !self.delivered.is_empty() || !self.failed.is_empty() {
            return Some(Time::ZERO);
        }
        let late = self.under_way.values().copied().min();
        [Some(self.asks_at), self.producer.deadline(), late].into_iter().flatten().min()
    }

    fn expire(&mut self, local: Time, cx: &mut Cx<'_>) -> Option<Woken> {
        self.seen = self.seen.max(local);
        self.give_up_late();
        if self.asks_at <= self.seen && self.asked_at < self.seen {
            self.ask_who_leads(cx);
        }
        self.pump(cx);
        self.ended()
    }

    fn probe(&self, out: &mut Probes) {
        out.counts.extend(self.count());
    }
}
