//! Rows come back from a store as they were put in, and what is no row is refused.

use super::*;
use crate::job_scheduler::job::*;
use crate::job_scheduler::unique::{TerminalStates, UniqueBy, UniqueKey};
use crate::store::{MemoryStore, Stored};
use crate::time::Span;
use proptest::prelude::*;
use std::sync::Arc;

fn states() -> impl Strategy<Value = JobState> {
    prop::sample::select(vec![
        JobState::Pending,
        JobState::Scheduled,
        JobState::Available,
        JobState::Running,
        JobState::Retryable,
        JobState::Completed,
        JobState::Cancelled,
        JobState::Discarded,
    ])
}

fn ends() -> impl Strategy<Value = EndReason> {
    prop::sample::select(vec![
        EndReason::Succeeded,
        EndReason::Cancelled,
        EndReason::CancelledByWorker,
        EndReason::ParentFailed,
        EndReason::AttemptsExhausted,
        EndReason::NotRetryable,
        EndReason::Poison,
        EndReason::DeadlinePassed,
    ])
}

fn times() -> impl Strategy<Value = Time> {
    any::<u64>().prop_map(Time::from_nanos)
}

fn unique_keys() -> impl Strategy<Value = UniqueKey> {
    let parts = (any::<[bool; 5]>(), prop::option::of(1..u64::MAX), times(), any::<u16>());
    parts.prop_map(|([args, queue, completed, cancelled, discarded], period, now, kind)| {
        let by = UniqueBy {
            args,
            queue,
            period: period.map(Span::from_nanos),
            also_in: TerminalStates { completed, cancelled, discarded },
        };
        let new = NewJob { args: Arc::from([1, 2, 3]), ..NewJob::of(KindId(kind)) };
        UniqueKey::new(&by, &new, QueueId(kind), now)
    })
}

type Drawn = (
    (u64, u16, u16, u8, u32, Vec<u8>, JobState),
    (u32, u32, u64, u32, Time, Time, u64),
    (Option<Time>, Option<(u32, Time, Time)>, Option<StopReason>, Vec<u64>, bool),
    (Option<UniqueKey>, Option<u64>, Option<u16>, u32, Option<Time>, Option<EndReason>, Option<Vec<u8>>),
);

fn drawn() -> impl Strategy<Value = Drawn> {
    use prop::option::of;
    let stops =
        prop::sample::select(vec![StopReason::Cancelled, StopReason::DeadlinePassed, StopReason::Draining]);
    let bytes = || prop::collection::vec(any::<u8>(), 0..20);
    (
        (any::<u64>(), any::<u16>(), any::<u16>(), any::<u8>(), any::<u32>(), bytes(), states()),
        (any::<u32>(), any::<u32>(), any::<u64>(), any::<u32>(), times(), times(), any::<u64>()),
        (
            of(times()),
            of((any::<u32>(), times(), times())),
            of(stops),
            prop::collection::vec(any::<u64>(), 0..4),
            any::<bool>(),
        ),
        (
            of(unique_keys()),
            of(any::<u64>()),
            of(any::<u16>()),
            any::<u32>(),
            of(times()),
            of(ends()),
            of(bytes()),
        ),
    )
}

fn jobs() -> impl Strategy<Value = Job> {
    drawn().prop_map(|(what, life, now, rest)| Job {
        id: JobId(what.0),
        kind: KindId(what.1),
        queue: QueueId(what.2),
        priority: what.3,
        tenant: TenantId(what.4),
        args: Arc::from(what.5),
        state: what.6,
        attempt: life.0,
        max_attempts: life.1,
        token: Token(life.2),
        lost_leases: life.3,
        enqueued_at: life.4,
        due_at: life.5,
        previous_pause: Span::from_nanos(life.6),
        deadline: now.0,
        lease: now.1.map(|(worker, started_at, until)| Lease { worker: WorkerId(worker), started_at, until }),
        stop: now.2,
        waiting_on: now.3.into_iter().map(JobId).collect(),
        on_parent_failure: if now.4 { OnParentFailure::Run } else { OnParentFailure::Cancel },
        unique: rest.0,
        request: rest.1.map(RequestId),
        schedule: rest.2.map(ScheduleId),
        progress_ppm: rest.3,
        finished_at: rest.4,
        end: rest.5,
        result: rest.6.map(Arc::from),
    })
}

