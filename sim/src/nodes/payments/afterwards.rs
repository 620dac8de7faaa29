//! What an acquirer does when a payment is long made: payers dispute it, and a file says what was moved. Books of the
//! acquirer only; nothing is sent from here.

use std::collections::BTreeMap;
use std::sync::Arc;

use foreshock_systems::payment::{DisputePhase, IntentId, OperationId, SettlementLine};

use crate::kernel::time::{Span, Time};
use crate::scenario::plan::ServiceId;

/// A chargeback of one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dispute {
    pub(super) minor: i64,
    pub(super) phase: DisputePhase,
    /// Whether its processor has taken the word that it is lost.
    pub(super) is_told: bool,
}

impl Dispute {
    /// Held back, or gone.
    pub(super) fn gone_minor(&self) -> i64 {
        match self.phase {
            DisputePhase::Opened | DisputePhase::Lost => self.minor,
            DisputePhase::Won => 0,
        }
    }
}

/// What is under way to a processor, to be heard of again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnderWay {
    /// A chargeback that the payer has won, of a payment there.
    Lost { processor: ServiceId, intent: u64, serial: u32 },
    /// A file.
    File { processor: ServiceId, number: u64 },
}

/// The lines of one file, for whoever opens it.
pub(crate) type SettlementFile = Arc<[SettlementLine]>;

/// What was moved and is in no file yet that its processor has taken.
#[derive(Debug, Default)]
pub(super) struct Settlement {
    /// When the last round of files went out, by the acquirer's clock; `None` before its first start.
    since: Option<Time>,
    lines: BTreeMap<ServiceId, Vec<SettlementLine>>,
    /// Files sent, by their numbers.
    sent: BTreeMap<u64, SettlementFile>,
    files: u64,
}

impl Settlement {
    pub(super) fn begin(&mut self, now: Time) {
        self.since.get_or_insert(now);
    }

    /// When the next round of files is due.
    pub(super) fn due(&self, every: Option<Span>) -> Option<Time> {
        self.since?.checked_add(every?)
    }

    pub(super) fn moved(&mut self, (processor, intent, serial): (ServiceId, u64, u32), minor: i64) {
        let operation = OperationId { intent: IntentId(intent), serial };
        self.lines.entry(processor).or_default().push(SettlementLine { operation, minor });
    }

    /// The files of a round: one for each processor for which something was moved.
    pub(super) fn round(&mut self, now: Time) -> Vec<(ServiceId, u64, SettlementFile)> {
        self.since = Some(now);
        let lines = std::mem::take(&mut self.lines);
        let mut files = Vec::with_capacity(lines.len());
        for (processor, lines) in lines {
            self.files += 1;
            let file: SettlementFile = lines.into();
            self.sent.insert(self.files, Arc::clone(&file));
            files.push((processor, self.files, file));
        }
        files
    }

    /// A file was taken, or nobody took it: its lines go into the next one. How many lines it had.
    pub(super) fn ended(&mut self, processor: ServiceId, number: u64, is_taken: bool) -> u64 {
        let Some(file) = self.sent.remove(&number) else { return 0 };
        if !is_taken {
            self.lines.entry(processor).or_default().extend(file.iter());
        }
        file.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: ServiceId = ServiceId(3);

    fn at(second: u64) -> Time {
        Time::from_nanos(second * 1_000_000_000)
    }

    #[test]
    fn each_line_is_in_one_file_and_in_the_next_one_if_nobody_took_it() {
        let mut settlement = Settlement::default();
        settlement.begin(at(1));
        settlement.begin(at(2));
        assert_eq!(settlement.due(Some(Span::from_secs(60))), Some(at(61)));
        assert_eq!(settlement.due(None), None);
        settlement.moved((SHOP, 1, 0), 100);
        let files = settlement.round(at(61));
        assert_eq!((files.len(), files[0].1, files[0].2.len()), (1, 1, 1));
        assert!(settlement.round(at(121)).is_empty());
        settlement.moved((SHOP, 2, 0), 200);
        assert_eq!(settlement.ended(SHOP, 1, false), 1);
        assert_eq!(settlement.round(at(181))[0].2.len(), 2);
        assert_eq!(settlement.ended(SHOP, 2, true), 2);
        assert_eq!(settlement.ended(SHOP, 2, true), 0);
        assert!(settlement.round(at(241)).is_empty());
    }
}
