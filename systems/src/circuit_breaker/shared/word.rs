//! What a thread has to know to pass without a lock, in one atomic word: the state, the end of the generation's
//! number, and how many passed in it. Counting a passage and seeing the state are one step, so that no passage
//! is ever counted for a stay it does not belong to.
//!
//! ```text
//! 63           35 34   32 31             0
//! [ generation  ] [state] [ passages      ]
//! ```

use super::super::state::State;

/// Bits for the passages of one stay that were not yet taken over.
const PASSAGE_BITS: u32 = 32;
/// Bits for the state.
const STATE_BITS: u32 = 3;
/// The bits that hold the end of the generation's number.
const GENERATION_MASK: u64 = u64::MAX >> (PASSAGE_BITS + STATE_BITS);

/// From so many passages on, the next takes the lock, where they are taken over. Far enough from the end of the
/// bits for all threads that are between looking and counting.
pub(super) const PASSAGES_BEFORE_TAKEOVER: u32 = 1 << 31;

/// The word, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word(pub(super) u64);

impl Word {
    /// A stay nobody has passed in yet.
    pub(super) const fn new(generation: u64, state: State) -> Word {
        let tag = (generation & GENERATION_MASK) << STATE_BITS | state.code() as u64;
        Word(tag << PASSAGE_BITS)
    }

    pub(super) const fn state(self) -> State {
        match (self.0 >> PASSAGE_BITS) & ((1 << STATE_BITS) - 1) {
            0 => State::Closed,
            1 => State::Open,
            2 => State::HalfOpen,
            4 => State::Disabled,
            5 => State::MetricsOnly,
            // The codes above 5 are never written; like 3, they let nobody pass.
            _ => State::ForcedOpen,
        }
    }

    pub(super) const fn passages(self) -> u32 {
        self.0 as u32
    }

    /// Whether both are of the same stay.
    pub(super) const fn same_stay(self, other: Word) -> bool {
        self.0 >> PASSAGE_BITS == other.0 >> PASSAGE_BITS
    }

    /// The whole number of this word's generation, given a number that is the same or at most half of all
    /// endings later.
    pub(super) const fn generation(self, same_or_later: u64) -> u64 {
        let ending = self.0 >> (PASSAGE_BITS + STATE_BITS);
        same_or_later - (same_or_later.wrapping_sub(ending) & GENERATION_MASK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_word_gives_back_what_was_put_in(
            generation in any::<u64>(), code in 0usize..6, passages in any::<u32>(), later in 0u64..1_000,
        ) {
            let generation = generation.min(u64::MAX - later);
            let state = State::ALL[code];
            let word = Word(Word::new(generation, state).0 + u64::from(passages));
            prop_assert_eq!((word.state(), word.passages()), (state, passages));
            prop_assert_eq!(word.generation(generation + later), generation);
            prop_assert!(word.same_stay(Word::new(generation, state)));
            prop_assert!(!word.same_stay(Word::new(generation.wrapping_add(1), state)));
        }
    }
}
