//! The queue: each message is received by one at a time, for a while (its *visibility timeout*), and is gone when it is
//! deleted by the handle of that receive. What is received too often goes to the dead letters. With groups, the messages
//! of a group are received in order, one batch at a time. Decides only.

mod audit; // the invariants, from inside and from outside
mod config; // what a queue is told
mod message; // what is said
mod row; // how a message lies in a store
mod state; // all messages, and every index over them
mod steps; // the queue

pub use audit::{QueueAudit, QueueViolation};
pub use config::{QueueConfig, QueueSabotage, SQS_MAX_DELAY, SQS_MAX_VISIBILITY, SQS_MAX_WAIT};
pub use message::{
    DeadReason, Delivery, Handle, MessageId, NewMessage, QueueInput, QueueOutput, QueueRejected,
};
pub use state::QueueCounts;
pub use steps::Queue;
