//! Notifications in the simulator: who was really told is counted beside what notifiers and routers say of it, wherever a
//! process dies and whatever a provider leaves unsaid.

use foreshock::nodes::Kinds;
use foreshock::run::Outcome;

use crate::harness::{broken, found, plan, plan_with, ran, run_plan, service, shown, system};

/// A notifier with two providers of mail and one of text messages that take ten milliseconds, a millisecond away.
fn product(notifier: &str, mail_a: &str, rest: &str) -> String {
    format!(
        "services:
  notifier:
    kind: notifier
    workers: unlimited
    retry_base: 500ms
    providers: {{mail-a: {{ack_timeout: 300ms}}, mail-b: {{ack_timeout: 300ms}}}}
    calls: [{{to: mail-a, timeout: 10s}}, {{to: mail-b, timeout: 10s}}, {{to: texts, timeout: 10s}}]
{notifier}
  mail-a:
    kind: notification-provider
    workers: unlimited
    service_time: 10ms
{mail_a}
  mail-b: {{kind: notification-provider, workers: unlimited, service_time: 10ms}}
  texts: {{kind: notification-provider, channel: sms, workers: unlimited, service_time: 10ms}}
network: {{default: {{latency: 1ms}}}}
{rest}"
    )
}

const SHOP: &str = "run: {duration: 10s, drain: 60s}
load: [{name: shop, to: notifier, rate: 20/s, mix: {receipt: 100%}, keys: {uniform: {items: 50}}, timeout: 500ms}]";

#[test]
fn on_a_quiet_day_everybody_is_told_once() {
    let outcome = ran(&product("", "", SHOP));
    let offered = outcome.measured.loads[0].all.offered;
    for count in ["accepted", "delivered", "true_reached", "true_deliveries", "handed_out"] {
        assert_eq!(shown(&outcome, "notifier", count), offered, "{count}");
    }
    for count in ["failed", "expired", "suppressed", "pending", "true_duplicates", "failovers"] {
        assert_eq!(shown(&outcome, "notifier", count), 0, "{count}");
    }
}

#[test]
fn a_notifier_admits_no_more_than_its_limit_and_tells_everybody_it_has_admitted() {
    let limited = "    admission: {rate_limit: {kind: token_bucket, rate: 5/s, burst: 5, per: service}}";
    let outcome = ran(&product(limited, "", SHOP));
    let accepted = shown(&outcome, "notifier", "accepted");
    // Ten seconds at five a second, and what was saved up; four times as many were wanted.
    assert!((50..=56).contains(&accepted), "{accepted}");
    assert_eq!(shown(&outcome, "notifier", "delivered"), accepted);
    assert_eq!(shown(&outcome, "notifier", "true_reached"), accepted);
    assert!(broken(&outcome).is_empty(), "{:?}", broken(&outcome));
}

#[test]
fn a_late_acknowledgement_doubles_what_has_no_key_and_nothing_else() {
    let day = |keys: bool, notifier: &str| {
        let mail = format!("    idempotency_keys: {keys}\n    late_acks: 20%\n    late_by: 2s");
        ran(&product(notifier, &mail, SHOP))
    };
    let (without, with) = (day(false, ""), day(true, ""));
    let late = shown(&without, "mail-a", "late_acks");
    assert!(late > 20, "only {late}");
    assert_eq!(
        shown(&without, "notifier", "true_duplicates"),
        late,
        "each of them went to the other provider"
    );
    assert!(found(&without, "notified_twice"));
    assert_eq!(shown(&with, "notifier", "true_duplicates"), 0);
    assert!(shown(&with, "mail-a", "repeated") >= late, "asked again under the same key");
    assert!(!found(&with, "notified_twice"));
    let once = day(false, "    unknown: at_most_once");
    assert_eq!(shown(&once, "notifier", "true_duplicates"), 0);
    // A late yes is a yes: what was given up as unknown is known to have arrived in the end.
    let accepted = shown(&once, "notifier", "accepted");
    assert_eq!((shown(&once, "notifier", "delivered"), shown(&once, "notifier", "failed")), (accepted, 0));
}

