//! Kind `parking-lot`: the library's lot behind a service's line and workers, and beside it a list of who stands where
//! that the lot does not see: by it double use of a spot is noticed, whatever the lot believes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use foreshock_systems::parking_lot::{
    Allocation, Finding, FullestLevel, Gate as LotGate, GateId, Input, NearestToGate, OfflineEntry,
    OfflineEvent, Output, ParkingLot, PaymentId, Phase, Plate, Rejected, RequestId, ReservationId, SpotClass,
    SpotId, TicketId, VehicleKind, Who,
};

use super::closures::Closures;
use super::sensors::Sensors;
use super::settings::{self, Chooses, LotSettings};
use super::sign;
use super::wire::{Ask, Look};
use super::{
    BELIEVES_GATES, CHARGES_AGAIN, FORGIVES_LOST, GIVES_KEPT_AWAY, HIDES_SENSORS, gates_of, invariant,
};
use crate::cluster::{Cx, Durable, Probes, Ref, Request};
use crate::kernel::time::Time;
use crate::nodes::service::{Answered, Behaviour, Verdict, Woken};
use crate::nodes::store::{AnyStore, Fallen};
use crate::scenario::plan::{Party, Plan, ServiceId, ServicePlan};

pub(super) struct Lot {
    settings: LotSettings,
    gates: Vec<ServiceId>,
    defect: u8,
    /// `None` while the process is down.
    lot: Option<ParkingLot<AnyStore>>,
    fallen: Option<Fallen>,
    /// Who stands where, as a person who walks through the lot would see it. Outlives the process.
    standing: BTreeMap<SpotId, TicketId>,
    /// The same, by ticket.
    places: BTreeMap<TicketId, SpotId>,
    /// Spots on which somebody has come or gone since the sensors were asked.
    moved: Vec<SpotId>,
    sensors: Sensors,
    closures: Closures,
    /// Cars on each level, and the most levels on which there were any.
    on_level: Vec<u32>,
    levels_lit_max: u64,
    /// Spots that the lot has said are kept, and for whom.
    kept: BTreeMap<SpotId, ReservationId>,
    /// Stays whose tickets are lost.
    lost: BTreeSet<TicketId>,
    /// What was set aside for each gate, in the order in which it was told.
    allotted: BTreeMap<GateId, Vec<SpotId>>,
    /// Whom a gate is telling of just now.
    unseen: Option<TicketId>,
    /// Departures that were booked, by ticket, of a lot that books them again.
    again_minor: u64,
    out: Vec<Output>,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    refused: u64,
    repeated: u64,
    owed_more: u64,
    findings: u64,
    parked_max: u64,
    restarts: u64,
    double_use: u64,
    reserved_out: u64,
    broken_promises: u64,
    lost_tickets: u64,
    sensor_findings: u64,
    refused_early: u64,
}

const PAYMENT_BITS: u32 = 8;

impl Lot {
    pub(super) fn new(service: ServiceId, plan: &Arc<Plan>, defect: u8) -> Lot {
        let gates = gates_of(plan, service);
        let mut settings = read(&plan.services[service.index()]);
        settings.config.gates = places_of(&gates, plan);
        let mut sensors = Sensors::default();
        sensors.follow(&settings);
        let mut closures = Closures::default();
        closures.follow(&settings);
        Lot {
            on_level: vec![0; settings.config.levels.len()],
            levels_lit_max: 0,
            closures,
            settings,
            gates,
            defect,
            lot: None,
            fallen: None,
            standing: BTreeMap::new(),
            places: BTreeMap::new(),
            moved: Vec::new(),
            sensors,
            kept: BTreeMap::new(),
            lost: BTreeSet::new(),
            allotted: BTreeMap::new(),
            unseen: None,
            again_minor: 0,
            out: Vec::new(),
            counts: Counts::default(),
        }
    }

    fn gate_of(&self, request: &Request, cx: &Cx<'_>) -> Option<GateId> {
        let Party::Service(caller) = cx.plan().edges[request.edge.index()].caller else { return None };
        let at = self.gates.iter().position(|gate| *gate == caller)?;
        Some(GateId(at as u16))
    }

