//! The books against stories of notifiers that are wrong in one way each.

use foreshock_systems::notification::delivery::{Account, Channel, Tally};

use super::*;

const NOTIFIER: ServiceId = ServiceId(0);

fn at(second: u64) -> Time {
    Time::ZERO + Span::from_secs(second)
}

fn asked(trigger: u64) -> Asked {
    Asked { trigger, is_opted_out: false, is_critical: false, is_digested: false, priority: 1 }
}

/// Writes facts down, a second each; the invariants that they break.
fn told(facts: Vec<NoticeFact>) -> (Notifications, Vec<&'static str>) {
    let mut books = Notifications::default();
    let broken = (1..)
        .zip(facts)
        .flat_map(|(second, fact)| books.note(NOTIFIER, fact, at(second)))
        .map(|(invariant, _)| invariant)
        .collect();
    (books, broken)
}

fn at_end(books: Notifications, probe: NoticeProbe) -> Vec<&'static str> {
    let measured = books.finish(|_| "notifier".to_string(), &[(NOTIFIER, true, probe)], at(1_000));
    measured.map_or_else(Vec::new, |measured| measured.broken_at_end.into_keys().collect())
}

fn accepted(message: u64, trigger: u64) -> NoticeFact {
    NoticeFact::Accepted { message, trigger, channel: Channel::Email }
}

fn handed_out(message: u64, triggers: &[u64]) -> NoticeFact {
    let (key, channel) = (100 + message, Channel::Email);
    NoticeFact::HandedOut { message, key, channel, triggers: triggers.to_vec() }
}

const fn ended(message: u64, account: Account, events: usize) -> NoticeFact {
    NoticeFact::Ended { message, account, events }
}

#[test]
fn a_message_that_is_accepted_handed_out_delivered_and_said_to_be_is_fine() {
    let delivered = NoticeFact::Delivered { key: 101 };
    let (mut books, broken) = told(vec![
        NoticeFact::Asked(asked(7)),
        accepted(1, 7),
        handed_out(1, &[7]),
        delivered.clone(),
        ended(1, Account::Delivered, 1),
    ]);
    assert_eq!(broken, [""; 0]);
    assert!(books.note(NOTIFIER, delivered, at(9)).is_empty());
    let shown = books.notifiers.get_mut(&NOTIFIER).map(MessageBook::shown).unwrap_or_default();
    assert_eq!((shown["true_reached"], shown["true_deliveries"], shown["true_duplicates"]), (1, 2, 1));
    assert_eq!(at_end(books, NoticeProbe::Notifier(Kept::default())), [""; 0]);
}

#[test]
fn what_is_said_to_be_delivered_and_is_not_is_found_at_once() {
    let facts = vec![
        NoticeFact::Asked(asked(7)),
        accepted(1, 7),
        handed_out(1, &[7]),
        ended(1, Account::Delivered, 1),
    ];
    assert_eq!(told(facts).1, [notified::DELIVERED]);
}

#[test]
fn what_was_accepted_and_is_in_the_store_no_more_is_found_once_unless_it_has_arrived() {
    let accepted_only = || vec![NoticeFact::Asked(asked(7)), accepted(1, 7)];
    let (mut books, _) = told(accepted_only());
    let broken = books.note(NOTIFIER, NoticeFact::Found(Kept::default()), at(5));
    assert_eq!(broken.len(), 1);
    assert_eq!(broken[0].0, notified::DELIVERED);
    assert_eq!(at_end(books, NoticeProbe::Notifier(Kept::default())), [""; 0]);
    let mut arrived = accepted_only();
    arrived.extend([handed_out(1, &[7]), NoticeFact::Delivered { key: 101 }]);
    let (mut books, _) = told(arrived);
    assert!(books.note(NOTIFIER, NoticeFact::Found(Kept::default()), at(5)).is_empty());
}

