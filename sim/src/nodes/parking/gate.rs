//! Kind `parking-gate`: each request is a car that wants in, and is answered when the barrier opens or stays shut. The
//! car leaves by itself when its stay is over. While the lot does not answer, the gate goes by its own rule, writes down
//! what it does, and tells the lot later.

use std::collections::BTreeSet;
use std::sync::Arc;

use foreshock_systems::parking_lot::{
    GateId, OfflineEvent, OfflineGate, OfflinePolicy, Plate, SpotId, TicketId, Vehicle, VehicleKind,
};

use super::gates_of;
use super::settings::{self, GateSettings};
use super::sign::{SIGNS, Sign};
use super::wire::{Ask, Look};
use crate::cluster::{CallSpec, Cx, Done, Durable, Probes, Ref, Request, Slab};
use crate::kernel::draw::{Key, Lineage, Sampler, below, chance_ppm, name_hash};
use crate::kernel::time::{Span, Time};
use crate::measure::OutcomeKind;
use crate::nodes::payments::calls_of;
use crate::nodes::service::{Answered, Behaviour, Verdict, Woken};
use crate::scenario::plan::{EdgeId, Plan, ServiceId, ServicePlan};

/// How far a car is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Wants a spot from this instant on, and is not there yet.
    Booking {
        from: Time,
    },
    /// Has one, and comes later.
    Booked,
    Looking,
    Entering {
        wanted: u64,
    },
    /// Through the barrier; the lot does not know yet.
    Confirming,
    Parked,
    /// Cannot find its ticket.
    Losing,
    Quoting,
    Leaving {
        minor: u64,
        quoted_at: Time,
        payment: u32,
    },
}

struct Car {
    request: Request,
    /// Until the barrier is decided.
    job: Option<Ref>,
    stage: Stage,
    vehicle: Vehicle,
    ticket: TicketId,
    entered_at: Time,
    has_booked: bool,
    questions: u32,
}

#[derive(Default)]
struct Counts {
    came: u64,
    admitted: u64,
    turned_away: u64,
    admitted_offline: u64,
    refused_offline: u64,
    left: u64,
    left_offline: u64,
    unsettled: u64,
    taken_minor: u64,
    booked: u64,
    bookings_refused: u64,
    no_shows: u64,
    came_booked: u64,
    turned_away_booked: u64,
    lost_tickets: u64,
    permits: u64,
}

/// What chance decides about each car.
struct Draws {
    stay: Key,
    arrival: Key,
    no_show: Key,
    lost: Key,
    permit: Key,
}

pub(super) struct Gate {
    settings: GateSettings,
    stays: Sampler,
    edge: EdgeId,
    /// Printer and card: outlives the process.
    memory: OfflineGate,
    /// Cars in the lot and before the barrier. Those inside stay there, whatever becomes of the gate's process.
    cars: Slab<Car>,
    pauses: BTreeSet<(Time, Ref)>,
    /// The entry that the lot is being told.
    telling: Option<u64>,
    tell_at: Option<Time>,
    wants_allotment: bool,
    told: u32,
    sign: Sign,
    draws: Option<Draws>,
    name: u64,
    counts: Counts,
}

/// Tokens of calls that are about no car.
const TELLS: u64 = u64::MAX;
const ALLOTS: u64 = u64::MAX - 1;

impl Gate {
    pub(super) fn new(service: ServiceId, plan: &Arc<Plan>) -> Gate {
        let own = &plan.services[service.index()];
        let settings = read(own);
        let edge = calls_of(plan, service)[0];
        let lot = plan.edges[edge.index()].callee;
        let place = gates_of(plan, lot).iter().position(|gate| *gate == service).unwrap_or(0);
        // What is printed on the gate: the lot's own tariff. Whoever calls something else charges by the hour.
        let tariff = settings::lot(&plan.services[lot.index()].settings).map(|lot| lot.config.tariff);
        let tariff = tariff.unwrap_or_else(|_| foreshock_systems::parking_lot::Tariff::hourly(0));
        Gate {
            stays: settings::sampler(&settings),
            memory: OfflineGate::new(GateId(place as u16), settings.offline, tariff),
            wants_allotment: settings.allotment > 0,
            settings,
            edge,
            cars: Slab::new(),
            pauses: BTreeSet::new(),
            telling: None,
            tell_at: None,
            told: 0,
            sign: Sign::default(),
            draws: None,
            name: name_hash(&own.name),
            counts: Counts::default(),
        }
    }

