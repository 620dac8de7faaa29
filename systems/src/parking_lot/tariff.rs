//! What a stay costs, in minor units. Whole units of *elapsed* time, priced by the local clock at which each of them
//! starts: a night on which the clocks change costs as much as it lasts. Never a float.
//!
//! The stay is cut where the price may change (a day begins, a night begins or ends, the clocks change), so that the
//! work depends on its days, not on its units.

use super::zone::Zone;
use crate::time::{Span, Time};
use crate::zone::DAY_S;
use std::collections::BTreeMap;

/// How much of the last unit is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// All of it.
    StartedUnit,
    /// What was used of it, rounded down to a minor unit.
    Exact,
}

/// What a daily cap is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cap {
    /// Each 24 hours from the entry on.
    Rolling24h,
    /// Each day of the local calendar.
    LocalDay,
}

/// Another price at night.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NightRate {
    /// Local minute of the day at which it begins, 0 to 1,439.
    pub from_minute: u16,
    /// Local minute at which it ends; before `from_minute` if the night goes over midnight.
    pub until_minute: u16,
    /// The price of a unit that starts in the night.
    pub unit_minor: u64,
}

/// What a stay costs.
#[derive(Clone, Debug)]
pub struct Tariff {
    /// Where the lot is.
    pub zone: Zone,
    /// What [`Time::ZERO`] is, in seconds since 1970.
    pub origin_unix_s: i64,
    /// A stay of at most this much costs nothing; a longer one is paid from its beginning.
    pub free: Span,
    /// What is paid for at once; shorter than a second counts as a second.
    pub unit: Span,
    /// The price of one.
    pub unit_minor: u64,
    /// Another price for units that start at night.
    pub night: Option<NightRate>,
    /// At most this for each day.
    pub cap_minor: Option<u64>,
    /// What a day is.
    pub cap: Cap,
    /// What is owed at least without a ticket.
    pub lost_minor: u64,
    /// How much of the last unit is paid.
    pub rounding: Rounding,
}

const NS: i128 = 1_000_000_000;

impl Tariff {
    /// So much an hour, universal time, nothing else.
    pub const fn hourly(unit_minor: u64) -> Tariff {
        Tariff {
            zone: Zone::UTC,
            origin_unix_s: 0,
            free: Span::ZERO,
            unit: Span::from_secs(3_600),
            unit_minor,
            night: None,
            cap_minor: None,
            cap: Cap::Rolling24h,
            lost_minor: 0,
            rounding: Rounding::StartedUnit,
        }
    }

    /// What a stay from `entry` to `exit` costs; nothing if it ends before it begins. Saturating.
    pub fn fee(&self, entry: Time, exit: Time) -> u64 {
        let stay = exit.since(entry);
        if stay <= self.free || stay.is_zero() {
            return 0;
        }
        let unit = i128::from(self.unit.as_nanos().max(NS as u64));
        let mut days: BTreeMap<i64, u64> = BTreeMap::new();
        let (begin, end) = (i128::from(entry.as_nanos()), i128::from(exit.as_nanos()));
        let all = (end - begin + unit - 1) / unit;
        let used_of_last = (end - begin) - (all - 1) * unit;
        // The number of the first unit that is not priced yet.
        let (mut from, mut units) = (begin, 0_i128);
        while from < end {
            let until = self.next_cut(entry, from).min(end);
            let started = (until - begin + unit - 1) / unit;
            if started > units {
                let price = self.unit_price(from);
                let mut amount = price.saturating_mul(u64::try_from(started - units).unwrap_or(u64::MAX));
                if self.rounding == Rounding::Exact && started == all {
                    let part = i128::from(price) * used_of_last / unit;
                    amount = (amount - price).saturating_add(u64::try_from(part).unwrap_or(price));
                }
                let day = days.entry(self.day_of(entry, from)).or_default();
                *day = day.saturating_add(amount);
                units = started;
            }
            from = until;
        }
        let cap = self.cap_minor.unwrap_or(u64::MAX);
        days.values().fold(0, |sum: u64, amount| sum.saturating_add((*amount).min(cap)))
    }

    fn unix_s(&self, ns: i128) -> i64 {
        let unix_s = i128::from(self.origin_unix_s) + ns.div_euclid(NS);
        i64::try_from(unix_s).unwrap_or(i64::MAX / 2)
    }

    fn local_s(&self, ns: i128) -> i64 {
        let unix_s = self.unix_s(ns);
        unix_s.saturating_add(i64::from(self.zone.offset_s(unix_s)))
    }

    fn day_of(&self, entry: Time, ns: i128) -> i64 {
        match self.cap {
            Cap::LocalDay => self.local_s(ns).div_euclid(DAY_S),
            Cap::Rolling24h => {
                let days = (ns - i128::from(entry.as_nanos())) / (NS * i128::from(DAY_S));
                i64::try_from(days).unwrap_or(i64::MAX)
            }
        }
    }

    fn unit_price(&self, ns: i128) -> u64 {
        let Some(night) = self.night else { return self.unit_minor };
        let minute = self.local_s(ns).rem_euclid(DAY_S) / 60;
        let (from, until) = (i64::from(night.from_minute), i64::from(night.until_minute));
        let is_night =
            if from <= until { (from..until).contains(&minute) } else { minute >= from || minute < until };
        if is_night { night.unit_minor } else { self.unit_minor }
    }

    /// The first instant after `ns` at which the price or the day may be another.
    fn next_cut(&self, entry: Time, ns: i128) -> i128 {
        let unix_s = self.unix_s(ns);
        let offset = i64::from(self.zone.offset_s(unix_s));
        let local = unix_s.saturating_add(offset);
        let second = local.rem_euclid(DAY_S);
        let night = self.night.map(|night| [night.from_minute, night.until_minute]);
        let minutes = night.into_iter().flatten().map(|minute| i64::from(minute) * 60);
        let next = minutes.chain([0]).map(|at| (at - second).rem_euclid(DAY_S));
        let next = next.map(|ahead| if ahead == 0 { DAY_S } else { ahead }).min().unwrap_or(DAY_S);
        let mut cut = unix_s.saturating_add(next);
        cut = self.zone.next_change_s(unix_s).map_or(cut, |change| cut.min(change));
        let by_clock = (i128::from(cut) - i128::from(self.origin_unix_s)) * NS;
        let day = NS * i128::from(DAY_S);
        let begin = i128::from(entry.as_nanos());
        let by_entry = begin + ((ns - begin) / day + 1) * day;
        // Past the end of what the calendar knows, days of 24 hours go on.
        if by_clock > ns { by_clock.min(by_entry) } else { by_entry }
    }
}

#[cfg(test)]
mod tests;
