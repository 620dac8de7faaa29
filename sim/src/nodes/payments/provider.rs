//! Kind `payment-provider`: an acquirer. Does what it is told once for each name, with outcomes drawn by the order, and
//! tells of them by webhooks if it calls whoever asks. It trusts amounts: bounds are the processor's business. What it
//! has done it knows for as long as it is told to keep it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use foreshock_systems::payment::{Decline, DisputePhase, OperationKind, Outcome};

use super::afterwards::{Dispute, Settlement, UnderWay};
use super::calls_of;
use super::known::{Known, Name, Operations};
use super::settings::{self, ProviderSettings};
use super::wire::{News, ToProvider, Told, file_arguments, outcome_value};
use crate::cluster::{CallSpec, Cx, Done, Durable, Probes, Ref, Request};
use crate::kernel::draw::{Key, Lineage, below, chance_ppm, name_hash};
use crate::kernel::time::{Span, Time};
use crate::measure::{Movement, OutcomeKind};
use crate::nodes::service::{Answered, Behaviour, Verdict, Woken};
use crate::scenario::plan::{EdgeId, Party, Plan, ServiceId, ServicePlan};

#[derive(Clone, Copy)]
enum Due {
    /// What was pending is decided.
    Settle(Name),
    /// An event goes out.
    Tell { name: Name, news: News, event: u32, copy: u32 },
    /// The payer disputes a capture.
    Dispute(Name),
    /// A dispute is decided.
    Decide(Name),
}

#[derive(Clone, Copy)]
struct Draws {
    refusal: Key,
    pending: Key,
    lost: Key,
    delay: Key,
    disputed: Key,
    dispute_delay: Key,
    dispute_won: Key,
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
    disputes_opened: u64,
    disputes_won: u64,
    disputes_lost: u64,
    charged_back_minor: u64,
    refunds_refused: u64,
    files_sent: u64,
    files_refused: u64,
    lines_taken: u64,
}

pub(super) struct Provider {
    settings: ProviderSettings,
    /// To whom it can tell something, with the way there.
    told: Vec<(ServiceId, EdgeId)>,
    known: Operations,
    /// What is decided, and until when it is known, in the order in which it was decided.
    fading: VecDeque<(Time, Name)>,
    /// Taken and given back by what it does not know any more.
    forgotten_minor: (u64, u64),
    due: BTreeMap<(Time, u64), Due>,
    events: u32,
    timers: u64,
    draws: Option<Draws>,
    counts: Counts,
    settlement: Settlement,
    /// By the word of the call.
    under_way: BTreeMap<u64, UnderWay>,
    words: u64,
    /// What a crash has cut off.
    cut_off: Vec<UnderWay>,
    service_hash: u64,
    pays_back_twice: bool,
}

impl Provider {
    pub(super) fn new(service: ServiceId, plan: &Arc<Plan>, pays_back_twice: bool) -> Provider {
        let told = calls_of(plan, service).into_iter().map(|edge| (plan.edges[edge.index()].callee, edge));
        Provider {
            settings: read(&plan.services[service.index()]),
            told: told.collect(),
            known: Operations::default(),
            fading: VecDeque::new(),
            forgotten_minor: (0, 0),
            due: BTreeMap::new(),
            events: 0,
            timers: 0,
            draws: None,
            counts: Counts::default(),
            settlement: Settlement::default(),
            under_way: BTreeMap::new(),
            words: 0,
            cut_off: Vec::new(),
            service_hash: name_hash(&plan.services[service.index()].name),
            pays_back_twice,
        }
    }

    fn tells(&self, processor: ServiceId) -> bool {
        self.told.iter().any(|(service, _)| *service == processor)
    }

