//! A lot without a queue loses what Erlang's formula says, whatever the distribution of the stays: only their mean
//! counts. Checked with exponential, constant and lognormal stays.

use super::stories::{car, lot};
use crate::arithmetic::keyed_word;
use crate::parking_lot::*;
use crate::time::{Span, Time};
use std::collections::BTreeSet;

/// B(0) = 1, B(k) = a B(k-1) / (k + a B(k-1)).
fn erlang_b(spots: u32, offered: f64) -> f64 {
    (1..=spots).fold(1.0, |lost, spots| offered * lost / (f64::from(spots) + offered * lost))
}

#[derive(Clone, Copy, Debug)]
enum Stay {
    Exponential,
    Constant,
    Lognormal,
}

fn unit(word: u64) -> f64 {
    ((word >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
}

/// A stay of mean 1.
fn stay(kind: Stay, words: [u64; 2]) -> f64 {
    match kind {
        Stay::Exponential => -libm::log(unit(words[0])),
        Stay::Constant => 1.0,
        Stay::Lognormal => {
            let radius = libm::sqrt(-2.0 * libm::log(unit(words[0])));
            let normal = radius * libm::cos(std::f64::consts::TAU * unit(words[1]));
            libm::exp(normal - 0.5)
        }
    }
}

/// Arrivals of a run, as the published values ask for: a quarter of a minute each, and therefore by name.
const PUBLISHED: u64 = 1_000_000;
/// Enough for the published tolerance to be four standard errors.
const ARRIVALS: u64 = 200_000;
/// Of which each batch is nearly independent of the others.
const BATCHES: u64 = 100;

/// What a run shows.
struct Seen {
    /// The share of arrivals that find no spot.
    lost: f64,
    /// Its standard error, by batches.
    error: f64,
    /// The mean number of cars inside.
    inside: f64,
}

fn mean_and_error(batches: &[f64]) -> (f64, f64) {
    let count = batches.len() as f64;
    let mean = batches.iter().sum::<f64>() / count;
    let squares: f64 = batches.iter().map(|lost| (lost - mean) * (lost - mean)).sum();
    (mean, libm::sqrt(squares / (count - 1.0) / count))
}

fn simulated(spots: u32, offered: f64, kind: Stay, arrivals: u64) -> Seen {
    let mut config = LotConfig::simple([0, spots, 0, 0, 0], 0);
    config.keep_closed = Span::ZERO;
    let mut lot = lot(config);
    let mut leaving: BTreeSet<(Time, TicketId)> = BTreeSet::new();
    let (mut out, mut now, mut inside_s) = (Vec::new(), 0.0, 0.0);
    let (mut lost, mut lost_before) = (Vec::new(), 0);
    for number in 0..arrivals {
        let words = [0, 1, 2].map(|draw| keyed_word(41, number * 3 + draw));
        now += -libm::log(unit(words[0])) / offered;
        let at = |s: f64| Time::from_nanos((s * 1e9) as u64);
        while let Some((time, ticket)) = leaving.first().copied().filter(|(time, _)| *time <= at(now)) {
            leaving.remove(&(time, ticket));
            lot.handle(time, Input::Exit { gate: GateId(0), who: Who::Ticket(ticket) }, &mut out)
                .expect("free");
        }
        lot.expire(at(now), &mut out);
        out.clear();
        let enter = Input::Enter { gate: GateId(0), vehicle: car(number), request: RequestId(number) };
        if lot.handle(at(now), enter, &mut out).is_ok()
            && let Some(Output::Admitted { ticket, .. }) = out.first()
        {
            let stays = stay(kind, [words[1], words[2]]);
            inside_s += stays;
            leaving.insert((at(now + stays), *ticket));
            let ticket = *ticket;
            lot.handle(at(now), Input::Entered { ticket }, &mut out).expect("it comes in");
        }
        lot.audit().expect("what must hold");
        if (number + 1) % (arrivals / BATCHES) == 0 {
            lost.push((lot.refused() - lost_before) as f64 / (arrivals / BATCHES) as f64);
            lost_before = lot.refused();
        }
    }
    let (lost, error) = mean_and_error(&lost);
    Seen { lost, error, inside: inside_s / now }
}

/// The tolerance of the published cases.
const TOLERANCE: f64 = 0.005;

fn loses_what_erlang_says((spots, offered, published): (u32, f64, f64), kind: Stay, arrivals: u64) {
    assert!((erlang_b(spots, offered) - published).abs() < 1e-6);
    let Seen { lost, error, inside } = simulated(spots, offered, kind, arrivals);
    println!("{spots} spots, {offered} offered, {kind:?}: {lost:.6} lost, standard error {error:.6}");
    assert!(3.5 * error < TOLERANCE, "so many arrivals say it, whatever the seed: {error}");
    assert!((lost - published).abs() < TOLERANCE, "{spots} spots, {offered} offered, {kind:?}: {lost}");
    let little = offered * (1.0 - published);
    assert!((inside - little).abs() < little * 0.02, "{kind:?}: {inside} cars inside, {little} by Little");
}

const SMALL: (u32, f64, f64) = (5, 3.0, 0.110_054);
const LARGE: (u32, f64, f64) = (10, 7.0, 0.078_740_9);

#[test]
fn five_spots_and_exponential_stays_lose_what_erlang_says() {
    loses_what_erlang_says(SMALL, Stay::Exponential, ARRIVALS);
}

#[test]
fn five_spots_and_constant_stays_lose_the_same() {
    loses_what_erlang_says(SMALL, Stay::Constant, ARRIVALS);
}

#[test]
fn five_spots_and_lognormal_stays_lose_the_same() {
    loses_what_erlang_says(SMALL, Stay::Lognormal, ARRIVALS);
}

#[test]
fn ten_spots_and_exponential_stays_lose_what_erlang_says() {
    loses_what_erlang_says(LARGE, Stay::Exponential, ARRIVALS);
}

#[test]
fn ten_spots_and_constant_stays_lose_the_same() {
    loses_what_erlang_says(LARGE, Stay::Constant, ARRIVALS);
}

#[test]
fn ten_spots_and_lognormal_stays_lose_the_same() {
    loses_what_erlang_says(LARGE, Stay::Lognormal, ARRIVALS);
}

#[test]
#[ignore = "takes a minute and a half: `cargo test --release -- --ignored a_million_arrivals`"]
fn a_million_arrivals_lose_what_erlang_says_whatever_the_stays_are_like() {
    for lot in [SMALL, LARGE] {
        for kind in [Stay::Exponential, Stay::Constant, Stay::Lognormal] {
            loses_what_erlang_says(lot, kind, PUBLISHED);
        }
    }
}

#[test]
fn the_recursion_gives_the_published_values_and_one_large_lot_loses_less_than_two_small_ones() {
    for (spots, offered, lost) in [(10, 5.0, 0.018_385), (20, 18.0, 0.109_213), (100, 90.0, 0.026_957)] {
        assert!((erlang_b(spots, offered) - lost).abs() < 1e-6);
    }
    assert!(erlang_b(50, 45.0) > erlang_b(100, 90.0));
}
