//! Kind `upi-psp`: the server behind an app. What its load asks for are payments between accounts drawn by the request;
//! a share of them is collected, so that the payer has to agree. Asks for the status of what was not answered as its
//! plan says. What it knows of payments is on its disk; who waits for them is not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use foreshock_systems::payment::upi::{
    Body, CheckRefusal, PayResult, Psp, PspConfig, PspOutput, Role, Txn, TxnId,
};

use super::post::Post;
use super::settings::{self, PspSettings};
use super::{BANK, PSP, SWITCH, wire};
use crate::cluster::{Cx, Done, Durable, Probes, Ref, Request};
use crate::kernel::draw::{Key, below, chance_ppm};
use crate::kernel::time::Time;
use crate::measure::OutcomeKind;
use crate::nodes::service::{Answered, Behaviour, Verdict, Woken};
use crate::scenario::plan::{LoadId, Plan, ServiceId, ServicePlan};

#[derive(Clone, Copy)]
struct Draws {
    amount: Key,
    account: Key,
    role: Key,
    agree: Key,
}

#[derive(Default)]
struct Counts {
    succeeded: u64,
    deemed: u64,
    failed: u64,
    turned_away: u64,
    given_up: u64,
    checks_refused: u64,
    rechecks: u64,
}

pub(super) struct PspNode {
    number: u32,
    settings: PspSettings,
    psp: Psp,
    post: Post,
    switch: Option<ServiceId>,
    /// Banks and how many accounts they have.
    banks: Vec<(u32, u32)>,
    psps: Vec<u32>,
    /// Users who wait, by payment.
    waiting: BTreeMap<TxnId, Ref>,
    patience: BTreeSet<(Time, TxnId)>,
    /// Users who have their answers as soon as the message that brought them is acknowledged.
    later: Vec<(Ref, Verdict)>,
    /// Payments of which it asks again, decided or not: when, which, since when there are.
    old: BTreeSet<(Time, TxnId, Time)>,
    /// Payers who think about it.
    thinking: BTreeSet<(Time, TxnId)>,
    draws: Option<Draws>,
    counts: Counts,
}

