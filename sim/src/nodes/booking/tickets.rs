//! The seats of one show, as a desk sells them in a scenario. Turns a customer into a wish; decides nothing else.

use std::collections::BTreeSet;
use std::sync::Arc;

use foreshock_systems::booking::{BookingId, Clocks, CustomerId, Desk, Pending, Refusal, Rejected};
use foreshock_systems::ticket_booking::{
    BoxOffice, BoxOfficeConfig, Seat, SeatMap, Show, ShowId, ShowSeat, Theatre,
};

use super::front::{Front, Order, Wish, Words, chosen, party};
use super::settings::{Choice, DeskSettings};
use crate::kernel::draw::below;
use crate::kernel::time::Time;
use crate::nodes::store::AnyStore;

const SHOW: ShowId = ShowId(1);

/// A box office with one show.
pub(super) struct Tickets {
    office: BoxOffice<AnyStore>,
    settings: DeskSettings,
    map: Arc<SeatMap>,
}

impl Tickets {
    /// A block beside each other that is free on the map, beginning to look at a drawn seat.
    fn anywhere(&mut self, now: Time, count: u16, word: u64) -> Option<Vec<Seat>> {
        let (rows, width) = (self.settings.rows as u16, self.settings.seats as u16);
        let view = self.office.view(now, SHOW).filter(|view| view.count() >= usize::from(count))?;
        let seats = u64::from(self.map.seats());
        let first = below(word, seats);
        let block = |(row, number): (u16, u16)| {
            (number..number.saturating_add(count)).map(move |number| Seat { row, number })
        };
        let places = (0..seats).map(|step| (first + step) % seats);
        let places = places.map(|at| ((at / u64::from(width)) as u16, (at % u64::from(width)) as u16));
        let mut blocks = places.filter(|(row, number)| *row < rows && number.saturating_add(count) <= width);
        let found = blocks.find(|place| block(*place).all(|seat| view.is_free(seat)))?;
        Some(block(found).collect())
    }
}

impl Front for Tickets {
    type Goods = Theatre;

    fn open(settings: &DeskSettings, store: AnyStore) -> Tickets {
        let (rows, seats) = (settings.rows as u16, settings.seats as u16);
        let map = SeatMap::even(rows, seats, i64::from(settings.price_minor));
        let map = Arc::new(map.expect("the plan's settings were checked"));
        let show = Show {
            map: Arc::clone(&map),
            starts_at: Time::MAX,
            allows_gaps: settings.gaps,
            blocked: BTreeSet::new(),
        };
        let config = BoxOfficeConfig {
            desk: settings.config,
            seat_view_ttl: settings.view_ttl,
            ..BoxOfficeConfig::default()
        };
        let office = BoxOffice::open(store, Theatre::new().with(SHOW, show), config);
        let office = office.expect("the plan's settings were checked, and the store is this desk's own");
        Tickets { office, settings: settings.clone(), map }
    }

    fn desk(&self) -> &Desk<Theatre, AnyStore> {
        self.office.desk()
    }

    fn desk_mut(&mut self) -> &mut Desk<Theatre, AnyStore> {
        self.office.desk_mut()
    }

    fn into_store(self) -> AnyStore {
        self.office.into_store()
    }

    fn begin(&mut self, clocks: Clocks, command: Order<Theatre>) -> Result<Pending<Theatre>, Rejected> {
        self.office.begin(clocks, command)
    }

    fn wish(
        &mut self,
        now: Time,
        id: BookingId,
        who: CustomerId,
        tries: u32,
        words: Words<'_>,
    ) -> Wish<Theatre> {
        let count = u16::try_from(party(&self.settings, words)).unwrap_or(u16::MAX);
        let seats = match self.settings.choice {
            Choice::Best => {
                let no_gaps = !self.settings.gaps;
                let map = Arc::clone(&self.map);
                let view = self.office.view(now, SHOW).ok_or(Refusal::Unknown)?;
                map.best(count, None, no_gaps, &mut |seat| view.is_free(seat))
            }
            Choice::Anywhere => self.anywhere(now, count, words(chosen::WHERE | u64::from(tries) << 8)),
        };
        self.office.ask(id, who, SHOW, &seats.ok_or(Refusal::NotFree)?)
    }

    fn word_of(unit: ShowSeat) -> u64 {
        u64::from(unit.show.0) << 32 | u64::from(unit.seat.row) << 16 | u64::from(unit.seat.number)
    }

    fn name_of(word: u64) -> String {
        format!("row {} seat {}", (word >> 16 & 0xffff) + 1, (word & 0xffff) + 1)
    }

    fn is_sold_out(&self) -> bool {
        self.office.desk().totals().sold >= u64::from(self.map.seats())
    }
}
