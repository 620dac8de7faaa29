//! The settings of lots and gates.

use foreshock_systems::parking_lot::{
    Cap, ConfigError, LatePayment, LotConfig, NightRate, OfflinePolicy, Rounding, Spill, SpotClass, Zone,
};
use serde_json::{Map, Value};

use crate::kernel::draw::{Distribution, Sampler};
use crate::kernel::time::Span;
use crate::nodes::setting_table::{
    self as settings, Setting, Wrong, choice, lifetime, share, span, switch, text, up_to,
};
use crate::nodes::store::StoreKind;
use crate::scenario::quantity::Problem;
use foreshock_systems::store::FsyncPolicy;

/// Which of the free spots a car is sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chooses {
    Nearest,
    FullestLevel,
}

/// Settings of kind `parking-lot`.
#[derive(Clone, Debug)]
pub(super) struct LotSettings {
    pub(super) config: LotConfig,
    pub(super) store: StoreKind,
    /// The nearest, unless it is said.
    pub(super) chooses: Option<Chooses>,
    /// So many of the last compact spots are closed as soon as nobody stands there.
    pub(super) out_of_service: u32,
    /// Each spot has one that tells whether a car stands there.
    pub(super) has_sensors: bool,
    /// The first ones of the compact spots have a sensor that says the same for ever.
    pub(super) stuck_sensors: u32,
    pub(super) stuck_says: bool,
    /// How long after a finding somebody looks at the spot.
    pub(super) inspect_after: Option<Span>,
}

fn minor(value: &Value) -> Result<u64, Problem> {
    let written = value.as_u64();
    written.ok_or_else(|| {
        Problem::new("this is no amount", "write a whole number of minor units, such as `250`")
    })
}

