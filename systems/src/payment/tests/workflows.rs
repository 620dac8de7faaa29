//! Sagas: an order is reserved, paid and shipped, or all of it is undone; also across a crash at each step.

use super::*;
use crate::payment::saga::*;
use crate::store::{FsyncPolicy, PowerCut, SimDisk, Store, WalConfig, WalStore};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What steps do in the world: each under its name once, and undone even if it was never done.
#[derive(Default)]
struct Services {
    done: BTreeMap<u32, bool>,
    /// Steps that are barred because they were undone before they were done.
    barred: BTreeMap<u32, bool>,
    times_done: u32,
}

/// What becomes of each action: drawn for the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Done,
    Refused,
    AnswerLost,
    RequestLost,
}

impl Services {
    fn run(&mut self, action: ActionId, fate: Fate) -> Option<ActionResult> {
        let step = action.step;
        if fate == Fate::RequestLost {
            return None;
        }
        let result = match action.direction {
            Direction::Compensate => {
                self.barred.insert(step, true);
                self.done.remove(&step);
                ActionResult::Done
            }
            Direction::Act if self.done.contains_key(&step) => ActionResult::Done,
            Direction::Act if fate == Fate::Refused || self.barred.contains_key(&step) => {
                ActionResult::Refused
            }
            Direction::Act => {
                self.done.insert(step, true);
                self.times_done += 1;
                ActionResult::Done
            }
        };
        (fate != Fate::AnswerLost).then_some(result)
    }
}

const STEPS: u32 = 3;

/// Drives a saga to its end; `None` if the store dies on the way.
fn drive<S: Store>(
    sagas: &mut Sagas<S>,
    services: &mut Services,
    now: &mut Time,
    mut fates: impl FnMut() -> Fate,
) -> Option<SagaState> {
    let id = SagaId(1);
    let mut out = Vec::new();
    match sagas.start(*now, id, STEPS, 77, &mut out) {
        Ok(()) | Err(SagaError::Exists) => {}
        Err(_) => return None,
    }
    for _ in 0..1_000 {
        for output in std::mem::take(&mut out) {
            let SagaOutput::Run { action, subject: 77 } = output else { continue };
            if let Some(result) = services.run(action, fates()) {
                sagas.handle(*now, action, result, &mut out).ok()?;
            }
        }
        if !out.is_empty() {
            continue;
        }
        let Some(due) = sagas.deadline() else { return sagas.state(id) };
        *now = due.max(*now);
        sagas.expire(*now, &mut out).ok()?;
    }
    panic!("it never ends");
}

fn assert_all_or_nothing(state: SagaState, services: &Services) {
    let expected = match state {
        SagaState::Completed => STEPS as usize,
        SagaState::Compensated => 0,
        SagaState::Acting(_) | SagaState::Compensating(_) => panic!("{state:?} is no end"),
    };
    assert_eq!(services.done.len(), expected, "{state:?}");
    assert!(services.times_done <= STEPS);
}

fn sagas<S: Store>(store: S) -> Sagas<S> {
    Sagas::open(store, SagaConfig::default()).expect("there is a pause")
}

#[test]
fn all_is_done_or_all_is_undone() {
    let cases: [(&[Fate], SagaState); 4] = [
        (&[Fate::Done, Fate::Done, Fate::Done], SagaState::Completed),
        (&[Fate::Done, Fate::Done, Fate::Refused], SagaState::Compensated),
        (&[Fate::Refused], SagaState::Compensated),
        (&[Fate::AnswerLost, Fate::RequestLost, Fate::Done], SagaState::Completed),
    ];
    for (fates, expected) in cases {
        let (mut services, mut fates) = (Services::default(), fates.iter().copied());
        let mut now = Time::ZERO;
        let next = || fates.next().unwrap_or(Fate::Done);
        let state = drive(&mut sagas(MemoryStore::new()), &mut services, &mut now, next)
            .expect("memory does not fail");
        assert_eq!(state, expected);
        assert_all_or_nothing(state, &services);
    }
}

