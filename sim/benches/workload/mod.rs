//! The kernel's workloads, shared by every benchmark so that all of them speak of the same thing.
//! Each is a plain `World`; none of them reads a clock. The scripts in `simpy/` do the same work.

#![allow(dead_code, unreachable_pub, reason = "each benchmark uses its own part of these")]

pub mod bookings;
pub mod jobs;
pub mod lifts;
pub mod logs;
pub mod parking;
pub mod payments;
pub mod request;

use std::collections::VecDeque;

use foreshock::kernel::{Agenda, AgendaTuning, EventDigest, Handle, Limits, Simulation, Span, Time, World};

const TWO_POW_64: f64 = 18_446_744_073_709_551_616.0;

/// The natural logarithm of 1 to 2 in steps of 1/256, by its series; 2 KiB, so that it stays in the cache.
static LN: [f64; 257] = {
    let mut table = [0.0; 257];
    let mut step = 1;
    while step <= 256 {
        // ln(a / b) = 2 (r + r^3 / 3 + r^5 / 5 + ...) with r = (a - b) / (a + b), for neighbouring steps.
        let ratio = 1.0 / (511 + 2 * step) as f64;
        let square = ratio * ratio;
        table[step] = table[step - 1] + 2.0 * ratio * (1.0 + square * (1.0 / 3.0 + square / 5.0));
        step += 1;
    }
    table
};

/// A small random source, the cheapest that is good enough, so that the kernel is what is measured.
#[derive(Clone, Copy)]
pub struct XorShift(u64);

impl XorShift {
    /// Any seed will do.
    pub fn new(seed: u64) -> XorShift {
        XorShift(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// 64 random bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Evenly in `0..below`.
    #[inline]
    pub fn below(&mut self, below: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(below)) >> 64) as u64
    }

    /// Exponential with a mean in nanoseconds. Inversion: the binary logarithm of a uniform number is its
    /// leading zeros and, by a table, its mantissa.
    #[inline]
    pub fn exponential(&mut self, mean_ns: f64) -> Span {
        let bits = self.bits() | 1;
        let zeros = bits.leading_zeros();
        let mantissa = bits << zeros;
        let step = (mantissa >> 55) as usize & 0xff;
        let within = (mantissa << 9) as f64 / TWO_POW_64;
        let ln_mantissa = LN[step] + (LN[step + 1] - LN[step]) * within;
        let ln_uniform = ln_mantissa - std::f64::consts::LN_2 * f64::from(zeros + 1);
        Span::from_nanos((-ln_uniform * mean_ns) as u64)
    }
}

/// How far ahead PHOLD schedules.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Delays {
    /// Exponential with a mean of a millisecond: the classic.
    Exponential,
    /// Of every hundred: 50 exponential around a millisecond, 20 under a microsecond, 15 of about ten
    /// milliseconds, 10 of about a second and 5 of one to four hours.
    Mixed,
}

impl Delays {
    #[inline]
    fn draw(self, random: &mut XorShift) -> Span {
        const MS: f64 = 1e6;
        match self {
            Delays::Exponential => random.exponential(MS),
            Delays::Mixed => match random.below(100) {
                0..50 => random.exponential(MS),
                50..70 => Span::from_nanos(random.below(1_000)),
                70..85 => Span::from_nanos(5_000_000 + random.below(10_000_000)),
                85..95 => Span::from_nanos(500_000_000 + random.below(1_000_000_000)),
                _ => Span::from_nanos(3_600_000_000_000 + random.below(10_800_000_000_000)),
            },
        }
    }
}

/// A message of PHOLD, as large as the cluster's events.
#[derive(Clone, Copy)]
pub struct Message {
    to: u32,
    from: u32,
    hops: u32,
}

/// A node of PHOLD: dynamic, as the cluster's are.
pub trait Node {
    /// Passes the message on to some node, later.
    fn receive(&mut self, now: Time, message: Message, agenda: &mut Agenda<Message>);
}

struct Relay {
    id: u32,
    nodes: u32,
    delays: Delays,
    random: XorShift,
    received: u64,
}