/// A time of day as `22:00`, in minutes.
fn minute_of_day(value: &Value) -> Option<u16> {
    let (hour, minute) = value.as_str()?.split_once(':')?;
    let (hour, minute) = (hour.parse::<u16>().ok()?, minute.parse::<u16>().ok()?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

fn night(value: &Value) -> Result<NightRate, Problem> {
    const HELP: &str = "write `{from: \"22:00\", until: \"06:00\", unit_minor: 2}`";
    let no_night = || Problem::new("this is no night", HELP);
    let written = value.as_object().filter(|written| written.len() == 3).ok_or_else(no_night)?;
    let minute = |key: &str| written.get(key).and_then(minute_of_day).ok_or_else(no_night);
    Ok(NightRate {
        from_minute: minute("from")?,
        until_minute: minute("until")?,
        unit_minor: minor(written.get("unit_minor").ok_or_else(no_night)?)?,
    })
}

const LOT: [Setting<LotSettings>; 31] = [
    ("spots", |settings, value| {
        const HELP: &str = "write `{compact: 40, large: 10}`";
        let written = value.as_object().ok_or_else(|| Problem::new("there are no classes", HELP))?;
        for (name, count) in written {
            let class = SpotClass::ALL.into_iter().find(|class| class.name() == name);
            let class = class.ok_or_else(|| Problem::new(format!("`{name}` is no class of spots"), HELP))?;
            settings.config.levels[0].spots[class.index()] = up_to(count, 100_000)?;
        }
        Ok(())
    }),
    ("levels", |settings, value| {
        settings.config.levels.resize(up_to(value, 100)? as usize, settings.config.levels[0]);
        Ok(())
    }),
    ("spill", |settings, value| {
        settings.config.spill = match share(value) {
            Ok(ppm) => Spill::UpwardIfFreeAbove(ppm),
            Err(_) => choice(value, &[("none", Spill::None), ("upward", Spill::Upward)])?,
        };
        Ok(())
    }),
    ("unit", |settings, value| {
        settings.config.tariff.unit = lifetime(value)?;
        Ok(())
    }),
    ("unit_minor", |settings, value| {
        settings.config.tariff.unit_minor = minor(value)?;
        Ok(())
    }),
    ("free", |settings, value| {
        settings.config.tariff.free = span(value)?;
        Ok(())
    }),
    ("night", |settings, value| {
        settings.config.tariff.night = Some(night(value)?);
        Ok(())
    }),
    ("rounding", |settings, value| {
        let known = [("started_unit", Rounding::StartedUnit), ("exact", Rounding::Exact)];
        settings.config.tariff.rounding = choice(value, &known)?;
        Ok(())
    }),
    ("max_stay", |settings, value| {
        settings.config.max_stay = Some(lifetime(value)?);
        Ok(())
    }),
    ("allocation", |settings, value| {
        let known = [("nearest", Chooses::Nearest), ("fullest_level", Chooses::FullestLevel)];
        settings.chooses = Some(choice(value, &known)?);
        Ok(())
    }),
    ("out_of_service", |settings, value| {
        settings.out_of_service = if value.as_u64() == Some(0) { 0 } else { up_to(value, 100_000)? };
        Ok(())
    }),
    ("cap_minor", |settings, value| {
        settings.config.tariff.cap_minor = Some(minor(value)?);
        Ok(())
    }),
    ("cap", |settings, value| {
        settings.config.tariff.cap =
            choice(value, &[("rolling_24h", Cap::Rolling24h), ("local_day", Cap::LocalDay)])?;
        Ok(())
    }),
    ("zone", |settings, value| {
        let name = text(value)?;
        settings.config.tariff.zone = Zone::named(&name).ok_or_else(|| {
            Problem::new(format!("`{name}` is no time zone"), "write one such as `Europe/Berlin`")
        })?;
        Ok(())
    }),
    ("begins_unix_s", |settings, value| {
        let begins = value.as_i64().filter(|begins| (0..=32_503_680_000).contains(begins));
        settings.config.tariff.origin_unix_s = begins.ok_or_else(|| {
            Problem::new("this is no instant", "write seconds since 1970, such as `1792879200`")
        })?;
        Ok(())
    }),
    ("claim_timeout", |settings, value| {
        settings.config.claim_timeout = lifetime(value)?;
        Ok(())
    }),
    ("exit_grace", |settings, value| {
        settings.config.exit_grace = lifetime(value)?;
        Ok(())
    }),
    ("late_payment", |settings, value| {
        settings.config.late_payment =
            choice(value, &[("credit", LatePayment::Credit), ("refund", LatePayment::Refund)])?;
        Ok(())
    }),
    ("keep_closed", |settings, value| {
        settings.config.keep_closed = lifetime(value)?;
        Ok(())
    }),
    ("reserve", |settings, value| {
        settings.config.reserve[SpotClass::Large.index()] = up_to(value, 100_000)?;
        Ok(())
    }),
    ("reservable", |settings, value| {
        settings.config.reservable[SpotClass::Compact.index()] = up_to(value, 100_000)?;
        Ok(())
    }),
    ("hold_before", |settings, value| {
        settings.config.hold_before = span(value)?;
        Ok(())
    }),
    ("no_show_after", |settings, value| {
        settings.config.no_show_after = span(value)?;
        Ok(())
    }),
    ("lost_minor", |settings, value| {
        settings.config.tariff.lost_minor = minor(value)?;
        Ok(())
    }),
    ("sensors", |settings, value| {
        settings.has_sensors = switch(value)?;
        Ok(())
    }),
    ("trust_sensors", |settings, value| {
        settings.config.trust_sensors = switch(value)?;
        Ok(())
    }),
    ("sensor_window", |settings, value| {
        settings.config.sensor_window = lifetime(value)?;
        Ok(())
    }),
    ("stuck_sensors", |settings, value| {
        settings.stuck_sensors = if value.as_u64() == Some(0) { 0 } else { up_to(value, 100_000)? };
        Ok(())
    }),
    ("stuck_says", |settings, value| {
        settings.stuck_says = choice(value, &[("occupied", true), ("free", false)])?;
        Ok(())
    }),
    ("inspect_after", |settings, value| {
        settings.inspect_after = Some(span(value)?);
        Ok(())
    }),
    ("store", |settings, value| {
        let wal = StoreKind::Wal(FsyncPolicy::EveryCommit);
        settings.store = choice(value, &[("wal", wal), ("memory", StoreKind::Memory)])?;
        Ok(())
    }),
];

/// Reads the settings of a lot.
pub(super) fn lot(written: &Map<String, Value>) -> Result<LotSettings, Vec<Wrong>> {
    let settings = LotSettings {
        config: LotConfig::simple([0; SpotClass::COUNT], 200),
        store: StoreKind::Wal(FsyncPolicy::EveryCommit),
        chooses: None,
        out_of_service: 0,
        has_sensors: false,
        stuck_sensors: 0,
        stuck_says: true,
        inspect_after: None,
    };
    let mut read = settings::read("a parking lot", &LOT, settings, written)?;
    // All levels are like the first one.
    if let Some(levels) = written.get("levels").and_then(|levels| up_to(levels, 100).ok()) {
        read.config.levels = vec![read.config.levels[0]; levels as usize];
    }
    if !read.has_sensors {
        let needs = ["trust_sensors", "sensor_window", "stuck_sensors", "stuck_says", "inspect_after"];
        if let Some(setting) = needs.into_iter().find(|setting| written.contains_key(*setting)) {
            let message = format!("`{setting}` is about sensors, and this lot has none: add `sensors: true`");
            return Err(vec![(setting.to_string(), message)]);
        }
    }
    if u64::from(read.stuck_sensors) > read.config.capacity(SpotClass::Compact) {
        let message = "there are not so many compact spots whose sensors could stick".to_string();
        return Err(vec![("stuck_sensors".to_string(), message)]);
    }
    if u64::from(read.out_of_service) > read.config.capacity(SpotClass::Compact) {
        let message = "there are not so many compact spots that could be closed".to_string();
        return Err(vec![("out_of_service".to_string(), message)]);
    }
    match read.config.validate() {
        Ok(()) => Ok(read),
        Err(error @ ConfigError::ReservesMoreThanThereIs { .. }) => {
            Err(vec![("reservable".to_string(), error.to_string())])
        }
        Err(error) => Err(vec![("spots".to_string(), error.to_string())]),
    }
}

/// Of stays of one mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stays {
    Exponential,
    Constant,
    Lognormal,
}

/// Settings of kind `parking-gate`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GateSettings {
    /// The mean.
    pub(super) stay: Span,
    pub(super) stays: Stays,
    pub(super) offline: OfflinePolicy,
    /// Spots that are set aside for it.
    pub(super) allotment: u32,
    /// Between attempts to tell the lot something.
    pub(super) tell_every: Span,
    /// How often the sign before the gate asks whether the lot is full; none: there is no sign.
    pub(super) sign_every: Option<Span>,
    /// Asks which spot is free first, and then wants that one.
    pub(super) looks_first: bool,
    /// How long before it comes a car that books a spot says so.
    pub(super) book_ahead: Span,
    /// It comes at most so much before or after the time it has named.
    pub(super) punctuality: Span,
    /// Of those who book, in parts per million: they do not come.
    pub(super) no_shows: u32,
    /// Of those who leave, in parts per million: they cannot find their ticket.
    pub(super) lost_tickets: u32,
    /// Of all that come without a booking, in parts per million: they have a permit for accessible spots.
    pub(super) permits: u32,
    /// The level it leads to, from 0.
    pub(super) level: u16,
}

