//! What a person should know about message brokers and queues: records lost although that is excused, partitions that stand
//! still, rebalances without end, messages set aside or processed again.

use super::Evidence;
use super::words::grouped;

/// From so many members on that were lost because they were stuck, it is a storm.
const STORM: u64 = 5;

/// One sentence for each service of which `say` has something to say, by its counts.
fn of_each(
    evidence: &Evidence<'_>,
    say: impl Fn(&str, &dyn Fn(&str) -> u64) -> Option<String>,
) -> Vec<String> {
    let systems = evidence.measured.systems.iter();
    let told =
        systems.filter_map(|(name, counts)| say(name, &|count| counts.get(count).copied().unwrap_or(0)));
    told.collect()
}

/// Records that somebody was told are written, and that are gone.
pub(super) fn lost(evidence: &Evidence<'_>) -> Vec<String> {
    of_each(evidence, |name, count| {
        let (by_leader, unclean) = (count("lost_acks_leader"), count("lost_unclean"));
        (by_leader + unclean > 0).then(|| {
            format!(
                "of {} acknowledged records of `{name}` {} are gone: {} that only a leader had acknowledged, {} by an \
                 unclean election",
                grouped(count("acknowledged")),
                grouped(by_leader + unclean),
                grouped(by_leader),
                grouped(unclean)
            )
        })
    })
}

/// Records that nobody can process and that stand before all others.
pub(super) fn blocked(evidence: &Evidence<'_>) -> Vec<String> {
    of_each(evidence, |name, count| {
        let blocking = count("records_blocking");
        (blocking > 0).then(|| {
            format!(
                "{} records block the partitions of `{name}`: it has tried them {} times, and {} behind them wait",
                grouped(blocking),
                grouped(count("poison_tries")),
                grouped(count("lag"))
            )
        })
    })
}

/// Groups that do little but rebalance.
pub(super) fn storm(evidence: &Evidence<'_>) -> Vec<String> {
    of_each(evidence, |name, count| {
        let stuck = count("members_stuck");
        (stuck >= STORM).then(|| {
            format!(
                "members of the group of `{name}` were lost {} times because they took longer with a batch than they may, \
                 over {} generations: smaller batches, or a longer bound",
                grouped(stuck),
                grouped(count("group_generation"))
            )
        })
    })
}

/// Messages that were received as often as they may be.
pub(super) fn dead(evidence: &Evidence<'_>) -> Vec<String> {
    of_each(evidence, |name, count| {
        let dead = count("dead_letters");
        (dead > 0).then(|| {
            format!(
                "{} messages of `{name}` are dead letters: received too often and never deleted",
                grouped(dead)
            )
        })
    })
}

/// What was processed more than once.
pub(super) fn again(evidence: &Evidence<'_>) -> Vec<String> {
    of_each(evidence, |name, count| {
        let (again, distinct) = (count("processed_again"), count("processed_distinct"));
        (again > 0).then(|| {
            format!("`{name}` processed {} again beside {} distinct ones", grouped(again), grouped(distinct))
        })
    })
}