    fn do_all(&mut self, request: &Request, gate: GateId, ask: Ask, cx: &mut Cx<'_>) -> Verdict {
        let now = cx.local_time();
        let Some(lot) = &mut self.lot else { return Verdict::Fail };
        lot.expire(now, &mut self.out);
        self.tell_of_sensors(now);
        self.close_spots(now);
        let Some(lot) = &mut self.lot else { return Verdict::Fail };
        let key = request.key;
        let vehicle = |look: Look| look.with(Plate(key));
        let done = match ask {
            Ask::Look { look } => return self.look(look.kind),
            Ask::Sign => {
                let full = VehicleKind::ALL.into_iter().filter(|kind| lot.sign(*kind));
                let value = full.map(sign::bit).sum();
                return Verdict::Answer(Answered { missed: false, value });
            }
            Ask::Enter { wanted, .. } if wanted > 0 && self.defect == BELIEVES_GATES => {
                return self.believe(SpotId(wanted as u32 - 1), TicketId(key), cx);
            }
            Ask::Enter { look, .. } => {
                let enter = Input::Enter { gate, vehicle: vehicle(look), request: RequestId(key) };
                let done = lot.handle(now, enter.clone(), &mut self.out);
                match self.kept.values().next() {
                    Some(reservation) if self.defect == GIVES_KEPT_AWAY && done == Err(Rejected::Full) => {
                        let cancel = Input::CancelReservation { reservation: *reservation };
                        let _ = lot.handle(now, cancel, &mut self.out);
                        lot.handle(now, enter, &mut self.out)
                    }
                    Some(_) | None => done,
                }
            }
            Ask::Reserve { look, from_ns, until_ns } => {
                let (from, until) = (Time::from_nanos(from_ns), Time::from_nanos(until_ns));
                let reservation = ReservationId(key);
                let reserve = Input::Reserve { reservation, vehicle: vehicle(look), from, until };
                lot.handle(now, reserve, &mut self.out)
            }
            Ask::Lost => return self.lost(now, Plate(key), cx),
            Ask::Entered => lot.handle(now, Input::Entered { ticket: TicketId(key) }, &mut self.out),
            Ask::Quote => lot.handle(now, Input::Quote { who: Who::Ticket(TicketId(key)) }, &mut self.out),
            Ask::Leave { minor, quoted_at_ns, payment } => {
                return self.leave(
                    now,
                    gate,
                    TicketId(key),
                    (payment, minor),
                    Time::from_nanos(quoted_at_ns),
                    cx,
                );
            }
            Ask::Allot { count } => {
                let allot = Input::Allot { gate, class: SpotClass::Compact, count };
                lot.handle(now, allot, &mut self.out)
            }
            Ask::CameIn { entry, at_ns, ticket, spot, look } => {
                let spots = self.allotted.get(&gate);
                let spot = spot.checked_sub(1).and_then(|place| spots?.get(place as usize).copied());
                let ticket = TicketId::offline(gate, u64::from(ticket));
                let event = OfflineEvent::Entered { ticket, vehicle: vehicle(look), spot };
                self.unseen = Some(ticket);
                lot.handle(now, told(gate, entry, at_ns, event), &mut self.out)
            }
            Ask::WentOut { entry, at_ns, minor } => {
                let event = OfflineEvent::Left { ticket: TicketId(key), charged_minor: minor };
                lot.handle(now, told(gate, entry, at_ns, event), &mut self.out)
            }
        };
        let value = self.look_at_outputs(cx);
        if let (Ask::Enter { look, .. }, Err(Rejected::Full)) = (ask, &done) {
            self.was_full(look, ReservationId(key), cx);
        }
        self.verdict(done, value)
    }

    /// A car was refused: whether it had been promised a spot, and whether one is free that a sensor hides.
    fn was_full(&mut self, look: Look, reservation: ReservationId, cx: &mut Cx<'_>) {
        if let Some((spot, _)) = self.kept.iter().find(|(_, kept)| **kept == reservation) {
            let witness = format!("car {} was refused, and spot {} was kept for it", reservation.0, spot.0);
            cx.violation(invariant::PROMISES, witness);
        }
        let Some(lot) = self.lot.as_ref().filter(|_| self.settings.config.trust_sensors) else { return };
        let class = look.with(Plate(0)).classes()[0];
        let count = lot.count(class);
        self.counts.refused_early += u64::from(count.free > count.held + count.allotted);
    }

