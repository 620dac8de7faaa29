//! Payments that are long made: payers who take their money back, and files in which acquirers say what was moved.

use foreshock::nodes::Kinds;
use foreshock::run::Outcome;

use crate::harness::{broken, ends, found, plan_with, ran, run_plan, system};

/// A shop, a processor and an acquirer that tells it everything by calls that are tried again.
fn merchant(shop: &str, payments: &str, acquirer: &str, rest: &str) -> String {
    format!(
        "
run: {{duration: 20s, drain: 100s}}
services:
  shop: {{kind: payment-client, workers: unlimited, {shop} calls: [{{to: payments, timeout: 1s}}]}}
  payments: {{kind: payments, workers: unlimited, first_check_after: 500ms, check_interval: 500ms, {payments} calls: [{{to: acquirer, timeout: 300ms}}]}}
  acquirer:
    kind: payment-provider
    workers: unlimited
    service_time: 10ms
{acquirer}
    calls: [{{to: payments, timeout: 1s, retry: {{max_attempts: 10, backoff: {{kind: constant, base: 500ms}}}}}}]
network: {{default: {{latency: 1ms}}}}
load: [{{name: buyers, to: shop, rate: 10/s}}]
{rest}
"
    )
}

const RETRIES: &str = "retry: {max_attempts: 10, backoff: {kind: constant, base: 500ms}}";
const WAVE: &str = "    disputes: 30%\n    disputed_after: 10s\n    dispute_jitter: 5s\n    decided_after: 10s\n    disputes_won: 50%";
const KILLED: &str =
    "timeline: [{id: killed, at: 15s, for: 3s, fault: {crash: {service: payments, mode: host}}}]";
/// Orders reach the acquirer, and nothing of what it says reaches anybody, for longer than anybody asks.
const NOTHING_BACK: &str =
    "timeline: [{id: dark, at: 5s, for: 12s, fault: {loss: {link: acquirer -> payments, share: 100%}}}]";

/// What a service counts; what never happened is not shown.
fn count(outcome: &Outcome, service: &str, name: &str) -> u64 {
    system(outcome, service).get(name).copied().unwrap_or(0)
}

fn disputes(outcome: &Outcome) -> [u64; 3] {
    ["disputes_opened", "disputes_won", "disputes_lost"].map(|name| count(outcome, "acquirer", name))
}

#[test]
fn what_payers_take_back_stands_in_the_processors_books_to_the_last_coin() {
    let outcome = ran(&merchant("", "", WAVE, ""));
    let [opened, won, lost] = disputes(&outcome);
    assert!(opened > 30 && won > 5 && lost > 5 && won + lost == opened, "{opened} {won} {lost}");
    let charged_back = count(&outcome, "acquirer", "charged_back_minor");
    assert_eq!(charged_back, 10_000 * lost);
    assert_eq!(count(&outcome, "payments", "booked_charged_back_minor"), charged_back);
    assert_eq!(count(&outcome, "payments", "true_charged_back_minor"), charged_back);
    assert_eq!(count(&outcome, "payments", "disputed_minor"), 0, "all of them are decided");
    assert!(found(&outcome, "charged_back"));
}

#[test]
fn a_dispute_that_is_not_decided_is_held_back() {
    let outcome = ran(&merchant("", "", &WAVE.replace("decided_after: 10s", "decided_after: 1h"), ""));
    let [opened, won, lost] = disputes(&outcome);
    assert_eq!((won, lost), (0, 0));
    assert_eq!(count(&outcome, "payments", "disputed_minor"), 10_000 * opened);
}

#[test]
fn who_got_the_money_back_disputes_nothing_and_who_disputes_gets_no_refund_on_top() {
    let early = ran(&merchant("refund: 100%,", "", &WAVE.replace("disputes: 30%", "disputes: 100%"), ""));
    assert_eq!(disputes(&early), [0, 0, 0], "a refund is made at once, a dispute ten seconds later");
    let late =
        WAVE.replace("disputes: 30%", "disputes: 100%").replace("disputed_after: 10s", "disputed_after: 0s");
    let late = late.replace("dispute_jitter: 5s\n", "dispute_jitter: 0s\n").replace("won: 50%", "won: 0%");
    let outcome = ran(&merchant("refund: 100%,", "", &format!("{late}\n    webhook_delay: 30s"), ""));
    let [opened, _, lost] = disputes(&outcome);
    assert!(opened > 100 && lost == opened, "{opened} {lost}");
    assert_eq!(count(&outcome, "acquirer", "refunds_refused"), opened);
    assert_eq!(count(&outcome, "shop", "payers_down_minor"), 0);
}

#[test]
fn words_of_disputes_and_files_survive_a_power_cut_of_the_processor() {
    let acquirer = format!("{WAVE}\n    settlement_every: 4s\n    webhook_copies: 2");
    let outcome = ran(&merchant("attempts: 10,", "", &acquirer, KILLED));
    assert_eq!(count(&outcome, "payments", "crashes"), 1);
    assert_eq!(
        count(&outcome, "payments", "booked_charged_back_minor"),
        count(&outcome, "acquirer", "charged_back_minor")
    );
    assert_eq!(count(&outcome, "payments", "settlement_missing"), 0);
}

