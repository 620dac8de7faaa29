//! Kind `broker-controller`: says who leads each partition and notices brokers that are silent; keeps the consumer group,
//! too. Its brokers are those that it calls, in their order. It takes no requests.

use std::collections::BTreeMap;
use std::sync::Arc;

use foreshock_systems::broker::group::{
    Coordinator, GroupAudit, GroupInput, GroupOutput, GroupSabotage, RebalanceCause,
};
use foreshock_systems::broker::log::{
    Controller, ControllerInput, ControllerOutput, ControllerRejected, ElectionCause, Sabotage,
};
use foreshock_systems::broker::{BrokerId, PartitionId};

use super::SHORTEST_NAP;
use super::post::{self, Post};
use super::settings::{self, ControllerSettings};
use super::wire::{Address, Joined, Mail, Said};
use crate::cluster::{ConfigEdit, Cx, Durable, Message, Node, NodeId, Probes, Request, Token};
use crate::kernel::time::Time;
use crate::measure::brokered;
use crate::nodes::alarm::{Alarm, at_least};
use crate::nodes::store::{AnyStore, Fallen};
use crate::nodes::tokens::ALARM;
use crate::scenario::plan::{Plan, ServiceId};

#[derive(Default)]
struct Counts {
    elections: BTreeMap<&'static str, u64>,
    unclean: u64,
    fenced: u64,
    offline: u64,
    stale_isr: u64,
    rebalances: BTreeMap<&'static str, u64>,
    removed: BTreeMap<&'static str, u64>,
    fenced_commits: u64,
    commits: u64,
    moved: u64,
    restarts: u64,
}

pub(super) struct ControllerNode {
    service: ServiceId,
    plan: Arc<Plan>,
    settings: ControllerSettings,
    sabotage: (Option<Sabotage>, Option<GroupSabotage>),
    post: Post,
    brokers: Vec<ServiceId>,
    controller: Option<Controller<AnyStore>>,
    group: Option<Coordinator<AnyStore>>,
    audit: GroupAudit,
    fallen: (Option<Fallen>, Option<Fallen>),
    joining: BTreeMap<u64, (Address, u64)>,
    tokens: u64,
    starts: u64,
    seen: Time,
    alarm: Alarm,
    counts: Counts,
}

impl ControllerNode {
    pub(super) fn new(
        service: ServiceId,
        plan: &Arc<Plan>,
        log: Option<Sabotage>,
        group: Option<GroupSabotage>,
    ) -> ControllerNode {
        let own = &plan.services[service.index()];
        let post = Post::new(service, 0, plan);
        ControllerNode {
            service,
            plan: Arc::clone(plan),
            settings: settings::controller(&own.settings).expect("the plan's settings were checked"),
            sabotage: (log, group),
            brokers: post.brokers(),
            post,
            controller: None,
            group: None,
            audit: GroupAudit::new(),
            fallen: (None, None),
            joining: BTreeMap::new(),
            tokens: 0,
            starts: 0,
            seen: Time::ZERO,
            alarm: Alarm::default(),
            counts: Counts::default(),
        }
    }

    fn partition(&self, index: u32) -> PartitionId {
        PartitionId { topic: self.service.0 as u16, index: index as u16 }
    }

    fn control(&mut self, input: ControllerInput, cx: &mut Cx<'_>) -> Result<(), ControllerRejected> {
        let Some(controller) = &mut self.controller else { return Ok(()) };
        let mut out = Vec::new();
        let done = controller.handle(self.seen, input, &mut out);
        self.carry_out(out, cx);
        done
    }

    fn carry_out(&mut self, out: Vec<ControllerOutput>, cx: &mut Cx<'_>) {
        for output in out {
            match output {
                ControllerOutput::Assign { broker, assignment } => {
                    if let Some(to) = self.brokers.get(broker.0 as usize).copied() {
                        let said = Said::Assigned { known: None, assignments: vec![assignment] };
                        self.post.send_to_service(to, said, cx);
                    }
                }
                ControllerOutput::Elected { assignment, cause } => {
                    *self.counts.elections.entry(election(cause)).or_default() += 1;
                    if assignment.is_unclean {
                        self.counts.unclean += 1;
                        cx.broker_books().unclean(assignment.partition, assignment.epoch);
                    }
                }
                ControllerOutput::Offline { .. } => self.counts.offline += 1,
                ControllerOutput::Fenced { .. } => self.counts.fenced += 1,
            }
        }
    }

