//! A desk that customers come to: each request is somebody who chooses, holds, pays after a while and is told what came of
//! it. The desk asks the payment provider that it calls, and is told by its webhooks. What it has written survives a crash
//! as far as its store lets it.

mod afterwards; // what customers do beside holding and paying
mod money; // what it and its provider say to each other

use std::collections::BTreeSet;
use std::sync::Arc;

use foreshock_systems::booking::{
    Answer, BookingId, Claim, Clocks, Command, CustomerId, Desk, Goods, Output, Pending, Phase, Refusal,
    Rejected, Token,
};
use foreshock_systems::hashed_map::HashedMap;
use foreshock_systems::payment::OperationKind;

use super::books::{self, Counts};
use super::channel::{self, Said};
use super::flow::{Flow, Origin, Stage};
use super::front::Front;
use super::settings::DeskSettings;
use super::sweeper;
use crate::cluster::{Cx, Done, Durable, Probes, Ref, Request};
use crate::kernel::draw::{Key, below, chance_ppm, name_hash};
use crate::kernel::time::{Span, Time};
use crate::measure::{BookingFact, Index, KeyPolicy, OrderEnd, OrderPlaced, OutcomeKind, booked};
use crate::nodes::payments::wire::{self, ToProcessor};
use crate::nodes::service::{Answered, Behaviour, Verdict, Woken};
use crate::nodes::store::{AnyStore, Fallen};
use crate::scenario::plan::{EdgeId, ServicePlan};

/// What a desk does wrong on purpose, so that the books have something to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::nodes) enum Defect {
    /// Gives each refund out under two names.
    RefundsTwice,
    /// Says that it is confirmed as soon as it is held.
    ConfirmsHolds,
    /// Loses writes of its store.
    LosesWrites,
}

/// Names that a defect makes up have this bit.
const MADE_UP: u32 = 1 << 30;

/// How the settings of a front are read.
pub(super) type ReadSettings = fn(&ServicePlan) -> DeskSettings;

#[derive(Clone, Copy)]
struct Draws {
    choice: Key,
    checkout: Key,
    abandon: Key,
    cancel: Key,
    waits: Key,
    changes: Key,
    shows: Key,
}

/// A question to the provider that is under way.
#[derive(Clone, Copy)]
struct Asked {
    booking: BookingId,
    serial: u32,
    is_void: bool,
}

/// What outlives the customer of a booking: where it came from, and how often the provider was asked about it.
#[derive(Clone, Copy)]
struct Lasting {
    origin: Origin,
    asked: u32,
}

pub(super) struct Selling<F: Front> {
    settings: DeskSettings,
    read: ReadSettings,
    /// To the payment provider; without one, money never comes.
    edge: Option<EdgeId>,
    front: Option<F>,
    fallen: Option<Fallen>,
    flows: Index<BookingId, Flow<F::Goods>>,
    timers: BTreeSet<(Time, BookingId)>,
    /// When who has confirmed calls it off.
    cancels: BTreeSet<(Time, BookingId)>,
    /// When who has confirmed wants something else.
    changes: BTreeSet<(Time, BookingId)>,
    asked: Index<u64, Asked>,
    questions: u64,
    /// Of bookings that were held.
    lasting: HashedMap<u64, Lasting>,
    woken: Vec<(Ref, Verdict)>,
    /// Of those who were woken and are asked again now, by job.
    answers: Vec<(Ref, Verdict)>,
    draws: Option<Draws>,
    service_hash: u64,
    violations_told: u64,
    counts: Counts,
    defect: Option<Defect>,
}

impl<F: Front> Selling<F> {
    pub(super) fn new(
        plan: &ServicePlan,
        edge: Option<EdgeId>,
        read: ReadSettings,
        defect: Option<Defect>,
    ) -> Selling<F> {
        Selling {
            settings: read(plan),
            read,
            edge,
            front: None,
            fallen: None,
            flows: Index::default(),
            timers: BTreeSet::new(),
            cancels: BTreeSet::new(),
            changes: BTreeSet::new(),
            asked: Index::default(),
            questions: 0,
            lasting: HashedMap::default(),
            woken: Vec::new(),
            answers: Vec::new(),
            draws: None,
            service_hash: name_hash(&plan.name),
            violations_told: 0,
            counts: Counts::default(),
            defect,
        }
    }

