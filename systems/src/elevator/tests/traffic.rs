//! People who come to a bank by chance, and what became of them.

use crate::arithmetic::{keyed_word, uniform};
use crate::elevator::*;
use crate::time::{Span, Time};

pub(super) fn at(s: u64) -> Time {
    Time::from_nanos(s * 1_000_000_000)
}

/// Where people come from and go to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pattern {
    UpPeak,
    DownPeak,
    Interfloor,
    Lunch,
}

/// Somebody of a pattern, by number.
pub(super) fn trip(pattern: Pattern, floors: u16, seed: u64, number: u64) -> (Floor, Floor) {
    let word = |draw: u64| keyed_word(seed, number * 4 + draw);
    let above = |draw: u64| Floor(uniform(word(draw), 1, u64::from(floors) - 1) as u16);
    let (from, to) = (above(0), above(1));
    match (pattern, word(2) >> 62) {
        (Pattern::UpPeak, _) | (Pattern::Lunch, 0) => (Floor(0), to),
        (Pattern::DownPeak, _) | (Pattern::Lunch, 1 | 2) => (from, Floor(0)),
        (Pattern::Interfloor | Pattern::Lunch, _) if from == to => (from, Floor(0)),
        (Pattern::Interfloor | Pattern::Lunch, _) => (from, to),
    }
}

/// What became of them.
#[derive(Debug, Default)]
pub(super) struct Day {
    pub(super) waits_ms: Vec<u64>,
    pub(super) travels_ms: Vec<u64>,
    pub(super) last: Time,
}

impl Day {
    pub(super) fn mean_wait_ms(&self) -> u64 {
        self.waits_ms.iter().sum::<u64>() / (self.waits_ms.len() as u64).max(1)
    }

    pub(super) fn wait_p90_ms(&self) -> u64 {
        let mut sorted = self.waits_ms.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() * 9 / 10).copied().unwrap_or(0)
    }

    pub(super) fn take(&mut self, out: &mut Vec<Output>) {
        for output in out.drain(..) {
            match output {
                Output::Boarded { waited, .. } => self.waits_ms.push(waited.as_nanos() / 1_000_000),
                Output::Delivered { travelled, .. } => self.travels_ms.push(travelled.as_nanos() / 1_000_000),
                Output::Assigned { .. } | Output::PutOut { .. } | Output::Overdue { .. } => {}
            }
        }
    }
}

/// Steps through everything until `until`, with an audit after each step.
pub(super) fn drive(bank: &mut Bank, until: Time, day: &mut Day) {
    let mut out = Vec::new();
    while let Some(due) = bank.deadline().filter(|due| *due <= until) {
        bank.expire(due, &mut out);
        day.last = due;
        bank.audit().expect("what must hold");
        day.take(&mut out);
    }
}

/// So many people, one about every `every`, by chance.
pub(super) fn day(config: &BankConfig, pattern: Pattern, every: Span, people: u64, seed: u64) -> Day {
    let mut bank = Bank::new(config.clone()).expect("a bank that can be");
    let (mut day, mut now, mut out) = (Day::default(), Time::ZERO, Vec::new());
    for number in 0..people {
        let unit = ((keyed_word(seed, number * 4 + 3) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        now += Span::from_nanos((-libm::log(unit) * every.as_nanos() as f64) as u64);
        drive(&mut bank, now, &mut day);
        let (from, to) = trip(pattern, config.floors, seed, number);
        bank.handle(now, Input::Arrive { rider: RiderId(number), from, to }, &mut out)
            .expect("floors that are there");
        bank.audit().expect("what must hold");
        day.take(&mut out);
    }
    let end = now + Span::from_secs(7_200);
    drive(&mut bank, end, &mut day);
    assert_eq!(bank.counts().delivered, people, "everybody is there in the end");
    day
}