    fn group_says(&mut self, out: Vec<GroupOutput>, cx: &mut Cx<'_>) {
        for output in out {
            if let Err(violation) = self.audit.said(&output) {
                cx.violation(brokered::OWNED, violation.to_string());
            }
            match output {
                GroupOutput::Joined { token, member, generation, assigned, revoked } => {
                    let Some((to, number)) = self.joining.remove(&token) else { continue };
                    let joined = Joined { member, generation, assigned, revoked, is_join: true };
                    self.post.send(to, Said::GroupAnswer { number, result: Ok(joined) }, cx);
                }
                GroupOutput::Rebalanced { cause, moved, .. } => {
                    *self.counts.rebalances.entry(rebalance(cause)).or_default() += 1;
                    self.counts.moved += u64::from(moved);
                }
                GroupOutput::Removed { cause, .. } => {
                    *self.counts.removed.entry(removal(cause)).or_default() += 1;
                }
                GroupOutput::Rebalancing { .. } => {}
            }
        }
        if let Some(Err(violation)) = self.group.as_ref().map(|group| self.audit.check(group)) {
            cx.violation(brokered::OWNED, violation.to_string());
        }
    }

    fn group_asked(&mut self, from: Address, number: u64, mut ask: GroupInput, cx: &mut Cx<'_>) {
        let is_join = matches!(ask, GroupInput::Join { .. });
        if let GroupInput::Join { token, member, owned } = &mut ask {
            self.tokens += 1;
            *token = self.tokens;
            self.joining.insert(self.tokens, (from, number));
            member.iter().for_each(|member| self.audit.joins(*member, owned));
        }
        let (token, commit) = (self.tokens, ask.clone());
        let Some(group) = &mut self.group else { return };
        let mut out = Vec::new();
        let done = group.handle(self.seen, ask, &mut out);
        self.group_says(out, cx);
        match (done, commit) {
            (Err(reason), _) => {
                if is_join {
                    self.joining.remove(&token);
                }
                self.post.send(from, Said::GroupAnswer { number, result: Err(reason) }, cx);
            }
            (Ok(()), GroupInput::Join { .. }) => {}
            (Ok(()), GroupInput::Commit { member, generation, offsets }) => {
                if let Err(violation) = self.audit.committed(member, generation, &offsets, false) {
                    cx.violation(brokered::COMMITTED, violation.to_string());
                }
                let result = Ok(Joined::default());
                self.post.send(from, Said::GroupAnswer { number, result }, cx);
            }
            (Ok(()), GroupInput::Heartbeat { .. } | GroupInput::Leave { .. } | GroupInput::Partitions(_)) => {
                let result = Ok(Joined::default());
                self.post.send(from, Said::GroupAnswer { number, result }, cx);
            }
        }
    }

    fn heard(&mut self, mail: Mail, cx: &mut Cx<'_>) {
        let from = mail.from;
        let broker = self.brokers.iter().position(|broker| *broker == from.service);
        let broker = broker.map(|at| BrokerId(at as u32));
        match (mail.said, broker) {
            (Said::Register { incarnation, has_everything }, Some(broker)) => {
                // A store that refuses tells nobody: the broker asks again.
                let _ = self.control(ControllerInput::Register { broker, incarnation, has_everything }, cx);
                self.prefer(broker, cx);
                self.tell_changes(broker, from, 0, cx);
            }
            (Said::Heartbeat { incarnation, known }, Some(broker)) => {
                match self.control(ControllerInput::Heartbeat { broker, incarnation }, cx) {
                    Ok(()) => self.tell_changes(broker, from, known, cx),
                    Err(_) => self.post.send(from, Said::Stranger, cx),
                }
            }
            (Said::AlterIsr(alter), Some(_)) => {
                let done = self.control(ControllerInput::AlterIsr(alter), cx);
                self.counts.stale_isr += u64::from(done.is_err());
            }
            (Said::WhoLeads, _) => {
                let Some(controller) = &self.controller else { return };
                let all = controller.assignments().cloned().collect();
                self.post.send(from, Said::Leaders(all), cx);
            }
            (Said::Group { number, ask }, _) => self.group_asked(from, number, ask, cx),
            _ => {}
        }
    }

