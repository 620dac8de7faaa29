//! Classes of spots, vehicles, and the identities of everything. Plain data.

use serde::{Deserialize, Serialize};

/// What a spot is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SpotClass {
    /// Too short for a car.
    Motorcycle,
    /// For a car.
    Compact,
    /// For a van, or for a car.
    Large,
    /// With a charger, for electric cars only.
    Electric,
    /// Near the lift, for holders of a permit only.
    Accessible,
}

impl SpotClass {
    /// How many there are.
    pub const COUNT: usize = 5;
    /// Every class.
    pub const ALL: [SpotClass; SpotClass::COUNT] = [
        SpotClass::Motorcycle,
        SpotClass::Compact,
        SpotClass::Large,
        SpotClass::Electric,
        SpotClass::Accessible,
    ];

    /// Its place in [`SpotClass::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// As settings and reports call it.
    pub const fn name(self) -> &'static str {
        match self {
            SpotClass::Motorcycle => "motorcycle",
            SpotClass::Compact => "compact",
            SpotClass::Large => "large",
            SpotClass::Electric => "electric",
            SpotClass::Accessible => "accessible",
        }
    }
}

/// What wants to park.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum VehicleKind {
    /// Two wheels.
    Motorcycle,
    /// Four.
    Car,
    /// Four, and longer.
    Van,
    /// A car that may charge.
    ElectricCar,
}

impl VehicleKind {
    /// Every kind.
    pub const ALL: [VehicleKind; 4] =
        [VehicleKind::Motorcycle, VehicleKind::Car, VehicleKind::Van, VehicleKind::ElectricCar];

    /// As settings and reports call it.
    pub const fn name(self) -> &'static str {
        match self {
            VehicleKind::Motorcycle => "motorcycle",
            VehicleKind::Car => "car",
            VehicleKind::Van => "van",
            VehicleKind::ElectricCar => "electric-car",
        }
    }
}

/// Who wants to park.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vehicle {
    /// What the camera reads.
    pub plate: Plate,
    /// How large.
    pub kind: VehicleKind,
    /// May use an accessible spot.
    pub has_permit: bool,
}

impl Vehicle {
    /// The classes it may use: its own first, then larger ones.
    pub const fn classes(&self) -> &'static [SpotClass] {
        use SpotClass::{Accessible, Compact, Electric, Large, Motorcycle};
        match (self.kind, self.has_permit) {
            (VehicleKind::Motorcycle, _) => &[Motorcycle, Compact, Large],
            (VehicleKind::Car, false) => &[Compact, Large],
            (VehicleKind::Car, true) => &[Accessible, Compact, Large],
            (VehicleKind::Van, false) => &[Large],
            (VehicleKind::Van, true) => &[Accessible, Large],
            (VehicleKind::ElectricCar, false) => &[Electric, Compact, Large],
            (VehicleKind::ElectricCar, true) => &[Accessible, Electric, Compact, Large],
        }
    }

    /// How many of [`classes`](Vehicle::classes) are its own; the others are larger than it needs.
    pub(super) const fn own_classes(&self) -> usize {
        match (self.kind, self.has_permit) {
            (VehicleKind::Motorcycle, _) | (VehicleKind::Car | VehicleKind::Van, false) => 1,
            (VehicleKind::Car | VehicleKind::Van, true) | (VehicleKind::ElectricCar, false) => 2,
            (VehicleKind::ElectricCar, true) => 3,
        }
    }
}

macro_rules! identities {
    ($($(#[$doc:meta])* $name:ident: $of:ty;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub $of);
    )*};
}

identities! {
    /// A spot, counted through levels and classes from 0.
    SpotId: u32;
    /// A gate, by its place in the settings.
    GateId: u16;
    /// A ticket. Those that a gate issued while it was cut off carry the gate's number, see [`TicketId::offline`].
    TicketId: u64;
    /// A number plate.
    Plate: u64;
    /// A gate's wish to let somebody in; the same when it asks again.
    RequestId: u64;
    /// A payment, as whoever moves the money calls it.
    PaymentId: u64;
    /// A reservation.
    ReservationId: u64;
}

impl TicketId {
    const OFFLINE: u64 = 1 << 63;

    /// The `number`th ticket that a gate issues by itself: never that of another gate, nor of the lot.
    pub const fn offline(gate: GateId, number: u64) -> TicketId {
        TicketId(TicketId::OFFLINE | (gate.0 as u64) << 40 | (number & ((1 << 40) - 1)))
    }

    /// Whether a gate issued it by itself.
    pub const fn is_offline(self) -> bool {
        self.0 & TicketId::OFFLINE != 0
    }
}
