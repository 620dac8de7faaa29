//! What a house sells: nights of room types, numbered rooms, allotments of channels. Its limits and rules; decides no
//! booking.

use super::calendar::Night;
use super::overbooking::Overbooking;
use super::rates::RatePlan;
use crate::booking::{Ask, Goods, Refusal, UnitRow};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// A room type, by its place in the config.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RoomType(pub u16);

/// A channel that sells rooms elsewhere, by its place in the config.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Channel(pub u16);

/// A rate plan, by its place in the config.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Plan(pub u16);

/// A numbered room: its type, and its number among those of its type, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Room {
    /// Of this type.
    pub kind: RoomType,
    /// Its number within it.
    pub number: u32,
}

/// What can be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum HotelUnit {
    /// A night in a room type; which room is decided at arrival.
    Night(RoomType, Night),
    /// The same out of what a channel may sell.
    Allotment(Channel, RoomType, Night),
    /// A numbered room, while somebody is in it.
    Room(Room),
}

/// A stay, as a booking knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stay {
    /// The first night.
    pub arrival: Night,
    /// How many.
    pub nights: u16,
    /// In which room type.
    pub kind: RoomType,
    /// By which plan.
    pub plan: Plan,
    /// Through which channel; `None`: the house itself.
    pub channel: Option<Channel>,
    /// What each night costs, without taxes.
    pub nightly_minor: Vec<i64>,
}

impl Stay {
    /// The day of departure.
    pub const fn departure(&self) -> Night {
        self.arrival.plus(self.nights)
    }

    /// What the night costs, if it is one of the stay's.
    pub fn night_minor(&self, night: Night) -> Option<i64> {
        let number = usize::try_from(night.0.checked_sub(self.arrival.0)?).ok()?;
        self.nightly_minor.get(number).copied()
    }
}

/// A room type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomKind {
    /// How many rooms there are.
    pub rooms: u32,
    /// How many more bookings are accepted.
    pub overbooking: Overbooking,
}

/// What a channel may sell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelConfig {
    /// So many rooms a night, by room type, that nobody else sells; empty: it sells what is free, and whoever commits
    /// first has it.
    pub allotment: Vec<u32>,
}

/// A house.
#[derive(Clone, Debug, Default)]
pub struct HouseConfig {
    /// Its room types.
    pub kinds: Vec<RoomKind>,
    /// Its rate plans.
    pub plans: Vec<RatePlan>,
    /// Who else sells.
    pub channels: Vec<ChannelConfig>,
    /// Bookings accepted for a night over all room types; `None` is no bound beside those of the types. Two who each
    /// look at both types and take one of them can only be kept apart by a serializable store.
    pub house_limit: Option<u32>,
    /// Nights in one stay.
    pub max_nights: u16,
    /// What a guest is given who is walked to another house.
    pub compensation_minor: i64,
    /// Guests a night for whom a room elsewhere can be found.
    pub partner_rooms: u32,
    /// Whether a guest is given a room of another type if there is none of the one that was booked.
    pub upgrades: bool,
}

/// What is wrong with a house.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HouseError {
    /// It has no room types, no plans, or no nights.
    Empty,
    /// A channel's allotments are more than there is to sell of this type.
    Allotments(RoomType),
    /// A plan has no price for this type, or one below zero.
    Price(RoomType),
}

impl fmt::Display for HouseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HouseError::Empty => {
                f.write_str("a house has room types, plans and at least one night in a stay")
            }
            HouseError::Allotments(kind) => {
                write!(
                    f,
                    "channels may sell more of room type {} than there is: lower their allotments",
                    kind.0
                )
            }
            HouseError::Price(kind) => write!(f, "a plan has no price for room type {}: add one", kind.0),
        }
    }
}

impl std::error::Error for HouseError {}

/// The goods of a hotel.
#[derive(Clone, Debug)]
pub struct House {
    pub(super) config: HouseConfig,
    /// Bookings accepted of each type, overbooking included.
    accepted: Vec<u32>,
    /// And without what channels may sell.
    own: Vec<u32>,
    closed: BTreeSet<(RoomType, Night)>,
}

