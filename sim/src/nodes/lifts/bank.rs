//! The library's bank behind a service: people are requests that wait until they are where they wanted to be. Where
//! they come from and go to is drawn for each of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use foreshock_systems::elevator::{Bank, BankConfig, CarId, Floor, Input, Output, RiderId};

use super::settings::{self, Settings, Traffic};
use super::traffic::TrafficCounts;
use super::{DELIVERS_EARLY, invariant};
use crate::cluster::{Cx, Durable, Probes, Ref, Request};
use crate::kernel::draw::{Key, below};
use crate::kernel::time::{Span, Time};
use crate::measure::Durations;
use crate::nodes::service::{Answered, Behaviour, Verdict, Woken};
use crate::scenario::plan::{Plan, ServiceId, ServicePlan};

/// Digits of the waits that are told apart.
const DIGITS: u8 = 2;
/// A wait that a person calls long.
const LONG_S: u64 = 60;
/// A dispatcher that is down asks after its calls when it is back: longer than any run until then.
const NOT_POLLED: Span = Span::from_secs(100 * 365 * 24 * 3_600);

/// What was done to the bank beside its cars' failures, as the settings said.
#[derive(Clone, Copy, Debug, Default)]
struct Faults {
    /// What the bank was told by now.
    stuck_door: Option<Span>,
    is_recalled: bool,
    is_dispatcher_down: bool,
    stuck_doors: u64,
    recalls: u64,
    dispatcher_restarts: u64,
}

struct Draws {
    from: Key,
    to: Key,
    kind: Key,
}

/// Somebody who is not there yet.
#[derive(Clone, Copy)]
struct Person {
    job: Ref,
    comes_in: bool,
}

pub(super) struct Lifts {
    settings: Settings,
    defect: u8,
    bank: Bank,
    /// Cars that are out of service by now.
    out_now: u16,
    faults: Faults,
    people: BTreeMap<RiderId, Person>,
    numbered: u64,
    draws: Option<Draws>,
    wait: Durations,
    travel: Durations,
    long_waits: u64,
    waits: u64,
    wait_sum_us: u64,
    waiting_max: u64,
    traffic: TrafficCounts,
}

impl Lifts {
    pub(super) fn new(service: ServiceId, plan: &Arc<Plan>, defect: u8) -> Lifts {
        let settings = read(&plan.services[service.index()]);
        let cars = settings.config.cars;
        Lifts {
            bank: new_bank(&settings),
            settings,
            defect,
            out_now: 0,
            faults: Faults::default(),
            people: BTreeMap::new(),
            numbered: 0,
            draws: None,
            wait: Durations::new(DIGITS),
            travel: Durations::new(DIGITS),
            long_waits: 0,
            waits: 0,
            wait_sum_us: 0,
            waiting_max: 0,
            traffic: TrafficCounts::new(cars),
        }
    }

    fn trip(&self, person: u64) -> (Floor, Floor) {
        let Some(draws) = &self.draws else { return (Floor(0), Floor(1)) };
        let floors = u64::from(self.settings.config.floors);
        let above = |key: Key| Floor(below(key.draw(person), floors - 1) as u16 + 1);
        let (from, to) = (above(draws.from), above(draws.to));
        let kind = below(draws.kind.draw(person), 100);
        match (self.settings.traffic, kind) {
            (Traffic::UpPeak, _) | (Traffic::Lunch, 0..25) => (Floor(0), to),
            (Traffic::DownPeak, _) | (Traffic::Lunch, 25..75) => (from, Floor(0)),
            (Traffic::NearLobby, 0) => (self.settings.config.top(), Floor(0)),
            (Traffic::NearLobby, _) if kind.is_multiple_of(2) => (Floor(0), Floor(1)),
            (Traffic::NearLobby, _) => (Floor(1), Floor(0)),
            (Traffic::Interfloor | Traffic::Lunch, _) if from == to => (from, Floor(0)),
            (Traffic::Interfloor | Traffic::Lunch, _) => (from, to),
        }
    }

