//! Kind `payments`: the library's processor with a store, asked by clients, asking the providers that it calls in order
//! of preference, told by their webhooks. What it has written survives a crash as far as its store lets it.

use std::collections::BTreeMap;
use std::sync::Arc;

use foreshock_systems::payment::{
    Answer, CaptureMethod, Command, Currency, DebitsAndCredits, Delivery, EventSubject, InOrder, Input,
    Instrument, IntentId, Money, Notice, OperationId, OperationKind, Order, Output, Policies, Processor,
    ProviderEvent, ProviderId, Rejected, Request as MerchantRequest, RequestId, WebhookSecrets,
};

use super::books::{self, Archived, Counts};
use super::calls_of;
use super::settings::{self, ProcessorSettings};
use super::wire::{self, Ask, Asked, News, ToProcessor, ToProvider, Told};
use crate::cluster::{CallSpec, Cx, Done, Durable, Probes, Ref, Request};
use crate::kernel::draw::{Lineage, name_hash};
use crate::kernel::time::Time;
use crate::measure::OutcomeKind;
use crate::nodes::service::{Answered, Behaviour, Verdict, Woken};
use crate::nodes::store::{AnyStore, Fallen};
use crate::scenario::plan::{EdgeId, LoadId, Party, Plan, ServiceId, ServicePlan};

/// What a processor does wrong on purpose, so that the books have something to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::nodes) enum Defect {
    /// Charges again under a new name when it does not know.
    ChargesAgain,
    /// Captures more than was authorized.
    TakesTooMuch,
    /// Gives everything back twice.
    RefundsTwice,
    /// Loses writes of its ledger.
    LosesBalances,
    /// Says that it is done before it knows.
    ConfirmsUnasked,
    /// Takes every request for a new one, whatever its key.
    IgnoresKeys,
    /// Thanks for the word of a chargeback, and forgets it.
    IgnoresDisputes,
}

/// Names that a defect makes up have this bit.
const MADE_UP: u32 = 1 << 30;

/// Where a payment came from: who its operations are to chance.
#[derive(Clone, Copy)]
struct Origin {
    order: u64,
    lineage: Lineage,
    load: LoadId,
}

impl Origin {
    const NONE: Origin = Origin { order: 0, lineage: Lineage(0), load: LoadId(0) };
}

pub(super) struct Payments {
    settings: ProcessorSettings,
    /// To the providers, which are numbered in this order.
    edges: Vec<EdgeId>,
    secrets: Vec<WebhookSecrets>,
    processor: Option<Processor<AnyStore>>,
    /// What its ledger says, since somebody looked at it first.
    balances: Option<DebitsAndCredits>,
    fallen: Option<Fallen>,
    /// By number of the payment.
    origins: Vec<Origin>,
    /// Requests that have their answers.
    woken: Vec<(Ref, Verdict)>,
    answers: BTreeMap<Ref, Verdict>,
    service_hash: u64,
    counts: Counts,
    archived: Archived,
    defect: Option<Defect>,
}

impl Payments {
    pub(super) fn new(service: ServiceId, plan: &Arc<Plan>, defect: Option<Defect>) -> Payments {
        let own = &plan.services[service.index()];
        let edges = calls_of(plan, service);
        let callee = |edge: &EdgeId| plan.services[plan.edges[edge.index()].callee.index()].name.as_str();
        Payments {
            settings: read(own),
            secrets: edges.iter().map(|edge| secrets(callee(edge))).collect(),
            edges,
            processor: None,
            balances: None,
            fallen: None,
            origins: vec![Origin::NONE],
            woken: Vec::new(),
            answers: BTreeMap::new(),
            service_hash: name_hash(&own.name),
            counts: Counts::default(),
            archived: Archived::default(),
            defect,
        }
    }

