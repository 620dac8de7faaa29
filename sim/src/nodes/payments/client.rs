//! Kind `payment-client`: each request that comes is an order. Makes a payment of it, confirms it, takes the money, and
//! begins again when it does not know: with the same idempotency key, or, if told so, with a new one.

use std::collections::BTreeSet;
use std::sync::Arc;

use foreshock_systems::payment::CaptureMethod;

use super::calls_of;
use super::settings::{self, ClientSettings};
use super::wire::{Ask, Asked};
use crate::cluster::{CallSpec, Cx, Done, Durable, Probes, Ref, Request, Slab};
use crate::kernel::draw::{Key, below, chance_ppm, name_hash};
use crate::kernel::time::Time;
use crate::measure::{KeyPolicy, OrderEnd, OrderPlaced, OutcomeKind};
use crate::nodes::service::{Answered, Behaviour, Verdict, Woken};
use crate::scenario::plan::{EdgeId, Plan, ServiceId, ServicePlan};

/// How far an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Creating,
    Confirming,
    Capturing,
    /// Paid and answered; the money goes back.
    Refunding,
}

/// An order under way.
struct Flow {
    request: Request,
    job: Ref,
    stage: Stage,
    order: u64,
    minor: i64,
    merchant: u16,
    attempt: u32,
    intent: u64,
}

#[derive(Clone, Copy)]
struct Draws {
    amount: Key,
    merchant: Key,
    refund: Key,
}

#[derive(Default)]
struct Counts {
    paid: u64,
    refused: u64,
    given_up: u64,
    tries: u64,
    refunded: u64,
    refunds_given_up: u64,
}

pub(super) struct Client {
    settings: ClientSettings,
    /// To the processor; without one, nothing is ever paid.
    edge: Option<EdgeId>,
    flows: Slab<Flow>,
    pauses: BTreeSet<(Time, Ref)>,
    draws: Option<Draws>,
    counts: Counts,
}

impl Client {
    pub(super) fn new(service: ServiceId, plan: &Arc<Plan>) -> Client {
        Client {
            settings: read(&plan.services[service.index()]),
            edge: calls_of(plan, service).first().copied(),
            flows: Slab::new(),
            pauses: BTreeSet::new(),
            draws: None,
            counts: Counts::default(),
        }
    }

    fn place(&mut self, request: &Request, job: Ref, cx: &mut Cx<'_>) -> Option<Ref> {
        let draws = self.draws?;
        let order = request.lineage.raw();
        let (min, max) = self.settings.amount_minor;
        let minor = u64::from(min) + below(draws.amount.draw(cx.redrawn(order)), u64::from(max - min) + 1);
        let merchant = below(draws.merchant.draw(cx.redrawn(order)), u64::from(self.settings.merchants));
        let flow = Flow {
            request: *request,
            job,
            stage: Stage::Creating,
            order,
            minor: minor as i64,
            merchant: merchant as u16,
            attempt: 1,
            intent: 0,
        };
        let placed = OrderPlaced { order, client: cx.service(), minor: flow.minor, key: self.settings.key };
        cx.order_placed(placed);
        Some(self.flows.insert(flow))
    }

    /// Asks for what is next.
    fn ask(&mut self, at: Ref, cx: &mut Cx<'_>) {
        let (Some(edge), Some(flow)) = (self.edge, self.flows.get(at)) else { return };
        self.counts.tries += u64::from(flow.stage == Stage::Creating);
        let ask = match flow.stage {
            Stage::Creating => Ask::Create { is_manual: self.settings.capture == CaptureMethod::Manual },
            Stage::Confirming => Ask::Confirm,
            Stage::Capturing => Ask::Capture,
            Stage::Refunding => Ask::Refund,
        };
        let key_try = match self.settings.key {
            KeyPolicy::Order => 0,
            KeyPolicy::Attempt => flow.attempt,
        };
        let asked = Asked { ask, merchant: flow.merchant, key_try, intent: flow.intent, minor: flow.minor };
        let step = flow.attempt.saturating_mul(4).saturating_add(flow.stage as u32);
        cx.call(
            CallSpec {
                load: flow.request.load,
                key: flow.order,
                arguments: asked.arguments(),
                is_retry: flow.request.is_retry || flow.attempt > 1,
                priority: flow.request.priority,
                traced: flow.request.traced,
                token: at.pack(),
                ..CallSpec::of_its_own(
                    edge,
                    flow.request.lineage.call(name_hash("payment step"), step),
                    cx.now(),
                )
            },
            Ref::NONE,
        );
    }