    fn execute(
        &mut self,
        name: Name,
        kind: OperationKind,
        minor: i64,
        request: &Request,
        cx: &mut Cx<'_>,
    ) -> Outcome {
        if let Some(known) = self.known.get(name) {
            self.counts.repeated += 1;
            return outcome_now(known);
        }
        let Some(draws) = self.draws else { return Outcome::NotFound };
        self.counts.executed += 1;
        let outcome = if kind.gives_back() && self.is_taken_back(name, minor) {
            self.counts.refunds_refused += 1;
            Outcome::Declined(Decline::Hard)
        } else {
            self.decide(draws, name, kind, minor, cx.redrawn(request.key))
        };
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
            dispute: None,
        };
        self.known.insert(name, known);
        if is_pending {
            self.tell(name, News::Outcome(Outcome::Pending), cx);
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
        let Some(known) = self.known.get_mut(name) else { return };
        known.is_settled = true;
        let Known { kind, outcome, order, .. } = *known;
        self.fading.push_back((cx.local_time() + self.settings.keep, name));
        if let Outcome::Succeeded { minor } = outcome {
            cx.money_moved(&Movement { processor: name.0, intent: name.1, order, kind, minor });
            if self.settings.settlement_every.is_some() && (kind.takes_money() || kind.gives_back()) {
                self.settlement.moved(name, minor);
            }
            if self.settings.disputes_ppm > 0 && kind.takes_money() && self.tells(name.0) {
                self.maybe_disputed(name, order, cx);
            }
        }
        self.tell(name, News::Outcome(outcome), cx);
    }

    /// Forgets what it has known for long enough.
    fn fade(&mut self, local: Time) {
        while let Some((_, name)) = self.fading.front().copied().filter(|(until, _)| *until <= local) {
            self.fading.pop_front();
            let Some(known) = self.known.remove(name) else { continue };
            let (taken, given_back) = moved_minor(&known);
            self.forgotten_minor.0 = self.forgotten_minor.0.saturating_add(taken);
            self.forgotten_minor.1 = self.forgotten_minor.1.saturating_add(given_back);
        }
    }

