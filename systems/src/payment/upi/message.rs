//! Who says what to whom. Plain data; the names are NPCI's.

use super::status::CheckRefusal;
use serde::{Deserialize, Serialize};

/// Names a payment everywhere; chosen by the app that asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TxnId(pub u64);

/// A machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Party {
    /// The switch.
    Switch,
    /// A payment service provider: the bank or firm behind an app.
    Psp(u32),
    /// A bank.
    Bank(u32),
}

/// Whose app asks for the payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// The payer's: a push, or an intent that a merchant's page has opened.
    Pay,
    /// The payee's: the payer has to agree.
    Collect,
}

/// A payment, as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Txn {
    /// Its name.
    pub id: TxnId,
    /// Who asks.
    pub role: Role,
    /// The payer's app.
    pub payer_psp: u32,
    /// The payee's app.
    pub payee_psp: u32,
    /// The payer's bank and account there; known from the start in a payment, by the payer's agreement in a collect.
    pub payer: Option<(u32, u64)>,
    /// The payee's name at its app; the app knows bank and account.
    pub payee: u64,
    /// The payee's bank and account; known from the start in a collect, by its app's answer in a payment.
    pub payee_account: Option<(u32, u64)>,
    /// How much, in paise.
    pub minor: i64,
}

/// A leg of a payment, at a bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Leg {
    /// Take from the payer.
    Debit,
    /// Give to the payee.
    Credit,
    /// Give back to the payer; if nothing was taken, see to it that nothing will be.
    Reversal,
}

/// How a leg ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LegResult {
    /// Done.
    Done,
    /// Not done, and never will be.
    Refused,
}

/// How a payment ended, as the apps are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PayResult {
    /// The payee has it.
    Success,
    /// The payee's bank did not answer: it is taken to have it, and will, or the payer gets it back.
    Deemed,
    /// The payer has kept it, or got it back.
    Failure,
    /// Not decided.
    Pending,
}

/// What is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// An app asks for a payment.
    ReqPay(Txn),
    /// The switch asks the other app: for the payee's account, or for the payer's agreement.
    ReqAuthDetails(Txn),
    /// Its answer: bank and account, or no.
    RespAuthDetails {
        /// Which payment.
        txn: TxnId,
        /// The account asked for.
        account: Option<(u32, u64)>,
    },
    /// The switch asks a bank for a leg.
    ReqLeg {
        /// Of which payment.
        txn: TxnId,
        /// Which leg.
        leg: Leg,
        /// Whose account.
        account: u64,
        /// How much.
        minor: i64,
    },
    /// Its answer.
    RespLeg {
        /// Of which payment.
        txn: TxnId,
        /// Which leg.
        leg: Leg,
        /// How it ended.
        result: LegResult,
    },
    /// The switch tells an app how a payment ended.
    RespPay {
        /// Which.
        txn: TxnId,
        /// How.
        result: PayResult,
    },
    /// An app asks how a payment stands.
    ReqChkTxn(TxnId),
    /// The answer, or why there is none.
    RespChkTxn {
        /// Which payment.
        txn: TxnId,
        /// How it stands; `None` if nobody has heard of it.
        result: Result<Option<PayResult>, CheckRefusal>,
    },
}

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// From whom.
    pub from: Party,
    /// To whom.
    pub to: Party,
    /// What.
    pub body: Body,
}