    /// What was asked for is done.
    fn went_well(&mut self, at: Ref, value: u64, cx: &mut Cx<'_>) -> Option<Woken> {
        let flow = self.flows.get_mut(at)?;
        let is_manual = self.settings.capture == CaptureMethod::Manual;
        flow.stage = match flow.stage {
            Stage::Creating => {
                flow.intent = value;
                Stage::Confirming
            }
            Stage::Confirming if is_manual => Stage::Capturing,
            Stage::Confirming | Stage::Capturing => return self.paid(at, cx),
            Stage::Refunding => {
                self.counts.refunded += 1;
                self.flows.remove(at);
                return None;
            }
        };
        self.ask(at, cx);
        None
    }

    fn paid(&mut self, at: Ref, cx: &mut Cx<'_>) -> Option<Woken> {
        let flow = self.flows.get_mut(at)?;
        let (job, order, intent) = (flow.job, flow.order, flow.intent);
        self.counts.paid += 1;
        cx.order_ended(order, OrderEnd::Paid);
        let refund_ppm = self.settings.refund_ppm;
        let is_refunded =
            self.draws.is_some_and(|draws| chance_ppm(draws.refund.draw(cx.redrawn(order)), refund_ppm));
        if is_refunded {
            flow.stage = Stage::Refunding;
            flow.attempt = 1;
            flow.request.traced = 0;
            self.ask(at, cx);
        } else {
            self.flows.remove(at);
        }
        let verdict = Verdict::Answer(Answered { missed: false, value: intent });
        Some(Woken { jobs: vec![job], verdict: Some(verdict) })
    }

    /// Not known what became of it: again after a pause, or never.
    fn went_unknown(&mut self, at: Ref, cx: &mut Cx<'_>) -> Option<Woken> {
        let flow = self.flows.get_mut(at)?;
        if flow.attempt < self.settings.attempts {
            flow.attempt += 1;
            if flow.stage != Stage::Refunding {
                flow.stage = Stage::Creating;
            }
            self.pauses.insert((cx.local_time() + self.settings.pause, at));
            return None;
        }
        self.counts.refunds_given_up += u64::from(flow.stage == Stage::Refunding);
        self.counts.given_up += u64::from(flow.stage != Stage::Refunding);
        self.end(at, OrderEnd::GivenUp, cx)
    }

    fn end(&mut self, at: Ref, end: OrderEnd, cx: &mut Cx<'_>) -> Option<Woken> {
        let flow = self.flows.remove(at)?;
        if flow.stage == Stage::Refunding {
            return None;
        }
        cx.order_ended(flow.order, end);
        Some(Woken { jobs: vec![flow.job], verdict: Some(Verdict::Fail) })
    }
}

fn read(plan: &ServicePlan) -> ClientSettings {
    settings::client(&plan.settings).expect("the plan's settings were checked")
}

impl Behaviour for Client {
    fn answer(&mut self, request: &Request, job: Ref, cx: &mut Cx<'_>) -> Verdict {
        if self.edge.is_none() {
            return Verdict::Fail;
        }
        let Some(at) = self.place(request, job, cx) else { return Verdict::Fail };
        self.ask(at, cx);
        Verdict::Wait
    }

    fn start(&mut self, cx: &mut Cx<'_>) {
        self.draws =
            Some(Draws { amount: cx.key("amount"), merchant: cx.key("merchant"), refund: cx.key("refund") });
    }

    fn crash(&mut self, _keep: Durable) {
        self.flows = Slab::new();
        self.pauses.clear();
    }

    fn reconfigure(&mut self, plan: &ServicePlan) {
        self.settings = read(plan);
    }

    fn calls_itself(&self) -> bool {
        true
    }

    fn call_done(&mut self, done: &Done, cx: &mut Cx<'_>) -> Option<Woken> {
        let at = Ref::unpack(done.token);
        match (done.outcome, done.missed) {
            (OutcomeKind::Ok, false) => self.went_well(at, done.value, cx),
            (OutcomeKind::Ok, true) => {
                let is_refund = self.flows.get(at).is_some_and(|flow| flow.stage == Stage::Refunding);
                self.counts.refused += u64::from(!is_refund);
                self.end(at, OrderEnd::Refused, cx)
            }
            _ => self.went_unknown(at, cx),
        }
    }

    fn deadline(&self) -> Option<Time> {
        self.pauses.first().map(|(at, _)| *at)
    }

    fn expire(&mut self, local: Time, cx: &mut Cx<'_>) -> Option<Woken> {
        while let Some((due, at)) = self.pauses.first().copied().filter(|(due, _)| *due <= local) {
            self.pauses.remove(&(due, at));
            self.ask(at, cx);
        }
        None
    }

    fn probe(&self, out: &mut Probes) {
        let counts = &self.counts;
        out.counts.extend([
            ("paid", counts.paid),
            ("refused", counts.refused),
            ("given_up", counts.given_up),
            ("tries", counts.tries),
            ("refunded", counts.refunded),
            ("refunds_given_up", counts.refunds_given_up),
        ]);
    }
}
