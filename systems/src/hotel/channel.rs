//! A channel that sells a house's rooms by what it was last told: it may sell what is gone, and not more than it was
//! told is there. The other end of [`Hotel::channel_sale`](super::Hotel::channel_sale). Never asks by itself.

use super::calendar::Night;
use super::front::Hotel;
use super::house::{Channel, RoomType};
use crate::store::Store;
use crate::time::{Span, Time};
use std::collections::BTreeMap;
use std::fmt;

/// Why a channel does not sell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaleRefused {
    /// It was told that nothing is left.
    SoldOut,
    /// It was told nothing about such a night.
    Unknown,
    /// What it was told is older than it may be.
    Stale,
}

impl fmt::Display for SaleRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SaleRefused::SoldOut => "nothing is left, as far as this channel knows",
            SaleRefused::Unknown => "this channel was told nothing about such a night",
            SaleRefused::Stale => "this channel has not been told anything for too long: it sells nothing",
        })
    }
}

impl std::error::Error for SaleRefused {}

/// What a channel knows.
#[derive(Clone, Debug)]
pub struct ChannelView {
    channel: Channel,
    told_at: Option<Time>,
    free: BTreeMap<(RoomType, Night), u32>,
    /// Sold since it was told.
    sold_since: u64,
    /// It sells nothing if it has not been told anything for so long; nothing: it goes on.
    stops_after: Span,
}

impl ChannelView {
    /// A channel that knows nothing yet.
    pub const fn new(channel: Channel, stops_after: Span) -> ChannelView {
        ChannelView { channel, told_at: None, free: BTreeMap::new(), sold_since: 0, stops_after }
    }

    /// Is told what it may sell in so many nights: what is free, or what is left of its allotment.
    pub fn told<S: Store>(&mut self, now: Time, hotel: &Hotel<S>, first: Night, nights: u16) {
        let house = hotel.desk().goods();
        self.told_at = Some(now);
        self.sold_since = 0;
        self.free.clear();
        for kind in (0..house.config().kinds.len()).map(|place| RoomType(place as u16)) {
            for night in (0..nights).map(|number| first.plus(number)) {
                self.free.insert((kind, night), hotel.left_for(self.channel, kind, night));
            }
        }
    }

    /// Is told of one night what it may sell, by a house that is far away.
    pub fn told_one(&mut self, now: Time, of: (RoomType, Night), left: u32) {
        self.told_at = Some(now);
        self.free.insert(of, left);
    }

    /// From now on it sells nothing if it has not been told anything for so long; nothing: it goes on.
    pub const fn set_stops_after(&mut self, stops_after: Span) {
        self.stops_after = stops_after;
    }

    /// Sells, all nights or none, by what it knows.
    ///
    /// # Errors
    /// [`SaleRefused`].
    pub fn sell(
        &mut self,
        now: Time,
        kind: RoomType,
        arrival: Night,
        nights: u16,
        rooms: u32,
    ) -> Result<(), SaleRefused> {
        let told_at = self.told_at.ok_or(SaleRefused::Unknown)?;
        if !self.stops_after.is_zero() && now.since(told_at) > self.stops_after {
            return Err(SaleRefused::Stale);
        }
        let keys: Vec<_> = (0..nights).map(|number| (kind, arrival.plus(number))).collect();
        for key in &keys {
            let left = self.free.get(key).ok_or(SaleRefused::Unknown)?;
            if *left < rooms {
                return Err(SaleRefused::SoldOut);
            }
        }
        for key in keys {
            if let Some(left) = self.free.get_mut(&key) {
                *left -= rooms;
            }
        }
        self.sold_since += 1;
        Ok(())
    }

    /// Sales since it was told anything: at most so many of them are of what was gone.
    pub const fn sold_since(&self) -> u64 {
        self.sold_since
    }
}
