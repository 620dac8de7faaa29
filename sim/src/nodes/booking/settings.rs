//! The settings of desks that sell, of rooms that people wait in, and of sweepers.

use foreshock_systems::booking::{Contention, DeskConfig, HoldClock, Isolation, LatePayment};
use foreshock_systems::hotel::{Channel, Overbooking};
use foreshock_systems::store::FsyncPolicy;
use foreshock_systems::ticket_booking::{Order, WaitingRoomConfig};
use serde_json::{Map, Value};

use super::terms::{TERMS, Terms};
use crate::kernel::time::{Span, Time};
use crate::nodes::setting_table::{
    self as settings, Setting, Wrong, choice, lifetime, positive, range, share, span, switch, up_to,
};
use crate::nodes::store::StoreKind;
use crate::scenario::quantity::Problem;

/// How customers choose among the seats that they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// All want the best.
    Best,
    /// Each begins to look somewhere.
    Anywhere,
}

/// Settings of kinds `box-office` and `hotel`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DeskSettings {
    pub(super) config: DeskConfig,
    pub(super) store: StoreKind,
    /// From the reads of a transaction to its commit.
    pub(super) transaction_time: Span,
    /// How often a customer chooses before they go away.
    pub(super) tries: u32,
    /// Before they choose again.
    pub(super) try_again: Span,
    /// From the hold to the payment.
    pub(super) checkout: Span,
    /// And up to so much longer.
    pub(super) checkout_jitter: Span,
    /// Whoever needs longer than the hold asks for more time before it is over.
    pub(super) extends: bool,
    /// Share of those who hold and never pay.
    pub(super) abandon_ppm: u32,
    /// Share of those who confirm and call it off again.
    pub(super) cancel_ppm: u32,
    pub(super) cancel_after: Span,
    /// Smallest and largest number of seats or rooms that a customer wants.
    pub(super) party: (u32, u32),
    pub(super) price_minor: u32,
    /// How old the map may be that customers choose from.
    pub(super) view_ttl: Span,
    // Of a box office.
    pub(super) rows: u32,
    pub(super) seats: u32,
    pub(super) choice: Choice,
    pub(super) gaps: bool,
    // Of a hotel.
    pub(super) rooms: u32,
    pub(super) overbooking: Overbooking,
    /// As many as pay, by price, compensation and the share of those who come.
    pub(super) overbooks_by_margin: bool,
    pub(super) nights: (u32, u32),
    pub(super) horizon: u32,
    /// How long a day lasts; `None`: none ever ends.
    pub(super) day: Option<Span>,
    /// Share of those who booked and come.
    pub(super) show_ppm: u32,
    pub(super) partner_rooms: u32,
    pub(super) compensation_minor: u32,
    /// Agencies that sell as well.
    pub(super) channels: u32,
    /// So many rooms a night are each agency's alone; none: all sell what is free.
    pub(super) allotment: u32,
    pub(super) terms: Terms,
}

impl DeskSettings {
    /// The first night that can be booked: tomorrow, or the first of all where days do not pass.
    pub(super) fn first_night(&self, now: Time) -> u64 {
        self.today(now).map_or(0, |today| today + 1)
    }

    /// Days that have passed; `None` where they do not.
    pub(super) fn today(&self, now: Time) -> Option<u64> {
        self.day.and_then(|day| now.as_nanos().checked_div(day.as_nanos()))
    }
}

impl Default for DeskSettings {
    fn default() -> DeskSettings {
        DeskSettings {
            config: DeskConfig::default(),
            store: StoreKind::Wal(FsyncPolicy::EveryCommit),
            transaction_time: Span::ZERO,
            tries: 3,
            try_again: Span::from_secs(1),
            checkout: Span::from_secs(20),
            checkout_jitter: Span::from_secs(40),
            extends: false,
            abandon_ppm: 0,
            cancel_ppm: 0,
            cancel_after: Span::from_secs(10),
            party: (1, 1),
            price_minor: 1_000,
            view_ttl: Span::ZERO,
            rows: 20,
            seats: 25,
            choice: Choice::Anywhere,
            gaps: true,
            rooms: 50,
            overbooking: Overbooking::None,
            overbooks_by_margin: false,
            nights: (1, 3),
            horizon: 30,
            day: None,
            show_ppm: 1_000_000,
            partner_rooms: u32::MAX,
            compensation_minor: 0,
            channels: 0,
            allotment: 0,
            terms: Terms::default(),
        }
    }
}

