//! Moves money once. A [`Processor`] takes merchants' requests, asks providers, believes signed webhooks and
//! settlement files, and keeps books; what is not known is asked about, never done again. Never sends, waits or reads
//! a clock.
//!
//! ```text
//! Request ──key──> Intent ──route──> Attempt ──> Operation ──Order──> provider
//!                                                   ^  word: answer, status check, webhook, settlement file
//! every step: one batch in the store (records, key, books, inbox), then the outputs that depend on it
//! ```
//!
//! [`upi`] is the same question on rails of several banks and a switch; [`saga`] undoes what a longer story has done
//! when one of its steps fails; [`audit`] counts everything again.

pub mod audit; // the invariants, from what is stored
mod idempotency; // the same key is the same request
mod intent; // a payment as it is kept
mod ledger; // double entry
mod money; // minor units and currencies
mod operation; // what providers are asked and what they say
mod processor; // all of it put together
mod request; // what merchants ask and are told
mod routing; // which provider, and when another one
pub mod saga; // steps and their compensations
mod state; // the states of an attempt, as a table
mod unit; // one batch in the making
pub mod upi; // banks, apps and a switch
mod validate; // what is refused before it is tried
mod webhook; // signatures and events

pub use idempotency::{Fingerprint, KeepAnswer, KeptAnswers, KeyConfig, KeyDecision, KeyRecord};
pub use intent::{Attempt, CaptureMethod, Dispute, Intent, IntentStatus, IntentView};
pub use ledger::{
    Account, Balance, BalanceName, Books, DebitsAndCredits, LedgerError, Leg, Transfer, TransferId,
};
pub use money::{Currency, Money, ParseMoneyError};
pub use operation::{
    Decline, IntentId, Operation, OperationId, OperationKind, OperationState, Order, Outcome, ProviderId,
};
pub use processor::{
    ConfigError, FeeConfig, Input, Notice, Output, Policies, Processor, ProcessorConfig, ReconcileReport,
    Rejected, ResolutionConfig, SettlementLine,
};
pub use request::{Answer, Command, Refusal, Request, RequestId};
pub use routing::{ByWeight, Failover, FailoverRule, InOrder, Route};
pub use state::{AttemptEvent, AttemptState, WAYS};
pub use validate::{Instrument, Invalid, Limits, Velocity, VelocityLimit, is_address, luhn_holds};
pub use webhook::{Delivery, DisputePhase, EventSubject, ProviderEvent, SignatureError, WebhookSecrets};

#[cfg(test)]
mod tests;
