//! The product side under the audit: stories, laws for any history, and defects that it finds.

use super::message_world::*;
use crate::notification::delivery::*;
use crate::notification::template::{MissingVariable, PlainTemplates};
use crate::rate_limiter::{RateLimitConfig, WindowAlignment, WindowConfig};
use crate::store::MemoryStore;
use crate::time::{Span, Time};
use proptest::prelude::*;

/// When each order went to which provider, in milliseconds.
fn orders(world: &MessageWorld) -> Vec<(u64, ProviderId)> {
    world.orders.iter().map(|(at, order)| (at.as_micros() / 1_000, order.provider)).collect()
}

fn states(world: &MessageWorld) -> Vec<DeliveryState> {
    world.delivery.messages().map(|(_, _, state, _)| state).collect()
}

fn secs(seconds: u64) -> Span {
    Span::from_secs(seconds)
}

#[test]
fn a_provider_that_is_down_is_failed_over_and_nothing_is_lost() {
    let mut world = MessageWorld::new(config(), None);
    world.modes.insert(MAIL_A, Mode::Down);
    world.trigger(trigger(PLAIN, 1, ANN));
    world.pass(secs(1));
    assert_eq!(orders(&world), [(0, MAIL_A), (200, MAIL_B)]);
    // Both down for five minutes: rounds of both, later and later, and then it arrives.
    world.modes.insert(MAIL_B, Mode::Down);
    world.trigger(trigger(PLAIN, 2, ANN));
    world.pass(secs(300));
    world.modes.clear();
    world.pass(secs(600));
    assert_eq!(states(&world), [DeliveryState::Delivered; 2]);
    assert_eq!(world.found(), Vec::<String>::new());
}

#[test]
fn a_lost_answer_makes_a_duplicate_only_where_there_is_no_key() {
    for (has_key, rule, arrived_twice, state) in [
        (true, UnknownRule::AtLeastOnce, false, DeliveryState::Delivered),
        (false, UnknownRule::AtLeastOnce, true, DeliveryState::Delivered),
        (false, UnknownRule::AtMostOnce, false, DeliveryState::Failed(FailureKind::Uncertain)),
    ] {
        let mut config = config();
        config.providers.iter_mut().for_each(|provider| provider.has_idempotency_key = has_key);
        config.unknown = rule;
        let mut world = MessageWorld::new(config, None);
        world.modes.insert(MAIL_A, Mode::AckLost);
        world.trigger(trigger(PLAIN, 1, ANN));
        world.pass(secs(5));
        world.modes.clear();
        world.pass(secs(120));
        assert_eq!(states(&world), [state], "{has_key} {rule:?}");
        assert_eq!(world.found().iter().any(|found| found.starts_with("Twice")), arrived_twice);
    }
}

#[test]
fn a_late_answer_and_a_receipt_decide_what_nobody_knew() {
    let mut world = MessageWorld::new(config(), None);
    world.modes.insert(MAIL_A, Mode::Silent);
    world.trigger(trigger(PLAIN, 1, ANN));
    world.trigger(trigger(PLAIN, 2, ANN));
    world.pass(secs(11));
    assert_eq!(states(&world), [DeliveryState::Queued; 2], "it may be there");
    let late = |message| Input::Answer { message, attempt: 1, answer: Answer::Accepted };
    world.give(late(MessageId(0))).unwrap();
    world.give(Input::Receipt { message: MessageId(1), receipt: Receipt::Delivered }).unwrap();
    assert_eq!(states(&world), [DeliveryState::Delivered; 2]);
    assert_eq!(world.give(late(MessageId(0))), Err(Rejected::NotExpected(MessageId(0), 1)));
    world.pass(secs(3_600));
    assert_eq!((world.orders.len(), world.found()), (2, Vec::new()));
}

#[test]
fn the_same_key_is_the_same_trigger() {
    let mut world = MessageWorld::new(config(), None);
    let mut both = trigger(PLAIN, 1, ANN);
    both.recipients = vec![ANN, BOB, ANN];
    world.trigger(both.clone());
    world.trigger(both.clone());
    world.pass(secs(60));
    assert_eq!(world.orders.len(), 2);
    assert!(world.outputs.contains(&(Time::ZERO, Output::Duplicate { key: both.key.clone() })));
    // A day later it is forgotten.
    world.pass(secs(86_400));
    world.give(Input::Trigger(both)).unwrap();
    world.pass(secs(60));
    assert_eq!(world.orders.len(), 4);
}

