//! Kind `broker-consumer`: each replica is a member of the controller's group. It polls the leaders of its partitions,
//! works on the records one after the other for the service time of their operation, and commits. While it works it
//! is heard of, and it leaves when it has worked for longer than `poll_interval`, as its own watchdog says. It takes no
//! requests.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use foreshock_systems::broker::PartitionId;
use foreshock_systems::broker::client::{CommitWhen, Poller, PollerConfig, PollerOutput};
use foreshock_systems::broker::group::{GroupInput, GroupRejected, Protocol};
use foreshock_systems::broker::log::{Assignment, Read, Record, Rejected};

use super::SHORTEST_NAP;
use super::post::{self, Post};
use super::settings::{self, ConsumerSettings};
use super::wire::{Joined, Mail, Said};
use crate::cluster::{ConfigEdit, Cx, Durable, Message, Node, NodeId, Probes, Request, Token};
use crate::kernel::draw::{Key, Sampler, chance_ppm};
use crate::kernel::time::{Span, Time};
use crate::nodes::alarm::{Alarm, at_least};
use crate::nodes::tokens::ALARM;
use crate::scenario::plan::{Plan, ServiceId};

/// The end of the work on a record.
const WORKED: Token = Token(1);

/// What the coordinator was asked.
#[derive(Clone, Debug)]
enum Asked {
    Join,
    Heartbeat,
    Commit(Vec<(PartitionId, u64)>),
    Leave,
}

#[derive(Default)]
struct Counts {
    processed: u64,
    failed: u64,
    polls: u64,
    joins: u64,
    left_stuck: u64,
    commits: u64,
    commits_refused: u64,
    resets: u64,
    skipped: u64,
    dropped: u64,
}

pub(super) struct ConsumerNode {
    service: ServiceId,
    plan: Arc<Plan>,
    settings: ConsumerSettings,
    post: Post,
    brokers: Vec<ServiceId>,
    controller: Option<ServiceId>,
    poller: Poller,
    samplers: Vec<Sampler>,
    keys: Option<(Key, Key)>,
    leaders: BTreeMap<PartitionId, Option<ServiceId>>,
    asks_at: Time,
    /// Questions to the coordinator, and until when they wait.
    asked: BTreeMap<u64, (Asked, Time)>,
    /// Questions to leaders: which partition, from where, and until when.
    reading: BTreeMap<u64, (PartitionId, u64, Time)>,
    numbers: u64,
    /// What was received and is not processed.
    buffer: VecDeque<(PartitionId, Record)>,
    is_working: bool,
    /// When it may ask again, after something failed.
    rests_until: Time,
    wants_to_join: bool,
    seen: Time,
    alarm: Alarm,
    counts: Counts,
}

impl ConsumerNode {
    pub(super) fn new(service: ServiceId, replica: u32, plan: &Arc<Plan>) -> ConsumerNode {
        let own = &plan.services[service.index()];
        let settings = settings::consumer(&own.settings).expect("the plan's settings were checked");
        let post = Post::new(service, replica, plan);
        let controller = post.controller();
        let samplers = own.operations.iter().map(|operation| {
            Sampler::new(&operation.service_time).expect("the plan's distributions were checked")
        });
        ConsumerNode {
            service,
            plan: Arc::clone(plan),
            brokers: post.brokers(),
            controller,
            post,
            poller: Poller::new(config_of(&settings, controller, plan)),
            settings,
            samplers: samplers.collect(),
            keys: None,
            leaders: BTreeMap::new(),
            asks_at: Time::ZERO,
            asked: BTreeMap::new(),
            reading: BTreeMap::new(),
            numbers: 0,
            buffer: VecDeque::new(),
            is_working: false,
            rests_until: Time::ZERO,
            wants_to_join: true,
            seen: Time::ZERO,
            alarm: Alarm::default(),
            counts: Counts::default(),
        }
    }

    fn ask_group(&mut self, ask: GroupInput, asked: Asked, wait: Span, cx: &mut Cx<'_>) {
        let Some(controller) = self.controller else { return };
        self.numbers += 1;
        self.asked.insert(self.numbers, (asked, self.seen + wait));
        self.post.send_to_service(controller, Said::Group { number: self.numbers, ask }, cx);
    }