    /// A broker that has come leads what it should lead, where it is in sync.
    fn prefer(&mut self, broker: BrokerId, cx: &mut Cx<'_>) {
        let Some(controller) = &self.controller else { return };
        let first = controller.assignments().filter(|each| each.replicas.first() == Some(&broker));
        let partitions: Vec<PartitionId> = first.map(|each| each.partition).collect();
        for partition in partitions {
            // Of a partition that is known nothing but the store can refuse it: it is led by another then.
            let _ = self.control(ControllerInput::Prefer { partition }, cx);
        }
    }

    fn tell_changes(&mut self, broker: BrokerId, to: Address, known: u64, cx: &mut Cx<'_>) {
        let Some(controller) = &self.controller else { return };
        let (known, assignments) = controller.changes_since(broker, known);
        self.post.send(to, Said::Assigned { known: Some(known), assignments }, cx);
    }

    fn look(&mut self, cx: &mut Cx<'_>) {
        let seen = self.seen;
        if let Some(controller) =
            self.controller.as_mut().filter(|it| it.deadline().is_some_and(|at| at <= seen))
        {
            let mut out = Vec::new();
            let _ = controller.expire(seen, &mut out);
            self.carry_out(out, cx);
        }
        if let Some(group) = self.group.as_mut().filter(|it| it.deadline().is_some_and(|at| at <= seen)) {
            let mut out = Vec::new();
            let _ = group.expire(seen, &mut out);
            self.group_says(out, cx);
        }
    }

    fn settle(&mut self, cx: &mut Cx<'_>) {
        let controller = self.controller.as_ref().and_then(Controller::deadline);
        let group = self.group.as_ref().and_then(Coordinator::deadline);
        let due = controller.into_iter().chain(group).min();
        self.alarm.set(due, at_least(SHORTEST_NAP), ALARM, cx);
    }
}

const fn election(cause: ElectionCause) -> &'static str {
    match cause {
        ElectionCause::Created => "elections_created",
        ElectionCause::SessionEnded => "elections_session_ended",
        ElectionCause::Restarted => "elections_restarted",
        ElectionCause::Left => "elections_left",
        ElectionCause::Returned => "elections_returned",
        ElectionCause::Preferred => "elections_preferred",
    }
}

const fn rebalance(cause: RebalanceCause) -> &'static str {
    match cause {
        RebalanceCause::MemberJoined => "rebalances_member_joined",
        RebalanceCause::MemberRejoined => "rebalances_member_rejoined",
        RebalanceCause::Revoked => "rebalances_revoked",
        RebalanceCause::MemberLeft => "rebalances_member_left",
        RebalanceCause::PollBound => "rebalances_poll_bound",
        RebalanceCause::SessionEnded => "rebalances_session_ended",
        RebalanceCause::PartitionsChanged => "rebalances_partitions_changed",
    }
}

/// Why a member does not count any more.
const fn removal(cause: RebalanceCause) -> &'static str {
    match cause {
        RebalanceCause::PollBound => "members_stuck",
        RebalanceCause::SessionEnded => "members_silent",
        RebalanceCause::MemberLeft
        | RebalanceCause::MemberJoined
        | RebalanceCause::MemberRejoined
        | RebalanceCause::Revoked
        | RebalanceCause::PartitionsChanged => "members_left",
    }
}