#[test]
fn what_is_lost_on_the_way_back_is_failed_to_the_notifier_and_delivered_in_truth() {
    let lossy = format!(
        "{SHOP}\ntimeline: [{{at: 2s, for: 5s, id: lost, fault: {{loss: {{link: mail-a -> notifier, share: 30%}}}}}}]"
    );
    let outcome = ran(&product("    unknown: at_most_once", "    idempotency_keys: false", &lossy));
    let failed = shown(&outcome, "notifier", "failed");
    assert!(failed > 5, "only {failed}");
    assert_eq!(shown(&outcome, "notifier", "delivered_though_failed"), failed);
    assert!(found(&outcome, "delivered_though_failed"));
    assert_eq!(shown(&outcome, "notifier", "true_reached"), shown(&outcome, "notifier", "accepted"));
}

#[test]
fn while_a_provider_is_down_the_next_one_is_given_everything() {
    let down = format!(
        "{SHOP}\ntimeline: [{{at: 2s, for: 4s, id: down, fault: {{crash: {{service: mail-a, mode: process}}}}}}]"
    );
    let outcome = ran(&product("", "", &down));
    assert!(shown(&outcome, "notifier", "failovers") > 50);
    assert_eq!(shown(&outcome, "notifier", "true_reached"), shown(&outcome, "notifier", "accepted"));
    assert_eq!(shown(&outcome, "notifier", "failed"), 0);
}

/// One mail whose notifier dies at an instant and is back 400 ms later.
fn one_mail_with_a_crash(fsync: &str, mode: &str, at_us: u64) -> String {
    product(
        &format!("    fsync: {fsync}"),
        "",
        &format!(
            "run: {{duration: 1s, drain: 60s}}
load:
  - name: shop
    to: notifier
    arrivals: {{trace: '0ms'}}
    timeout: 200ms
    retry: {{max_attempts: 10, backoff: {{kind: constant, base: 200ms}}}}
timeline: [{{at: {at_us}us, for: 400ms, id: crash, fault: {{crash: {{service: notifier, mode: {mode}}}}}}}]"
        ),
    )
}

#[test]
fn wherever_the_notifier_dies_somebody_is_told_once() {
    for fsync in ["every_commit", "{group: {commits: 4, wait: 2ms}}"] {
        for mode in ["process", "host"] {
            // The whole story takes about 15 ms.
            for place in 0..30 {
                let outcome = ran(&one_mail_with_a_crash(fsync, mode, 300 + 500 * place));
                let told = (
                    shown(&outcome, "notifier", "true_reached"),
                    shown(&outcome, "notifier", "true_deliveries"),
                    shown(&outcome, "notifier", "pending"),
                );
                assert_eq!(told, (1, 1, 0), "{fsync}, {mode}, place {place}");
            }
        }
    }
}

#[test]
fn without_syncs_a_power_cut_loses_what_was_promised_and_the_books_say_so() {
    // All providers are away, so that what was accepted waits.
    let rest = format!(
        "{SHOP}\ntimeline:
  - {{at: 1s, for: 8s, id: a, fault: {{crash: {{service: mail-a, mode: process}}}}}}
  - {{at: 1s, for: 8s, id: b, fault: {{crash: {{service: mail-b, mode: process}}}}}}
  - {{at: 5s, for: 1s, id: power, fault: {{crash: {{service: notifier, mode: host}}}}}}"
    );
    let day = |fsync: &str| {
        let notifier = format!("    fsync: {fsync}");
        run_plan(&plan(&product(&notifier, "", &rest)), &Kinds::default())
    };
    assert_eq!(broken(&day("never")), ["notifications_delivered_once_or_more"]);
    assert_eq!(broken(&day("every_commit")), [""; 0]);
}

#[test]
fn a_request_that_is_tried_again_is_the_same_trigger() {
    let retried = SHOP.replace(
        "timeout: 500ms",
        "timeout: 100ms, retry: {max_attempts: 9, backoff: {kind: constant, base: 50ms}}",
    );
    let lossy = format!(
        "{retried}\ntimeline: [{{at: 2s, for: 5s, id: lost, fault: {{loss: {{link: notifier -> shop, share: 30%}}}}}}]"
    );
    let outcome = ran(&product("", "", &lossy));
    assert!(shown(&outcome, "notifier", "repeated") > 20);
    let offered = outcome.measured.loads[0].all.offered;
    assert_eq!(shown(&outcome, "notifier", "accepted"), offered);
    assert_eq!(shown(&outcome, "notifier", "true_deliveries"), offered);
}

