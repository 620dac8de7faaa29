//! At the door of a service: asks its admission, keeps requests that wait for their turn or for the store, carries
//! messages to the store and back. Services without admission never come here.

use foreshock_systems::rate_limiter::concurrency::CallOutcome;
use foreshock_systems::rate_limiter::distributed::{Ticket, ToStore};

use super::ServiceNode;
use super::admission::{Admission, Passed, Verdict};
use super::store_client;
use crate::cluster::{CallSpec, Cx, Done, Ref, Reply, Request, Slab, Token};
use crate::kernel::agenda::Handle;
use crate::kernel::draw::{Lineage, name_hash};
use crate::kernel::time::Span;
use crate::measure::OutcomeKind;
use crate::nodes::tokens::STORE;
use crate::scenario::plan::{EdgeId, LoadId, OperationId};

/// Wake-ups of the door have this bit, those of jobs never do.
const DOOR: u32 = 1 << 23;

/// The door and those who wait at it.
pub(super) struct Door {
    pub(super) admission: Admission,
    pub(super) waiting: Slab<Waiting>,
}

/// A request that waits at the door.
#[derive(Clone, Copy)]
pub(super) struct Waiting {
    pub(super) request: Request,
    passed: Passed,
    /// When its turn comes, if it waits for that.
    wake: Handle,
}

/// Whether a wake-up is meant for the door.
pub(super) const fn is_for_door(token: Token) -> bool {
    token.0 & DOOR != 0
}

impl ServiceNode {
    /// A process starts: what is remembered at the door is gone, what was counted is not. One that takes over without
    /// a crash finds requests inside and at the door: those inside have no place of its own, and whoever waits for
    /// the store asks anew.
    pub(super) fn open_door(&mut self, cx: &mut Cx<'_>) {
        let own = &self.plan.services[self.service.index()];
        let Some(plan) = &own.admission else { return };
        let mut former = self.door.take();
        let before = former.as_ref().map(|door| &door.admission);
        let admission = Admission::new(plan, (cx.replica(), own.replicas), cx.local_time(), before);
        let store = former.as_mut().and_then(|door| door.admission.store_mut());
        let (asked, armed) =
            store.map_or((Vec::new(), None), |store| (store.asked.values().copied().collect(), store.armed));
        if let Some((_, wake)) = armed {
            cx.cancel_wake(wake);
        }
        let waiting = former.map_or_else(Slab::new, |door| door.waiting);
        self.door = Some(Box::new(Door { admission, waiting }));
        let inside: Vec<Ref> = self.jobs.iter().map(|(at, _)| at).collect();
        for at in inside {
            if let Some(job) = self.jobs.get_mut(at) {
                job.place = None;
            }
        }
        for at in asked {
            if let Some(waiting) = self.take_waiting(at) {
                self.knock(waiting.request, cx);
            }
        }
    }

    /// Settings have changed.
    pub(super) fn change_door(&mut self, cx: &mut Cx<'_>) {
        let own = &self.plan.services[self.service.index()];
        let local = cx.local_time();
        match (&mut self.door, &own.admission) {
            (None, None) => {}
            (None, Some(_)) => self.open_door(cx),
            (Some(door), Some(plan)) => door.admission.reconfigure(plan, own.replicas, local),
            (Some(_), None) => {
                let left: Vec<Ref> =
                    self.door.iter().flat_map(|door| door.waiting.iter().map(|(at, _)| at)).collect();
                for at in left {
                    if let Some(waiting) = self.take_waiting(at) {
                        cx.cancel_wake(waiting.wake);
                        self.accept(&waiting.request, None, cx);
                    }
                }
                self.door = None;
            }
        }
        self.drive_store(None, cx);
    }

