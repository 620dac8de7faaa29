//! What stays cost at their edges, against a second reckoning that prices unit after unit.

use super::*;
use proptest::prelude::*;

const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;

fn at(s: u64) -> Time {
    Time::from_nanos(s * 1_000_000_000)
}

/// Unit after unit, each by the clock on the wall when it starts.
fn slow_fee(tariff: &Tariff, entry: Time, exit: Time) -> u64 {
    let (stay, unit) = (exit.since(entry).as_nanos(), tariff.unit.as_nanos());
    if stay <= tariff.free.as_nanos() {
        return 0;
    }
    let mut days: Vec<(i64, u64)> = Vec::new();
    for number in 0..stay.div_ceil(unit) {
        let start = i128::from(entry.as_nanos() + number * unit);
        let price = tariff.unit_price(start);
        let used = (stay - number * unit).min(unit);
        let amount = match tariff.rounding {
            Rounding::StartedUnit => price,
            Rounding::Exact => (u128::from(price) * u128::from(used) / u128::from(unit)) as u64,
        };
        let day = tariff.day_of(entry, start);
        match days.iter_mut().find(|(known, _)| *known == day) {
            Some((_, sum)) => *sum += amount,
            None => days.push((day, amount)),
        }
    }
    days.iter().map(|(_, sum)| (*sum).min(tariff.cap_minor.unwrap_or(u64::MAX))).sum()
}

#[test]
fn the_edges_of_the_free_minutes_and_of_a_unit_are_where_they_are_said_to_be() {
    let tariff = Tariff { free: Span::from_secs(15 * MINUTE), ..Tariff::hourly(200) };
    let cases =
        [(0, 0), (15 * MINUTE, 0), (15 * MINUTE + 1, 200), (HOUR, 200), (HOUR + 1, 400), (2 * HOUR, 400)];
    for (stay_s, fee) in cases {
        assert_eq!(tariff.fee(at(1_000), at(1_000 + stay_s)), fee, "{stay_s} s");
    }
    assert_eq!(tariff.fee(at(1_000), at(10)), 0, "a clock that went back");
}

#[test]
fn a_cap_is_reached_and_begins_anew_with_the_day_that_it_is_about() {
    let rolling = Tariff { cap_minor: Some(1_000), ..Tariff::hourly(200) };
    let calendar = Tariff { cap: Cap::LocalDay, ..rolling.clone() };
    let entry = at(20 * HOUR);
    let cases = [
        (4, 800, 800),
        (5, 1_000, 1_000),
        (9, 1_000, 1_800),
        (24, 1_000, 1_800),
        (25, 1_200, 1_800),
        (29, 2_000, 2_000),
    ];
    for (hours, by_rolling, by_calendar) in cases {
        let exit = at((20 + hours) * HOUR);
        assert_eq!(rolling.fee(entry, exit), by_rolling, "rolling, {hours} h");
        assert_eq!(calendar.fee(entry, exit), by_calendar, "calendar, {hours} h");
    }
}

#[test]
fn a_night_over_midnight_has_its_own_price_for_units_that_start_in_it() {
    let night = NightRate { from_minute: 22 * 60, until_minute: 6 * 60, unit_minor: 50 };
    let tariff = Tariff { night: Some(night), ..Tariff::hourly(200) };
    assert_eq!(tariff.fee(at(21 * HOUR), at(23 * HOUR)), 250);
    assert_eq!(tariff.fee(at(21 * HOUR + 1_800), at(23 * HOUR + 1_800)), 250);
    assert_eq!(tariff.fee(at(5 * HOUR), at(7 * HOUR)), 250);
}

#[test]
fn exact_rounding_pays_what_was_used() {
    let tariff = Tariff { rounding: Rounding::Exact, ..Tariff::hourly(200) };
    assert_eq!(tariff.fee(at(0), at(90 * MINUTE)), 300);
    assert_eq!(tariff.fee(at(0), at(1)), 0);
}

#[cfg(feature = "time_zones")]
mod clocks_that_change {
    use super::*;

    /// 2026-03-29 00:00 in Berlin, where the clocks go from 2 to 3, and 2026-10-25, where they go from 3 to 2.
    const SPRING: i64 = 1_774_738_800;
    const AUTUMN: i64 = 1_792_879_200;

    fn berlin(origin_unix_s: i64) -> Tariff {
        let zone = Zone::named("Europe/Berlin").expect("a zone of the bundled data");
        Tariff { zone, origin_unix_s, ..Tariff::hourly(200) }
    }