#[test]
fn a_digest_tells_each_event_once_in_one_message_for_each_window() {
    let category = "    categories: {receipt: {digest: {window: 20s, max_events: 1_000}}}";
    let outcome = ran(&product(category, "", SHOP));
    let offered = outcome.measured.loads[0].all.offered;
    assert_eq!(shown(&outcome, "notifier", "true_reached"), offered);
    let messages = shown(&outcome, "notifier", "true_deliveries");
    assert!((40..=50).contains(&messages), "{messages} messages to 50 people");
    assert_eq!(shown(&outcome, "notifier", "wait_max_us.p2"), 20_000_000);
}

#[test]
fn nobody_is_disturbed_in_quiet_hours_and_nothing_is_lost_by_them() {
    let quiet = |rule: &str, more: &str| {
        let notifier = format!(
            "    wall_clock: \"22:00\"\n    quiet_hours: {{from: \"21:00\", until: \"22:01\"}}
    categories: {{receipt: {{quiet_hours: {rule}{more}}}}}"
        );
        ran(&product(&notifier, "", SHOP))
    };
    let offered = quiet("defer", "").measured.loads[0].all.offered;
    let deferred = quiet("defer", "");
    assert_eq!(shown(&deferred, "notifier", "true_reached"), offered);
    let longest = shown(&deferred, "notifier", "wait_max_us.p2");
    assert!((59_000_000..=60_000_000).contains(&longest), "{longest} us");
    let dropped = quiet("drop", "");
    assert_eq!(shown(&dropped, "notifier", "suppressed"), offered);
    assert_eq!(shown(&dropped, "notifier", "true_reached"), 0);
    let critical = quiet("drop", ", critical: true");
    assert_eq!(shown(&critical, "notifier", "true_reached"), offered);
}

#[test]
fn who_has_opted_out_is_told_by_no_channel_unless_it_is_critical() {
    let outcome =
        ran(&product("    categories: {receipt: {channels: [email, sms], opted_out: 30%}}", "", SHOP));
    let (accepted, suppressed, reached) = (
        outcome.measured.loads[0].all.offered,
        shown(&outcome, "notifier", "suppressed"),
        shown(&outcome, "notifier", "true_reached"),
    );
    // Not by mail, and then not by text message either.
    assert!(suppressed > 40, "only {suppressed}");
    assert_eq!(suppressed, 2 * (accepted - reached));
    let critical = ran(&product("    categories: {receipt: {opted_out: 30%, critical: true}}", "", SHOP));
    assert_eq!(shown(&critical, "notifier", "true_reached"), accepted);
}

#[test]
fn a_code_that_is_too_old_is_never_given_to_a_provider() {
    let codes = "    categories: {receipt: {channels: [sms], ttl: 1s}}";
    let slow = product(codes, "", SHOP).replace("mail-b: {ack_timeout: 300ms}}", "texts: {rate: 10/s}}");
    let outcome = ran(&slow);
    let expired = shown(&outcome, "notifier", "expired");
    assert!(expired > 50, "only {expired}");
    let (accepted, reached) =
        (shown(&outcome, "notifier", "accepted"), shown(&outcome, "notifier", "true_reached"));
    assert_eq!(accepted, expired + reached);
    let longest = shown(&outcome, "notifier", "wait_max_us.p2");
    assert!((900_000..1_000_000).contains(&longest), "{longest} us");
}

#[test]
fn the_urgent_go_first_where_a_provider_takes_less_than_there_is() {
    let notifier =
        "    categories: {code: {channels: [sms], priority: 0}, offer: {channels: [sms], priority: 3}}";
    let rest = "run: {duration: 10s, drain: 200s}
load:
  - {name: codes, to: notifier, rate: 2/s, mix: {code: 100%}}
  - {name: offers, to: notifier, rate: 30/s, mix: {offer: 100%}}";
    let limited =
        product(notifier, "", rest).replace("mail-b: {ack_timeout: 300ms}}", "texts: {rate: 10/s}}");
    let outcome = ran(&limited);
    let (urgent, other) =
        (shown(&outcome, "notifier", "wait_p99_us.p0"), shown(&outcome, "notifier", "wait_p99_us.p3"));
    assert!(urgent <= 1_000_000, "{urgent} us");
    assert!(other > 10 * urgent.max(100_000), "{other} us");
    assert_eq!(shown(&outcome, "notifier", "true_reached"), shown(&outcome, "notifier", "accepted"));
}

