//! The saga of a booking's money: asked for, taken (the pivot), then confirmed or given back; there is no third way.
//! Where it stands is in the booking's own row, so that a crash between two steps is a pause.

use super::super::config::LatePayment;
use super::super::message::{Answer, Output, Refusal, Rejected};
use super::super::rows::{BookingId, Charge, Claim, Phase, Token};
use super::Goods;
use super::programs::stands;
use super::work::{BookingOf, Work};
use crate::store::Store;
use crate::time::Time;

/// Why money does not become a confirmation.
enum Late {
    /// The units might be taken again.
    Over,
    /// They may not.
    For(Refusal),
}

impl<G: Goods, S: Store> Work<'_, G, S> {
    pub(super) fn pay(&mut self, id: BookingId, token: Token) -> Result<Answer, Rejected> {
        let old = self.known(id)?;
        if old.phase.claim() == Claim::Owns {
            return Ok(Answer::Confirmed { booking: id, was_retaken: false });
        }
        self.check_live(&old, token)?;
        let mut booking = BookingOf::<G>::clone(&old);
        let missing_minor =
            old.deposit_minor.saturating_sub(old.captured_minor.saturating_sub(old.refunded_minor));
        if missing_minor <= 0 {
            if self.is_fenced_out(&old)? {
                return Err(Refusal::StaleToken.into());
            }
            self.own(&old)?;
            booking.phase = Phase::Confirmed;
            self.store(Some(&old), booking);
            return Ok(Answer::Confirmed { booking: id, was_retaken: false });
        }
        let until = Time::from_nanos(old.expires_ns).max(self.clocks.store + self.config.payment_grace);
        let answer = Answer::Charging { booking: id, until };
        match old.charge {
            Charge::Asked => return Ok(answer),
            Charge::Unasked | Charge::NotTaken | Charge::Taken | Charge::Voiding => {}
        }
        booking.charge = Charge::Asked;
        booking.charges = old.charges.saturating_add(1);
        booking.expires_ns = until.as_nanos();
        let (customer, attempt) = (old.customer, booking.charges);
        self.outputs.push(Output::Charge { booking: id, attempt, customer, token, minor: missing_minor });
        self.store(Some(&old), booking);
        Ok(answer)
    }

    /// Money has been taken: whatever else is the case, it is written down, and leads to a confirmation or goes back.
    pub(super) fn paid(
        &mut self,
        id: BookingId,
        token: Token,
        payment: u64,
        minor: i64,
    ) -> Result<Answer, Rejected> {
        let old = self.known(id)?;
        if minor <= 0 {
            return Err(Refusal::Malformed.into());
        }
        if old.payments.contains(&payment) {
            return Ok(told_again(&old));
        }
        let mut booking = BookingOf::<G>::clone(&old);
        booking.payments.reserve_exact(1); // most are paid once, and it is kept for long
        booking.payments.push(payment);
        booking.captured_minor = old.captured_minor.saturating_add(minor);
        if old.charge.is_open() || old.charge == Charge::Unasked {
            booking.charge = Charge::Taken;
        }
        let answer = match self.verdict(&booking, token)? {
            Ok(was_retaken) => {
                let (had, has) = (old.phase.claim(), Claim::Owns);
                if was_retaken {
                    self.retake(&mut booking)?;
                } else if had != has {
                    self.own(&old)?;
                }
                booking.phase = if had == has { old.phase } else { Phase::Confirmed };
                let paid_minor = booking.captured_minor.saturating_sub(booking.refunded_minor);
                booking.kept_minor = paid_minor.min(booking.price_minor);
                Answer::Confirmed { booking: id, was_retaken }
            }
            Err(why) => {
                if old.phase == Phase::Held {
                    self.let_go(&mut booking)?;
                }
                if matches!(old.phase, Phase::Held | Phase::Expired | Phase::Released) {
                    booking.phase = Phase::Refused;
                }
                Answer::Refunding { booking: id, minor: booking.to_refund_minor(), why }
            }
        };
        self.store(Some(&old), booking);
        Ok(answer)
    }

    /// Whether money that has come confirms, and if so, whether the units have to be taken again.
    fn verdict(&mut self, booking: &BookingOf<G>, token: Token) -> Result<Result<bool, Refusal>, Rejected> {
        let paid_minor = booking.captured_minor.saturating_sub(booking.refunded_minor);
        if booking.phase.claim() == Claim::Owns {
            return Ok(Ok(false)); // the balance, or too much
        }
        if paid_minor < booking.deposit_minor {
            return Ok(Err(Refusal::Underpaid));
        }
        let late = match booking.phase {
            Phase::Held if booking.token != token && !self.compares_no_tokens() => {
                Late::For(Refusal::StaleToken)
            }
            Phase::Held if self.has_expired(booking) => Late::Over,
            Phase::Held => match self.is_fenced_out(booking)? {
                true => Late::For(Refusal::StaleToken),
                false => return Ok(Ok(false)),
            },
            Phase::Expired if booking.token == token => Late::Over,
            Phase::Expired => Late::For(Refusal::StaleToken),
            phase => Late::For(Refusal::Phase(phase)),
        };
        let reacquires = self.config.late_payment == LatePayment::ReacquireElseRefund;
        Ok(match late {
            Late::Over if reacquires && self.can_retake(booking)? => Ok(true),
            Late::Over => Err(Refusal::Expired),
            Late::For(refusal) => Err(refusal),
        })
    }

    /// Whether all units of a hold that has ended are still there, or there again.
    fn can_retake(&mut self, booking: &BookingOf<G>) -> Result<bool, Rejected> {
        let is_held = booking.phase == Phase::Held;
        self.lock(booking.units.iter().map(|taken| taken.unit))?;
        for taken in &booking.units {
            let row = self.unit(taken.unit)?;
            let own = if is_held { taken.count } else { 0 };
            let free = row.free(self.goods.limit(taken.unit).saturating_add(own));
            let is_theirs = !is_held || !self.goods.is_exclusive(taken.unit) || row.token == taken.token;
            if free < taken.count || !is_theirs {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn retake(&mut self, booking: &mut BookingOf<G>) -> Result<(), Rejected> {
        if booking.phase == Phase::Held {
            self.give_back(&booking.units, Claim::Holds)?;
            self.count(booking.scope, booking.customer, 0, booking.counted)?;
        }
        let units: Vec<_> = booking.units.iter().map(|taken| taken.unit).collect();
        booking.units = self.take(&units, booking.quantity, Claim::Owns)?;
        // Whoever has paid keeps what was paid for, even where meanwhile more than one may have was held.
        let wanted = (units.len() as u32).saturating_mul(booking.quantity);
        booking.counted = self.count(booking.scope, booking.customer, wanted, 0).unwrap_or(0);
        let newest = booking.units.iter().map(|taken| taken.token).max().unwrap_or_default();
        booking.token = newest.max(Token(booking.token.0.saturating_add(1)));
        Ok(())
    }

    pub(super) fn not_paid(&mut self, id: BookingId) -> Result<Answer, Rejected> {
        let old = self.known(id)?;
        if !old.charge.is_open() {
            return Ok(stands(&old));
        }
        let mut booking = BookingOf::<G>::clone(&old);
        booking.charge = Charge::NotTaken;
        let answer = stands(&booking);
        self.store(Some(&old), booking);
        Ok(answer)
    }

    pub(super) fn refunded(&mut self, id: BookingId, refund: u32, minor: i64) -> Result<Answer, Rejected> {
        let old = self.known(id)?;
        let is_known = refund == old.refunds && old.to_refund_minor() > 0;
        #[cfg(test)]
        let is_known = is_known || self.sabotage == Some(super::Sabotage::CountsRefundsTwice);
        if !is_known {
            return Ok(stands(&old));
        }
        if minor != old.refund_minor {
            return Err(Refusal::Malformed.into());
        }
        let mut booking = BookingOf::<G>::clone(&old);
        booking.refunded_minor = old.refunded_minor.saturating_add(minor);
        booking.refunds = old.refunds.saturating_add(1);
        let answer = stands(&booking);
        self.store(Some(&old), booking);
        Ok(answer)
    }

    /// Asks the payment system again for what it has not answered.
    pub(super) fn ask_again(&mut self, id: BookingId) -> Result<Answer, Rejected> {
        let old = self.known(id)?;
        let mut booking = BookingOf::<G>::clone(&old);
        let (attempt, token) = (old.charges, old.token);
        match old.charge {
            Charge::Asked => {
                let paid_minor = old.captured_minor.saturating_sub(old.refunded_minor);
                let minor = old.deposit_minor.saturating_sub(paid_minor);
                let customer = old.customer;
                self.outputs.push(Output::Charge { booking: id, attempt, customer, token, minor });
            }
            Charge::Voiding => self.outputs.push(Output::Void { booking: id, attempt, token }),
            Charge::Unasked | Charge::Taken | Charge::NotTaken => {}
        }
        if old.to_refund_minor() > 0 {
            let (refund, minor) = (old.refunds, old.refund_minor);
            self.outputs.push(Output::Refund { booking: id, refund, minor });
        }
        booking.ask_ns = (self.clocks.store + self.config.ask_again).as_nanos();
        self.store(Some(&old), booking);
        Ok(Answer::Done)
    }

    const fn compares_no_tokens(&self) -> bool {
        #[cfg(test)]
        {
            matches!(self.sabotage, Some(super::Sabotage::ComparesNoTokens))
        }
        #[cfg(not(test))]
        false
    }
}

/// The answer to a payment that was told before.
fn told_again<U, D>(booking: &super::super::rows::Booking<U, D>) -> Answer {
    match booking.phase.claim() {
        Claim::Owns => Answer::Confirmed { booking: booking.id, was_retaken: false },
        Claim::Holds | Claim::None => stands(booking),
    }
}
