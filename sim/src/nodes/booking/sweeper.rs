//! Kind `booking-sweeper`: a process beside a desk that looks every so often, by its own clock, for holds that have ended.
//! It says what its clock shows; whether that counts is the desk's business.

use std::sync::Arc;

use crate::cluster::{CallSpec, Cx, Done, Durable, Probes, Ref, Request};
use crate::kernel::draw::Lineage;
use crate::kernel::time::{Span, Time};
use crate::measure::OutcomeKind;
use crate::nodes::payments::calls_of;
use crate::nodes::service::{Answered, Behaviour, Verdict, Woken};
use crate::scenario::plan::{EdgeId, Plan, ServiceId, ServicePlan};

/// Tells a sweep from whatever else a desk is asked.
const SWEEP: u64 = 0x53;

/// What a sweeper's clock shows, if this is what a sweeper says.
pub(super) fn said(arguments: [u64; 3]) -> Option<Time> {
    match arguments {
        [SWEEP, local_ns, _] => Some(Time::from_nanos(local_ns)),
        _ => None,
    }
}

pub(super) struct Sweeper {
    every: Span,
    edge: Option<EdgeId>,
    next_at: Option<Time>,
    identity: u64,
    rounds: u32,
    swept: u64,
    failed: u64,
}

impl Sweeper {
    pub(super) fn new(service: ServiceId, plan: &Arc<Plan>) -> Sweeper {
        Sweeper {
            every: every(&plan.services[service.index()]),
            edge: calls_of(plan, service).first().copied(),
            next_at: None,
            identity: 0,
            rounds: 0,
            swept: 0,
            failed: 0,
        }
    }
}

fn every(plan: &ServicePlan) -> Span {
    super::settings::sweeper(&plan.settings).expect("the plan's settings were checked")
}

impl Behaviour for Sweeper {
    fn answer(&mut self, _request: &Request, _job: Ref, _cx: &mut Cx<'_>) -> Verdict {
        Verdict::Answer(Answered::default())
    }

    fn start(&mut self, cx: &mut Cx<'_>) {
        self.identity = cx.key("sweep").draw(u64::from(cx.replica()));
        self.next_at = Some(cx.local_time() + self.every);
    }

    fn crash(&mut self, _keep: Durable) {
        self.next_at = None;
    }

    fn reconfigure(&mut self, plan: &ServicePlan) {
        self.every = every(plan);
    }

    fn calls_itself(&self) -> bool {
        true
    }

    fn call_done(&mut self, done: &Done, _cx: &mut Cx<'_>) -> Option<Woken> {
        match done.outcome {
            OutcomeKind::Ok => self.swept += done.value,
            _ => self.failed += 1,
        }
        None
    }

    fn deadline(&self) -> Option<Time> {
        self.next_at
    }

    fn expire(&mut self, local: Time, cx: &mut Cx<'_>) -> Option<Woken> {
        if let (Some(edge), true) = (self.edge, self.next_at.is_some_and(|due| due <= local)) {
            self.rounds += 1;
            let lineage = Lineage(self.identity).call(SWEEP, self.rounds);
            let arguments = [SWEEP, local.as_nanos(), 0];
            cx.call(CallSpec { arguments, ..CallSpec::of_its_own(edge, lineage, cx.now()) }, Ref::NONE);
            self.next_at = Some(local + self.every);
        }
        None
    }

    fn probe(&self, out: &mut Probes) {
        out.counts.extend([
            ("rounds", u64::from(self.rounds)),
            ("swept", self.swept),
            ("rounds_failed", self.failed),
        ]);
    }
}
