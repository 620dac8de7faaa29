//! What clients, workers and enqueuers say to a job scheduler and to a sink, as the arguments of a request, and what
//! they hear, as the value of its answer. Never decides.

use crate::kernel::time::Time;

/// What is asked. A request without arguments enqueues: any client can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// A job of the request's operation, for its key.
    Enqueue,
    /// A job, for this worker out of the queues of this pool.
    Fetch { worker: u32, pool: u16 },
    /// The worker is still at it.
    Heartbeat { job: u64, token: u64 },
    /// The worker is done.
    Complete { job: u64, token: u64 },
    /// The worker has failed.
    Fail { job: u64, token: u64 },
    /// This node wants to lead.
    Campaign { node: u32 },
    /// Up to when the ticks of a schedule are noted.
    LastTick { schedule: u16 },
    /// A tick, by the leader of this term; `fire`: to be enqueued, else it is only noted as missed.
    Tick { schedule: u16, term: u64, at: Time, fire: bool },
    /// A tick by somebody who does not ask who leads: an ordinary job.
    TickAlone { schedule: u16, at: Time },
    /// What a job does, at a sink.
    Effect { job: u64, token: u64 },
}

impl Ask {
    pub(super) const fn arguments(self) -> [u64; 3] {
        match self {
            Ask::Enqueue => [0; 3],
            Ask::Fetch { worker, pool } => [1, worker as u64, pool as u64],
            Ask::Heartbeat { job, token } => [2, job, token],
            Ask::Complete { job, token } => [3, job, token],
            Ask::Fail { job, token } => [4, job, token],
            Ask::Campaign { node } => [5, node as u64, 0],
            Ask::LastTick { schedule } => [6, schedule as u64, 0],
            Ask::Tick { schedule, term, at, fire } => {
                [7 | (schedule as u64) << 8 | (fire as u64) << 24, term, at.as_nanos()]
            }
            Ask::TickAlone { schedule, at } => [8, schedule as u64, at.as_nanos()],
            Ask::Effect { job, token } => [9, job, token],
        }
    }

    /// What the arguments ask; words that nobody says enqueue.
    pub(super) const fn of([tag, first, second]: [u64; 3]) -> Ask {
        match tag & 0xFF {
            1 => Ask::Fetch { worker: first as u32, pool: second as u16 },
            2 => Ask::Heartbeat { job: first, token: second },
            3 => Ask::Complete { job: first, token: second },
            4 => Ask::Fail { job: first, token: second },
            5 => Ask::Campaign { node: first as u32 },
            6 => Ask::LastTick { schedule: first as u16 },
            7 => Ask::Tick {
                schedule: (tag >> 8) as u16,
                term: first,
                at: Time::from_nanos(second),
                fire: tag >> 24 & 1 == 1,
            },
            8 => Ask::TickAlone { schedule: first as u16, at: Time::from_nanos(second) },
            9 => Ask::Effect { job: first, token: second },
            _ => Ask::Enqueue,
        }
    }
}

/// Bits of an assignment's word that hold the token: a job has fewer attempts than this allows.
const TOKEN_BITS: u32 = 20;

/// Most attempts of a job, so that its tokens fit.
pub(super) const MOST_ATTEMPTS: u32 = 1 << (TOKEN_BITS - 1);

/// A job and its lease as the value of an answer.
pub(super) const fn assignment(job: u64, token: u64) -> u64 {
    job << TOKEN_BITS | token & ((1 << TOKEN_BITS) - 1)
}

/// The job and the lease that a value is.
pub(super) const fn assigned(value: u64) -> (u64, u64) {
    (value >> TOKEN_BITS, value & ((1 << TOKEN_BITS) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_survives_being_arguments() {
        let at = Time::from_nanos(u64::MAX);
        let (job, token) = (u64::MAX, 7);
        for ask in [
            Ask::Enqueue,
            Ask::Fetch { worker: u32::MAX, pool: u16::MAX },
            Ask::Heartbeat { job, token },
            Ask::Complete { job, token },
            Ask::Fail { job, token },
            Ask::Campaign { node: u32::MAX },
            Ask::LastTick { schedule: u16::MAX },
            Ask::Tick { schedule: u16::MAX, term: u64::MAX, at, fire: true },
            Ask::Tick { schedule: 0, term: 1, at: Time::ZERO, fire: false },
            Ask::TickAlone { schedule: 3, at },
            Ask::Effect { job, token },
        ] {
            assert_eq!(Ask::of(ask.arguments()), ask);
        }
    }

    #[test]
    fn an_assignment_survives_being_a_value() {
        for (job, token) in [(1, 1), ((1 << 44) - 1, u64::from(MOST_ATTEMPTS))] {
            assert_eq!(assigned(assignment(job, token)), (job, token));
        }
    }
}
