//! The request handlers of a broker: producing, fetching and taking over what was fetched cost processor time, and wait
//! in a line while all handlers are at work. Of one sender, one request is worked on at a time, in the order of asking.
//! What keeps the cluster together, such as heartbeats and assignments, never waits here.

use std::collections::VecDeque;

use super::wire::{Mail, Said};
use crate::cluster::{Cx, Probes, Token};
use crate::kernel::time::{Span, Time};

/// What requests cost; by default nothing, and then they are heard as they come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Costs {
    /// A request of a producer.
    pub(super) produce: Span,
    /// A request of a consumer or of a follower.
    pub(super) fetch: Span,
    /// Each record that is written, on whichever replica.
    pub(super) record: Span,
}

impl Costs {
    /// What a letter costs.
    fn of(&self, said: &Said) -> Span {
        let records = |records: usize| self.record.saturating_mul(records as u64);
        match said {
            Said::Produce { produce, .. } => self.produce + records(produce.records.len()),
            Said::Fetch(_) | Said::Read { .. } => self.fetch,
            Said::Fetched(_) => records(said.records()),
            Said::Register { .. }
            | Said::Heartbeat { .. }
            | Said::AlterIsr(_)
            | Said::Stranger
            | Said::Assigned { .. }
            | Said::WhoLeads
            | Said::Leaders(_)
            | Said::Produced { .. }
            | Said::Records { .. }
            | Said::Group { .. }
            | Said::GroupAnswer { .. } => Span::ZERO,
        }
    }
}

struct Waiting {
    mail: Mail,
    cost: Span,
    since: Time,
}

struct Working {
    mail: Mail,
    since: Time,
}

/// All handlers of a broker.
pub(super) struct Handlers {
    costs: Costs,
    most: usize,
    capacity: usize,
    line: VecDeque<Waiting>,
    at_work: Vec<Option<Working>>,
    worked_on: u64,
    turned_away: u64,
    longest_wait: Span,
}

impl Handlers {
    /// At most so many at work, and so many requests in their line.
    pub(super) fn new(costs: Costs, workers: u32, capacity: u32) -> Handlers {
        Handlers {
            costs,
            most: workers as usize,
            capacity: capacity as usize,
            line: VecDeque::new(),
            at_work: Vec::new(),
            worked_on: 0,
            turned_away: 0,
            longest_wait: Span::ZERO,
        }
    }

    /// Follows new settings. What is in the line costs what it cost when it came.
    pub(super) fn reconfigure(&mut self, costs: Costs, workers: u32, capacity: u32) {
        (self.costs, self.most, self.capacity) = (costs, workers as usize, capacity as usize);
    }

    /// Takes in a letter; gives it back if it is to be heard at once.
    pub(super) fn take(&mut self, mail: Mail, cx: &mut Cx<'_>) -> Option<Mail> {
        let cost = self.costs.of(&mail.said);
        let has_turn =
            self.line.iter().all(|waiting| waiting.mail.from != mail.from) && !self.is_heard(&mail);
        if cost.is_zero() && (has_turn || !mail.said.is_work()) {
            return Some(mail);
        }
        if self.line.len() >= self.capacity && !(has_turn && self.at_work() < self.most) {
            // Who asked hears nothing, and asks again.
            self.turned_away += 1;
            return None;
        }
        self.line.push_back(Waiting { mail, cost, since: cx.now() });
        self.begin(cx);
        None
    }

    /// A handler is done; what it has worked on is heard now.
    pub(super) fn done(&mut self, handler: u32, cx: &mut Cx<'_>) -> Option<Mail> {
        let done = self.at_work.get_mut(handler as usize)?.take()?;
        self.worked_on += 1;
        cx.ran(cx.now().since(done.since));
        Some(done.mail)
    }

    /// Takes up what waits, as far as there are handlers.
    pub(super) fn begin(&mut self, cx: &mut Cx<'_>) {
        while self.at_work() < self.most {
            let next = self.line.iter().position(|waiting| !self.is_heard(&waiting.mail));
            let Some(Waiting { mail, cost, since }) = next.and_then(|at| self.line.remove(at)) else { break };
            self.longest_wait = self.longest_wait.max(cx.now().since(since));
            cx.stood_in_line(cx.now().since(since));
            let free = self.at_work.iter().position(Option::is_none).unwrap_or_else(|| {
                self.at_work.push(None);
                self.at_work.len() - 1
            });
            self.at_work[free] = Some(Working { mail, since: cx.now() });
            cx.work(Token(free as u32), cost.max(Span::from_nanos(1)));
        }
        cx.occupancy(self.at_work() as u32, self.line.len() as u32);
    }

    /// The process died with all it was asked.
    pub(super) fn crash(&mut self) {
        self.line.clear();
        self.at_work.clear();
    }

    fn at_work(&self) -> usize {
        self.at_work.iter().flatten().count()
    }

    /// Whether a handler is at work for the same sender.
    fn is_heard(&self, mail: &Mail) -> bool {
        self.at_work.iter().flatten().any(|working| working.mail.from == mail.from)
    }

    pub(super) fn probe(&self, out: &mut Probes) {
        if self.costs == Costs::default() {
            return;
        }
        out.counts.insert("requests_handled", self.worked_on);
        out.counts.insert("requests_turned_away", self.turned_away);
        out.maxima.insert("request_wait_max_us", self.longest_wait.as_micros());
    }
}
