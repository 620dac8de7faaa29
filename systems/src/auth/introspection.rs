//! What the issuer said of a token, for a time: the answers of token introspection (RFC 7662), kept so that not each
//! request asks. Never asks itself.

use crate::time::{Span, Time};
use std::collections::{BTreeMap, VecDeque};

/// A token as its holder shows it: its login, and the token itself.
pub type Shown = (u64, u64);

/// Answers that are good for a time. One answer is as old as its question.
#[derive(Clone, Debug)]
pub struct Introspections {
    ttl: Span,
    answers: BTreeMap<Shown, (Time, bool)>,
    /// By age, so that what is too old goes.
    by_age: VecDeque<(Time, Shown)>,
}

impl Introspections {
    /// None yet; each will be good for `ttl`, zero for once only.
    pub fn new(ttl: Span) -> Introspections {
        Introspections { ttl, answers: BTreeMap::new(), by_age: VecDeque::new() }
    }

    /// Whether a token is active; `None` if the issuer has to be asked.
    pub fn is_active(&self, now: Time, token: Shown) -> Option<bool> {
        let (asked_at, is_active) = self.answers.get(&token)?;
        (now.since(*asked_at) < self.ttl).then_some(*is_active)
    }

    /// What the issuer said to a question of `asked_at`. An older answer than the one there is comes too late.
    pub fn answered(&mut self, asked_at: Time, token: Shown, is_active: bool) {
        let answer = self.answers.entry(token).or_insert((asked_at, is_active));
        if asked_at >= answer.0 {
            *answer = (asked_at, is_active);
            self.by_age.push_back((asked_at, token));
        }
    }

    /// Forgets what is too old, so that memory is bounded by what is asked within the time.
    pub fn expire(&mut self, now: Time) {
        while let Some((asked_at, token)) = self.by_age.front().copied() {
            if now.since(asked_at) < self.ttl {
                return;
            }
            self.by_age.pop_front();
            if self.answers.get(&token).is_some_and(|(at, _)| *at == asked_at) {
                self.answers.remove(&token);
            }
        }
    }

    /// Answers that are kept.
    pub fn len(&self) -> usize {
        self.answers.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Time {
        Time::ZERO + Span::from_secs(seconds)
    }

    const TOKEN: Shown = (1, 7);

    #[test]
    fn an_answer_is_as_old_as_its_question_and_good_for_its_time() {
        let mut answers = Introspections::new(Span::from_secs(10));
        assert_eq!(answers.is_active(s(0), TOKEN), None);
        answers.answered(s(2), TOKEN, true);
        assert_eq!(answers.is_active(s(11), TOKEN), Some(true));
        assert_eq!(answers.is_active(s(12), TOKEN), None);
        assert_eq!(answers.is_active(s(5), (1, 8)), None, "another token of the same login");
    }

    #[test]
    fn an_answer_that_was_overtaken_changes_nothing() {
        let mut answers = Introspections::new(Span::from_secs(10));
        answers.answered(s(5), TOKEN, false);
        answers.answered(s(4), TOKEN, true);
        assert_eq!(answers.is_active(s(6), TOKEN), Some(false));
    }

    #[test]
    fn what_is_too_old_is_forgotten_and_what_was_asked_again_is_not() {
        let mut answers = Introspections::new(Span::from_secs(10));
        answers.answered(s(0), TOKEN, true);
        answers.answered(s(1), (2, 7), true);
        answers.answered(s(8), TOKEN, true);
        answers.expire(s(11));
        assert_eq!((answers.len(), answers.is_active(s(11), TOKEN)), (1, Some(true)));
        answers.expire(s(18));
        assert!(answers.is_empty());
    }

    #[test]
    fn a_time_of_zero_asks_each_time() {
        let mut answers = Introspections::new(Span::ZERO);
        answers.answered(s(3), TOKEN, true);
        assert_eq!(answers.is_active(s(3), TOKEN), None);
    }
}