#[test]
fn opt_outs_count_until_the_last_moment_and_the_critical_comes_anyway() {
    let mut world = MessageWorld::new(config(), None);
    let all_mail = Some(Channel::Email);
    world.delivery.preferences_mut().choose(Chooser::Tenant(TenantId(0)), None, all_mail, false);
    world.delivery.preferences_mut().choose(Chooser::Recipient(BOB), Some(PLAIN), None, true);
    world.trigger(Trigger { start: Start::After(secs(60)), ..trigger(PLAIN, 1, BOB) });
    for recipient in [ANN, BOB] {
        world.trigger(trigger(PLAIN, 2, recipient));
        world.trigger(trigger(CRITICAL, 3, recipient));
    }
    world.pass(secs(30));
    assert_eq!(world.orders.len(), 3, "Bob's plain one, and both critical ones");
    world.delivery.preferences_mut().choose(Chooser::Recipient(BOB), Some(PLAIN), all_mail, false);
    world.pass(secs(60));
    assert_eq!(world.orders.len(), 3);
    assert_eq!(world.delivery.tally(Channel::Email).suppressed, 2);
    assert_eq!(world.found(), Vec::<String>::new());
}

#[test]
fn quiet_hours_defer_once_also_when_the_clock_jumps() {
    let mut world = MessageWorld::new(config(), None);
    world.be_quiet(ANN);
    world.set_clock(1_767_225_600); // midnight
    world.trigger(trigger(PLAIN, 1, ANN));
    world.trigger(trigger(CRITICAL, 2, ANN));
    world.trigger(trigger(PLAIN, 3, BOB));
    world.pass(secs(3_600));
    assert_eq!(world.orders.len(), 2);
    // The clock is set forward to half past six: an hour and a half later it is eight.
    world.set_clock(1_767_225_600 + 5 * 3_600 + 1_800);
    assert_eq!(world.orders.len(), 2);
    world.pass(secs(1_800).saturating_sub(Span::from_nanos(1)));
    assert_eq!(world.orders.len(), 2);
    world.pass(Span::from_nanos(1));
    assert_eq!(world.orders.len(), 3);
    // Back to before seven: what went is gone.
    world.set_clock(1_767_225_600);
    world.pass(secs(86_400));
    assert_eq!((world.orders.len(), world.found()), (3, Vec::new()));
}

#[test]
fn a_digest_holds_every_event_once_and_goes_when_its_window_ends_or_it_is_full() {
    let mut world = MessageWorld::new(config(), None);
    for number in 0..3 {
        world.trigger(trigger(DIGEST, number, ANN));
        world.pass(secs(200));
    }
    world.trigger(Trigger { digest_key: "other".into(), ..trigger(DIGEST, 9, ANN) });
    for number in 10..15 {
        world.trigger(trigger(DIGEST, number, BOB));
    }
    world.pass(secs(1));
    assert_eq!(orders(&world), [(600_000, MAIL_A), (600_000, MAIL_A)]);
    let bodies: Vec<&str> = world.orders.iter().map(|(_, order)| order.body.as_str()).collect();
    assert_eq!(bodies, ["3 new", "5 new"]);
    world.pass(secs(700));
    assert_eq!((world.orders.len(), world.found()), (3, Vec::new()));
    assert_eq!(world.delivery.tally(Channel::Email).delivered, 9);
}

#[test]
fn who_had_enough_gets_no_more_within_the_hour() {
    let mut world = MessageWorld::new(config(), None);
    (0..5).for_each(|number| world.trigger(trigger(FEW, number, ANN)));
    world.trigger(trigger(FEW, 5, BOB));
    world.pass(secs(3_600));
    let tally = world.delivery.tally(Channel::Email);
    assert_eq!((tally.delivered, tally.suppressed), (4, 2));
    world.trigger(trigger(FEW, 6, ANN));
    world.pass(secs(1));
    assert_eq!(world.delivery.tally(Channel::Email).delivered, 5);
}

