//! Kind `payment-provider`: an acquirer. Does what it is told once for each name, with outcomes drawn by the order, and
//! tells of them by webhooks if it calls whoever asks. It trusts amounts: bounds are the processor's business. What it
//! has done it knows for as long as it is told to keep it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use foreshock_systems::payment::{Decline, OperationKind, Outcome};

use super::calls_of;
use super::settings::{self, ProviderSettings};
use super::wire::{ToProvider, Told, outcome_value};
use crate::cluster::{CallSpec, Cx, Done, Probes, Ref, Request};
use crate::kernel::draw::{Key, Lineage, below, chance_ppm, name_hash};
use crate::kernel::time::{Span, Time};
use crate::measure::{Movement, OutcomeKind};
use crate::nodes::service::{Answered, Behaviour, Verdict, Woken};
use crate::scenario::plan::{EdgeId, LoadId, Party, Plan, ServiceId, ServicePlan};

/// An operation, by who asked for it and its name there.
type Name = (ServiceId, u64, u32);

/// What is known of an operation.
#[derive(Clone, Copy)]
struct Known {
    kind: OperationKind,
    outcome: Outcome,
    minor: i64,
    order: u64,
    lineage: Lineage,
    load: LoadId,
    is_settled: bool,
    /// Events told of it.
    events: u32,
}

#[derive(Clone, Copy)]
enum Due {
    /// What was pending is decided.
    Settle(Name),
    /// An event goes out.
    Tell { name: Name, outcome: Outcome, event: u32, copy: u32 },
}

#[derive(Clone, Copy)]
struct Draws {
    refusal: Key,
    pending: Key,
    lost: Key,
    delay: Key,
}

#[derive(Default)]
struct Counts {
    executed: u64,
    repeated: u64,
    declined: u64,
    status_asked: u64,
    not_understood: u64,
    answers_lost: u64,
    webhooks_sent: u64,
    webhooks_given_up: u64,
}

pub(super) struct Provider {
    settings: ProviderSettings,
    /// To whom it can tell something, with the way there.
    told: Vec<(ServiceId, EdgeId)>,
    known: BTreeMap<Name, Known>,
    /// What is decided, and until when it is known, in the order in which it was decided.
    fading: VecDeque<(Time, Name)>,
    /// Taken and given back by what it does not know any more.
    forgotten_minor: (u64, u64),
    due: BTreeMap<(Time, u64), Due>,
    events: u32,
    timers: u64,
    draws: Option<Draws>,
    counts: Counts,
}

impl Provider {
    pub(super) fn new(service: ServiceId, plan: &Arc<Plan>) -> Provider {
        let told = calls_of(plan, service).into_iter().map(|edge| (plan.edges[edge.index()].callee, edge));
        Provider {
            settings: read(&plan.services[service.index()]),
            told: told.collect(),
            known: BTreeMap::new(),
            fading: VecDeque::new(),
            forgotten_minor: (0, 0),
            due: BTreeMap::new(),
            events: 0,
            timers: 0,
            draws: None,
            counts: Counts::default(),
        }
    }

    fn execute(
        &mut self,
        name: Name,
        kind: OperationKind,
        minor: i64,
        request: &Request,
        cx: &mut Cx<'_>,
    ) -> Outcome {
        if let Some(known) = self.known.get(&name) {
            self.counts.repeated += 1;
            return outcome_now(known);
        }
        let Some(draws) = self.draws else { return Outcome::NotFound };
        self.counts.executed += 1;
        let outcome = self.decide(draws, name, kind, minor, cx.redrawn(request.key));
        let word = draws.pending.draw2(cx.redrawn(request.key), u64::from(name.2));
        let is_pending = chance_ppm(word, self.settings.pending_ppm);
        let known = Known {
            kind,
            outcome,
            minor,
            order: request.key,
            lineage: request.lineage,
            load: request.load,
            is_settled: !is_pending,
            events: 0,
        };
        self.known.insert(name, known);
        if is_pending {
            self.tell(name, Outcome::Pending, cx);
            let at = cx.local_time() + self.settings.settles_after;
            self.arm(at, Due::Settle(name));
            return Outcome::Pending;
        }
        self.settled(name, cx);
        outcome
    }

