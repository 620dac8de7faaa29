//! Money in the simulator: who was really charged is counted beside what processors and switches write down of it, and
//! stays what it should be, wherever a process dies and whatever the network does.

use foreshock::nodes::Kinds;
use foreshock::run::{Detail, run};
use foreshock::scenario::{Files, Source, compile};

use crate::harness::{assert_balanced, broken, ends, found, plan, ran, run_plan, shown};

/// A shop, a processor and an acquirer that take no time beside a millisecond on each link and ten at the acquirer.
fn merchant(shop: &str, payments: &str, acquirer: &str, rest: &str) -> String {
    format!(
        "services:
  shop:
    kind: payment-client
    workers: unlimited
    calls: [{{to: payments, timeout: 1s}}]
{shop}
  payments:
    kind: payments
    workers: unlimited
    first_check_after: 500ms
    check_interval: 500ms
    calls: [{{to: acquirer, timeout: 300ms}}]
{payments}
  acquirer:
    kind: payment-provider
    workers: unlimited
    service_time: 10ms
    calls: [{{to: payments, timeout: 1s, retry: {{max_attempts: 10, backoff: {{kind: constant, base: 300ms}}}}}}]
{acquirer}
network: {{default: {{latency: 1ms}}}}
{rest}"
    )
}

const BUYERS: &str = "run: {duration: 10s, drain: 120s}\nload: [{name: buyers, to: shop, rate: 20/s}]";

#[test]
fn a_lost_answer_costs_a_payer_nothing_under_one_key_and_twice_the_price_under_a_new_one() {
    let lossy =
        "timeline: [{at: 2s, for: 5s, id: lost, fault: {loss: {link: payments -> shop, share: 20%}}}]";
    let with_key = |key: &str| {
        ran(&merchant(&format!("    key: {key}\n    attempts: 10"), "", "", &format!("{BUYERS}\n{lossy}")))
    };
    let (once, twice) = (with_key("order"), with_key("attempt"));
    assert_eq!(shown(&once, "shop", "orders_charged_twice"), 0);
    assert_eq!(shown(&once, "shop", "payers_down_minor"), 10_000 * shown(&once, "shop", "orders"));
    assert!(!found(&once, "charged_twice"));
    let doubled = shown(&twice, "shop", "orders_charged_twice");
    assert!(doubled > 5, "only {doubled}");
    assert!(found(&twice, "charged_twice"));
    // The same orders of the same payers: what differs is the policy alone.
    assert_eq!(shown(&once, "shop", "orders"), shown(&twice, "shop", "orders"));
}

#[test]
fn payments_that_are_put_away_change_nothing_that_is_counted_whether_the_processor_dies_or_not() {
    let crash =
        "timeline: [{at: 6s, for: 400ms, id: crash, fault: {crash: {service: payments, mode: host}}}]";
    for rest in ["", crash] {
        let rest = format!("{BUYERS}\n{rest}");
        let shop = "    refund: 20%\n    attempts: 10";
        let for_long = ran(&merchant(shop, "", "", &rest));
        let brief = "    payment_ttl: 20s\n    keep: 5s";
        let briefly = ran(&merchant(shop, brief, "    keep: 30s", &rest));
        for outcome in [&for_long, &briefly] {
            assert!(broken(outcome).is_empty(), "{:?}", broken(outcome));
        }
        for (system, count) in [
            ("shop", "paid"),
            ("shop", "refunded"),
            ("shop", "payers_down_minor"),
            ("payments", "payments"),
            ("payments", "booked_captured_minor"),
            ("payments", "booked_refunded_minor"),
            ("payments", "in_doubt_minor"),
            ("payments", "true_captured_minor"),
            ("payments", "true_refunded_minor"),
            ("acquirer", "taken_minor"),
            ("acquirer", "given_back_minor"),
        ] {
            let (long, brief) = (shown(&for_long, system, count), shown(&briefly, system, count));
            assert_eq!(long, brief, "{system}.{count}");
        }
    }
}