    fn opened(&mut self, cx: &Cx<'_>) -> Processor<AnyStore> {
        let disk = self.fallen.take().and_then(|fallen| fallen.disk(self.counts.crashes, cx));
        let leak = (self.defect == Some(Defect::LosesBalances)).then_some((&b"balance/"[..], 100));
        let store = AnyStore::open(self.settings.store, disk).leaky(leak);
        let providers: Vec<ProviderId> = (0..self.edges.len() as u32).map(ProviderId).collect();
        let policies = Policies {
            route: Box::new(InOrder(providers.clone())),
            failover: Box::new(self.settings.failover),
            kept_answers: Box::new(self.settings.kept_answers),
        };
        let processor = Processor::open(store, self.settings.config.clone(), policies);
        let processor = processor.expect("the plan's settings were checked");
        let secrets = providers.into_iter().zip(&self.secrets);
        secrets.fold(processor, |processor, (provider, secrets)| {
            processor.with_webhook(provider, secrets.clone())
        })
    }

    /// Lets the processor take something, and does what it wants done. How it went.
    fn handle(&mut self, input: Input<'_>, cx: &mut Cx<'_>) -> Result<(), Rejected> {
        let Some(mut processor) = self.processor.take() else { return Ok(()) };
        let mut out = Vec::new();
        let result = processor.handle(cx.local_time(), input, &mut out);
        self.after_step(processor, out, cx);
        result
    }

    fn after_step(&mut self, processor: Processor<AnyStore>, out: Vec<Output>, cx: &mut Cx<'_>) {
        if cx.watches_money() {
            let store = processor.store();
            let balances = self.balances.get_or_insert_with(|| DebitsAndCredits::read(store));
            balances.follow(store, processor.changed_balances());
            let (debits, credits) = balances.totals();
            cx.ledger_seen(debits, credits);
        }
        self.processor = Some(processor);
        for output in out {
            self.carry_out(output, cx);
        }
    }

    fn carry_out(&mut self, output: Output, cx: &mut Cx<'_>) {
        match output {
            Output::Answer { request, answer } => {
                let verdict = self.verdict(&answer);
                self.woken.push((Ref::unpack(request.0), verdict));
            }
            Output::Send { provider, order } => self.send(provider, &order, cx),
            Output::Notice(notice) => match notice {
                Notice::Unresolved(_) => self.counts.unresolved += 1,
                Notice::LateSuccess(_) => self.counts.late_charges += 1,
                Notice::FailedOver(_) => self.counts.failovers += 1,
                Notice::DuplicateEvent(..) => self.counts.webhooks_repeated += 1,
                Notice::Contradiction { .. } | Notice::AmountMismatch(..) | Notice::CompensationFailed(_) => {
                    self.counts.contradictions += 1;
                }
            },
            Output::Archive(intent) => {
                let booked = books::booked(&intent);
                self.archived.add(&booked);
                cx.payment_archived(&booked);
            }
        }
    }

    fn verdict(&mut self, answer: &Answer) -> Verdict {
        let intent = answer.intent.map_or(0, |view| view.id.0);
        match answer.status {
            200 => Verdict::Answer(Answered { missed: false, value: intent }),
            202 if self.defect == Some(Defect::ConfirmsUnasked) => {
                Verdict::Answer(Answered { missed: false, value: intent })
            }
            202 | 409 | 503 => {
                self.counts.answered_under_way += 1;
                Verdict::TurnAway
            }
            status => Verdict::Answer(Answered { missed: true, value: u64::from(status) }),
        }
    }

    fn send(&mut self, provider: ProviderId, order: &Order, cx: &mut Cx<'_>) {
        let (id, execute, minor) = match *order {
            Order::Execute { operation, kind, amount, .. } => (operation, Some(kind), amount.minor),
            Order::Status { operation } => (operation, None, 0),
        };
        self.counts.status_checks += u64::from(execute.is_none());
        let is_capture = matches!(execute, Some(OperationKind::Capture { .. }));
        let minor = if is_capture && self.defect == Some(Defect::TakesTooMuch) { minor * 2 } else { minor };
        self.call(provider, id, execute, minor, cx);
        let is_refund = execute.is_some_and(OperationKind::gives_back);
        if is_refund && self.defect == Some(Defect::RefundsTwice) {
            let twin = OperationId { serial: id.serial | MADE_UP, ..id };
            self.call(provider, twin, execute, minor, cx);
        }
    }