fn rows() -> impl Strategy<Value = Row> {
    prop_oneof![
        4 => jobs().prop_map(|job| Row::Job(Box::new(job))),
        1 => (any::<u64>(), any::<u64>()).prop_map(|(enqueued, pruned)| Row::Counts(Counts { enqueued, pruned })),
        1 => (any::<u16>(), any::<bool>()).prop_map(|(queue, paused)| Row::Queue { queue: QueueId(queue), paused }),
        1 => (any::<u32>(), any::<u64>(), times())
            .prop_map(|(node, term, until)| Row::Leader(Leadership { node: NodeId(node), term: Term(term), until })),
        1 => (any::<u16>(), times())
            .prop_map(|(schedule, last_tick)| Row::Schedule { schedule: ScheduleId(schedule), last_tick }),
    ]
}

fn commit(store: &mut MemoryStore, rows: &[Row]) {
    let mut batch = Batch::new();
    write(rows, &mut batch);
    store.commit(Time::ZERO, &batch).expect("memory refuses nothing");
}

proptest! {
    #[test]
    fn a_row_comes_back_as_it_was_put_in(row in rows()) {
        let mut store = MemoryStore::new();
        commit(&mut store, std::slice::from_ref(&row));
        let loaded = load(&store);
        // Whether a key also keeps others out when its job has ended is no part of the comparison of keys.
        let also_in = |row: &Row| match row {
            Row::Job(job) => job.unique.as_ref().map(|key| key.also_in),
            _ => None,
        };
        prop_assert_eq!(loaded.iter().flatten().map(also_in).next(), Some(also_in(&row)));
        prop_assert_eq!(loaded, Some(vec![row]));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(
        kind in prop::sample::select(b"jcqlsx".to_vec()), bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        if let Some(row) = code::decode(kind, 1, &bytes) {
            prop_assert!(matches!(row, Row::Job(_)) || bytes.len() < 21);
        }
    }

    #[test]
    fn a_job_with_a_byte_more_or_less_is_no_job(job in jobs()) {
        let mut bytes = code::encode(&Row::Job(Box::new(job)), Vec::new());
        bytes.push(0);
        prop_assert_eq!(code::decode(b'j', 1, &bytes), None);
        bytes.truncate(bytes.len() - 2);
        prop_assert_eq!(code::decode(b'j', 1, &bytes), None);
    }
}

#[test]
fn a_later_row_of_the_same_place_replaces_the_earlier_one_and_removal_takes_it_away() {
    let mut store = MemoryStore::new();
    let counts = |enqueued| Row::Counts(Counts { enqueued, pruned: 0 });
    commit(&mut store, &[counts(1), Row::Queue { queue: QueueId(2), paused: true }, counts(2)]);
    assert_eq!(load(&store), Some(vec![counts(2), Row::Queue { queue: QueueId(2), paused: true }]));
    commit(&mut store, &[Row::Removed(JobId(7))]);
    assert_eq!(load(&store).map(|rows| rows.len()), Some(2));
}

#[test]
fn rows_share_a_store_with_others_and_a_damaged_one_is_said() {
    let mut store = MemoryStore::new();
    let mut other = Batch::new();
    other.put("payment/1", "captured").put("jobs", "no row");
    store.commit(Time::ZERO, &other).expect("memory refuses nothing");
    assert_eq!(load(&store), Some(Vec::new()));
    let mut damage = Batch::new();
    damage.put("jobs/c", "no number");
    store.commit(Time::ZERO, &damage).expect("memory refuses nothing");
    assert_eq!(load(&store), None);
    assert!(store.get(b"payment/1").is_some_and(|Stored { value, .. }| value == b"captured"));
}