const COMMON: [Setting<DeskSettings>; 22] = [
    ("isolation", |settings, value| {
        settings.config.isolation = choice(value, &Isolation::ALL.map(|level| (level.name(), level)))?;
        Ok(())
    }),
    ("contention", |settings, value| {
        let words = [("optimistic", Contention::Optimistic), ("pessimistic", Contention::Pessimistic)];
        settings.config.contention = choice(value, &words)?;
        Ok(())
    }),
    ("hold_clock", |settings, value| {
        let words = [("store", HoldClock::Store), ("client", HoldClock::Caller)];
        settings.config.hold_clock = choice(value, &words)?;
        Ok(())
    }),
    ("hold", |settings, value| {
        settings.config.hold_ttl = lifetime(value)?;
        Ok(())
    }),
    ("extensions", |settings, value| {
        settings.config.extensions = up_to(value, 100)? as u8;
        settings.extends = true;
        Ok(())
    }),
    ("payment_grace", |settings, value| {
        settings.config.payment_grace = span(value)?;
        Ok(())
    }),
    ("late_payment", |settings, value| {
        let words =
            [("reacquire_else_refund", LatePayment::ReacquireElseRefund), ("refund", LatePayment::Refund)];
        settings.config.late_payment = choice(value, &words)?;
        Ok(())
    }),
    ("max_per_customer", |settings, value| {
        settings.config.max_per_customer = positive(value)?;
        Ok(())
    }),
    ("ask_again", |settings, value| {
        settings.config.ask_again = lifetime(value)?;
        Ok(())
    }),
    ("sweeps", |settings, value| {
        settings.config.sweeps = switch(value)?;
        Ok(())
    }),
    ("transaction_time", |settings, value| {
        settings.transaction_time = span(value)?;
        Ok(())
    }),
    ("tries", |settings, value| {
        settings.tries = up_to(value, 1_000)?;
        Ok(())
    }),
    ("try_again", |settings, value| {
        settings.try_again = lifetime(value)?;
        Ok(())
    }),
    ("checkout", |settings, value| {
        settings.checkout = span(value)?;
        Ok(())
    }),
    ("checkout_jitter", |settings, value| {
        settings.checkout_jitter = span(value)?;
        Ok(())
    }),
    ("abandon", |settings, value| {
        settings.abandon_ppm = share(value)?;
        Ok(())
    }),
    ("cancel", |settings, value| {
        settings.cancel_ppm = share(value)?;
        Ok(())
    }),
    ("cancel_after", |settings, value| {
        settings.cancel_after = span(value)?;
        Ok(())
    }),
    ("party", |settings, value| {
        settings.party = range(value, 100)?;
        Ok(())
    }),
    ("price", |settings, value| {
        settings.price_minor = up_to(value, 1_000_000_000)?;
        Ok(())
    }),
    ("view_ttl", |settings, value| {
        settings.view_ttl = span(value)?;
        Ok(())
    }),
    ("max_units", |settings, value| {
        settings.config.max_units = up_to(value, 1_000)?;
        Ok(())
    }),
];

const OFFICE: [Setting<DeskSettings>; 4] = [
    ("rows", |settings, value| {
        settings.rows = up_to(value, 10_000)?;
        Ok(())
    }),
    ("seats", |settings, value| {
        settings.seats = up_to(value, 10_000)?;
        Ok(())
    }),
    ("choice", |settings, value| {
        settings.choice = choice(value, &[("best", Choice::Best), ("anywhere", Choice::Anywhere)])?;
        Ok(())
    }),
    ("gaps", |settings, value| {
        settings.gaps = switch(value)?;
        Ok(())
    }),
];

const HOTEL: [Setting<DeskSettings>; 11] = [
    ("rooms", |settings, value| {
        settings.rooms = up_to(value, 1_000_000)?;
        Ok(())
    }),
    ("overbook", |settings, value| {
        settings.overbooks_by_margin = value.as_str() == Some("margin");
        if !settings.overbooks_by_margin {
            let help = "write a share of the rooms such as `10%`, or `margin`";
            let share = share(value).map_err(|problem| Problem::new(problem.message, help))?;
            settings.overbooking = Overbooking::Factor(share);
        }
        Ok(())
    }),
    ("nights", |settings, value| {
        settings.nights = range(value, 30)?;
        Ok(())
    }),
    ("horizon", |settings, value| {
        settings.horizon = up_to(value, 10_000)?;
        Ok(())
    }),
    ("day", |settings, value| {
        settings.day = Some(lifetime(value)?);
        Ok(())
    }),
    ("show", |settings, value| {
        settings.show_ppm = share(value)?;
        Ok(())
    }),
    ("partner_rooms", |settings, value| {
        settings.partner_rooms = positive(value)?;
        Ok(())
    }),
    ("compensation", |settings, value| {
        settings.compensation_minor = up_to(value, 1_000_000_000)?;
        Ok(())
    }),
    ("channels", |settings, value| {
        settings.channels = up_to(value, 100)?;
        Ok(())
    }),
    ("line", |settings, value| {
        settings.config.max_waiters = up_to(value, 1_000_000)?;
        Ok(())
    }),
    ("allotment", |settings, value| {
        settings.allotment = up_to(value, 1_000_000)?;
        Ok(())
    }),
];

