//! Twenty thousand people for five hundred seats: straight at the counters, and through a waiting room.

use super::*;
use crate::arithmetic::{keyed_word, uniform};

/// What came of it.
#[derive(Debug, Default)]
struct Rush {
    tries: u64,
    refused: u64,
    conflicts: u64,
    sold: u64,
    most_in_a_second: u64,
}

/// Everybody comes within ten seconds and tries up to three seats that the map shows as free; transactions of the same
/// millisecond overlap.
fn rush(waiting_room: Option<WaitingRoomConfig>) -> Rush {
    let config = BoxOfficeConfig {
        waiting_room,
        seat_view_ttl: Span::from_secs(1),
        desk: DeskConfig { isolation: Isolation::Serializable, ..DeskConfig::default() },
        ..BoxOfficeConfig::default()
    };
    let mut office = office(show(20, 25), config);
    let mut comings: Vec<(Time, u64)> = (0..20_000)
        .map(|person| (Time::from_nanos(uniform(keyed_word(1, person), 0, 10_000_000_000)), person))
        .collect();
    comings.sort();
    let mut result = Rush::default();
    let mut inside: Vec<(Time, u64)> = Vec::new();
    for (now, person) in &comings {
        if let Ok(Place::Inside { .. }) = office.join(*now, CustomerId(*person), keyed_word(2, *person)) {
            inside.push((*now, *person));
        }
    }
    let mut admitted = Vec::new();
    while office.room().is_some_and(|room| room.waiting() > 0) && inside.len() < 5_000 {
        let now = office.deadline().expect("somebody waits");
        office.expire(now, &mut Vec::new(), &mut admitted).expect("memory does not fail");
        inside.extend(admitted.drain(..).map(|admitted| (now, admitted.person.0)));
    }
    let mut in_second = std::collections::BTreeMap::<u64, u64>::new();
    for group in inside.chunks(8) {
        let begun: Vec<_> = group
            .iter()
            .map(|(now, person)| {
                *in_second.entry(now.as_nanos() / 1_000_000_000).or_default() += 1;
                result.tries += 1;
                let free: Vec<Seat> = office.view(*now, SHOW).expect("there is a show").free().collect();
                let word = keyed_word(3, *person);
                let seat = *free.get(uniform(word, 0, free.len().saturating_sub(1) as u64) as usize)?;
                let ask = office.ask(BookingId(*person), CustomerId(*person), SHOW, &[seat]).ok()?;
                Some((*now, *person, office.begin(Clocks::agreed(*now), Command::Hold(ask)).ok()?))
            })
            .collect();
        for begun in begun {
            let Some((now, person, pending)) = begun else {
                result.refused += 1;
                continue;
            };
            match office.commit(now, pending, &mut Vec::new()) {
                Ok(Answer::Held { token, .. }) => {
                    result.sold += u64::from(pay(&mut office, Clocks::agreed(now), person, token));
                }
                Ok(_) | Err(_) => result.conflicts += 1,
            }
        }
    }
    result.most_in_a_second = in_second.values().max().copied().unwrap_or(0);
    assert_eq!(office.desk().violation(), None);
    assert_eq!(office.desk().audit(), Ok(()));
    assert_eq!(office.desk().totals().sold, result.sold);
    assert_eq!(office.desk().totals().kept_minor, i128::from(result.sold) * 900);
    result
}

#[test]
fn a_waiting_room_bounds_the_load_and_both_sell_every_seat_once() {
    let without = rush(None);
    assert_eq!(without.sold, 500, "{without:?}");
    assert!(without.most_in_a_second > 1_500, "{without:?}");
    let room = WaitingRoomConfig {
        order: Order::Lottery,
        opens_at: Time::from_nanos(10_000_000_000),
        admitted_a_second_milli: 100_000,
        capacity: 0,
        pass_ttl: Span::from_secs(600),
    };
    let with = rush(Some(room));
    assert_eq!(with.sold, 500, "{with:?}");
    assert!(with.most_in_a_second <= 100, "{with:?}");
    assert!(with.tries < without.tries);
}
