//! Tests of the bulkhead and of static limits.

mod admission;
mod door;
