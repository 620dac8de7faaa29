//! What holds of a box office whatever people do.

use super::*;
use crate::arithmetic::keyed_word;
use proptest::prelude::*;

/// The best block by looking at every one.
fn best_by_hand(map: &SeatMap, rows: u16, width: u16, count: u16, free: &BTreeSet<Seat>) -> Option<u64> {
    let best_row = u64::from(rows) * 2 / 3;
    (0..rows)
        .flat_map(|row| (0..width).map(move |first| (row, first)))
        .filter(|(_, first)| first + count <= width)
        .filter(|(row, first)| {
            (*first..first + count).all(|number| free.contains(&Seat { row: *row, number }))
        })
        .filter(|(row, first)| map.has(Seat { row: *row, number: *first }))
        .map(|(row, first)| {
            let middle = u64::from(first) * 2 + u64::from(count);
            u64::from(row).abs_diff(best_row) * 4 + middle.abs_diff(u64::from(width))
        })
        .min()
}

proptest! {
    #[test]
    fn the_best_seats_are_free_beside_each_other_and_none_are_better(
        rows in 1u16..6, width in 1u16..9, count in 1u16..5, word: u64,
    ) {
        let map = SeatMap::even(rows, width, 5).expect("it has seats");
        let free: BTreeSet<Seat> = map
            .all()
            .filter(|seat| keyed_word(word, u64::from(seat.row) << 16 | u64::from(seat.number)) & 1 == 1)
            .collect();
        let best = map.best(count, None, false, &mut |seat| free.contains(&seat));
        let by_hand = best_by_hand(&map, rows, width, count, &free);
        prop_assert_eq!(best.is_some(), by_hand.is_some());
        if let Some(block) = best {
            prop_assert!(block.iter().all(|seat| free.contains(seat)));
            prop_assert!(block.windows(2).all(|pair| pair[1].number == pair[0].number + 1));
            let middle = u64::from(block[0].number) * 2 + u64::from(count);
            let row = u64::from(block[0].row).abs_diff(u64::from(rows) * 2 / 3);
            prop_assert_eq!(Some(row * 4 + middle.abs_diff(u64::from(width))), by_hand);
        }
    }

    #[test]
    fn under_the_rule_no_single_seat_ever_comes_into_being(
        wishes in proptest::collection::vec((0u16..3, 0u16..10, 1u16..4), 1..40),
    ) {
        let mut office = office(Show { allows_gaps: false, ..show(3, 10) }, BoxOfficeConfig::default());
        for ((row, first, count), id) in wishes.into_iter().zip(1..) {
            let wanted: Vec<u16> = (first..first + count).filter(|number| *number < 10).collect();
            let _ = hold(&mut office, at(1), id, &seats(row, &wanted));
            let view = office.newest_view(at(1).store, SHOW).expect("there is a show");
            for seat in view.free() {
                let is_free = |number: Option<u16>| {
                    number.is_some_and(|number| view.is_free(Seat { number, ..seat }))
                };
                let (left, right) = (is_free(seat.number.checked_sub(1)), is_free(Some(seat.number + 1)));
                prop_assert!(left || right, "{seat} is alone");
            }
            prop_assert_eq!(office.desk().violation(), None);
        }
    }
}

#[test]
fn late_payments_are_as_frequent_as_the_tail_of_the_payment_time_says() {
    // Log-normal payment times with a median of 60 s and a sigma of 0.8; holds of 120 s.
    let (people, sigma, ttl_s) = (20_000u64, 0.8, 120u64);
    let desk = DeskConfig { hold_ttl: Span::from_secs(ttl_s), extensions: 0, ..DeskConfig::default() };
    let mut office = office(show(1, 1), BoxOfficeConfig { desk, ..BoxOfficeConfig::default() });
    let mut late = 0u64;
    for person in 0..people {
        let start_ns = person * 10_000_000_000_000 / 2;
        let clocks = Clocks::agreed(Time::from_nanos(start_ns % 90_000_000_000_000));
        // Box and Muller.
        let [a, b] =
            [0, 1].map(|number| (keyed_word(5, person * 2 + number) >> 11) as f64 / (1u64 << 53) as f64);
        let normal = libm::sqrt(-2.0 * libm::log(1.0 - a)) * libm::cos(core::f64::consts::TAU * b);
        let paid_after = Span::from_nanos((60e9 * libm::exp(sigma * normal)) as u64);
        let token = hold(&mut office, clocks, person, &seats(0, &[0])).expect("it is free");
        let booking = BookingId(person);
        let pay = Command::Pay { booking, token };
        office.handle(clocks, pay, &mut Vec::new()).expect("it is held");
        let then = Clocks::agreed(clocks.store + paid_after);
        let paid = Command::Paid { booking, token, payment: 1, minor: 900 };
        let answer = office.handle(then, paid, &mut Vec::new()).expect("it is known");
        late += u64::from(matches!(answer, Answer::Confirmed { was_retaken: true, .. }));
        office
            .handle(then, Command::Cancel { booking, fee_minor: 900 }, &mut Vec::new())
            .expect("it is theirs");
    }
    // 1 - Phi(ln(120/60)/0.8), by the complementary error function.
    let expected = 0.5 * libm::erfc(libm::log(2.0) / sigma / core::f64::consts::SQRT_2);
    let share = late as f64 / people as f64;
    assert!((share - expected).abs() < 0.009, "{share} for {expected}"); // three standard errors
    assert_eq!(office.desk().totals().retaken, late);
    assert_eq!(office.desk().violation(), None);
}
