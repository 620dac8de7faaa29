//! Leases, keys that go with them, and elections.

use super::*;

fn lease(seconds: u64) -> Request {
    Request::Grant { lease: LeaseId(seconds), ttl: Span::from_secs(seconds) }
}

fn put(name: &str, number: i64, lease: u64) -> Request {
    Request::Txn(Txn { lease: Some(LeaseId(lease)), ..Txn::put(key(name), Value::Integer(number)) })
}

#[test]
fn the_keys_of_a_lease_go_together_when_it_is_not_kept_alive() {
    let mut desk = Desk::new();
    desk.watch(1, "node", 1);
    desk.ask(lease(10));
    desk.ask(put("a", 1, 10));
    desk.ask(put("b", 2, 10));
    desk.put("c", 3);
    desk.pass(Span::from_secs(9));
    assert_eq!(
        desk.ask(Request::KeepAlive(LeaseId(10))),
        Answer::Lease { lease: LeaseId(10), ttl: Span::from_secs(10) }
    );
    desk.pass(Span::from_secs(9));
    assert_eq!(desk.seen("node").len(), 3);
    // Whoever puts it without the lease takes it over.
    desk.put("b", 4);
    desk.told(1);
    desk.pass(Span::from_secs(1));
    assert_eq!(desk.seen("node"), numbers(&[("b", 4), ("c", 3)]));
    let told = logged(desk.told(1));
    assert!(
        told.iter().any(|entry| matches!(entry, LogEntry::Batch(events) if events[0].entry.is_none())),
        "{told:?}"
    );
    let unknown = Answer::Refused(Refusal::UnknownLease(LeaseId(10)));
    assert_eq!(desk.ask(Request::KeepAlive(LeaseId(10))), unknown);
    assert_eq!(desk.ask(put("a", 1, 10)), unknown);
    assert_eq!(desk.ask(Request::Revoke(LeaseId(10))), unknown);
}

#[test]
fn a_lease_that_is_over_is_over_even_if_nobody_has_looked() {
    let mut desk = Desk::new();
    desk.ask(lease(10));
    desk.ask(put("a", 1, 10));
    assert_eq!(desk.ask(lease(10)), Answer::Refused(Refusal::LeaseExists(LeaseId(10))));
    assert_eq!(desk.ask(lease(0)), Answer::Refused(Refusal::NoTime));
    desk.now = at(10_000);
    assert!(desk.seen("node").is_empty());
    desk.ask(lease(10));
    desk.ask(put("a", 1, 10));
    desk.ask(put("b", 1, 10));
    let before = desk.server.stats().revision;
    desk.ask(Request::Revoke(LeaseId(10)));
    assert!(desk.seen("node").is_empty());
    assert_eq!(desk.server.stats().revision, before.next(), "all at one revision");
}

#[test]
fn of_all_candidates_one_leads_and_each_leader_has_a_larger_token() {
    let mut desk = Desk::new();
    let mut token = Revision::ZERO;
    for candidate in 1..=3 {
        desk.ask(lease(10 * candidate));
    }
    for leader in 1..=3 {
        for candidate in leader..=3 {
            let txn = Txn::campaign(key("leader"), Value::Integer(candidate as i64), LeaseId(10 * candidate));
            let answer = desk.ask(Request::Txn(txn));
            assert!(
                matches!(answer, Answer::Txn { succeeded, .. } if succeeded == (candidate == leader)),
                "{answer:?}"
            );
        }
        assert_eq!(desk.seen("node"), numbers(&[("leader", leader as i64)]));
        let Answer::Entry { entry: Some(entry), .. } =
            desk.ask(Request::Get { key: key("leader"), at: None })
        else {
            panic!("somebody leads")
        };
        assert!(entry.created > token);
        token = entry.created;
        desk.pass(Span::from_secs(10));
    }
    assert!(desk.seen("node").is_empty());
}

#[test]
fn after_a_restart_each_lease_has_its_whole_time_again() {
    let mut desk = Desk::new();
    desk.ask(lease(10));
    desk.ask(put("a", 1, 10));
    desk.pass(Span::from_secs(9));
    let store = desk.server.into_store();
    let mut again = Desk::over(store, None);
    again.now = at(100_000);
    assert_eq!(again.server.deadline(), Some(Time::ZERO));
    again.pass(Span::from_secs(9));
    assert_eq!(again.seen("node"), numbers(&[("a", 1)]));
    again.pass(Span::from_secs(1));
    assert!(again.seen("node").is_empty());
}

#[test]
fn what_has_to_be_there_cannot_belong_to_a_lease() {
    let mut desk = Desk::new();
    desk.publish(&[("pool", 40)]);
    desk.command(Command::SetSchema(Some(Schema::open([("pool", Field::integer(10, 100).required())]))));
    desk.ask(lease(10));
    let answer = desk.ask(put("pool", 50, 10));
    assert!(matches!(&answer, Answer::Refused(Refusal::Invalid(_))), "{answer:?}");
}
