//! Tests of outlier detection: stories of ejections, the sweep's rules beside floating point, laws over random
//! histories.

use super::*;
use crate::time::{Span, Time};

mod rules;
mod stories;

const fn at(ms: u64) -> Time {
    Time::from_nanos(ms * 1_000_000)
}