    fn call(
        &self,
        provider: ProviderId,
        id: OperationId,
        execute: Option<OperationKind>,
        minor: i64,
        cx: &mut Cx<'_>,
    ) {
        let Some(edge) = self.edges.get(provider.0 as usize).copied() else { return };
        let origin = self.origins.get(id.intent.0 as usize).copied().unwrap_or(Origin::NONE);
        let order = ToProvider { intent: id.intent.0, serial: id.serial, execute, minor };
        // Each status check is a call of its own.
        let copy = if execute.is_some() { 0 } else { self.checks_made(id) };
        cx.call(
            CallSpec {
                copy,
                load: origin.load,
                key: origin.order,
                arguments: order.arguments(),
                token: token(id, execute),
                ..CallSpec::of_its_own(edge, origin.lineage.call(self.service_hash, id.serial), cx.now())
            },
            Ref::NONE,
        );
    }

    fn checks_made(&self, id: OperationId) -> u32 {
        let intent = self.processor.as_ref().and_then(|processor| processor.intent(id.intent));
        intent.and_then(|intent| intent.operation(id).map(|operation| operation.checks)).unwrap_or(0)
    }

    /// A client asks.
    fn asked(&mut self, request: &Request, job: Ref, asked: &Asked, cx: &mut Cx<'_>) {
        self.counts.requests += 1;
        let intent = IntentId(asked.intent);
        let command = match asked.ask {
            Ask::Create { is_manual } => Command::Create {
                merchant: u64::from(asked.merchant),
                payer: request.key,
                amount: Money::new(asked.minor, Currency::INR),
                capture: if is_manual { CaptureMethod::Manual } else { CaptureMethod::Automatic },
            },
            Ask::Confirm => Command::Confirm {
                intent,
                instrument: Instrument::Token(request.key),
                needs_authentication: false,
            },
            Ask::Capture => Command::Capture { intent, minor: asked.minor, is_final: true },
            Ask::Refund => Command::Refund { intent, minor: asked.minor },
        };
        let key = key_of(request.key, asked.ask, asked.key_try);
        let key = match self.defect {
            Some(Defect::IgnoresKeys) => format!("{key}/{}", self.counts.requests),
            _ => key,
        };
        let next = self.origins.len() as u64;
        if matches!(asked.ask, Ask::Create { .. }) {
            cx.keys_kept(self.settings.config.keys.ttl);
            self.origins.push(Origin { order: request.key, lineage: request.lineage, load: request.load });
        }
        let input = Input::Request(MerchantRequest { id: RequestId(job.pack()), key: Some(key), command });
        let taken = self.handle(input, cx);
        if matches!(asked.ask, Ask::Create { .. }) {
            let is_made =
                self.processor.as_ref().is_some_and(|processor| processor.has_intent(IntentId(next)));
            if is_made {
                cx.payment_made(next, request.key);
            } else {
                self.origins.pop();
            }
        }
        if taken.is_err() {
            self.woken.push((job, Verdict::Fail));
        }
    }

    /// A provider tells. An event that is not taken is an error, and will be delivered again.
    fn told(&mut self, request: &Request, told: &Told, cx: &mut Cx<'_>) -> Verdict {
        self.counts.webhooks += 1;
        let Some((place, _)) = self.provider_of(request, cx) else { return Verdict::Fail };
        let operation = OperationId { intent: IntentId(told.intent), serial: told.serial };
        let subject = match told.news {
            News::Outcome(outcome) => EventSubject::Operation { operation, outcome },
            News::Dispute { .. } if self.defect == Some(Defect::IgnoresDisputes) => {
                return Verdict::Answer(Answered::default());
            }
            News::Dispute { minor, phase } => {
                EventSubject::Dispute { dispute: u64::from(told.serial), operation, minor, phase }
            }
        };
        let body = ProviderEvent { id: u64::from(told.event), subject }.encode();
        let signed_at = Time::from_nanos(u64::from(told.signed_at_s) * 1_000_000_000);
        let signature = self.secrets[place].sign(signed_at, &body);
        let provider = ProviderId(place as u32);
        let delivery = Delivery { provider, signature: &signature, body: &body };
        match self.handle(Input::Webhook(delivery), cx) {
            Ok(()) => Verdict::Answer(Answered::default()),
            Err(Rejected::TooEarly) => Verdict::TurnAway,
            Err(_) => {
                self.counts.webhooks_refused += 1;
                Verdict::Fail
            }
        }
    }