#[test]
fn a_duplicate_is_charged_by_exactly_the_try_that_outlives_its_key() {
    let lossy =
        "timeline: [{at: 2s, for: 5s, id: lost, fault: {loss: {link: payments -> shop, share: 30%}}}]";
    let kept_for = |ttl: &str| {
        let shop = "    attempts: 20\n    pause: 5s";
        ran(&merchant(shop, &format!("    key_ttl: {ttl}"), "", &format!("{BUYERS}\n{lossy}")))
    };
    // A second to notice and five to wait.
    assert!(shown(&kept_for("5900ms"), "shop", "orders_charged_twice") > 0);
    assert!(found(&kept_for("5900ms"), "charged_twice"));
    assert_eq!(shown(&kept_for("10m"), "shop", "orders_charged_twice"), 0);
}

/// One order, reserved, captured and given back, whose processor dies at an instant and is back 400 ms later.
fn one_order_with_a_crash(fsync: &str, at_us: u64) -> String {
    merchant(
        "    capture: manual\n    refund: 100%\n    attempts: 30\n    pause: 300ms",
        &format!("    fsync: {fsync}\n    max_checks: 20"),
        "    webhook_delay: 4ms",
        &format!(
            "run: {{duration: 1s, drain: 60s}}
load: [{{name: buyer, to: shop, arrivals: {{trace: '0ms'}}}}]
timeline: [{{at: {at_us}us, for: 400ms, id: crash, fault: {{crash: {{service: payments, mode: host}}}}}}]"
        ),
    )
}

#[test]
fn wherever_the_processor_dies_the_payer_has_paid_once_and_got_it_back_once() {
    for fsync in ["every_commit", "{group: {commits: 4, wait: 2ms}}"] {
        // The whole story takes about 60 ms; every half of a millisecond of it is a place to die.
        for place in 0..120 {
            let outcome = ran(&one_order_with_a_crash(fsync, 300 + 500 * place));
            let (captured, refunded) = (
                shown(&outcome, "payments", "true_captured_minor"),
                shown(&outcome, "payments", "true_refunded_minor"),
            );
            assert_eq!((captured, refunded), (10_000, 10_000), "{fsync}, place {place}");
            assert_eq!(
                shown(&outcome, "payments", "booked_captured_minor"),
                captured,
                "{fsync}, place {place}"
            );
            assert_eq!(
                shown(&outcome, "payments", "booked_refunded_minor"),
                refunded,
                "{fsync}, place {place}"
            );
        }
    }
}

#[test]
fn without_syncs_some_of_these_crashes_lose_money_and_the_books_say_so() {
    let kinds = Kinds::default();
    let caught = (0..30).filter(|place| {
        let outcome = run_plan(&plan(&one_order_with_a_crash("never", 300 + 2_000 * place)), &kinds);
        let broken = broken(&outcome);
        assert!(
            broken.iter().all(|id| ["money_conserved", "confirmed_is_charged", "charged_once"].contains(id))
        );
        !broken.is_empty()
    });
    assert!(caught.count() > 3);
}

#[test]
fn a_store_in_memory_forgets_everything_and_that_is_seen() {
    let text = one_order_with_a_crash("every_commit", 45_000).replace("fsync: every_commit", "store: memory");
    let outcome = run_plan(&plan(&text), &Kinds::default());
    assert!(broken(&outcome).contains(&"money_conserved"), "{:?}", broken(&outcome));
}

#[test]
fn webhooks_in_any_order_and_number_end_in_the_same_books() {
    let told = |acquirer: &str| {
        let acquirer = format!("    pending: 50%\n    settles_after: 200ms\n    decline: 10%\n{acquirer}");
        let text = merchant("    refund: 30%\n    attempts: 100\n    pause: 1s", "", &acquirer, BUYERS);
        let asks_early = "first_check_after: 500ms\n    check_interval: 500ms";
        let outcome = ran(&text.replace(asks_early, "first_check_after: 50s\n    max_checks: 1"));
        ["booked_captured_minor", "booked_refunded_minor", "in_doubt_minor", "payments"]
            .map(|name| shown(&outcome, "payments", name))
    };
    let in_order = told("    webhook_delay: 1ms");
    assert_eq!(in_order[2], 0);
    assert_eq!(told("    webhook_jitter: 20s\n    webhook_copies: 4"), in_order);
    assert_eq!(told("    webhook_jitter: 3s\n    answer_lost: 20%"), in_order);
}