/// The settings of a box office, or everything that is wrong with them.
pub(super) fn box_office(written: &Map<String, Value>) -> Result<DeskSettings, Vec<Wrong>> {
    let table: Vec<_> = COMMON.into_iter().chain(OFFICE).collect();
    settings::read_stored(
        "a box office",
        &table,
        DeskSettings::default(),
        |settings| &mut settings.store,
        written,
    )
}

/// The settings of a hotel, or everything that is wrong with them.
pub(super) fn hotel(written: &Map<String, Value>) -> Result<DeskSettings, Vec<Wrong>> {
    let table: Vec<_> = COMMON.into_iter().chain(HOTEL).chain(TERMS).collect();
    let mut read = settings::read_stored(
        "a hotel",
        &table,
        DeskSettings::default(),
        |settings| &mut settings.store,
        written,
    )?;
    if read.overbooks_by_margin {
        let problem = by_margin(&mut read);
        problem.map_or(Ok(()), |message| Err(vec![("overbook".to_string(), message)]))?;
    }
    let alone = |message: &str| Err(vec![("allotment".to_string(), message.to_string())]);
    if read.allotment > 0 && read.channels == 0 {
        return alone("there is nobody who could have it: add `channels: 1`");
    }
    let allotted = u64::from(read.allotment) * u64::from(read.channels);
    if allotted > u64::from(read.overbooking.limit(read.rooms)) {
        return alone("all channels together would have more rooms than the house sells; lower it");
    }
    Ok(read)
}

/// More rooms than this are not reckoned with one by one.
const MOST_BY_MARGIN: u32 = 1_000;

/// Overbooks by what a guest earns and one too many costs; or says why that is not possible.
fn by_margin(read: &mut DeskSettings) -> Option<String> {
    if read.compensation_minor == 0 {
        return Some("whoever is walked costs nothing; add `compensation`".to_string());
    }
    if read.rooms > MOST_BY_MARGIN {
        return Some(format!("is reckoned for {MOST_BY_MARGIN} rooms at most; write a share"));
    }
    let (earned_minor, lost_minor) = (u64::from(read.price_minor), u64::from(read.compensation_minor));
    read.overbooking = Overbooking::ByMargin { show_ppm: read.show_ppm, earned_minor, lost_minor };
    None
}

/// The settings of an agency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AgencySettings {
    /// Which of the house's channels it is.
    pub(super) channel: Channel,
    /// Between questions about what is left.
    pub(super) sync_every: Span,
    /// It sells nothing if it has not been told anything for so long; nothing: it goes on.
    pub(super) stops_after: Span,
    /// From a sale until the house is told, and until it is told again.
    pub(super) tell_after: Span,
}

const AGENCY: [Setting<AgencySettings>; 4] = [
    ("channel", |agency, value| {
        agency.channel = Channel((up_to(value, 100)? - 1) as u16);
        Ok(())
    }),
    ("sync_every", |agency, value| {
        agency.sync_every = lifetime(value)?;
        Ok(())
    }),
    ("stops_after", |agency, value| {
        agency.stops_after = span(value)?;
        Ok(())
    }),
    ("tell_after", |agency, value| {
        agency.tell_after = lifetime(value)?;
        Ok(())
    }),
];

/// The settings of an agency, or everything that is wrong with them.
pub(super) fn agency(written: &Map<String, Value>) -> Result<AgencySettings, Vec<Wrong>> {
    let agency = AgencySettings {
        channel: Channel(0),
        sync_every: Span::from_secs(60),
        stops_after: Span::ZERO,
        tell_after: Span::from_secs(5),
    };
    settings::read("an agency", &AGENCY, agency, written)
}

/// The settings of a waiting room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RoomSettings {
    pub(super) config: WaitingRoomConfig,
    /// A person is a request's key, and has one place, however often they ask.
    pub(super) has_one_place: bool,
}