    fn desk(&mut self) -> Option<&mut Desk<F::Goods, AnyStore>> {
        self.front.as_mut().map(Front::desk_mut)
    }

    /// Lets the desk take something, and does what it wants done.
    fn handle(
        &mut self,
        clocks: Clocks,
        command: Command<<F::Goods as Goods>::Unit, <F::Goods as Goods>::Detail>,
        cx: &mut Cx<'_>,
    ) -> Result<Answer, Rejected> {
        let mut out = Vec::new();
        let desk = self.desk().ok_or(Rejected::Conflict)?;
        let answer = desk.handle(clocks, command, &mut out);
        self.after_step(out, cx);
        answer
    }

    fn after_step(&mut self, out: Vec<Output>, cx: &mut Cx<'_>) {
        let told = self.violations_told;
        let found = self.desk().and_then(|desk| {
            let (violation, count) = desk.violation()?;
            (count > told).then(|| (violation.to_string(), count))
        });
        if let Some((witness, count)) = found {
            self.violations_told = count;
            cx.violation(booked::CONSISTENT, witness);
        }
        for output in out {
            self.carry_out(output, cx);
        }
        if self.counts.sold_out_us.is_none() && self.front.as_ref().is_some_and(Front::is_sold_out) {
            self.counts.sold_out_us = Some(cx.now().as_micros());
        }
    }

    fn carry_out(&mut self, output: Output, cx: &mut Cx<'_>) {
        match output {
            Output::Charge { booking, attempt, minor, .. } => {
                self.counts.charges_asked += 1;
                cx.payment_made(booking.0, booking.0);
                self.ask(booking, attempt << 1, Some(OperationKind::Sale), minor, cx);
            }
            Output::Void { booking, attempt, .. } => self.ask(booking, attempt << 1, None, 0, cx),
            Output::Refund { booking, refund, minor } => {
                if self.is_paid_elsewhere(booking) {
                    self.settle_with_agency(booking, refund, minor, cx);
                    return;
                }
                self.counts.refunds_asked += 1;
                let kind = OperationKind::Refund { is_compensation: false };
                self.ask(booking, refund << 1 | 1, Some(kind), minor, cx);
                if self.defect == Some(Defect::RefundsTwice) {
                    self.ask(booking, refund << 1 | 1 | MADE_UP, Some(kind), minor, cx);
                }
            }
            Output::Offered { booking, token, .. } => self.offered(booking, token, cx),
            Output::Settled { booking, phase } => self.settled(booking, phase, cx),
        }
    }

    /// Nothing is open between a booking and its money: whoever waits is told.
    fn settled(&mut self, booking: BookingId, phase: Phase, cx: &mut Cx<'_>) {
        let is_theirs = phase.claim() == Claim::Owns;
        if is_theirs {
            self.tell_confirmed(booking, cx);
            self.plan_afterwards(booking, cx);
        }
        if is_given_up(phase) {
            cx.booking_fact(BookingFact::Ended { booking: booking.0 });
        }
        if self.flows.contains_key(&booking) {
            cx.order_ended(booking.0, if is_theirs { OrderEnd::Paid } else { OrderEnd::Refused });
        }
        // Who has paid and gets nothing for it was not served, whatever becomes of the money.
        let verdict = match phase {
            Phase::Refused => Verdict::Fail,
            _ => Verdict::Answer(Answered { missed: !is_theirs, value: u64::from(is_theirs) }),
        };
        self.end(booking, verdict);
    }

    fn tell_confirmed(&mut self, booking: BookingId, cx: &mut Cx<'_>) {
        let Some(front) = &self.front else { return };
        let desk = front.desk();
        let Some(kept) = desk.booking(booking) else { return };
        let limit = |unit| desk.goods().limit(unit);
        let units = kept.units.iter().map(|taken| (F::word_of(taken.unit), taken.count, limit(taken.unit)));
        let units = units.chain(front.ruled(kept)).collect();
        cx.booking_fact(BookingFact::Confirmed { booking: booking.0, units, name: F::name_of });
    }

