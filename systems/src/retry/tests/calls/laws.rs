//! What holds for every call in every world, checked on the trace alone, and drivers broken on purpose.

use super::plain_loop::any_fate;
use super::*;

/// What a trace is judged by.
struct Law {
    config: CallConfig,
    idempotent: bool,
    granted: Option<u64>,
}

/// The first law that a trace breaks.
fn broken_law(law: &Law, trace: &Trace) -> Option<String> {
    let mut sent: Vec<(u32, AttemptKind)> = Vec::new();
    let mut open: Vec<u32> = Vec::new();
    let (mut cancelled, mut over): (Vec<u32>, Option<CallEnd>) = (Vec::new(), None);
    let mut answered = trace.actions_before.iter().zip(&trace.results).peekable();
    let deadline = law.config.overall_timeout.map_or(Time::MAX, |timeout| Time::ZERO + timeout);
    for (index, (at, action)) in trace.actions.iter().enumerate() {
        if let Some(end) = over {
            return Some(format!("{action:?} after {end:?}"));
        }
        if *at > deadline {
            return Some(format!("{action:?} at {at:?}, past the deadline {deadline:?}"));
        }
        // A result is reported before what follows from it.
        while let Some((_, (_, attempt, _))) = answered.next_if(|(before, _)| **before <= index) {
            open.retain(|other| other != attempt);
        }
        match action {
            Action::Send { attempt, kind, .. } => {
                if !law.idempotent && !open.is_empty() {
                    return Some(format!("a copy of a call that is not idempotent: {attempt}"));
                }
                sent.push((*attempt, *kind));
                open.push(*attempt);
            }
            Action::Cancel { attempt } => {
                if cancelled.contains(attempt) {
                    return Some(format!("{attempt} was cancelled twice"));
                }
                cancelled.push(*attempt);
                open.retain(|other| other != attempt);
            }
            Action::Finish(end) => {
                if let CallEnd::Success { attempt } = end
                    && cancelled.contains(attempt)
                {
                    return Some(format!("the winner {attempt} was cancelled"));
                }
                over = Some(*end);
            }
        }
        let most = 1 + law.config.hedge.map_or(0, |hedge| hedge.max_extra as usize);
        if open.len() > most {
            return Some(format!("{} at once, {most} allowed", open.len()));
        }
    }
    if over.is_none() {
        return Some("it never ended".to_string());
    }
    count_law(law, &sent)
}

fn count_law(law: &Law, sent: &[(u32, AttemptKind)]) -> Option<String> {
    let of = |wanted| sent.iter().filter(|(_, kind)| *kind == wanted).count() as u64;
    let (retries, hedges, transparent) =
        (of(AttemptKind::Retry), of(AttemptKind::Hedge), of(AttemptKind::Transparent));
    let counted = sent.len() as u64 - transparent;
    if counted > u64::from(law.config.retry.max_attempts) {
        return Some(format!("{counted} attempts of {}", law.config.retry.max_attempts));
    }
    if transparent > u64::from(law.config.retry.max_transparent) {
        return Some(format!("{transparent} transparent retries"));
    }
    if hedges > law.config.hedge.map_or(0, |hedge| u64::from(hedge.max_extra)) {
        return Some(format!("{hedges} copies"));
    }
    // A granted retry that its deadline overtakes is not sent.
    if law.granted.is_some_and(|granted| retries + hedges > granted) {
        return Some(format!("{} beyond the first, {:?} granted", retries + hedges, law.granted));
    }
    None
}

/// What breaks a driver on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutant {
    None,
    CountsFromZero,
    IgnoresTheDeadline,
    TakesTheSecondAnswerToo,
    CancelsTwice,
    RepeatsWhatIsNotIdempotent,
    SpendsNothing,
}

const BUCKET: BudgetConfig = BudgetConfig::TokenBucket {
    capacity: 30,
    retry_cost: 14,
    timeout_cost: 14,
    throttling_cost: 5,
    success_return: 1,
};