    fn has_permit(&self, request: &Request, cx: &Cx<'_>) -> bool {
        let identity = cx.redrawn(request.lineage.raw());
        let word = self.draws.as_ref().map(|draws| draws.permit.draw(identity));
        word.is_some_and(|word| chance_ppm(word, self.settings.permits))
    }

    fn ask(&mut self, at: Ref, cx: &mut Cx<'_>) {
        let Some(car) = self.cars.get_mut(at) else { return };
        let look = Look::of(&car.vehicle);
        let (ask, key) = match car.stage {
            Stage::Looking => (Ask::Look { look }, car.vehicle.plate.0),
            Stage::Entering { wanted } => (Ask::Enter { look, wanted }, car.vehicle.plate.0),
            Stage::Confirming => (Ask::Entered, car.ticket.0),
            Stage::Quoting => (Ask::Quote, car.ticket.0),
            Stage::Leaving { minor, quoted_at, payment } => {
                (Ask::Leave { minor, quoted_at_ns: quoted_at.as_nanos(), payment }, car.ticket.0)
            }
            Stage::Booking { from } => {
                let stay = self.draws.as_ref().map(|draws| {
                    self.stays.sample(draws.stay, cx.redrawn(car.vehicle.plate.0)).max(Span::from_secs(1))
                });
                let until = from + stay.unwrap_or(self.settings.stay);
                (
                    Ask::Reserve { look, from_ns: from.as_nanos(), until_ns: until.as_nanos() },
                    car.vehicle.plate.0,
                )
            }
            Stage::Losing => (Ask::Lost, car.vehicle.plate.0),
            Stage::Parked | Stage::Booked => return,
        };
        car.questions += 1;
        let is_waited_for = car.job.is_some();
        let spec = CallSpec {
            load: car.request.load,
            operation: car.request.operation,
            key,
            arguments: ask.arguments(),
            priority: car.request.priority,
            traced: if is_waited_for { car.request.traced } else { 0 },
            token: at.pack(),
            ..CallSpec::of_its_own(
                self.edge,
                car.request.lineage.call(name_hash("parking"), car.questions),
                cx.now(),
            )
        };
        cx.call(spec, Ref::NONE);
    }

    fn pause(&mut self, at: Ref, cx: &Cx<'_>) {
        self.pauses.insert((cx.local_time() + self.settings.tell_every, at));
    }

    /// The barrier opens.
    fn opens(&mut self, at: Ref, ticket: TicketId, stage: Stage, cx: &mut Cx<'_>) -> Option<Woken> {
        let now = cx.local_time();
        let car = self.cars.get_mut(at)?;
        car.ticket = ticket;
        car.stage = stage;
        car.entered_at = now;
        let job = car.job.take();
        if stage == Stage::Parked {
            self.stays_from(at, now, cx);
        } else {
            self.ask(at, cx);
        }
        let verdict = Verdict::Answer(Answered { missed: false, value: ticket.0 });
        job.map(|job| Woken { jobs: vec![job], verdict: Some(verdict) })
    }

    fn stays_from(&mut self, at: Ref, entered: Time, cx: &Cx<'_>) {
        let (Some(draws), Some(car)) = (&self.draws, self.cars.get_mut(at)) else { return };
        car.stage = Stage::Parked;
        let stay = self.stays.sample(draws.stay, cx.redrawn(car.vehicle.plate.0));
        self.pauses.insert((entered + stay, at));
    }

