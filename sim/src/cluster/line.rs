//! Waiting lines: who is served next, who gives way. Knows order only, neither time nor work.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::slab::Ref;
use crate::scenario::plan::Discipline;

/// A waiting line of job references. Entries of jobs that are gone stay until they come up; whoever asks skips them.
pub(crate) enum Line {
    /// Arrival order, taken from the front.
    Fifo(VecDeque<Ref>),
    /// Arrival order, taken from the back.
    Lifo(VecDeque<Ref>),
    /// Arrival order, taken anywhere.
    Random(Vec<Ref>),
    /// Smallest rank first, arrival order within one; `sequence` counts up behind and `first` down in front.
    Ranked { heap: BinaryHeap<Reverse<(u64, u64, Ref)>>, sequence: u64, first: u64 },
}

/// Where the order within a rank starts, with as much room in front as behind.
const MIDDLE: u64 = u64::MAX / 2;

impl Line {
    pub(crate) fn new(discipline: Discipline) -> Line {
        match discipline {
            Discipline::Fifo | Discipline::ProcessorSharing => Line::Fifo(VecDeque::new()),
            Discipline::Lifo => Line::Lifo(VecDeque::new()),
            Discipline::Random => Line::Random(Vec::new()),
            Discipline::ShortestFirst | Discipline::Priority { .. } => {
                Line::Ranked { heap: BinaryHeap::new(), sequence: MIDDLE, first: MIDDLE }
            }
        }
    }

    /// Adds a job; `rank` counts for ranked lines only.
    pub(crate) fn push(&mut self, job: Ref, rank: u64) {
        match self {
            Line::Fifo(jobs) | Line::Lifo(jobs) => jobs.push_back(job),
            Line::Random(jobs) => jobs.push(job),
            Line::Ranked { heap, sequence, .. } => {
                *sequence += 1;
                heap.push(Reverse((rank, *sequence, job)));
            }
        }
    }

    /// Puts a job that lost its worker back in line, before all others of its rank: it came before them.
    pub(crate) fn push_back_in(&mut self, job: Ref, rank: u64) {
        match self {
            Line::Fifo(jobs) => jobs.push_front(job),
            Line::Lifo(jobs) => jobs.push_back(job),
            Line::Random(jobs) => jobs.push(job),
            Line::Ranked { heap, first, .. } => {
                *first -= 1;
                heap.push(Reverse((rank, *first, job)));
            }
        }
    }

    /// Entries, those of jobs that are gone included.
    pub(crate) fn len(&self) -> usize {
        match self {
            Line::Fifo(jobs) | Line::Lifo(jobs) => jobs.len(),
            Line::Random(jobs) => jobs.len(),
            Line::Ranked { heap, .. } => heap.len(),
        }
    }

    /// Keeps these jobs in their order.
    pub(crate) fn retain(&mut self, stays: impl Fn(Ref) -> bool) {
        match self {
            Line::Fifo(jobs) | Line::Lifo(jobs) => jobs.retain(|job| stays(*job)),
            Line::Random(jobs) => jobs.retain(|job| stays(*job)),
            Line::Ranked { heap, .. } => heap.retain(|Reverse((_, _, job))| stays(*job)),
        }
    }

    /// Takes the next job; `chance` is a uniform word, used by random order only.
    pub(crate) fn pop(&mut self, chance: u64) -> Option<Ref> {
        match self {
            Line::Fifo(jobs) => jobs.pop_front(),
            Line::Lifo(jobs) => jobs.pop_back(),
            Line::Random(jobs) => {
                if jobs.is_empty() {
                    return None;
                }
                let position = crate::kernel::draw::below(chance, jobs.len() as u64) as usize;
                Some(jobs.swap_remove(position))
            }
            Line::Ranked { heap, .. } => heap.pop().map(|Reverse((_, _, job))| job),
        }
    }

