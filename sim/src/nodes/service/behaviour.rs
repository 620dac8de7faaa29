//! What a kind built on a service adds to it: an answer of its own, whether the calls are made, who waits for whom.
//! Knows nothing of lines and workers.

use crate::cluster::{Cx, Done, Durable, Fill, Filled, Probes, Ref, Request};
use crate::kernel::time::{Span, Time};
use crate::nodes::broker::Mail;
use crate::nodes::notification::PeerMail;
use crate::scenario::plan::{EntryId, ServicePlan};

/// What a kind has to say, beside that it is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::nodes) struct Answered {
    /// Not here, or not any more.
    pub(in crate::nodes) missed: bool,
    /// What was read.
    pub(in crate::nodes) value: u64,
}

/// How a request goes on once it has been worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::nodes) enum Verdict {
    /// The service's calls are made, if it has any; then this is the answer.
    Proceed(Answered),
    /// This is the answer, at once.
    Answer(Answered),
    /// The answer is an error, at once.
    Fail,
    /// Not now: the answer is a rejection, with the pause that the service asks for.
    TurnAway,
    /// The service's calls are made, under this lease or without one (0); what they bring is the answer.
    Load(u64),
    /// This is the answer, at once; then the calls are made under this lease with nobody waiting.
    AnswerAndLoad(Answered, u64),
    /// The service's calls are made; if they succeed, the kind is told what was written.
    Write,
    /// It waits, without a worker, until it is among those [`Woken`].
    Wait,
}

/// Requests whose wait is over.
pub(in crate::nodes) struct Woken {
    /// In the order of asking. Some may be gone.
    pub(in crate::nodes) jobs: Vec<Ref>,
    /// How they go on; `None`: each asks again.
    pub(in crate::nodes) verdict: Option<Verdict>,
}

/// What a kind does beyond working and calling: looked at when own work is done.
pub(in crate::nodes) trait Behaviour {
    /// Does what was asked. `job` names the request if it has to wait.
    fn answer(&mut self, request: &Request, job: Ref, cx: &mut Cx<'_>) -> Verdict;
    /// The process starts.
    fn start(&mut self, cx: &mut Cx<'_>);
    /// Settings changed.
    fn reconfigure(&mut self, plan: &ServicePlan);
    /// What it counts.
    fn probe(&self, out: &mut Probes);

    /// Does what was asked, once more, because what the request waited for did not come.
    fn answer_again(&mut self, request: &Request, job: Ref, cx: &mut Cx<'_>) -> Verdict {
        self.answer(request, job, cx)
    }
    /// Takes up what a caller has loaded.
    fn fill(&mut self, _fill: &Fill, _cx: &mut Cx<'_>) -> Option<Woken> {
        None
    }
    /// The calls made under a [`Verdict::Load`] or [`Verdict::AnswerAndLoad`] have ended.
    fn loaded(&mut self, _fill: &Fill, _cx: &mut Cx<'_>) -> Option<Woken> {
        None
    }
    /// The calls of a [`Verdict::Write`] have brought the version that was written, or 0.
    fn written(&mut self, _key: u64, _filled: Filled, _cx: &mut Cx<'_>) {}
    /// A value it may hold is no longer true.
    fn invalidate(&mut self, _key: u64, _version: u64, _cx: &mut Cx<'_>) {}
    /// When it wants to be woken next, on its own clock.
    fn deadline(&self) -> Option<Time> {
        None
    }
    /// The instant it wanted to be woken at has come: one of several things that are due, until nothing is left.
    fn expire(&mut self, _local: Time, _cx: &mut Cx<'_>) -> Option<Woken> {
        None
    }
    /// Whether it makes the service's calls by itself, when it sees fit, instead of step by step for each request.
    fn calls_itself(&self) -> bool {
        false
    }
    /// A call that it has made by itself has ended.
    fn call_done(&mut self, _done: &Done, _cx: &mut Cx<'_>) -> Option<Woken> {
        None
    }
    /// One of the parties of a message broker has said something.
    fn note(&mut self, _mail: Mail, _cx: &mut Cx<'_>) -> Option<Woken> {
        None
    }
    /// A router of alerts that it is a peer of has said something.
    fn peer_told(&mut self, _mail: PeerMail, _cx: &mut Cx<'_>) {}
    /// Whether a request is answered at the door, before it takes a place or a worker.
    fn answer_at_door(&mut self, _request: &Request, _cx: &mut Cx<'_>) -> Option<Answered> {
        None
    }
    /// How much work a request is, by what it asks for.
    fn demand(&self, _request: &Request, usual: Span) -> Span {
        usual
    }
    /// An entry of the timeline that is about this node begins, or is undone.
    fn entry(&mut self, _entry: EntryId, _begins: bool, _cx: &mut Cx<'_>) {}
    /// The process dies. The next thing it is told is that it starts.
    fn crash(&mut self, _keep: Durable) {}
}
