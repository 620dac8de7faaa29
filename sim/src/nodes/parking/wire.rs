//! What gates ask of a lot, as the words of a request.

use foreshock_systems::parking_lot::{Plate, Vehicle, VehicleKind};

/// What a car looks like from the barrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) kind: VehicleKind,
    /// A permit for accessible spots lies behind the windscreen.
    pub(super) has_permit: bool,
}

impl Look {
    pub(super) const fn of(vehicle: &Vehicle) -> Look {
        Look { kind: vehicle.kind, has_permit: vehicle.has_permit }
    }

    pub(super) const fn with(self, plate: Plate) -> Vehicle {
        Vehicle { plate, kind: self.kind, has_permit: self.has_permit }
    }
}

/// What a gate asks. The key of the request is the car's plate, or its ticket where one is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// Which spot is free? Answered with its number, from 1.
    Look { look: Look },
    /// A spot and a ticket; `wanted` is what a look has shown, from 1, or 0.
    Enter { look: Look, wanted: u64 },
    /// The car is through the barrier.
    Entered,
    /// What is owed?
    Quote,
    /// Paid, and gone.
    Leave { minor: u64, quoted_at_ns: u64, payment: u32 },
    /// A spot for later.
    Reserve { look: Look, from_ns: u64, until_ns: u64 },
    /// The ticket is lost: the car's plate is the key. Answered with the number of the ticket.
    Lost,
    /// Spots to give away while it is cut off.
    Allot { count: u32 },
    /// Which kinds of vehicle are there no spots for? Answered with a bit for each.
    Sign,
    /// It let a car in while it was cut off: entry and ticket by the gate's numbers; the place of its spot among those
    /// that were set aside, from 1, or 0.
    CameIn { entry: u32, at_ns: u64, ticket: u32, spot: u32, look: Look },
    /// It let a car out meanwhile and took the money.
    WentOut { entry: u32, at_ns: u64, minor: u64 },
}

const LOOK: u64 = 1;
const ENTER: u64 = 2;
const ENTERED: u64 = 3;
const QUOTE: u64 = 4;
const LEAVE: u64 = 5;
const ALLOT: u64 = 6;
const CAME_IN: u64 = 7;
const WENT_OUT: u64 = 8;
const RESERVE: u64 = 9;
const LOST: u64 = 10;
const SIGN: u64 = 11;

const PERMIT: u64 = 1 << 16;

fn look_of(word: u64) -> Option<Look> {
    let kind = VehicleKind::ALL.get((word >> 8 & 0xFF) as usize).copied()?;
    Some(Look { kind, has_permit: word & PERMIT != 0 })
}

fn word_of(look: Look) -> u64 {
    (look.kind as u64) << 8 | if look.has_permit { PERMIT } else { 0 }
}

impl Ask {
    pub(super) fn arguments(self) -> [u64; 3] {
        match self {
            Ask::Look { look } => [LOOK | word_of(look), 0, 0],
            Ask::Enter { look, wanted } => [ENTER | word_of(look), wanted, 0],
            Ask::Entered => [ENTERED, 0, 0],
            Ask::Quote => [QUOTE, 0, 0],
            Ask::Leave { minor, quoted_at_ns, payment } => {
                [LEAVE | u64::from(payment) << 32, minor, quoted_at_ns]
            }
            Ask::Reserve { look, from_ns, until_ns } => [RESERVE | word_of(look), from_ns, until_ns],
            Ask::Lost => [LOST, 0, 0],
            Ask::Sign => [SIGN, 0, 0],
            Ask::Allot { count } => [ALLOT, u64::from(count), 0],
            Ask::CameIn { entry, at_ns, ticket, spot, look } => {
                let head = CAME_IN | word_of(look) | u64::from(entry) << 32;
                [head, at_ns, u64::from(ticket) << 32 | u64::from(spot)]
            }
            Ask::WentOut { entry, at_ns, minor } => [WENT_OUT | u64::from(entry) << 32, at_ns, minor],
        }
    }

    /// `None` if nothing that a lot could understand.
    pub(super) fn of([head, second, third]: [u64; 3]) -> Option<Ask> {
        let high = (head >> 32) as u32;
        Some(match head & 0xFF {
            LOOK => Ask::Look { look: look_of(head)? },
            ENTER => Ask::Enter { look: look_of(head)?, wanted: second },
            ENTERED => Ask::Entered,
            QUOTE => Ask::Quote,
            LEAVE => Ask::Leave { minor: second, quoted_at_ns: third, payment: high },
            RESERVE => Ask::Reserve { look: look_of(head)?, from_ns: second, until_ns: third },
            LOST => Ask::Lost,
            SIGN => Ask::Sign,
            ALLOT => Ask::Allot { count: second as u32 },
            CAME_IN => Ask::CameIn {
                entry: high,
                at_ns: second,
                ticket: (third >> 32) as u32,
                spot: third as u32,
                look: look_of(head)?,
            },
            WENT_OUT => Ask::WentOut { entry: high, at_ns: second, minor: third },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_what_is_understood() {
        let kind = VehicleKind::Van;
        let (look, permit) = (Look { kind, has_permit: false }, Look { kind, has_permit: true });
        let all = [
            Ask::Look { look },
            Ask::Enter { look: permit, wanted: 7 },
            Ask::Entered,
            Ask::Quote,
            Ask::Leave { minor: 9, quoted_at_ns: u64::MAX, payment: 3 },
            Ask::Reserve { look, from_ns: 8, until_ns: 11 },
            Ask::Lost,
            Ask::Sign,
            Ask::Allot { count: 5 },
            Ask::CameIn { entry: 2, at_ns: 5, ticket: 4, spot: 1, look: permit },
            Ask::WentOut { entry: 3, at_ns: 6, minor: 200 },
        ];
        for ask in all {
            assert_eq!(Ask::of(ask.arguments()), Some(ask));
        }
        assert_eq!(Ask::of([0, 0, 0]), None);
    }
}
