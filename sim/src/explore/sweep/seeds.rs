//! Which seeds are swept: reading them, and cutting them into slices. Knows nothing of scenarios.

use std::fmt;
use std::str::FromStr;

/// Seeds from `from` up to but not with `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seeds {
    /// The first.
    pub from: u64,
    /// The one after the last.
    pub to: u64,
}

/// Reads a seed: a number (`10_000` will do), or the hash of a commit (7 to 40 hexadecimal digits, of which the first 16 count).
/// What is all decimal digits is a number, unless it is as long as a whole hash.
///
/// # Errors
/// A sentence that says what to write instead.
pub fn parse_seed(text: &str) -> Result<u64, String> {
    let is_number = text.starts_with(|first: char| first.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    if is_number && let Ok(seed) = text.replace('_', "").parse() {
        return Ok(seed);
    }
    // A whole hash of digits alone would be a hash; anything shorter was meant as a number.
    let lengths = if is_number { 40..=40 } else { 7..=40 };
    let is_hash = lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let hash = text.get(..text.len().min(16)).filter(|_| is_hash);
    hash.and_then(|digits| u64::from_str_radix(digits, 16).ok()).ok_or_else(|| match is_number {
        true => format!("`{text}` is too large: the greatest seed is {}", u64::MAX),
        false => format!("`{text}` is not a seed: write a number, or 7 to 40 digits of a commit's hash"),
    })
}

impl FromStr for Seeds {
    type Err = String;

    /// Reads `A..B`, or a single seed.
    fn from_str(text: &str) -> Result<Seeds, String> {
        let text = text.trim();
        let Some((from, to)) = text.split_once("..") else {
            let from = parse_seed(text)?;
            let to = from.checked_add(1).ok_or_else(|| format!("no seed comes after `{text}`"))?;
            return Ok(Seeds { from, to });
        };
        let (from, to) = (parse_seed(from.trim())?, parse_seed(to.trim())?);
        if from >= to {
            return Err(format!(
                "`{text}` holds no seed: the first is {from}, and {to} is the one after the last"
            ));
        }
        Ok(Seeds { from, to })
    }
}

impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.from, self.to)
    }
}

impl Seeds {
    /// How many there are.
    pub fn count(self) -> u64 {
        self.to.saturating_sub(self.from)
    }

    /// The seeds of one slice. All slices of a partition together are all seeds, each once, in order.
    pub fn slice(self, part: Partition) -> Seeds {
        let cut = |index: u64| {
            let before = u128::from(self.count()) * u128::from(index) / u128::from(part.of.max(1));
            self.from + u64::try_from(before).unwrap_or(u64::MAX)
        };
        Seeds { from: cut(part.index - 1), to: cut(part.index) }
    }
}

/// One slice of so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Partition {
    /// Which, from 1.
    pub index: u64,
    /// Of how many.
    pub of: u64,
}

impl Partition {
    /// Everything in one.
    pub const WHOLE: Partition = Partition { index: 1, of: 1 };
}

/// A sweep is cut into at most so many slices.
pub const MOST_SLICES: u64 = 100_000;

impl FromStr for Partition {
    type Err = String;

    /// Reads `2/7`.
    fn from_str(text: &str) -> Result<Partition, String> {
        let numbers = text.split_once('/').and_then(|(index, of)| {
            Some((index.trim().parse::<u64>().ok()?, of.trim().parse::<u64>().ok()?))
        });
        let Some((index, of)) = numbers else {
            return Err(format!("`{text}` is not a slice: write it as in `2/7`, the second of seven"));
        };
        if of == 0 || of > MOST_SLICES {
            return Err(format!("`{text}`: a sweep has 1 to {MOST_SLICES} slices"));
        }
        if index == 0 || index > of {
            return Err(format!("`{text}`: the slices are 1/{of} to {of}/{of}"));
        }
        Ok(Partition { index, of })
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_seed_is_a_number_or_the_hash_of_a_commit() {
        let cases = [
            ("0", Ok(0)),
            ("10_000", Ok(10_000)),
            ("_1", Err("is not a seed")),
            ("18446744073709551615", Ok(u64::MAX)),
            ("abcdef1", Ok(0xabc_def1)),
            ("1234567", Ok(1_234_567)),
            ("94e12800000000000000000000000000deadbeef", Ok(0x94e1_2800_0000_0000)),
            ("94E1280f", Ok(0x94e1_280f)),
            ("abcdef", Err("is not a seed")),
            ("1844674407370955161800000000000000000000", Ok(0x1844_6744_0737_0955)),
            ("18446744073709551616", Err("is too large")),
            ("99999999999999999999999999999999999999999", Err("is too large")),
            ("", Err("is not a seed")),
            ("-1", Err("is not a seed")),
            ("many", Err("is not a seed")),
        ];
        for (text, expected) in cases {
            match (parse_seed(text), expected) {
                (Ok(seed), Ok(expected)) => assert_eq!(seed, expected, "{text}"),
                (Err(message), Err(part)) => assert!(message.contains(part), "{text}: {message}"),
                (found, expected) => panic!("{text}: {found:?}, expected {expected:?}"),
            }
        }
    }

    #[test]
    fn ranges_without_a_seed_are_refused() {
        assert_eq!("3..7".parse(), Ok(Seeds { from: 3, to: 7 }));
        assert_eq!("7".parse(), Ok(Seeds { from: 7, to: 8 }));
        for text in ["7..7", "7..3", "..", "3..", "3...7", "18446744073709551615", "a..b"] {
            assert!(text.parse::<Seeds>().is_err(), "{text}");
        }
        for text in ["0/3", "4/3", "1/0", "1", "x/3", "1/100001"] {
            assert!(text.parse::<Partition>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn slices_hold_every_seed_once_and_in_order(
            from in any::<u64>(), count in 0_u64..100_000, of in 1_u64..200,
        ) {
            let to = from.saturating_add(count);
            let seeds = Seeds { from, to };
            let mut next = from;
            for index in 1..=of {
                let slice = seeds.slice(Partition { index, of });
                prop_assert_eq!(slice.from, next);
                prop_assert!(slice.count() <= seeds.count() / of + 1, "slices are of one size, give or take a seed");
                next = slice.to;
            }
            prop_assert_eq!(next, to);
        }
    }
}
