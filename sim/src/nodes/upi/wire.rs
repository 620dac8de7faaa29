//! UPI's messages as the words of a request. A payee's name says bank and account, as a payment address does.

use foreshock_systems::payment::upi::{Body, CheckRefusal, Leg, LegResult, PayResult, Role, Txn, TxnId};

const REQ_PAY: u64 = 1;
const REQ_AUTH: u64 = 2;
const RESP_AUTH: u64 = 3;
const REQ_LEG: u64 = 4;
const RESP_LEG: u64 = 5;
const RESP_PAY: u64 = 6;
const REQ_CHECK: u64 = 7;
const RESP_CHECK: u64 = 8;

/// The name of an account, for those who pay to it.
pub(super) const fn name_of(bank: u32, account: u32) -> u64 {
    (bank as u64) << 32 | account as u64
}

const PRESENT: u64 = 1 << 63;

/// A bank and an account of it, or nothing.
fn account_word(account: Option<(u32, u64)>) -> u64 {
    account.map_or(0, |(bank, account)| PRESENT | u64::from(bank & 0x7FFF) << 48 | account & 0xFFFF_FFFF_FFFF)
}

fn account_of(word: u64) -> Option<(u32, u64)> {
    (word & PRESENT != 0).then_some(((word >> 48 & 0x7FFF) as u32, word & 0xFFFF_FFFF_FFFF))
}

/// A message as key and arguments.
pub(super) fn words(body: &Body) -> (u64, [u64; 3]) {
    match *body {
        Body::ReqPay(txn) => (txn.id.0, txn_words(&txn, REQ_PAY)),
        Body::ReqAuthDetails(txn) => (txn.id.0, txn_words(&txn, REQ_AUTH)),
        Body::RespAuthDetails { txn, account } => (txn.0, [RESP_AUTH, account_word(account), 0]),
        Body::ReqLeg { txn, leg, account, minor } => {
            (txn.0, [REQ_LEG | leg_tag(leg) << 8, account, minor.max(0).unsigned_abs()])
        }
        Body::RespLeg { txn, leg, result } => {
            let is_done = u64::from(result == LegResult::Done);
            (txn.0, [RESP_LEG | leg_tag(leg) << 8 | is_done << 16, 0, 0])
        }
        Body::RespPay { txn, result } => (txn.0, [RESP_PAY | result_tag(result) << 8, 0, 0]),
        Body::ReqChkTxn(txn) => (txn.0, [REQ_CHECK, 0, 0]),
        Body::RespChkTxn { txn, result } => {
            let (tag, wait_ns) = match result {
                Ok(None) => (0, 0),
                Ok(Some(result)) => (result_tag(result), 0),
                Err(CheckRefusal::TooEarly(wait_ns)) => (8, wait_ns),
                Err(CheckRefusal::TooMany) => (9, 0),
            };
            (txn.0, [RESP_CHECK | tag << 8, wait_ns, 0])
        }
    }
}

/// The message that words say; `None` if they say none.
pub(super) fn body_of(key: u64, arguments: [u64; 3]) -> Option<Body> {
    let [head, second, third] = arguments;
    let (id, tag) = (TxnId(key), head >> 8 & 0xFF);
    Some(match head & 0xF {
        REQ_PAY => Body::ReqPay(txn_of(key, arguments)),
        REQ_AUTH => Body::ReqAuthDetails(txn_of(key, arguments)),
        RESP_AUTH => Body::RespAuthDetails { txn: id, account: account_of(second) },
        REQ_LEG => {
            Body::ReqLeg { txn: id, leg: leg_of(tag)?, account: second, minor: i64::try_from(third).ok()? }
        }
        RESP_LEG => {
            let result = if head >> 16 & 1 == 1 { LegResult::Done } else { LegResult::Refused };
            Body::RespLeg { txn: id, leg: leg_of(tag)?, result }
        }
        RESP_PAY => Body::RespPay { txn: id, result: result_of(tag)? },
        REQ_CHECK => Body::ReqChkTxn(id),
        RESP_CHECK => {
            let result = match tag {
                0 => Ok(None),
                8 => Err(CheckRefusal::TooEarly(second)),
                9 => Err(CheckRefusal::TooMany),
                tag => Ok(Some(result_of(tag)?)),
            };
            Body::RespChkTxn { txn: id, result }
        }
        _ => return None,
    })
}

/// Tag 4 bits, role 1, apps 12 each, amount 32; then both accounts, the payee's without the mark as long as only its
/// name is known.
fn txn_words(txn: &Txn, tag: u64) -> [u64; 3] {
    let role = u64::from(txn.role == Role::Collect);
    let psps = u64::from(txn.payer_psp & 0xFFF) << 8 | u64::from(txn.payee_psp & 0xFFF) << 20;
    let minor = txn.minor.clamp(0, i64::from(u32::MAX)).unsigned_abs();
    let payee = account_word(Some(((txn.payee >> 32) as u32, txn.payee & 0xFFFF_FFFF)));
    let payee = if txn.payee_account.is_some() { payee } else { payee & !PRESENT };
    [tag | role << 4 | psps | minor << 32, account_word(txn.payer), payee]
}

