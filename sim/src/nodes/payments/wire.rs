//! What clients, processors and providers of payments say to each other, as the words of a request and of its answer.

use foreshock_systems::payment::{Decline, DisputePhase, OperationKind, Outcome};

/// What a client asks of a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::nodes) enum Ask {
    /// A payment to be made.
    Create {
        /// Reserve first, take later.
        is_manual: bool,
    },
    /// Get the money.
    Confirm,
    /// Take what is reserved.
    Capture,
    /// Give back.
    Refund,
}

/// A client's request. The order is the key of the request: for processors it is the payer's reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::nodes) struct Asked {
    pub(in crate::nodes) ask: Ask,
    /// Who is paid.
    pub(in crate::nodes) merchant: u16,
    /// In the idempotency key, to tell tries apart; 0 if they share one.
    pub(in crate::nodes) key_try: u32,
    /// The payment; 0 while there is none.
    pub(in crate::nodes) intent: u64,
    /// How much.
    pub(in crate::nodes) minor: i64,
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::nodes) enum News {
    /// What became of an operation.
    Outcome(Outcome),
    /// A chargeback of it, of which there is one at most.
    Dispute { minor: i64, phase: DisputePhase },
}

/// A provider's event as it is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::nodes) struct Told {
    pub(in crate::nodes) intent: u64,
    pub(in crate::nodes) serial: u32,
    pub(in crate::nodes) news: News,
    /// Its number at the provider.
    pub(in crate::nodes) event: u32,
    /// When it was signed, by the provider's clock.
    pub(in crate::nodes) signed_at_s: u32,
}

/// What comes to a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::nodes) enum ToProcessor {
    Asked(Asked),
    Told(Told),
    /// There is a settlement file with this number.
    File(u64),
}

/// What comes to a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::nodes) struct ToProvider {
    pub(in crate::nodes) intent: u64,
    pub(in crate::nodes) serial: u32,
    /// What to do; `None` asks what became of it.
    pub(in crate::nodes) execute: Option<OperationKind>,
    pub(in crate::nodes) minor: i64,
}

const CREATE: u64 = 1;
const CREATE_MANUAL: u64 = 2;
const CONFIRM: u64 = 3;
const CAPTURE: u64 = 4;
const REFUND: u64 = 5;
const EVENT: u64 = 9;
const FILE: u64 = 10;
/// Tags of an event that are no outcomes: a chargeback's phases come after it.
const DISPUTE: u64 = 16;
const PHASES: [DisputePhase; 3] = [DisputePhase::Opened, DisputePhase::Won, DisputePhase::Lost];

/// Arguments that name a settlement file.
pub(in crate::nodes) const fn file_arguments(number: u64) -> [u64; 3] {
    [FILE, number, 0]
}

impl Asked {
    pub(in crate::nodes) fn arguments(self) -> [u64; 3] {
        let ask = match self.ask {
            Ask::Create { is_manual: false } => CREATE,
            Ask::Create { is_manual: true } => CREATE_MANUAL,
            Ask::Confirm => CONFIRM,
            Ask::Capture => CAPTURE,
            Ask::Refund => REFUND,
        };
        [
            ask | u64::from(self.merchant) << 16 | u64::from(self.key_try) << 32,
            self.intent,
            self.minor.max(0).unsigned_abs(),
        ]
    }
}

impl Told {
    /// Key and arguments.
    pub(in crate::nodes) fn words(self) -> (u64, [u64; 3]) {
        let (tag, minor) = match self.news {
            News::Outcome(outcome) => outcome_parts(outcome),
            News::Dispute { minor, phase } => (DISPUTE + phase as u64, minor.max(0).unsigned_abs()),
        };
        let head = EVENT | tag << 8 | u64::from(self.serial) << 32;
        (self.intent, [head, minor, u64::from(self.event) << 32 | u64::from(self.signed_at_s)])
    }
}

/// What a request to a processor says; `None` if nothing that it could understand.
pub(in crate::nodes) fn to_processor(key: u64, arguments: [u64; 3]) -> Option<ToProcessor> {
    let [head, second, third] = arguments;
    let high = (head >> 32) as u32;
    let ask = match head & 0xFF {
        CREATE => Ask::Create { is_manual: false },
        CREATE_MANUAL => Ask::Create { is_manual: true },
        CONFIRM => Ask::Confirm,
        CAPTURE => Ask::Capture,
        REFUND => Ask::Refund,
        EVENT => {
            let news = news_of(head >> 8 & 0xFF, second)?;
            let (event, signed_at_s) = ((third >> 32) as u32, third as u32);
            return Some(ToProcessor::Told(Told { intent: key, serial: high, news, event, signed_at_s }));
        }
        FILE => return Some(ToProcessor::File(second)),
        _ => return None,
    };
    let merchant = (head >> 16) as u16;
    Some(ToProcessor::Asked(Asked {
        ask,
        merchant,
        key_try: high,
        intent: second,
        minor: i64::try_from(third).ok()?,
    }))
}

const EXECUTE: u64 = 1;
const STATUS: u64 = 2;

impl ToProvider {
    pub(in crate::nodes) fn arguments(self) -> [u64; 3] {
        let (ask, kind) = self.execute.map_or((STATUS, 0), |kind| (EXECUTE, kind_tag(kind)));
        let head = ask | kind << 8 | u64::from(self.serial) << 32;
        [self.intent, head, self.minor.max(0).unsigned_abs()]
    }

