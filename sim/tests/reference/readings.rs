//! The one table: how each case of the file is read, or why it is not run here.

use super::checks::Checks;
use super::file::Case;
use super::lab::{Run, Runs};
use super::{availability, balancing, cache, contention, metastable, queueing, retries, tail};

/// How a case is read.
pub(crate) enum Reading {
    /// By running scenarios.
    Simulated { runs: fn(&Case) -> Vec<Run>, compare: fn(&Case, &Runs, &mut Checks) },
    /// Without a simulation.
    Computed(fn(&Case, &mut Checks)),
    /// The cluster cannot express it, for this reason.
    Elsewhere(&'static str),
}

use Reading::{Computed, Elsewhere};

const fn simulated(runs: fn(&Case) -> Vec<Run>, compare: fn(&Case, &Runs, &mut Checks)) -> Reading {
    Reading::Simulated { runs, compare }
}

const CONSENSUS: Reading = Elsewhere("needs a kind that elects a leader");
const TRACES: Reading = Elsewhere("needs the recorded trace; eviction policies are tested by themselves");
const HASHES: Reading = Elsewhere("needs a hash that no balancer has");
const RINGS: Reading =
    Elsewhere("is about shares of the ring itself, which a run shows only through requests");
const TWO_WINDOWS: Reading = Elsewhere("needs a limiter with two windows");

/// Every case of the file.
pub(crate) const READINGS: &[(&str, Reading)] = &[
    ("q-mm1-0.5", simulated(queueing::mm1_runs, queueing::mm1)),
    ("q-mm1-0.8", simulated(queueing::mm1_runs, queueing::mm1)),
    ("q-mm2-1.6", simulated(queueing::mmc_runs, queueing::mmc)),
    ("q-mm10-7", simulated(queueing::mmc_runs, queueing::mmc)),
    ("q-mm10-9", simulated(queueing::mmc_runs, queueing::mmc)),
    ("q-erlb-5-3", simulated(queueing::loss_runs, queueing::loss)),
    ("q-erlb-10-7", simulated(queueing::loss_runs, queueing::loss)),
    ("q-erlb-table-1pct", Computed(queueing::loss_table)),
    ("q-md1-0.8", simulated(queueing::md1_runs, queueing::md1)),
    ("q-mm1k-0.9-5", simulated(queueing::mm1k_runs, queueing::mm1k)),
    ("q-mminf-8", simulated(queueing::mminf_runs, queueing::mminf)),
    ("q-closed-20", simulated(queueing::closed_runs, queueing::closed)),
    ("littles-law", simulated(queueing::little_runs, queueing::little)),
    ("lb-supermarket-0.9", simulated(balancing::supermarket_runs, balancing::supermarket)),
    ("lb-order", simulated(balancing::order_runs, balancing::order)),
    ("tail-fanout-0.01-100", simulated(tail::fan_out_runs, tail::fan_out)),
    ("tail-hedge-bigtable", simulated(tail::hedge_runs, tail::hedge)),
    ("retry-three-0.1", simulated(retries::three_runs, retries::three)),
    ("retry-three-0.5", simulated(retries::three_runs, retries::three)),
    ("retry-layers-3-3", simulated(retries::layers_runs, retries::layers)),
    ("retry-fulljitter-means", Computed(retries::jitter_means)),
    ("meta-bronson-140", simulated(metastable::bronson_runs, metastable::bronson)),
    ("meta-bronson-280", simulated(metastable::bronson_runs, metastable::bronson)),
    ("meta-osdi22-mongo", simulated(metastable::mongo_runs, metastable::mongo)),
    ("quorum-3-2-0.99", simulated(availability::quorum_runs, availability::quorum)),
    ("cache-che-10000-0.8-1000", simulated(cache::che_runs, cache::che)),
    ("aws-occ-Exponential-10", simulated(contention::runs, contention::compare)),
    ("aws-occ-Decorr-10", simulated(contention::runs, contention::compare)),
    ("aws-occ-EqualJitter-10", simulated(contention::runs, contention::compare)),
    ("aws-occ-FullJitter-10", simulated(contention::runs, contention::compare)),
    ("aws-occ-None-10", simulated(contention::runs, contention::compare)),
    ("aws-occ-Exponential-100", simulated(contention::runs, contention::compare)),
    ("aws-occ-Decorr-100", simulated(contention::runs, contention::compare)),
    ("aws-occ-EqualJitter-100", simulated(contention::runs, contention::compare)),
    ("aws-occ-FullJitter-100", simulated(contention::runs, contention::compare)),
    ("aws-occ-None-100", simulated(contention::runs, contention::compare)),
    ("aws-occ-claim", simulated(contention::claim_runs, contention::claim)),
    ("raft-split-5-4-0.1", CONSENSUS),
    ("raft-wan-4", CONSENSUS),
    ("raft-lan-fig16", CONSENSUS),
    ("swim-first-detect-100", Elsewhere("needs a kind that detects failures by gossip")),
    ("cache-lirs-cs", TRACES),
    ("cache-lirs-gli", TRACES),
    ("cache-lirs-multi1", TRACES),
    ("cache-lirs-multi2", TRACES),
    ("cache-lirs-ps", TRACES),
    ("cache-lirs-loop", TRACES),
    ("cache-lirs-zigzag", TRACES),
    ("cache-lirs-scan", TRACES),
    ("cache-lirs-backf", TRACES),
    ("cache-cache2k-web07", TRACES),
    ("jump-0x0", HASHES),
    ("jump-0x1", HASHES),
    ("jump-0xdeadbeef", HASHES),
    ("maglev-go", HASHES),
    ("maglev-balance", HASHES),
    ("ringhash-100-10", RINGS),
    ("rehash-move-10", RINGS),
    ("gcra-0", Elsewhere("is a sequence for the limiter alone, tested where the limiter is")),
    ("swc-cloudflare", TWO_WINDOWS),
    ("swc-cloudflare-accuracy", TWO_WINDOWS),
    ("elevator-uppeak-10-8", Elsewhere("is about elevators")),
];