    /// Openings may be refused; what builds on them is done. `order` is what is drawn for.
    fn decide(&mut self, draws: Draws, name: Name, kind: OperationKind, minor: i64, order: u64) -> Outcome {
        let settings = &self.settings;
        let mut drawn = below(draws.refusal.draw2(order, u64::from(name.2)), 1_000_000);
        let refusals = [
            (settings.decline_ppm, Decline::Soft),
            (settings.hard_decline_ppm, Decline::Hard),
            (settings.not_processed_ppm, Decline::NotProcessed),
        ];
        for (share_ppm, decline) in refusals {
            if kind.is_opening() && drawn < u64::from(share_ppm) {
                self.counts.declined += 1;
                return Outcome::Declined(decline);
            }
            drawn = drawn.saturating_sub(u64::from(share_ppm));
        }
        Outcome::Succeeded { minor }
    }

    /// An operation is decided: money moves now, if it does.
    fn settled(&mut self, name: Name, cx: &mut Cx<'_>) {
        let Some(known) = self.known.get_mut(&name) else { return };
        known.is_settled = true;
        let Known { kind, outcome, order, .. } = *known;
        self.fading.push_back((cx.local_time() + self.settings.keep, name));
        if let Outcome::Succeeded { minor } = outcome {
            cx.money_moved(&Movement { processor: name.0, intent: name.1, order, kind, minor });
        }
        self.tell(name, outcome, cx);
    }

    /// Forgets what it has known for long enough.
    fn fade(&mut self, local: Time) {
        while let Some((_, name)) = self.fading.front().copied().filter(|(until, _)| *until <= local) {
            self.fading.pop_front();
            let Some(known) = self.known.remove(&name) else { continue };
            let (taken, given_back) = moved_minor(&known);
            self.forgotten_minor.0 = self.forgotten_minor.0.saturating_add(taken);
            self.forgotten_minor.1 = self.forgotten_minor.1.saturating_add(given_back);
        }
    }

    /// Plans the webhooks of an event.
    fn tell(&mut self, name: Name, outcome: Outcome, cx: &Cx<'_>) {
        if !self.told.iter().any(|(service, _)| *service == name.0) {
            return;
        }
        let (Some(draws), Some(known)) = (self.draws, self.known.get_mut(&name)) else { return };
        self.events = self.events.wrapping_add(1);
        known.events += 1;
        let (event, nth, order) = (self.events, known.events, known.order);
        let local = cx.local_time();
        for copy in 0..self.settings.webhook_copies {
            let identity = u64::from(name.2) << 32 | u64::from(nth) << 16 | u64::from(copy);
            let jitter = below(
                draws.delay.draw2(cx.redrawn(order), identity),
                self.settings.webhook_jitter.as_nanos().max(1),
            );
            let at = local + self.settings.webhook_delay + Span::from_nanos(jitter);
            self.arm(at, Due::Tell { name, outcome, event, copy: nth << 8 | copy });
        }
    }

    fn arm(&mut self, at: Time, due: Due) {
        self.timers += 1;
        self.due.insert((at, self.timers), due);
    }

    fn send(&mut self, name: Name, outcome: Outcome, event: u32, copy: u32, cx: &mut Cx<'_>) {
        let Some((_, edge)) = self.told.iter().find(|(service, _)| *service == name.0) else { return };
        let Some(known) = self.known.get(&name) else { return };
        self.counts.webhooks_sent += 1;
        let signed_at_s = (cx.local_time().as_nanos() / 1_000_000_000) as u32;
        let (key, arguments) = Told { intent: name.1, serial: name.2, outcome, event, signed_at_s }.words();
        cx.call(
            CallSpec {
                copy,
                load: known.load,
                key,
                arguments,
                ..CallSpec::of_its_own(*edge, known.lineage.call(name_hash("webhook"), name.2), cx.now())
            },
            Ref::NONE,
        );
    }
}