    /// Plans the webhooks of an event.
    fn tell(&mut self, name: Name, news: News, cx: &Cx<'_>) {
        if !self.tells(name.0) {
            return;
        }
        let (Some(draws), Some(known)) = (self.draws, self.known.get_mut(name)) else { return };
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
            self.arm(at, Due::Tell { name, news, event, copy: nth << 8 | copy });
        }
    }

    fn arm(&mut self, at: Time, due: Due) {
        self.timers += 1;
        self.due.insert((at, self.timers), due);
    }

    fn edge_to(&self, processor: ServiceId) -> Option<EdgeId> {
        self.told.iter().find(|(service, _)| *service == processor).map(|(_, edge)| *edge)
    }

    fn send(&mut self, name: Name, news: News, (event, copy): (u32, u32), cx: &mut Cx<'_>) {
        let Some(edge) = self.edge_to(name.0) else { return };
        let Some(known) = self.known.get(name).copied() else { return };
        self.counts.webhooks_sent += 1;
        let token = match news {
            News::Dispute { phase: DisputePhase::Lost, .. } => {
                self.expect(UnderWay::Lost { processor: name.0, intent: name.1, serial: name.2 })
            }
            News::Dispute { .. } | News::Outcome(_) => 0,
        };
        let signed_at_s = (cx.local_time().as_nanos() / 1_000_000_000) as u32;
        let (key, arguments) = Told { intent: name.1, serial: name.2, news, event, signed_at_s }.words();
        cx.call(
            CallSpec {
                copy,
                load: known.load,
                key,
                arguments,
                token,
                ..CallSpec::of_its_own(edge, known.lineage.call(name_hash("webhook"), name.2), cx.now())
            },
            Ref::NONE,
        );
    }

    /// A word under which a call is known again.
    fn expect(&mut self, what: UnderWay) -> u64 {
        self.words += 1;
        self.under_way.insert(self.words, what);
        self.words
    }

    /// Whether a refund would give back what a dispute holds back, or has taken back already.
    fn is_taken_back(&self, name: Name, minor: i64) -> bool {
        let is_disputed = |known: &Known| known.dispute.is_some_and(|dispute| dispute.gone_minor() > 0);
        self.known.of_payment(name).any(is_disputed) && minor > self.left_minor(name) && !self.pays_back_twice
    }

    /// What is left of a payment at this provider, less what is given back or held back by a dispute.
    fn left_minor(&self, name: Name) -> i64 {
        let mut left = 0_i64;
        for known in self.known.of_payment(name) {
            let Outcome::Succeeded { minor } = known.outcome else { continue };
            if known.kind.takes_money() {
                let gone = known.dispute.map_or(0, |dispute| dispute.gone_minor());
                left = left.saturating_add(minor).saturating_sub(gone);
            } else if known.kind.gives_back() {
                left = left.saturating_sub(minor);
            }
        }
        left
    }

    /// Whether the payer will dispute a capture is drawn when it is made.
    fn maybe_disputed(&mut self, name: Name, order: u64, cx: &Cx<'_>) {
        let Some(draws) = self.draws else { return };
        let identity = cx.redrawn(order);
        if !chance_ppm(draws.disputed.draw2(identity, u64::from(name.2)), self.settings.disputes_ppm) {
            return;
        }
        let jitter_ns = self.settings.dispute_jitter.as_nanos();
        let jitter = below(draws.dispute_delay.draw2(identity, u64::from(name.2)), jitter_ns.max(1));
        let at = cx.local_time() + self.settings.disputed_after + Span::from_nanos(jitter);
        self.arm(at, Due::Dispute(name));
    }

    /// A payer disputes what is left of a capture: what was given back already is not worth a dispute.
    fn disputed(&mut self, name: Name, cx: &mut Cx<'_>) {
        let left = self.left_minor(name);
        let Some(known) = self.known.get_mut(name) else { return };
        let minor = left.min(known.minor);
        if minor < 1 || known.dispute.is_some() {
            return;
        }
        let phase = DisputePhase::Opened;
        known.dispute = Some(Dispute { minor, phase, is_told: false });
        self.counts.disputes_opened += 1;
        self.arm(cx.local_time() + self.settings.decided_after, Due::Decide(name));
        self.tell(name, News::Dispute { minor, phase }, cx);
    }

    fn dispute_decided(&mut self, name: Name, cx: &mut Cx<'_>) {
        let (Some(draws), Some(known)) = (self.draws, self.known.get_mut(name)) else { return };
        let Some(dispute) = &mut known.dispute else { return };
        let word = draws.dispute_won.draw2(cx.redrawn(known.order), u64::from(name.2));
        let minor = dispute.minor;
        if chance_ppm(word, self.settings.disputes_won_ppm) {
            dispute.phase = DisputePhase::Won;
            self.counts.disputes_won += 1;
        } else {
            dispute.phase = DisputePhase::Lost;
            self.counts.disputes_lost += 1;
            self.counts.charged_back_minor += minor.unsigned_abs();
            cx.charged_back(name.0, name.1, minor);
        }
        let news = News::Dispute { minor, phase: dispute.phase };
        self.tell(name, news, cx);
    }

    /// Nobody knows what became of something that was under way in a crash.
    fn tell_again(&mut self, what: UnderWay, cx: &mut Cx<'_>) {
        match what {
            UnderWay::File { processor, number } => {
                cx.forget_settlement(number);
                self.settlement.ended(processor, number, false);
            }
            UnderWay::Lost { processor, intent, serial } => {
                let name = (processor, intent, serial);
                let dispute = self.known.get(name).and_then(|known| known.dispute);
                if let Some(Dispute { minor, phase, is_told: false }) = dispute {
                    self.tell(name, News::Dispute { minor, phase }, cx);
                }
            }
        }
    }

    /// Sends every processor the file of what was moved for it.
    fn send_files(&mut self, local: Time, cx: &mut Cx<'_>) {
        for (processor, number, file) in self.settlement.round(local) {
            let Some(edge) = self.edge_to(processor) else { continue };
            self.counts.files_sent += 1;
            cx.file_settlement(number, file);
            let token = self.expect(UnderWay::File { processor, number });
            let lineage = Lineage::root(self.service_hash ^ name_hash("settlement"), number);
            let arguments = file_arguments(number);
            cx.call(
                CallSpec { key: number, arguments, token, ..CallSpec::of_its_own(edge, lineage, cx.now()) },
                Ref::NONE,
            );
        }
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
                self.known.get(name).map_or(Outcome::NotFound, outcome_now)
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
            disputed: cx.key("disputed"),
            dispute_delay: cx.key("dispute_delay"),
            dispute_won: cx.key("dispute_won"),
        });
        self.settlement.begin(cx.local_time());
        for what in std::mem::take(&mut self.cut_off) {
            self.tell_again(what, cx);
        }
    }

    fn reconfigure(&mut self, plan: &ServicePlan) {
        self.settings = read(plan);
    }

    fn crash(&mut self, _keep: Durable) {
        self.cut_off.extend(std::mem::take(&mut self.under_way).into_values());
    }

    fn calls_itself(&self) -> bool {
        true
    }

    fn call_done(&mut self, done: &Done, cx: &mut Cx<'_>) -> Option<Woken> {
        let is_taken = done.outcome == OutcomeKind::Ok;
        match self.under_way.remove(&done.token) {
            Some(UnderWay::File { processor, number }) => {
                cx.forget_settlement(number);
                let lines = self.settlement.ended(processor, number, is_taken);
                self.counts.files_refused += u64::from(!is_taken);
                self.counts.lines_taken += if is_taken { lines } else { 0 };
            }
            Some(UnderWay::Lost { processor, intent, serial }) => {
                self.counts.webhooks_given_up += u64::from(!is_taken);
                let known = self.known.get_mut((processor, intent, serial)).filter(|_| is_taken);
                let dispute = known.and_then(|known| known.dispute.as_mut());
                if let Some(dispute) = dispute.filter(|dispute| !dispute.is_told) {
                    dispute.is_told = true;
                    cx.chargeback_told(processor, intent, dispute.minor);
                }
            }
            None => self.counts.webhooks_given_up += u64::from(!is_taken),
        }
        None
    }

    fn deadline(&self) -> Option<Time> {
        let due = self.due.first_key_value().map(|((at, _), _)| *at);
        let file = self.settlement.due(self.settings.settlement_every);
        due.into_iter().chain(file).min()
    }

    fn expire(&mut self, local: Time, cx: &mut Cx<'_>) -> Option<Woken> {
        while let Some(entry) = self.due.first_entry().filter(|entry| entry.key().0 <= local) {
            match entry.remove() {
                Due::Settle(name) => self.settled(name, cx),
                Due::Tell { name, news, event, copy } => self.send(name, news, (event, copy), cx),
                Due::Dispute(name) => self.disputed(name, cx),
                Due::Decide(name) => self.dispute_decided(name, cx),
            }
        }
        if self.settlement.due(self.settings.settlement_every).is_some_and(|due| due <= local) {
            self.send_files(local, cx);
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
        let where_there_are_any = [
            ("disputes_opened", counts.disputes_opened),
            ("disputes_won", counts.disputes_won),
            ("disputes_lost", counts.disputes_lost),
            ("charged_back_minor", counts.charged_back_minor),
            ("refunds_refused", counts.refunds_refused),
            ("files_sent", counts.files_sent),
            ("files_refused", counts.files_refused),
            ("lines_taken", counts.lines_taken),
        ];
        out.counts.extend(where_there_are_any.into_iter().filter(|(_, count)| *count > 0));
        let (taken, given_back) =
            self.known.all().map(moved_minor).fold(self.forgotten_minor, |sum, moved| {
                (sum.0.saturating_add(moved.0), sum.1.saturating_add(moved.1))
            });
        out.counts.insert("taken_minor", taken);
        out.counts.insert("given_back_minor", given_back);
    }
}