impl PspNode {
    pub(super) fn new(service: ServiceId, plan: &Arc<Plan>) -> PspNode {
        let settings = read(&plan.services[service.index()]);
        let of_kind = |kind: &'static str| {
            let services = (0_u32..).zip(&plan.services);
            services.filter(move |(_, service)| {
                service.kind == kind || service.kind.starts_with(&format!("test-{kind}"))
            })
        };
        let banks: Vec<(u32, u32)> = of_kind(BANK)
            .map(|(number, bank)| {
                let bank = settings::read_bank(&bank.settings).expect("the plan's settings were checked");
                (number, bank.accounts)
            })
            .collect();
        let mut psp = Psp::new(PspConfig { number: service.0, checks: settings.plan() });
        for (bank, accounts) in &banks {
            for account in 0..*accounts {
                psp.register(wire::name_of(*bank, account), *bank, u64::from(account));
            }
        }
        let post = Post::new(service, plan);
        PspNode {
            number: service.0,
            settings,
            psp,
            switch: post.first().filter(|to| plan.services[to.index()].kind == SWITCH),
            post,
            psps: of_kind(PSP).map(|(number, _)| number).collect(),
            banks,
            waiting: BTreeMap::new(),
            patience: BTreeSet::new(),
            later: Vec::new(),
            old: BTreeSet::new(),
            thinking: BTreeSet::new(),
            draws: None,
            counts: Counts::default(),
        }
    }

    /// The name of an account drawn for one side of a payment; `identity` is what is drawn for.
    fn drawn_name(&self, draws: Draws, identity: u64, side: u64) -> Option<u64> {
        let bank = below(draws.account.draw2(identity, side * 2), (self.banks.len() as u64).max(1));
        let (bank, accounts) = *self.banks.get(bank as usize)?;
        let account = below(draws.account.draw2(identity, side * 2 + 1), u64::from(accounts));
        Some(wire::name_of(bank, account as u32))
    }

    fn drawn(&self, id: u64, cx: &Cx<'_>) -> Option<Txn> {
        let identity = cx.redrawn(id);
        let draws = self.draws?;
        let is_collect = chance_ppm(draws.role.draw(identity), self.settings.collect_ppm);
        let (payer, payee) = (self.drawn_name(draws, identity, 0)?, self.drawn_name(draws, identity, 1)?);
        let place = below(draws.role.draw2(identity, 1), (self.psps.len() as u64).max(1));
        let other = self.psps.get(place as usize).copied().unwrap_or(self.number);
        let (min, max) = self.settings.amount_minor;
        let minor = u64::from(min) + below(draws.amount.draw(identity), u64::from(max - min) + 1);
        let account = ((payer >> 32) as u32, payer & 0xFFFF_FFFF);
        Some(Txn {
            id: TxnId(id),
            role: if is_collect { Role::Collect } else { Role::Pay },
            payer_psp: if is_collect { other } else { self.number },
            payee_psp: if is_collect { self.number } else { other },
            payer: (!is_collect).then_some(account),
            payee,
            payee_account: None,
            minor: minor as i64,
        })
    }

    fn carry_out(&mut self, out: Vec<PspOutput>, load: LoadId, cx: &mut Cx<'_>) -> Option<Woken> {
        let mut woken = None;
        for output in out {
            match output {
                PspOutput::Send(envelope) => {
                    if let Some(switch) = self.switch {
                        self.post.send(switch, &envelope.body, load, cx);
                    }
                }
                PspOutput::AskPayer(txn) => {
                    self.thinking.insert((cx.local_time() + self.settings.think, txn.id));
                }
                PspOutput::Tell(txn, result) => woken = self.tell(txn, result).or(woken),
            }
        }
        woken
    }

    fn tell(&mut self, txn: TxnId, result: PayResult) -> Option<Woken> {
        if matches!(result, PayResult::Success | PayResult::Failure) && self.settings.recheck.is_none() {
            self.post.forget(txn);
        }
        let job = self.waiting.remove(&txn)?;
        match result {
            PayResult::Success => self.counts.succeeded += 1,
            PayResult::Deemed => self.counts.deemed += 1,
            PayResult::Failure | PayResult::Pending => self.counts.failed += 1,
        }
        let verdict =
            if result == PayResult::Failure { Verdict::Fail } else { Verdict::Answer(Answered::default()) };
        Some(Woken { jobs: vec![job], verdict: Some(verdict) })
    }

    fn take(&mut self, body: &Body, load: LoadId, cx: &mut Cx<'_>) -> Option<Woken> {
        let mut out = Vec::new();
        self.psp.handle(cx.local_time(), body, &mut out);
        self.carry_out(out, load, cx)
    }

    /// Asks how a payment stands that may long be decided, as long as it is young enough.
    fn check_again(&mut self, txn: TxnId, begun: Time, local: Time, cx: &mut Cx<'_>) {
        let due = self.settings.recheck.map(|interval| local + interval);
        match (due.filter(|due| due.since(begun) <= self.settings.rule.window), self.switch) {
            (Some(due), Some(switch)) => {
                self.old.insert((due, txn, begun));
                self.counts.rechecks += 1;
                self.post.send(switch, &Body::ReqChkTxn(txn), LoadId(0), cx);
            }
            (None, _) | (_, None) => self.post.forget(txn),
        }
    }

    /// A payer has thought.
    fn decide(&mut self, txn: TxnId, cx: &mut Cx<'_>) {
        let Some(draws) = self.draws else { return };
        let identity = cx.redrawn(txn.0);
        let agrees = chance_ppm(draws.agree.draw(identity), self.settings.agree_ppm);
        let payer = self.drawn_name(draws, identity, 0).filter(|_| agrees);
        let mut out = Vec::new();
        self.psp.decide(txn, payer, &mut out);
        self.carry_out(out, LoadId(0), cx);
    }
}

fn read(plan: &ServicePlan) -> PspSettings {
    settings::read_psp(&plan.settings).expect("the plan's settings were checked")
}