    fn follow(&mut self, out: Vec<PollerOutput>, cx: &mut Cx<'_>) {
        let wait = self.settings.request_timeout;
        for output in out {
            match output {
                PollerOutput::Heartbeat { member, generation } => {
                    self.ask_group(GroupInput::Heartbeat { member, generation }, Asked::Heartbeat, wait, cx);
                }
                PollerOutput::Leave { member, reason } => {
                    self.counts.left_stuck += 1;
                    self.ask_group(GroupInput::Leave { member, reason }, Asked::Leave, wait, cx);
                }
                PollerOutput::Join { .. } => self.wants_to_join = true,
            }
        }
        if !self.poller.is_member() {
            self.drop_what_is_not_owned();
        }
    }

    /// What somebody else reads by now is not worked on.
    fn drop_what_is_not_owned(&mut self) {
        let owned = self.poller.owned();
        let before = self.buffer.len();
        let working = usize::from(self.is_working);
        let mut place = 0;
        self.buffer.retain(|(partition, _)| {
            place += 1;
            place <= working || owned.contains(partition)
        });
        self.counts.dropped += (before - self.buffer.len()) as u64;
    }

    /// Joins, polls and commits, once it has nothing to process: as a loop around `poll` does.
    fn turn(&mut self, cx: &mut Cx<'_>) {
        if self.is_working || self.seen < self.rests_until {
            return;
        }
        // At most once: nothing is worked on before the group knows that it was received.
        let is_ahead =
            self.settings.config.commit == CommitWhen::Before && !self.poller.to_commit().is_empty();
        if let Some((partition, record)) = self.buffer.front().filter(|_| !is_ahead).cloned() {
            return self.begin(partition, &record, cx);
        }
        self.poller.polled(self.seen);
        self.commit(cx);
        let is_joining = self.asked.values().any(|(asked, _)| matches!(asked, Asked::Join));
        if self.wants_to_join && !is_joining {
            self.wants_to_join = false;
            self.counts.joins += 1;
            let (member, owned) = (self.poller.member(), self.poller.owned());
            let ask = GroupInput::Join { token: 0, member, owned };
            self.ask_group(ask, Asked::Join, Span::from_secs(86_400), cx);
        } else if self.poller.reads() && self.reading.is_empty() && !is_ahead {
            self.poll(cx);
        }
    }

    fn commit(&mut self, cx: &mut Cx<'_>) {
        let offsets = self.poller.to_commit();
        let is_committing = self.asked.values().any(|(asked, _)| matches!(asked, Asked::Commit(_)));
        if let (Some(member), false, false) = (self.poller.member(), offsets.is_empty(), is_committing) {
            let generation = self.poller.generation();
            let ask = GroupInput::Commit { member, generation, offsets: offsets.clone() };
            self.ask_group(ask, Asked::Commit(offsets), self.settings.request_timeout, cx);
        }
    }

    fn poll(&mut self, cx: &mut Cx<'_>) {
        self.counts.polls += 1;
        let positions: Vec<(PartitionId, u64)> = self.poller.positions().collect();
        for (partition, from) in positions {
            let Some(leader) = self.leaders.get(&partition).copied().flatten() else {
                self.asks_at = self.asks_at.min(self.seen);
                continue;
            };
            self.numbers += 1;
            let until = self.seen + self.settings.request_timeout + self.settings.poll_wait;
            self.reading.insert(self.numbers, (partition, from, until));
            let read = Read {
                partition,
                from,
                max_records: self.settings.max_poll_records,
                max_wait: self.settings.poll_wait,
            };
            self.post.send_to_service(leader, Said::Read { number: self.numbers, read }, cx);
        }
        if self.reading.is_empty() {
            self.rests_until = self.seen + self.settings.retry_pause;
        }
    }

