//! What a lot is like: levels, gates and rules. Plain data, checked once.

use super::model::SpotClass;
use super::tariff::Tariff;
use crate::time::Span;
use std::fmt;

/// A floor of the lot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// How many spots of each class, in the order of [`SpotClass::ALL`].
    pub spots: [u32; SpotClass::COUNT],
}

/// Where cars come in and go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gate {
    /// The level it leads to.
    pub level: u16,
}

/// Whether a vehicle may use a larger spot than it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spill {
    /// No.
    None,
    /// If its own class is full.
    Upward,
    /// If its own class is full, and more than this share of the larger one is free, in parts per million.
    UpwardIfFreeAbove(u32),
}

/// What becomes of a payment that is known only after the time to leave is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LatePayment {
    /// It counts, and the rest is owed.
    Credit,
    /// It is given back, and everything is owed.
    Refund,
}

/// A lot.
#[derive(Clone, Debug)]
pub struct LotConfig {
    /// From below.
    pub levels: Vec<Level>,
    /// By [`GateId`](super::GateId).
    pub gates: Vec<Gate>,
    /// What a stay costs.
    pub tariff: Tariff,
    /// Whether the small may use what is large.
    pub spill: Spill,
    /// How many spots of each class are never given to others than its own vehicles.
    pub reserve: [u32; SpotClass::COUNT],
    /// How long a spot is kept for a car that was admitted and is not through the barrier.
    pub claim_timeout: Span,
    /// How long after paying one may leave.
    pub exit_grace: Span,
    /// What becomes of a payment that is known too late.
    pub late_payment: LatePayment,
    /// How long a stay that is over is remembered, so that a repeated exit gets the same answer.
    pub keep_closed: Span,
    /// How long a sensor may contradict the tickets before that is a finding.
    pub sensor_window: Span,
    /// Whether a spot that its sensor calls occupied is given to nobody.
    pub trust_sensors: bool,
    /// A longer stay is reported.
    pub max_stay: Option<Span>,
    /// How many spots of each class can be reserved for the same time.
    pub reservable: [u32; SpotClass::COUNT],
    /// How long before a reservation begins a spot is kept for it.
    pub hold_before: Span,
    /// How long after it begins.
    pub no_show_after: Span,
}

/// More spots than any lot has.
const MOST_SPOTS: u64 = 1_000_000;

impl LotConfig {
    /// One level with these spots, one gate, a price an hour.
    pub fn simple(spots: [u32; SpotClass::COUNT], hour_minor: u64) -> LotConfig {
        LotConfig {
            levels: vec![Level { spots }],
            gates: vec![Gate { level: 0 }],
            tariff: Tariff::hourly(hour_minor),
            spill: Spill::Upward,
            reserve: [0; SpotClass::COUNT],
            claim_timeout: Span::from_secs(60),
            exit_grace: Span::from_secs(15 * 60),
            late_payment: LatePayment::Credit,
            keep_closed: Span::from_secs(3_600),
            sensor_window: Span::from_secs(120),
            trust_sensors: false,
            max_stay: None,
            reservable: [0; SpotClass::COUNT],
            hold_before: Span::from_secs(15 * 60),
            no_show_after: Span::from_secs(30 * 60),
        }
    }

    /// How many spots of a class there are.
    pub fn capacity(&self, class: SpotClass) -> u64 {
        self.levels.iter().map(|level| u64::from(level.spots[class.index()])).sum()
    }

    /// What is wrong with it, if anything is.
    ///
    /// # Errors
    /// [`ConfigError`]: the first thing found.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let spots: u64 = SpotClass::ALL.into_iter().map(|class| self.capacity(class)).sum();
        if spots == 0 {
            return Err(ConfigError::NoSpots);
        }
        if spots > MOST_SPOTS {
            return Err(ConfigError::TooManySpots { spots });
        }
        if self.gates.is_empty() {
            return Err(ConfigError::NoGate);
        }
        for (gate, at) in self.gates.iter().enumerate() {
            if usize::from(at.level) >= self.levels.len() {
                return Err(ConfigError::NoSuchLevel { gate, level: at.level });
            }
        }
        for class in SpotClass::ALL {
            if u64::from(self.reservable[class.index()]) > self.capacity(class) {
                return Err(ConfigError::ReservesMoreThanThereIs { class });
            }
        }
        if self.tariff.unit < Span::from_secs(1) {
            return Err(ConfigError::UnitTooShort);
        }
        let minutes = self.tariff.night.map(|night| night.from_minute.max(night.until_minute));
        if minutes.is_some_and(|minute| minute >= 1_440) {
            return Err(ConfigError::NoSuchMinute);
        }
        Ok(())
    }
}

/// Why a lot cannot be like this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// There is nowhere to park.
    NoSpots,
    /// There is no way in.
    NoGate,
    /// Too many to number.
    TooManySpots {
        /// How many were asked for.
        spots: u64,
    },
    /// A gate leads to a level that is not there.
    NoSuchLevel {
        /// Which gate.
        gate: usize,
        /// The level it names.
        level: u16,
    },
    /// More can be reserved than there is.
    ReservesMoreThanThereIs {
        /// Of this class.
        class: SpotClass,
    },
    /// The unit of the tariff.
    UnitTooShort,
    /// A night begins or ends after the day is over.
    NoSuchMinute,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::NoSpots => f.write_str("a lot has spots: give one of its levels some"),
            ConfigError::NoGate => f.write_str("a lot has at least one gate"),
            ConfigError::TooManySpots { spots } => write!(f, "{spots} spots are more than {MOST_SPOTS}"),
            ConfigError::NoSuchLevel { gate, level } => {
                write!(f, "gate {gate} leads to level {level}, which is not there: levels count from 0")
            }
            ConfigError::ReservesMoreThanThereIs { class } => {
                write!(f, "more spots of class `{}` can be reserved than there are", class.name())
            }
            ConfigError::UnitTooShort => f.write_str("the unit of a tariff is at least one second"),
            ConfigError::NoSuchMinute => f.write_str("a day has the minutes 0 to 1439"),
        }
    }
}

impl std::error::Error for ConfigError {}
