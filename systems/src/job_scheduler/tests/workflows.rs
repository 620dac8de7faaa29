//! Chains, batches and graphs; leaders and the ticks they enqueue.

use super::*;
use proptest::prelude::*;

fn enqueue_all(desk: &mut Desk<MemoryStore>, workflow: Workflow) -> Vec<JobId> {
    desk.ask(Input::EnqueueWorkflow(workflow)).expect("it is a graph").iter().filter_map(enqueued).collect()
}

fn run_next(desk: &mut Desk<MemoryStore>) -> Option<JobId> {
    let given = desk.fetch(ANN)?;
    desk.complete(&given).expect("it is hers");
    Some(given.job)
}

#[test]
fn a_chain_runs_in_order_and_a_batch_before_what_follows_it() {
    let mut desk = Desk::open(config());
    let chain = enqueue_all(&mut desk, Workflow::chain((0..4).map(|_| mail())));
    assert_eq!(desk.state(chain[1]), JobState::Pending);
    for job in &chain {
        assert_eq!(run_next(&mut desk), Some(*job));
    }
    let batch = enqueue_all(&mut desk, Workflow::batch((0..3).map(|_| mail()), mail()));
    let first: Vec<_> = (0..3).filter_map(|_| desk.fetch(ANN)).collect();
    assert_eq!(desk.fetch(BOB), None);
    for given in &first {
        assert_eq!(desk.state(batch[3]), JobState::Pending);
        desk.complete(given).expect("it is hers");
    }
    assert_eq!(run_next(&mut desk), Some(batch[3]));
}

#[test]
fn a_failure_cancels_what_depends_on_it_but_for_what_runs_all_the_same() {
    let mut desk = Desk::open(config());
    let clean_up = NewJob { on_parent_failure: OnParentFailure::Run, ..mail() };
    let workflow =
        Workflow { jobs: vec![mail(), mail(), mail(), clean_up], edges: vec![(0, 1), (1, 2), (2, 3)] };
    let jobs = enqueue_all(&mut desk, workflow);
    let given = desk.fetch(ANN).expect("the first");
    let failure = JobFailure::NotRetryable;
    desk.ask(Input::Fail { job: given.job, token: given.token, failure }).expect("it is hers");
    assert_eq!(desk.state(jobs[0]), JobState::Discarded);
    assert_eq!(
        (desk.end(jobs[1]), desk.end(jobs[2])),
        (Some(EndReason::ParentFailed), Some(EndReason::ParentFailed))
    );
    assert_eq!(run_next(&mut desk), Some(jobs[3]));
    let after = NewJob { after: vec![jobs[1]], ..mail() };
    assert_eq!(desk.ask(Input::Enqueue(after)), Err(Rejected::ParentFailed(jobs[1])));
}

#[test]
fn a_workflow_that_is_none_enqueues_nothing() {
    let mut desk = Desk::open(config());
    let cycle = Workflow { jobs: vec![mail(), mail(), mail()], edges: vec![(0, 1), (1, 2), (2, 1)] };
    let beyond = Workflow { jobs: vec![mail()], edges: vec![(0, 1)] };
    for (workflow, error) in [
        (cycle, WorkflowError::Cycle { place: 1 }),
        (beyond, WorkflowError::NoSuchJob { place: 1 }),
        (Workflow::default(), WorkflowError::Empty),
    ] {
        assert_eq!(desk.ask(Input::EnqueueWorkflow(workflow)), Err(Rejected::Workflow(error)));
    }
    // One that does not fit into the queue, either.
    let mut small = config();
    small.queues[0].max_live = 3;
    let mut desk = Desk::open(small);
    assert!(desk.ask(Input::EnqueueWorkflow(Workflow::chain((0..4).map(|_| mail())))).is_err());
    assert_eq!(desk.scheduler.totals(), Totals::default());
    enqueue_all(&mut desk, Workflow::chain((0..3).map(|_| mail())));
}

#[test]
fn a_workflow_requested_twice_is_enqueued_once() {
    let mut desk = Desk::open(config());
    let request = Some(RequestId(9));
    let workflow = || Workflow::chain([NewJob { request, ..mail() }, mail()]);
    let first = enqueue_all(&mut desk, workflow());
    assert_eq!(enqueue_all(&mut desk, workflow()), first);
    assert_eq!(desk.scheduler.totals().enqueued, 2);
}

proptest! {
    /// Whatever the graph, everything runs, and nothing before what it depends on.
    #[test]
    fn every_graph_without_a_cycle_runs_in_an_order_that_its_edges_allow(
        len in 1usize..20, pairs in prop::collection::vec((0usize..20, 0usize..20), 0..60),
    ) {
        let edges: Vec<(usize, usize)> =
            pairs.into_iter().filter(|(a, b)| a < b && *b < len).collect();
        let mut desk = Desk::open(config());
        let jobs = enqueue_all(&mut desk, Workflow { jobs: vec![mail(); len], edges: edges.clone() });
        let mut order = Vec::new();
        while let Some(job) = run_next(&mut desk) {
            order.push(job);
        }
        prop_assert_eq!(order.len(), len);
        let place = |at: usize| order.iter().position(|job| *job == jobs[at]);
        prop_assert!(edges.iter().all(|(before, after)| place(*before) < place(*after)));
    }
}

