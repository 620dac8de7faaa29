//! What a shipper says to a store, as the arguments of a request. The lines themselves are those of the source's files
//! that the numbers name. Decides nothing.

use crate::cluster::NodeId;

/// A batch: lines of one source, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shipment {
    /// Whose lines they are.
    pub(super) source: NodeId,
    /// The first of them.
    pub(super) first: u64,
    /// The last.
    pub(super) last: u64,
}

impl Shipment {
    pub(super) fn arguments(self) -> [u64; 3] {
        [u64::from(self.source.0), self.first, self.last]
    }

    /// The batch that arguments name; `None` if there is no line in it, as in those of any other client.
    pub(super) fn of([source, first, last]: [u64; 3]) -> Option<Shipment> {
        let source = NodeId(u32::try_from(source).ok()?);
        (first > 0 && first <= last).then_some(Shipment { source, first, last })
    }

    /// Lines in it.
    pub(super) const fn lines(&self) -> u64 {
        self.last - self.first + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_survives_being_arguments_and_other_requests_are_none() {
        let batch = Shipment { source: NodeId(7), first: 3, last: u64::MAX };
        assert_eq!(Shipment::of(batch.arguments()), Some(batch));
        assert_eq!(Shipment::of([0; 3]), None);
        assert_eq!(Shipment::of([u64::MAX, 1, 2]), None);
    }
}