impl House {
    /// A house by its config.
    ///
    /// # Errors
    /// [`HouseError`].
    pub fn new(config: HouseConfig) -> Result<House, HouseError> {
        if config.kinds.is_empty() || config.plans.is_empty() || config.max_nights == 0 {
            return Err(HouseError::Empty);
        }
        let accepted: Vec<u32> = config.kinds.iter().map(|kind| kind.overbooking.limit(kind.rooms)).collect();
        let mut own = Vec::with_capacity(accepted.len());
        for (place, accepted) in accepted.iter().enumerate() {
            let kind = RoomType(u16::try_from(place).unwrap_or(u16::MAX));
            let allotted = config.channels.iter().filter_map(|channel| channel.allotment.get(place));
            let allotted = allotted.fold(0u32, |sum, rooms| sum.saturating_add(*rooms));
            own.push(accepted.checked_sub(allotted).ok_or(HouseError::Allotments(kind))?);
            let has_price = |plan: &RatePlan| plan.night_minor.get(place).is_some_and(|minor| *minor >= 0);
            if !config.plans.iter().all(has_price) {
                return Err(HouseError::Price(kind));
            }
        }
        Ok(House { config, accepted, own, closed: BTreeSet::new() })
    }

    /// Its config.
    pub const fn config(&self) -> &HouseConfig {
        &self.config
    }

    /// Rooms of a type.
    pub fn rooms(&self, kind: RoomType) -> u32 {
        self.config.kinds.get(usize::from(kind.0)).map_or(0, |kind| kind.rooms)
    }

    /// Bookings accepted of a type for a night, by all who sell.
    pub fn accepted(&self, kind: RoomType) -> u32 {
        self.accepted.get(usize::from(kind.0)).copied().unwrap_or(0)
    }

    /// Sells no more of a type for a night (a stop-sell), or sells it again.
    pub fn set_closed(&mut self, kind: RoomType, night: Night, is_closed: bool) {
        if is_closed {
            self.closed.insert((kind, night));
        } else {
            self.closed.remove(&(kind, night));
        }
    }

    /// What a stay takes.
    pub fn units(&self, stay: &Stay) -> Vec<HotelUnit> {
        self.each_unit(stay).collect()
    }

    fn each_unit(&self, stay: &Stay) -> impl Iterator<Item = HotelUnit> + use<> {
        let (kind, arrival) = (stay.kind, stay.arrival);
        let has_allotment = |channel: Channel| {
            let config = self.config.channels.get(usize::from(channel.0));
            config.is_some_and(|config| !config.allotment.is_empty())
        };
        let channel = stay.channel.filter(|channel| has_allotment(*channel));
        let nights = (0..stay.nights).map(move |number| arrival.plus(number));
        nights.map(move |night| {
            channel
                .map_or(HotelUnit::Night(kind, night), |channel| HotelUnit::Allotment(channel, kind, night))
        })
    }

    fn is_over_house_limit(&self, night: Night, row: &mut dyn FnMut(HotelUnit) -> UnitRow) -> bool {
        let Some(limit) = self.config.house_limit else { return false };
        let mut taken = 0u32;
        for place in 0..self.config.kinds.len() {
            let kind = RoomType(place as u16);
            taken = taken.saturating_add(row(HotelUnit::Night(kind, night)).taken());
            for channel in 0..self.config.channels.len() {
                let unit = HotelUnit::Allotment(Channel(channel as u16), kind, night);
                if self.limit(unit) > 0 {
                    taken = taken.saturating_add(row(unit).taken());
                }
            }
        }
        taken > limit
    }
}

impl Goods for House {
    type Unit = HotelUnit;
    type Detail = Stay;

    fn limit(&self, unit: HotelUnit) -> u32 {
        match unit {
            HotelUnit::Night(kind, _) => self.own.get(usize::from(kind.0)).copied().unwrap_or(0),
            HotelUnit::Allotment(channel, kind, _) => {
                let config = self.config.channels.get(usize::from(channel.0));
                config.and_then(|config| config.allotment.get(usize::from(kind.0))).copied().unwrap_or(0)
            }
            HotelUnit::Room(room) => u32::from(room.number < self.rooms(room.kind)),
        }
    }

    fn is_exclusive(&self, unit: HotelUnit) -> bool {
        matches!(unit, HotelUnit::Room(_))
    }

    fn admits(
        &self,
        ask: &Ask<HotelUnit, Stay>,
        row: &mut dyn FnMut(HotelUnit) -> UnitRow,
    ) -> Result<(), Refusal> {
        let stay = &ask.detail;
        if !self.each_unit(stay).eq(ask.units.iter().copied()) || stay.nights > self.config.max_nights {
            return Err(Refusal::Malformed); // a part of a range is no stay
        }
        for number in 0..stay.nights {
            let night = stay.arrival.plus(number);
            if self.closed.contains(&(stay.kind, night)) {
                return Err(Refusal::Closed);
            }
            if self.is_over_house_limit(night, row) {
                return Err(Refusal::HouseFull);
            }
        }
        Ok(())
    }
}