#[test]
fn what_webhooks_do_changes_nothing_for_orders_that_do_not_wait_for_them() {
    let with = |acquirer: &str| {
        let outcome = ran(&merchant("    amount: {min: 1, max: 99_999}", "", acquirer, BUYERS));
        let facts = ["orders", "payers_down_minor", "refused"].map(|name| shown(&outcome, "shop", name));
        (ends(&outcome), facts)
    };
    let (journal, facts) = with("    decline: 20%");
    assert!(facts[2] > 10);
    assert_eq!(with("    decline: 20%\n    webhook_copies: 7\n    webhook_jitter: 1s"), (journal, facts));
}

#[test]
fn a_soft_decline_goes_to_the_next_acquirer_only_if_the_policy_says_so() {
    let failing_over = |failover: &str| {
        let text = merchant("", &format!("    failover: {failover}"), "    decline: 100%", BUYERS);
        let second = "  second: {kind: payment-provider, workers: unlimited, service_time: 5ms}\nnetwork:";
        let text = text.replacen("network:", second, 1);
        ran(&text.replace(
            "{to: acquirer, timeout: 300ms}",
            "{to: acquirer, timeout: 300ms}, {to: second, timeout: 300ms}",
        ))
    };
    let (strict, trying) = (failing_over("not_processed"), failing_over("soft_decline"));
    assert_eq!(shown(&strict, "shop", "paid"), 0);
    assert_eq!(shown(&trying, "shop", "paid"), shown(&trying, "shop", "orders"));
    assert_eq!(shown(&trying, "payments", "failovers"), shown(&trying, "shop", "orders"));
}

#[test]
fn settings_of_a_processor_and_a_provider_change_while_they_run() {
    let decline = "timeline: [{at: 5s, id: decline, config: {acquirer.decline: 100%}}]";
    let outcome = ran(&merchant("", "", "", &format!("{BUYERS}\n{decline}")));
    let (paid, refused) = (shown(&outcome, "shop", "paid"), shown(&outcome, "shop", "refused"));
    assert!(paid.abs_diff(100) < 40 && refused.abs_diff(100) < 40, "{paid} paid, {refused} refused");

    let forget = "timeline:
  - {at: 2s, id: forget, config: {payments.key_ttl: 1s}}
  - {at: 3s, for: 5s, id: lost, fault: {loss: {link: payments -> shop, share: 30%}}}";
    let outcome = ran(&merchant("    attempts: 20", "", "", &format!("{BUYERS}\n{forget}")));
    assert!(shown(&outcome, "shop", "orders_charged_twice") > 0 && found(&outcome, "charged_twice"));
}

/// An app, a switch and two banks; a bank takes five milliseconds.
fn transfers(app: &str, switch: &str, rest: &str) -> String {
    format!(
        "services:
  app:
    kind: upi-psp
    workers: unlimited
    think: 10ms
    calls: [{{to: switch, timeout: 1s}}]
{app}
  switch:
    kind: upi-switch
    workers: unlimited
    service_time: 1ms
    leg_timeout: 500ms
    auth_timeout: 500ms
    settle_interval: 700ms
    calls: [{{to: app, timeout: 1s}}, {{to: east, timeout: 1s}}, {{to: west, timeout: 1s}}]
{switch}
  east: &bank {{kind: upi-bank, accounts: 50, workers: unlimited, service_time: 5ms, calls: [{{to: switch, timeout: 1s}}]}}
  west: *bank
network: {{default: {{latency: 1ms}}}}
{rest}"
    )
}

const PAYERS: &str = "run: {duration: 5s, drain: 60s}\nload: [{name: payers, to: app, rate: 20/s}]";

#[test]
fn a_transfer_whose_credit_is_not_answered_is_deemed_and_the_suspense_returns_to_nothing() {
    let mute = "timeline: [{at: 1s, for: 3s, id: mute, fault: {partition: {between: [[west], [switch]], one_way: true, mode: drop}}}]";
    let outcome = ran(&transfers("    collect: 30%", "", &format!("{PAYERS}\n{mute}")));
    let of = |name: &str| shown(&outcome, "switch", name);
    assert!(shown(&outcome, "app", "deemed") > 5);
    assert!(of("suspense_max_minor") > 0 && of("reversed") > 5);
    assert_eq!((of("suspense_minor"), of("unsettled")), (0, 0));
    assert_eq!(of("credited") + of("reversed"), of("debited"));
}

