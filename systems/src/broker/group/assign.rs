//! Who gets which partitions. Pure functions of who there is and who had what.

use super::super::{MemberId, PartitionId};
use std::collections::{BTreeMap, BTreeSet};

/// How partitions are shared out. Every member reads everything that its group reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Assignor {
    /// Of each topic a run of neighbouring partitions each; the first members get the odd ones of every topic.
    Range,
    /// One after the other, over all topics.
    RoundRobin,
    /// As few as possible change hands, and nobody has two more than another.
    #[default]
    Sticky,
}

/// The partitions of each member.
pub(super) type Shares = BTreeMap<MemberId, Vec<PartitionId>>;

/// Shares out `partitions` among `members`; `owned` says who had what.
pub(super) fn assign(
    assignor: Assignor,
    members: &[MemberId],
    partitions: &[PartitionId],
    owned: &Shares,
) -> Shares {
    let mut shares: Shares = members.iter().map(|member| (*member, Vec::new())).collect();
    let partitions: BTreeSet<PartitionId> = partitions.iter().copied().collect();
    if shares.is_empty() {
        return shares;
    }
    match assignor {
        Assignor::Range => range(&mut shares, &partitions),
        Assignor::RoundRobin => round_robin(&mut shares, &partitions),
        Assignor::Sticky => sticky(&mut shares, &partitions, owned),
    }
    shares
}

fn range(shares: &mut Shares, partitions: &BTreeSet<PartitionId>) {
    let mut by_topic: BTreeMap<u16, Vec<PartitionId>> = BTreeMap::new();
    for partition in partitions {
        by_topic.entry(partition.topic).or_default().push(*partition);
    }
    let members = shares.len();
    for of_topic in by_topic.into_values() {
        let (each, odd) = (of_topic.len() / members, of_topic.len() % members);
        let mut left = of_topic.into_iter();
        for (place, share) in shares.values_mut().enumerate() {
            share.extend(left.by_ref().take(each + usize::from(place < odd)));
        }
    }
}

fn round_robin(shares: &mut Shares, partitions: &BTreeSet<PartitionId>) {
    let members: Vec<MemberId> = shares.keys().copied().collect();
    for (partition, member) in partitions.iter().zip(members.iter().cycle()) {
        shares.entry(*member).or_default().push(*partition);
    }
}

fn sticky(shares: &mut Shares, partitions: &BTreeSet<PartitionId>, owned: &Shares) {
    let (each, mut odd) = (partitions.len() / shares.len(), partitions.len() % shares.len());
    let mut free = partitions.clone();
    // Whoever has most keeps one of the odd ones.
    let mut by_owned: Vec<MemberId> = shares.keys().copied().collect();
    by_owned.sort_by_key(|member| std::cmp::Reverse(owned.get(member).map_or(0, Vec::len)));
    for member in &by_owned {
        let had = owned.get(member).map_or(&[][..], Vec::as_slice);
        let share = shares.entry(*member).or_default();
        for partition in had {
            let may_keep = share.len() < each || (share.len() == each && odd > 0);
            if may_keep && free.remove(partition) {
                odd -= usize::from(share.len() == each);
                share.push(*partition);
            }
        }
    }
    let mut free = free.into_iter();
    for bound in [each, each + 1] {
        for share in shares.values_mut() {
            share.extend(free.by_ref().take(bound.saturating_sub(share.len())));
        }
    }
    for share in shares.values_mut() {
        share.sort_unstable();
    }
}
