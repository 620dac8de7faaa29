//! Random stories: whatever is asked, in whatever order words come, the invariants hold after every step, and the
//! books say what the providers did.

use super::world::{Travel, World, config, opened};
use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Act {
    Ask(Command),
    Travel(Travel),
    Decline(u8),
    Pass(u64),
}

fn acts() -> impl Strategy<Value = Act> {
    let intent = || (1u64..3).prop_map(IntentId);
    prop_oneof![
        2 => (1i64..2_000, any::<bool>()).prop_map(|(minor, is_manual)| {
            let capture = if is_manual { CaptureMethod::Manual } else { CaptureMethod::Automatic };
            Act::Ask(Command::Create { merchant: 5, payer: 9, amount: rupees(minor), capture })
        }),
        4 => (intent(), any::<bool>()).prop_map(|(intent, needs_authentication)| {
            Act::Ask(Command::Confirm { intent, instrument: card(), needs_authentication })
        }),
        2 => (intent(), any::<bool>())
            .prop_map(|(intent, has_passed)| Act::Ask(Command::Authenticated { intent, has_passed })),
        4 => (intent(), -1i64..1_500, any::<bool>())
            .prop_map(|(intent, minor, is_final)| Act::Ask(Command::Capture { intent, minor, is_final })),
        1 => intent().prop_map(|intent| Act::Ask(Command::Cancel { intent })),
        3 => (intent(), -1i64..1_500).prop_map(|(intent, minor)| Act::Ask(Command::Refund { intent, minor })),
        3 => prop::sample::select(vec![
            Travel::Answer, Travel::AnswerThenWebhooks, Travel::WebhookThenAnswer, Travel::WebhookOnly,
            Travel::Silence, Travel::RequestLost, Travel::FileOnly,
        ]).prop_map(Act::Travel),
        2 => (0u8..4).prop_map(Act::Decline),
        2 => prop::sample::select(vec![1u64, 40, 400, 90_000]).prop_map(Act::Pass),
    ]
}

const SCRIPTS: [world::Script; 4] = [
    world::approve,
    |_, _| Outcome::Declined(Decline::Hard),
    |_, _| Outcome::Declined(Decline::NotProcessed),
    |kind, minor| {
        if kind.is_opening() { Outcome::Succeeded { minor } } else { Outcome::Declined(Decline::Soft) }
    },
];

/// What providers did that is known here has to be booked; what is not known will be in their files.
fn settle_by_file(world: &mut World<MemoryStore>) {
    for provider in [FIRST, SECOND] {
        let done = world.providers[&provider].done.iter();
        let file: Vec<SettlementLine> = done
            .filter_map(|(operation, (_, outcome))| match outcome {
                Outcome::Succeeded { minor } => Some(SettlementLine { operation: *operation, minor: *minor }),
                Outcome::Declined(_) | Outcome::Pending | Outcome::NotFound => None,
            })
            .collect();
        world.processor.reconcile(world.now, provider, &file, &mut Vec::new()).expect("the store works");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn no_story_breaks_an_invariant(
        acts in prop::collection::vec(acts(), 1..40),
        kept_s in prop::sample::select(vec![1u64, 300, 1_000_000_000]),
    ) {
        let keep = Span::from_secs(kept_s);
        let short = ProcessorConfig { keep, intent_ttl: keep.min(config().intent_ttl), ..config() };
        let mut world = World::over(opened(MemoryStore::new(), short), Travel::Answer);
        for (number, act) in acts.into_iter().enumerate() {
            match act {
                Act::Ask(command) => drop(world.send(&format!("key {number}"), command)),
                Act::Travel(travel) => world.travel = travel,
                Act::Decline(script) => {
                    for provider in world.providers.values_mut() {
                        provider.script = SCRIPTS[usize::from(script)];
                    }
                }
                Act::Pass(seconds) => world.pass(Span::from_secs(seconds)),
            }
        }
        world.travel = Travel::Answer;
        world.pass(Span::from_secs(600));
        settle_by_file(&mut world);
        world.pass(Span::from_secs(600));
        prop_assert!(world.violations.is_empty(), "{:?}", world.violations);
        prop_assert!(audit::audit(world.processor.store()).is_empty());
        settle_by_file(&mut world);
        prop_assert_eq!(world.booked_minor(), i128::from(world.taken_minor()));
    }

    #[test]
    fn events_in_any_order_and_number_end_in_the_same_state(
        order in prop::collection::vec(0usize..5, 5..20),
    ) {
        // A sale is pending, succeeds, and is charged back: whatever comes again or early, the end is one.
        let mut world = World::new(Travel::FileOnly);
        let intent = world.create(500, CaptureMethod::Automatic);
        world.send("k", Command::Confirm { intent, instrument: card(), needs_authentication: false });
        let operation = OperationId { intent, serial: 0 };
        let word = |outcome| EventSubject::Operation { operation, outcome };
        let dispute = |phase| EventSubject::Dispute { dispute: 1, operation, minor: 200, phase };
        let subjects = [
            word(Outcome::Pending),
            word(Outcome::NotFound),
            word(Outcome::Succeeded { minor: 500 }),
            dispute(DisputePhase::Opened),
            dispute(DisputePhase::Lost),
        ];
        // What is refused as too early is delivered again, as any sender would: all of them at the end.
        for number in order.into_iter().chain(0..5).chain(0..5) {
            let event = ProviderEvent { id: number as u64, subject: subjects[number] };
            let _ = world.deliver(FIRST, &event);
        }
        prop_assert_eq!(world.state(intent), AttemptState::Charged);
        let books = Books::read(world.processor.store());
        prop_assert_eq!(books.balance(Account::Provider(FIRST), Currency::INR).net(), 300);
        prop_assert_eq!(books.balance(Account::Disputed, Currency::INR).net(), 0);
        prop_assert!(world.violations.is_empty(), "{:?}", world.violations);
    }

    #[test]
    fn no_bytes_make_a_webhook_or_a_header_panic(header in ".{0,80}", body in prop::collection::vec(any::<u8>(), 0..60)) {
        let mut world = World::new(Travel::Answer);
        let signed = world::secrets().sign(world.now, &body);
        for signature in [header.as_str(), signed.as_str()] {
            let _ = world.input(Input::Webhook(Delivery { provider: FIRST, signature, body: &body }));
        }
        prop_assert!(world.violations.is_empty());
    }
}