#[test]
fn an_opted_out_person_is_reached_by_nothing_but_what_is_critical() {
    for (is_critical, found) in [(false, vec![notified::OPTED_OUT]), (true, Vec::new())] {
        let asked = Asked { is_opted_out: true, is_critical, ..asked(7) };
        let facts = vec![
            NoticeFact::Asked(asked),
            accepted(1, 7),
            handed_out(1, &[7]),
            NoticeFact::Delivered { key: 101 },
        ];
        assert_eq!(told(facts).1, found);
    }
}

#[test]
fn a_digest_with_an_event_twice_or_without_one_is_found() {
    let both = || {
        let digested = |trigger| NoticeFact::Asked(Asked { is_digested: true, ..asked(trigger) });
        vec![digested(7), digested(8), accepted(1, 7), accepted(1, 8)]
    };
    let with = |triggers: &[u64]| {
        let mut facts = both();
        facts.push(handed_out(1, triggers));
        told(facts).1
    };
    assert_eq!(with(&[7, 8]), [""; 0]);
    assert_eq!(with(&[7, 7]), [notified::DIGEST]);
    assert_eq!(with(&[7]), [notified::DIGEST]);
    let mut again = both();
    again.push(accepted(2, 8));
    assert_eq!(told(again).1, [notified::DIGEST]);
}

#[test]
fn what_ends_alone_may_be_left_out_of_a_digest_afterwards() {
    let digested = |trigger| NoticeFact::Asked(Asked { is_digested: true, ..asked(trigger) });
    let (books, broken) = told(vec![
        digested(7),
        digested(8),
        accepted(1, 7),
        accepted(1, 8),
        ended(1, Account::Expired, 1),
        handed_out(1, &[8]),
        NoticeFact::Delivered { key: 101 },
        ended(1, Account::Delivered, 1),
    ]);
    assert_eq!(broken, [""; 0]);
    assert_eq!(at_end(books, NoticeProbe::Notifier(Kept::default())), [""; 0]);
}

#[test]
fn a_tally_that_does_not_add_up_or_is_not_in_the_store_is_found() {
    let tally = Tally { accepted: 2, pending: 1, delivered: 1, failed: 0, expired: 0, suppressed: 0 };
    let kept = |tally, events| Kept {
        pending: BTreeMap::from([(1, (Channel::Email, events))]),
        tallies: vec![(Channel::Email, tally)],
    };
    let found = |kept| told(vec![NoticeFact::NotifierStarts, NoticeFact::Found(kept)]).1;
    assert_eq!(found(kept(tally, 1)), [""; 0]);
    assert_eq!(found(kept(Tally { delivered: 0, ..tally }, 1)), [notified::CONSERVED]);
    assert_eq!(found(kept(tally, 2)), [notified::CONSERVED]);
}

#[test]
fn an_alert_that_fires_unmuted_and_that_nobody_was_told_of_is_found() {
    let heard = || NoticeFact::AlertHeard { alert: 5, ends_at: at(5_000), within: Span::from_secs(60) };
    let end = |facts: Vec<NoticeFact>, excused: &[u64]| {
        let mut all = vec![NoticeFact::RouterStarts, heard()];
        all.extend(facts);
        at_end(told(all).0, NoticeProbe::Router { excused: excused.iter().copied().collect() })
    };
    assert_eq!(end(Vec::new(), &[]), [notified::ALERTS]);
    assert_eq!(end(Vec::new(), &[5]), [""; 0]);
    let told = |firing: &[u64], resolved: &[u64]| NoticeFact::AlertsTold {
        firing: firing.to_vec(),
        resolved: resolved.to_vec(),
    };
    assert_eq!(end(vec![told(&[5], &[])], &[]), [""; 0]);
    assert_eq!(end(vec![told(&[5], &[]), told(&[], &[5])], &[]), [notified::ALERTS]);
    assert_eq!(end(vec![told(&[5], &[]), NoticeFact::RouterStarts, heard()], &[]), [""; 0]);
    // What is not told is to come again after a restart, and may fail once more.
    assert_eq!(end(vec![NoticeFact::RouterStarts], &[]), [""; 0]);
    assert_eq!(end(vec![NoticeFact::AlertsFailed(vec![5])], &[]), [notified::ALERTS]);
}