    fn begin(&mut self, partition: PartitionId, record: &Record, cx: &mut Cx<'_>) {
        let Some((demand, poison)) = self.keys else { return };
        let (identity, operation) = of_record(record);
        let operation = (operation as usize).min(self.samplers.len().saturating_sub(1));
        self.is_working = true;
        if self.settings.poison_ppm > 0 && chance_ppm(poison.draw(identity), self.settings.poison_ppm) {
            // Nobody can process it: it is tried again and again, and everything behind it waits.
            self.counts.failed += 1;
            self.is_working = false;
            self.rests_until = self.seen + self.settings.retry_pause;
            cx.broker_blocked(partition, record.offset);
            return;
        }
        let span = self.samplers[operation].sample(demand, cx.redrawn(identity));
        cx.work(WORKED, span);
    }

    fn worked(&mut self, cx: &mut Cx<'_>) {
        self.is_working = false;
        let Some((partition, record)) = self.buffer.pop_front() else { return };
        self.counts.processed += 1;
        self.poller.processed(partition, record.offset);
        cx.broker_processed(partition, record.offset, of_record(&record).0);
        if !self.poller.owned().contains(&partition) {
            self.drop_what_is_not_owned();
        }
    }

    fn records(&mut self, number: u64, result: Result<Vec<Record>, Rejected>) {
        let Some((partition, from, _)) = self.reading.remove(&number) else { return };
        let is_current = self.poller.positions().any(|position| position == (partition, from));
        match result {
            Ok(records) if is_current => {
                if let Some(last) = records.last() {
                    self.poller.received(partition, last.offset + 1);
                }
                self.buffer.extend(records.into_iter().map(|record| (partition, record)));
            }
            Ok(_) => {}
            Err(Rejected::OffsetOutOfRange { start, end }) if is_current => {
                self.counts.resets += 1;
                self.counts.skipped += start.saturating_sub(from);
                self.poller.reset(partition, if from < start { start } else { end });
            }
            Err(_) => {
                self.asks_at = self.seen;
                self.rests_until = self.seen + self.settings.retry_pause;
            }
        }
    }

    fn group_answered(&mut self, number: u64, result: Result<Joined, GroupRejected>, cx: &mut Cx<'_>) {
        let Some((asked, _)) = self.asked.remove(&number) else { return };
        match (asked, result) {
            (Asked::Join, Ok(joined)) if joined.is_join => {
                let Joined { member, generation, assigned, revoked, .. } = joined;
                self.poller.joined(self.seen, member, generation, &assigned, 0);
                self.wants_to_join = !revoked.is_empty();
                self.drop_what_is_not_owned();
            }
            (Asked::Commit(offsets), Ok(_)) => {
                self.counts.commits += 1;
                self.poller.committed(&offsets);
            }
            (Asked::Leave, _) | (_, Ok(_)) => {}
            (asked, Err(reason)) => {
                self.counts.commits_refused += u64::from(matches!(asked, Asked::Commit(_)));
                let mut out = Vec::new();
                self.poller.refused(&reason, &mut out);
                self.wants_to_join |= matches!(asked, Asked::Join);
                self.follow(out, cx);
            }
        }
    }

    fn heard(&mut self, mail: Mail, cx: &mut Cx<'_>) {
        match mail.said {
            Said::Leaders(all) => {
                let leader = |assignment: &Assignment| {
                    assignment.leader.and_then(|id| self.brokers.get(id.0 as usize).copied())
                };
                let all: Vec<_> = all.iter().map(|each| (each.partition, leader(each))).collect();
                self.leaders.extend(all);
            }
            Said::Records { number, result } => self.records(number, result),
            Said::GroupAnswer { number, result } => self.group_answered(number, result, cx),
            _ => {}
        }
    }

    fn look(&mut self, cx: &mut Cx<'_>) {
        let now = self.seen;
        let late: Vec<u64> =
            self.asked.iter().filter(|(_, (_, until))| *until <= now).map(|(number, _)| *number).collect();
        for number in late {
            let was_join = self.asked.remove(&number).is_some_and(|(asked, _)| matches!(asked, Asked::Join));
            self.wants_to_join |= was_join;
        }
        let before = self.reading.len();
        self.reading.retain(|_, (_, _, until)| *until > now);
        if self.reading.len() < before {
            self.asks_at = now;
        }
        if self.poller.deadline().is_some_and(|at| at <= now) {
            let mut out = Vec::new();
            self.poller.expire(now, &mut out);
            self.follow(out, cx);
        }
        if self.asks_at <= now {
            self.asks_at = now + Span::from_secs(1);
            if let Some(controller) = self.controller {
                self.post.send_to_service(controller, Said::WhoLeads, cx);
            }
        }
        self.turn(cx);
    }

