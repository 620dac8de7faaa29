//! The server alone: transactions, releases, watches, polls, compaction.

use super::*;

#[test]
fn revisions_count_writes_and_versions_count_those_of_a_key() {
    let mut desk = Desk::new();
    assert_eq!(
        (desk.put("a", 1), desk.put("b", 1), desk.put("a", 2)),
        (Revision(1), Revision(2), Revision(3))
    );
    let entry = |desk: &mut Desk<MemoryStore>, at| match desk.ask(Request::Get { key: key("a"), at }) {
        Answer::Entry { entry, .. } => {
            entry.map(|entry| (entry.value.as_integer(), entry.created.0, entry.revision.0, entry.version))
        }
        answer => panic!("{answer:?}"),
    };
    assert_eq!(entry(&mut desk, None), Some((Some(2), 1, 3, 2)));
    assert_eq!(entry(&mut desk, Some(Revision(2))), Some((Some(1), 1, 1, 1)));
    desk.delete("a");
    assert_eq!(entry(&mut desk, None), None);
    desk.put("a", 3);
    assert_eq!(entry(&mut desk, None), Some((Some(3), 5, 5, 1)));
    desk.ask(Request::Txn(Txn::delete(key("never there"))));
    assert_eq!(desk.server.stats().revision, Revision(5));
    let future = desk.ask(Request::Get { key: key("a"), at: Some(Revision(6)) });
    assert_eq!(future, Answer::Refused(Refusal::Future(Revision(5))));
}

#[test]
fn of_two_writers_with_the_same_expectation_one_wins() {
    let mut desk = Desk::new();
    let first = desk.put("a", 1);
    let cas = |number| Request::Txn(Txn::compare_and_set(key("a"), Some(first), Value::Integer(number)));
    assert_eq!(desk.ask(cas(2)), Answer::Txn { succeeded: true, revision: Revision(2) });
    assert_eq!(desk.ask(cas(3)), Answer::Txn { succeeded: false, revision: Revision(2) });
    assert_eq!(desk.seen("node"), numbers(&[("a", 2)]));
    let create = Request::Txn(Txn::compare_and_set(key("a"), None, Value::Integer(4)));
    assert_eq!(desk.ask(create), Answer::Txn { succeeded: false, revision: Revision(2) });
}

#[test]
fn a_transaction_writes_all_of_one_branch_in_one_revision() {
    let mut desk = Desk::new();
    let txn = |compare: Compare| {
        Request::Txn(Txn {
            compare: vec![compare],
            then: vec![Write::Put(key("a"), Value::Integer(1)), Write::Put(key("b"), Value::Integer(1))],
            otherwise: vec![Write::Delete(key("a"))],
            lease: None,
        })
    };
    for (compare, succeeds) in [
        (Compare::Absent(key("a")), true),
        (Compare::Version(key("b"), 1), true),
        (Compare::Value(key("b"), Value::Integer(2)), false),
        (Compare::Revision(key("a"), Revision(1)), false),
    ] {
        let answer = desk.ask(txn(compare));
        assert!(matches!(answer, Answer::Txn { succeeded, .. } if succeeded == succeeds), "{answer:?}");
    }
    assert_eq!(desk.server.stats().revision, Revision(3));
    let twice = Txn { then: vec![Write::Delete(key("a")), Write::Delete(key("a"))], ..Txn::default() };
    assert_eq!(desk.ask(Request::Txn(twice)), Answer::Refused(Refusal::Twice(key("a"))));
}

#[test]
fn an_edit_is_seen_by_nobody_until_it_is_published_and_then_by_all_at_once() {
    let mut desk = Desk::new();
    desk.watch(1, "node", 1);
    desk.told(1);
    desk.edit("a", Value::Integer(1));
    desk.edit("b", Value::Integer(2));
    assert!(desk.seen("node").is_empty() && desk.told(1).is_empty());
    let dry = desk.command(Command::DryRun);
    assert!(
        matches!(&dry, Answer::DryRun { differences, violations } if differences.len() == 2 && violations.is_empty())
    );
    assert_eq!(released(&desk.try_publish()), ReleaseId(1));
    assert_eq!(desk.seen("node"), numbers(&[("a", 1), ("b", 2)]));
    let told = logged(desk.told(1));
    assert!(matches!(&told[..], [LogEntry::Batch(events)] if events.len() == 2), "{told:?}");
    assert_eq!(desk.try_publish(), Answer::Refused(Refusal::NothingToPublish));
    desk.edit("a", Value::Integer(9));
    let stale = Command::Publish { comment: String::new(), expected: Some(ReleaseId(7)) };
    assert_eq!(desk.command(stale), Answer::Refused(Refusal::Outdated(Some(ReleaseId(1)))));
}

