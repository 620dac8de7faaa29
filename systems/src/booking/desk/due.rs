//! What follows from a command or a booking alone: whether something may be free now, when somebody has to look again.

use super::super::message::Command;
use super::super::rows::{Booking, BookingId, Phase};
use crate::time::Time;
use std::collections::BTreeSet;

/// Whether something may be free after it that was not before.
pub(super) const fn frees<U, D>(command: &Command<U, D>) -> bool {
    match command {
        Command::Paid { .. }
        | Command::Release { .. }
        | Command::Cancel { .. }
        | Command::Shrink { .. }
        | Command::Change { .. }
        | Command::Sweep { .. }
        | Command::Block { .. }
        | Command::Settle { .. }
        | Command::Wait(_)
        | Command::Swap { .. } => true,
        Command::Hold(_)
        | Command::Sell(_)
        | Command::Extend { .. }
        | Command::Pay { .. }
        | Command::NotPaid { .. }
        | Command::Refunded { .. } => false,
    }
}

/// From one instant to another. It may stand at neither: after a restart it is due at once.
pub(super) fn move_due(
    line: &mut BTreeSet<(Time, BookingId)>,
    old: Option<(Time, BookingId)>,
    new: Option<(Time, BookingId)>,
) {
    if let Some(due) = old.filter(|_| old != new) {
        line.remove(&due);
    }
    line.extend(new);
}

/// When a hold ends.
pub(super) const fn expiry_of<U, D>(booking: &Booking<U, D>) -> Option<(Time, BookingId)> {
    if matches!(booking.phase, Phase::Held) {
        Some((Time::from_nanos(booking.expires_ns), booking.id))
    } else {
        None
    }
}

/// When the payment system is asked again.
pub(super) const fn ask_of<U, D>(booking: &Booking<U, D>) -> Option<(Time, BookingId)> {
    if booking.charge.is_open() || booking.to_refund_minor() > 0 {
        Some((Time::from_nanos(booking.ask_ns), booking.id))
    } else {
        None
    }
}
