//! Reserves and gradual shedding by priority.

use super::*;
use crate::rate_limiter::shedding::*;

#[test]
fn a_fifth_is_kept_for_critical_requests() {
    let reserve = PriorityReserve::new(vec![1_000_000, 800_000]).unwrap();
    let cases = [
        // priority, in use, admitted
        (0, 79, true),
        (1, 79, true),
        (1, 80, false),
        (7, 80, false),
        (0, 80, true),
        (0, 99, true),
        (0, 100, false),
    ];
    for (priority, in_use, admitted) in cases {
        assert_eq!(
            reserve.admits(priority, in_use, 100),
            admitted,
            "priority {priority} with {in_use} in use"
        );
    }
    assert!(!reserve.admits(0, 0, 0) && !reserve.admits(0, u64::MAX, u64::MAX));
}

#[test]
fn the_less_important_are_shed_first_and_more_of_them_the_busier_the_workers() {
    let ranges = vec![
        ShedRange { from_ppm: 950_000, all_ppm: 1_000_000 },
        ShedRange { from_ppm: 800_000, all_ppm: 900_000 },
        ShedRange { from_ppm: 700_000, all_ppm: 700_000 },
    ];
    let shedder = UtilizationShedder::new(ranges).unwrap();
    let cases = [
        // utilisation, share shed of each
        (0, [0, 0, 0]),
        (699_999, [0, 0, 0]),
        (700_000, [0, 0, 1_000_000]),
        (800_000, [0, 0, 1_000_000]),
        (850_000, [0, 500_000, 1_000_000]),
        (900_000, [0, 1_000_000, 1_000_000]),
        (975_000, [500_000, 1_000_000, 1_000_000]),
        (1_000_000, [1_000_000, 1_000_000, 1_000_000]),
        (u32::MAX, [1_000_000, 1_000_000, 1_000_000]),
    ];
    for (utilization, shares) in cases {
        assert_eq!(
            [0, 1, 2].map(|priority| shedder.shed_share_ppm(priority, utilization)),
            shares,
            "{utilization}"
        );
    }
    // The random word decides in between, at both ends of its range.
    assert!(shedder.sheds(1, 850_000, 0) && !shedder.sheds(1, 850_000, u64::MAX));
    assert!(shedder.sheds(1, 900_000, u64::MAX) && !shedder.sheds(1, 800_000, 0));
}

#[test]
fn shares_and_ranges_out_of_order_are_refused_with_the_priority() {
    let cases = [
        (vec![], SheddingError::Empty),
        (vec![1_000_001], SheddingError::AboveWhole { priority: 0, ppm: 1_000_001 }),
        (vec![500_000, 600_000], SheddingError::OutOfOrder { priority: 1 }),
    ];
    for (shares, error) in cases {
        assert_eq!(PriorityReserve::new(shares), Err(error));
        assert!(error.to_string().contains("use"), "{error}");
    }
    let range = |from_ppm, all_ppm| ShedRange { from_ppm, all_ppm };
    let cases = [
        (vec![], SheddingError::Empty),
        (vec![range(1, 1_000_001)], SheddingError::AboveWhole { priority: 0, ppm: 1_000_001 }),
        (vec![range(2, 1)], SheddingError::Reversed { priority: 0 }),
        (vec![range(1, 2), range(1, 3)], SheddingError::OutOfOrder { priority: 1 }),
    ];
    for (ranges, error) in cases {
        assert_eq!(UtilizationShedder::new(ranges), Err(error));
    }
}

proptest! {
    #[test]
    fn nobody_is_better_off_for_being_less_important(
        mut shares in prop::collection::vec(0u32..=1_000_000, 1..5), in_use in 0u64..2_000, limit in 0u64..2_000,
        mut froms in prop::collection::vec(0u32..=1_000_000, 4), mut alls in prop::collection::vec(0u32..=1_000_000, 4),
        utilization in 0u32..=1_100_000, busier in 0u32..100_000, word in any::<u64>(),
    ) {
        shares.sort_unstable_by(|a, b| b.cmp(a));
        let reserve = PriorityReserve::new(shares).unwrap();
        froms.sort_unstable_by(|a, b| b.cmp(a));
        alls.sort_unstable_by(|a, b| b.cmp(a));
        let ranges = froms.iter().zip(&alls);
        let ranges = ranges.map(|(from, all)| ShedRange { from_ppm: *from.min(all), all_ppm: *from.max(all) });
        let shedder = UtilizationShedder::new(ranges.collect()).unwrap();
        for priority in 0..4 {
            prop_assert!(reserve.admits(priority, in_use, limit) >= reserve.admits(priority + 1, in_use, limit));
            prop_assert!(!reserve.admits(priority, in_use, limit) || in_use < limit);
            let share = shedder.shed_share_ppm(priority, utilization);
            prop_assert!(share <= shedder.shed_share_ppm(priority, utilization + busier));
            prop_assert!(share <= 1_000_000);
            prop_assert!(shedder.sheds(priority, utilization, word) <= shedder.sheds(priority, utilization + busier, word));
        }
    }
}