fn scheduled(overlap: Overlap, jitter: Span) -> SchedulerConfig {
    let schedule = ScheduleConfig { name: "hourly".into(), job: mail(), overlap, jitter };
    SchedulerConfig { schedules: vec![schedule], ..config() }
}

fn lead(desk: &mut Desk<MemoryStore>, node: u32) -> Result<Term, Rejected> {
    let said = desk.ask(Input::Campaign { node: NodeId(node) })?;
    match said.first() {
        Some(Output::Leading { leadership, .. }) => Ok(leadership.term),
        other => panic!("no answer to a campaign: {other:?}"),
    }
}

fn tick(desk: &mut Desk<MemoryStore>, term: Term, at: Time) -> Result<TickOutcome, Rejected> {
    let said = desk.ask(Input::Tick { term, schedule: ScheduleId(0), at, fire: true })?;
    let outcome = said.iter().find_map(|output| match output {
        Output::Ticked { outcome, .. } => Some(*outcome),
        _ => None,
    });
    Ok(outcome.expect("every tick has an outcome"))
}

#[test]
fn one_node_leads_until_it_is_silent_and_its_term_is_over_for_good() {
    let mut desk = Desk::open(scheduled(Overlap::Allow, Span::ZERO));
    let first = lead(&mut desk, 1).expect("nobody leads");
    assert!(matches!(lead(&mut desk, 2), Err(Rejected::NotLeader(Some(leader))) if leader.node == NodeId(1)));
    desk.wait(10);
    assert_eq!(lead(&mut desk, 1), Ok(first));
    desk.wait(15);
    let second = lead(&mut desk, 2).expect("the first was silent");
    assert!(second > first);
    // The first wakes up and still believes that it leads.
    assert!(matches!(tick(&mut desk, first, secs(20)), Err(Rejected::NotLeader(Some(_)))));
    assert!(matches!(tick(&mut desk, second, secs(20)), Ok(TickOutcome::Enqueued(_))));
    desk.ask(Input::Resign { node: NodeId(2), term: second }).expect("it leads");
    assert!(matches!(tick(&mut desk, second, secs(21)), Err(Rejected::NotLeader(None))));
    assert!(lead(&mut desk, 1).expect("nobody leads") > second);
}

#[test]
fn two_enqueuers_of_one_term_enqueue_each_tick_once() {
    let mut desk = Desk::open(scheduled(Overlap::Allow, Span::ZERO));
    let term = lead(&mut desk, 1).expect("nobody leads");
    for second in 1..=10 {
        assert!(tick(&mut desk, term, secs(second)).is_ok());
        assert_eq!(tick(&mut desk, term, secs(second)), Err(Rejected::TickNoted { last: secs(second) }));
        assert!(tick(&mut desk, term, secs(second - 1)).is_err());
    }
    assert_eq!(desk.scheduler.totals().enqueued, 10);
}

#[test]
fn overlapping_ticks_are_skipped_queued_allowed_or_take_the_place_of_the_last() {
    let outcomes = |overlap| {
        let mut desk = Desk::open(scheduled(overlap, Span::ZERO));
        let term = lead(&mut desk, 1).expect("nobody leads");
        desk.wait(1);
        tick(&mut desk, term, secs(1)).expect("it is new");
        let given = desk.fetch(ANN).expect("the first tick's");
        desk.wait(2);
        let ticks = [tick(&mut desk, term, secs(2)), tick(&mut desk, term, secs(3))];
        let waiting = desk.fetch(BOB).is_none();
        let mut verdict: Vec<bool> =
            ticks.into_iter().map(|tick| matches!(tick, Ok(TickOutcome::Enqueued(_)))).collect();
        verdict.push(waiting);
        verdict
            .push(desk.scheduler.job(given.job).is_some_and(|job| job.stop == Some(StopReason::Cancelled)));
        desk.complete(&given).expect("it is hers");
        verdict.push(desk.fetch(BOB).is_some());
        verdict
    };
    // Enqueued at 2 s, at 3 s; nothing starts meanwhile; the first one is stopped; something starts when it has ended.
    assert_eq!(outcomes(Overlap::Skip), [false, false, true, false, false]);
    assert_eq!(outcomes(Overlap::QueueOne), [true, false, true, false, true]);
    assert_eq!(outcomes(Overlap::Allow), [true, true, false, false, true]);
    assert_eq!(outcomes(Overlap::CancelPrevious), [true, true, true, true, true]);
}

#[test]
fn a_tick_waits_for_its_jitter_the_same_each_time_and_for_its_own_time() {
    let jitter = Span::from_secs(30);
    let due = |at| {
        let mut desk = Desk::open(scheduled(Overlap::Allow, jitter));
        let term = lead(&mut desk, 1).expect("nobody leads");
        let Ok(TickOutcome::Enqueued(job)) = tick(&mut desk, term, at) else { panic!("it is new") };
        desk.scheduler.job(job).expect("it is kept").due_at
    };
    // A leader whose clock is ahead enqueues early; the job still waits for its time.
    let delays: Vec<Span> = (1..=50).map(|hour| due(secs(hour * 3_600)).since(secs(hour * 3_600))).collect();
    assert!(delays.iter().all(|delay| *delay <= jitter) && delays.iter().any(|delay| *delay != delays[0]));
    assert_eq!(due(secs(3_600)), due(secs(3_600)));
}
