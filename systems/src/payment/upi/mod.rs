//! UPI: a payment between two banks, carried by a switch, asked for by an app. Four machines that know each other
//! only by messages, so that any of them may be lost, late or doubled.
//!
//! ```text
//! payer PSP ──ReqPay──> switch ──ReqAuthDetails──> payee PSP        (pay: whose account is it?)
//! payee PSP ──ReqPay──> switch ──ReqAuthDetails──> payer PSP        (collect: does the payer agree?)
//!                       switch ──debit──> remitter bank
//!                       switch ──credit──> beneficiary bank
//!                       switch ──RespPay──> both PSPs
//! debit unknown or credit refused: reversal. Credit unknown: deemed success, settled later.
//! ```
//!
//! The order of the legs, the reversal after an unanswered debit and the deemed success after an unanswered credit are
//! those of NPCI's procedural guidelines; a status check (ReqChkTxn) is allowed first after 90 s and three times
//! (NPCI's circular of 26 April 2025).

mod bank; // accounts, and each leg once
mod message; // who says what to whom
mod psp; // the apps' side: asks, agrees, checks
mod status; // when a status may be asked for
mod switch; // legs, reversals, deemed successes

pub use bank::{Bank, BankRefusal};
pub use message::{Body, Envelope, Leg, LegResult, Party, PayResult, Role, Txn, TxnId};
pub use psp::{Psp, PspConfig, PspOutput};
pub use status::{CheckPlan, CheckRefusal, CheckRule, StatusChecks};
pub use switch::{Switch, SwitchConfig, SwitchError, TxnState, TxnView};

#[cfg(test)]
mod tests;