const ROOM: [Setting<RoomSettings>; 6] = [
    ("admits", |room, value| {
        room.config.admitted_a_second_milli = u64::from(up_to(value, 1_000_000)?) * 1_000;
        Ok(())
    }),
    ("order", |room, value| {
        room.config.order = choice(value, &[("fifo", Order::Fifo), ("lottery", Order::Lottery)])?;
        Ok(())
    }),
    ("opens_after", |room, value| {
        room.config.opens_at = Time::ZERO + span(value)?;
        Ok(())
    }),
    ("capacity", |room, value| {
        room.config.capacity = positive(value)?;
        Ok(())
    }),
    ("stay", |room, value| {
        room.config.pass_ttl = lifetime(value)?;
        Ok(())
    }),
    ("one_place", |room, value| {
        room.has_one_place = switch(value)?;
        Ok(())
    }),
];

/// The settings of a waiting room, or everything that is wrong with them.
pub(super) fn waiting_room(written: &Map<String, Value>) -> Result<RoomSettings, Vec<Wrong>> {
    let config = WaitingRoomConfig {
        order: Order::Fifo,
        opens_at: Time::ZERO,
        admitted_a_second_milli: 100_000,
        capacity: 0,
        pass_ttl: Span::from_secs(600),
    };
    let room = RoomSettings { config, has_one_place: false };
    settings::read("a waiting room", &ROOM, room, written)
}

/// The settings of a sweeper: how often it looks.
pub(super) fn sweeper(written: &Map<String, Value>) -> Result<Span, Vec<Wrong>> {
    const SWEEPER: [Setting<Span>; 1] = [("every", |every, value| {
        *every = lifetime(value)?;
        Ok(())
    })];
    settings::read("a sweeper", &SWEEPER, Span::from_secs(1), written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    type Read<T> = fn(&Map<String, Value>) -> Result<T, Vec<Wrong>>;

    fn wrong<T>(read: Read<T>, settings: &Value) -> Vec<String> {
        let settings = settings.as_object().expect("settings are a mapping");
        let wrong = read(settings).err().unwrap_or_default();
        wrong.into_iter().map(|(key, message)| format!("{key}: {message}")).collect()
    }

    #[test]
    fn every_kind_works_without_settings() {
        assert_eq!(wrong(box_office, &json!({})), [""; 0]);
        assert_eq!(wrong(hotel, &json!({})), [""; 0]);
        assert_eq!(wrong(waiting_room, &json!({})), [""; 0]);
        assert_eq!(wrong(sweeper, &json!({})), [""; 0]);
        assert_eq!(wrong(agency, &json!({})), [""; 0]);
    }

    #[test]
    fn every_mistake_is_told_with_what_to_do() {
        assert_eq!(
            wrong(
                box_office,
                &json!({"isolation": "snapshots", "hold": 5, "abandon": "120%", "rooms": 3, "seats": 0})
            ),
            [
                "isolation: `snapshots` is not known here; did you mean `snapshot`?",
                "hold: `5` has no unit; write `5ms` or `5s`",
                "abandon: `120%` is more than everything; a share is at most 100%",
                "rooms: a box office has no setting `rooms`; did you mean `rows`?",
                "seats: must be at least 1, found `0`",
            ]
        );
        assert_eq!(
            wrong(hotel, &json!({"nights": {"min": 3, "max": 1}, "rows": 2})),
            [
                "nights: min is above max; swap them",
                "rows: a hotel has no setting `rows`; did you mean `rooms`?"
            ]
        );
        assert_eq!(
            wrong(hotel, &json!({"rooms": 10, "channels": 2, "allotment": 6})),
            ["allotment: all channels together would have more rooms than the house sells; lower it"]
        );
        assert_eq!(
            wrong(hotel, &json!({"allotment": 6})),
            ["allotment: there is nobody who could have it: add `channels: 1`"]
        );
        assert_eq!(
            wrong(hotel, &json!({"weekend": "80%", "late_fee": "half", "guarantee": "card", "types": 0})),
            [
                "weekend: `80%` is no price for a weekend; write what its nights cost of a usual one, from `100%` to \
                 `1000%`",
                "late_fee: `half` is not known here; did you mean `all`?",
                "guarantee: `card` is not known here; use prepaid or first_night or none",
                "types: must be at least 1, found `0`",
            ]
        );
        assert_eq!(wrong(hotel, &json!({"late_fee": "30%", "saver": "20%", "waitlist": "10%"})), [""; 0]);
        assert_eq!(wrong(agency, &json!({"channel": 0})), ["channel: must be at least 1, found `0`"]);
        assert_eq!(
            wrong(waiting_room, &json!({"order": "random"})),
            ["order: `random` is not known here; use fifo or lottery"]
        );
    }
}