fn txn_of(key: u64, [head, payer, payee]: [u64; 3]) -> Txn {
    let (bank, account) = account_of(payee | PRESENT).unwrap_or_default();
    Txn {
        id: TxnId(key),
        role: if head >> 4 & 1 == 1 { Role::Collect } else { Role::Pay },
        payer_psp: (head >> 8 & 0xFFF) as u32,
        payee_psp: (head >> 20 & 0xFFF) as u32,
        payer: account_of(payer),
        payee: name_of(bank, account as u32),
        payee_account: account_of(payee),
        minor: (head >> 32) as i64,
    }
}

const fn leg_tag(leg: Leg) -> u64 {
    match leg {
        Leg::Debit => 0,
        Leg::Credit => 1,
        Leg::Reversal => 2,
    }
}

const fn leg_of(tag: u64) -> Option<Leg> {
    match tag {
        0 => Some(Leg::Debit),
        1 => Some(Leg::Credit),
        2 => Some(Leg::Reversal),
        _ => None,
    }
}

const fn result_tag(result: PayResult) -> u64 {
    match result {
        PayResult::Success => 1,
        PayResult::Deemed => 2,
        PayResult::Failure => 3,
        PayResult::Pending => 4,
    }
}

const fn result_of(tag: u64) -> Option<PayResult> {
    match tag {
        1 => Some(PayResult::Success),
        2 => Some(PayResult::Deemed),
        3 => Some(PayResult::Failure),
        4 => Some(PayResult::Pending),
        _ => None,
    }
}

/// What is sent again and again about one payment is told apart by how often it was.
pub(super) const fn kind_of(body: &Body) -> u32 {
    match body {
        Body::ReqPay(_) => 1,
        Body::ReqAuthDetails(_) => 2,
        Body::RespAuthDetails { .. } => 3,
        Body::ReqLeg { leg, .. } => 8 + leg_tag(*leg) as u32,
        Body::RespLeg { leg, .. } => 16 + leg_tag(*leg) as u32,
        Body::RespPay { .. } => 5,
        Body::ReqChkTxn(_) => 6,
        Body::RespChkTxn { .. } => 7,
    }
}

/// Which payment a message is about.
pub(super) const fn txn_id(body: &Body) -> TxnId {
    match body {
        Body::ReqPay(txn) | Body::ReqAuthDetails(txn) => txn.id,
        Body::RespAuthDetails { txn, .. }
        | Body::ReqLeg { txn, .. }
        | Body::RespLeg { txn, .. }
        | Body::RespPay { txn, .. }
        | Body::RespChkTxn { txn, .. }
        | Body::ReqChkTxn(txn) => *txn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_being_words() {
        let id = TxnId(u64::MAX);
        let pay = Txn {
            id,
            role: Role::Pay,
            payer_psp: 2_000,
            payee_psp: 3,
            payer: Some((1_999, 7)),
            payee: name_of(4, 999_999),
            payee_account: None,
            minor: 10_000_000,
        };
        let collect = Txn { role: Role::Collect, payer: None, payee_account: Some((4, 999_999)), ..pay };
        let mut bodies = vec![Body::ReqPay(pay), Body::ReqAuthDetails(collect), Body::ReqChkTxn(id)];
        for account in [None, Some((0, 0)), Some((1_999, 5))] {
            bodies.push(Body::RespAuthDetails { txn: id, account });
        }
        for leg in [Leg::Debit, Leg::Credit, Leg::Reversal] {
            bodies.push(Body::ReqLeg { txn: id, leg, account: 9, minor: 1 });
            for result in [LegResult::Done, LegResult::Refused] {
                bodies.push(Body::RespLeg { txn: id, leg, result });
            }
        }
        for result in [PayResult::Success, PayResult::Deemed, PayResult::Failure, PayResult::Pending] {
            bodies.push(Body::RespPay { txn: id, result });
            bodies.push(Body::RespChkTxn { txn: id, result: Ok(Some(result)) });
        }
        bodies.push(Body::RespChkTxn { txn: id, result: Ok(None) });
        bodies.push(Body::RespChkTxn { txn: id, result: Err(CheckRefusal::TooEarly(u64::MAX)) });
        bodies.push(Body::RespChkTxn { txn: id, result: Err(CheckRefusal::TooMany) });
        for body in bodies {
            let (key, arguments) = words(&body);
            assert_eq!(body_of(key, arguments), Some(body));
        }
        assert_eq!(body_of(1, [0; 3]), None);
    }
}