fn read(plan: &ServicePlan) -> ProviderSettings {
    settings::provider(&plan.settings).expect("the plan's settings were checked")
}

/// What an operation has taken, and what it has given back.
const fn moved_minor(known: &Known) -> (u64, u64) {
    if !known.is_settled || !matches!(known.outcome, Outcome::Succeeded { .. }) {
        return (0, 0);
    }
    let minor = known.minor.unsigned_abs();
    let takes = if known.kind.takes_money() { minor } else { 0 };
    let gives = if known.kind.gives_back() { minor } else { 0 };
    (takes, gives)
}

const fn outcome_now(known: &Known) -> Outcome {
    if known.is_settled { known.outcome } else { Outcome::Pending }
}

impl Behaviour for Provider {
    fn answer(&mut self, request: &Request, _job: Ref, cx: &mut Cx<'_>) -> Verdict {
        let from = cx.plan().edges[request.edge.index()].caller;
        let (Some(order), Party::Service(from)) = (ToProvider::of(request.arguments), from) else {
            self.counts.not_understood += 1;
            return Verdict::Fail;
        };
        self.fade(cx.local_time());
        let name = (from, order.intent, order.serial);
        let outcome = match order.execute {
            Some(kind) => self.execute(name, kind, order.minor, request, cx),
            None => {
                self.counts.status_asked += 1;
                self.known.get(&name).map_or(Outcome::NotFound, outcome_now)
            }
        };
        let is_lost = self.draws.is_some_and(|draws| {
            chance_ppm(draws.lost.draw(cx.redrawn(request.lineage.raw())), self.settings.answer_lost_ppm)
        });
        if is_lost {
            self.counts.answers_lost += 1;
            return Verdict::Fail;
        }
        Verdict::Answer(Answered { missed: false, value: outcome_value(outcome) })
    }

    fn start(&mut self, cx: &mut Cx<'_>) {
        self.draws = Some(Draws {
            refusal: cx.key("refusal"),
            pending: cx.key("pending"),
            lost: cx.key("answer_lost"),
            delay: cx.key("webhook_delay"),
        });
    }

    fn reconfigure(&mut self, plan: &ServicePlan) {
        self.settings = read(plan);
    }

    fn calls_itself(&self) -> bool {
        true
    }

    fn call_done(&mut self, done: &Done, _cx: &mut Cx<'_>) -> Option<Woken> {
        self.counts.webhooks_given_up += u64::from(done.outcome != OutcomeKind::Ok);
        None
    }

    fn deadline(&self) -> Option<Time> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    fn expire(&mut self, local: Time, cx: &mut Cx<'_>) -> Option<Woken> {
        while let Some(entry) = self.due.first_entry().filter(|entry| entry.key().0 <= local) {
            match entry.remove() {
                Due::Settle(name) => self.settled(name, cx),
                Due::Tell { name, outcome, event, copy } => self.send(name, outcome, event, copy, cx),
            }
        }
        None
    }

    fn probe(&self, out: &mut Probes) {
        let counts = &self.counts;
        out.counts.extend([
            ("executed", counts.executed),
            ("repeated", counts.repeated),
            ("declined", counts.declined),
            ("status_asked", counts.status_asked),
            ("not_understood", counts.not_understood),
            ("answers_lost", counts.answers_lost),
            ("webhooks_sent", counts.webhooks_sent),
            ("webhooks_given_up", counts.webhooks_given_up),
        ]);
        let (taken, given_back) =
            self.known.values().map(moved_minor).fold(self.forgotten_minor, |sum, moved| {
                (sum.0.saturating_add(moved.0), sum.1.saturating_add(moved.1))
            });
        out.counts.insert("taken_minor", taken);
        out.counts.insert("given_back_minor", given_back);
    }
}