    /// What the settings ask for by now and the bank was not told yet.
    fn news(&mut self) -> Vec<Input> {
        let (faults, wanted, mut news) = (&mut self.faults, &self.settings, Vec::new());
        if faults.stuck_door != wanted.stuck_door {
            faults.stuck_door = wanted.stuck_door;
            news.extend(wanted.stuck_door.map(|lasting| Input::StickDoor { car: CarId(0), lasting }));
            faults.stuck_doors += u64::from(wanted.stuck_door.is_some());
        }
        if faults.is_recalled != wanted.is_recalled {
            faults.is_recalled = wanted.is_recalled;
            news.push(Input::Recall { is_on: wanted.is_recalled });
            faults.recalls += u64::from(wanted.is_recalled);
        }
        if faults.is_dispatcher_down != wanted.is_dispatcher_down {
            faults.is_dispatcher_down = wanted.is_dispatcher_down;
            // Down, it forgets; back, it has nothing to forget and asks after the calls.
            news.push(Input::RestartDispatcher);
            faults.dispatcher_restarts += u64::from(wanted.is_dispatcher_down);
        }
        news
    }

    /// Cars fail or come back, and all else that the settings say by now.
    fn follow_settings(&mut self, now: Time, out: &mut Vec<Output>) {
        let cars = self.settings.config.cars;
        let wanted = self.settings.out_of_service.min(cars);
        while self.out_now < wanted {
            self.out_now += 1;
            // The car is one of the bank's: it is counted from the last.
            let _ = self.bank.handle(now, Input::Fail { car: CarId(cars - self.out_now) }, out);
        }
        while self.out_now > wanted {
            let _ = self.bank.handle(now, Input::Restore { car: CarId(cars - self.out_now) }, out);
            self.out_now -= 1;
        }
        for input in self.news() {
            // About a car that every bank has, or about none.
            let _ = self.bank.handle(now, input, out);
        }
    }

    /// Follows what the bank has said: who is there is answered.
    fn take(&mut self, out: Vec<Output>, cx: &mut Cx<'_>) -> Option<Woken> {
        let mut jobs = Vec::new();
        for output in out {
            match output {
                Output::Boarded { rider, car, waited } => {
                    if self.people.get(&rider).is_some_and(|person| person.comes_in) {
                        self.traffic.boarded_at_lobby(cx.local_time(), car);
                    }
                    self.wait.record(waited);
                    self.waits += 1;
                    self.wait_sum_us += waited.as_micros();
                    self.long_waits += u64::from(waited.as_micros() >= LONG_S * 1_000_000);
                    if self.defect == DELIVERS_EARLY {
                        jobs.extend(self.people.remove(&rider).map(|person| person.job));
                    }
                }
                Output::Delivered { rider, car, travelled } => {
                    self.traffic.brought(cx.local_time(), car);
                    self.travel.record(travelled);
                    let job = self.people.remove(&rider).map(|person| person.job);
                    if job.is_none() {
                        let witness = format!("person {} came to a floor a second time", rider.0);
                        cx.violation(invariant::ONCE, witness);
                    }
                    jobs.extend(job);
                }
                Output::Overdue { rider, floor } => {
                    let witness = format!("person {} has waited for too long on floor {}", rider.0, floor.0);
                    cx.violation(invariant::BOUNDED, witness);
                }
                Output::PutOut { rider, car, floor } => {
                    self.traffic.put_out(car);
                    if let Some(person) = self.people.get_mut(&rider) {
                        person.comes_in = floor == Floor(0);
                    }
                }
                Output::Assigned { .. } => {}
            }
        }
        self.waiting_max = self.waiting_max.max(self.bank.waiting());
        let (listed, inside) = (self.people.len() as u64, self.bank.waiting() + self.bank.riding());
        if listed != inside {
            let witness = format!("{listed} persons were not answered, {inside} wait or ride");
            cx.violation(invariant::PEOPLE, witness);
        }
        if let Err(violation) = self.bank.audit() {
            cx.violation(invariant::PEOPLE, violation.to_string());
        }
        let verdict = Some(Verdict::Answer(Answered::default()));
        (!jobs.is_empty()).then_some(Woken { jobs, verdict })
    }
}