#[test]
fn wherever_the_switch_dies_a_transfer_is_credited_or_given_back() {
    for place in 0..40 {
        let crash = format!(
            "run: {{duration: 1s, drain: 60s}}
load: [{{name: payer, to: app, arrivals: {{trace: '0ms,1ms,2ms'}}}}]
timeline: [{{at: {}us, for: 100ms, id: crash, fault: {{crash: {{service: switch, mode: host}}}}}}]",
            200 + 750 * place
        );
        let outcome = ran(&transfers("    collect: 50%\n    patience: 2s", "", &crash));
        assert_eq!(shown(&outcome, "switch", "suspense_minor"), 0, "place {place}");
        assert_eq!(shown(&outcome, "switch", "unsettled"), 0, "place {place}");
    }
}

#[test]
fn the_limiter_refuses_hasty_status_checks_before_they_cost_anything() {
    let app = "    checks: eager\n    first_check_after: 5ms\n    check_interval: 2ms\n    check_window: 1s";
    let with = |limiter: &str| {
        let outcome = ran(&transfers(app, &format!("    limiter: {limiter}"), PAYERS));
        ["messages.status_check", "checks_refused"].map(|name| shown(&outcome, "switch", name))
    };
    let ([polled, refused], [worked, turned_down]) = (with("false"), with("true"));
    assert!(polled > 300 && refused == 0, "{polled} polled, {refused} refused");
    assert!(worked == 0 && turned_down > 50, "{worked} worked on, {turned_down} refused");
}

#[test]
fn the_plan_of_status_checks_and_the_limiter_change_while_it_runs() {
    let app = "    first_check_after: 5ms\n    check_interval: 2ms\n    check_window: 1s\n    checks: never";
    let config = "timeline:\n  - {at: 1s, id: eager, config: {app.checks: eager}}\n  - {at: 3s, id: limit, config: {switch.limiter: true}}";
    let outcome = ran(&transfers(app, "    limiter: false", &format!("{PAYERS}\n{config}")));
    assert!(shown(&outcome, "switch", "messages.status_check") > 100);
    assert!(shown(&outcome, "switch", "checks_refused") > 20);
}

#[test]
fn each_defect_is_found_by_the_invariant_that_is_made_for_it() {
    let kinds = Kinds::default().with_test_kinds();
    let lost = |link: &str| {
        format!(
            "{BUYERS}\ntimeline: [{{at: 2s, for: 5s, id: lost, fault: {{loss: {{link: {link}, share: 20%}}}}}}]"
        )
    };
    let shop = "    capture: manual\n    refund: 30%\n    attempts: 10";
    let cases = [
        ("test-payments-charge-again", "captured_once", lost("acquirer -> payments")),
        ("test-payments-take-too-much", "captured_within_authorized", BUYERS.to_string()),
        ("test-payments-refund-twice", "refunded_within_captured", BUYERS.to_string()),
        ("test-payments-lose-balances", "ledger_balanced", BUYERS.to_string()),
        ("test-payments-confirm-unasked", "confirmed_is_charged", lost("payments -> acquirer")),
        ("test-payments-ignore-keys", "charged_once", lost("payments -> shop")),
    ];
    for (kind, invariant, rest) in cases {
        let sound = merchant(shop, "", "", &rest);
        assert_balanced(&run_plan(&plan(&sound), &kinds));
        let text = sound.replace("kind: payments\n", &format!("kind: {kind}\n"));
        let outcome = run_plan(&crate::harness::plan_with(&text, &kinds), &kinds);
        assert!(broken(&outcome).contains(&invariant), "{kind}: {:?}", broken(&outcome));
    }
    let mute = "timeline: [{at: 1s, for: 3s, id: lost, fault: {loss: {link: west -> switch, share: 20%}}}]";
    let cases = [("test-upi-bank-forgetful", "upi_one_outcome"), ("test-upi-bank-generous", "upi_conserved")];
    for (kind, invariant) in cases {
        let sound = transfers("", "", &format!("{PAYERS}\n{mute}"));
        assert_balanced(&run_plan(&plan(&sound), &kinds));
        let text = sound.replace("kind: upi-bank", &format!("kind: {kind}"));
        let outcome = run_plan(&crate::harness::plan_with(&text, &kinds), &kinds);
        assert!(broken(&outcome).contains(&invariant), "{kind}: {:?}", broken(&outcome));
    }
}

