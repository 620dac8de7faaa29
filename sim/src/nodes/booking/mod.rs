//! Bookings: kinds `box-office` and `hotel` sell seats and nights to whoever comes, kind `waiting-room` stands in front of
//! a sale, kind `booking-sweeper` ends holds that are over. Money is asked for at a `payment-provider`.

mod books;
mod channel;
mod flow;
mod front;
mod nights;
mod selling;
mod settings;
mod sweeper;
mod terms;
mod tickets;
mod view;
mod waiting;

use std::sync::Arc;

use serde_json::{Map, Value};

use self::nights::Nights;
use self::selling::{Defect, Selling};
use self::tickets::Tickets;
use super::{Kind, service};
use crate::cluster::Node;
use crate::scenario::Around;
use crate::scenario::plan::{KindTraits, Plan, ServiceId, ServicePlan};

fn traits_of_one() -> KindTraits {
    KindTraits { calls_itself: true, most_replicas: Some(1), ..service::traits() }
}

fn office_settings(plan: &ServicePlan) -> settings::DeskSettings {
    settings::box_office(&plan.settings).expect("the plan's settings were checked")
}

fn hotel_settings(plan: &ServicePlan) -> settings::DeskSettings {
    settings::hotel(&plan.settings).expect("the plan's settings were checked")
}

/// Kind `box-office`, with a defect of the table or without one.
pub(super) struct BoxOfficeKind<const DEFECT: usize>;

/// Without a defect.
pub(super) const SOUND: usize = usize::MAX;

/// Every defect there is, with the name of the kind that has it.
pub(super) const DEFECTS: [(&str, Defect); 3] = [
    ("test-box-office-refunds-twice", Defect::RefundsTwice),
    ("test-box-office-confirms-holds", Defect::ConfirmsHolds),
    ("test-box-office-loses-writes", Defect::LosesWrites),
];

impl<const DEFECT: usize> Kind for BoxOfficeKind<DEFECT> {
    fn check_settings(written: &Map<String, Value>) -> Vec<(String, String)> {
        settings::box_office(written).err().unwrap_or_default()
    }

    fn traits() -> KindTraits {
        traits_of_one()
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        let own = &plan.services[service.index()];
        let edge = selling::provider_edge(plan, service);
        let defect = DEFECTS.get(DEFECT).map(|(_, defect)| *defect);
        let behaviour = Selling::<Tickets>::new(own, edge, office_settings, defect);
        service::node(service, plan, behaviour)
    }
}

/// Kind `hotel`.
pub(super) struct HotelKind;

impl Kind for HotelKind {
    fn check_settings(written: &Map<String, Value>) -> Vec<(String, String)> {
        settings::hotel(written).err().unwrap_or_default()
    }

    fn traits() -> KindTraits {
        traits_of_one()
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        let own = &plan.services[service.index()];
        let edge = selling::provider_edge(plan, service);
        service::node(service, plan, Selling::<Nights>::new(own, edge, hotel_settings, None))
    }
}

/// What holds in every run with agencies.
pub(crate) mod invariant {
    /// What agencies keep of their guests' money is what their stays cost.
    pub(crate) const CHANNELS: &str = "channels_agree";
}

/// Kind `hotel-channel`; it keeps the money of guests whom it calls off, or gives it back as it should.
pub(super) struct HotelChannelKind<const KEEPS_MONEY: bool>;

impl<const KEEPS_MONEY: bool> Kind for HotelChannelKind<KEEPS_MONEY> {
    fn check_settings(written: &Map<String, Value>) -> Vec<(String, String)> {
        settings::agency(written).err().unwrap_or_default()
    }

    fn check_around(written: &Map<String, Value>, around: &Around<'_>) -> Vec<(String, String)> {
        channel::check_around(written, around.callees.first().copied())
    }

    fn traits() -> KindTraits {
        KindTraits { needs_calls: true, ..traits_of_one() }
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        service::node(service, plan, channel::Agency::new(service, plan, KEEPS_MONEY))
    }
}

/// Kind `waiting-room`.
pub(super) struct WaitingRoomKind;

impl Kind for WaitingRoomKind {
    fn check_settings(written: &Map<String, Value>) -> Vec<(String, String)> {
        settings::waiting_room(written).err().unwrap_or_default()
    }

    fn traits() -> KindTraits {
        KindTraits { most_replicas: Some(1), ..service::traits() }
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        service::node(service, plan, waiting::Waiting::new(service, plan))
    }
}

/// Kind `booking-sweeper`.
pub(super) struct SweeperKind;

impl Kind for SweeperKind {
    fn check_settings(written: &Map<String, Value>) -> Vec<(String, String)> {
        settings::sweeper(written).err().unwrap_or_default()
    }

    fn traits() -> KindTraits {
        KindTraits { calls_itself: true, ..service::traits() }
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        service::node(service, plan, sweeper::Sweeper::new(service, plan))
    }
}