    /// The spot is promised: the car comes about the time that it has named, or not at all.
    fn is_booked(&mut self, at: Ref, from: Time, cx: &Cx<'_>) -> Option<Woken> {
        let (Some(draws), Some(car)) = (&self.draws, self.cars.get_mut(at)) else { return None };
        let job = car.job.take();
        self.counts.booked += 1;
        let identity = cx.redrawn(car.vehicle.plate.0);
        if chance_ppm(draws.no_show.draw(identity), self.settings.no_shows) {
            self.counts.no_shows += 1;
            self.cars.remove(at);
        } else {
            car.stage = Stage::Booked;
            car.has_booked = true;
            let either_way = self.settings.punctuality;
            let late = below(draws.arrival.draw(identity), 2 * either_way.as_nanos() + 1);
            self.pauses.insert((from - either_way + Span::from_nanos(late), at));
        }
        let verdict = Verdict::Answer(Answered { missed: false, value: from.as_nanos() });
        job.map(|job| Woken { jobs: vec![job], verdict: Some(verdict) })
    }

    /// What a car does when its time has come.
    fn goes_on(&mut self, at: Ref, cx: &Cx<'_>) {
        let (Some(draws), Some(car)) = (&self.draws, self.cars.get_mut(at)) else { return };
        match car.stage {
            Stage::Booked => {
                self.counts.came += 1;
                self.counts.came_booked += 1;
                car.stage = Stage::Entering { wanted: 0 };
            }
            Stage::Parked => {
                let word = draws.lost.draw(cx.redrawn(car.vehicle.plate.0));
                let has_lost = chance_ppm(word, self.settings.lost_tickets);
                self.counts.lost_tickets += u64::from(has_lost);
                car.stage = if has_lost { Stage::Losing } else { Stage::Quoting };
            }
            Stage::Looking
            | Stage::Entering { .. }
            | Stage::Confirming
            | Stage::Booking { .. }
            | Stage::Losing
            | Stage::Quoting
            | Stage::Leaving { .. } => {}
        }
    }

    /// The barrier stays shut.
    fn stays_shut(&mut self, at: Ref, verdict: Verdict) -> Option<Woken> {
        let job = self.cars.remove(at)?.job?;
        Some(Woken { jobs: vec![job], verdict: Some(verdict) })
    }

    fn went_well(&mut self, at: Ref, value: u64, cx: &mut Cx<'_>) -> Option<Woken> {
        let now = cx.local_time();
        let car = self.cars.get_mut(at)?;
        match car.stage {
            Stage::Looking => {
                car.stage = Stage::Entering { wanted: value };
                self.ask(at, cx);
                None
            }
            Stage::Entering { .. } => {
                self.counts.admitted += 1;
                self.opens(at, TicketId(value), Stage::Confirming, cx)
            }
            Stage::Confirming => {
                let entered = car.entered_at;
                self.stays_from(at, entered, cx);
                None
            }
            Stage::Quoting => {
                car.stage = Stage::Leaving { minor: value, quoted_at: now, payment: 0 };
                self.counts.taken_minor += value;
                self.ask(at, cx);
                None
            }
            Stage::Leaving { .. } => {
                self.counts.left += 1;
                self.cars.remove(at);
                None
            }
            Stage::Booking { from } => self.is_booked(at, from, cx),
            Stage::Losing => {
                // Printed again.
                car.ticket = TicketId(value);
                car.stage = Stage::Quoting;
                self.ask(at, cx);
                None
            }
            Stage::Parked | Stage::Booked => None,
        }
    }