    /// Which of its providers has called: its place and its service.
    fn provider_of(&self, request: &Request, cx: &Cx<'_>) -> Option<(usize, ServiceId)> {
        let Party::Service(from) = cx.plan().edges[request.edge.index()].caller else { return None };
        let place = self.edges.iter().position(|edge| cx.plan().edges[edge.index()].callee == from);
        place.map(|place| (place, from))
    }

    /// A provider has written down what it moved. What is taken twice does no harm.
    fn settled(&mut self, request: &Request, number: u64, cx: &mut Cx<'_>) -> Verdict {
        let Some((place, from)) = self.provider_of(request, cx) else { return Verdict::Fail };
        let (Some(file), Some(mut processor)) = (cx.settlement(from, number), self.processor.take()) else {
            return Verdict::Fail;
        };
        let mut out = Vec::new();
        let report = processor.reconcile(cx.local_time(), ProviderId(place as u32), &file, &mut out);
        self.after_step(processor, out, cx);
        match report {
            Ok(report) => {
                self.counts.settlement.reconciled(&report);
                Verdict::Answer(Answered::default())
            }
            Err(_) => Verdict::Fail,
        }
    }

    /// The answer of this job if it has one already.
    fn answer_of(&mut self, job: Ref) -> Option<Verdict> {
        let place = self.woken.iter().position(|(at, _)| *at == job)?;
        Some(self.woken.swap_remove(place).1)
    }

    fn take_woken(&mut self) -> Option<Woken> {
        if self.woken.is_empty() {
            return None;
        }
        self.answers = self.woken.drain(..).collect();
        Some(Woken { jobs: self.answers.keys().copied().collect(), verdict: None })
    }

    /// A charge whose outcome is not known is made again under another name: what must never be.
    fn charge_again(&self, done: &Done, cx: &mut Cx<'_>) {
        let (id, is_status) = operation_of(done.token);
        let Some(processor) = &self.processor else { return };
        let Some(intent) = processor.intent(id.intent) else { return };
        let Some(operation) = intent.operation(id).filter(|operation| operation.kind.takes_money()) else {
            return;
        };
        if !is_status {
            let provider =
                ProviderId(self.edges.iter().position(|edge| *edge == done.edge).unwrap_or(0) as u32);
            let twin = OperationId { serial: id.serial | MADE_UP, ..id };
            self.call(provider, twin, Some(operation.kind), operation.minor, cx);
        }
    }
}

fn read(plan: &ServicePlan) -> ProcessorSettings {
    settings::processor(&plan.settings).expect("the plan's settings were checked")
}

/// What a provider signs its webhooks with.
pub(super) fn secrets(provider: &str) -> WebhookSecrets {
    WebhookSecrets::new(format!("whsec_{provider}"))
}

const fn ask_name(ask: Ask) -> &'static str {
    match ask {
        Ask::Create { .. } => "create",
        Ask::Confirm => "confirm",
        Ask::Capture => "capture",
        Ask::Refund => "refund",
    }
}

/// `<order in hexadecimal>/<what is asked>/<try>`.
fn key_of(order: u64, ask: Ask, key_try: u32) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut key = String::with_capacity(32);
    for place in (0..16).rev() {
        key.push(char::from(DIGITS[(order >> (place * 4)) as usize & 0xF]));
    }
    key.push('/');
    key.push_str(ask_name(ask));
    key.push('/');
    match key_try {
        0 => key.push('0'),
        _ => key.push_str(&key_try.to_string()),
    }
    key
}

const STATUS: u64 = 1;

/// Names the operation that a call is about.
fn token(id: OperationId, execute: Option<OperationKind>) -> u64 {
    id.intent.0 << 32 | u64::from(id.serial) << 1 | if execute.is_some() { 0 } else { STATUS }
}