    /// The ticket of a car is found by its plate, and printed again.
    fn lost(&mut self, now: Time, plate: Plate, cx: &mut Cx<'_>) -> Verdict {
        let Some(lot) = &mut self.lot else { return Verdict::Fail };
        let ticket = lot.ticket_of(plate);
        let mut done = ticket.map(|_| ()).ok_or(Rejected::NoSuchTicket);
        if done.is_ok() && self.defect != FORGIVES_LOST {
            done = lot.handle(now, Input::DeclareLost { plate }, &mut self.out);
        }
        if let Some(ticket) = ticket.filter(|_| done.is_ok()) {
            self.counts.lost_tickets += u64::from(self.lost.insert(ticket));
        }
        self.look_at_outputs(cx);
        self.verdict(done, ticket.map_or(0, |ticket| ticket.0))
    }

    fn verdict(&mut self, done: Result<(), Rejected>, value: u64) -> Verdict {
        match done {
            Ok(()) => Verdict::Answer(Answered { missed: false, value }),
            Err(Rejected::Full) => {
                self.counts.refused += 1;
                Verdict::Answer(Answered { missed: true, value: 0 })
            }
            Err(Rejected::Owes { due_minor }) => {
                self.counts.owed_more += 1;
                Verdict::Answer(Answered { missed: true, value: due_minor })
            }
            Err(Rejected::ReservedOut) => {
                self.counts.reserved_out += 1;
                Verdict::Answer(Answered { missed: true, value: 0 })
            }
            Err(_) => {
                self.counts.repeated += 1;
                Verdict::Answer(Answered { missed: true, value: 0 })
            }
        }
    }

    /// Which spot is free just now; by the time of the next request it may not be.
    fn look(&self, kind: VehicleKind) -> Verdict {
        let free = self.lot.as_ref().is_some_and(|lot| !lot.is_full(kind));
        let spots: u32 = self.settings.config.levels.iter().flat_map(|level| level.spots).sum();
        let first = (0..spots).map(SpotId).find(|spot| !self.standing.contains_key(spot));
        let value = first.filter(|_| free).map_or(0, |spot| u64::from(spot.0) + 1);
        Verdict::Answer(Answered { missed: value == 0, value })
    }

    /// The defect: whoever saw the spot free gets it.
    fn believe(&mut self, spot: SpotId, ticket: TicketId, cx: &mut Cx<'_>) -> Verdict {
        self.stands(spot, ticket, cx);
        Verdict::Answer(Answered { missed: false, value: ticket.0 })
    }

    fn leave(
        &mut self,
        now: Time,
        gate: GateId,
        ticket: TicketId,
        (payment, minor): (u32, u64),
        quoted_at: Time,
        cx: &mut Cx<'_>,
    ) -> Verdict {
        let Some(lot) = &mut self.lot else { return Verdict::Fail };
        let has_left = lot.ticket(ticket).is_some_and(|ticket| matches!(ticket.phase, Phase::Left { .. }));
        if has_left && self.defect == CHARGES_AGAIN {
            self.again_minor += minor;
        }
        let mut done = Ok(());
        if minor > 0 {
            let payment = PaymentId(ticket.0 << PAYMENT_BITS | u64::from(payment) & 0xFF);
            done = lot.handle(now, Input::Pay { ticket, payment, minor, quoted_at }, &mut self.out);
        }
        if done.is_ok() {
            done = lot.handle(now, Input::Exit { gate, who: Who::Ticket(ticket) }, &mut self.out);
        }
        let value = self.look_at_outputs(cx);
        self.verdict(done, value)
    }

    /// Follows what the lot has said, and looks at its books. What is answered, if anything is, is a number.
    fn look_at_outputs(&mut self, cx: &mut Cx<'_>) -> u64 {
        let (now, mut value) = (cx.local_time(), 0);
        while !self.out.is_empty() {
            for output in std::mem::take(&mut self.out) {
                if let Some(said) = self.look_at(output, now, cx) {
                    value = said;
                }
            }
            let Some(lot) = &mut self.lot else { return value };
            for spot in std::mem::take(&mut self.moved) {
                let says = self.sensors.says(spot, self.standing.contains_key(&spot));
                // Of a spot that is there: nothing can be wrong with it.
                says.into_iter().for_each(|says| _ = lot.handle(now, says, &mut self.out));
            }
        }
        self.look_at_books(now, cx);
        value
    }