    /// The lot has said no.
    fn was_refused(&mut self, at: Ref, value: u64, cx: &mut Cx<'_>) -> Option<Woken> {
        let now = cx.local_time();
        let car = self.cars.get_mut(at)?;
        match car.stage {
            Stage::Looking | Stage::Entering { .. } => {
                self.counts.turned_away += 1;
                self.counts.turned_away_booked += u64::from(car.has_booked);
                self.stays_shut(at, Verdict::TurnAway)
            }
            Stage::Booking { .. } => {
                self.counts.bookings_refused += 1;
                self.stays_shut(at, Verdict::TurnAway)
            }
            // The lot has not heard of the car yet: it will.
            Stage::Losing | Stage::Quoting if self.memory.unreconciled().len() > 0 => {
                self.pause(at, cx);
                None
            }
            // The claim was given back before the lot heard of the car; it is told as if the gate had been cut off.
            Stage::Confirming => self.came_in_unheard(at, cx),
            // The time to leave was over: the rest is paid.
            Stage::Leaving { payment, .. } if value > 0 => {
                car.stage = Stage::Leaving { minor: value, quoted_at: now, payment: payment + 1 };
                self.counts.taken_minor += value;
                self.ask(at, cx);
                None
            }
            Stage::Losing | Stage::Quoting | Stage::Leaving { .. } => {
                self.counts.unsettled += 1;
                self.cars.remove(at);
                None
            }
            Stage::Parked | Stage::Booked => None,
        }
    }

    fn came_in_unheard(&mut self, at: Ref, cx: &mut Cx<'_>) -> Option<Woken> {
        let car = self.cars.get_mut(at)?;
        let entered = car.entered_at;
        car.ticket = self.memory.came_in(entered, car.vehicle);
        self.stays_from(at, entered, cx);
        self.tell_soon(cx);
        None
    }

    /// Nobody knows what became of what was asked.
    fn went_unknown(&mut self, at: Ref, cx: &mut Cx<'_>) -> Option<Woken> {
        let now = cx.local_time();
        let car = self.cars.get_mut(at)?;
        match car.stage {
            Stage::Looking | Stage::Entering { .. } => match self.memory.admit(now, car.vehicle) {
                Ok(ticket) => {
                    self.counts.admitted_offline += 1;
                    self.tell_soon(cx);
                    self.opens(at, ticket, Stage::Parked, cx)
                }
                Err(_) => {
                    self.counts.refused_offline += 1;
                    self.stays_shut(at, Verdict::Fail)
                }
            },
            // It may be promised a spot nevertheless: nobody comes for it.
            Stage::Booking { .. } => {
                self.counts.bookings_refused += 1;
                self.stays_shut(at, Verdict::Fail)
            }
            Stage::Quoting if self.settings.offline != OfflinePolicy::Refuse => {
                let (ticket, entered) = (car.ticket, car.entered_at);
                self.counts.taken_minor += self.memory.let_out(now, ticket, entered, 0);
                self.counts.left_offline += 1;
                self.cars.remove(at);
                self.tell_soon(cx);
                None
            }
            // The lot has to hear it, however long that takes; money is taken once.
            Stage::Confirming | Stage::Losing | Stage::Quoting | Stage::Leaving { .. } => {
                self.pause(at, cx);
                None
            }
            Stage::Parked | Stage::Booked => None,
        }
    }

    fn tell_soon(&mut self, cx: &Cx<'_>) {
        if self.tell_at.is_none() && self.telling.is_none() {
            self.tell_at = Some(cx.local_time() + self.settings.tell_every);
        }
    }

    /// Tells the lot the first thing that it does not know.
    fn tell(&mut self, cx: &mut Cx<'_>) {
        self.tell_at = None;
        if self.wants_allotment {
            let count = self.settings.allotment;
            return self.say(0, Ask::Allot { count }, ALLOTS, cx);
        }
        let Some(entry) = self.memory.unreconciled().next() else { return };
        self.telling = Some(entry.number);
        let (number, at_ns) = (entry.number as u32, entry.at.as_nanos());
        match entry.event {
            OfflineEvent::Entered { ticket, vehicle, spot } => {
                let ticket = (ticket.0 & u64::from(u32::MAX)) as u32;
                let spot = spot.map_or(0, |spot| spot.0 + 1);
                let ask = Ask::CameIn { entry: number, at_ns, ticket, spot, look: Look::of(&vehicle) };
                self.say(vehicle.plate.0, ask, TELLS, cx);
            }
            OfflineEvent::Left { ticket, charged_minor } => {
                self.say(ticket.0, Ask::WentOut { entry: number, at_ns, minor: charged_minor }, TELLS, cx);
            }
        }
    }

