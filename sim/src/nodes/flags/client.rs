//! A replica's copy of the flags: the library's client, what it says to the server over links, and what each request gets.
//! All flags that the service looks at are evaluated once for a request, as it comes in: it sees one revision.

use std::collections::VecDeque;
use std::sync::Arc;

use foreshock_systems::feature_flags::Node as Copy;
use foreshock_systems::feature_flags::{
    Context, Engine, FlagConfig, Input, NodeCounters, Output, RuleSet, Status,
};

use super::FlagsAsked;
use super::server;
use crate::cluster::{Cx, Durable, Note, Probes, Ref, Request};
use crate::kernel::draw::{Key, Lineage, Sampler, name_hash};
use crate::measure::FlagSeen;
use crate::nodes::alarm::{Alarm, SHORTEST_NAP, at_once_or};
use crate::nodes::tokens::FLAGS;
use crate::scenario::plan::{BootPolicy, FlagsPlan, OperationId, Plan};

/// By what users are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::nodes) enum Bucketing {
    /// By the key of the request.
    #[default]
    User,
    /// By the request: a mistake, for tests of the checks that have to notice.
    Request,
    /// By the key, but anew with each revision: another one.
    Reseeded,
}

/// The copy of one replica.
pub(in crate::nodes) struct FlagClient {
    plan: FlagsPlan,
    bucketing: Bucketing,
    copy: Copy,
    /// The scenario as it was written: what was shipped with the program.
    scenario: Arc<Plan>,
    /// What is on the disk: every revision is written there as it is taken over.
    disk: Option<Arc<RuleSet>>,
    /// In the order of the plan's costs.
    costs: Vec<Sampler>,
    keys: Option<Keys>,
    /// When it is woken, on its own clock.
    alarm: Alarm,
    /// Counts the lives of the process.
    life: u32,
    /// Messages sent in this life.
    sent: u64,
    /// The revision that is served, as far as measuring has been told.
    shown: Option<u64>,
    /// Of copies that are gone.
    before: NodeCounters,
    went_stale: u64,
}

#[derive(Clone, Copy)]
struct Keys {
    chance: Key,
    seed: Key,
    /// The replica's name, in the identity of its messages.
    name: u64,
}

impl FlagClient {
    pub(in crate::nodes) fn new(flags: &FlagsPlan, plan: &Arc<Plan>, bucketing: Bucketing) -> FlagClient {
        FlagClient {
            copy: Copy::new(flags.node, no_flags()),
            plan: flags.clone(),
            bucketing,
            scenario: Arc::clone(plan),
            disk: None,
            costs: samplers(flags),
            keys: None,
            alarm: Alarm::default(),
            life: 0,
            sent: 0,
            shown: None,
            before: NodeCounters::default(),
            went_stale: 0,
        }
    }

    /// The process starts; a replica that callers do not know yet follows nothing.
    pub(in crate::nodes) fn start(&mut self, cx: &mut Cx<'_>) {
        let service = &cx.plan().services[cx.service().index()].name;
        let name = name_hash(&format!("flags/{service}/{}", cx.replica() + 1));
        self.keys = Some(Keys { chance: cx.key("flags/chance"), seed: cx.key("flags/jitter"), name });
        self.life += 1;
        self.sent = 0;
        self.shown = None;
        let rules = match (self.plan.boot, &self.disk) {
            (BootPolicy::LastKnownGood, Some(disk)) => (**disk).clone(),
            (BootPolicy::LastKnownGood, None) | (BootPolicy::Defaults, _) => no_flags(),
            (BootPolicy::Bootstrap, _) => {
                let shipped = server::read(&self.scenario.services[self.plan.from.index()]);
                // It is what the server publishes first.
                no_flags().with_state(1, &shipped.state())
            }
        };
        self.begin(rules, cx);
    }