const GATE: [Setting<GateSettings>; 13] = [
    ("stay", |settings, value| {
        settings.stay = lifetime(value)?;
        Ok(())
    }),
    ("stays", |settings, value| {
        let known = [
            ("exponential", Stays::Exponential),
            ("constant", Stays::Constant),
            ("lognormal", Stays::Lognormal),
        ];
        settings.stays = choice(value, &known)?;
        Ok(())
    }),
    ("offline", |settings, value| {
        let known = [
            ("allotment", OfflinePolicy::Allotment),
            ("admit_and_reconcile", OfflinePolicy::AdmitAndReconcile),
            ("refuse", OfflinePolicy::Refuse),
        ];
        settings.offline = choice(value, &known)?;
        Ok(())
    }),
    ("allotment", |settings, value| {
        settings.allotment = up_to(value, 10_000)?;
        Ok(())
    }),
    ("sign_every", |settings, value| {
        settings.sign_every = Some(lifetime(value)?);
        Ok(())
    }),
    ("tell_every", |settings, value| {
        settings.tell_every = lifetime(value)?;
        Ok(())
    }),
    ("looks_first", |settings, value| {
        settings.looks_first = switch(value)?;
        Ok(())
    }),
    ("book_ahead", |settings, value| {
        settings.book_ahead = lifetime(value)?;
        Ok(())
    }),
    ("punctuality", |settings, value| {
        settings.punctuality = span(value)?;
        Ok(())
    }),
    ("no_shows", |settings, value| {
        settings.no_shows = share(value)?;
        Ok(())
    }),
    ("lost_tickets", |settings, value| {
        settings.lost_tickets = share(value)?;
        Ok(())
    }),
    ("permits", |settings, value| {
        settings.permits = share(value)?;
        Ok(())
    }),
    ("level", |settings, value| {
        settings.level = if value.as_u64() == Some(0) { 0 } else { up_to(value, 99)? as u16 };
        Ok(())
    }),
];

