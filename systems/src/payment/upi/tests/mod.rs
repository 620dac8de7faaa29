//! UPI with a network that loses, delays and doubles; the banks' money is counted after every message, and at the
//! end every payment is credited, reversed or never was.

mod network; // banks, apps, the switch, and what is between them
mod stories; // one payment at a time
mod storms; // many, with faults, crashes and defects

use super::*;
use crate::store::MemoryStore;
use crate::time::{Span, Time};
use network::{Fate, Network};

fn pay(id: u64, minor: i64) -> Txn {
    Txn {
        id: TxnId(id),
        role: Role::Pay,
        payer_psp: 1,
        payee_psp: 2,
        payer: Some((1, 10)),
        payee: 21,
        payee_account: None,
        minor,
    }
}

fn collect(id: u64, minor: i64) -> Txn {
    Txn { role: Role::Collect, payer: None, ..pay(id, minor) }
}