    /// A new copy that serves `rules` until it hears of others.
    fn begin(&mut self, rules: RuleSet, cx: &mut Cx<'_>) {
        let life = cx.redrawn(u64::from(self.life));
        let seed = self.keys.map_or(0, |keys| keys.seed.draw2(u64::from(cx.replica()), life));
        let config = foreshock_systems::feature_flags::NodeConfig { seed, ..self.plan.node };
        self.before = added(self.before, self.copy.counters());
        self.copy = Copy::new(config, rules);
        if cx.is_member() {
            self.hear(Input::Start, cx);
        } else {
            self.arm(cx);
        }
    }

    /// Something has come from the server, or has not come.
    fn hear(&mut self, input: Input, cx: &mut Cx<'_>) {
        let mut out = Vec::new();
        // What cannot be used is counted by the copy, which has asked for what it needs.
        let _ = self.copy.handle(cx.local_time(), input, &mut out);
        self.carry_out(out, cx);
    }

    fn carry_out(&mut self, out: Vec<Output>, cx: &mut Cx<'_>) {
        let mut out = VecDeque::from(out);
        while let Some(output) = out.pop_front() {
            match output {
                Output::Fetch { have } => self.ask(have, false, cx),
                Output::OpenStream { have } => self.ask(Some(have).filter(|have| *have > 0), true, cx),
                Output::ConfigurationChanged { .. } => {}
                Output::StatusChanged { to: Status::Stale, .. } => {
                    self.went_stale += 1;
                    if self.plan.node.streaming {
                        // A stream without a sign of life is broken: it is opened anew.
                        let mut more = Vec::new();
                        let _ = self.copy.handle(cx.local_time(), Input::StreamClosed, &mut more);
                        out.extend(more);
                    }
                }
                Output::StatusChanged { .. } => {}
            }
        }
        self.show(cx);
        self.arm(cx);
    }

    fn ask(&mut self, have: Option<u64>, stream: bool, cx: &mut Cx<'_>) {
        self.sent += 1;
        let name = self.keys.map_or(0, |keys| keys.name);
        let identity = Lineage::root(name, self.sent).attempt(self.life).raw();
        let server = cx.replica_of(self.plan.from, 0);
        let note = cx.write(Note::FlagsAsked(FlagsAsked { service: cx.service(), have, stream }));
        cx.send_note(self.plan.ask_link, server, note, identity);
        cx.forget(note);
    }

    /// Lets measuring know which revision is served from now on.
    fn show(&mut self, cx: &mut Cx<'_>) {
        let revision = self.copy.rules().revision();
        if self.copy.revision() > 0 && self.plan.boot == BootPolicy::LastKnownGood {
            self.keep();
        }
        if self.shown != Some(revision) {
            self.shown = Some(revision);
            cx.flag_copy(self.plan.from, revision);
        }
    }

    /// Writes what was taken over last to the disk. What is served while offline need not be that.
    fn keep(&mut self) {
        let rules = self.copy.rules();
        if rules.revision() == self.copy.revision() {
            self.disk = Some(Arc::clone(rules));
        }
    }

    fn arm(&mut self, cx: &mut Cx<'_>) {
        let wanted = self.copy.deadline().filter(|_| cx.is_member());
        self.alarm.set(wanted, at_once_or(SHORTEST_NAP), FLAGS, cx);
    }

    /// The wake-up has come.
    pub(in crate::nodes) fn due(&mut self, cx: &mut Cx<'_>) {
        self.alarm.forget();
        if !cx.is_member() {
            return;
        }
        let mut out = Vec::new();
        self.copy.expire(cx.local_time(), &mut out);
        self.carry_out(out, cx);
    }

    /// A note has come, which may be for it.
    pub(in crate::nodes) fn note_came(&mut self, note: Ref, cx: &mut Cx<'_>) {
        let input = match cx.note(note) {
            Some(Note::FlagsTold(told)) => told.input.clone(),
            Some(
                Note::Telemetry(_)
                | Note::TelemetryTaken { .. }
                | Note::FlagsAsked(_)
                | Note::Config(_)
                | Note::Broker(_)
                | Note::Peers(_),
            )
            | None => return,
        };
        if cx.is_member() {
            self.hear(input, cx);
        }
    }