    #[test]
    fn a_night_costs_what_it_lasts_whichever_way_the_clocks_go() {
        for origin in [SPRING, AUTUMN] {
            assert_eq!(berlin(origin).fee(at(HOUR), at(5 * HOUR)), 800);
        }
        let naive = |hours: u64| hours * 200;
        // From 1 to 5 on the wall: three hours in spring, five in autumn.
        assert_eq!(berlin(SPRING).fee(at(HOUR), at(4 * HOUR)), naive(3));
        assert_eq!(berlin(AUTUMN).fee(at(HOUR), at(6 * HOUR)), naive(5));
    }

    #[test]
    fn the_local_day_is_shorter_in_spring_and_longer_in_autumn() {
        for (origin, hours) in [(SPRING, 23), (AUTUMN, 25)] {
            let tariff = Tariff { cap_minor: Some(1_000), cap: Cap::LocalDay, ..berlin(origin) };
            assert_eq!(tariff.fee(at(0), at(hours * HOUR)), 1_000, "{hours} h are one day");
            assert_eq!(tariff.fee(at(0), at(hours * HOUR + 1)), 1_200, "and a second is the next");
        }
    }

    #[test]
    fn a_cap_by_the_wrong_day_is_seen() {
        let tariff = Tariff { cap_minor: Some(1_000), cap: Cap::LocalDay, ..berlin(AUTUMN) };
        let by_universal_day = Tariff { zone: Zone::UTC, ..tariff.clone() };
        let (entry, exit) = (at(20 * HOUR), at(30 * HOUR));
        assert_ne!(tariff.fee(entry, exit), by_universal_day.fee(entry, exit));
        assert_eq!(tariff.fee(entry, exit), slow_fee(&tariff, entry, exit));
    }
}

fn zones() -> impl Strategy<Value = Zone> {
    #[cfg(feature = "time_zones")]
    let named = prop::sample::select(vec!["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"]);
    #[cfg(feature = "time_zones")]
    let zone = prop_oneof![
        (-43_200i32..43_200).prop_map(Zone::Fixed),
        named.prop_map(|name| Zone::named(name).expect("a zone of the bundled data"))
    ];
    #[cfg(not(feature = "time_zones"))]
    let zone = (-43_200i32..43_200).prop_map(Zone::Fixed);
    zone
}

prop_compose! {
    fn tariffs()(
        zone in zones(), origin in 0i64..2_000_000_000, free in 0u64..3_600, unit in 60u64..9_000, price in 0u64..500,
        night in prop::option::of((0u16..1_440, 0u16..1_440, 0u64..500)), cap in prop::option::of(0u64..5_000),
        is_local in any::<bool>(), is_exact in any::<bool>(),
    ) -> Tariff {
        Tariff {
            zone,
            origin_unix_s: origin,
            free: Span::from_secs(free),
            unit: Span::from_secs(unit),
            unit_minor: price,
            night: night.map(|(from_minute, until_minute, unit_minor)| NightRate { from_minute, until_minute, unit_minor }),
            cap_minor: cap,
            cap: if is_local { Cap::LocalDay } else { Cap::Rolling24h },
            lost_minor: 0,
            rounding: if is_exact { Rounding::Exact } else { Rounding::StartedUnit },
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn day_by_day_and_unit_by_unit_come_to_the_same(
        tariff in tariffs(), entry in 0u64..40_000_000, stay in 0u64..500_000,
    ) {
        let (entry, exit) = (at(entry), at(entry + stay));
        prop_assert_eq!(tariff.fee(entry, exit), slow_fee(&tariff, entry, exit));
    }

    #[test]
    fn a_longer_stay_never_costs_less(
        tariff in tariffs(), entry in 0u64..40_000_000, stay in 0u64..500_000, more in 0u64..100_000,
    ) {
        prop_assert!(tariff.fee(at(entry), at(entry + stay + more)) >= tariff.fee(at(entry), at(entry + stay)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn no_stay_makes_it_panic(
        entry in any::<u64>(), exit in any::<u64>(), origin in any::<i64>(), price in any::<u64>(), unit in 0u64..9,
    ) {
        // Without zones by name a stay of centuries is quick, too.
        let tariff = Tariff {
            origin_unix_s: origin, unit_minor: price, unit: Span::from_secs(unit), cap_minor: Some(7), ..Tariff::hourly(0)
        };
        let _ = tariff.fee(Time::from_nanos(entry), Time::from_nanos(exit));
    }
}