impl Node for Relay {
    fn receive(&mut self, now: Time, message: Message, agenda: &mut Agenda<Message>) {
        self.received += 1;
        let to = self.random.below(u64::from(self.nodes)) as u32;
        let at = now + self.delays.draw(&mut self.random);
        agenda.schedule(at, Message { to, from: self.id, hops: message.hops.wrapping_add(1) });
    }
}

/// PHOLD: every event schedules one other, so the number of pending events never changes.
pub struct Phold {
    nodes: Vec<Box<dyn Node>>,
}

impl World for Phold {
    type Event = Message;

    #[inline]
    fn handle(&mut self, now: Time, message: Message, agenda: &mut Agenda<Message>) {
        self.nodes[message.to as usize].receive(now, message, agenda);
    }

    #[inline]
    fn digest(&self, message: &Message) -> EventDigest {
        EventDigest { node: message.to, words: [u64::from(message.from), u64::from(message.hops)] }
    }

    fn node_count(&self) -> u32 {
        self.nodes.len() as u32
    }
}

/// The nodes of PHOLD.
pub const PHOLD_NODES: u32 = 1024;

/// PHOLD with its first messages pending.
pub fn phold(pending: u32, delays: Delays, tuning: AgendaTuning) -> Simulation<Phold> {
    let relay = |id: u32| -> Box<dyn Node> {
        let random = XorShift::new(u64::from(id) + 1);
        Box::new(Relay { id, nodes: PHOLD_NODES, delays, random, received: 0 })
    };
    let world = Phold { nodes: (0..PHOLD_NODES).map(relay).collect() };
    let mut simulation = Simulation::new(world, tuning, Limits::NONE);
    let (_, agenda) = simulation.parts_mut();
    let mut random = XorShift::new(7);
    for number in 0..pending {
        let at = Time::ZERO + delays.draw(&mut random);
        agenda.schedule(at, Message { to: number % PHOLD_NODES, from: 0, hops: 0 });
    }
    simulation
}

/// What happens in a queue with one server.
#[derive(Clone, Copy)]
pub enum QueueEvent {
    /// A customer comes.
    Arrival,
    /// The customer in service leaves.
    Departure,
}

/// M/M/1 at 90 % load, first come, first served; measures the mean time in the system.
pub struct Mm1 {
    random: XorShift,
    /// When those in the system came; the first is in service.
    present: VecDeque<Time>,
    to_come: u64,
    served: u64,
    sojourn_total_ns: u128,
}

const MEAN_INTERARRIVAL_NS: f64 = 1_000_000.0;
const MEAN_SERVICE_NS: f64 = 900_000.0;

impl Mm1 {
    /// Mean time in the system, in nanoseconds.
    pub fn mean_sojourn_ns(&self) -> u64 {
        (self.sojourn_total_ns / u128::from(self.served.max(1))) as u64
    }

    fn serve(&mut self, now: Time, agenda: &mut Agenda<QueueEvent>) {
        agenda.schedule(now + self.random.exponential(MEAN_SERVICE_NS), QueueEvent::Departure);
    }
}

impl World for Mm1 {
    type Event = QueueEvent;

    #[inline]
    fn handle(&mut self, now: Time, event: QueueEvent, agenda: &mut Agenda<QueueEvent>) {
        match event {
            QueueEvent::Arrival => {
                self.present.push_back(now);
                if self.present.len() == 1 {
                    self.serve(now, agenda);
                }
                self.to_come -= 1;
                if self.to_come > 0 {
                    agenda.schedule(now + self.random.exponential(MEAN_INTERARRIVAL_NS), QueueEvent::Arrival);
                }
            }
            QueueEvent::Departure => {
                if let Some(came) = self.present.pop_front() {
                    self.served += 1;
                    self.sojourn_total_ns += u128::from(now.since(came).as_nanos());
                }
                if !self.present.is_empty() {
                    self.serve(now, agenda);
                }
            }
        }
    }

    #[inline]
    fn digest(&self, event: &QueueEvent) -> EventDigest {
        EventDigest { node: 0, words: [*event as u64, self.present.len() as u64] }
    }

    fn node_count(&self) -> u32 {
        1
    }
}

