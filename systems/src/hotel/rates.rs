//! What a stay costs: by night, weekend, season and length, with taxes, in whole minor units. Pure arithmetic; never
//! rounds but to the nearest minor unit, half up, night by night.

use super::calendar::Night;
use std::ops::RangeInclusive;

/// When a booking counts as paid for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Guarantee {
    /// All of it is paid before it is confirmed.
    #[default]
    Prepaid,
    /// The first night is.
    FirstNight,
    /// It is paid at the counter; whoever does not come owes nothing.
    None,
}

/// What is kept when a guest calls off too late, or does not come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fee {
    /// Nothing.
    None,
    /// What the first night costs.
    #[default]
    FirstNight,
    /// So much of the whole, in parts per million.
    Share(u32),
    /// Everything.
    All,
}

/// Until when a guest may call off, and what it costs afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancellation {
    /// Free until so many days before the day of arrival.
    pub free_days_before: u16,
    /// And until this minute of that day.
    pub free_until_minute: u16,
    /// Then this is kept.
    pub fee: Fee,
}

impl Default for Cancellation {
    /// Until six in the evening of the day before; then the first night.
    fn default() -> Cancellation {
        Cancellation { free_days_before: 1, free_until_minute: 18 * 60, fee: Fee::FirstNight }
    }
}

/// Nights that cost more or less than usual.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Season {
    /// These.
    pub nights: RangeInclusive<Night>,
    /// So much of the usual, in parts per million.
    pub factor_ppm: u32,
}

/// A way to book: prices and conditions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RatePlan {
    /// What a usual night costs, by room type.
    pub night_minor: Vec<i64>,
    /// What Friday and Saturday nights cost of that, in parts per million; 0 is no difference.
    pub weekend_ppm: u32,
    /// Of several that hold a night the first counts.
    pub seasons: Vec<Season>,
    /// From so many nights on, so much less of the whole, in parts per million. The longest that is reached counts.
    pub discounts: Vec<(u16, u32)>,
    /// On top of what remains, in parts per million.
    pub tax_ppm: u32,
    /// And on top of that, for each night.
    pub tax_a_night_minor: i64,
    /// Fewer nights are not sold.
    pub min_nights: u16,
    /// What has to be paid before.
    pub guarantee: Guarantee,
    /// What it takes to get out of it.
    pub cancellation: Cancellation,
}

/// What a stay costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Night by night, after the discount, without taxes.
    pub nightly_minor: Vec<i64>,
    /// Taxes.
    pub tax_minor: i64,
    /// All of it.
    pub total_minor: i64,
    /// What has to be paid to confirm it.
    pub deposit_minor: i64,
}

const WHOLE: i128 = 1_000_000;

/// So much of an amount, to the nearest minor unit, half up.
fn share(minor: i64, ppm: u32) -> i64 {
    // All or nothing of it is what most rules say, and needs no division.
    match ppm {
        0 => return 0,
        1_000_000 => return minor,
        _ => {}
    }
    let wide = (i128::from(minor) * i128::from(ppm) + WHOLE / 2).div_euclid(WHOLE);
    i64::try_from(wide).unwrap_or(i64::MAX)
}

impl RatePlan {
    /// What so many nights in a room type cost; `None` if the plan has no price for it or the stay is too short.
    pub fn quote(&self, kind: usize, arrival: Night, nights: u16, rooms: u32) -> Option<Quote> {
        let usual_minor = *self.night_minor.get(kind).filter(|minor| **minor >= 0)?;
        if nights == 0 || nights < self.min_nights {
            return None;
        }
        let reached = self.discounts.iter().filter(|(from, _)| nights >= *from).max_by_key(|(from, _)| *from);
        let kept_ppm = 1_000_000u32.saturating_sub(reached.map_or(0, |(_, ppm)| *ppm));
        let nightly_minor: Vec<i64> = (0..nights)
            .map(|number| share(self.night(usual_minor, arrival.plus(number)), kept_ppm))
            .map(|minor| minor.saturating_mul(i64::from(rooms)))
            .collect();
        let net_minor = nightly_minor.iter().fold(0i64, |sum, minor| sum.saturating_add(*minor));
        let fixed_minor = self.tax_a_night_minor.max(0).saturating_mul(i64::from(nights));
        let tax_minor =
            share(net_minor, self.tax_ppm).saturating_add(fixed_minor.saturating_mul(i64::from(rooms)));
        let total_minor = net_minor.saturating_add(tax_minor);
        let deposit_minor = match self.guarantee {
            Guarantee::Prepaid => total_minor,
            Guarantee::FirstNight => nightly_minor.first().copied().unwrap_or(0).min(total_minor),
            Guarantee::None => 0,
        };
        Some(Quote { nightly_minor, tax_minor, total_minor, deposit_minor })
    }

