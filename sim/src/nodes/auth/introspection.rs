//! How a verifier asks the issuer about tokens: one question for each at a time, and an answer is good for a while.

use std::collections::BTreeMap;

use foreshock_systems::auth::{Flight, Flights, Introspections, Shown};

use super::verifier::FIRST_TOKEN;
use super::wire::Ask;
use crate::cluster::{CallSpec, Cx, Done, Ref, Request};
use crate::kernel::draw::name_hash;
use crate::kernel::time::{Span, Time};
use crate::measure::OutcomeKind;
use crate::scenario::plan::EdgeId;

/// What is known of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Good: by an answer within its time, or, for who waited for it, by one that took so long.
    Active {
        overtime: Span,
    },
    Inactive,
    /// The issuer is being asked.
    Wait,
    /// It was asked, and does not answer.
    Nothing,
}

pub(super) struct Introspecting {
    answers: Introspections,
    ttl: Span,
    /// Who waits for what is said of a token.
    flights: Flights<Shown, Ref>,
    /// What was asked when, by the number of the call.
    questions: BTreeMap<u64, (Shown, Time)>,
    asked: u64,
    /// What was heard last, for those who waited for it, however old it is by now.
    heard: Option<(Shown, Time, bool)>,
    /// A defect: what was heard once is believed for ever.
    is_deaf: bool,
}

impl Introspecting {
    pub(super) fn new(ttl: Option<Span>, is_deaf: bool) -> Introspecting {
        let ttl = believed(ttl, is_deaf);
        Introspecting {
            answers: Introspections::new(ttl),
            ttl,
            flights: Flights::new(),
            questions: BTreeMap::new(),
            asked: 0,
            heard: None,
            is_deaf,
        }
    }

    /// What is known of a token for a request that waits in `job`; asks if nothing is, but once for each request.
    pub(super) fn said(
        &mut self,
        token: Shown,
        request: &Request,
        job: Ref,
        has_asked: bool,
        edge: EdgeId,
        cx: &mut Cx<'_>,
    ) -> Said {
        let now = cx.local_time();
        self.answers.expire(now);
        let heard = self.heard.filter(|(of, ..)| has_asked && *of == token);
        let kept = self.answers.is_active(now, token).map(|is_active| (Span::ZERO, is_active));
        match heard.map(|(_, asked_at, is_active)| (now.since(asked_at), is_active)).or(kept) {
            Some((age, true)) => return Said::Active { overtime: age },
            Some((_, false)) => return Said::Inactive,
            None if has_asked => return Said::Nothing,
            None => {}
        }
        if self.flights.board(token, job) == Flight::Join {
            return Said::Wait;
        }
        let number = FIRST_TOKEN + self.asked;
        self.asked += 1;
        self.questions.insert(number, (token, now));
        let lineage = request.lineage.call(name_hash("introspect"), 0);
        let (family, token) = token;
        let spec = CallSpec {
            key: request.key,
            arguments: Ask::Introspect { token, family }.arguments(),
            token: number,
            ..CallSpec::of_its_own(edge, lineage, cx.now())
        };
        cx.call(spec, Ref::NONE);
        Said::Wait
    }

    /// Who waited for an answer, if the call was a question.
    pub(super) fn call_done(&mut self, done: &Done) -> Option<Vec<Ref>> {
        if done.token < FIRST_TOKEN {
            return None;
        }
        self.heard = None;
        let Some((token, asked_at)) = self.questions.remove(&done.token) else { return Some(Vec::new()) };
        if done.outcome == OutcomeKind::Ok {
            self.heard = Some((token, asked_at, !done.missed));
            self.answers.answered(asked_at, token, !done.missed);
        }
        Some(self.flights.land(&token))
    }

    pub(super) fn restart(&mut self) {
        self.answers = Introspections::new(self.ttl);
        self.flights = Flights::new();
        self.questions.clear();
        self.heard = None;
    }

    /// Another time for answers; those that are kept are forgotten.
    pub(super) fn reconfigure(&mut self, ttl: Option<Span>) {
        let ttl = believed(ttl, self.is_deaf);
        if ttl != self.ttl {
            self.ttl = ttl;
            self.answers = Introspections::new(ttl);
        }
    }

    pub(super) const fn asked(&self) -> u64 {
        self.asked
    }
}

fn believed(ttl: Option<Span>, is_deaf: bool) -> Span {
    if is_deaf { Span::MAX } else { ttl.unwrap_or(Span::ZERO) }
}
