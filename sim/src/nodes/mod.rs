//! The kinds of nodes: each file turns a state machine into a [`Node`]. Kinds are looked up in one table, so a new
//! one needs a file and a line; the cluster knows none of them.

mod alarm;
mod auth;
pub(crate) mod booking;
mod broken;
mod broken_jobs;
pub mod broker;
mod cache;
mod client;
pub mod config;
pub(crate) mod flags;
pub(crate) mod jobs;
pub(crate) mod lifts;
mod limit_store;
mod logging;
mod metrics;
pub mod notification;
mod optimistic_writer;
pub(crate) mod parking;
pub(crate) mod payments;
mod queue;
mod service;
mod setting_table;
mod settings;
mod store;
pub mod telemetry;
mod tokens;
mod upi;
mod versioned_store;

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

pub(crate) use client::{client, offered};

use crate::cluster::Node;
use crate::scenario::plan::{FlagServed, KindTraits, Plan, ServiceId};
use crate::scenario::{Around, KindsCheck};

/// A kind of service node that a scenario can name in `kind:`.
pub trait Kind {
    /// What is wrong with the settings of a service of this kind: key and message, empty if nothing is.
    fn check_settings(settings: &Map<String, Value>) -> Vec<(String, String)>;

    /// What is special about this kind.
    fn traits() -> KindTraits {
        KindTraits::default()
    }

    /// What is wrong with settings that are well in themselves, given what is around the service.
    fn check_around(_settings: &Map<String, Value>, _around: &Around<'_>) -> Vec<(String, String)> {
        Vec::new()
    }

    /// The flags that a service of this kind keeps for others, if that is what it is for.
    fn flags_served(_settings: &Map<String, Value>) -> Option<Vec<FlagServed>> {
        None
    }

    /// A replica of `service`. The settings were checked.
    fn build(service: ServiceId, replica: u32, plan: &Arc<Plan>) -> Box<dyn Node>;
}

