//! Which numbered rooms are free, following what the desk writes, so that nobody at the counter waits for a walk through the
//! house. Decides nothing.

use super::house::{HotelUnit, House, Room, RoomType};
use crate::booking::{Desk, Followed};
use crate::store::Store;
use std::collections::BTreeSet;

#[derive(Clone, Debug)]
pub(super) struct FreeRooms {
    rooms: BTreeSet<Room>,
    followed: Followed,
}

impl FreeRooms {
    /// By a look at every room.
    pub(super) fn found<S: Store>(desk: &Desk<House, S>) -> FreeRooms {
        let house = desk.goods();
        let kinds = (0..house.config().kinds.len()).map(|place| RoomType(place as u16));
        let rooms = kinds.flat_map(|kind| (0..house.rooms(kind)).map(move |number| Room { kind, number }));
        let rooms = rooms.filter(|room| desk.free(HotelUnit::Room(*room)) > 0).collect();
        FreeRooms { rooms, followed: desk.followed() }
    }

    /// After what was written since.
    pub(super) fn follow<S: Store>(&mut self, desk: &Desk<House, S>) {
        let Some(written) = desk.written_since(self.followed) else {
            *self = FreeRooms::found(desk);
            return;
        };
        for unit in written {
            let HotelUnit::Room(room) = unit else { continue };
            if desk.free(unit) > 0 {
                self.rooms.insert(room);
            } else {
                self.rooms.remove(&room);
            }
        }
        self.followed = desk.followed();
    }

    /// Those of a type, from the lowest number on.
    pub(super) fn of(&self, kind: RoomType) -> impl Iterator<Item = Room> {
        self.rooms.range(Room { kind, number: 0 }..=Room { kind, number: u32::MAX }).copied()
    }
}
