//! The ends that users hold: a producer that buffers, numbers and repeats, and a member of a group that polls,
//! processes and commits. Sends nothing itself.

mod poller; // a member of a consumer group
mod producer; // batches on their way to partitions

pub use poller::{CommitWhen, Poller, PollerConfig, PollerOutput};
pub use producer::{BufferFull, Producer, ProducerConfig, ProducerCounts, ProducerOutput, Sending};