#[test]
fn an_acquirer_that_dies_tells_again_what_was_on_its_way() {
    let soon = WAVE
        .replace("disputed_after: 10s", "disputed_after: 2s")
        .replace("decided_after: 10s", "decided_after: 4s");
    let acquirer = format!("{soon}\n    settlement_every: 4s");
    // Nothing gets through, so that there is something on its way when it dies.
    let dies = "timeline:
  - {id: dark, at: 12s, for: 7s, fault: {loss: {link: acquirer -> payments, share: 100%}}}
  - {id: dies, at: 16s, for: 3s, fault: {crash: {service: acquirer, mode: process}}}";
    let outcome = ran(&merchant("", "", &acquirer, dies));
    let charged_back = count(&outcome, "acquirer", "charged_back_minor");
    assert!(charged_back > 0);
    assert_eq!(count(&outcome, "payments", "booked_charged_back_minor"), charged_back);
    assert_eq!(count(&outcome, "payments", "settlement_missing"), 0);
}

#[test]
fn disputes_and_files_change_nothing_of_who_comes_and_how_the_payments_end() {
    let plain = ends(&ran(&merchant("", "", "", "")));
    assert_eq!(plain, ends(&ran(&merchant("", "", &format!("{WAVE}\n    settlement_every: 4s"), ""))));
}

#[test]
fn every_movement_is_in_one_file_and_every_line_agrees_with_the_books() {
    let outcome = ran(&merchant("refund: 20%,", "", "    settlement_every: 3s", ""));
    let paid = count(&outcome, "shop", "paid");
    let refunded = count(&outcome, "shop", "refunded");
    assert!(paid > 100 && refunded > 10);
    assert_eq!(count(&outcome, "payments", "settlement_matched"), paid + refunded);
    for nothing in ["resolved", "mismatched", "not_ours", "missing"] {
        assert_eq!(count(&outcome, "payments", &format!("settlement_{nothing}")), 0, "{nothing}");
    }
    assert_eq!(count(&outcome, "acquirer", "lines_taken"), paid + refunded);
}

#[test]
fn a_file_says_what_became_of_what_nobody_told() {
    let run = |settlement: &str| {
        let acquirer = format!("    webhook_delay: 100ms\n{settlement}");
        let text = merchant("attempts: 1,", "max_checks: 2,", &acquirer, NOTHING_BACK);
        ran(&text.replace(RETRIES, "retry: {max_attempts: 2, backoff: {kind: constant, base: 100ms}}"))
    };
    let with = run("    settlement_every: 30s");
    let resolved = count(&with, "payments", "settlement_resolved");
    assert!(resolved > 20, "only {resolved}");
    assert!(count(&with, "payments", "unresolved") >= resolved);
    assert_eq!(count(&with, "payments", "in_doubt_minor"), 0);
    assert!(found(&with, "settled_by_file"));
    let without = run("");
    assert_eq!(count(&without, "payments", "in_doubt_minor"), 10_000 * resolved);
}

#[test]
fn a_file_that_nobody_took_is_part_of_the_next_one() {
    let cut =
        "timeline: [{id: cut, at: 8s, for: 20s, fault: {loss: {link: acquirer -> payments, share: 100%}}}]";
    let text = merchant("attempts: 1,", "", "    settlement_every: 10s", cut);
    let outcome =
        ran(&text.replace(RETRIES, "retry: {max_attempts: 2, backoff: {kind: constant, base: 100ms}}"));
    assert!(count(&outcome, "acquirer", "files_refused") > 0);
    assert_eq!(count(&outcome, "payments", "settlement_missing"), 0);
    assert_eq!(count(&outcome, "payments", "in_doubt_minor"), 0);
}

#[test]
fn each_mistake_about_chargebacks_is_found_by_its_invariant() {
    let kinds = Kinds::default().with_test_kinds();
    let flawed = |text: String| broken(&run_plan(&plan_with(&text, &kinds), &kinds)).join(" ");
    let forgetful =
        merchant("", "", WAVE, "").replace("kind: payments,", "kind: test-payments-ignore-disputes,");
    assert_eq!(flawed(forgetful), "money_conserved");
    let late =
        WAVE.replace("disputes: 30%", "disputes: 100%").replace("disputed_after: 10s", "disputed_after: 0s");
    let late = late.replace("dispute_jitter: 5s\n", "dispute_jitter: 0s\n");
    let generous = merchant("refund: 100%,", "", &format!("{late}\n    webhook_delay: 30s"), "")
        .replace("kind: payment-provider", "kind: test-provider-pays-back-twice");
    assert!(flawed(generous).contains("refunded_within_captured"));
}
