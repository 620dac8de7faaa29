//! Every policy of calls, queues, processes and changes in scenarios so small that the result is computed by hand.

mod breakers;
mod changes;
mod concurrency;
mod groups;
mod limits;
mod processes;
mod queues;
mod retries;
mod timeouts;
