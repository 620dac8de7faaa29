//! What customers do beside holding and paying: they wait in line for what is taken, want something else, call it off.

use foreshock_systems::booking::{Answer, BookingId, Claim, Clocks, Command, CustomerId, Rejected, Token};

use super::{Selling, Verdict};
use crate::cluster::Cx;
use crate::kernel::draw::chance_ppm;
use crate::kernel::time::Time;
use crate::measure::BookingFact;
use crate::nodes::booking::flow::Stage;
use crate::nodes::booking::front::Front;
use crate::nodes::service::Answered;

/// What somebody wants who changes their mind is drawn as if they chose for this time.
const CHANGED_MIND: u32 = 1 << 20;

impl<F: Front> Selling<F> {
    /// Nothing is free for them: some wait in line for what they wanted last, the others go away.
    pub(super) fn wait_or_leave(&mut self, id: BookingId, cx: &mut Cx<'_>) {
        if !self.waits(id, cx) {
            self.end(id, Verdict::Answer(Answered { missed: true, value: 0 }));
        }
    }

    fn waits(&mut self, id: BookingId, cx: &mut Cx<'_>) -> bool {
        let (Some(draws), Some(flow)) = (self.draws, self.flows.get(&id)) else { return false };
        let identity = cx.redrawn(flow.request.lineage.raw());
        if !chance_ppm(draws.waits.draw(identity), self.settings.terms.waits_ppm) {
            return false;
        }
        let (now, who, tries) = (cx.local_time(), CustomerId(flow.request.key), flow.tries);
        let last = tries.min(self.settings.tries.saturating_sub(1));
        let words = |purpose: u64| draws.choice.draw2(identity, purpose);
        let dream = self.front.as_ref().map(|front| front.dream(now, id, who, last, &words));
        let Some(Ok(ask)) = dream else { return false };
        let waits = matches!(
            self.handle(Clocks::agreed(now), Command::Wait(ask), cx),
            Ok(Answer::Waiting { .. } | Answer::Held { .. })
        );
        if let Some(flow) = self.flows.get_mut(&id).filter(|_| waits) {
            self.counts.waited += 1;
            flow.stage = Stage::InLine;
        }
        waits
    }

    /// What they waited for is held for them now. Whoever is not there any more lets it end.
    pub(super) fn offered(&mut self, id: BookingId, token: Token, cx: &mut Cx<'_>) {
        self.counts.offered += 1;
        let minor = self.desk().and_then(|desk| desk.booking(id)).map_or(0, |kept| kept.deposit_minor);
        if self.flows.contains_key(&id) {
            self.held(id, token, minor, cx);
        }
    }

    /// Who has a confirmation now: whether they will call it off, and whether they will want something else.
    pub(super) fn plan_afterwards(&mut self, booking: BookingId, cx: &mut Cx<'_>) {
        let Some(draws) = self.draws else { return };
        let (identity, now) = (cx.redrawn(booking.0), cx.local_time());
        if chance_ppm(draws.cancel.draw(identity), self.settings.cancel_ppm) {
            self.cancels.insert((now + self.settings.cancel_after, booking));
        }
        // Once: what is told of a changed booking is told to nobody who waits for an answer.
        let terms = &self.settings.terms;
        let is_new = terms.change_ppm > 0 && self.flows.contains_key(&booking);
        if is_new && chance_ppm(draws.changes.draw(identity), terms.change_ppm) {
            self.changes.insert((now + terms.change_after, booking));
        }
    }

    pub(super) fn cancels_due(&mut self, local: Time, cx: &mut Cx<'_>) {
        while let Some((due, booking)) = self.cancels.first().copied().filter(|(due, _)| *due <= local) {
            self.cancels.remove(&(due, booking));
            let Some(front) = &self.front else { return };
            let kept = front.desk().booking(booking).filter(|kept| kept.phase.claim() == Claim::Owns);
            let Some(fee_minor) = kept.map(|kept| front.fee_minor(local, kept)) else { continue };
            self.counts.cancelled += 1;
            self.counts.cancelled_late += u64::from(fee_minor > 0);
            // Who meets another transaction does not try again.
            let _ = self.handle(Clocks::agreed(local), Command::Cancel { booking, fee_minor }, cx);
        }
    }

    pub(super) fn changes_due(&mut self, local: Time, cx: &mut Cx<'_>) {
        while let Some((due, booking)) = self.changes.first().copied().filter(|(due, _)| *due <= local) {
            self.changes.remove(&(due, booking));
            match self.change(booking, local, cx) {
                Ok(()) => {
                    self.counts.changed += 1;
                    cx.booking_fact(BookingFact::Ended { booking: booking.0 });
                    self.tell_confirmed(booking, cx);
                }
                // What they have they keep.
                Err(_) => self.counts.changes_refused += 1,
            }
        }
    }

    fn change(&mut self, booking: BookingId, now: Time, cx: &mut Cx<'_>) -> Result<(), Rejected> {
        let (Some(draws), Some(front)) = (self.draws, &self.front) else { return Err(Rejected::Conflict) };
        let Some(kept) = front.desk().booking(booking) else { return Err(Rejected::Conflict) };
        let identity = cx.redrawn(booking.0);
        let words = |purpose: u64| draws.choice.draw2(identity, purpose);
        let (token, who) = (kept.token, kept.customer);
        let ask = front.dream(now, booking, who, CHANGED_MIND, &words)?;
        self.handle(Clocks::agreed(now), Command::Change { booking, token, ask }, cx).map(drop)
    }
}
