//! What a desk has in its store, for the books that no node sees, and what it counts itself. Decides nothing.

use foreshock_systems::booking::{Booking, Desk, Goods, Phase};

use crate::cluster::Probes;
use crate::measure::{BookedPayment, MoneyProbe};
use crate::nodes::store::AnyStore;

/// What a desk counts beside what is in its store.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) customers: u64,
    pub(super) held: u64,
    pub(super) abandoned: u64,
    pub(super) cancelled: u64,
    pub(super) found_nothing: u64,
    pub(super) offers_refused: u64,
    pub(super) rules_refused: u64,
    pub(super) gave_up_choosing: u64,
    pub(super) turned_away: u64,
    pub(super) too_slow: u64,
    pub(super) extended: u64,
    pub(super) waited: u64,
    pub(super) offered: u64,
    pub(super) changed: u64,
    pub(super) changes_refused: u64,
    pub(super) cancelled_late: u64,
    pub(super) declined: u64,
    pub(super) charges_asked: u64,
    pub(super) refunds_asked: u64,
    pub(super) callbacks: u64,
    pub(super) conflicts_on_words: u64,
    pub(super) sweeps_asked: u64,
    pub(super) swept: u64,
    pub(super) crashes: u64,
    pub(super) given_back_by_agencies_minor: u64,
    pub(super) sold_out_us: Option<u64>,
}

impl Counts {
    pub(super) fn probe(&self, out: &mut Probes) {
        out.counts.extend([
            ("customers", self.customers),
            ("held", self.held),
            ("abandoned", self.abandoned),
            ("cancelled", self.cancelled),
            ("found_nothing", self.found_nothing),
            ("offers_refused", self.offers_refused),
            ("rules_refused", self.rules_refused),
            ("gave_up_choosing", self.gave_up_choosing),
            ("turned_away", self.turned_away),
            ("too_slow", self.too_slow),
            ("declined", self.declined),
            ("charges_asked", self.charges_asked),
            ("refunds_asked", self.refunds_asked),
            ("callbacks", self.callbacks),
            ("conflicts_on_words", self.conflicts_on_words),
            ("sweeps_asked", self.sweeps_asked),
            ("swept", self.swept),
            ("crashes", self.crashes),
        ]);
        // What not every desk knows of is shown where it happened.
        let rare = [
            ("extended", self.extended),
            ("waited_in_line", self.waited),
            ("offered_from_line", self.offered),
            ("changed", self.changed),
            ("changes_refused", self.changes_refused),
            ("cancelled_late", self.cancelled_late),
            ("given_back_by_agencies_minor", self.given_back_by_agencies_minor),
        ];
        out.counts.extend(rare.into_iter().filter(|(_, count)| *count > 0));
        if let Some(sold_out_us) = self.sold_out_us {
            out.minima.insert("sold_out_us", sold_out_us);
        }
    }
}

/// What is in a desk's store of money, and what the library's audit says of all of it.
pub(super) fn of<G: Goods>(desk: &Desk<G, AnyStore>) -> MoneyProbe {
    let payments = desk.each_booking().filter(|booking| booking.charges > 0).map(booked).collect();
    MoneyProbe::Processor { payments, violations: Vec::new() }
}

/// The same, with the totals among what is shown.
pub(super) fn probe<G: Goods>(desk: &Desk<G, AnyStore>, out: &mut Probes) -> MoneyProbe {
    let totals = desk.totals();
    let minor = |sum: i128| u64::try_from(sum).unwrap_or(0);
    out.counts.extend([
        ("bookings_confirmed", totals.of(Phase::Confirmed)),
        ("bookings_expired", totals.of(Phase::Expired)),
        ("bookings_refused", totals.of(Phase::Refused)),
        ("bookings_released", totals.of(Phase::Released)),
        ("bookings_open", totals.open),
        ("units_held", totals.held),
        ("units_sold", totals.sold),
        ("retaken", totals.retaken),
        ("conflicts", desk.conflicts()),
        ("booked_captured_minor", minor(totals.captured_minor)),
        ("booked_refunded_minor", minor(totals.refunded_minor)),
        ("booked_kept_minor", minor(totals.kept_minor)),
        ("to_refund_minor", minor(totals.to_refund_minor)),
    ]);
    of(desk)
}

/// The money of a booking as it is in the store.
fn booked<U, D>(booking: &Booking<U, D>) -> BookedPayment {
    let is_open = booking.charge.is_open();
    BookedPayment {
        intent: booking.id.0,
        captured_minor: booking.captured_minor,
        refunded_minor: booking.refunded_minor,
        maybe_captured_minor: if is_open { booking.deposit_minor } else { 0 },
        maybe_refunded_minor: booking.to_refund_minor(),
        charged_back_minor: 0,
    }
}