#[test]
fn a_code_is_worth_nothing_after_its_time_and_is_never_handed_out_then() {
    let mut config = config();
    config.providers[2].rate = Some(RateLimitConfig { rate_per_s_milli: 1_000, burst: 10 });
    let mut world = MessageWorld::new(config, None);
    // One a second after a burst of ten, and 120 s to live: after 130 messages the rest is lost. At the very instant at
    // which it expires a message is worth nothing, which costs one more.
    (0..200).for_each(|number| world.trigger(trigger(CODE, number, RecipientId(number))));
    world.pass(secs(300));
    let tally = world.delivery.tally(Channel::Sms);
    assert_eq!((tally.delivered, tally.expired), (129, 71));
    assert_eq!(world.found(), Vec::<String>::new());
}

#[test]
fn the_last_of_many_leaves_exactly_when_the_rate_lets_it() {
    let mut config = config();
    config.providers[0].rate = Some(RateLimitConfig { rate_per_s_milli: 5_000, burst: 20 });
    let mut world = MessageWorld::new(config, None);
    (0..100).for_each(|number| world.trigger(trigger(PLAIN, number, ANN)));
    world.pass(secs(60));
    let last = world.orders.last().map(|(at, _)| *at);
    assert_eq!((world.orders.len(), last), (100, Some(Time::ZERO + secs((100 - 20) / 5))));
    assert!(world.orders.iter().all(|(_, order)| order.provider == MAIL_A));
}

#[test]
fn a_new_config_counts_for_what_waits_and_a_wrong_one_changes_nothing() {
    let mut config = config();
    config.providers[2].rate = Some(RateLimitConfig { rate_per_s_milli: 1_000, burst: 1 });
    let mut world = MessageWorld::new(config.clone(), None);
    (1..=20).for_each(|number| world.trigger(trigger(CODE, number, ANN)));
    world.pass(secs(2));
    assert_eq!(world.orders.len(), 3);
    let wrong = DeliveryConfig { max_pending: 0, ..config.clone() };
    assert_eq!(world.delivery.reconfigure(world.now, wrong), Err(DeliveryError::Zero("max_pending")));
    config.providers[2].rate = None;
    assert_eq!(world.delivery.reconfigure(world.now, config), Ok(()));
    world.pass(secs(1));
    assert_eq!(world.orders.len(), 20);
    assert_eq!(world.found(), Vec::<String>::new());
}

#[test]
fn a_provider_that_spills_passes_on_what_its_quota_does_not_hold() {
    let mut config = config();
    config.providers[0].spills = true;
    let day = WindowConfig { limit: 3, window: secs(86_400), alignment: WindowAlignment::FirstRequest };
    config.providers[0].quota = Some(day);
    let mut world = MessageWorld::new(config, None);
    (0..5).for_each(|number| world.trigger(trigger(PLAIN, number, ANN)));
    world.pass(secs(60));
    let providers: Vec<ProviderId> = world.orders.iter().map(|(_, order)| order.provider).collect();
    assert_eq!(providers, [MAIL_A, MAIL_A, MAIL_A, MAIL_B, MAIL_B]);
}

#[test]
fn a_message_that_is_not_seen_goes_on_by_the_next_channel() {
    let mut world = MessageWorld::new(config(), None);
    (1..=3).for_each(|number| world.trigger(trigger(LADDER, number, RecipientId(number))));
    world.pass(secs(10));
    world.give(Input::Receipt { message: MessageId(0), receipt: Receipt::Seen }).unwrap();
    world.give(Input::Receipt { message: MessageId(1), receipt: Receipt::Bounced }).unwrap();
    assert_eq!(orders(&world).last(), Some(&(10_000, SMS)), "the second bounced");
    world.pass(secs(600));
    // The third was not seen five minutes after the provider took it.
    assert_eq!(orders(&world).last(), Some(&(300_200, SMS)));
    assert_eq!((world.orders.len(), world.found()), (5, Vec::new()));
}

#[test]
fn what_no_channel_could_send_has_failed_and_what_is_refused_is_not_tried_again() {
    let mut world = MessageWorld::new(config(), None);
    (1..=4).for_each(|id| _ = world.modes.insert(ProviderId(id), Mode::Down));
    world.trigger(trigger(PLAIN, 1, ANN));
    world.modes.insert(PUSH, Mode::Refuses);
    world.trigger(trigger(LADDER, 2, ANN));
    world.pass(secs(3_600));
    assert_eq!(world.delivery.tally(Channel::Email).failed, 1);
    let attempts = |channel| world.orders.iter().filter(|(_, order)| order.channel == channel).count();
    assert_eq!([Channel::Email, Channel::Push, Channel::Sms].map(attempts), [16, 1, 8]);
    let all = world.delivery.messages().map(|(_, _, state, _)| state.account());
    assert!(all.into_iter().all(|account| account == Account::Failed));
    // Knock's promise: up to eight within half an hour.
    assert!(world.orders.last().is_some_and(|(at, _)| *at < Time::ZERO + secs(1_800)));
    assert_eq!(world.found(), Vec::<String>::new());
}

