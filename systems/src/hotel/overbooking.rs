//! How many more to accept than there are rooms, knowing that some will not come. Exact distributions in integers;
//! never a float.

/// One, in the integers that probabilities are kept in.
const ONE: u64 = 1 << 60;
const WHOLE_PPM: u64 = 1_000_000;
/// More bookings than so many times the rooms are never accepted.
const MOST_TIMES: u32 = 4;

/// How many more bookings are accepted than there are rooms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overbooking {
    /// None.
    #[default]
    None,
    /// So many of the rooms on top, in parts per million.
    Factor(u32),
    /// As long as one more booking earns more on average than it costs: it earns if fewer come than there are rooms, and
    /// costs if not.
    ByMargin {
        /// How many of those who book come, in parts per million.
        show_ppm: u32,
        /// What a guest who is housed earns.
        earned_minor: u64,
        /// What a guest who is walked costs.
        lost_minor: u64,
    },
}

impl Overbooking {
    /// How many bookings to accept for so many rooms.
    pub fn limit(self, rooms: u32) -> u32 {
        match self {
            Overbooking::None => rooms,
            Overbooking::Factor(ppm) => {
                let extra = u64::from(rooms) * u64::from(ppm) / WHOLE_PPM;
                rooms.saturating_add(u32::try_from(extra).unwrap_or(u32::MAX))
            }
            Overbooking::ByMargin { show_ppm, earned_minor, lost_minor } => {
                by_margin(rooms, show_ppm, earned_minor, lost_minor)
            }
        }
    }
}

fn by_margin(rooms: u32, show_ppm: u32, earned_minor: u64, lost_minor: u64) -> u32 {
    let most = rooms.saturating_mul(MOST_TIMES);
    let mut shows = Shows::new(0, show_ppm);
    let mut bookings = 0;
    while bookings < most {
        if bookings >= rooms {
            let there_is_room = shows.below(rooms);
            let gain = u128::from(earned_minor) * u128::from(there_is_room);
            let loss = u128::from(lost_minor) * u128::from(ONE.saturating_sub(there_is_room));
            if gain <= loss {
                break;
            }
        }
        shows.one_more();
        bookings += 1;
    }
    bookings
}

/// How many of so many bookings come: binomially distributed, kept in integers of 2^-60.
#[derive(Clone, Debug)]
pub struct Shows {
    show_ppm: u64,
    /// The chance that exactly so many come, by how many.
    chances: Vec<u64>,
}

impl Shows {
    /// For so many bookings, each of which comes with this chance in parts per million.
    pub fn new(bookings: u32, show_ppm: u32) -> Shows {
        let mut shows = Shows { show_ppm: u64::from(show_ppm).min(WHOLE_PPM), chances: vec![ONE] };
        for _ in 0..bookings {
            shows.one_more();
        }
        shows
    }

    /// With one more booking.
    pub fn one_more(&mut self) {
        let mut from_below = 0;
        for chance in &mut self.chances {
            let comes = part(*chance, self.show_ppm);
            let stays = *chance - comes;
            *chance = stays + from_below;
            from_below = comes;
        }
        self.chances.push(from_below);
    }

    /// The chance that fewer come, in 2^-60.
    fn below(&self, rooms: u32) -> u64 {
        self.chances.iter().take(rooms as usize).sum()
    }

    /// The chance that somebody has to be walked if there are so many rooms, in parts per thousand million.
    pub fn walk_ppb(&self, rooms: u32) -> u64 {
        let above: u64 = self.chances.iter().skip(rooms as usize + 1).sum();
        (u128::from(above) * 1_000_000_000 / u128::from(ONE)) as u64
    }

    /// How many have to be walked on average, in millionths.
    pub fn walked_micro(&self, rooms: u32) -> u64 {
        let above = self.chances.iter().skip(rooms as usize + 1);
        let weighted = above.zip(1u128..).map(|(chance, excess)| u128::from(*chance) * excess);
        (weighted.sum::<u128>() * 1_000_000 / u128::from(ONE)) as u64
    }
}

