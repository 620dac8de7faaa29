//! What a job is about, as the scheduler keeps it: bytes that only whoever enqueued it and its worker understand. Keeps
//! a job's draws those of the request that wanted it, whoever runs it and however often.

use crate::kernel::draw::Lineage;
use crate::scenario::plan::{LoadId, OperationId};

/// What a job is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Body {
    /// Under which the harness knows it.
    pub(crate) serial: u64,
    /// What to do.
    pub(crate) operation: OperationId,
    /// On which key.
    pub(crate) key: u64,
    /// Whose request it was.
    pub(crate) lineage: Lineage,
    /// Whose load.
    pub(crate) load: LoadId,
}

impl Body {
    /// As arguments of a job.
    pub(super) fn bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[0..8].copy_from_slice(&self.serial.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.operation.0.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.load.0.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.key.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.lineage.raw().to_le_bytes());
        bytes
    }

    /// What the arguments of a job say; `None` of a job that a schedule has enqueued.
    pub(super) fn of(bytes: &[u8]) -> Option<Body> {
        let (serial, rest) = bytes.split_first_chunk()?;
        let (operation, rest) = rest.split_first_chunk()?;
        let (load, rest) = rest.split_first_chunk()?;
        let (key, rest) = rest.split_first_chunk()?;
        let (lineage, _) = rest.split_first_chunk()?;
        Some(Body {
            serial: u64::from_le_bytes(*serial),
            operation: OperationId(u32::from_le_bytes(*operation)),
            load: LoadId(u32::from_le_bytes(*load)),
            key: u64::from_le_bytes(*key),
            lineage: Lineage(u64::from_le_bytes(*lineage)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_survives_being_bytes_and_nothing_is_no_body() {
        let body = Body {
            serial: u64::MAX,
            operation: OperationId(3),
            key: 1 << 40,
            lineage: Lineage(0x1234_5678_9ABC_DEF0),
            load: LoadId(7),
        };
        assert_eq!(Body::of(&body.bytes()), Some(body));
        assert_eq!(Body::of(&[]), None);
    }
}
