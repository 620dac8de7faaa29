//! Rows as bytes and back: numbers with the low byte first, a word of flags for what may be missing. What is read is
//! never trusted: bytes that are no row give `None`.

use super::{Counts, Row};
use crate::job_scheduler::job::*;
use crate::job_scheduler::message::Leadership;
use crate::job_scheduler::unique::{TerminalStates, UniqueKey};
use crate::time::{Span, Time};
use std::sync::Arc;

const STATES: [JobState; 8] = [
    JobState::Pending,
    JobState::Scheduled,
    JobState::Available,
    JobState::Running,
    JobState::Retryable,
    JobState::Completed,
    JobState::Cancelled,
    JobState::Discarded,
];

const ENDS: [EndReason; 8] = [
    EndReason::Succeeded,
    EndReason::Cancelled,
    EndReason::CancelledByWorker,
    EndReason::ParentFailed,
    EndReason::AttemptsExhausted,
    EndReason::NotRetryable,
    EndReason::Poison,
    EndReason::DeadlinePassed,
];

const STOPS: [StopReason; 3] = [StopReason::Cancelled, StopReason::DeadlinePassed, StopReason::Draining];

const ON_PARENT_FAILURE: [OnParentFailure; 2] = [OnParentFailure::Cancel, OnParentFailure::Run];

/// Appends the row's value; nothing of a row that takes one away.
pub(super) fn encode(row: &Row, into: Vec<u8>) -> Vec<u8> {
    let mut out = Writer(into);
    match row {
        Row::Removed(_) => {}
        Row::Job(job) => out.job(job),
        Row::Counts(counts) => {
            out.u64(counts.enqueued);
            out.u64(counts.pruned);
        }
        Row::Queue { paused, .. } => out.u8(u8::from(*paused)),
        Row::Leader(leader) => {
            out.u32(leader.node.0);
            out.u64(leader.term.0);
            out.time(leader.until);
        }
        Row::Schedule { last_tick, .. } => out.time(*last_tick),
    }
    out.0
}

/// The row that a value is, under the key of its kind and number.
pub(super) fn decode(kind: u8, number: u64, value: &[u8]) -> Option<Row> {
    let mut from = Reader(value);
    let row = match kind {
        b'j' => Row::Job(Box::new(from.job(JobId(number))?)),
        b'c' => Row::Counts(Counts { enqueued: from.u64()?, pruned: from.u64()? }),
        b'q' => Row::Queue { queue: QueueId(u16::try_from(number).ok()?), paused: from.u8()? == 1 },
        b'l' => Row::Leader(Leadership {
            node: NodeId(from.u32()?),
            term: Term(from.u64()?),
            until: from.time()?,
        }),
        b's' => Row::Schedule { schedule: ScheduleId(u16::try_from(number).ok()?), last_tick: from.time()? },
        _ => return None,
    };
    from.0.is_empty().then_some(row)
}

/// Which of a job's optional parts are there.
fn parts(job: &Job) -> u16 {
    let parts = [
        job.deadline.is_some(),
        job.lease.is_some(),
        job.stop.is_some(),
        job.unique.is_some(),
        job.request.is_some(),
        job.schedule.is_some(),
        job.finished_at.is_some(),
        job.end.is_some(),
        job.result.is_some(),
    ];
    parts.iter().rev().fold(0, |word, part| word << 1 | u16::from(*part))
}

/// What a job without parents, unique key and result takes, beside its arguments.
const ROOM_OF_JOB: usize = 128;

/// Fields that always lie one behind the other, with the places of all of them known beforehand.
struct Run<const BYTES: usize> {
    bytes: [u8; BYTES],
    next: usize,
}

impl<const BYTES: usize> Run<BYTES> {
    const fn new() -> Run<BYTES> {
        Run { bytes: [0; BYTES], next: 0 }
    }

    #[inline(always)]
    fn put<const FIELD: usize>(&mut self, field: [u8; FIELD]) {
        self.bytes[self.next..self.next + FIELD].copy_from_slice(&field);
        self.next += FIELD;
    }