    fn say(&mut self, key: u64, ask: Ask, token: u64, cx: &mut Cx<'_>) {
        self.told += 1;
        let lineage = Lineage::root(self.name, u64::from(self.told));
        let spec = CallSpec {
            key,
            arguments: ask.arguments(),
            token,
            ..CallSpec::of_its_own(self.edge, lineage, cx.now())
        };
        cx.call(spec, Ref::NONE);
    }

    fn heard(&mut self, done: &Done, cx: &mut Cx<'_>) {
        let is_heard = done.outcome == OutcomeKind::Ok;
        if done.token == ALLOTS {
            if is_heard {
                self.wants_allotment = false;
                // By their places among those that were set aside: which they are only the lot knows.
                let places: Vec<SpotId> = (0..done.value as u32).map(SpotId).collect();
                self.memory.handle_allotted(&places);
            }
        } else if let Some(number) = self.telling.take().filter(|_| is_heard) {
            self.memory.handle_reconciled(number);
            if self.memory.unreconciled().len() == 0 && self.settings.allotment > 0 {
                self.wants_allotment = true;
            }
        }
        if self.wants_allotment || self.memory.unreconciled().len() > 0 {
            if is_heard {
                self.tell(cx);
            } else {
                self.tell_soon(cx);
            }
        }
    }
}

fn read(plan: &ServicePlan) -> GateSettings {
    settings::gate(&plan.settings).expect("the plan's settings were checked")
}

/// What is before the barrier, and whether it only wants to book: `van`, `reserve`, `reserve-van`.
fn wish_of(request: &Request, cx: &Cx<'_>) -> (VehicleKind, bool) {
    let name = cx.plan().operations.get(request.operation.index()).map_or("", String::as_str);
    let booked = name.strip_prefix("reserve").filter(|rest| rest.is_empty() || rest.starts_with('-'));
    let kind = booked.map_or(name, |rest| rest.trim_start_matches('-'));
    let found = VehicleKind::ALL.into_iter().find(|known| known.name() == kind);
    (found.unwrap_or(VehicleKind::Car), booked.is_some())
}

impl Behaviour for Gate {
    fn answer(&mut self, request: &Request, job: Ref, cx: &mut Cx<'_>) -> Verdict {
        let (kind, is_booking) = wish_of(request, cx);
        // A spot that is booked is one of those that anybody may use.
        let has_permit = !is_booking && self.has_permit(request, cx);
        self.counts.permits += u64::from(has_permit);
        let vehicle = Vehicle { plate: Plate(request.lineage.raw()), kind, has_permit };
        let stage = match (is_booking, self.settings.looks_first) {
            (true, _) => Stage::Booking { from: cx.local_time() + self.settings.book_ahead },
            (false, true) => Stage::Looking,
            (false, false) => Stage::Entering { wanted: 0 },
        };
        self.counts.came += u64::from(!is_booking);
        if !is_booking && self.sign.turns_away(kind) {
            return Verdict::TurnAway;
        }
        let at = self.cars.insert(Car {
            request: *request,
            job: Some(job),
            stage,
            vehicle,
            ticket: TicketId(0),
            entered_at: cx.local_time(),
            has_booked: false,
            questions: 0,
        });
        self.ask(at, cx);
        Verdict::Wait
    }