#[test]
fn what_the_schema_forbids_is_not_published_by_any_way() {
    let mut desk = Desk::new();
    desk.publish(&[("pool", 40)]);
    let schema = Schema::open([("pool", Field::integer(10, 100).required())]);
    let too_late = Schema::open([("pool", Field::integer(50, 100))]);
    let refused = desk.command(Command::SetSchema(Some(too_late)));
    assert!(matches!(&refused, Answer::Refused(Refusal::Invalid(_))), "{refused:?}");
    desk.command(Command::SetSchema(Some(schema)));
    desk.edit("pool", Value::Integer(5));
    let dry = desk.command(Command::DryRun);
    assert!(matches!(&dry, Answer::DryRun { violations, .. } if violations.len() == 1), "{dry:?}");
    let canary = Command::PublishCanary { rule: CanaryRule::named(&["x"]), comment: String::new() };
    let attempts = [desk.try_publish(), desk.command(canary)];
    desk.command(Command::Discard);
    let direct = desk.ask(Request::Txn(Txn::put(key("pool"), Value::Integer(5))));
    let gone = desk.ask(Request::Txn(Txn::delete(key("pool"))));
    desk.edit("pool", None);
    for answer in attempts.into_iter().chain([direct, gone, desk.try_publish()]) {
        assert!(
            matches!(&answer, Answer::Refused(Refusal::Invalid(wrong)) if wrong[0].name == "pool"),
            "{answer:?}"
        );
    }
    assert_eq!(desk.seen("x"), numbers(&[("pool", 40)]));
}

#[test]
fn a_rollback_restores_a_release_even_after_its_history_was_compacted() {
    let mut desk = Desk::new();
    let first = desk.publish(&[("a", 1), ("b", 1)]);
    let before = postcard::to_allocvec(&desk.seen("node")).expect("it encodes");
    desk.edit("b", None);
    desk.publish(&[("a", 2), ("c", 2)]);
    desk.put("d", 3);
    let current = desk.server.stats().revision;
    desk.ask(Request::Compact(current));
    let rolled_back = released(&desk.command(Command::Rollback(first)));
    assert_eq!(postcard::to_allocvec(&desk.seen("node")).expect("it encodes"), before);
    let Answer::Release(release) = desk.command(Command::ShowRelease(rolled_back)) else {
        panic!("a release")
    };
    assert_eq!((release.kind, release.effective("node")), (ReleaseKind::Rollback(first), desk.seen("node")));
    assert_eq!(desk.command(Command::Diff(first, rolled_back)), Answer::Differences(Vec::new()));
    assert_eq!(
        desk.command(Command::Rollback(ReleaseId(9))),
        Answer::Refused(Refusal::UnknownRelease(ReleaseId(9)))
    );
}

#[test]
fn a_canary_is_seen_by_its_instances_alone_until_it_is_promoted() {
    let mut desk = Desk::new();
    desk.publish(&[("a", 1), ("b", 1)]);
    desk.watch(1, "one", 2);
    desk.watch(2, "two", 2);
    desk.edit("a", Value::Integer(2));
    desk.edit("b", None);
    let canary = Command::PublishCanary { rule: CanaryRule::named(&["one"]), comment: "try".to_string() };
    let release = released(&desk.command(canary));
    let (main, tried) = (numbers(&[("a", 1), ("b", 1)]), numbers(&[("a", 2)]));
    assert_eq!((desk.seen("one"), desk.seen("two")), (tried.clone(), main.clone()));
    // With nothing drafted, the rule alone changes: the one goes out, the other comes in.
    let moved = Command::PublishCanary { rule: CanaryRule::named(&["two"]), comment: String::new() };
    desk.command(moved);
    assert_eq!((desk.seen("one"), desk.seen("two")), (main.clone(), tried.clone()));
    desk.command(Command::Rollback(release));
    assert_eq!((desk.seen("one"), desk.seen("two")), (tried.clone(), main.clone()));
    desk.command(Command::Promote);
    assert_eq!((desk.seen("one"), desk.seen("two")), (tried.clone(), tried));
    assert_eq!(desk.command(Command::Abandon), Answer::Refused(Refusal::NoCanary));
    for (watch, changes) in [(1, [2, 2, 2, 1]), (2, [0, 2, 2, 2])] {
        let told = desk.told(watch);
        let sizes = told.iter().filter_map(|push| match push {
            Push::Batch(batch) if !batch.events.is_empty() => Some(batch.events.len()),
            Push::Batch(_) | Push::Compacted(_) | Push::Cancelled => None,
        });
        let wanted: Vec<usize> = changes.into_iter().filter(|size| *size > 0).collect();
        assert_eq!(sizes.collect::<Vec<_>>(), wanted, "{told:?}");
    }
}