    /// Takes the job that has waited longest among those `alive`.
    pub(crate) fn pop_oldest(&mut self, mut arrival: impl FnMut(Ref) -> Option<u64>) -> Option<Ref> {
        match self {
            Line::Fifo(jobs) | Line::Lifo(jobs) => {
                while let Some(job) = jobs.pop_front() {
                    if arrival(job).is_some() {
                        return Some(job);
                    }
                }
                None
            }
            Line::Random(jobs) => {
                let (position, _) = oldest(jobs.iter().copied(), &mut arrival)?;
                Some(jobs.swap_remove(position))
            }
            Line::Ranked { heap, .. } => {
                let (_, job) = oldest(heap.iter().map(|Reverse((_, _, job))| *job), &mut arrival)?;
                heap.retain(|Reverse((_, _, other))| *other != job);
                Some(job)
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        match self {
            Line::Fifo(jobs) | Line::Lifo(jobs) => jobs.clear(),
            Line::Random(jobs) => jobs.clear(),
            Line::Ranked { heap, .. } => heap.clear(),
        }
    }

    /// Every entry, in no particular order.
    pub(crate) fn drain_all(&mut self) -> Vec<Ref> {
        let jobs = match self {
            Line::Fifo(jobs) | Line::Lifo(jobs) => jobs.iter().copied().collect(),
            Line::Random(jobs) => jobs.clone(),
            Line::Ranked { heap, .. } => {
                let mut entries: Vec<_> = heap.iter().map(|Reverse(entry)| *entry).collect();
                entries.sort_unstable_by_key(|(_, sequence, _)| *sequence);
                entries.into_iter().map(|(_, _, job)| job).collect()
            }
        };
        self.clear();
        jobs
    }
}

fn oldest(
    jobs: impl Iterator<Item = Ref>,
    arrival: &mut impl FnMut(Ref) -> Option<u64>,
) -> Option<(usize, Ref)> {
    jobs.enumerate()
        .filter_map(|(position, job)| arrival(job).map(|at| (at, position, job)))
        .min()
        .map(|(_, position, job)| (position, job))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::slab::Slab;

    fn order(discipline: Discipline, ranks: &[u64]) -> Vec<usize> {
        let mut slab = Slab::new();
        let jobs: Vec<Ref> = (0..ranks.len()).map(|n| slab.insert(n)).collect();
        let mut line = Line::new(discipline);
        for (job, rank) in jobs.iter().zip(ranks) {
            line.push(*job, *rank);
        }
        std::iter::from_fn(|| line.pop(0)).filter_map(|job| slab.get(job).copied()).collect()
    }

    #[test]
    fn each_discipline_serves_in_its_order() {
        let ranks = [3, 1, 2, 1];
        assert_eq!(order(Discipline::Fifo, &ranks), [0, 1, 2, 3]);
        assert_eq!(order(Discipline::Lifo, &ranks), [3, 2, 1, 0]);
        assert_eq!(order(Discipline::ShortestFirst, &ranks), [1, 3, 2, 0]);
        assert_eq!(order(Discipline::Priority { preemptive: false }, &ranks), [1, 3, 2, 0]);
    }

    #[test]
    fn the_oldest_gives_way_whatever_the_order_of_service() {
        for discipline in [
            Discipline::Fifo,
            Discipline::Lifo,
            Discipline::Random,
            Discipline::ShortestFirst,
            Discipline::Priority { preemptive: true },
        ] {
            let mut slab = Slab::new();
            let jobs: Vec<Ref> = (0..4_u64).map(|n| slab.insert(n)).collect();
            let mut line = Line::new(discipline);
            for (n, job) in jobs.iter().enumerate() {
                line.push(*job, 10 - n as u64);
            }
            slab.remove(jobs[0]);
            assert_eq!(line.pop_oldest(|job| slab.get(job).copied()), Some(jobs[1]), "{discipline:?}");
        }
    }
}
