//! What a desk and its payment provider say to each other: what is asked for, under which name, and what comes of the
//! answer. Who has what is the library's to decide.

use foreshock_systems::booking::{Answer, BookingId, Clocks, Command, Phase, Rejected};
use foreshock_systems::payment::{OperationKind, Outcome};

use super::{Asked, Lasting, Selling, Verdict};
use crate::cluster::{CallSpec, Cx, Ref};
use crate::kernel::draw::Lineage;
use crate::nodes::booking::flow::Origin;
use crate::nodes::booking::front::Front;
use crate::nodes::payments::wire::{News, ToProvider, Told};
use crate::nodes::service::Answered;
use crate::scenario::plan::LoadId;

impl<F: Front> Selling<F> {
    /// Whether its money never came through this desk: an agency has sold it.
    pub(super) fn is_paid_elsewhere(&mut self, booking: BookingId) -> bool {
        self.desk().and_then(|desk| desk.booking(booking)).is_some_and(|kept| kept.charges == 0)
    }

    /// What a guest of an agency gets back comes from there, and is set off against what the agency owes.
    pub(super) fn settle_with_agency(
        &mut self,
        booking: BookingId,
        refund: u32,
        minor: i64,
        cx: &mut Cx<'_>,
    ) {
        self.counts.given_back_by_agencies_minor += minor.unsigned_abs();
        let clocks = Clocks::agreed(cx.local_time());
        // Whoever meets another transaction asks again by itself.
        let _ = self.handle(clocks, Command::Refunded { booking, refund, minor }, cx);
    }

    /// Asks the provider to do something under this name, or what became of it.
    pub(super) fn ask(
        &mut self,
        booking: BookingId,
        serial: u32,
        execute: Option<OperationKind>,
        minor: i64,
        cx: &mut Cx<'_>,
    ) {
        let Some(edge) = self.edge else { return };
        self.questions += 1;
        self.asked.insert(self.questions, Asked { booking, serial, is_void: execute.is_none() });
        let Lasting { origin, asked: copy } = self.times_asked(booking);
        let order = ToProvider { intent: booking.0, serial, execute, minor };
        cx.call(
            CallSpec {
                // Each time it is asked again is a call of its own.
                copy,
                load: origin.load,
                key: booking.0,
                arguments: order.arguments(),
                token: self.questions,
                ..CallSpec::of_its_own(edge, origin.lineage.call(self.service_hash, serial), cx.now())
            },
            Ref::NONE,
        );
    }

    /// As it was before the question that is asked now.
    fn times_asked(&mut self, booking: BookingId) -> Lasting {
        let origin = Origin { lineage: Lineage(booking.0), load: LoadId(0) };
        let lasting = self.lasting.get_or_insert_with(&booking.0, || Lasting { origin, asked: 0 });
        lasting.asked += 1;
        Lasting { asked: lasting.asked - 1, ..*lasting }
    }

    /// What the provider says, asked or not.
    pub(super) fn word(&mut self, asked: Asked, outcome: Outcome, cx: &mut Cx<'_>) {
        let Asked { booking, serial, is_void } = asked;
        let clocks = Clocks::agreed(cx.local_time());
        let Some(desk) = self.desk() else { return };
        let Some(token) = desk.booking(booking).map(|kept| kept.token) else { return };
        let is_refund = serial & 1 == 1;
        let command = match outcome {
            Outcome::Succeeded { minor } if is_refund => {
                Command::Refunded { booking, refund: serial >> 1, minor }
            }
            Outcome::Succeeded { minor } => {
                Command::Paid { booking, token, payment: u64::from(serial), minor }
            }
            Outcome::Declined(_) if !is_refund => Command::NotPaid { booking },
            Outcome::NotFound if is_void => Command::NotPaid { booking },
            Outcome::Declined(_) | Outcome::Pending | Outcome::NotFound => return,
        };
        match self.handle(clocks, command, cx) {
            Ok(Answer::Confirmed { .. } | Answer::Refunding { .. } | Answer::Done) => {}
            Ok(Answer::Stands { phase: Phase::Held, .. }) => {
                // The card was refused: this customer goes away.
                self.counts.declined += 1;
                let _ = self.handle(clocks, Command::Release { booking, token }, cx);
            }
            Ok(
                Answer::Stands { .. }
                | Answer::Held { .. }
                | Answer::Charging { .. }
                | Answer::Waiting { .. },
            ) => {}
            Err(Rejected::Conflict | Rejected::Locked(_)) => self.counts.conflicts_on_words += 1,
            Err(Rejected::Refused(_) | Rejected::Store(_)) => {}
        }
    }

    /// A provider tells by itself.
    pub(super) fn told(&mut self, told: &Told, cx: &mut Cx<'_>) -> Verdict {
        self.counts.callbacks += 1;
        let asked = Asked { booking: BookingId(told.intent), serial: told.serial, is_void: false };
        let known = self.desk().is_some_and(|desk| desk.booking(asked.booking).is_some());
        if !known {
            return Verdict::TurnAway; // it will be told again
        }
        // A desk keeps no money: it has no book in which a chargeback could stand.
        let News::Outcome(outcome) = told.news else { return Verdict::Fail };
        self.word(asked, outcome, cx);
        Verdict::Answer(Answered::default())
    }
}