#[test]
fn a_step_that_never_answers_is_undone_as_well() {
    // The first step answers; the second does its work, and its answers are lost until it is undone.
    let mut services = Services::default();
    let mut fates = std::iter::once(Fate::Done).chain(std::iter::repeat_n(Fate::AnswerLost, 5));
    let next = || fates.next().unwrap_or(Fate::Done);
    let mut now = Time::ZERO;
    let state = drive(&mut sagas(MemoryStore::new()), &mut services, &mut now, next);
    assert_eq!((state, services.done.len()), (Some(SagaState::Compensated), 0));
}

#[test]
fn somebody_is_told_when_undoing_is_refused_again_and_again_and_it_goes_on() {
    let mut sagas = sagas(MemoryStore::new());
    let (mut out, mut now) = (Vec::new(), Time::ZERO);
    sagas.start(now, SagaId(1), 2, 0, &mut out).expect("it is new");
    let act = |step, direction| ActionId { saga: SagaId(1), step, direction };
    sagas.handle(now, act(0, Direction::Act), ActionResult::Done, &mut out).expect("it is known");
    sagas.handle(now, act(1, Direction::Act), ActionResult::Refused, &mut out).expect("it is known");
    for _ in 0..20 {
        let undo = act(0, Direction::Compensate);
        sagas.handle(now, undo, ActionResult::Refused, &mut out).expect("it is known");
        now = sagas.deadline().expect("it is never given up");
        sagas.expire(now, &mut out).expect("memory does not fail");
    }
    let told = out.iter().filter(|output| matches!(output, SagaOutput::Stuck(_))).count();
    assert_eq!((told, sagas.state(SagaId(1))), (1, Some(SagaState::Compensating(0))));
}

#[test]
fn a_saga_goes_on_after_a_crash_at_each_step() {
    let scripts: [&[Fate]; 3] =
        [&[Fate::Done], &[Fate::Done, Fate::Done, Fate::Refused], &[Fate::AnswerLost, Fate::RequestLost]];
    let wal =
        |disk| WalStore::open(disk, WalConfig { fsync: FsyncPolicy::EveryCommit, compact_above_bytes: 200 });
    let mut crashes = 0;
    for script in scripts {
        for after_operations in 0..200 {
            let mut store = wal(SimDisk::new()).expect("it is empty").0;
            store.disk_mut().cut_power(PowerCut { after_operations, entropy: keyed(after_operations) });
            let (mut services, mut now, mut fates) =
                (Services::default(), Time::ZERO, script.iter().copied());
            let mut next = || fates.next().unwrap_or(Fate::Done);
            let mut running = sagas(store);
            let mut state = drive(&mut running, &mut services, &mut now, &mut next);
            if state.is_none() {
                crashes += 1;
                let store = wal(running.into_store().into_disk().restart()).expect("the log is whole").0;
                state = drive(&mut sagas(store), &mut services, &mut now, &mut next);
            }
            assert_all_or_nothing(state.expect("the second time nothing fails"), &services);
        }
    }
    assert!(crashes > 20, "only {crashes}");
}

fn keyed(number: u64) -> u64 {
    crate::arithmetic::keyed_word(3, number)
}

proptest! {
    #[test]
    fn whatever_is_lost_it_ends_with_all_or_nothing(fates in prop::collection::vec(0u8..4, 0..60)) {
        let fate = |number| [Fate::Done, Fate::Refused, Fate::AnswerLost, Fate::RequestLost][usize::from(number)];
        let (mut services, mut fates) = (Services::default(), fates.into_iter().map(fate));
        let mut now = Time::ZERO;
        let next = || fates.next().unwrap_or(Fate::Done);
        let state = drive(&mut sagas(MemoryStore::new()), &mut services, &mut now, next).expect("memory does not fail");
        assert_all_or_nothing(state, &services);
    }
}