#[test]
fn what_is_called_off_is_not_sent_and_what_may_be_there_is_not_sent_again() {
    let mut world = MessageWorld::new(config(), None);
    let cancellable = |category, number, key: &str| Trigger {
        cancellation_key: Some(key.into()),
        ..trigger(category, number, ANN)
    };
    world.trigger(Trigger { start: Start::At(Time::ZERO + secs(60)), ..cancellable(PLAIN, 1, "a") });
    world.trigger(cancellable(DIGEST, 2, "a"));
    world.trigger(cancellable(DIGEST, 3, "b"));
    world.modes.insert(MAIL_A, Mode::Silent);
    world.trigger(cancellable(PLAIN, 4, "a"));
    world.pass(secs(1));
    world.give(Input::Cancel { key: "a".into() }).unwrap();
    world.give(Input::Cancel { key: "a".into() }).unwrap();
    world.pass(secs(30));
    world.modes.clear();
    world.pass(secs(3_600));
    let tally = world.delivery.tally(Channel::Email);
    assert_eq!((tally.suppressed, tally.delivered, world.orders.len()), (3, 1, 2));
    assert_eq!(world.found(), Vec::<String>::new());
}

#[test]
fn a_template_error_sends_the_fallback_and_the_queue_moves_on() {
    let mut world = MessageWorld::new(config(), None);
    world.trigger(trigger(BROKEN, 1, ANN));
    world.trigger(trigger(PLAIN, 2, ANN));
    world.pass(secs(10));
    let bodies: Vec<&str> = world.orders.iter().map(|(_, order)| order.body.as_str()).collect();
    assert_eq!((bodies, world.delivery.template_errors()), (vec!["see the product", "1 new"], 1));
    assert_eq!(world.found(), Vec::<String>::new());
}

#[test]
fn receipts_that_do_not_come_in_time_are_failures_until_they_come() {
    let mut config = config();
    config.receipts = vec![(Channel::Email, secs(3_600))];
    let mut world = MessageWorld::new(config, None);
    world.trigger(trigger(PLAIN, 1, ANN));
    world.pass(secs(10));
    assert_eq!(states(&world), [DeliveryState::Sent]);
    world.pass(secs(3_600));
    assert_eq!(states(&world), [DeliveryState::Undelivered]);
    let mut say = |receipt| world.give(Input::Receipt { message: MessageId(0), receipt });
    assert_eq!((say(Receipt::Read), say(Receipt::Seen)), (Ok(()), Ok(())));
    let refused = Rejected::IllegalTransition(DeliveryState::Read, Receipt::Bounced);
    assert_eq!(say(Receipt::Bounced), Err(refused));
    assert_eq!(states(&world), [DeliveryState::Read]);
    world.pass(secs(86_400));
    assert_eq!((states(&world), world.found()), (Vec::new(), Vec::new()));
}

/// A provider of one message a second, flooded by one class; now and then one of another.
fn flood(flooding: u8, other: u8, sabotage: Option<Sabotage>) -> MessageWorld {
    let mut config = config();
    config.starvation = Starvation::Aging(secs(30));
    config.providers[0].rate = Some(RateLimitConfig { rate_per_s_milli: 1_000, burst: 1 });
    config.max_pending = 100_000;
    let mut world = MessageWorld::new(config, sabotage);
    // A class of its own waits for twice what is ahead; one that has to move up, three steps before that.
    let own = secs(3);
    world.audit.longest_wait[usize::from(other)] = Some(if other == 0 { own } else { secs(90) + own });
    let with = |number, priority| Trigger { priority: Some(priority), ..trigger(PLAIN, number, ANN) };
    (0..100).for_each(|number| world.trigger(with(number, flooding)));
    for second in 0..200u64 {
        world.trigger(with(1_000 + second, flooding));
        if second.is_multiple_of(100) {
            world.trigger(with(9_000 + second, other));
        }
        world.pass(secs(1));
    }
    world.pass(secs(10_000));
    world
}

