//! Many runs side by side, results in order. What comes out never depends on how many work at once; memory never
//! grows with the number of items.

use std::collections::VecDeque;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// As many workers as there are processors.
pub fn default_jobs() -> NonZero<usize> {
    thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN)
}

/// Results that may be ahead of the one that is waited for, for each worker.
const AHEAD: usize = 16;

/// Carries out `work` on every item, `jobs` at once, and hands the results to `each` in the order of the items, on
/// the calling thread. When `each` breaks, no further item is begun and what it broke with is returned.
///
/// # Panics
/// When `work` or `each` does.
pub fn in_order<T, R, B>(
    items: impl IntoIterator<Item = T, IntoIter: Send>,
    jobs: NonZero<usize>,
    work: impl Fn(T) -> R + Sync,
    mut each: impl FnMut(R) -> ControlFlow<B>,
) -> Option<B>
where
    R: Send,
{
    let queue = Queue::new(items.into_iter(), jobs.get() * AHEAD);
    thread::scope(|scope| {
        for _ in 0..jobs.get() {
            scope.spawn(|| queue.serve(&work));
        }
        let _no_worker_goes_on_alone = Abandon(&queue);
        while let Some(result) = queue.next_result() {
            if let ControlFlow::Break(broke_with) = each(result) {
                return Some(broke_with);
            }
        }
        None
    })
}

/// Items not begun, and results not handed on.
struct Queue<I, R> {
    state: Mutex<State<I, R>>,
    /// The result that is handed on next is there, or none will come. One waits for it.
    ready: Condvar,
    /// There is room for a result again, or nothing more is begun. Workers wait for it.
    room: Condvar,
    most_ahead: usize,
}

struct State<I, R> {
    items: I,
    /// The number of the next item.
    begun: usize,
    /// The number of the result that is handed on next; the first of `results`.
    handed_on: usize,
    /// One place for each item begun and not handed on.
    results: VecDeque<Option<R>>,
    /// No further item is begun.
    closed: bool,
    /// Nobody wants results, or one will never come.
    abandoned: bool,
}

impl<I: Iterator, R> Queue<I, R> {
    fn new(items: I, most_ahead: usize) -> Queue<I, R> {
        let state = State {
            items,
            begun: 0,
            handed_on: 0,
            results: VecDeque::new(),
            closed: false,
            abandoned: false,
        };
        Queue { state: Mutex::new(state), ready: Condvar::new(), room: Condvar::new(), most_ahead }
    }

    fn lock(&self) -> MutexGuard<'_, State<I, R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake_all(&self) {
        self.ready.notify_all();
        self.room.notify_all();
    }

    /// Works until nothing is left.
    fn serve(&self, work: &impl Fn(I::Item) -> R) {
        // Who waits for the result of a `work` that panicked is woken.
        let panicked = Abandon(self);
        while let Some((number, item)) = self.take() {
            let result = work(item);
            let mut state = self.lock();
            let place = number - state.handed_on;
            state.results[place] = Some(result);
            drop(state);
            // Nobody is woken for a result that has to wait for its turn: a sweep would spend itself on waking.
            if place == 0 {
                self.ready.notify_one();
            }
        }
        std::mem::forget(panicked);
    }

    fn take(&self) -> Option<(usize, I::Item)> {
        let mut state = self.lock();
        while !state.closed && state.results.len() >= self.most_ahead {
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed {
            return None;
        }
        let Some(item) = state.items.next() else {
            state.closed = true;
            drop(state);
            self.wake_all();
            return None;
        };
        let number = state.begun;
        state.begun += 1;
        state.results.push_back(None);
        Some((number, item))
    }

    fn next_result(&self) -> Option<R> {
        let mut state = self.lock();
        loop {
            if let Some(Some(_)) = state.results.front() {
                let was_full = state.results.len() >= self.most_ahead;
                let result = state.results.pop_front().flatten();
                state.handed_on += 1;
                drop(state);
                if was_full {
                    self.room.notify_all();
                }
                return result;
            }
            if state.abandoned || (state.closed && state.results.is_empty()) {
                return None;
            }
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn abandon(&self) {
        let mut state = self.lock();
        (state.closed, state.abandoned) = (true, true);
        drop(state);
        self.wake_all();
    }
}

/// Abandons a queue when it is dropped.
struct Abandon<'a, I: Iterator, R>(&'a Queue<I, R>);

impl<I: Iterator, R> Drop for Abandon<'_, I, R> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn jobs(count: usize) -> NonZero<usize> {
        NonZero::new(count).unwrap_or(NonZero::<usize>::MIN)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn results_come_in_order_and_none_is_lost(count in 0_u64..200, workers in 1_usize..6) {
            let mut seen = Vec::new();
            let broke: Option<()> = in_order(0..count, jobs(workers), |item| item * item, |result| {
                seen.push(result);
                ControlFlow::Continue(())
            });
            prop_assert_eq!(broke, None);
            prop_assert_eq!(seen, (0..count).map(|item| item * item).collect::<Vec<_>>());
        }

        #[test]
        fn an_endless_series_ends_where_it_is_broken(last in 0_u64..100, workers in 1_usize..6) {
            let broke = in_order(0_u64.., jobs(workers), |item| item, |result| match result == last {
                true => ControlFlow::Break(result),
                false => ControlFlow::Continue(()),
            });
            prop_assert_eq!(broke, Some(last));
        }
    }

    #[test]
    fn a_panic_of_one_ends_all() {
        let panicked = std::panic::catch_unwind(|| {
            let work = |item: u64| assert!(item < 7, "the eighth is one too many");
            in_order(0_u64.., jobs(3), work, |()| ControlFlow::<()>::Continue(()))
        });
        assert!(panicked.is_err());
    }
}