    /// A customer comes, or asks again.
    fn come(&mut self, request: &Request, job: Ref, cx: &mut Cx<'_>) {
        let id = BookingId(request.call.raw());
        if let Some(flow) = self.flows.get_mut(&id) {
            (flow.job, flow.request) = (job, *request);
            return;
        }
        let known = self.desk().and_then(|desk| desk.booking(id)).map(|kept| (kept.phase, kept.token));
        let origin = Origin { lineage: request.lineage, load: request.load };
        let flow = |stage| Flow { origin, request: *request, job, stage, tries: 0 };
        match known {
            None => {
                self.counts.customers += 1;
                self.flows.insert(id, flow(Stage::Choosing));
                self.choose(id, cx);
            }
            Some((Phase::Held, token)) => {
                self.flows.insert(id, flow(Stage::Holding(token)));
                self.pay(id, token, cx);
            }
            Some((phase, _)) => {
                let is_theirs = phase.claim() == Claim::Owns;
                let answered = Answered { missed: !is_theirs, value: u64::from(is_theirs) };
                self.woken.push((job, Verdict::Answer(answered)));
            }
        }
    }

    fn choose(&mut self, id: BookingId, cx: &mut Cx<'_>) {
        let (Some(draws), Some(front)) = (self.draws, self.front.as_mut()) else { return };
        let Some(flow) = self.flows.get(&id) else { return };
        let (now, tries) = (cx.local_time(), flow.tries);
        let identity = cx.redrawn(flow.request.lineage.raw());
        let words = |purpose: u64| draws.choice.draw2(identity, purpose);
        let Ok(ask) = front.wish(now, id, CustomerId(flow.request.key), tries, &words) else {
            self.counts.found_nothing += 1;
            self.wait_or_leave(id, cx);
            return;
        };
        let minor = ask.deposit_minor;
        match front.begin(Clocks::agreed(now), Command::Hold(ask)) {
            Ok(pending) if self.settings.transaction_time.is_zero() => self.commit(id, pending, minor, cx),
            Ok(pending) => {
                let due = now + self.settings.transaction_time;
                self.wait(id, due, Stage::Deciding(Box::new(pending), minor));
            }
            Err(error) => self.not_held(id, &error, cx),
        }
    }

    fn commit(&mut self, id: BookingId, pending: Pending<F::Goods>, minor: i64, cx: &mut Cx<'_>) {
        let (now, mut out) = (cx.local_time(), Vec::new());
        let Some(desk) = self.desk() else { return };
        let committed = desk.commit(now, pending, &mut out);
        self.after_step(out, cx);
        match committed {
            Ok(Answer::Held { token, .. }) => self.held(id, token, minor, cx),
            Ok(_) => self.end(id, Verdict::Fail),
            Err(error) => self.not_held(id, &error, cx),
        }
    }

    fn held(&mut self, id: BookingId, token: Token, minor: i64, cx: &mut Cx<'_>) {
        let (Some(draws), Some(flow)) = (self.draws, self.flows.get(&id)) else { return };
        self.counts.held += 1;
        let lasting = self.lasting.get_or_insert_with(&id.0, || Lasting { origin: flow.origin, asked: 0 });
        lasting.origin = flow.origin;
        let placed = OrderPlaced { order: id.0, client: cx.service(), minor, key: KeyPolicy::Order };
        cx.order_placed(placed);
        let identity = cx.redrawn(flow.request.lineage.raw());
        if self.defect == Some(Defect::ConfirmsHolds) {
            self.tell_confirmed(id, cx);
        }
        if chance_ppm(draws.abandon.draw(identity), self.settings.abandon_ppm) {
            self.counts.abandoned += 1;
            self.end(id, Verdict::Answer(Answered { missed: true, value: 0 }));
            return;
        }
        let jitter = self.settings.checkout_jitter.as_nanos();
        let longer = Span::from_nanos(below(draws.checkout.draw(identity), jitter.saturating_add(1)));
        let due = cx.local_time() + self.settings.checkout + longer;
        self.hold_until(id, token, due, cx.local_time() + self.settings.config.hold_ttl);
    }