#[test]
fn neither_the_urgent_nor_the_patient_starve_in_a_flood() {
    assert_eq!(flood(3, 0, None).found(), Vec::<String>::new());
    assert_eq!(flood(0, 3, None).found(), Vec::<String>::new());
}

#[test]
fn each_defect_is_found_by_its_invariant() {
    let starved = [
        (Sabotage::LeastUrgentFirst, flood(3, 0, Some(Sabotage::LeastUrgentFirst))),
        (Sabotage::NeverAges, flood(0, 3, Some(Sabotage::NeverAges))),
    ];
    for (sabotage, mut world) in starved {
        let found = world.found();
        assert!(found.iter().any(|found| found.starts_with("WaitedTooLong")), "{sabotage:?}");
    }
    let cases = [
        (Sabotage::IgnoresOptOut, "OptedOut"),
        (Sabotage::IgnoresQuietHours, "Disturbed"),
        (Sabotage::LosesDeferred, "Lost"),
        (Sabotage::DigestsTwice, "WrongEvents"),
        (Sabotage::DigestLosesOne, "WrongEvents"),
        (Sabotage::ForgetsToCountExpired, "Tally"),
        (Sabotage::ForgetsKeys, "Twice"),
        (Sabotage::FailsOverFromUnknown, "Twice"),
        (Sabotage::NewKeyPerAttempt, "Twice"),
        (Sabotage::HandsOutExpired, "HandedOutExpired"),
        (Sabotage::StopsAtTemplateErrors, "Lost"),
    ];
    for (sabotage, expected) in cases {
        let found = day(Some(sabotage)).found();
        assert!(found.iter().any(|found| found.starts_with(expected)), "{sabotage:?}: {found:?}");
    }
    assert_eq!(day(None).found(), Vec::<String>::new());
}

/// A day with everything in it that a defect needs.
fn day(sabotage: Option<Sabotage>) -> MessageWorld {
    let mut config = config();
    config.providers[2].rate = Some(RateLimitConfig { rate_per_s_milli: 20, burst: 1 });
    // Where the provider would not notice either.
    config.providers[3].has_idempotency_key = false;
    let mut world = MessageWorld::new(config, sabotage);
    world.be_quiet(BOB);
    world.set_clock(1_767_225_600);
    world.delivery.preferences_mut().choose(Chooser::Recipient(RecipientId(7)), Some(PLAIN), None, false);
    world.trigger(trigger(PLAIN, 1, RecipientId(7)));
    world.trigger(trigger(PLAIN, 2, BOB));
    world.trigger(trigger(LADDER, 3, ANN));
    world.trigger(trigger(LADDER, 3, ANN));
    (10..13).for_each(|number| world.trigger(trigger(DIGEST, number, ANN)));
    (20..26).for_each(|number| world.trigger(trigger(CODE, number, ANN)));
    world.pass(secs(1));
    world.modes.insert(MAIL_A, Mode::AckLost);
    world.trigger(trigger(PLAIN, 30, ANN));
    world.pass(secs(5));
    world.modes.clear();
    world.pass(secs(3_600));
    world.trigger(trigger(BROKEN, 40, ANN));
    world.trigger(trigger(PLAIN, 41, ANN));
    world.pass(secs(2 * 86_400));
    world
}