    pub(in crate::nodes) fn of(arguments: [u64; 3]) -> Option<ToProvider> {
        let [intent, head, minor] = arguments;
        let execute = match head & 0xFF {
            EXECUTE => Some(kind_of(head >> 8 & 0xFF)?),
            STATUS => None,
            _ => return None,
        };
        Some(ToProvider { intent, serial: (head >> 32) as u32, execute, minor: i64::try_from(minor).ok()? })
    }
}

const fn kind_tag(kind: OperationKind) -> u64 {
    match kind {
        OperationKind::Authorize => 0,
        OperationKind::Sale => 1,
        OperationKind::Capture { is_final: false } => 2,
        OperationKind::Capture { is_final: true } => 3,
        OperationKind::Void { is_compensation: false } => 4,
        OperationKind::Void { is_compensation: true } => 5,
        OperationKind::Refund { is_compensation: false } => 6,
        OperationKind::Refund { is_compensation: true } => 7,
    }
}

const fn kind_of(tag: u64) -> Option<OperationKind> {
    Some(match tag {
        0 => OperationKind::Authorize,
        1 => OperationKind::Sale,
        2 | 3 => OperationKind::Capture { is_final: tag == 3 },
        4 | 5 => OperationKind::Void { is_compensation: tag == 5 },
        6 | 7 => OperationKind::Refund { is_compensation: tag == 7 },
        _ => return None,
    })
}

const fn outcome_parts(outcome: Outcome) -> (u64, u64) {
    match outcome {
        Outcome::Succeeded { minor } => (0, minor.unsigned_abs()),
        Outcome::Declined(Decline::Hard) => (1, 0),
        Outcome::Declined(Decline::Soft) => (2, 0),
        Outcome::Declined(Decline::NotProcessed) => (3, 0),
        Outcome::Pending => (4, 0),
        Outcome::NotFound => (5, 0),
    }
}

fn outcome_of(tag: u64, minor: u64) -> Option<Outcome> {
    Some(match tag {
        0 => Outcome::Succeeded { minor: i64::try_from(minor).ok()? },
        1 => Outcome::Declined(Decline::Hard),
        2 => Outcome::Declined(Decline::Soft),
        3 => Outcome::Declined(Decline::NotProcessed),
        4 => Outcome::Pending,
        5 => Outcome::NotFound,
        _ => return None,
    })
}

fn news_of(tag: u64, minor: u64) -> Option<News> {
    let Some(phase) = tag.checked_sub(DISPUTE) else { return outcome_of(tag, minor).map(News::Outcome) };
    let phase = *PHASES.get(usize::try_from(phase).ok()?)?;
    Some(News::Dispute { minor: i64::try_from(minor).ok()?, phase })
}

/// An outcome as the value of an answer.
pub(in crate::nodes) const fn outcome_value(outcome: Outcome) -> u64 {
    let (tag, minor) = outcome_parts(outcome);
    tag | minor << 3
}

/// The outcome that an answer tells.
pub(in crate::nodes) fn outcome_told(value: u64) -> Option<Outcome> {
    outcome_of(value & 7, value >> 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTCOMES: [Outcome; 6] = [
        Outcome::Succeeded { minor: 1 << 40 },
        Outcome::Declined(Decline::Hard),
        Outcome::Declined(Decline::Soft),
        Outcome::Declined(Decline::NotProcessed),
        Outcome::Pending,
        Outcome::NotFound,
    ];

    #[test]
    fn what_is_said_survives_being_words() {
        for ask in [
            Ask::Create { is_manual: false },
            Ask::Create { is_manual: true },
            Ask::Confirm,
            Ask::Capture,
            Ask::Refund,
        ] {
            let asked = Asked { ask, merchant: 63, key_try: u32::MAX, intent: u64::MAX, minor: 499 };
            assert_eq!(to_processor(7, asked.arguments()), Some(ToProcessor::Asked(asked)));
        }
        for outcome in OUTCOMES {
            let news = News::Outcome(outcome);
            let told = Told { intent: 5, serial: 999, news, event: u32::MAX, signed_at_s: 12 };
            let (key, arguments) = told.words();
            assert_eq!(to_processor(key, arguments), Some(ToProcessor::Told(told)));
            assert_eq!(outcome_told(outcome_value(outcome)), Some(outcome));
        }
        for phase in PHASES {
            let news = News::Dispute { minor: 1 << 40, phase };
            let told = Told { intent: 5, serial: 1, news, event: 7, signed_at_s: u32::MAX };
            let (key, arguments) = told.words();
            assert_eq!(to_processor(key, arguments), Some(ToProcessor::Told(told)));
        }
        assert_eq!(to_processor(0, file_arguments(u64::MAX)), Some(ToProcessor::File(u64::MAX)));
        for execute in (0..8).map(kind_of).chain([None]) {
            let order = ToProvider { intent: u64::MAX, serial: u32::MAX, execute, minor: 0 };
            assert_eq!(ToProvider::of(order.arguments()), Some(order));
        }
    }

    #[test]
    fn other_words_are_not_understood() {
        assert_eq!(to_processor(0, [0; 3]), None);
        assert_eq!(to_processor(0, [EVENT | 7 << 8, 0, 0]), None);
        assert_eq!(to_processor(0, [EVENT | (DISPUTE + 3) << 8, 0, 0]), None);
        assert_eq!(ToProvider::of([0; 3]), None);
        assert_eq!(outcome_told(7), None);
    }
}