    /// A request has arrived at a service with admission.
    pub(super) fn knock(&mut self, request: Request, cx: &mut Cx<'_>) {
        let local = cx.local_time();
        let Some(door) = &mut self.door else { return };
        match door.admission.check(&request, &self.plan, local) {
            Verdict::Pass(passed) => {
                self.pass(request, passed, cx);
            }
            Verdict::Wait(wait, passed) => {
                let at = door.waiting.insert(Waiting { request, passed, wake: Handle::NONE });
                let wake = cx.wake_at(cx.now() + wait, Token(DOOR | at.slot()));
                if let Some(waiting) = door.waiting.get_mut(at) {
                    waiting.wake = wake;
                }
            }
            Verdict::Ask(ticket, passed) => self.wait_for_store(request, passed, ticket, cx),
            Verdict::Refuse(pause) => refuse(&request, pause, cx),
        }
        self.drive_store(Some(&request), cx);
    }

    fn wait_for_store(&mut self, request: Request, passed: Passed, ticket: Ticket, cx: &mut Cx<'_>) {
        let Some(door) = &mut self.door else { return };
        if door.admission.is_shadow() {
            // What is only counted keeps nobody waiting.
            return self.pass(request, None, cx);
        }
        let at = door.waiting.insert(Waiting { request, passed, wake: Handle::NONE });
        if let Some(store) = door.admission.store_mut() {
            store.asked.insert(ticket, at);
        }
    }

    /// The rate lets a request pass; it takes a place inside.
    fn pass(&mut self, request: Request, passed: Option<Passed>, cx: &mut Cx<'_>) {
        let Some(door) = &mut self.door else { return };
        if let Some(Passed { rule, key, cost }) = passed.filter(|_| !door.admission.is_shadow()) {
            cx.passed_limit(rule, key, cost);
        }
        match door.admission.take_place(cx.local_time()) {
            Ok(place) => self.accept(&request, place, cx),
            Err(()) => refuse(&request, None, cx),
        }
    }

    fn take_waiting(&mut self, at: Ref) -> Option<Waiting> {
        self.door.as_mut()?.waiting.remove(at).copied()
    }

    /// A wake-up of the door: somebody's turn, or the store's deadline.
    pub(super) fn door_due(&mut self, token: Token, cx: &mut Cx<'_>) {
        let Some(door) = &mut self.door else { return };
        if token == STORE {
            let local = cx.local_time();
            if let Some(store) = door.admission.store_mut() {
                store.armed = None;
                store.node.expire(local);
            }
            return self.drive_store(None, cx);
        }
        let waiting = door.waiting.by_slot(token.0 & !DOOR);
        if let Some(Waiting { request, passed, .. }) = waiting.and_then(|at| self.take_waiting(at)) {
            self.pass(request, Some(passed), cx);
        }
    }

    /// Whether the end of a call is the store's answer; it is dealt with then.
    pub(super) fn store_answered(&mut self, done: &Done, cx: &mut Cx<'_>) -> bool {
        let local = cx.local_time();
        let store = self.door.as_mut().and_then(|door| door.admission.store_mut());
        let Some(store) = store.filter(|store| store.edge == done.edge) else { return false };
        store.answered(done, local);
        self.drive_store(None, cx);
        true
    }

    /// Carries off what the limiter has to say until it has nothing to say, and asks to be woken when it is due.
    fn drive_store(&mut self, cause: Option<&Request>, cx: &mut Cx<'_>) {
        loop {
            let Some(door) = &mut self.door else { return };
            let Some(store) = door.admission.store_mut() else { return };
            if let Some(message) = store.node.poll_message() {
                let (edge, incarnation) = (store.edge, store.incarnation);
                door.admission.counts.store_calls += 1;
                self.send_to_store(edge, message, incarnation, cause, cx);
            } else if let Some((ticket, decision)) = store.node.poll_decision() {
                let at = store.asked.remove(&ticket);
                self.decide(at, decision, cx);
            } else {
                break;
            }
        }
        let now = cx.now();
        let local = cx.local_time();
        let Some(store) = self.door.as_mut().and_then(|door| door.admission.store_mut()) else { return };
        let deadline = store.node.deadline();
        if store.armed.map(|(at, _)| at) == deadline {
            return;
        }
        if let Some((_, handle)) = store.armed.take() {
            cx.cancel_wake(handle);
        }
        store.armed = deadline.map(|at| (at, cx.wake_at(now + at.since(local), STORE)));
    }