    fn settle(&mut self, cx: &mut Cx<'_>) {
        let asked = self.asked.values().map(|(_, until)| *until).min();
        let reading = self.reading.values().map(|(_, _, until)| *until).min();
        let rests = (self.rests_until > self.seen).then_some(self.rests_until);
        let due = [Some(self.asks_at), asked, reading, rests, self.poller.deadline()];
        let due = due.into_iter().flatten().min();
        self.alarm.set(due, at_least(SHORTEST_NAP), ALARM, cx);
    }
}

/// What a member is told: its own settings, and the protocol of its group.
fn config_of(settings: &ConsumerSettings, controller: Option<ServiceId>, plan: &Plan) -> PollerConfig {
    let written = controller.map(|service| &plan.services[service.index()].settings);
    let protocol = written.and_then(|written| settings::controller(written).ok()).map(|s| s.group.protocol);
    PollerConfig { reads_on: protocol == Some(Protocol::Cooperative), ..settings.config }
}

/// Whose request a record was, and its operation, as its producer wrote it.
fn of_record(record: &Record) -> (u64, u32) {
    let value = record.value.as_deref().unwrap_or_default();
    let Some((identity, rest)) = value.split_first_chunk() else { return (0, 0) };
    let operation = rest.split_first_chunk().map_or(0, |(operation, _)| u32::from_le_bytes(*operation));
    (u64::from_le_bytes(*identity), operation)
}

impl Node for ConsumerNode {
    fn start(&mut self, cx: &mut Cx<'_>) {
        self.seen = self.seen.max(cx.local_time());
        self.keys = Some((cx.key("demand"), cx.key("poison")));
        if cx.is_member() {
            self.look(cx);
            self.settle(cx);
        }
    }

    fn deliver(&mut self, _from: NodeId, message: Message, cx: &mut Cx<'_>) {
        self.seen = self.seen.max(cx.local_time());
        if let Some(mail) = post::opened(message, cx) {
            self.heard(mail, cx);
        }
        self.look(cx);
        self.settle(cx);
    }

    fn wake(&mut self, token: Token, cx: &mut Cx<'_>) {
        self.seen = self.seen.max(cx.local_time());
        if token == ALARM {
            self.alarm.forget();
        } else if token == WORKED {
            self.worked(cx);
        }
        self.look(cx);
        self.settle(cx);
    }

    fn crash(&mut self, _keep: Durable, _lost: &mut dyn FnMut(&Request)) {
        self.poller = Poller::new(config_of(&self.settings, self.controller, &self.plan));
        self.asked.clear();
        self.reading.clear();
        self.buffer.clear();
        self.leaders.clear();
        (self.is_working, self.wants_to_join) = (false, true);
        self.alarm.forget();
    }

    fn reconfigure(&mut self, edit: &ConfigEdit<'_>) -> Result<(), String> {
        self.plan = Arc::clone(edit.plan);
        let own = &self.plan.services[self.service.index()];
        let settings =
            settings::consumer(&own.settings).map_err(|_| "the settings cannot be read".to_string())?;
        let samplers = own.operations.iter().map(|operation| {
            Sampler::new(&operation.service_time).expect("the plan's distributions were checked")
        });
        self.samplers = samplers.collect();
        self.settings = settings;
        self.poller.reconfigure(config_of(&self.settings, self.controller, &self.plan));
        Ok(())
    }

    fn probe(&self, out: &mut Probes) {
        let counts = &self.counts;
        out.counts.extend([
            ("processed", counts.processed),
            ("polls", counts.polls),
            ("joins", counts.joins),
            ("left_stuck", counts.left_stuck),
            ("commits", counts.commits),
            ("commits_refused", counts.commits_refused),
            ("records_dropped", counts.dropped),
            ("records_buffered", self.buffer.len() as u64),
            ("offset_resets", counts.resets),
            ("records_skipped", counts.skipped),
        ]);
        if counts.failed > 0 {
            out.counts.insert("poison_tries", counts.failed);
        }
    }
}