    /// Waits until they are ready to pay; on the way more time is asked for, where that is usual, if the hold ends first.
    fn hold_until(&mut self, id: BookingId, token: Token, due: Time, ends: Time) {
        if self.settings.extends && ends <= due {
            // When a tenth of it is left.
            let ask_at = ends - self.settings.config.hold_ttl.mul_ratio(1, 10);
            self.wait(id, ask_at, Stage::Extending(token, due));
        } else {
            self.wait(id, due, Stage::Holding(token));
        }
    }

    fn extend(&mut self, id: BookingId, token: Token, due: Time, cx: &mut Cx<'_>) {
        let now = cx.local_time();
        match self.handle(Clocks::agreed(now), Command::Extend { booking: id, token }, cx) {
            Ok(Answer::Held { token, until, .. }) => {
                self.counts.extended += 1;
                self.hold_until(id, token, due, until);
            }
            Err(Rejected::Conflict | Rejected::Locked(_)) => {
                self.wait(id, now + self.settings.try_again, Stage::Extending(token, due));
            }
            // As often as it may be, or too late: they try to pay nevertheless, and find out.
            Ok(_) | Err(Rejected::Refused(_) | Rejected::Store(_)) => {
                self.wait(id, due, Stage::Holding(token));
            }
        }
    }

    /// Somebody else has it, or was faster: another try, or none.
    fn not_held(&mut self, id: BookingId, error: &Rejected, cx: &mut Cx<'_>) {
        match error {
            Rejected::Refused(Refusal::NotFree) => self.counts.offers_refused += 1,
            Rejected::Refused(Refusal::LeavesGap | Refusal::HouseFull) => self.counts.rules_refused += 1,
            Rejected::Conflict | Rejected::Locked(_) => {}
            Rejected::Refused(_) | Rejected::Store(_) => {
                self.counts.turned_away += 1;
                self.end(id, Verdict::Answer(Answered { missed: true, value: 0 }));
                return;
            }
        }
        let most = self.settings.tries;
        let Some(flow) = self.flows.get_mut(&id) else { return };
        flow.tries += 1;
        if flow.tries >= most {
            self.counts.gave_up_choosing += 1;
            self.wait_or_leave(id, cx);
        } else {
            self.wait(id, cx.local_time() + self.settings.try_again, Stage::Choosing);
        }
    }

    fn pay(&mut self, id: BookingId, token: Token, cx: &mut Cx<'_>) {
        let clocks = Clocks::agreed(cx.local_time());
        match self.handle(clocks, Command::Pay { booking: id, token }, cx) {
            Ok(_) => {
                if let Some(flow) = self.flows.get_mut(&id) {
                    flow.stage = Stage::Paying;
                }
            }
            Err(Rejected::Conflict | Rejected::Locked(_)) => {
                self.wait(id, cx.local_time() + self.settings.try_again, Stage::Holding(token));
            }
            Err(Rejected::Refused(_) | Rejected::Store(_)) => {
                self.counts.too_slow += 1;
                self.end(id, Verdict::Answer(Answered { missed: true, value: 0 }));
            }
        }
    }

    fn wait(&mut self, id: BookingId, due: Time, stage: Stage<F::Goods>) {
        if let Some(flow) = self.flows.get_mut(&id) {
            flow.stage = stage;
            self.timers.insert((due, id));
        }
    }

    fn end(&mut self, id: BookingId, verdict: Verdict) {
        if let Some(flow) = self.flows.swap_remove(&id) {
            self.woken.push((flow.job, verdict));
        }
    }

    /// What a flow has waited for has come.
    fn flow_due(&mut self, id: BookingId, cx: &mut Cx<'_>) {
        let Some(flow) = self.flows.get_mut(&id) else { return };
        match std::mem::replace(&mut flow.stage, Stage::Choosing) {
            Stage::Choosing => self.choose(id, cx),
            Stage::Deciding(pending, minor) => self.commit(id, *pending, minor, cx),
            Stage::Holding(token) => self.pay(id, token, cx),
            Stage::Extending(token, due) => self.extend(id, token, due, cx),
            stage @ (Stage::Paying | Stage::InLine) => flow.stage = stage,
        }
    }

