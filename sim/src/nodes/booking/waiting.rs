//! Kind `waiting-room`: people wait in front of a sale and are let on at one rate. Whoever is let in makes the service's
//! calls; nobody waits for a worker while they wait for their turn.

use std::collections::BTreeMap;
use std::sync::Arc;

use foreshock_systems::booking::CustomerId;
use foreshock_systems::ticket_booking::WaitingRoom;

use super::settings::{self, RoomSettings};
use crate::cluster::{Cx, Durable, Probes, Ref, Request};
use crate::kernel::draw::Key;
use crate::kernel::time::Time;
use crate::nodes::service::{Answered, Behaviour, Verdict, Woken};
use crate::scenario::plan::{Plan, ServiceId, ServicePlan};

pub(super) struct Waiting {
    room: WaitingRoom,
    /// Who waits, by name, with the request that waits for them.
    jobs: BTreeMap<CustomerId, Ref>,
    /// A person is a request's key, and has one place.
    has_one_place: bool,
    /// Requests whose person has asked again since, and waits by the newer one.
    replaced: Vec<Ref>,
    asked_again: u64,
    lots: Option<Key>,
    this_second: (u64, u64),
    most_a_second: u64,
    waited_most_us: u64,
    waited_us: u64,
    forgotten: u64,
}

impl Waiting {
    pub(super) fn new(service: ServiceId, plan: &Arc<Plan>) -> Waiting {
        let settings = read(&plan.services[service.index()]);
        Waiting {
            room: WaitingRoom::new(settings.config),
            jobs: BTreeMap::new(),
            has_one_place: settings.has_one_place,
            replaced: Vec::new(),
            asked_again: 0,
            lots: None,
            this_second: (0, 0),
            most_a_second: 0,
            waited_most_us: 0,
            waited_us: 0,
            forgotten: 0,
        }
    }
}

fn read(plan: &ServicePlan) -> RoomSettings {
    settings::waiting_room(&plan.settings).expect("the plan's settings were checked")
}

const INSIDE: Verdict = Verdict::Proceed(Answered { missed: false, value: 0 });

impl Behaviour for Waiting {
    fn answer(&mut self, request: &Request, job: Ref, cx: &mut Cx<'_>) -> Verdict {
        let person = CustomerId(if self.has_one_place { request.key } else { request.call.raw() });
        let lot = self.lots.map_or(0, |lots| lots.draw(cx.redrawn(person.0)));
        match self.room.come(cx.local_time(), person, lot) {
            Ok(Some(_)) => INSIDE,
            Ok(None) => {
                let older = self.jobs.insert(person, job).filter(|_| self.has_one_place);
                self.asked_again += u64::from(older.is_some());
                self.replaced.extend(older);
                Verdict::Wait
            }
            Err(_) => Verdict::TurnAway,
        }
    }

    fn start(&mut self, cx: &mut Cx<'_>) {
        self.lots = Some(cx.key("lots"));
    }

    fn crash(&mut self, _keep: Durable) {
        self.forgotten += self.jobs.len() as u64;
        self.jobs.keys().for_each(|person| self.room.leave(*person));
        self.jobs.clear();
        self.replaced.clear();
    }

    fn reconfigure(&mut self, _plan: &ServicePlan) {
        // A room that is open keeps its rate: who waits was told when their turn is.
    }

    fn deadline(&self) -> Option<Time> {
        if self.replaced.is_empty() { self.room.deadline() } else { Some(Time::ZERO) }
    }

    fn expire(&mut self, local: Time, _cx: &mut Cx<'_>) -> Option<Woken> {
        if !self.replaced.is_empty() {
            let jobs = std::mem::take(&mut self.replaced);
            return Some(Woken { jobs, verdict: Some(Verdict::TurnAway) });
        }
        let mut admitted = Vec::new();
        self.room.expire(local, &mut admitted);
        let mut jobs = Vec::new();
        for admitted in admitted {
            let second = local.as_nanos() / 1_000_000_000;
            let so_far = if self.this_second.0 == second { self.this_second.1 } else { 0 };
            self.this_second = (second, so_far + 1);
            self.most_a_second = self.most_a_second.max(self.this_second.1);
            self.waited_most_us = self.waited_most_us.max(admitted.waited.as_micros());
            self.waited_us += admitted.waited.as_micros();
            jobs.extend(self.jobs.remove(&admitted.person));
        }
        (!jobs.is_empty()).then_some(Woken { jobs, verdict: Some(INSIDE) })
    }

    fn probe(&self, out: &mut Probes) {
        let admitted = self.room.admitted();
        out.counts.extend([
            ("admitted", admitted),
            ("still_waiting", self.room.waiting() as u64),
            ("turned_away_full", self.room.turned_away()),
            ("forgotten_in_crashes", self.forgotten),
        ]);
        if self.has_one_place {
            out.counts.insert("asked_again", self.asked_again);
        }
        out.maxima.insert("most_admitted_a_second", self.most_a_second);
        out.maxima.insert("waited_most_us", self.waited_most_us);
        if let Some(mean_us) = self.waited_us.checked_div(admitted) {
            out.maxima.insert("waited_mean_us", mean_us);
        }
    }
}