/// M/M/1 before its first customer.
pub fn mm1(customers: u64, tuning: AgendaTuning) -> Simulation<Mm1> {
    let world = Mm1 {
        random: XorShift::new(11),
        present: VecDeque::new(),
        to_come: customers,
        served: 0,
        sojourn_total_ns: 0,
    };
    let mut simulation = Simulation::new(world, tuning, Limits::NONE);
    if customers > 0 {
        simulation.parts_mut().1.schedule(Time::ZERO, QueueEvent::Arrival);
    }
    simulation
}

/// What happens to a client that guards every call with a timeout.
#[derive(Clone, Copy)]
pub enum TimerEvent {
    /// A call is answered and another one made.
    Call,
    /// A call was not answered in time.
    Timeout,
}

/// Calls that are always answered in time: every event disarms the oldest timeout and arms another.
pub struct Timers {
    random: XorShift,
    armed: Vec<Handle>,
    next: usize,
    timed_out: u64,
}

impl Timers {
    /// How many timeouts expired; none should.
    pub fn timed_out(&self) -> u64 {
        self.timed_out
    }
}

/// Timeouts are a second and up to a tenth more, calls are a microsecond apart.
const TIMEOUT_NS: u64 = 1_000_000_000;

#[inline]
fn timeout_at(now: Time, random: &mut XorShift) -> Time {
    now + Span::from_nanos(TIMEOUT_NS + random.below(TIMEOUT_NS / 10))
}

impl World for Timers {
    type Event = TimerEvent;

    #[inline]
    fn handle(&mut self, now: Time, event: TimerEvent, agenda: &mut Agenda<TimerEvent>) {
        match event {
            TimerEvent::Call => {
                agenda.cancel(self.armed[self.next]);
                self.armed[self.next] =
                    agenda.schedule(timeout_at(now, &mut self.random), TimerEvent::Timeout);
                self.next = (self.next + 1) % self.armed.len();
                agenda.schedule(now + Span::from_micros(1), TimerEvent::Call);
            }
            TimerEvent::Timeout => self.timed_out += 1,
        }
    }

    #[inline]
    fn digest(&self, event: &TimerEvent) -> EventDigest {
        EventDigest { node: 0, words: [*event as u64, self.next as u64] }
    }

    fn node_count(&self) -> u32 {
        1
    }
}

/// A client with `in_flight` calls, all of them with a timeout armed.
pub fn timers(in_flight: usize, tuning: AgendaTuning) -> Simulation<Timers> {
    let world =
        Timers { random: XorShift::new(13), armed: vec![Handle::NONE; in_flight], next: 0, timed_out: 0 };
    let mut simulation = Simulation::new(world, tuning, Limits::NONE);
    let (world, agenda) = simulation.parts_mut();
    for handle in &mut world.armed {
        *handle = agenda.schedule(timeout_at(Time::ZERO, &mut world.random), TimerEvent::Timeout);
    }
    agenda.schedule(Time::ZERO, TimerEvent::Call);
    simulation
}

/// The agenda alone, with timeouts armed: arms one and disarms the oldest, `pairs` times.
pub struct ArmCancel {
    agenda: Agenda<[u32; 3]>,
    armed: Vec<Handle>,
    random: XorShift,
    next: usize,
}

impl ArmCancel {
    /// An agenda with `in_flight` timeouts armed.
    pub fn new(in_flight: usize, tuning: AgendaTuning) -> ArmCancel {
        let mut agenda = Agenda::with_tuning(tuning);
        let mut random = XorShift::new(17);
        let armed =
            (0..in_flight).map(|_| agenda.schedule(timeout_at(Time::ZERO, &mut random), [0; 3])).collect();
        ArmCancel { agenda, armed, random, next: 0 }
    }

    /// Arms and disarms; returns how many are armed, which is always the same.
    pub fn run(&mut self, pairs: u64) -> usize {
        for _ in 0..pairs {
            let at = timeout_at(self.agenda.now(), &mut self.random);
            let armed = self.agenda.schedule(at, [self.next as u32; 3]);
            self.agenda.cancel(std::mem::replace(&mut self.armed[self.next], armed));
            self.next = (self.next + 1) % self.armed.len();
        }
        self.agenda.len()
    }
}
