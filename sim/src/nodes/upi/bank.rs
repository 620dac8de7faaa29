//! Kind `upi-bank`: the library's bank. What it has done is on its disk. Answers each leg by a message of its own.

use std::sync::Arc;

use foreshock_systems::payment::upi::{Bank, Body, LegResult, TxnId};

use super::post::Post;
use super::settings;
use super::wire;
use super::{FORGETFUL, GENEROUS};
use crate::cluster::{Cx, Done, Durable, Probes, Ref, Request};
use crate::kernel::time::Time;
use crate::measure::LegDone;
use crate::nodes::service::{Answered, Behaviour, Verdict, Woken};
use crate::scenario::plan::{Party, Plan, ServiceId, ServicePlan};

pub(super) struct BankNode {
    bank: Bank,
    post: Post,
    defect: u8,
    legs: u64,
    repeated: u64,
    refused: u64,
}

impl BankNode {
    pub(super) fn new(service: ServiceId, plan: &Arc<Plan>, defect: u8) -> BankNode {
        let own = settings::read_bank(&plan.services[service.index()].settings);
        let own = own.expect("the plan's settings were checked");
        let mut bank = Bank::new();
        for account in 0..own.accounts {
            bank.open_account(u64::from(account), i64::from(own.balance_minor));
        }
        BankNode { bank, post: Post::new(service, plan), defect, legs: 0, repeated: 0, refused: 0 }
    }

    fn carry_out(&mut self, body: &Body, cx: &mut Cx<'_>) -> Option<Body> {
        let Body::ReqLeg { txn, leg, account, minor } = *body else { return None };
        self.legs += 1;
        let known = self.bank.leg(txn, leg);
        self.repeated += u64::from(known.is_some());
        let (balance, settlement) = (self.bank.balance(account).unwrap_or(0), self.bank.settlement_minor());
        // A bank that does not know a leg again takes it for another one.
        let told = if self.defect == FORGETFUL { TxnId(txn.0 ^ self.legs) } else { txn };
        let result = self.bank.handle(told, leg, account, minor);
        self.refused += u64::from(result == LegResult::Refused);
        let after = self.bank.balance(account).unwrap_or(0);
        if self.defect == GENEROUS && after > balance {
            self.bank.open_account(account, after + 1);
        }
        let account_delta = self.bank.balance(account).unwrap_or(0) - balance;
        if account_delta != 0 {
            let settlement_delta = self.bank.settlement_minor() - settlement;
            cx.leg_done(&LegDone { txn: txn.0, leg, minor, account_delta, settlement_delta });
        }
        Some(Body::RespLeg { txn, leg, result })
    }
}

impl Behaviour for BankNode {
    fn answer(&mut self, request: &Request, _job: Ref, cx: &mut Cx<'_>) -> Verdict {
        let from = cx.plan().edges[request.edge.index()].caller;
        let body = wire::body_of(request.key, request.arguments);
        let answer = body.and_then(|body| self.carry_out(&body, cx));
        let (Some(answer), Party::Service(from)) = (answer, from) else { return Verdict::Fail };
        self.post.send(from, &answer, request.load, cx);
        Verdict::Answer(Answered::default())
    }

    fn start(&mut self, cx: &mut Cx<'_>) {
        cx.has_banks();
    }

    fn crash(&mut self, _keep: Durable) {
        self.post.crash();
    }

    /// Accounts are opened once.
    fn reconfigure(&mut self, _plan: &ServicePlan) {}

    fn calls_itself(&self) -> bool {
        true
    }

    fn call_done(&mut self, _done: &Done, _cx: &mut Cx<'_>) -> Option<Woken> {
        None
    }

    fn deadline(&self) -> Option<Time> {
        None
    }

    fn probe(&self, out: &mut Probes) {
        out.counts.insert("legs", self.legs);
        out.counts.insert("legs_repeated", self.repeated);
        out.counts.insert("legs_refused", self.refused);
        out.counts.insert("deposits_minor", self.bank.deposits_minor().max(0).unsigned_abs());
    }
}