    fn look_at(&mut self, output: Output, now: Time, cx: &mut Cx<'_>) -> Option<u64> {
        match output {
            Output::Admitted { ticket, spot, .. } => {
                if let Some(spot) = spot {
                    self.stands(spot, ticket, cx);
                }
                return Some(ticket.0);
            }
            Output::Released { ticket } => self.goes(ticket),
            Output::Left { ticket, charged_minor } => {
                self.goes(ticket);
                let flat_minor = self.settings.config.tariff.lost_minor;
                if self.lost.remove(&ticket) && charged_minor < flat_minor {
                    let witness = format!(
                        "{} left for {charged_minor} without a ticket, which costs {flat_minor}",
                        ticket.0
                    );
                    cx.violation(invariant::BOOKS, witness);
                }
                return Some(charged_minor);
            }
            Output::Quoted { due_minor, .. } => return Some(due_minor),
            Output::Allotted { gate, spots } => {
                let count = spots.len() as u64;
                self.allotted.insert(gate, spots);
                return Some(count);
            }
            Output::Reconciled { up_to, .. } => {
                self.walk_through(cx);
                return Some(up_to);
            }
            Output::Kept { reservation, spot } => _ = self.kept.insert(spot, reservation),
            Output::Lapsed { reservation } => self.kept.retain(|_, kept| *kept != reservation),
            Output::Found(finding) => self.found(&finding, now),
            Output::Paid { .. } | Output::Refund { .. } | Output::Sign { .. } | Output::Reserved { .. } => {}
        }
        None
    }

    fn found(&mut self, finding: &Finding, now: Time) {
        match finding {
            Finding::Sensor { .. } if self.defect == HIDES_SENSORS => return,
            Finding::Sensor { spot, .. } => {
                self.counts.sensor_findings += 1;
                self.sensors.found(now, *spot);
            }
            Finding::BrokenReservation { .. } => self.counts.broken_promises += 1,
            Finding::Overstay { .. }
            | Finding::Unknown { .. }
            | Finding::LeftUnseen { .. }
            | Finding::Excess { .. } => {}
        }
        self.counts.findings += 1;
    }

    fn look_at_books(&mut self, now: Time, cx: &mut Cx<'_>) {
        let Some(lot) = &self.lot else { return };
        self.counts.parked_max = self.counts.parked_max.max(lot.live());
        if let Err(violation) = lot.audit() {
            cx.violation(invariant::BOOKS, violation.to_string());
        }
        if self.again_minor > 0 {
            let charged = lot.totals().charged_minor;
            let witness = format!(
                "{} were charged, {charged} by what was told once",
                charged.saturating_add(self.again_minor)
            );
            cx.violation(invariant::BOOKS, witness);
        }
        if let Some(spot) = self.sensors.unnamed(now, |spot| self.standing.contains_key(&spot)) {
            let witness = format!("the sensor of spot {} lies for longer than the window, unnamed", spot.0);
            cx.violation(invariant::SENSORS, witness);
        }
    }

    /// After a gate has told what it did, the lot is walked through: where no ticket is live nobody stands, and who came
    /// in unseen stands where the books say.
    fn walk_through(&mut self, cx: &mut Cx<'_>) {
        let Some(lot) = &self.lot else { return };
        let is_over = |ticket: &TicketId| lot.ticket(*ticket).is_none_or(|ticket| !ticket.is_live());
        let gone: Vec<TicketId> = self.places.keys().copied().filter(is_over).collect();
        let ticket = self.unseen.take().and_then(|ticket| lot.ticket(ticket));
        let stays =
            ticket.filter(|ticket| ticket.is_live()).and_then(|ticket| Some((ticket.id, ticket.spot?)));
        gone.into_iter().for_each(|ticket| self.goes(ticket));
        stays.into_iter().for_each(|(ticket, spot)| self.stands(spot, ticket, cx));
    }