type Check = fn(&Map<String, Value>) -> Vec<(String, String)>;
type Traits = fn() -> KindTraits;
type Served = fn(&Map<String, Value>) -> Option<Vec<FlagServed>>;
type CheckAround = fn(&Map<String, Value>, &Around<'_>) -> Vec<(String, String)>;
type Build = fn(ServiceId, u32, &Arc<Plan>) -> Box<dyn Node>;

#[derive(Clone)]
struct Entry {
    name: String,
    check: Check,
    traits: Traits,
    served: Served,
    check_around: CheckAround,
    build: Build,
}

/// The table of kinds.
#[derive(Clone)]
pub struct Kinds {
    entries: Arc<Vec<Entry>>,
}

impl Default for Kinds {
    /// The kinds that Foreshock brings along.
    fn default() -> Kinds {
        Kinds { entries: Arc::new(Vec::new()) }
            .with::<service::Service>("service")
            .with::<cache::CacheKind<{ cache::SOUND }>>("cache")
            .with::<limit_store::LimitStoreKind>("limit-store")
            .with::<versioned_store::VersionedStore>("versioned-store")
            .with::<optimistic_writer::OptimisticWriter>("optimistic-writer")
            .with::<metrics::Metrics>("metrics")
            .with::<jobs::JobSchedulerKind>("job-scheduler")
            .with::<jobs::JobWorkerKind>("job-worker")
            .with::<jobs::JobEnqueuerKind>("job-enqueuer")
            .with::<jobs::JobSinkKind>("job-sink")
            .with::<config::ConfigServer>("config-server")
            .with::<payments::PaymentClient>("payment-client")
            .with::<payments::Payments>("payments")
            .with::<payments::PaymentProvider<{ payments::SOUND }>>("payment-provider")
            .with::<upi::UpiSwitch>("upi-switch")
            .with::<upi::UpiBank<{ upi::SOUND }>>("upi-bank")
            .with::<upi::UpiPsp>("upi-psp")
            .with::<flags::FlagServer>("flag-server")
            .with::<auth::AuthServer<{ auth::SOUND }>>("auth-server")
            .with::<auth::AuthClient>("auth-client")
            .with::<auth::TokenVerifier<{ auth::SOUND_VERIFIER }>>("token-verifier")
            .with::<logging::LoggingService<{ logging::SOUND }>>("logging-service")
            .with::<logging::LogShipper<false>>("log-shipper")
            .with::<logging::LogStoreKind<{ logging::SOUND_STORE }>>("log-store")
            .with::<notification::Notifier<{ notification::SOUND }>>("notifier")
            .with::<notification::NotificationProvider>("notification-provider")
            .with::<notification::AlertRouter<{ notification::SOUND }>>("alert-router")
            .with::<booking::BoxOfficeKind<{ booking::SOUND }>>("box-office")
            .with::<booking::HotelKind>("hotel")
            .with::<booking::HotelChannelKind<false>>("hotel-channel")
            .with::<booking::WaitingRoomKind>("waiting-room")
            .with::<booking::SweeperKind>("booking-sweeper")
            .with::<broker::BrokerKind>("broker")
            .with::<broker::BrokerController<{ broker::SOUND }>>("broker-controller")
            .with::<broker::BrokerProducer>("broker-producer")
            .with::<broker::BrokerConsumer>("broker-consumer")
            .with::<queue::MessageQueue>("message-queue")
            .with::<queue::QueueConsumer>("queue-consumer")
            .with::<parking::ParkingLotKind<{ parking::SOUND }>>("parking-lot")
            .with::<parking::ParkingGateKind>("parking-gate")
            .with::<lifts::ElevatorBank<{ lifts::SOUND }>>("elevator-bank")
    }
}

impl Kinds {
    /// The table with one more kind; an earlier one of the same name is replaced.
    #[must_use]
    pub fn with<K: Kind>(self, name: &str) -> Kinds {
        let mut entries = Arc::unwrap_or_clone(self.entries);
        entries.retain(|entry| entry.name != name);
        entries.push(Entry {
            name: name.to_string(),
            check: K::check_settings,
            traits: K::traits,
            served: K::flags_served,
            check_around: K::check_around,
            build: K::build,
        });
        Kinds { entries: Arc::new(entries) }
    }

    /// The table with the kinds that break the laws on purpose: for scenarios that prove that they are caught.
    #[must_use]
    pub fn with_test_kinds(self) -> Kinds {
        let defects = payments::DEFECTS.map(|(name, _)| name);
        let config = config::DEFECTS.map(|(name, _)| name);
        let bookings = booking::DEFECTS.map(|(name, _)| name);
        let broker = broker::DEFECTS.map(|(name, _)| name);
        let queue = queue::DEFECTS.map(|(name, _)| name);
        self.with::<config::Defective<0>>(config[0])
            .with::<config::Defective<1>>(config[1])
            .with::<config::Defective<2>>(config[2])
            .with::<config::Defective<3>>(config[3])
            .with::<config::Defective<4>>(config[4])
            .with::<config::Defective<5>>(config[5])
            .with::<config::Defective<6>>(config[6])
            .with::<config::Naive>("test-naive-service")
            .with::<queue::Defective<0>>(queue[0])
            .with::<queue::Defective<1>>(queue[1])
            .with::<queue::Defective<2>>(queue[2])
            .with::<queue::Defective<3>>(queue[3])
            .with::<queue::Defective<4>>(queue[4])
            .with::<broker::Defective<0>>(broker[0])
            .with::<broker::Defective<1>>(broker[1])
            .with::<broker::Defective<2>>(broker[2])
            .with::<broker::Defective<3>>(broker[3])
            .with::<broker::Defective<4>>(broker[4])
            .with::<broker::Defective<5>>(broker[5])
            .with::<broker::Defective<6>>(broker[6])
            .with::<broker::BrokerController<{ broker::ELECTS_ANYBODY }>>(
                "test-elects-anybody-broker-controller",
            )
            .with::<broker::BrokerController<{ broker::IGNORES_GENERATION }>>(
                "test-unfenced-broker-controller",
            )
            .with::<broker::BrokerController<{ broker::ASSIGNS_TWICE }>>(
                "test-assigns-twice-broker-controller",
            )
            .with::<cache::CacheKind<{ cache::KEEPS_EXPIRED }>>("test-cache-keeps-expired")
            .with::<cache::CacheKind<{ cache::DEAF }>>("test-cache-deaf")
            .with::<payments::PaymentProvider<{ payments::PAYS_BACK_TWICE }>>("test-provider-pays-back-twice")
            .with::<payments::Defective<0>>(defects[0])
            .with::<payments::Defective<1>>(defects[1])
            .with::<payments::Defective<2>>(defects[2])
            .with::<payments::Defective<3>>(defects[3])
            .with::<payments::Defective<4>>(defects[4])
            .with::<payments::Defective<5>>(defects[5])
            .with::<payments::Defective<6>>(defects[6])
            .with::<booking::BoxOfficeKind<0>>(bookings[0])
            .with::<booking::BoxOfficeKind<1>>(bookings[1])
            .with::<booking::BoxOfficeKind<2>>(bookings[2])
            .with::<booking::HotelChannelKind<true>>("test-hotel-channel-keeps-money")
            .with::<upi::UpiBank<{ upi::FORGETFUL }>>("test-upi-bank-forgetful")
            .with::<upi::UpiBank<{ upi::GENEROUS }>>("test-upi-bank-generous")
            .with::<notification::Notifier<{ notification::SWALLOWS }>>("test-notifier-swallows")
            .with::<notification::Notifier<{ notification::IGNORES_OPT_OUTS }>>("test-notifier-pushy")
            .with::<notification::Notifier<{ notification::DIGESTS_AGAIN }>>("test-notifier-digests-again")
            .with::<notification::Notifier<{ notification::LOSES_WRITES }>>("test-notifier-loses-writes")
            .with::<notification::AlertRouter<{ notification::SWALLOWS }>>("test-alert-router-swallows")
            .with::<notification::AlertRouter<{ notification::LEAVES_IT_TO_OTHERS }>>(
                "test-alert-router-leaves-it-to-others",
            )
            .with::<parking::ParkingLotKind<{ parking::BELIEVES_GATES }>>("test-parking-lot-believes-gates")
            .with::<parking::ParkingLotKind<{ parking::CHARGES_AGAIN }>>("test-parking-lot-charges-again")
            .with::<parking::ParkingLotKind<{ parking::GIVES_KEPT_AWAY }>>("test-parking-lot-gives-kept-away")
            .with::<parking::ParkingLotKind<{ parking::FORGIVES_LOST }>>("test-parking-lot-forgives-lost")
            .with::<parking::ParkingLotKind<{ parking::HIDES_SENSORS }>>("test-parking-lot-hides-sensors")
            .with::<lifts::ElevatorBank<{ lifts::DELIVERS_EARLY }>>("test-elevator-bank-early")
            .with::<auth::AuthServer<{ auth::FORGIVES }>>("test-auth-forgives")
            .with::<auth::AuthServer<{ auth::UNGUARDED }>>("test-auth-unguarded")
            .with::<auth::AuthServer<{ auth::UNSYNCED }>>("test-auth-unsynced")
            .with::<auth::TokenVerifier<{ auth::LAX }>>("test-verifier-lax")
            .with::<auth::TokenVerifier<{ auth::DEAF }>>("test-verifier-deaf")
            .with::<auth::TokenVerifier<{ auth::PERMISSIVE }>>("test-verifier-permissive")
            .with::<logging::LoggingService<{ logging::FORGETS }>>("test-logging-forgets")
            .with::<logging::LoggingService<{ logging::GROWS }>>("test-logging-grows")
            .with::<logging::LoggingService<{ logging::HIDES }>>("test-logging-hides")
            .with::<logging::LoggingService<{ logging::HURRIES }>>("test-logging-hurries")
            .with::<logging::LoggingService<{ logging::LIES }>>("test-logging-lies")
            .with::<logging::LogShipper<true>>("test-log-shipper-hurries")
            .with::<logging::LogStoreKind<{ logging::TAKES_AGAIN }>>("test-log-store-takes-again")
            .with::<logging::LogStoreKind<{ logging::ANSWERS_EARLY }>>("test-log-store-answers-early")
            .with::<broken::AddressReader>("test-address")
            .with::<broken::Forgetful>("test-forgetful")
            .with::<broken::LeakyMetrics>("test-leaky-metrics")
            .with::<broken_jobs::Unfenced>("test-unfenced-scheduler")
            .with::<broken_jobs::Forgetful>("test-forgetful-scheduler")
            .with::<broken_jobs::Hasty>("test-hasty-scheduler")
            .with::<broken_jobs::Orderless>("test-orderless-scheduler")
            .with::<broken_jobs::Alone>("test-lone-enqueuer")
            .with::<broken_jobs::Doubling>("test-doubling-enqueuer")
            .with::<broken::BucketsByRequest>("test-flags-by-request")
            .with::<broken::BucketsAnew>("test-flags-reseeded")
    }

    fn entry(&self, kind: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == kind)
    }

    pub(crate) fn build(
        &self,
        kind: &str,
        service: ServiceId,
        replica: u32,
        plan: &Arc<Plan>,
    ) -> Box<dyn Node> {
        let entry = self.entry(kind);
        let build = entry.map(|entry| entry.build).expect("the plan's kinds were checked against this table");
        build(service, replica, plan)
    }
}

impl KindsCheck for Kinds {
    fn names(&self) -> Vec<String> {
        self.entries.iter().map(|entry| entry.name.clone()).collect()
    }

    fn check_settings(&self, kind: &str, settings: &Map<String, Value>) -> Vec<(String, String)> {
        match self.entry(kind) {
            Some(entry) => (entry.check)(settings),
            None => Vec::new(),
        }
    }

    fn check_around(
        &self,
        kind: &str,
        settings: &Map<String, Value>,
        around: &Around<'_>,
    ) -> Vec<(String, String)> {
        let entry = self.entry(kind);
        entry.map_or_else(Vec::new, |entry| (entry.check_around)(settings, around))
    }

    fn traits(&self, kind: &str) -> KindTraits {
        let entry = self.entry(kind);
        // That a kind is unknown is told elsewhere; nothing else is wrong with it.
        entry.map_or(KindTraits { has_admission: true, ..KindTraits::default() }, |entry| (entry.traits)())
    }

    fn flags_served(&self, kind: &str, settings: &Map<String, Value>) -> Option<Vec<FlagServed>> {
        let entry = self.entry(kind)?;
        (entry.served)(settings)
    }
}

impl fmt::Debug for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries.iter().map(|entry| &entry.name)).finish()
    }
}
