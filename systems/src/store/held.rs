//! What waits for a commit to be durable before it may leave the house. Lost in a crash, as it should be: nobody has
//! seen it.

use super::CommitNumber;
use std::collections::VecDeque;

/// Outputs in the order in which they came, each with the commit it depends on.
#[derive(Clone, Debug)]
pub struct Held<T> {
    waiting: VecDeque<(CommitNumber, T)>,
}

impl<T> Default for Held<T> {
    fn default() -> Held<T> {
        Held { waiting: VecDeque::new() }
    }
}

impl<T> Held<T> {
    /// Keeps an output until `commit` is durable.
    pub fn push(&mut self, commit: CommitNumber, output: T) {
        self.waiting.push_back((commit, output));
    }

    /// Hands out everything up to the first output whose commit is not durable yet: the order stays.
    pub fn release(&mut self, durable: CommitNumber, out: &mut Vec<T>) {
        while self.waiting.front().is_some_and(|(commit, _)| *commit <= durable) {
            out.extend(self.waiting.pop_front().map(|(_, output)| output));
        }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}