    fn start(&mut self, cx: &mut Cx<'_>) {
        let [stay, arrival, no_show, lost, permit] =
            ["stay", "booked-arrival", "no-show", "lost-ticket", "permit"].map(|purpose| cx.key(purpose));
        self.draws = Some(Draws { stay, arrival, no_show, lost, permit });
        let soon = cx.local_time() + self.settings.tell_every;
        let known: Vec<(Ref, Stage)> = self.cars.iter().map(|(at, car)| (at, car.stage)).collect();
        for (at, stage) in known {
            if !matches!(stage, Stage::Parked | Stage::Booked) {
                self.pauses.insert((soon, at));
            }
        }
        self.tell_at = Some(cx.local_time());
        self.sign.begin(cx.local_time(), self.settings.sign_every);
    }

    fn crash(&mut self, _keep: Durable) {
        // Whoever waits before the barrier drives away; whoever is inside stays there.
        let before: Vec<Ref> =
            self.cars.iter().filter(|(_, car)| car.job.is_some()).map(|(at, _)| at).collect();
        for at in before {
            self.cars.remove(at);
        }
        self.telling = None;
        self.sign.crash();
    }

    fn reconfigure(&mut self, plan: &ServicePlan) {
        let was = std::mem::replace(&mut self.settings, read(plan));
        if was.sign_every != self.settings.sign_every {
            self.sign.begin(Time::ZERO, self.settings.sign_every);
        }
        self.stays = settings::sampler(&self.settings);
    }

    fn calls_itself(&self) -> bool {
        true
    }

    fn call_done(&mut self, done: &Done, cx: &mut Cx<'_>) -> Option<Woken> {
        if matches!(done.token, TELLS | ALLOTS) {
            self.heard(done, cx);
            return None;
        }
        if done.token == SIGNS {
            self.sign.heard(done);
            return None;
        }
        let at = Ref::unpack(done.token);
        match (done.outcome, done.missed) {
            (OutcomeKind::Ok, false) => self.went_well(at, done.value, cx),
            (OutcomeKind::Ok, true) => self.was_refused(at, done.value, cx),
            _ => self.went_unknown(at, cx),
        }
    }

    fn deadline(&self) -> Option<Time> {
        let pause = self.pauses.first().map(|(at, _)| *at);
        [pause, self.tell_at, self.sign.deadline()].into_iter().flatten().min()
    }

    fn expire(&mut self, local: Time, cx: &mut Cx<'_>) -> Option<Woken> {
        while let Some((due, at)) = self.pauses.first().copied().filter(|(due, _)| *due <= local) {
            self.pauses.remove(&(due, at));
            self.goes_on(at, cx);
            self.ask(at, cx);
        }
        if self.tell_at.is_some_and(|at| at <= local) {
            self.tell(cx);
        }
        self.sign.ask(local, self.settings.sign_every, self.edge, cx);
        None
    }

    fn probe(&self, out: &mut Probes) {
        let counts = &self.counts;
        out.counts.extend([
            ("came", counts.came),
            ("admitted", counts.admitted),
            ("turned_away", counts.turned_away),
            ("admitted_offline", counts.admitted_offline),
            ("refused_offline", counts.refused_offline),
            ("left", counts.left),
            ("left_offline", counts.left_offline),
            ("unsettled", counts.unsettled),
            ("untold", self.memory.unreconciled().len() as u64),
            ("taken_minor", counts.taken_minor),
        ]);
        if counts.booked + counts.bookings_refused > 0 {
            out.counts.extend([
                ("booked", counts.booked),
                ("bookings_refused", counts.bookings_refused),
                ("no_shows", counts.no_shows),
                ("came_booked", counts.came_booked),
                ("turned_away_booked", counts.turned_away_booked),
            ]);
        }
        if self.settings.sign_every.is_some() || self.sign.turned_away() > 0 {
            out.counts.insert("turned_away_by_sign", self.sign.turned_away());
        }
        if counts.permits > 0 {
            out.counts.insert("permits", counts.permits);
        }
        if counts.lost_tickets > 0 {
            out.counts.insert("lost_tickets", counts.lost_tickets);
        }
    }
}