impl Behaviour for PspNode {
    fn answer(&mut self, request: &Request, job: Ref, cx: &mut Cx<'_>) -> Verdict {
        if let Some(body) = wire::body_of(request.key, request.arguments) {
            // Whoever waits for this payment is woken by what comes of it.
            if let Some(woken) = self.take(&body, request.load, cx) {
                self.later.extend(woken.jobs.into_iter().zip(woken.verdict));
            }
            return Verdict::Answer(Answered::default());
        }
        let (Some(txn), Some(_)) = (self.drawn(request.lineage.raw(), cx), self.switch) else {
            return Verdict::Fail;
        };
        self.waiting.insert(txn.id, job);
        let now = cx.local_time();
        self.patience.insert((now + self.settings.patience, txn.id));
        if let Some(interval) = self.settings.recheck {
            self.old.insert((now + interval, txn.id, now));
        }
        let mut out = Vec::new();
        self.psp.request(now, txn, &mut out);
        self.carry_out(out, request.load, cx);
        Verdict::Wait
    }

    fn start(&mut self, cx: &mut Cx<'_>) {
        cx.has_banks();
        // Both sides' apps draw the same for the same payment.
        let key = |purpose: &str| Key::derive(cx.seed(), "upi", purpose);
        self.draws = Some(Draws {
            amount: key("amount"),
            account: key("account"),
            role: key("role"),
            agree: key("agree"),
        });
    }

    fn crash(&mut self, _keep: Durable) {
        self.waiting.clear();
        self.patience.clear();
        self.later.clear();
        self.post.crash();
    }

    fn reconfigure(&mut self, plan: &ServicePlan) {
        self.settings = read(plan);
        self.psp.set_plan(self.settings.plan());
    }

    fn calls_itself(&self) -> bool {
        true
    }

    fn call_done(&mut self, done: &Done, cx: &mut Cx<'_>) -> Option<Woken> {
        let sent = self.post.ended(done.token)?;
        let body = match (sent.is_check, done.outcome, done.missed) {
            (true, OutcomeKind::Ok, true) => {
                self.counts.checks_refused += 1;
                let refusal = match done.value {
                    0 => CheckRefusal::TooMany,
                    wait_ns => CheckRefusal::TooEarly(wait_ns),
                };
                Body::RespChkTxn { txn: sent.txn, result: Err(refusal) }
            }
            // Turned away at the switch's door: nothing was taken from anybody, and the user is told.
            (false, OutcomeKind::Rejected | OutcomeKind::RateLimited | OutcomeKind::Refused, _) => {
                self.counts.turned_away += 1;
                Body::RespPay { txn: sent.txn, result: PayResult::Failure }
            }
            _ => return None,
        };
        self.take(&body, LoadId(0), cx)
    }

    fn deadline(&self) -> Option<Time> {
        if !self.later.is_empty() {
            return Some(Time::ZERO);
        }
        let first = |times: &BTreeSet<(Time, TxnId)>| times.first().map(|(at, _)| *at);
        let old = self.old.first().map(|(at, ..)| *at);
        [self.psp.deadline(), first(&self.patience), first(&self.thinking), old].into_iter().flatten().min()
    }

    fn expire(&mut self, local: Time, cx: &mut Cx<'_>) -> Option<Woken> {
        if let Some((job, verdict)) = self.later.pop() {
            return Some(Woken { jobs: vec![job], verdict: Some(verdict) });
        }
        while let Some((due, txn)) = self.thinking.first().copied().filter(|(due, _)| *due <= local) {
            self.thinking.remove(&(due, txn));
            self.decide(txn, cx);
        }
        while let Some(old) = self.old.first().copied().filter(|(due, ..)| *due <= local) {
            self.old.remove(&old);
            self.check_again(old.1, old.2, local, cx);
        }
        if self.psp.deadline().is_some_and(|due| due <= local) {
            let mut out = Vec::new();
            self.psp.expire(local, &mut out);
            self.carry_out(out, LoadId(0), cx);
        }
        while let Some((due, txn)) = self.patience.first().copied().filter(|(due, _)| *due <= local) {
            self.patience.remove(&(due, txn));
            if let Some(job) = self.waiting.remove(&txn) {
                self.counts.given_up += 1;
                return Some(Woken { jobs: vec![job], verdict: Some(Verdict::Fail) });
            }
        }
        None
    }

    fn probe(&self, out: &mut Probes) {
        let counts = &self.counts;
        out.counts.extend([
            ("succeeded", counts.succeeded),
            ("deemed", counts.deemed),
            ("failed", counts.failed),
            ("turned_away", counts.turned_away),
            ("given_up", counts.given_up),
            ("status_checks", self.psp.checks_sent()),
            ("rechecks", counts.rechecks),
            ("checks_refused", counts.checks_refused),
        ]);
    }
}