    #[inline(always)]
    fn all(self) -> [u8; BYTES] {
        debug_assert_eq!(self.next, BYTES, "there is room for every field and no more");
        self.bytes
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    fn u16(&mut self, value: u16) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn time(&mut self, value: Time) {
        self.u64(value.as_nanos());
    }

    fn span(&mut self, value: Span) {
        self.u64(value.as_nanos());
    }

    fn bytes(&mut self, value: &[u8]) {
        self.u64(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    fn job(&mut self, job: &Job) {
        self.0.reserve(ROOM_OF_JOB + job.args.len());
        let mut head = Run::<19>::new();
        head.put(parts(job).to_le_bytes());
        head.put(job.kind.0.to_le_bytes());
        head.put(job.queue.0.to_le_bytes());
        head.put([job.priority]);
        head.put(job.tenant.0.to_le_bytes());
        head.put((job.args.len() as u64).to_le_bytes());
        self.0.extend_from_slice(&head.all());
        self.0.extend_from_slice(&job.args);
        let mut middle = Run::<53>::new();
        middle.put([job.state as u8]);
        middle.put(job.attempt.to_le_bytes());
        middle.put(job.max_attempts.to_le_bytes());
        middle.put(job.token.0.to_le_bytes());
        middle.put(job.lost_leases.to_le_bytes());
        middle.put(job.enqueued_at.as_nanos().to_le_bytes());
        middle.put(job.due_at.as_nanos().to_le_bytes());
        middle.put(job.previous_pause.as_nanos().to_le_bytes());
        middle.put((job.waiting_on.len() as u64).to_le_bytes());
        self.0.extend_from_slice(&middle.all());
        job.waiting_on.iter().for_each(|parent| self.u64(parent.0));
        let mut tail = Run::<5>::new();
        tail.put([job.on_parent_failure as u8]);
        tail.put(job.progress_ppm.to_le_bytes());
        self.0.extend_from_slice(&tail.all());
        self.job_parts(job);
    }

    /// What may be missing, in the order of [`parts`].
    fn job_parts(&mut self, job: &Job) {
        job.deadline.into_iter().for_each(|at| self.time(at));
        if let Some(lease) = job.lease {
            let mut run = Run::<20>::new();
            run.put(lease.worker.0.to_le_bytes());
            run.put(lease.started_at.as_nanos().to_le_bytes());
            run.put(lease.until.as_nanos().to_le_bytes());
            self.0.extend_from_slice(&run.all());
        }
        job.stop.into_iter().for_each(|why| self.u8(why as u8));
        job.unique.iter().for_each(|key| self.unique(key));
        job.request.into_iter().for_each(|request| self.u64(request.0));
        job.schedule.into_iter().for_each(|schedule| self.u16(schedule.0));
        job.finished_at.into_iter().for_each(|at| self.time(at));
        job.end.into_iter().for_each(|why| self.u8(why as u8));
        job.result.iter().for_each(|result| self.bytes(result));
    }

    fn unique(&mut self, key: &UniqueKey) {
        let also = key.also_in;
        let flags = [
            key.args.is_some(),
            key.queue.is_some(),
            key.period.is_some(),
            also.completed,
            also.cancelled,
            also.discarded,
        ];
        self.u8(flags.iter().rev().fold(0, |word, flag| word << 1 | u8::from(*flag)));
        self.u16(key.kind.0);
        key.args.iter().for_each(|args| self.bytes(args));
        key.queue.into_iter().for_each(|queue| self.u16(queue.0));
        if let Some((length, number)) = key.period {
            self.span(length);
            self.u64(number);
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn time(&mut self) -> Option<Time> {
        self.u64().map(Time::from_nanos)
    }

    fn span(&mut self) -> Option<Span> {
        self.u64().map(Span::from_nanos)
    }

    fn bytes(&mut self) -> Option<Arc<[u8]>> {
        let length = usize::try_from(self.u64()?).ok()?;
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(Arc::from(taken))
    }

    fn one_of<T: Copy>(&mut self, values: &[T]) -> Option<T> {
        values.get(usize::from(self.u8()?)).copied()
    }

    fn job_ids(&mut self) -> Option<Vec<JobId>> {
        let count = usize::try_from(self.u64()?).ok()?;
        if count > self.0.len() / 8 {
            return None;
        }
        (0..count).map(|_| self.u64().map(JobId)).collect()
    }

    fn job(&mut self, id: JobId) -> Option<Job> {
        let word = self.u16()?;
        let has = |part: u16| word >> part & 1 == 1;
        let mut job = Job {
            id,
            kind: KindId(self.u16()?),
            queue: QueueId(self.u16()?),
            priority: self.u8()?,
            tenant: TenantId(self.u32()?),
            args: self.bytes()?,
            state: self.one_of(&STATES)?,
            attempt: self.u32()?,
            max_attempts: self.u32()?,
            token: Token(self.u64()?),
            lost_leases: self.u32()?,
            enqueued_at: self.time()?,
            due_at: self.time()?,
            deadline: None,
            previous_pause: self.span()?,
            lease: None,
            stop: None,
            waiting_on: self.job_ids()?,
            on_parent_failure: self.one_of(&ON_PARENT_FAILURE)?,
            unique: None,
            request: None,
            schedule: None,
            progress_ppm: self.u32()?,
            finished_at: None,
            end: None,
            result: None,
        };
        job.deadline = if has(0) { Some(self.time()?) } else { None };
        job.lease = if has(1) { Some(self.lease()?) } else { None };
        job.stop = if has(2) { Some(self.one_of(&STOPS)?) } else { None };
        job.unique = if has(3) { Some(self.unique()?) } else { None };
        job.request = if has(4) { Some(RequestId(self.u64()?)) } else { None };
        job.schedule = if has(5) { Some(ScheduleId(self.u16()?)) } else { None };
        job.finished_at = if has(6) { Some(self.time()?) } else { None };
        job.end = if has(7) { Some(self.one_of(&ENDS)?) } else { None };
        job.result = if has(8) { Some(self.bytes()?) } else { None };
        Some(job)
    }

    fn lease(&mut self) -> Option<Lease> {
        Some(Lease { worker: WorkerId(self.u32()?), started_at: self.time()?, until: self.time()? })
    }

    fn unique(&mut self) -> Option<UniqueKey> {
        let word = self.u8()?;
        let has = |part: u8| word >> part & 1 == 1;
        Some(UniqueKey {
            kind: KindId(self.u16()?),
            args: if has(0) { Some(self.bytes()?) } else { None },
            queue: if has(1) { Some(QueueId(self.u16()?)) } else { None },
            period: if has(2) { Some((self.span()?, self.u64()?)) } else { None },
            also_in: TerminalStates { completed: has(3), cancelled: has(4), discarded: has(5) },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The places in the tables are what the casts write.
    #[test]
    fn every_word_is_at_its_own_place() {
        assert!((0..).zip(STATES).all(|(place, state)| state as usize == place));
        assert!((0..).zip(ENDS).all(|(place, end)| end as usize == place));
        assert!((0..).zip(STOPS).all(|(place, stop)| stop as usize == place));
        assert!((0..).zip(ON_PARENT_FAILURE).all(|(place, what)| what as usize == place));
    }
}
