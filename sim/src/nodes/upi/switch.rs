//! Kind `upi-switch`: the library's switch behind a line and workers. With its limiter on, status checks that break the
//! rule are refused at the door and cost no work; without, each is answered, whatever it costs.

use std::collections::BTreeSet;
use std::sync::Arc;

use foreshock_systems::payment::upi::{
    Body, CheckRefusal, Envelope, Party, PayResult, Switch, SwitchError, TxnId,
};

use super::post::Post;
use super::settings::{self, SwitchSettings};
use super::wire;
use crate::cluster::{Cx, Done, Durable, Probes, Ref, Request};
use crate::kernel::time::Time;
use crate::measure::{MoneyProbe, UnsettledTxn};
use crate::nodes::service::{Answered, Behaviour, Verdict, Woken};
use crate::nodes::store::{AnyStore, Fallen};
use crate::scenario::plan::{LoadId, Party as Caller, Plan, ServiceId, ServicePlan};

#[derive(Default)]
struct Counts {
    pay: u64,
    auth: u64,
    leg: u64,
    check: u64,
    checks_refused: u64,
    not_taken: u64,
    crashes: u64,
}

pub(super) struct SwitchNode {
    settings: SwitchSettings,
    switch: Option<Switch<AnyStore>>,
    fallen: Option<Fallen>,
    post: Post,
    counts: Counts,
}

impl SwitchNode {
    pub(super) fn new(service: ServiceId, plan: &Arc<Plan>) -> SwitchNode {
        SwitchNode {
            settings: read(&plan.services[service.index()]),
            switch: None,
            fallen: None,
            post: Post::new(service, plan),
            counts: Counts::default(),
        }
    }

    fn send(&mut self, out: Vec<Envelope>, load: LoadId, cx: &mut Cx<'_>) {
        let mut over = None;
        for envelope in out {
            let to = match envelope.to {
                Party::Psp(number) | Party::Bank(number) => ServiceId(number),
                Party::Switch => continue,
            };
            self.post.send(to, &envelope.body, load, cx);
            if let Body::RespPay { txn, result: PayResult::Success | PayResult::Failure } = envelope.body {
                over = Some(txn);
            }
        }
        if let Some(txn) = over {
            self.post.forget(txn);
        }
    }

    /// What was asked about too early or too often.
    fn refusal(&self, id: TxnId, now: Time) -> Option<CheckRefusal> {
        if !self.settings.is_limiting {
            return None;
        }
        let view = self.switch.as_ref()?.txn(id)?;
        self.settings.config.checks.admit(now, Time::from_nanos(view.begun_ns), view.checks).err()
    }

    fn probe_of(switch: &Switch<AnyStore>) -> MoneyProbe {
        let mut unsettled = BTreeSet::new();
        switch.txns(&mut |view| {
            if !view.state.has_ended() {
                unsettled.insert(UnsettledTxn(view.txn.id.0));
            }
        });
        MoneyProbe::Switch { unsettled }
    }
}

fn read(plan: &ServicePlan) -> SwitchSettings {
    settings::read_switch(&plan.settings).expect("the plan's settings were checked")
}

impl Behaviour for SwitchNode {
    fn answer(&mut self, request: &Request, _job: Ref, cx: &mut Cx<'_>) -> Verdict {
        let from = cx.plan().edges[request.edge.index()].caller;
        let body = wire::body_of(request.key, request.arguments);
        let (Some(body), Caller::Service(from)) = (body, from) else {
            self.counts.not_taken += 1;
            return Verdict::Fail;
        };
        let (from, count) = match body {
            Body::RespLeg { .. } => (Party::Bank(from.0), &mut self.counts.leg),
            Body::ReqPay(_) => (Party::Psp(from.0), &mut self.counts.pay),
            Body::ReqChkTxn(_) => (Party::Psp(from.0), &mut self.counts.check),
            Body::ReqAuthDetails(_)
            | Body::RespAuthDetails { .. }
            | Body::ReqLeg { .. }
            | Body::RespPay { .. }
            | Body::RespChkTxn { .. } => (Party::Psp(from.0), &mut self.counts.auth),
        };
        *count += 1;
        let Some(switch) = &mut self.switch else { return Verdict::Fail };
        let mut out = Vec::new();
        let taken = switch.handle(cx.local_time(), from, &body, &mut out);
        self.send(out, request.load, cx);
        match taken {
            Ok(()) => Verdict::Answer(Answered::default()),
            // Of a payment that a crash has taken, nobody knows here.
            Err(
                SwitchError::NoSuchTxn(_)
                | SwitchError::WrongSender
                | SwitchError::NotForMe
                | SwitchError::NoPatience
                | SwitchError::Store(_),
            ) => {
                self.counts.not_taken += 1;
                Verdict::Fail
            }
        }
    }

