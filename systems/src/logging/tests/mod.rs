//! What logging promises, told as stories; each check beside a variant that breaks it.

mod books;
mod disk;
mod way;

use super::{Record, Severity};
use crate::time::{Span, Time};

fn at(ms: u64) -> Time {
    Time::ZERO + Span::from_millis(ms)
}

fn line(severity: Severity, message: &str) -> Record {
    Record::new(Time::ZERO, severity, "shop.payment", message)
}

fn info(message: &str) -> Record {
    line(Severity::Informational, message)
}