/// Drives a call with a driver that may be broken, and judges it by what the policy says.
fn judge(policy: CallConfig, world: &World, mutant: Mutant) -> Option<String> {
    let mut driven = policy;
    let mut told = world.clone();
    match mutant {
        Mutant::CountsFromZero => driven.retry.max_attempts += 1,
        Mutant::IgnoresTheDeadline => driven.overall_timeout = None,
        Mutant::RepeatsWhatIsNotIdempotent => told.idempotent = true,
        Mutant::None | Mutant::TakesTheSecondAnswerToo | Mutant::CancelsTwice | Mutant::SpendsNothing => {}
    }
    let client = with_budget(driven, BUCKET);
    let unlimited = self::client(driven);
    let used = if mutant == Mutant::SpendsNothing { &unlimited } else { &client };
    let mut second: Vec<(Time, Action)> = Vec::new();
    let mut trace = drive_watched(used, &told, |call, now, next| {
        // Two machines that do not know of each other's answer, as a race between threads would have it.
        if let (Mutant::TakesTheSecondAnswerToo, Next::Result(attempt)) = (mutant, next) {
            let (mut twin, mut out) = (call.clone(), CallOutput::default());
            let _ = twin.handle_result(used, now, attempt, AttemptResult::Success, 0, &mut out);
            second.extend(out.actions.drain(..).map(|action| (now, action)));
        }
    });
    trace.actions.extend(second);
    if mutant == Mutant::CancelsTwice {
        let cancels: Vec<_> = trace.actions.clone();
        trace.actions = cancels
            .iter()
            .flat_map(|one| {
                let times = if matches!(one.1, Action::Cancel { .. }) { 2 } else { 1 };
                std::iter::repeat_n(*one, times)
            })
            .collect();
    }
    let budget = client.budget().map(SharedBudget::snapshot)?;
    if mutant == Mutant::None && (budget.attempts_in_flight(), budget.retries_in_flight()) != (0, 0) {
        return Some(format!("left in flight: {budget:?}"));
    }
    let full = budget.max_tokens_milli().unwrap_or(u64::MAX);
    if budget.tokens_milli(Time::ZERO) > full {
        return Some("more tokens than full".to_string());
    }
    let law = Law { config: policy, idempotent: world.idempotent, granted: Some(budget.granted()) };
    broken_law(&law, &trace).or_else(|| once_law(world, &trace))
}

/// What may have had its effect is not sent again if that does harm.
fn once_law(world: &World, trace: &Trace) -> Option<String> {
    let harmful = !world.idempotent && trace.sent().len() > 1;
    let untouched = |attempt: u32| match world.fate(attempt).result {
        AttemptResult::Failure(failure) => failure.progress <= Progress::NotProcessed,
        AttemptResult::Success => false,
    };
    let before_last = 1..trace.sent().len() as u32;
    (harmful && !before_last.clone().all(untouched)).then(|| format!("sent again: {before_last:?}"))
}

fn any_failure() -> impl Strategy<Value = Fate> {
    let progress = prop_oneof![
        1 => Just(Progress::NotSent),
        1 => Just(Progress::NotProcessed),
        3 => Just(Progress::Unknown),
    ];
    let pushback = prop_oneof![
        4 => Just(Pushback::None),
        1 => (0u64..500).prop_map(|asked| Pushback::After(ms(asked))),
        1 => Just(Pushback::Stop),
    ];
    (any_fate(), progress, pushback, prop::option::weighted(0.1, 0u64..300)).prop_map(
        |(fate, progress, pushback, commits_after)| {
            let result = match fate.result {
                AttemptResult::Failure(failure) => {
                    AttemptResult::Failure(Failure { progress, pushback, ..failure })
                }
                AttemptResult::Success => AttemptResult::Success,
            };
            Fate { result, commits_after: commits_after.map(Span::from_millis), ..fate }
        },
    )
}

prop_compose! {
    fn any_policy()(
        max_attempts in 1u32..8, extra in 0u32..8, delay in 0u64..300, base in 0u64..300,
        attempt_timeout in prop::option::of(1u64..300), overall_timeout in prop::option::of(1u64..2_000),
        count in any::<bool>(),
    ) -> CallConfig {
        let retry = RetryConfig {
            max_attempts,
            backoff: backoff(DOUBLING, base, 1_000, Jitter::Full),
            ..RetryConfig::default()
        };
        CallConfig {
            retry,
            hedge: (extra > 0 && max_attempts > 1).then_some(HedgeConfig {
                delay: ms(delay),
                max_extra: extra.min(max_attempts - 1),
            }),
            attempt_timeout: attempt_timeout.map(Span::from_millis),
            overall_timeout: overall_timeout.map(Span::from_millis),
            doomed: if count { DoomedRule::Count } else { DoomedRule::Refuse },
        }
    }
}