fn read(plan: &ServicePlan) -> Settings {
    settings::read(&plan.settings).expect("the plan's settings were checked")
}

fn new_bank(settings: &Settings) -> Bank {
    Bank::new(rules(settings)).expect("the plan's settings were checked")
}

/// The rules by which the bank goes now.
fn rules(settings: &Settings) -> BankConfig {
    let config = settings.config.clone();
    if settings.is_dispatcher_down { BankConfig { polling: NOT_POLLED, ..config } } else { config }
}

impl Behaviour for Lifts {
    fn answer(&mut self, request: &Request, job: Ref, cx: &mut Cx<'_>) -> Verdict {
        let now = cx.local_time();
        let (from, to) = self.trip(cx.redrawn(request.lineage.raw()));
        self.numbered += 1;
        let rider = RiderId(self.numbered);
        let mut out = Vec::new();
        self.follow_settings(now, &mut out);
        self.people.insert(rider, Person { job, comes_in: from == Floor(0) });
        if self.bank.handle(now, Input::Arrive { rider, from, to }, &mut out).is_err() {
            self.people.remove(&rider);
            return Verdict::Fail;
        }
        // Nobody is there without time having passed: nothing of this wakes anybody.
        self.take(out, cx);
        Verdict::Wait
    }

    fn start(&mut self, cx: &mut Cx<'_>) {
        self.draws = Some(Draws { from: cx.key("from"), to: cx.key("to"), kind: cx.key("trip") });
    }

    fn crash(&mut self, _keep: Durable) {
        // Cars stop where they are and people take the stairs: the bank begins anew.
        self.bank = new_bank(&self.settings);
        self.out_now = 0;
        self.faults =
            Faults { stuck_door: None, is_recalled: false, is_dispatcher_down: false, ..self.faults };
        self.people.clear();
    }

    fn reconfigure(&mut self, plan: &ServicePlan) {
        let floors = self.settings.config.floors;
        self.settings = read(plan);
        // The plan's settings were checked; what is built stays as it was built.
        self.settings.config.floors = floors;
        let _ = self.bank.set_rules(rules(&self.settings));
    }

    fn deadline(&self) -> Option<Time> {
        self.bank.deadline()
    }

    fn expire(&mut self, local: Time, cx: &mut Cx<'_>) -> Option<Woken> {
        let mut out = Vec::new();
        self.follow_settings(local, &mut out);
        self.bank.expire(local, &mut out);
        self.take(out, cx)
    }

    fn probe(&self, out: &mut Probes) {
        let counts = self.bank.counts();
        let (moves, stops) = self.bank.moves_and_stops();
        out.counts.extend([
            ("arrived", counts.arrived),
            ("delivered", counts.delivered),
            ("waiting", self.bank.waiting()),
            ("riding", self.bank.riding()),
            ("put_out", counts.put_out),
            ("reassigned", counts.reassigned),
            ("overdue", counts.overdue),
            ("moves", moves),
            ("stops", stops),
        ]);
        let faults = &self.faults;
        let seldom = [
            ("stuck_doors", faults.stuck_doors),
            ("recalls", faults.recalls),
            ("dispatcher_restarts", faults.dispatcher_restarts),
        ];
        out.counts.extend(seldom.into_iter().filter(|(_, count)| *count > 0));
        let (trips, interval) = self.traffic.interval();
        if trips > 1 {
            out.counts.insert("trips_from_lobby", trips);
            out.maxima.insert("interval_mean_us", interval.as_micros());
        }
        out.maxima.insert("persons_per_5_min_max", self.traffic.most_in_five_minutes());
        out.maxima.insert("waiting_max", self.waiting_max);
        out.maxima.insert("wait_mean_us", self.wait_sum_us / self.waits.max(1));
        let (mut wait, mut travel) = (self.wait.clone(), self.travel.clone());
        out.maxima.insert("wait_p90_us", wait.quantile_ns(900_000) / 1_000);
        out.maxima.insert("travel_p90_us", travel.quantile_ns(900_000) / 1_000);
        out.shares.insert("wait_above_60s_ppm", (self.long_waits, self.waits));
    }
}