fn operation_of(token: u64) -> (OperationId, bool) {
    let serial = (token as u32) >> 1;
    (OperationId { intent: IntentId(token >> 32), serial }, token & STATUS == STATUS)
}

impl Behaviour for Payments {
    fn answer(&mut self, request: &Request, job: Ref, cx: &mut Cx<'_>) -> Verdict {
        match wire::to_processor(request.key, request.arguments) {
            None => {
                self.counts.not_understood += 1;
                Verdict::Fail
            }
            Some(ToProcessor::Told(told)) => self.told(request, &told, cx),
            Some(ToProcessor::File(number)) => self.settled(request, number, cx),
            Some(ToProcessor::Asked(asked)) => {
                self.asked(request, job, &asked, cx);
                self.answer_of(job).unwrap_or(Verdict::Wait)
            }
        }
    }

    fn answer_again(&mut self, _request: &Request, job: Ref, _cx: &mut Cx<'_>) -> Verdict {
        self.answers.remove(&job).unwrap_or(Verdict::Wait)
    }

    fn start(&mut self, cx: &mut Cx<'_>) {
        cx.keys_kept(self.settings.config.keys.ttl); // so that there are books even if nobody ever asks
        if self.processor.is_some() {
            return; // it takes over from a process that has ended in good order
        }
        let processor = self.opened(cx);
        if self.counts.crashes > 0 {
            self.origins.truncate(usize::try_from(processor.next_intent().0).unwrap_or(usize::MAX));
            cx.money_found(&books::of(&processor));
        }
        self.processor = Some(processor);
    }

    fn crash(&mut self, keep: Durable) {
        self.counts.crashes += 1;
        self.balances = None;
        self.fallen = self.processor.take().map(|processor| processor.into_store().fallen(keep));
        self.woken.clear();
        self.answers.clear();
    }

    fn reconfigure(&mut self, plan: &ServicePlan) {
        let settings = read(plan);
        if let Some(processor) = &mut self.processor {
            let taken = processor.reconfigure(settings.config.clone());
            taken.expect("the plan's settings were checked");
        }
        // The store is opened in the new way at the next start; policies hold from then on, too.
        self.settings = settings;
    }

    fn calls_itself(&self) -> bool {
        true
    }

    fn call_done(&mut self, done: &Done, cx: &mut Cx<'_>) -> Option<Woken> {
        if done.outcome == OutcomeKind::Ok {
            let (operation, _) = operation_of(done.token);
            if let Some(outcome) = wire::outcome_told(done.value) {
                // A word about something that is not in the store any more changes nothing.
                let _ = self.handle(Input::Word { operation, outcome }, cx);
            }
        } else if self.defect == Some(Defect::ChargesAgain) {
            self.charge_again(done, cx);
        }
        self.take_woken()
    }

    fn deadline(&self) -> Option<Time> {
        if !self.woken.is_empty() {
            return Some(Time::ZERO);
        }
        self.processor.as_ref().and_then(Processor::deadline)
    }

    fn expire(&mut self, local: Time, cx: &mut Cx<'_>) -> Option<Woken> {
        if let Some(mut processor) = self.processor.take() {
            let mut out = Vec::new();
            let is_due = processor.deadline().is_some_and(|due| due <= local);
            if is_due {
                // What cannot be carried out is dropped by the processor itself; nobody waits for an answer here.
                let _ = processor.expire(local, &mut out);
                self.after_step(processor, out, cx);
            } else {
                self.processor = Some(processor);
            }
        }
        self.take_woken()
    }

    fn probe(&self, out: &mut Probes) {
        self.counts.probe(out);
        if let Some(processor) = &self.processor {
            out.money = Some(books::probe(processor, &self.archived, out));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_the_order_what_is_asked_and_the_try() {
        let asks = [Ask::Create { is_manual: true }, Ask::Confirm, Ask::Capture, Ask::Refund];
        for (order, key_try) in [(0, 0), (0x0123_4567_89AB_CDEF, 1), (u64::MAX, u32::MAX)] {
            for ask in asks {
                let plain = format!("{order:016x}/{}/{key_try}", ask_name(ask));
                assert_eq!(key_of(order, ask, key_try), plain);
            }
        }
    }
}
