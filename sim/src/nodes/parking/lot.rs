//! Kind `parking-lot`: the library's lot behind a service's line and workers, and beside it a list of who stands where
//! that the lot does not see: by it double use of a spot is noticed, whatever the lot believes.

use std::collections::BTreeMap;
use std::sync::Arc;

use foreshock_systems::parking_lot::{
    Gate as LotGate, GateId, Input, OfflineEntry, OfflineEvent, Output, ParkingLot, PaymentId, Phase, Plate,
    Rejected, RequestId, SpotClass, SpotId, TicketId, Vehicle, VehicleKind, Who,
};

use super::settings::{self, LotSettings};
use super::wire::Ask;
use super::{BELIEVES_GATES, CHARGES_AGAIN, gates_of, invariant};
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
    /// What was set aside for each gate, in the order in which it was told.
    allotted: BTreeMap<GateId, Vec<SpotId>>,
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
}

const PAYMENT_BITS: u32 = 8;

impl Lot {
    pub(super) fn new(service: ServiceId, plan: &Arc<Plan>, defect: u8) -> Lot {
        let gates = gates_of(plan, service);
        let mut settings = read(&plan.services[service.index()]);
        settings.config.gates = vec![LotGate { level: 0 }; gates.len().max(1)];
        Lot {
            settings,
            gates,
            defect,
            lot: None,
            fallen: None,
            standing: BTreeMap::new(),
            allotted: BTreeMap::new(),
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
        let key = request.key;
        let vehicle = |kind: VehicleKind| Vehicle { plate: Plate(key), kind, has_permit: false };
        let done = match ask {
            Ask::Look { kind } => return self.look(kind),
            Ask::Enter { wanted, .. } if wanted > 0 && self.defect == BELIEVES_GATES => {
                return self.believe(SpotId(wanted as u32 - 1), TicketId(key), cx);
            }
            Ask::Enter { kind, .. } => {
                let enter = Input::Enter { gate, vehicle: vehicle(kind), request: RequestId(key) };
                lot.handle(now, enter, &mut self.out)
            }
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
            Ask::CameIn { entry, at_ns, ticket, spot, kind } => {
                let spots = self.allotted.get(&gate);
                let spot = spot.checked_sub(1).and_then(|place| spots?.get(place as usize).copied());
                let ticket = TicketId::offline(gate, u64::from(ticket));
                let event = OfflineEvent::Entered { ticket, vehicle: vehicle(kind), spot };
                lot.handle(now, told(gate, entry, at_ns, event), &mut self.out)
            }
            Ask::WentOut { entry, at_ns, minor } => {
                let event = OfflineEvent::Left { ticket: TicketId(key), charged_minor: minor };
                lot.handle(now, told(gate, entry, at_ns, event), &mut self.out)
            }
        };
        let value = self.look_at_outputs(cx);
        self.verdict(done, value)
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
        let mut value = 0;
        for output in std::mem::take(&mut self.out) {
            match output {
                Output::Admitted { ticket, spot, .. } => {
                    value = ticket.0;
                    if let Some(spot) = spot {
                        self.stands(spot, ticket, cx);
                    }
                }
                Output::Released { ticket } => self.standing.retain(|_, other| *other != ticket),
                Output::Left { ticket, charged_minor } => {
                    self.standing.retain(|_, other| *other != ticket);
                    value = charged_minor;
                }
                Output::Quoted { due_minor, .. } => value = due_minor,
                Output::Allotted { gate, spots } => {
                    value = spots.len() as u64;
                    self.allotted.insert(gate, spots);
                }
                Output::Reconciled { up_to, .. } => {
                    value = up_to;
                    self.walk_through();
                }
                Output::Found(_) => self.counts.findings += 1,
                Output::Paid { .. }
                | Output::Refund { .. }
                | Output::Sign { .. }
                | Output::Reserved { .. } => {}
            }
        }
        let Some(lot) = &self.lot else { return value };
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
        value
    }

    /// After a gate has told what it did, the lot is walked through: where no ticket is live nobody stands.
    fn walk_through(&mut self) {
        let Some(lot) = &self.lot else { return };
        self.standing.retain(|_, ticket| lot.ticket(*ticket).is_some_and(|ticket| ticket.is_live()));
    }

    fn stands(&mut self, spot: SpotId, ticket: TicketId, cx: &mut Cx<'_>) {
        match self.standing.insert(spot, ticket) {
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
        self.lot = Some(lot.expect("the plan's settings were checked"));
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
    }

    fn deadline(&self) -> Option<Time> {
        self.lot.as_ref().and_then(ParkingLot::deadline)
    }

    fn expire(&mut self, local: Time, cx: &mut Cx<'_>) -> Option<Woken> {
        if let Some(lot) = &mut self.lot {
            lot.expire(local, &mut self.out);
        }
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
        let Some(lot) = &self.lot else { return };
        let totals = lot.totals();
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