#[test]
fn each_defect_is_found_by_the_invariant_that_is_made_for_it() {
    let kinds = Kinds::default().with_test_kinds();
    let opted = "    categories: {receipt: {opted_out: 30%}}";
    let digest = "    categories: {receipt: {digest: {window: 2s}}}";
    let killed = format!(
        "{SHOP}\ntimeline:
  - {{at: 1s, for: 8s, id: a, fault: {{crash: {{service: mail-a, mode: process}}}}}}
  - {{at: 1s, for: 8s, id: b, fault: {{crash: {{service: mail-b, mode: process}}}}}}
  - {{at: 5s, for: 1s, id: killed, fault: {{crash: {{service: notifier, mode: process}}}}}}"
    );
    let cases = [
        ("test-notifier-swallows", "", SHOP, "notifications_delivered_once_or_more"),
        ("test-notifier-pushy", opted, SHOP, "opted_out_never"),
        ("test-notifier-digests-again", digest, SHOP, "digest_once"),
        ("test-notifier-loses-writes", "", &killed, "notifications_conserved"),
    ];
    for (kind, settings, rest, invariant) in cases {
        let sound = product(settings, "", rest);
        assert_eq!(broken(&run_plan(&plan(&sound), &kinds)), [""; 0], "{kind} without its defect");
        let defective = sound.replacen("kind: notifier\n", &format!("kind: {kind}\n"), 1);
        let outcome = run_plan(&plan_with(&defective, &kinds), &kinds);
        assert_eq!(broken(&outcome), [invariant], "{kind}");
    }
}

#[test]
fn taking_a_policy_out_changes_nothing_about_who_asks_for_what() {
    let with = ran(&product(
        "    categories: {receipt: {digest: {window: 2s}, opted_out: 30%}}",
        "    late_acks: 20%",
        SHOP,
    ));
    let without = ran(&product("", "", SHOP));
    let seen = |outcome: &Outcome| {
        let notifier = service(outcome, "notifier");
        (outcome.measured.loads[0].all.offered, notifier.all.arrivals, notifier.service)
    };
    assert_eq!(seen(&with), seen(&without));
}

/// A router whose receiver takes ten milliseconds; `day` is what fires.
fn on_call(router: &str, day: &str) -> String {
    format!(
        "services:
  alerts:
    kind: alert-router
    workers: unlimited
    key_labels: {{instance: 1, rack: 10}}
    calls: [{{to: pager, timeout: 1s}}]
{router}
  pager: {{kind: notification-provider, channel: push, workers: unlimited, service_time: 10ms}}
network: {{default: {{latency: 1ms}}}}
{day}"
    )
}

const FORTY: &str = "run: {duration: 4m, drain: 10s}
load: [{name: probes, to: alerts, stages: [{for: 8s, rate: 5/s}, {for: 232s, rate: 0/s}], mix: {down: 100%}, keys: {uniform: {items: 1_000_000}}}]";

#[test]
fn a_storm_is_one_notification_for_each_group_and_thousands_without_groups() {
    let day = |group_by: &str| {
        let route = format!("    route: {{group_by: {group_by}, group_wait: 10s, group_interval: 30s}}");
        ran(&on_call(&route, FORTY))
    };
    let (grouped, single) = (day("[alertname]"), day("[\"...\"]"));
    let alerts = shown(&grouped, "alerts", "alerts_distinct");
    assert!(alerts > 25, "only {alerts}");
    assert_eq!(shown(&grouped, "alerts", "notifications"), 1);
    assert_eq!(shown(&grouped, "alerts", "most_alerts_in_one"), alerts);
    assert_eq!(shown(&single, "alerts", "notifications"), alerts);
    for outcome in [grouped, single] {
        assert_eq!(shown(&outcome, "alerts", "alerts_told"), alerts);
    }
}