#[test]
fn who_has_the_lock_edits_alone() {
    let mut desk = Desk::new();
    desk.command(Command::Lock);
    let bob = |command| Request::Release { scope: scope(), author: "bob".to_string(), command };
    let locked = Answer::Refused(Refusal::Locked("ann".to_string()));
    let edit = || Command::Edit { name: "a".to_string(), value: Some(Value::Integer(1)) };
    assert_eq!(desk.ask(bob(edit())), locked);
    assert_eq!(desk.ask(bob(Command::Unlock)), locked);
    assert_eq!(desk.ask(Request::Txn(Txn::put(key("a"), Value::Integer(1)))), locked);
    desk.publish(&[("a", 1)]);
    desk.command(Command::Unlock);
    assert!(matches!(desk.ask(bob(edit())), Answer::Done { .. }));
    assert_eq!(desk.ask(bob(Command::Unlock)), Answer::Refused(Refusal::NotLocked));
}

#[test]
fn the_audit_says_who_did_what_and_not_which_secrets() {
    let mut desk = Desk::new();
    desk.edit("password", Value::Secret(Secret::new("hunter2".to_string())));
    released(&desk.try_publish());
    let Answer::Audit(entries) = desk.ask(Request::Audit { scope: scope(), most: 5 }) else {
        panic!("an audit")
    };
    let done: Vec<(&str, &Action, Option<Revision>)> =
        entries.iter().map(|entry| (entry.author.as_str(), &entry.action, entry.revision)).collect();
    let release = Action::Released(ReleaseId(1), ReleaseKind::Publish);
    let edit = Action::Edited("password".to_string());
    assert_eq!(done, [("ann", &release, Some(Revision(1))), ("ann", &edit, None)]);
    assert!(!format!("{entries:?}").contains("hunter2"));
}

#[test]
fn a_watch_goes_on_where_it_was_and_is_told_when_that_is_forgotten() {
    let mut desk = Desk::new();
    for number in 1..=5 {
        desk.put("a", number);
    }
    desk.watch(1, "node", 3);
    let revisions: Vec<u64> = desk
        .told(1)
        .iter()
        .map(|push| match push {
            Push::Batch(batch) => batch.revision.0,
            push => panic!("{push:?}"),
        })
        .collect();
    assert_eq!(revisions, [3, 4, 5, 5], "three batches and a bookmark");
    desk.ask(Request::Compact(Revision(4)));
    desk.watch(2, "node", 4);
    assert_eq!(desk.told(2), [Push::Compacted(Revision(4))]);
    desk.watch(3, "node", 5);
    assert_eq!(desk.told(3).len(), 2);
    let old = desk.ask(Request::Get { key: key("a"), at: Some(Revision(3)) });
    assert_eq!(old, Answer::Refused(Refusal::Compacted(Revision(4))));
    let ahead = Request::Watch { watch: WatchId(4), view: view("node"), from: Revision(7) };
    assert_eq!(desk.ask(ahead), Answer::Refused(Refusal::Future(Revision(5))));
}

#[test]
fn bookmarks_come_by_themselves_and_when_asked_for() {
    let mut desk = Desk::new();
    desk.watch(1, "node", 1);
    desk.told(1);
    let other = Scope::new("shop", "eu", "checkout").expect("a scope").key("a").expect("a name");
    desk.ask(Request::Txn(Txn::put(other, Value::Integer(1))));
    assert!(desk.told(1).is_empty());
    assert!(desk.send(Request::Progress(WatchId(1))).is_empty());
    assert_eq!(logged(desk.told(1)), [LogEntry::Bookmark(Revision(1))]);
    desk.pass(Span::from_secs(11));
    assert_eq!(desk.told(1).len(), 2);
    let unknown = desk.ask(Request::Progress(WatchId(2)));
    assert_eq!(unknown, Answer::Refused(Refusal::UnknownWatch(WatchId(2))));
}