    /// A sweeper says what its clock shows.
    fn sweep(&mut self, caller: Time, cx: &mut Cx<'_>) -> Verdict {
        let clocks = Clocks { store: cx.local_time(), caller };
        let Some(desk) = self.desk() else { return Verdict::Fail };
        let ended: Vec<BookingId> = desk.ended_holds(caller).collect();
        let mut swept = 0;
        for booking in ended {
            self.counts.sweeps_asked += 1;
            let answer = self.handle(clocks, Command::Sweep { booking }, cx);
            let was_swept = matches!(answer, Ok(Answer::Stands { phase: Phase::Expired, .. }));
            swept += u64::from(was_swept);
        }
        self.counts.swept += swept;
        Verdict::Answer(Answered { missed: false, value: swept })
    }

    /// An agency asks what is left, or says what it has sold.
    fn channel(&mut self, booking: BookingId, said: Said, cx: &mut Cx<'_>) -> Verdict {
        let clocks = Clocks::agreed(cx.local_time());
        let Some(front) = &mut self.front else { return Verdict::Fail };
        let sale = match said {
            Said::Left { channel, night } => {
                let left = front.left(channel, night);
                let value = left.map_or(0, u64::from);
                return Verdict::Answer(Answered { missed: left.is_none(), value });
            }
            Said::Sold(sale) => sale,
        };
        let mut out = Vec::new();
        let sold = front.channel_sale(clocks, booking, &sale, &mut out);
        self.after_step(out, cx);
        match sold {
            Ok(minor) => Verdict::Answer(Answered { missed: false, value: minor.unsigned_abs() }),
            // It is told again.
            Err(Rejected::Conflict | Rejected::Locked(_) | Rejected::Store(_)) => Verdict::Fail,
            Err(Rejected::Refused(_)) => Verdict::Answer(Answered { missed: true, value: 0 }),
        }
    }

    fn take_woken(&mut self) -> Option<Woken> {
        if self.woken.is_empty() {
            return None;
        }
        self.answers.clear();
        std::mem::swap(&mut self.answers, &mut self.woken);
        self.answers.sort_by_key(|(job, _)| *job);
        Some(Woken { jobs: self.answers.iter().map(|(job, _)| *job).collect(), verdict: None })
    }

    fn opened(&mut self, cx: &Cx<'_>) -> F {
        let disk = self.fallen.take().and_then(|fallen| fallen.disk(self.counts.crashes, cx));
        let leak = (self.defect == Some(Defect::LosesWrites)).then_some((&b"row/"[..], 50));
        let store = AnyStore::open(self.settings.store, disk).leaky(leak);
        F::open(&self.settings, store)
    }
}

impl<F: Front> Behaviour for Selling<F> {
    fn answer(&mut self, request: &Request, job: Ref, cx: &mut Cx<'_>) -> Verdict {
        if let Some(caller) = sweeper::said(request.arguments) {
            return self.sweep(caller, cx);
        }
        if let Some(said) = channel::said(request.arguments) {
            return self.channel(BookingId(request.key), said, cx);
        }
        match wire::to_processor(request.key, request.arguments) {
            Some(ToProcessor::Told(told)) => return self.told(&told, cx),
            Some(ToProcessor::File(_)) => return Verdict::Fail,
            Some(ToProcessor::Asked(_)) | None => {}
        }
        self.come(request, job, cx);
        let place = self.woken.iter().position(|(at, _)| *at == job);
        place.map_or(Verdict::Wait, |place| self.woken.swap_remove(place).1)
    }

    fn answer_again(&mut self, _request: &Request, job: Ref, _cx: &mut Cx<'_>) -> Verdict {
        let place = self.answers.binary_search_by_key(&job, |(job, _)| *job).ok();
        place.and_then(|place| self.answers.get(place)).map_or(Verdict::Wait, |(_, verdict)| *verdict)
    }