#[test]
fn an_unchanged_group_is_repeated_at_the_first_tick_after_the_repeat_interval() {
    let route = "    resolve_timeout: 1h\n    route: {group_by: [alertname], group_wait: 10s, group_interval: 30s, repeat_interval: 1m}";
    let outcome = ran(&on_call(route, FORTY));
    // A little after 10 s, and then each minute until 4 m 10 s.
    assert_eq!(shown(&outcome, "alerts", "notifications"), 4);
}

#[test]
fn silenced_and_inhibited_alerts_are_told_to_nobody_and_no_invariant_misses_them() {
    let silenced = ran(&on_call("    silences: [{match: [\"alertname=down\"]}]", FORTY));
    assert_eq!(shown(&silenced, "alerts", "notifications"), 0);
    let explained = "    route: {group_by: [alertname], group_wait: 10s, group_interval: 30s}
    inhibit: [{source: [\"alertname=rack_down\"], target: [\"alertname=down\"], equal: [rack]}]";
    let day = "run: {duration: 2m, drain: 10s}
load:
  - {name: probes, to: alerts, stages: [{for: 8s, rate: 5/s}, {for: 112s, rate: 0/s}], mix: {down: 100%}, keys: {uniform: {items: 10}}}
  - {name: racks, to: alerts, arrivals: {trace: '0ms rack_down 0'}}";
    let inhibited = ran(&on_call(explained, day));
    assert_eq!(shown(&inhibited, "alerts", "notifications"), 1, "the rack, and nothing in it");
    assert_eq!(shown(&inhibited, "alerts", "alerts_told"), 1);
}

#[test]
fn a_router_that_dies_does_not_tell_again_what_it_has_told() {
    let day = "run: {duration: 2m, drain: 10s}
load: [{name: probes, to: alerts, rate: 5/s, mix: {down: 100%}, keys: {uniform: {items: 5}}}]
timeline: [{at: 40s, for: 1s, id: killed, fault: {crash: {service: alerts, mode: process}}}]";
    let route = "    route: {group_by: [alertname], group_wait: 10s, group_interval: 20s}";
    let outcome = ran(&on_call(route, day));
    assert_eq!(shown(&outcome, "alerts", "crashes"), 1);
    assert_eq!(shown(&outcome, "alerts", "notifications"), 1, "it knows from its log whom it has told");
    let forgetful = ran(&on_call(&format!("    store: memory\n{route}"), day));
    assert_eq!(shown(&forgetful, "alerts", "notifications"), 2);
}

#[test]
fn routes_can_change_while_alerts_fire() {
    let route = "    route: {group_by: [alertname], group_wait: 10s, group_interval: 20s}";
    let day =
        format!("{FORTY}\ntimeline: [{{at: 60s, id: split, config: {{alerts.route.group_by: [instance]}}}}]");
    let outcome = ran(&on_call(route, &day));
    let alerts = shown(&outcome, "alerts", "alerts_distinct");
    assert_eq!(shown(&outcome, "alerts", "notifications"), 1 + alerts, "once together, then each by itself");
}

#[test]
fn a_router_that_swallows_notifications_is_found() {
    let kinds = Kinds::default().with_test_kinds();
    let day = FORTY.replace("rate: 5/s", "rate: 20/s");
    let sound = on_call("    route: {group_by: [\"...\"], group_wait: 10s, group_interval: 30s}", &day);
    assert_eq!(broken(&run_plan(&plan(&sound), &kinds)), [""; 0]);
    let defective = sound.replacen("kind: alert-router", "kind: test-alert-router-swallows", 1);
    assert_eq!(broken(&run_plan(&plan_with(&defective, &kinds), &kinds)), ["alerts_notified"]);
}

#[test]
fn an_operation_of_somebody_else_changes_nobodys_mind() {
    let alone = product("    categories: {receipt: {opted_out: 30%}}", "", SHOP);
    let beside = alone
        .replacen("services:\n", "services:\n  aside: {}\n", 1)
        .replace("load: [", "load: [{name: others, to: aside, rate: 1/s, mix: {first: 100%}}, ");
    let told = |text: &str| system(&ran(text), "notifier");
    assert!(told(&alone)["suppressed"] > 0);
    assert_eq!(told(&alone), told(&beside), "a category is known to chance by its name");
}