impl Node for ControllerNode {
    fn start(&mut self, cx: &mut Cx<'_>) {
        self.seen = self.seen.max(cx.local_time());
        self.counts.restarts += u64::from(self.starts > 0);
        self.starts += 1;
        let fallen = std::mem::take(&mut self.fallen);
        // The two logs lie on disks of their own.
        let disk = |fallen: Option<Fallen>, which: u64| fallen?.disk(self.starts << 1 | which, cx);
        let disks = (disk(fallen.0, 0), disk(fallen.1, 1));
        let store = |disk| AnyStore::open(self.settings.store, disk);
        let controller = Controller::open(self.settings.config, store(disks.0), self.seen);
        self.controller = Some(controller.sabotaged(self.sabotage.0));
        let name = &self.plan.services[self.service.index()].name;
        let group = Coordinator::open(name, self.settings.group, store(disks.1)).sabotaged(self.sabotage.1);
        self.group = Some(group);
        let brokers: Vec<BrokerId> = (0..self.brokers.len() as u32).map(BrokerId).collect();
        let replication = self.settings.replication.unwrap_or(u32::MAX).min(brokers.len() as u32) as usize;
        for index in 0..self.settings.partitions {
            let first = index as usize % brokers.len().max(1);
            let replicas = brokers.iter().cycle().skip(first).take(replication).copied().collect();
            // It is there already after a restart.
            let partition = self.partition(index);
            let _ = self.control(ControllerInput::Create { partition, replicas }, cx);
        }
        let partitions = (0..self.settings.partitions).map(|index| self.partition(index)).collect();
        let mut out = Vec::new();
        if let Some(group) = &mut self.group {
            let _ = group.handle(self.seen, GroupInput::Partitions(partitions), &mut out);
        }
        self.group_says(out, cx);
        self.settle(cx);
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
        }
        self.look(cx);
        self.settle(cx);
    }

    fn crash(&mut self, keep: Durable, _lost: &mut dyn FnMut(&Request)) {
        let controller = self.controller.take().map(|it| it.into_store().fallen(keep));
        if let Some(group) = &self.group {
            let counts = group.counts();
            self.counts.fenced_commits += counts.fenced_commits;
            self.counts.commits += counts.commits;
        }
        let group = self.group.take().map(|it| it.into_store().fallen(keep));
        self.fallen = (controller, group);
        self.joining.clear();
        self.alarm.forget();
    }

    fn reconfigure(&mut self, edit: &ConfigEdit<'_>) -> Result<(), String> {
        let at = self.service.index();
        self.plan = Arc::clone(edit.plan);
        let (before, after) = (&edit.previous.services[at].settings, &edit.plan.services[at].settings);
        if before == after {
            return Ok(());
        }
        self.settings = settings::controller(after).map_err(|_| "the settings cannot be read".to_string())?;
        Err("a controller takes up its settings when it starts".to_string())
    }

    fn probe(&self, out: &mut Probes) {
        let counts = &self.counts;
        let group = self.group.as_ref().map(Coordinator::counts).unwrap_or_default();
        out.counts.extend(counts.elections.iter().map(|(name, count)| (*name, *count)));
        out.counts.extend(counts.rebalances.iter().map(|(name, count)| (*name, *count)));
        out.counts.extend(counts.removed.iter().map(|(name, count)| (*name, *count)));
        out.counts.extend([
            ("elections_unclean", counts.unclean),
            ("brokers_fenced", counts.fenced),
            ("partitions_offline", counts.offline),
            ("isr_changes_refused", counts.stale_isr),
            ("partitions_moved", counts.moved),
            ("commits", counts.commits + group.commits),
            ("commits_fenced", counts.fenced_commits + group.fenced_commits),
        ]);
        if let Some(group) = &self.group {
            out.maxima.insert("group_generation", u64::from(group.generation()));
            let committed = group.partitions().filter_map(|partition| group.committed(partition)).sum();
            out.counts.insert("committed", committed);
        }
        if counts.restarts > 0 {
            out.counts.insert("restarts", counts.restarts);
        }
    }
}