#[test]
fn books_that_are_not_kept_change_nothing_that_happens_to_money() {
    let crash = "timeline: [{at: 4s, for: 1s, id: crash, fault: {crash: {service: payments, mode: host}}}]";
    let text = merchant("    refund: 20%\n    attempts: 10", "", "", &format!("{BUYERS}\n{crash}"));
    let (plan, kinds) = (plan(&text), Kinds::default());
    let with = run(&plan, plan.seed, &[], &kinds, &Detail::default()).expect("there are no edits");
    let without = Detail { without_books: true, ..Detail::default() };
    let without = run(&plan, plan.seed, &[], &kinds, &without).expect("there are no edits");
    assert_eq!((with.fingerprint, with.events), (without.fingerprint, without.events));
    assert_balanced(&with);
    assert!(with.measured.money.is_some() && without.measured.money.is_none());
}

struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _relative: &str) -> Result<String, String> {
        Err("there are no files".to_string())
    }
}

#[test]
fn what_cannot_be_is_refused_with_a_reason_and_a_place() {
    let cases = [
        ("kind: payments\n", "kind: payments\n    replicas: 2\n", "at most 1 replica, this one gets 2"),
        ("kind: payments\n", "kind: payments\n    fsinc: never\n", "did you mean `fsync`?"),
        ("kind: payments\n", "kind: payments\n    fsync: never\n    store: memory\n", "nothing to sync"),
        ("kind: payments\n", "kind: payments\n    fsync: {group: {commits: 3}}\n", "`wait` is missing"),
        ("kind: payments\n", "kind: payments\n    key_ttl: 0s\n", "no time at all"),
        ("kind: payment-client\n", "kind: payment-client\n    key: ordre\n", "did you mean `order`?"),
        (
            "kind: payment-client\n",
            "kind: payment-client\n    amount: {min: 5, max: 2}\n",
            "min is above max",
        ),
        (
            "kind: payment-provider\n",
            "kind: payment-provider\n    decline: 60%\n    hard_decline: 50%\n",
            "more than all",
        ),
        (
            "kind: payment-provider\n",
            "kind: payment-provider\n    disputes_won: 50%\n",
            "has no effect without `disputes`",
        ),
        (
            "kind: payment-provider\n    workers: unlimited\n    service_time: 10ms\n    calls:",
            "kind: payment-provider\n    settlement_every: 1m\n    pools: {} # calls:",
            "tells the processor, and this provider calls none",
        ),
        ("kind: payments\n", "kind: upi-switch\n", "a switch has no setting `check_interval`"),
    ];
    let sound = format!("version: 1\nname: case\n{}", merchant("", "", "", BUYERS));
    for (before, after, message) in cases {
        let text = sound.replacen(before, after, 1);
        let refused =
            compile(Source { name: "case.yaml", text: text.as_bytes() }, &NoFiles, &Kinds::default());
        let error = refused.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(message) && error.contains("case.yaml:"), "{after}: {error}");
    }
}

#[test]
fn calls_in_a_circle_are_refused_unless_a_kind_on_it_makes_them_by_itself() {
    let circle = |kind: &str| {
        let text = format!(
            "version: 1
name: case
run: {{duration: 1s}}
services:
  a: {{kind: {kind}, calls: [{{to: b}}]}}
  b: {{calls: [{{to: a}}]}}
load: [{{name: users, to: b, rate: 1/s}}]"
        );
        let compiled =
            compile(Source { name: "case.yaml", text: text.as_bytes() }, &NoFiles, &Kinds::default());
        compiled.err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert!(circle("service").contains("the calls go in a circle"));
    assert_eq!(circle("payment-provider"), "");
}

#[test]
fn a_service_that_nobody_calls_changes_no_transfer() {
    let alone = transfers("    collect: 30%", "", PAYERS)
        .replace("{latency: 1ms}", "{latency: {exponential: {mean: 2ms}}}");
    let beside = alone.replacen("services:\n", "services:\n  aside: {}\n", 1);
    assert_eq!(ends(&ran(&alone)), ends(&ran(&beside)), "who is asked is known to chance by its name");
}