    /// The process dies.
    pub(in crate::nodes) fn crash(&mut self, keep: Durable) {
        self.alarm.forget();
        self.shown = None;
        match keep {
            Durable::Written | Durable::Disk => {}
            Durable::Nothing => self.disk = None,
        }
    }

    /// New settings: a copy that begins anew with what is there.
    pub(in crate::nodes) fn reconfigured(&mut self, flags: &FlagsPlan, cx: &mut Cx<'_>) {
        if *flags == self.plan {
            return;
        }
        let same_copy = flags.node == self.plan.node;
        self.plan = flags.clone();
        self.costs = samplers(flags);
        if !same_copy {
            let rules = RuleSet::clone(self.copy.rules());
            self.begin(rules, cx);
        }
    }

    /// The answers for one request, one bit for each flag that is looked at.
    pub(in crate::nodes) fn evaluate(&self, request: &Request, cx: &mut Cx<'_>) -> u64 {
        let rules = self.copy.rules();
        let mut digits = [0; 20];
        let user = match self.bucketing {
            Bucketing::User => request.key,
            Bucketing::Request => request.lineage.raw(),
            Bucketing::Reseeded => request.key.rotate_left(17) ^ rules.revision().wrapping_mul(0x9E37_79B9),
        };
        let chance = self.keys.map_or(0, |keys| keys.chance.draw(cx.redrawn(request.lineage.raw())));
        let context =
            Context { user_id: Some(decimal(user, &mut digits)), random_word: chance, ..Context::default() };
        let mut answers = 0;
        for (position, used) in self.plan.uses.iter().enumerate() {
            let detail = rules.evaluate(&used.name, &context);
            let on = detail.is_on(used.default_on);
            answers |= u64::from(on) << position;
            cx.flag_evaluated(
                self.plan.from,
                FlagSeen {
                    flag: used.flag,
                    user: request.key,
                    revision: rules.revision(),
                    on,
                    by_default: detail.error_kind().is_some(),
                },
            );
        }
        answers
    }

    /// What the work for a request takes where a flag says so.
    pub(in crate::nodes) fn cost(&self, answers: u64, operation: OperationId) -> Option<&Sampler> {
        let applies = self.plan.costs.iter().position(|cost| {
            let is_of = cost.operations.as_ref().is_none_or(|only| only.contains(&operation));
            is_of && cost.gate.is_open(answers)
        })?;
        self.costs.get(applies)
    }

    pub(in crate::nodes) fn probe(&self, out: &mut Probes) {
        let counters = added(self.before, self.copy.counters());
        out.counts.insert("flag_updates", counters.updates);
        out.counts.insert("flag_polls", counters.polls);
        out.counts.insert("flag_polls_failed", counters.failed_polls);
        out.counts.insert("flag_resyncs", counters.resyncs);
        out.counts.insert("flag_duplicates", counters.duplicates);
        out.counts.insert("flag_copies_gone_stale", self.went_stale);
        if let Some(revision) = self.shown {
            out.minima.insert("flag_revision_min", revision);
            out.maxima.insert("flag_revision_max", revision);
        }
    }
}

fn no_flags() -> RuleSet {
    Engine::new(FlagConfig::default()).empty()
}

fn samplers(flags: &FlagsPlan) -> Vec<Sampler> {
    let checked = "the plan's distributions were checked";
    flags.costs.iter().map(|cost| Sampler::new(&cost.service_time).expect(checked)).collect()
}

fn added(one: NodeCounters, other: NodeCounters) -> NodeCounters {
    NodeCounters {
        updates: one.updates + other.updates,
        duplicates: one.duplicates + other.duplicates,
        outdated: one.outdated + other.outdated,
        resyncs: one.resyncs + other.resyncs,
        polls: one.polls + other.polls,
        failed_polls: one.failed_polls + other.failed_polls,
    }
}

/// A number in decimal digits, without the heap.
pub(crate) fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &str {
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    std::str::from_utf8(&digits[start..]).expect("digits are ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_known_by_the_digits_of_their_keys() {
        for number in [0, 7, 10, 1_234_567_890, u64::MAX] {
            assert_eq!(decimal(number, &mut [0; 20]), number.to_string());
        }
    }
}