    /// The fate of a request that waited for the store; `None` if it is gone, or never waited.
    fn decide(
        &mut self,
        at: Option<Ref>,
        decision: foreshock_systems::rate_limiter::distributed::Decision,
        cx: &mut Cx<'_>,
    ) {
        let Some(door) = &mut self.door else { return };
        if door.admission.is_shadow() {
            door.admission.counts.would_refuse += u64::from(decision.verdict.is_err());
        }
        let waiting = at.and_then(|at| self.take_waiting(at));
        let (Some(waiting), Some(door)) = (waiting, &mut self.door) else { return };
        match door.admission.decided(decision) {
            Ok(()) => self.pass(waiting.request, Some(waiting.passed), cx),
            Err(pause) => refuse(&waiting.request, pause, cx),
        }
    }

    fn send_to_store(
        &mut self,
        edge: EdgeId,
        message: ToStore,
        incarnation: u32,
        cause: Option<&Request>,
        cx: &mut Cx<'_>,
    ) {
        let (token, key, arguments) = store_client::encode(message, incarnation);
        let now = cx.now();
        let own = &self.plan.services[self.service.index()];
        // What no request has caused is known by who says it, when, and about which key.
        let lineage = cause.map_or_else(
            || Lineage::root(name_hash(&own.name) ^ u64::from(cx.replica()), now.as_nanos()).call(key, 0),
            |request| request.lineage,
        );
        let spec = CallSpec {
            load: cause.map_or(LoadId(0), |request| request.load),
            operation: cause.map_or(OperationId(0), |request| request.operation),
            key,
            arguments,
            traced: cause.map_or(0, |request| request.traced),
            token,
            ..CallSpec::of_its_own(edge, lineage, now)
        };
        cx.call(spec, Ref::NONE);
    }

    /// Gives back the place of a job that leaves.
    pub(super) fn leave_place(&mut self, at: Ref, outcome: CallOutcome, cx: &Cx<'_>) {
        let Some(door) = &mut self.door else { return };
        if let Some(place) = self.jobs.get_mut(at).and_then(|job| job.place.take()) {
            door.admission.give_place_back(cx.local_time(), place, outcome);
        }
    }

    /// How the bound on concurrency sees the end of a job that was worked on.
    pub(super) fn fared(&self, at: Ref, outcome: OutcomeKind, cx: &Cx<'_>) -> CallOutcome {
        let Some(job) = self.jobs.get(at) else { return CallOutcome::Ignored };
        match outcome {
            // Whoever asked has given up by now.
            OutcomeKind::Ok if cx.local_time() >= job.request.deadline => CallOutcome::Dropped,
            OutcomeKind::Ok => CallOutcome::Completed,
            _ if job.starved => CallOutcome::Dropped,
            _ => CallOutcome::Ignored,
        }
    }

    /// Forgets those of a cancelled attempt who wait at the door.
    pub(super) fn cancel_at_door(&mut self, attempt: Ref, cx: &mut Cx<'_>) {
        let Some(door) = &self.door else { return };
        let gone: Vec<Ref> = door
            .waiting
            .iter()
            .filter(|(_, waiting)| waiting.request.attempt == attempt)
            .map(|(at, _)| at)
            .collect();
        for at in gone {
            if let Some(waiting) = self.take_waiting(at) {
                cx.cancel_wake(waiting.wake);
                cx.drop_cancelled(&waiting.request);
            }
        }
    }
}

fn refuse(request: &Request, retry_after: Option<Span>, cx: &mut Cx<'_>) {
    cx.reply(request, Reply { retry_after, ..Reply::refusal(OutcomeKind::Rejected) });
}