proptest! {
    #[test]
    fn every_call_in_every_world_keeps_the_laws(
        policy in any_policy(), fates in prop::collection::vec(any_failure(), 1..8), seed in any::<u64>(),
        idempotent in any::<bool>(), cancel_at in prop::option::weighted(0.2, 0u64..1_000),
    ) {
        // Without a limit of its own an attempt that is never answered would leave the call waiting for ever.
        let bounded = policy.attempt_timeout.is_some() || policy.overall_timeout.is_some();
        let policy =
            CallConfig { attempt_timeout: policy.attempt_timeout.or((!bounded).then_some(ms(250))), ..policy };
        let cancel_at = cancel_at.map(|at| Time::ZERO + ms(at));
        let world = World { idempotent, cancel_at, seed, ..World::of(&fates) };
        prop_assert_eq!(judge(policy, &world, Mutant::None), None);
    }

    #[test]
    fn no_order_of_steps_and_no_clock_makes_a_call_panic_or_speak_after_its_end(
        policy in any_policy(), idempotent in any::<bool>(),
        steps in prop::collection::vec((0u8..5, any::<u64>(), 0u32..6, any::<u64>()), 0..40),
        near in any::<bool>(),
    ) {
        let client = with_budget(policy, BUCKET);
        let mut out = CallOutput::default();
        let mut call = Call::begin(&client, Time::ZERO, CallOptions { idempotent, deadline: None }, &mut out);
        for (what, ns, attempt, entropy) in steps {
            let now = Time::from_nanos(if near { ns % 2_000_000_000 } else { ns });
            let failure = AttemptResult::Failure(Failure::of(FailureClass::Transient));
            match what {
                0 => call.expire(&client, now, entropy, &mut out),
                1 => {
                    let _ = call.handle_result(&client, now, attempt, failure, entropy, &mut out);
                }
                2 => {
                    let result = AttemptResult::Success;
                    let _ = call.handle_result(&client, now, attempt, result, entropy, &mut out);
                }
                3 => {
                    let _ = call.handle_committed(&client, now, attempt, entropy, &mut out);
                }
                _ => call.expire(&client, call.deadline().unwrap_or(now), entropy, &mut out),
            }
        }
        let finished = out.actions.iter().filter(|action| matches!(action, Action::Finish(_))).count();
        prop_assert_eq!(finished, usize::from(call.has_ended()));
        prop_assert!(finished == 0 || matches!(out.actions.last(), Some(Action::Finish(_))));
        call.cancel(&client, Time::MAX, &mut out);
        prop_assert!(call.has_ended() && call.in_flight() == 0);
        let budget = client.budget().expect("it has one").snapshot();
        prop_assert_eq!((budget.attempts_in_flight(), budget.retries_in_flight()), (0, 0));
    }
}

#[test]
fn every_broken_driver_is_caught() {
    let failing = World::of(&[Fate::transient(10)]);
    let silent = World::of(&[Fate::NEVER]);
    let racing = World::of(&[Fate::success(120), Fate::success(60), Fate::success(60)]);
    let mut patient = config();
    patient.retry.max_attempts = 2;
    let hurried = CallConfig { overall_timeout: Some(ms(250)), ..config() };
    let once = World { idempotent: false, ..failing.clone() };
    for (mutant, policy, world) in [
        (Mutant::CountsFromZero, patient, &failing),
        (Mutant::IgnoresTheDeadline, hurried, &silent),
        (Mutant::TakesTheSecondAnswerToo, hedging(50, 1), &racing),
        (Mutant::CancelsTwice, hedging(50, 1), &racing),
        (Mutant::RepeatsWhatIsNotIdempotent, config(), &once),
        (Mutant::SpendsNothing, hedging(50, 1), &racing),
    ] {
        assert_eq!(judge(policy, world, Mutant::None), None, "{mutant:?}: sound without it");
        let caught = judge(policy, world, mutant);
        println!("{mutant:?}: {caught:?}");
        assert!(caught.is_some(), "{mutant:?} went unnoticed");
    }
}
