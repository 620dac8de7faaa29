//! The settings of a bank of lifts.

use foreshock_systems::elevator::{BankConfig, ConfigError, Floor, FullCar, Motion, Reassign, Strategy};
use serde_json::{Map, Value};

use crate::kernel::time::Span;
use crate::nodes::setting_table::{self as settings, Setting, Wrong, choice, lifetime, span, switch, up_to};
use crate::scenario::quantity::Problem;

/// Where people come from and go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Traffic {
    UpPeak,
    DownPeak,
    Interfloor,
    /// Half go down, a quarter comes back, a quarter goes between floors.
    Lunch,
    /// Most go to and fro at the lobby, one in a hundred comes from the top.
    NearLobby,
}

/// Settings of kind `elevator-bank`.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) config: BankConfig,
    pub(super) traffic: Traffic,
    /// So many of the last cars are out of service.
    pub(super) out_of_service: u16,
    /// The doors of the first car stick for so long, once, when they are open next.
    pub(super) stuck_door: Option<Span>,
    /// Fire: all cars go to the lobby and stay.
    pub(super) is_recalled: bool,
    /// The dispatcher knows of no call.
    pub(super) is_dispatcher_down: bool,
    /// The limits of a run, if they are given.
    motion: Motion,
}

fn number(value: &Value, most: u32) -> Result<u16, Problem> {
    up_to(value, most).map(|number| number as u16)
}

const TABLE: [Setting<Settings>; 26] = [
    ("floors", |settings, value| {
        settings.config.floors = number(value, 500)?;
        Ok(())
    }),
    ("cars", |settings, value| {
        settings.config.cars = number(value, 64)?;
        Ok(())
    }),
    ("persons", |settings, value| {
        settings.config.capacity = number(value, 100)?;
        Ok(())
    }),
    ("floor_time", |settings, value| {
        settings.config.floor_time = lifetime(value)?;
        Ok(())
    }),
    ("start_stop", |settings, value| {
        settings.config.start_stop = span(value)?;
        Ok(())
    }),
    ("door_open", |settings, value| {
        settings.config.door_open = lifetime(value)?;
        Ok(())
    }),
    ("door_close", |settings, value| {
        settings.config.door_close = lifetime(value)?;
        Ok(())
    }),
    ("dwell", |settings, value| {
        settings.config.dwell = span(value)?;
        Ok(())
    }),
    ("transfer", |settings, value| {
        settings.config.transfer = span(value)?;
        Ok(())
    }),
    ("strategy", |settings, value| {
        let known = [
            ("scan", Strategy::Scan),
            ("look", Strategy::Look),
            ("c_look", Strategy::CLook),
            ("nearest_car", Strategy::NearestCar),
            ("estimated_arrival", Strategy::EstimatedArrival),
            ("destination", Strategy::Destination),
        ];
        settings.config.strategy = choice(value, &known)?;
        Ok(())
    }),
    ("reassign", |settings, value| {
        let known = [("until_arrival", Reassign::UntilArrival), ("fixed", Reassign::Fixed)];
        settings.config.reassign = choice(value, &known)?;
        Ok(())
    }),
    ("full_car", |settings, value| {
        settings.config.full_car = choice(value, &[("bypass", FullCar::Bypass), ("stop", FullCar::Stop)])?;
        Ok(())
    }),
    ("park_after", |settings, value| {
        settings.config.parking = Some((Floor(0), span(value)?));
        Ok(())
    }),
    ("press_again", |settings, value| {
        settings.config.press_again = lifetime(value)?;
        Ok(())
    }),
    ("wait_bound", |settings, value| {
        settings.config.wait_bound = Some(lifetime(value)?);
        Ok(())
    }),
    ("polling", |settings, value| {
        settings.config.polling = lifetime(value)?;
        Ok(())
    }),
    ("zones", |settings, value| {
        settings.config.zones = number(value, 64)?;
        Ok(())
    }),
    ("floor_mm", |settings, value| {
        settings.motion.floor_mm = up_to(value, 100_000)?;
        Ok(())
    }),
    ("speed_mm_s", |settings, value| {
        settings.motion.speed_mm_s = up_to(value, 100_000)?;
        Ok(())
    }),
    ("acceleration_mm_s2", |settings, value| {
        settings.motion.acceleration_mm_s2 = up_to(value, 100_000)?;
        Ok(())
    }),
    ("jerk_mm_s3", |settings, value| {
        settings.motion.jerk_mm_s3 = up_to(value, 100_000)?;
        Ok(())
    }),
    ("traffic", |settings, value| {
        let known = [
            ("up_peak", Traffic::UpPeak),
            ("down_peak", Traffic::DownPeak),
            ("interfloor", Traffic::Interfloor),
            ("lunch", Traffic::Lunch),
            ("near_lobby", Traffic::NearLobby),
        ];
        settings.traffic = choice(value, &known)?;
        Ok(())
    }),
    ("out_of_service", |settings, value| {
        settings.out_of_service = if value.as_u64() == Some(0) { 0 } else { number(value, 64)? };
        Ok(())
    }),
    ("stuck_door", |settings, value| {
        settings.stuck_door = Some(lifetime(value)?);
        Ok(())
    }),
    ("recalled", |settings, value| {
        settings.is_recalled = switch(value)?;
        Ok(())
    }),
    ("dispatcher_down", |settings, value| {
        settings.is_dispatcher_down = switch(value)?;
        Ok(())
    }),
];

/// Reads the settings.
pub(super) fn read(written: &Map<String, Value>) -> Result<Settings, Vec<Wrong>> {
    let settings = Settings {
        config: BankConfig { parking: Some((Floor(0), Span::from_secs(10))), ..BankConfig::office(11, 4, 8) },
        traffic: Traffic::Interfloor,
        out_of_service: 0,
        stuck_door: None,
        is_recalled: false,
        is_dispatcher_down: false,
        motion: Motion { floor_mm: 0, speed_mm_s: 0, acceleration_mm_s2: 0, jerk_mm_s3: 0 },
    };
    let mut read = settings::read("a bank of lifts", &TABLE, settings, written)?;
    let limits = ["floor_mm", "speed_mm_s", "acceleration_mm_s2", "jerk_mm_s3"];
    if let Some(one) = limits.into_iter().find(|limit| written.contains_key(*limit)) {
        if let Some(missing) = limits.into_iter().find(|limit| !written.contains_key(*limit)) {
            let message = format!("a motion has four limits: add `{missing}`");
            return Err(vec![(one.to_string(), message)]);
        }
        read.config.motion = Some(read.motion);
    }
    match read.config.validate() {
        Ok(()) => Ok(read),
        Err(error @ ConfigError::Zones { .. }) => Err(vec![("zones".to_string(), error.to_string())]),
        Err(error) => Err(vec![("floors".to_string(), error.to_string())]),
    }
}