    fn night(&self, usual_minor: i64, night: Night) -> i64 {
        let season = self.seasons.iter().find(|season| season.nights.contains(&night));
        let minor = season.map_or(usual_minor, |season| share(usual_minor, season.factor_ppm));
        let is_weekend = matches!(night.weekday(), 5 | 6);
        if is_weekend && self.weekend_ppm > 0 { share(minor, self.weekend_ppm) } else { minor }
    }

    /// What is kept of a stay that is called off too late or not begun; at most its price.
    pub fn fee_minor(&self, nightly_minor: &[i64], price_minor: i64) -> i64 {
        let fee = match self.cancellation.fee {
            Fee::None => 0,
            Fee::FirstNight => nightly_minor.first().copied().unwrap_or(price_minor),
            Fee::Share(ppm) => share(price_minor, ppm),
            Fee::All => price_minor,
        };
        fee.clamp(0, price_minor.max(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plan() -> RatePlan {
        RatePlan { night_minor: vec![10_000, 25_000], ..RatePlan::default() }
    }

    #[test]
    fn weekends_seasons_length_and_taxes_are_put_together_in_minor_units() {
        // Thursday the 24th to Monday the 28th of December 2026.
        let arrival = Night::on(2026, 12, 24).expect("it is a day");
        let season = Season { nights: arrival.plus(1)..=arrival.plus(2), factor_ppm: 1_500_000 };
        let plan = RatePlan {
            weekend_ppm: 1_200_000,
            seasons: vec![season],
            discounts: vec![(3, 50_000), (4, 100_000), (7, 200_000)],
            tax_ppm: 70_000,
            tax_a_night_minor: 150,
            ..plan()
        };
        let quote = plan.quote(0, arrival, 4, 1).expect("it is sold");
        // 100; 100 * 1.5 * 1.2 twice (Friday, Saturday); 100: each less a tenth.
        assert_eq!(quote.nightly_minor, [9_000, 16_200, 16_200, 9_000]);
        assert_eq!(quote.tax_minor, 3_528 + 600);
        assert_eq!(quote.total_minor, 50_400 + 4_128);
        assert_eq!(plan.quote(2, arrival, 4, 1), None, "no such room type");
        assert_eq!(RatePlan { min_nights: 5, ..plan }.quote(0, arrival, 4, 1), None);
    }

    #[test]
    fn a_fee_is_never_more_than_the_price() {
        let cases = [(Fee::None, 0), (Fee::FirstNight, 700), (Fee::Share(500_000), 500), (Fee::All, 1_000)];
        for (fee, expected) in cases {
            let plan = RatePlan { cancellation: Cancellation { fee, ..Cancellation::default() }, ..plan() };
            assert_eq!(plan.fee_minor(&[700, 300], 1_000), expected, "{fee:?}");
            assert!(plan.fee_minor(&[i64::MAX], 5) <= 5);
        }
    }

    proptest! {
        #[test]
        fn no_plan_makes_the_arithmetic_panic_and_parts_are_the_whole(
            usual in 0i64..1 << 40, weekend in 0u32..3_000_000, tax in 0u32..500_000, nights in 1u16..40,
            rooms in 1u32..9, discount in 0u32..2_000_000, from in -10_000i32..60_000,
        ) {
            let plan = RatePlan {
                night_minor: vec![usual],
                weekend_ppm: weekend,
                tax_ppm: tax,
                discounts: vec![(2, discount)],
                ..RatePlan::default()
            };
            let quote = plan.quote(0, Night(from), nights, rooms).expect("it is sold");
            prop_assert_eq!(quote.nightly_minor.iter().sum::<i64>() + quote.tax_minor, quote.total_minor);
            prop_assert!((0..=quote.total_minor).contains(&quote.deposit_minor));
            prop_assert_eq!(quote.nightly_minor.len(), usize::from(nights));
        }
    }
}
