//! What the stays of a hotel cost, and what guests do with them: settings beside those of its rooms.

use foreshock_systems::hotel::{Cancellation, Fee, Guarantee, HouseConfig, RatePlan, RoomKind};
use serde_json::Value;

use super::settings::DeskSettings;
use crate::kernel::time::Span;
use crate::nodes::setting_table::{Setting, choice, positive, share, span, switch, text, up_to};
use crate::scenario::quantity::Problem;

/// How guests look for a stay, pay for it, and change their minds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    /// Room types, each of as many rooms.
    pub(super) types: u32,
    /// Rooms that may be taken in a night over all types.
    pub(super) house_limit: Option<u32>,
    /// Whether a guest is given a room of another type if there is none of the one that was booked.
    upgrades: bool,
    /// What a Friday or Saturday costs of a usual night; day 0 is a Thursday.
    weekend_ppm: u32,
    tax_ppm: u32,
    /// From so many nights on, so much less.
    long_stay: u32,
    long_stay_off_ppm: u32,
    /// Share of guests who take the plan that cannot be called off, and how much less it costs.
    pub(super) saver_ppm: u32,
    saver_off_ppm: u32,
    guarantee: Guarantee,
    /// So many days before the arrival, and no later, a stay is called off for nothing.
    free_until: u32,
    /// Then this is kept. Not given: calling off is free, and who does not come pays the first night.
    late_fee: Option<Fee>,
    /// Guests look at what is free, and take what is cheapest on the first day that they find something.
    pub(super) searches: bool,
    /// Share of those who find nothing that wait in line.
    pub(super) waits_ppm: u32,
    /// Share of those who have a confirmation that want other nights.
    pub(super) change_ppm: u32,
    pub(super) change_after: Span,
}

impl Default for Terms {
    fn default() -> Terms {
        Terms {
            types: 1,
            house_limit: None,
            upgrades: false,
            weekend_ppm: 0,
            tax_ppm: 0,
            long_stay: 0,
            long_stay_off_ppm: 0,
            saver_ppm: 0,
            saver_off_ppm: 0,
            guarantee: Guarantee::Prepaid,
            free_until: 1,
            late_fee: None,
            searches: false,
            waits_ppm: 0,
            change_ppm: 0,
            change_after: Span::from_secs(10),
        }
    }
}

/// The plan of whoever may change their mind, and of whoever may not.
pub(super) const FLEXIBLE: u16 = 0;
pub(super) const SAVER: u16 = 1;

impl Terms {
    /// The rate plans, by their numbers.
    fn plans(&self, night_minor: u32) -> Vec<RatePlan> {
        let usual = |off_ppm: u32| {
            let kept_ppm = u64::from(1_000_000 - off_ppm);
            i64::try_from(u64::from(night_minor) * kept_ppm / 1_000_000).unwrap_or(i64::MAX)
        };
        let plan = |off_ppm, guarantee, cancellation| RatePlan {
            night_minor: vec![usual(off_ppm); self.types as usize],
            weekend_ppm: self.weekend_ppm,
            discounts: (self.long_stay > 0)
                .then_some((self.long_stay as u16, self.long_stay_off_ppm))
                .into_iter()
                .collect(),
            tax_ppm: self.tax_ppm,
            guarantee,
            cancellation,
            ..RatePlan::default()
        };
        let flexible = Cancellation {
            free_days_before: self.free_until as u16,
            fee: self.late_fee.unwrap_or_default(),
            ..Cancellation::default()
        };
        // What cannot be called off was never free to be.
        let saver = Cancellation { free_days_before: u16::MAX, fee: Fee::All, ..Cancellation::default() };
        vec![plan(0, self.guarantee, flexible), plan(self.saver_off_ppm, Guarantee::Prepaid, saver)]
    }

    /// Whether a stay of this plan costs something if it is called off on `today`.
    pub(super) fn is_late(&self, plan: &RatePlan, today: u64, arrival: i32) -> bool {
        if self.late_fee.is_none() && plan.cancellation.fee != Fee::All {
            return false;
        }
        let days_before = i64::from(plan.cancellation.free_days_before);
        i64::try_from(today).unwrap_or(i64::MAX).saturating_add(days_before) > i64::from(arrival)
    }
}

