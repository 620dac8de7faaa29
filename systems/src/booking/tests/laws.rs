//! A desk beside a model that a child could keep: a list of who has which seat.

use super::world::{Travel, World};
use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Act {
    Hold(u64, u32, u32),
    Pay(u64),
    Release(u64),
    Cancel(u64),
    Sweep(u64),
    Pass(u64),
    Crash,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let id = 0u64..7;
    let act = prop_oneof![
        4 => (id.clone(), 0u32..5, 1u32..4).prop_map(|(id, first, count)| Act::Hold(id, first, count)),
        3 => id.clone().prop_map(Act::Pay),
        1 => id.clone().prop_map(Act::Release),
        1 => id.clone().prop_map(Act::Cancel),
        1 => id.prop_map(Act::Sweep),
        2 => (1u64..400).prop_map(Act::Pass),
        1 => Just(Act::Crash),
    ];
    proptest::collection::vec(act, 1..40)
}

/// Bookings as a child would keep them: what was asked, where it stands, until when.
#[derive(Default)]
struct Model {
    bookings: BTreeMap<u64, (Vec<u32>, Phase, Time)>,
}

impl Model {
    fn expire(&mut self, now: Time) {
        for (_, phase, until) in self.bookings.values_mut() {
            if *phase == Phase::Held && *until <= now {
                *phase = Phase::Expired;
            }
        }
    }

    fn is_taken(&self, unit: u32) -> bool {
        self.bookings.values().any(|(units, phase, _)| phase.claim() != Claim::None && units.contains(&unit))
    }

    fn hold(&mut self, now: Time, id: u64, units: Vec<u32>) {
        if !self.bookings.contains_key(&id) && !units.iter().any(|unit| self.is_taken(*unit)) {
            self.bookings.insert(id, (units, Phase::Held, now + Span::from_secs(600)));
        }
    }

    fn step(&mut self, id: u64, from: Phase, to: Phase) {
        if let Some((_, phase, _)) = self.bookings.get_mut(&id).filter(|(_, phase, _)| *phase == from) {
            *phase = to;
        }
    }
}

fn play(acts: Vec<Act>) -> Result<(), TestCaseError> {
    let mut world = World::new(super::world::config(), Travel::Prompt);
    let mut model = Model::default();
    for act in acts {
        model.expire(world.now);
        let token = |id| world.desk().booking(BookingId(id)).map_or(Token(0), |booking| booking.token);
        match act {
            Act::Hold(id, first, count) => {
                let units: Vec<u32> = (first..first + count).collect();
                let _ = world.hold(id, &units);
                model.hold(world.now, id, units);
            }
            Act::Pay(id) => {
                let _ = world.pay(id, token(id));
                model.step(id, Phase::Held, Phase::Confirmed);
            }
            Act::Release(id) => {
                let token = token(id);
                let _ = world.say(Command::Release { booking: BookingId(id), token });
                model.step(id, Phase::Held, Phase::Released);
            }
            Act::Cancel(id) => {
                let _ = world.say(Command::Cancel { booking: BookingId(id), fee_minor: 0 });
                model.step(id, Phase::Confirmed, Phase::Cancelled);
            }
            Act::Sweep(id) => {
                let _ = world.say(Command::Sweep { booking: BookingId(id) });
            }
            Act::Pass(secs) => world.pass(Span::from_secs(secs)),
            Act::Crash => {
                world.die();
                world.open();
            }
        }
        // The payment system answers within it.
        world.pass(Span::from_millis(500));
        model.expire(world.now);
        for (id, (_, phase, _)) in &model.bookings {
            prop_assert_eq!(world.phase(*id), Some(*phase), "booking {}", id);
        }
        prop_assert_eq!(world.desk().bookings().count(), model.bookings.len());
        for unit in 0..8 {
            prop_assert_eq!(world.desk().unit(unit).taken() > 0, model.is_taken(unit));
        }
        prop_assert!(world.problems().is_empty(), "{:?}", world.problems());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn it_agrees_with_a_list_of_who_has_which_seat(acts in acts()) {
        play(acts)?;
    }
}

#[test]
fn abandoned_holds_keep_as_many_seats_dead_as_littles_law_says() {
    // Two abandoned holds a second for ten seconds each: twenty seats on average.
    let config = DeskConfig { hold_ttl: Span::from_secs(10), ..super::world::config() };
    let mut world = World::new(config, Travel::Prompt);
    let (mut held, mut samples) = (0u64, 0u64);
    for number in 0..1_000u64 {
        // Poisson arrivals, by their inverse distribution.
        let uniform = (crate::arithmetic::keyed_word(3, number) >> 11) as f64 / (1u64 << 53) as f64;
        let pause_ns = -libm::log(1.0 - uniform) * 0.5e9;
        world.pass(Span::from_nanos(pause_ns as u64));
        let free = (0..100).find(|unit| world.desk().unit(*unit).taken() == 0);
        world.hold(number, &[free.expect("a hundred are enough")]).expect("it is free");
        if world.now > Time::from_nanos(20_000_000_000) {
            // What an arrival sees before itself is the average over time (PASTA).
            held += world.desk().totals().held - 1;
            samples += 1;
        }
    }
    let mean = held as f64 / samples as f64;
    assert!((mean - 20.0).abs() < 1.0, "{mean}");
    world.assert_clean();
}