/// Reads the settings of a gate.
pub(super) fn gate(written: &Map<String, Value>) -> Result<GateSettings, Vec<Wrong>> {
    let settings = GateSettings {
        stay: Span::from_secs(3_600),
        stays: Stays::Exponential,
        offline: OfflinePolicy::Refuse,
        allotment: 0,
        tell_every: Span::from_secs(2),
        sign_every: None,
        looks_first: false,
        book_ahead: Span::from_secs(3_600),
        punctuality: Span::from_secs(300),
        no_shows: 0,
        lost_tickets: 0,
        permits: 0,
        level: 0,
    };
    let read = settings::read("a parking gate", &GATE, settings, written)?;
    if read.punctuality > read.book_ahead {
        let message =
            "a car would come before it has booked; shorten it, or lengthen `book_ahead`".to_string();
        return Err(vec![("punctuality".to_string(), message)]);
    }
    Ok(read)
}

/// What is wrong with a gate, given the lot that it calls.
pub(super) fn gate_at(written: &Map<String, Value>, lot_settings: &Map<String, Value>) -> Vec<Wrong> {
    let (Ok(gate), Ok(lot)) = (gate(written), lot(lot_settings)) else { return Vec::new() };
    let levels = lot.config.levels.len();
    if usize::from(gate.level) < levels {
        return Vec::new();
    }
    let message = format!("the lot has {levels} levels, counted from 0; lower it");
    vec![("level".to_string(), message)]
}

/// How long cars stay.
pub(super) fn sampler(settings: &GateSettings) -> Sampler {
    let mean = settings.stay;
    let distribution = match settings.stays {
        Stays::Constant => Distribution::Constant(mean),
        Stays::Exponential => Distribution::Exponential { mean },
        // With a standard deviation of the logarithm of 1: the median is e^(-1/2) of the mean, the 99th percentile
        // e^2.3263 of the median.
        Stays::Lognormal => {
            let median = mean.mul_ratio(606_531, 1_000_000);
            Distribution::LogNormal { median, p99: median.mul_ratio(10_240_474, 1_000_000) }
        }
    };
    Sampler::new(&distribution).expect("a positive mean makes each of these")
}