    /// Sensors that have stuck or were repaired by a change of the settings.
    fn tell_of_sensors(&mut self, now: Time) {
        let Some(lot) = &mut self.lot else { return };
        for news in self.sensors.news() {
            // Of a spot that is there: nothing can be wrong with it.
            let _ = lot.handle(now, news, &mut self.out);
        }
    }

    /// Spots that are to be out of service are closed as soon as nobody stands there, and opened when they are not.
    fn close_spots(&mut self, now: Time) {
        let Some(lot) = &mut self.lot else { return };
        for (spot, is_open) in self.closures.to_do() {
            let done = lot.handle(now, Input::Service { spot, is_open }, &mut self.out);
            if done.is_ok() {
                self.closures.was_done(spot, is_open);
            }
        }
    }

    fn level_of(&self, spot: SpotId) -> usize {
        // All levels are like the first one.
        let spots: u32 = self.settings.config.levels.first().map_or(0, |level| level.spots.iter().sum());
        let level = spot.0.checked_div(spots).unwrap_or(0) as usize;
        level.min(self.on_level.len().saturating_sub(1))
    }

    fn count_on_level(&mut self, spot: SpotId, has_come: bool) {
        let level = self.level_of(spot);
        let Some(cars) = self.on_level.get_mut(level) else { return };
        *cars = if has_come { *cars + 1 } else { cars.saturating_sub(1) };
        let lit = self.on_level.iter().filter(|cars| **cars > 0).count() as u64;
        self.levels_lit_max = self.levels_lit_max.max(lit);
    }

    /// Who stood there with this ticket does so no more.
    fn goes(&mut self, ticket: TicketId) {
        if let Some(spot) = self.places.remove(&ticket)
            && self.standing.get(&spot) == Some(&ticket)
        {
            self.standing.remove(&spot);
            self.count_on_level(spot, false);
            self.moved.push(spot);
        }
    }

    fn stands(&mut self, spot: SpotId, ticket: TicketId, cx: &mut Cx<'_>) {
        self.places.insert(ticket, spot);
        self.moved.push(spot);
        if let Some(reservation) = self.kept.remove(&spot) {
            let stay = self.lot.as_ref().and_then(|lot| lot.ticket(ticket));
            if let Some(stay) = stay.filter(|stay| stay.vehicle.plate.0 != reservation.0) {
                let (plate, kept_for) = (stay.vehicle.plate.0, reservation.0);
                let witness = format!("spot {} was kept for {kept_for} and given to {plate}", spot.0);
                cx.violation(invariant::PROMISES, witness);
            }
        }
        let before = self.standing.insert(spot, ticket);
        if before.is_none() {
            self.count_on_level(spot, true);
        }
        match before {
            Some(other) if other != ticket => {
                self.counts.double_use += 1;
                let witness =
                    format!("spot {} was given to {} while {} stood on it", spot.0, ticket.0, other.0);
                cx.violation(invariant::SPOT_ONCE, witness);
            }
            Some(_) | None => {}
        }
    }
}

fn told(gate: GateId, entry: u32, at_ns: u64, event: OfflineEvent) -> Input {
    let entry = OfflineEntry { number: u64::from(entry), at: Time::from_nanos(at_ns), event };
    Input::Reconcile { gate, entries: vec![entry] }
}

/// To which level each gate leads; a lot without gates has one that nobody uses.
fn places_of(gates: &[ServiceId], plan: &Plan) -> Vec<LotGate> {
    let level = |gate: &ServiceId| {
        let read = settings::gate(&plan.services[gate.index()].settings);
        LotGate { level: read.map_or(0, |gate| gate.level) }
    };
    match gates {
        [] => vec![LotGate { level: 0 }],
        gates => gates.iter().map(level).collect(),
    }
}

fn allocation(settings: &LotSettings) -> Box<dyn Allocation + Send> {
    match settings.chooses {
        None | Some(Chooses::Nearest) => Box::new(NearestToGate),
        Some(Chooses::FullestLevel) => Box::new(FullestLevel),
    }
}

fn read(plan: &ServicePlan) -> LotSettings {
    settings::lot(&plan.settings).expect("the plan's settings were checked")
}