#[test]
fn a_long_poll_is_answered_by_a_change_or_when_its_time_is_over() {
    let mut desk = Desk::new();
    desk.put("a", 1);
    let poll = |have, seconds| Request::Poll {
        view: view("node"),
        have: Revision(have),
        hold: Span::from_secs(seconds),
    };
    let behind = desk.ask(poll(0, 30));
    assert!(matches!(&behind, Answer::Changes { revision: Revision(1), batches } if batches.len() == 1));
    assert!(desk.send(poll(1, 30)).is_empty());
    assert_eq!(desk.server.stats().polls, 1);
    let mut answers = desk.send(Request::Txn(Txn::put(key("a"), Value::Integer(2))));
    assert!(matches!(answers.remove(0), Answer::Changes { revision: Revision(2), .. }));
    assert!(desk.send(poll(2, 30)).is_empty());
    let due = desk.server.deadline().expect("a poll waits");
    assert_eq!(due, desk.now + Span::from_secs(30));
    let mut out = Vec::new();
    desk.server.expire(due, &mut out).expect("the store works");
    let answers = desk.take(out);
    assert_eq!(answers[0].1, Answer::Changes { revision: Revision(2), batches: Vec::new() });
}

#[test]
fn at_rest_n_long_polls_held_for_h_make_n_by_h_requests_a_second() {
    let (clients, hold) = (50u64, Span::from_secs(10));
    let mut desk = Desk::new();
    let poll = |have| Request::Poll { view: view("node"), have, hold };
    let mut asked = 0;
    for client in 1..=clients {
        let input =
            Input::Request { from: PeerId(client), request: RequestId(client), body: poll(Revision::ZERO) };
        desk.server.handle(desk.now, input, &mut Vec::new()).expect("the store works");
    }
    let until = at(100_000);
    while let Some(due) = desk.server.deadline().filter(|due| *due <= until) {
        let mut out = Vec::new();
        desk.server.expire(due, &mut out).expect("the store works");
        for output in out {
            let Output::Answer { to, request, .. } = output else { panic!("an answer") };
            asked += 1;
            let input = Input::Request { from: to, request, body: poll(Revision::ZERO) };
            desk.server.handle(due, input, &mut Vec::new()).expect("the store works");
        }
    }
    assert_eq!(asked, clients * 10, "100 s at 50 / 10 s");
    desk.now = until;
    let answers = desk.send(Request::Txn(Txn::put(key("a"), Value::Integer(1))));
    assert_eq!(answers.len() as u64, clients + 1, "a change answers all at once");
}

#[test]
fn a_peer_with_too_many_watches_loses_its_oldest() {
    let mut desk = Desk::new();
    for watch in 1..=17 {
        desk.watch(watch, "node", 1);
    }
    assert_eq!(desk.told(1).last(), Some(&Push::Cancelled));
    assert_eq!(desk.server.stats().watches, 16);
    let mut out = Vec::new();
    desk.server.handle(desk.now, Input::Gone(ADMIN), &mut out).expect("the store works");
    assert_eq!(desk.server.stats().watches, 0);
}

#[test]
fn an_overlong_history_forgets_its_older_half_by_itself() {
    let mut desk = Desk::new();
    let config = ServerConfig { keep_revisions: Some(10), ..ServerConfig::default() };
    desk.server.reconfigure(config).expect("it can be meant");
    for number in 0..100 {
        desk.put(if number % 3 == 0 { "a" } else { "b" }, number);
    }
    let stats = desk.server.stats();
    assert!((10..=20).contains(&(stats.revision.0 - stats.compacted.0)), "{stats:?}");
    assert!(stats.versions <= 22, "{stats:?}");
    assert_eq!(desk.seen("node"), numbers(&[("a", 99), ("b", 98)]));
}

#[test]
fn a_config_that_cannot_be_meant_is_refused_with_what_to_write() {
    let good = ServerConfig::default();
    for (config, says) in [
        (ServerConfig { progress_interval: Span::ZERO, ..good }, "progress_interval"),
        (ServerConfig { keep_revisions: Some(0), ..good }, "keep_revisions"),
        (ServerConfig { keep_releases: 1, ..good }, "keep_releases"),
        (ServerConfig { most_watches_per_peer: 0, ..good }, "most_watches_per_peer"),
    ] {
        let error = Server::open(MemoryStore::new(), config).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}
