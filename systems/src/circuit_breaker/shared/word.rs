//! What threads share without a lock, in one atomic word: the state, the end of the generation's number, how many
//! passed, and results not yet told to the breaker. Seeing the state and counting is one step, so that no passage
//! and no result is ever counted for a stay it does not belong to.
//!
//! ```text
//! 63           49 48   46 45     32 31  28 27    24 23        0
//! [ generation  ] [state] [passages] [room] [number] [ results ]
//! ```
//!
//! *Room* is how many more results may be left here: so few that the breaker would not open whatever they are.

use super::super::breaker::Breaker;
use super::super::state::State;

/// Most results in a word.
pub(super) const MOST_RESULTS: u32 = 12;

/// From so many passages on, the next takes the lock, where they are taken over. Far enough from the end of the
/// bits for all threads that are between looking and counting.
const MOST_PASSAGES: u64 = 1 << 13;

const NUMBER_AT: u32 = 24;
const ROOM_AT: u32 = 28;
const PASSAGES_AT: u32 = 32;
const STATE_AT: u32 = 46;
const GENERATION_AT: u32 = 49;
/// The bits that hold the end of the generation's number.
const GENERATION_MASK: u64 = u64::MAX >> GENERATION_AT;

/// One passage, to be added.
pub(super) const ONE_PASSAGE: u64 = 1 << PASSAGES_AT;

/// The word, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word(pub(super) u64);

impl Word {
    /// A stay with no passage and no result, and room for `room` results.
    pub(super) const fn new(generation: u64, state: State, room: u32) -> Word {
        let tag = (generation & GENERATION_MASK) << GENERATION_AT;
        Word(tag | (state.code() as u64) << STATE_AT | (room as u64) << ROOM_AT)
    }

    /// Whether it is of this generation, or of one that has the same ending.
    pub(super) const fn is_of(self, generation: u64) -> bool {
        self.0 >> GENERATION_AT == generation & GENERATION_MASK
    }

    const fn bits(self, at: u32, end: u32) -> u64 {
        (self.0 >> at) & ((1 << (end - at)) - 1)
    }

    pub(super) const fn state(self) -> State {
        state_of(self.bits(STATE_AT, GENERATION_AT))
    }

    pub(super) const fn passages(self) -> u64 {
        self.bits(PASSAGES_AT, STATE_AT)
    }

    pub(super) const fn is_full_of_passages(self) -> bool {
        self.passages() >= MOST_PASSAGES
    }

    /// Whether results are here, or could come.
    pub(super) const fn holds_results(self) -> bool {
        self.bits(NUMBER_AT, PASSAGES_AT) != 0
    }

    /// The whole number of this word's generation, given a number that is the same or at most half of all
    /// endings later.
    pub(super) const fn generation(self, same_or_later: u64) -> u64 {
        let ending = self.0 >> GENERATION_AT;
        same_or_later - (same_or_later.wrapping_sub(ending) & GENERATION_MASK)
    }

    /// The word with one result more, if it is of this generation, there is room, and a permit handed out since
    /// the last look can belong to it.
    pub(super) const fn with_result(self, generation: u64, failed: bool, slow: bool) -> Option<Word> {
        let number = self.bits(NUMBER_AT, ROOM_AT);
        if !self.is_of(generation) || self.bits(ROOM_AT, PASSAGES_AT) == 0 || number >= self.passages() {
            return None;
        }
        let result = (failed as u64 | (slow as u64) << 1) << (2 * number);
        Some(Word((self.0 | result) + (1 << NUMBER_AT) - (1 << ROOM_AT)))
    }

    /// The results, oldest first: failed, slow.
    pub(super) fn results(self) -> impl Iterator<Item = (bool, bool)> {
        (0..self.bits(NUMBER_AT, ROOM_AT)).map(move |number| {
            let result = self.0 >> (2 * number);
            (result & 1 != 0, result & 2 != 0)
        })
    }
}

/// Bits of a [`Stay`] for its state.
const STATE_BITS: u32 = 3;

/// A stay: its whole number, and its state. There are bits for more changes of state than anybody will live to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stay(pub(super) u64);

impl Stay {
    pub(super) const fn of(breaker: &Breaker) -> Stay {
        Stay(breaker.generation() << STATE_BITS | breaker.state().code() as u64)
    }

    pub(super) const fn state(self) -> State {
        state_of(self.0 & ((1 << STATE_BITS) - 1))
    }

    pub(super) const fn generation(self) -> u64 {
        self.0 >> STATE_BITS
    }
}

const fn state_of(code: u64) -> State {
    match code {
        0 => State::Closed,
        1 => State::Open,
        2 => State::HalfOpen,
        4 => State::Disabled,
        5 => State::MetricsOnly,
        // The codes above 5 are never written; like 3, they let nobody pass.
        _ => State::ForcedOpen,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_word_gives_back_what_was_put_in(
            generation in any::<u64>(), code in 0usize..6, passages in 0u64..(1 << 14), later in 0u64..1_000,
            room in 0u32..=MOST_RESULTS, results in prop::collection::vec(any::<(bool, bool)>(), 0..20),
        ) {
            let generation = generation.min(u64::MAX - later);
            let state = State::ALL[code];
            let mut word = Word(Word::new(generation, state, room).0 + passages * ONE_PASSAGE);
            let mut kept = Vec::new();
            for (failed, slow) in results {
                prop_assert_eq!(word.with_result(generation.wrapping_add(1), failed, slow), None);
                match word.with_result(generation, failed, slow) {
                    Some(next) => {
                        kept.push((failed, slow));
                        word = next;
                    }
                    None => prop_assert!(kept.len() as u64 == passages.min(u64::from(room))),
                }
            }
            prop_assert_eq!(word.results().collect::<Vec<_>>(), kept);
            prop_assert_eq!((word.state(), word.passages()), (state, passages));
            prop_assert_eq!(word.holds_results(), room > 0);
            prop_assert_eq!(word.generation(generation + later), generation);
            prop_assert!(word.is_of(generation) && !word.is_of(generation.wrapping_add(1)));
        }
    }
}