#[test]
fn what_is_refused_changes_nothing_and_says_why() {
    let mut config = config();
    config.max_pending = 2;
    let mut world = MessageWorld::new(config.clone(), None);
    let mut give = |trigger| world.give(Input::Trigger(trigger));
    assert_eq!(give(Trigger { key: String::new(), ..trigger(PLAIN, 1, ANN) }), Err(Rejected::NoKey));
    assert_eq!(give(Trigger { priority: Some(4), ..trigger(PLAIN, 1, ANN) }), Err(Rejected::Priority(4)));
    let unknown = CategoryId(99);
    assert_eq!(give(trigger(unknown, 1, ANN)), Err(Rejected::UnknownCategory(unknown)));
    let many = Trigger { recipients: vec![ANN, BOB, RecipientId(3)], ..trigger(PLAIN, 1, ANN) };
    assert_eq!(give(many), Err(Rejected::Full));
    let gone = MessageId(9);
    let receipt = Input::Receipt { message: gone, receipt: Receipt::Seen };
    assert_eq!(world.give(receipt), Err(Rejected::UnknownMessage(gone)));
    let refused = |change: &dyn Fn(&mut DeliveryConfig)| {
        let mut config = config.clone();
        change(&mut config);
        let templates = Box::new(PlainTemplates::new(MissingVariable::Error));
        Delivery::open(MemoryStore::new(), config, templates, Time::ZERO).err()
    };
    assert_eq!(refused(&|it| it.providers[1].id = MAIL_A), Some(DeliveryError::TwoProviders(MAIL_A)));
    assert_eq!(refused(&|it| it.categories[1].id = PLAIN), Some(DeliveryError::TwoCategories(PLAIN)));
    assert_eq!(refused(&|it| it.categories[0].priority = 4), Some(DeliveryError::Priority(PLAIN)));
    assert_eq!(refused(&|it| it.categories[0].ladders.clear()), Some(DeliveryError::NoChannel(PLAIN)));
    let twice = vec![vec![Rung::by(Channel::Email)], vec![Rung::by(Channel::Email)]];
    let error = DeliveryError::ChannelTwice(PLAIN, Channel::Email);
    assert_eq!(refused(&|it| it.categories[0].ladders = twice.clone()), Some(error));
    let error = DeliveryError::NoProvider(PLAIN, Channel::Chat);
    assert_eq!(refused(&|it| it.categories[0].ladders[0][0].channel = Channel::Chat), Some(error));
}

/// One step of a history.
#[derive(Clone, Copy, Debug)]
enum Step {
    Trigger(u32, u64, u64),
    Mode(u32, u8),
    OptOut(u64, bool),
    Cancel(u64),
    Receipt(u64, u8),
}

fn step() -> impl Strategy<Value = (Step, u64)> {
    let step = prop_oneof![
        6 => (1u32..8, 0u64..30, 1u64..4).prop_map(|(category, number, who)| Step::Trigger(category, number, who)),
        3 => (1u32..5, 0u8..5).prop_map(|(provider, mode)| Step::Mode(provider, mode)),
        1 => (1u64..4, any::<bool>()).prop_map(|(who, wants)| Step::OptOut(who, wants)),
        1 => (0u64..30).prop_map(Step::Cancel),
        2 => (0u64..20, 0u8..5).prop_map(|(message, receipt)| Step::Receipt(message, receipt)),
    ];
    (step, prop_oneof![Just(0u64), 1u64..20, 1u64..2_000])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_history_keeps_every_invariant(steps in proptest::collection::vec(step(), 1..40)) {
        let mut world = MessageWorld::new(config(), None);
        world.be_quiet(BOB);
        world.set_clock(1_767_225_600 + 20 * 3_600);
        for (step, seconds) in steps {
            world.pass(secs(seconds));
            match step {
                Step::Trigger(category, number, who) => {
                    let recipient = RecipientId(who);
                    let cancellation_key = Some(number.to_string());
                    world.trigger(Trigger { cancellation_key, ..trigger(CategoryId(category), number, recipient) });
                }
                Step::Mode(provider, mode) => {
                    let modes = [Mode::Works, Mode::Down, Mode::Silent, Mode::AckLost, Mode::Refuses];
                    world.modes.insert(ProviderId(provider), modes[usize::from(mode)]);
                }
                Step::OptOut(who, wants) => {
                    let chooser = Chooser::Recipient(RecipientId(who));
                    world.delivery.preferences_mut().choose(chooser, Some(PLAIN), None, wants);
                }
                Step::Cancel(number) => world.give(Input::Cancel { key: number.to_string() }).unwrap(),
                Step::Receipt(message, receipt) => {
                    let receipts =
                        [Receipt::Delivered, Receipt::Seen, Receipt::Read, Receipt::Bounced, Receipt::Undelivered];
                    let receipt = receipts[usize::from(receipt)];
                    // About what was never sent it is refused.
                    let _ = world.give(Input::Receipt { message: MessageId(message), receipt });
                }
            }
        }
        world.modes.clear();
        world.pass(secs(2 * 86_400));
        prop_assert_eq!(world.found(), Vec::<String>::new());
    }
}
