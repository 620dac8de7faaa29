//! One node's part in enqueueing by the calendar: it campaigns, and while it leads it names the ticks. That two of them
//! believe to lead does no harm: the scheduler notes every tick once.

use super::{Calendar, DueTicks, Misfire, due_ticks};
use crate::job_scheduler::job::{NodeId, ScheduleId};
use crate::job_scheduler::message::{Input, Leadership, Output, Rejected};
use crate::job_scheduler::outbox::Outbox;
use crate::time::{Span, Time};
use std::fmt;

/// A schedule's calendar and what becomes of its missed ticks.
pub struct Periodic {
    /// Which schedule.
    pub schedule: ScheduleId,
    /// When it ticks.
    pub calendar: Box<dyn Calendar + Send>,
    /// What becomes of missed ticks.
    pub misfire: Misfire,
    /// How late a tick may be and still be on time.
    pub grace: Span,
    /// How old a missed tick may be and still be looked at.
    pub look_back: Span,
}

impl fmt::Debug for Periodic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Periodic").field("schedule", &self.schedule).field("misfire", &self.misfire).finish()
    }
}

/// How a node campaigns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnqueuerConfig {
    /// Which node.
    pub node: NodeId,
    /// How often it asks to lead, or to go on leading: a third of the scheduler's `leader_lease` lets two answers in
    /// three be lost. At least a nanosecond.
    pub campaign_every: Span,
    /// How long it believes to lead after asking; at most the scheduler's `leader_lease`. It is counted on this node's
    /// clock from the instant of asking, so that no difference between clocks makes it too long.
    pub believe_for: Span,
}

#[derive(Debug)]
struct Cursor {
    periodic: Periodic,
    last: Option<Time>,
}

/// The periodic enqueuer of one node.
///
/// Drive it so: call [`Enqueuer::expire`] at [`Enqueuer::deadline`] and hand what it says to the scheduler; hand every
/// answer to [`Enqueuer::handle_output`], every refusal to [`Enqueuer::handle_refusal`].
#[derive(Debug)]
pub struct Enqueuer {
    config: EnqueuerConfig,
    cursors: Vec<Cursor>,
    leads: Option<Leadership>,
    /// By this node's clock.
    leads_until: Time,
    campaigned_at: Time,
    campaign_at: Time,
}

impl Enqueuer {
    /// A node that campaigns at once.
    pub fn new(config: EnqueuerConfig, periodics: Vec<Periodic>, now: Time) -> Enqueuer {
        let cursors = periodics.into_iter().map(|periodic| Cursor { periodic, last: None }).collect();
        Enqueuer { config, cursors, leads: None, leads_until: now, campaigned_at: now, campaign_at: now }
    }

    /// Whether it believes to lead.
    pub fn leads(&self, now: Time) -> bool {
        self.leads.is_some() && now < self.leads_until
    }

    /// When [`Enqueuer::expire`] wants to be called next.
    pub fn deadline(&self) -> Time {
        if self.leads.is_none() {
            return self.campaign_at;
        }
        let next = |cursor: &Cursor| cursor.last.and_then(|last| cursor.periodic.calendar.next(last));
        let tick = self.cursors.iter().filter_map(next).min().filter(|tick| *tick < self.leads_until);
        tick.map_or(self.campaign_at, |tick| tick.min(self.campaign_at))
    }

    /// Says what to ask: to lead, and while leading the ticks that have come.
    pub fn expire(&mut self, now: Time, out: &mut Outbox<Input>) {
        let every = self.config.campaign_every.max(Span::from_nanos(1));
        let clock_went_back = self.campaign_at > now + every;
        if self.campaign_at <= now || clock_went_back {
            self.campaigned_at = now;
            self.campaign_at = now + every;
            out.push(Input::Campaign { node: self.config.node });
        }
        if self.leads(now) {
            self.name_ticks(now, out);
        }
    }

    fn name_ticks(&mut self, now: Time, out: &mut Outbox<Input>) {
        let Some(leader) = self.leads else { return };
        for cursor in &mut self.cursors {
            let Periodic { schedule, calendar, misfire, grace, look_back } = &cursor.periodic;
            let tick = |at, fire| Input::Tick { term: leader.term, schedule: *schedule, at, fire };
            let Some(last) = cursor.last else {
                // Never noted before: it begins now.
                out.push(tick(now, false));
                cursor.last = Some(now);
                continue;
            };
            let DueTicks { fire, through } =
                due_ticks(&**calendar, *misfire, (*grace, *look_back), last, now);
            let ends_missed = through.filter(|through| fire.last() != Some(through));
            out.extend(fire.into_iter().map(|at| tick(at, true)));
            out.extend(ends_missed.map(|at| tick(at, false)));
            cursor.last = through.max(Some(last));
        }
    }

    /// Takes in what the scheduler said: that this node leads, and where its schedules stand.
    pub fn handle_output(&mut self, now: Time, output: &Output, out: &mut Outbox<Input>) {
        let Output::Leading { leadership, last_ticks } = output else { return };
        if leadership.node != self.config.node {
            self.leads = None;
            return;
        }
        let is_new = self.leads.is_none_or(|leads| leads.term != leadership.term);
        self.leads = Some(*leadership);
        self.leads_until = self.campaigned_at + self.config.believe_for;
        for cursor in self.cursors.iter_mut().filter(|_| is_new) {
            let noted = last_ticks.iter().find(|(schedule, _)| *schedule == cursor.periodic.schedule);
            cursor.last = noted.map(|(_, tick)| *tick);
        }
        if is_new && self.leads(now) {
            self.name_ticks(now, out);
        }
    }

    /// Takes in that the scheduler refused something.
    pub fn handle_refusal(&mut self, input: &Input, why: &Rejected) {
        match (input, why) {
            (_, Rejected::NotLeader(_)) => self.leads = None,
            (Input::Tick { schedule, at, .. }, why) => {
                let cursors = self.cursors.iter_mut().filter(|cursor| cursor.periodic.schedule == *schedule);
                for cursor in cursors {
                    match why {
                        Rejected::TickNoted { last } => cursor.last = cursor.last.max(Some(*last)),
                        // Named again at the next campaign, unless something later was noted meanwhile.
                        Rejected::Store(_) => {
                            cursor.last = cursor.last.min(Some(*at - Span::from_nanos(1)));
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
}