/// The house that the settings describe; its channels are the caller's.
pub(super) fn house(settings: &DeskSettings) -> HouseConfig {
    let terms = &settings.terms;
    HouseConfig {
        kinds: vec![
            RoomKind { rooms: settings.rooms, overbooking: settings.overbooking };
            terms.types as usize
        ],
        plans: terms.plans(settings.price_minor),
        house_limit: terms.house_limit,
        max_nights: settings.nights.1 as u16,
        partner_rooms: settings.partner_rooms,
        compensation_minor: i64::from(settings.compensation_minor),
        upgrades: terms.upgrades,
        ..HouseConfig::default()
    }
}

pub(super) const TERMS: [Setting<DeskSettings>; 16] = [
    ("types", |settings, value| {
        settings.terms.types = up_to(value, 100)?;
        Ok(())
    }),
    ("house_limit", |settings, value| {
        settings.terms.house_limit = Some(positive(value)?);
        Ok(())
    }),
    ("upgrades", |settings, value| {
        settings.terms.upgrades = switch(value)?;
        Ok(())
    }),
    ("weekend", |settings, value| {
        settings.terms.weekend_ppm = dearer(value)?;
        Ok(())
    }),
    ("tax", |settings, value| {
        settings.terms.tax_ppm = share(value)?;
        Ok(())
    }),
    ("long_stay", |settings, value| {
        settings.terms.long_stay = up_to(value, 365)?;
        Ok(())
    }),
    ("long_stay_off", |settings, value| {
        settings.terms.long_stay_off_ppm = share(value)?;
        Ok(())
    }),
    ("saver", |settings, value| {
        settings.terms.saver_ppm = share(value)?;
        Ok(())
    }),
    ("saver_off", |settings, value| {
        settings.terms.saver_off_ppm = share(value)?;
        Ok(())
    }),
    ("guarantee", |settings, value| {
        let words = [
            ("prepaid", Guarantee::Prepaid),
            ("first_night", Guarantee::FirstNight),
            ("none", Guarantee::None),
        ];
        settings.terms.guarantee = choice(value, &words)?;
        Ok(())
    }),
    ("free_until", |settings, value| {
        settings.terms.free_until = up_to(value, 365)?;
        Ok(())
    }),
    ("late_fee", |settings, value| {
        let words = [("none", Fee::None), ("first_night", Fee::FirstNight), ("all", Fee::All)];
        let fee =
            choice(value, &words).or_else(|problem| share(value).map(Fee::Share).map_err(|_| problem))?;
        settings.terms.late_fee = Some(fee);
        Ok(())
    }),
    ("search", |settings, value| {
        settings.terms.searches = switch(value)?;
        Ok(())
    }),
    ("waitlist", |settings, value| {
        settings.terms.waits_ppm = share(value)?;
        Ok(())
    }),
    ("change", |settings, value| {
        settings.terms.change_ppm = share(value)?;
        Ok(())
    }),
    ("change_after", |settings, value| {
        settings.terms.change_after = span(value)?;
        Ok(())
    }),
];

/// A percentage of a usual night that is not less than it, in parts per million.
fn dearer(value: &Value) -> Result<u32, Problem> {
    let text = text(value)?;
    let percent = text.trim().strip_suffix('%').and_then(|digits| digits.trim_end().parse().ok());
    match percent {
        Some(percent @ 100..=1_000u32) => Ok(percent * 10_000),
        _ => Err(Problem::new(
            format!("`{text}` is no price for a weekend"),
            "write what its nights cost of a usual one, from `100%` to `1000%`",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> Terms {
        Terms { free_until: 2, late_fee: Some(Fee::FirstNight), saver_off_ppm: 150_000, ..Terms::default() }
    }

    #[test]
    fn calling_off_is_free_until_the_days_before_are_over_and_never_for_a_saver() {
        let plans = terms().plans(10_000);
        let is_late = |plan: u16, today| terms().is_late(&plans[usize::from(plan)], today, 10);
        assert!(!is_late(FLEXIBLE, 8));
        assert!(is_late(FLEXIBLE, 9));
        assert!(is_late(SAVER, 0));
        let usual = Terms { late_fee: None, ..terms() };
        assert!(!usual.is_late(&usual.plans(10_000)[0], 10, 10), "without a fee it costs nothing");
    }

    #[test]
    fn a_saver_pays_less_and_all_of_it_before() {
        let plans = Terms { guarantee: Guarantee::None, types: 2, ..terms() }.plans(10_000);
        assert_eq!(plans[usize::from(FLEXIBLE)].night_minor, [10_000, 10_000]);
        assert_eq!(plans[usize::from(SAVER)].night_minor, [8_500, 8_500]);
        assert_eq!(plans[usize::from(SAVER)].guarantee, Guarantee::Prepaid);
    }
}