    fn start(&mut self, cx: &mut Cx<'_>) {
        cx.booking_fact(BookingFact::Starts);
        self.draws = Some(Draws {
            choice: cx.key("choice"),
            checkout: cx.key("checkout"),
            abandon: cx.key("abandon"),
            cancel: cx.key("cancel"),
            waits: cx.key("waits"),
            changes: cx.key("changes"),
            shows: cx.key("shows"),
        });
        if self.front.is_some() {
            return; // it takes over from a process that has ended in good order
        }
        let front = self.opened(cx);
        self.violations_told = 0;
        if self.counts.crashes > 0 {
            let was_given_up: Vec<u64> = front
                .desk()
                .bookings()
                .filter(|kept| is_given_up(kept.phase))
                .map(|kept| kept.id.0)
                .collect();
            let owned = front.desk().bookings().filter(|kept| kept.phase.claim() == Claim::Owns);
            let owned = owned.map(|kept| kept.id.0).chain(was_given_up.iter().copied()).collect();
            cx.booking_fact(BookingFact::Found { owned });
            for booking in was_given_up {
                cx.booking_fact(BookingFact::Ended { booking });
            }
            cx.money_found(&books::of(front.desk()));
        }
        self.front = Some(front);
        self.after_step(Vec::new(), cx);
    }

    fn crash(&mut self, keep: Durable) {
        self.counts.crashes += 1;
        self.fallen = self.front.take().map(|front| front.into_store().fallen(keep));
        self.flows.clear();
        self.timers.clear();
        self.cancels.clear();
        self.changes.clear();
        self.asked.clear();
        self.woken.clear();
        self.answers.clear();
    }

    fn reconfigure(&mut self, plan: &ServicePlan) {
        let settings = (self.read)(plan);
        if let Some(desk) = self.desk() {
            desk.reconfigure(settings.config).expect("the plan's settings were checked");
        }
        self.settings = settings;
    }

    fn calls_itself(&self) -> bool {
        true
    }

    fn call_done(&mut self, done: &Done, cx: &mut Cx<'_>) -> Option<Woken> {
        if let Some(asked) = self.asked.swap_remove(&done.token)
            && done.outcome == OutcomeKind::Ok
            && let Some(outcome) = wire::outcome_told(done.value)
        {
            self.word(asked, outcome, cx);
        }
        self.take_woken()
    }

    fn deadline(&self) -> Option<Time> {
        if !self.woken.is_empty() {
            return Some(Time::ZERO);
        }
        let timers = [&self.timers, &self.cancels, &self.changes];
        let flow = timers.into_iter().filter_map(|timers| timers.first()).map(|(due, _)| *due);
        let front = self.front.as_ref().map(|front| [front.deadline(), front.desk().deadline()]);
        flow.chain(front.into_iter().flatten().flatten()).min()
    }

    fn expire(&mut self, local: Time, cx: &mut Cx<'_>) -> Option<Woken> {
        while let Some((due, id)) = self.timers.first().copied().filter(|(due, _)| *due <= local) {
            self.timers.remove(&(due, id));
            self.flow_due(id, cx);
        }
        self.changes_due(local, cx);
        self.cancels_due(local, cx);
        let mut out = Vec::new();
        if let (Some(front), Some(draws)) = (&mut self.front, self.draws) {
            let broken = front.turn(local, &|booking| draws.shows.draw(cx.redrawn(booking)), &mut out);
            if let Some(witness) = broken {
                cx.violation(booked::CONSISTENT, witness);
            }
            self.after_step(std::mem::take(&mut out), cx);
        }
        if let Some(desk) = self.desk().filter(|desk| desk.deadline().is_some_and(|due| due <= local)) {
            // Nobody waits for an answer here; what could not be done is still due.
            let _ = desk.expire(local, &mut out);
            self.after_step(out, cx);
        }
        self.take_woken()
    }

    fn probe(&self, out: &mut Probes) {
        self.counts.probe(out);
        if let Some(front) = &self.front {
            out.counts.extend(front.counts());
            out.money = Some(books::probe(front.desk(), out));
        }
    }
}

/// Whether it was theirs once, and they know why it no longer is.
const fn is_given_up(phase: Phase) -> bool {
    matches!(phase, Phase::Cancelled | Phase::NoShow | Phase::Walked | Phase::TurnedAway)
}

/// The way to the provider: the first call that is written.
pub(super) fn provider_edge(
    plan: &Arc<crate::scenario::plan::Plan>,
    service: crate::scenario::plan::ServiceId,
) -> Option<EdgeId> {
    crate::nodes::payments::calls_of(plan, service).first().copied()
}
