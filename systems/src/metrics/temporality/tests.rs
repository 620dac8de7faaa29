//! Restarts, duplicates and reordering, told as what a node has really counted.

use super::*;
use crate::time::Span;
use proptest::prelude::*;

fn at(s: u64) -> Time {
    Time::ZERO + Span::from_secs(s)
}

#[test]
fn a_restart_in_the_middle_goes_on_from_zero_without_a_spike() {
    let mut node = CumulativeToDelta::new();
    let told: Vec<Delta> = [(0, 100), (10, 130), (20, 5), (30, 25)]
        .iter()
        .map(|(s, total)| node.observe(at(*s), *total))
        .collect();
    assert_eq!(told, [Delta::First, Delta::Increase(30), Delta::AfterReset(5), Delta::Increase(20)]);
    assert_eq!(node.resets(), 1);
}

#[test]
fn a_duplicate_or_overtaken_report_counts_nothing_and_is_no_restart() {
    let mut node = CumulativeToDelta::new();
    node.observe(at(0), 10);
    assert_eq!(node.observe(at(20), 50), Delta::Increase(40));
    assert_eq!(node.observe(at(10), 30), Delta::Stale);
    assert_eq!(node.observe(at(20), 50), Delta::Stale);
    assert_eq!((node.observe(at(30), 60), node.resets()), (Delta::Increase(10), 0));
}

#[test]
fn a_cumulative_fleet_bridges_a_partition_and_a_delta_fleet_fills_it_from_its_queue() {
    // A node counts 10 a second; from 10 s to 100 s nobody reaches it.
    let mut cumulative = FleetCounter::new(1);
    for s in [0, 10, 100, 110] {
        cumulative.observe(0, at(s), s * 10);
    }
    let mut delta = DeltaToCumulative::new();
    for start in (0..110).step_by(10) {
        assert!(delta.observe(at(start), at(start + 10), 100));
    }
    assert!(!delta.observe(at(100), at(110), 100), "the queue sends its last report again");
    assert_eq!((cumulative.total(), delta.total(), delta.refused()), (1_100, 1_100, 1));
    assert!(!delta.observe(at(300), at(200), 1), "an end before the start is nonsense");
}

#[test]
fn nodes_restart_each_for_itself_and_unknown_ones_are_told_apart() {
    let mut fleet = FleetCounter::new(2);
    for (node, s, total) in [(0, 0, 0), (1, 0, 1_000), (0, 10, 50), (1, 10, 3)] {
        assert!(fleet.observe(node, at(s), total).is_some());
    }
    assert_eq!((fleet.total(), fleet.resets(), fleet.observe(2, at(0), 1)), (53, 1, None));
}

/// What a node did between two reports.
#[derive(Clone, Copy, Debug)]
enum Step {
    Counts(u64),
    Restarts,
    /// The report is lost.
    Lost,
    /// The report comes twice.
    Twice,
    /// Counts one; then the report before comes once more.
    Old,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0u64..100).prop_map(Step::Counts),
        1 => Just(Step::Restarts),
        1 => Just(Step::Lost),
        1 => Just(Step::Twice),
        1 => Just(Step::Old),
    ];
    prop::collection::vec(step, 1..60)
}

/// A follower of running sums, right or wrong.
type Follower = fn(&mut CumulativeToDelta, Time, u64) -> i128;

/// Lets a node live through `steps`; the follower may never tell a negative number, nor more than was counted.
fn judge(steps: &[Step], follow: Follower) -> Result<(), String> {
    let mut node = CumulativeToDelta::new();
    let (mut counted, mut running, mut told): (i128, u64, i128) = (0, 0, 0);
    let mut previous: Option<(Time, u64)> = None;
    for (second, step) in (1u64..).zip(steps) {
        match step {
            Step::Counts(amount) => {
                running += amount;
                counted += i128::from(*amount);
            }
            Step::Restarts => running = 0,
            Step::Lost => continue,
            Step::Old => {
                running += 1;
                counted += 1;
            }
            Step::Twice => {}
        }
        let report = (at(second), running);
        let repeated = match step {
            Step::Twice => Some(report),
            Step::Old => previous,
            Step::Counts(_) | Step::Restarts | Step::Lost => None,
        };
        for (at, total) in [Some(report), repeated].into_iter().flatten() {
            let amount = follow(&mut node, at, total);
            told += amount;
            if amount < 0 || told > counted {
                return Err(format!("{amount} told, {told} in all, of {counted}"));
            }
        }
        previous = Some(report);
    }
    Ok(())
}

proptest! {
    #[test]
    fn never_negative_and_never_more_than_was_counted(steps in steps()) {
        judge(&steps, |node, at, total| i128::from(node.observe(at, total).amount())).unwrap();
    }
}

#[test]
fn followers_broken_on_purpose_are_caught() {
    use Step::{Counts, Old, Restarts, Twice};
    let lives = [[Counts(5), Counts(7), Restarts, Counts(2)], [Counts(5), Counts(3), Old, Twice]];
    let broken: [(&str, Follower); 2] = [
        ("a restart is a fall", |node, at, total| {
            let before = node.last.map_or(total, |(_, last)| last);
            node.observe(at, total);
            i128::from(total) - i128::from(before)
        }),
        ("an old report is a restart", |node, at, total| {
            node.last = node.last.map(|(_, last)| (Time::ZERO, last));
            i128::from(node.observe(at, total).amount())
        }),
    ];
    for (what, follow) in broken {
        assert!(lives.iter().any(|life| judge(life, follow).is_err()), "not noticed: {what}");
    }
}