impl Behaviour for Lot {
    fn answer(&mut self, request: &Request, _job: Ref, cx: &mut Cx<'_>) -> Verdict {
        match (self.gate_of(request, cx), Ask::of(request.arguments)) {
            (Some(gate), Some(ask)) => self.do_all(request, gate, ask, cx),
            _ => Verdict::Fail,
        }
    }

    fn start(&mut self, cx: &mut Cx<'_>) {
        let disk = self.fallen.take().and_then(|fallen| fallen.disk(self.counts.restarts, cx));
        let store = AnyStore::open(self.settings.store, disk);
        let lot = ParkingLot::open(self.settings.config.clone(), store);
        let lot = lot.expect("the plan's settings were checked");
        self.lot = Some(lot.with_allocation(allocation(&self.settings)));
        self.sensors.begin_again();
        self.closures.begin_again();
        self.tell_of_sensors(cx.local_time());
        self.close_spots(cx.local_time());
        self.moved.extend(self.standing.keys());
        self.look_at_outputs(cx);
    }

    fn crash(&mut self, keep: Durable) {
        self.fallen = self.lot.take().map(|lot| lot.into_store().fallen(keep));
        self.out.clear();
        self.counts.restarts += 1;
    }

    fn reconfigure(&mut self, plan: &ServicePlan) {
        let gates = std::mem::take(&mut self.settings.config.gates);
        self.settings = read(plan);
        self.settings.config.gates = gates;
        self.sensors.follow(&self.settings);
        self.closures.follow(&self.settings);
        self.lot = self.lot.take().map(|lot| {
            let mut lot = lot.with_allocation(allocation(&self.settings));
            // The plan's settings were checked.
            let _ = lot.set_rules(self.settings.config.clone());
            lot
        });
    }

    fn deadline(&self) -> Option<Time> {
        let lot = self.lot.as_ref()?;
        [lot.deadline(), self.sensors.deadline()].into_iter().flatten().min()
    }

    fn expire(&mut self, local: Time, cx: &mut Cx<'_>) -> Option<Woken> {
        if let Some(lot) = &mut self.lot {
            lot.expire(local, &mut self.out);
            for spot in self.sensors.visited(local) {
                let is_occupied = self.standing.contains_key(&spot);
                self.sensors.was_seen(spot, is_occupied);
                // Of a spot that is there: nothing can be wrong with it.
                let _ = lot.handle(local, Input::Inspected { spot, is_occupied }, &mut self.out);
            }
        }
        self.tell_of_sensors(local);
        self.close_spots(local);
        self.look_at_outputs(cx);
        None
    }

    fn probe(&self, out: &mut Probes) {
        let counts = &self.counts;
        out.counts.extend([
            ("refused", counts.refused),
            ("repeated", counts.repeated),
            ("owed_more", counts.owed_more),
            ("findings", counts.findings),
            ("double_use", counts.double_use),
        ]);
        if counts.restarts > 0 {
            out.counts.insert("restarts", counts.restarts);
        }
        out.maxima.insert("parked_max", counts.parked_max);
        if self.settings.chooses.is_some() {
            out.maxima.insert("levels_lit_max", self.levels_lit_max);
        }
        if self.closures.closed_max() > 0 {
            out.maxima.insert("out_of_service_max", self.closures.closed_max());
        }
        let Some(lot) = &self.lot else { return };
        let totals = lot.totals();
        if totals.reserved + counts.reserved_out > 0 {
            out.counts.extend([
                ("promised", totals.reserved),
                ("honoured", totals.honoured),
                ("lapsed", totals.lapsed),
                ("reserved_out", counts.reserved_out),
                ("broken_promises", counts.broken_promises),
            ]);
        }
        if counts.lost_tickets > 0 {
            out.counts.insert("lost_tickets", counts.lost_tickets);
        }
        if self.settings.has_sensors {
            out.counts.insert("sensor_findings", counts.sensor_findings);
            out.counts.insert("refused_early", counts.refused_early);
        }
        out.counts.extend([
            ("admitted", totals.admitted),
            ("left", totals.left),
            ("released", totals.released),
            ("excess", totals.excess),
            ("parked", lot.live()),
            ("received_minor", totals.received_minor),
            ("refunded_minor", totals.refunded_minor),
            ("charged_minor", totals.charged_minor),
        ]);
    }
}