/// So much of a chance; what is lost to rounding stays on the other side.
fn part(chance: u64, ppm: u64) -> u64 {
    (u128::from(chance) * u128::from(ppm) / u128::from(WHOLE_PPM)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arithmetic::{keyed_word, uniform};

    /// The closed form, in floating point and by logarithms of factorials.
    fn binomial(bookings: u32, show: f64, comes: u32) -> f64 {
        let [n, k] = [bookings, comes].map(f64::from);
        let ways = libm::lgamma(n + 1.0) - libm::lgamma(k + 1.0) - libm::lgamma(n - k + 1.0);
        libm::exp(ways + k * libm::log(show) + (n - k) * libm::log(1.0 - show))
    }

    const CASES: [(u32, u32, u32); 4] =
        [(100, 105, 900_000), (100, 110, 900_000), (20, 22, 850_000), (300, 330, 920_000)];

    #[test]
    fn walks_agree_with_the_closed_form() {
        for (rooms, bookings, show_ppm) in CASES {
            let show = f64::from(show_ppm) / 1e6;
            let above = rooms + 1..=bookings;
            let chance: f64 = above.clone().map(|comes| binomial(bookings, show, comes)).sum();
            let mean: f64 =
                above.map(|comes| f64::from(comes - rooms) * binomial(bookings, show, comes)).sum();
            let shows = Shows::new(bookings, show_ppm);
            let (got, walked) = (shows.walk_ppb(rooms) as f64 / 1e9, shows.walked_micro(rooms) as f64 / 1e6);
            assert!((got - chance).abs() < 1e-8, "{rooms} {bookings}: {got} for {chance}");
            assert!((walked - mean).abs() < 2e-6, "{rooms} {bookings}: {walked} for {mean}");
        }
    }

    #[test]
    fn a_hundred_thousand_nights_agree_with_the_closed_form() {
        for (rooms, bookings, show_ppm) in [(20, 22, 850_000), (10, 12, 800_000)] {
            let nights = 100_000;
            let walks = (0..nights).filter(|night| {
                let comes = (0..bookings)
                    .filter(|guest| {
                        let word = keyed_word(u64::from(rooms), u64::from(night * bookings + guest));
                        uniform(word, 0, 999_999) < u64::from(show_ppm)
                    })
                    .count();
                comes > rooms as usize
            });
            let share = walks.count() as f64 / f64::from(nights);
            let exact = Shows::new(bookings, show_ppm).walk_ppb(rooms) as f64 / 1e9;
            assert!((share - exact).abs() < 0.005, "{share} for {exact}");
        }
    }

    #[test]
    fn the_margin_rule_finds_the_best_number_of_bookings() {
        for (rooms, show_ppm, earned, lost) in [
            (20, 850_000, 8_000, 20_000),
            (10, 700_000, 5_000, 5_000),
            (50, 950_000, 1, 100),
            (5, 1_000_000, 9, 1),
        ] {
            let policy = Overbooking::ByMargin { show_ppm, earned_minor: earned, lost_minor: lost };
            let show = f64::from(show_ppm) / 1e6;
            let profit = |bookings: u32| -> f64 {
                (0..=bookings)
                    .map(|comes| {
                        let chance = if show_ppm == 1_000_000 {
                            f64::from(u8::from(comes == bookings))
                        } else {
                            binomial(bookings, show, comes)
                        };
                        let (housed, walked) = (comes.min(rooms), comes.saturating_sub(rooms));
                        chance * (earned as f64 * f64::from(housed) - lost as f64 * f64::from(walked))
                    })
                    .sum()
            };
            let best = (rooms..=rooms * 2).map(profit).fold(f64::MIN, f64::max);
            let chosen = policy.limit(rooms);
            assert!((profit(chosen) - best).abs() < 1e-6 * best.abs().max(1.0), "{rooms}: {chosen}");
        }
    }

    #[test]
    fn odd_numbers_do_no_harm() {
        assert_eq!(Overbooking::Factor(50_000).limit(100), 105);
        assert_eq!(Overbooking::Factor(u32::MAX).limit(u32::MAX), u32::MAX);
        let never = Overbooking::ByMargin { show_ppm: 0, earned_minor: 1, lost_minor: 1 };
        assert_eq!(never.limit(10), 40, "nobody ever comes: bounded all the same");
        let free = Overbooking::ByMargin { show_ppm: u32::MAX, earned_minor: 0, lost_minor: 0 };
        assert_eq!((free.limit(10), free.limit(0)), (10, 0));
        assert_eq!(Shows::new(3, 500_000).walk_ppb(3), 0);
    }
}