    fn answer_at_door(&mut self, request: &Request, cx: &mut Cx<'_>) -> Option<Answered> {
        let Some(Body::ReqChkTxn(id)) = wire::body_of(request.key, request.arguments) else { return None };
        let refusal = self.refusal(id, cx.local_time())?;
        self.counts.checks_refused += 1;
        let wait_ns = match refusal {
            CheckRefusal::TooEarly(wait_ns) => wait_ns.max(1),
            CheckRefusal::TooMany => 0,
        };
        Some(Answered { missed: true, value: wait_ns })
    }

    fn start(&mut self, cx: &mut Cx<'_>) {
        cx.has_banks();
        if self.switch.is_some() {
            return; // it takes over from a process that has ended in good order
        }
        let disk = self.fallen.take().and_then(|fallen| fallen.disk(self.counts.crashes, cx));
        let store = AnyStore::open(self.settings.store, disk);
        let switch = Switch::open(store, self.settings.config).expect("the plan's settings were checked");
        if self.counts.crashes > 0 {
            cx.money_found(&SwitchNode::probe_of(&switch));
        }
        self.switch = Some(switch);
    }

    fn crash(&mut self, keep: Durable) {
        self.counts.crashes += 1;
        self.fallen = self.switch.take().map(|switch| switch.into_store().fallen(keep));
        self.post.crash();
    }

    fn reconfigure(&mut self, plan: &ServicePlan) {
        self.settings = read(plan);
        if let Some(switch) = &mut self.switch {
            switch.reconfigure(self.settings.config).expect("the plan's settings were checked");
        }
    }

    fn calls_itself(&self) -> bool {
        true
    }

    fn call_done(&mut self, done: &Done, _cx: &mut Cx<'_>) -> Option<Woken> {
        self.post.ended(done.token);
        None
    }

    fn deadline(&self) -> Option<Time> {
        self.switch.as_ref().and_then(Switch::deadline)
    }

    fn expire(&mut self, local: Time, cx: &mut Cx<'_>) -> Option<Woken> {
        let switch =
            self.switch.as_mut().filter(|switch| switch.deadline().is_some_and(|due| due <= local))?;
        let mut out = Vec::new();
        // A store that fails is opened again at the next start; until then nothing is promised.
        let _ = switch.expire(local, &mut out);
        self.send(out, LoadId(0), cx);
        None
    }

    fn probe(&self, out: &mut Probes) {
        let counts = &self.counts;
        out.counts.extend([
            ("messages.pay", counts.pay),
            ("messages.auth", counts.auth),
            ("messages.leg", counts.leg),
            ("messages.status_check", counts.check),
            ("checks_refused", counts.checks_refused),
            ("not_taken", counts.not_taken),
            ("unsendable", self.post.unsendable),
            ("crashes", counts.crashes),
        ]);
        let all = counts.pay + counts.auth + counts.leg + counts.check;
        out.shares.insert("status_check_share_ppm", (counts.check, all));
        let Some(switch) = &self.switch else { return };
        let probe = SwitchNode::probe_of(switch);
        if let MoneyProbe::Switch { unsettled } = &probe {
            out.counts.insert("unsettled", unsettled.len() as u64);
        }
        out.money = Some(probe);
    }
}
