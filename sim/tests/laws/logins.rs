//! Logins: what a hash costs, who is throttled, what is revoked, who may do what, and what of it outlives a crash.

use foreshock::nodes::Kinds;
use foreshock::run::Outcome;

use crate::harness::{assert_balanced, broken, plan_with, ran, run_plan, service, shown, system};

fn scenario(login: &str, api: &str, apps: &str, rest: &str) -> String {
    format!(
        "
run: {{duration: 60s, drain: 10s}}
services:
  apps: {{kind: auth-client, workers: 5_000, service_time: {{constant: 100us}}, {apps} calls: [{{to: login, timeout: 1s}}, {{to: api, timeout: 2s}}]}}
  api: {{kind: token-verifier, workers: 64, service_time: {{constant: 1ms}}, {api} calls: [{{to: login, timeout: 500ms}}]}}
  login: {{kind: auth-server, workers: 200, service_time: {{constant: 100us}}, {login}}}
{rest}
"
    )
}

const USERS: &str = "load: [{name: users, to: apps, rate: 50/s, keys: {uniform: {items: 100}}, timeout: 5s}]";
/// Somebody tries passwords, forty a second, on the same hundred accounts.
const WITH_BOTS: &str = "
load:
  - {name: users, to: apps, rate: 50/s, keys: {uniform: {items: 100}}, timeout: 5s}
  - {name: bots, to: login, rate: 40/s, keys: {uniform: {items: 100}}, timeout: 5s}
";

#[test]
fn a_hash_takes_its_time_on_the_cores_and_a_login_that_is_refused_takes_none() {
    let busy_ms = |limits: &str| {
        let login = format!("cpu: {{cores: 1}}, hash_time: 20ms, token_life: 10m, {limits}");
        let outcome = ran(&scenario(&login, "", "", WITH_BOTS));
        let tried = shown(&outcome, "login", "logins_tried");
        // Whoever is worked on alone takes what it costs: with others, the core is shared.
        assert!(service(&outcome, "login").service.sum_ns / 1_000_000 >= u128::from(tried) * 20);
        (tried, outcome.measured.loads[0].all.offered)
    };
    let (all, offered) = busy_ms("guess_hits: 0%");
    let (few, same) = busy_ms("login_burst: 3, login_every: 30s");
    assert!(all > 2_300 && few < 700, "{all} against {few}");
    assert_eq!(offered, same, "a limit changes no arrival");
}

#[test]
fn tries_of_an_account_are_bounded_whatever_the_addresses_and_of_an_address_whatever_the_accounts() {
    let per_account =
        ran(&scenario("login_burst: 2, login_every: 30s, guess_addresses: 1_000", "", "", WITH_BOTS));
    // A hundred accounts for a minute: two each, and one after each half minute.
    let tried = shown(&per_account, "login", "guesses_tried");
    assert!(tried <= 100 * (2 + 2), "{tried}");
    assert!(shown(&per_account, "login", "logins_refused_account") > 1_500);
    let per_address =
        ran(&scenario("address_burst: 10, address_every: 10s, guess_addresses: 4", "", "", WITH_BOTS));
    let tried = shown(&per_address, "login", "guesses_tried");
    assert!(tried <= 4 * (10 + 7), "{tried}");
    assert_eq!(
        per_address.measured.loads[0].failed_total(),
        0,
        "people at home are not among those addresses"
    );
}

#[test]
fn a_lock_keeps_out_the_owner_too() {
    let refused = |lock: &str| {
        let login = format!("login_burst: 100, login_every: 1s, token_life: 5s, {lock}");
        let outcome = ran(&scenario(&login, "", "refresh_after: 100%, again_after: 10s,", WITH_BOTS));
        assert_balanced(&outcome);
        (shown(&outcome, "login", "logins_refused_locked"), outcome.measured.loads[0].failed_total())
    };
    assert_eq!(refused("").0, 0);
    let (locked, failed) = refused("lock_after: 3, lock_for: 20s");
    assert!(locked > 500 && failed > 0, "{locked} refused, {failed} of people's requests");
}

const LISTS: &str = "revocations_every: 2s, revocations_max_age: 6s,";

#[test]
fn a_revoked_token_is_accepted_no_longer_than_promised_though_the_issuer_is_out_of_sight() {
    const CUT: &str = "timeline: [{id: cut, at: 20s, for: 20s, fault: {partition: {between: [[api], [login]], mode: drop}}}]";
    let of = |api: &str, rest: &str| {
        let outcome = ran(&scenario("token_life: 2m", api, "stolen: 3%,", &format!("{USERS}\n{rest}")));
        assert_balanced(&outcome);
        system(&outcome, "api")
    };
    let quiet = of(LISTS, "");
    assert!(quiet["rejected_revoked"] > 30 && quiet["accepted_after_revocation_us"] < 2_100_000);
    assert!(!quiet.contains_key("rejected_revocations_unavailable"));
    let cut = of(LISTS, CUT);
    assert!(cut["accepted_after_revocation_us"] < 6_000_000);
    // From at most six seconds into the cut until it hears of the issuer again, it believes nobody.
    assert!((650..1_000).contains(&cut["rejected_revocations_unavailable"]), "{cut:?}");
    assert!(!of("", "").contains_key("rejected_revoked"), "who does not ask is told nothing");
}

const ROLES: &str = "
    roles: {clerk: {share: 60%, allow: \"orders.*\", deny: orders.refund}, chief: {share: 10%, inherits: clerk, allow: \"orders.*\"}, auditor: {share: 10%, allow: orders.refund}},
    permissions: {buy: orders.create, refund: orders.refund},";
const MIXED: &str = "load: [{name: users, to: apps, rate: 50/s, mix: {browse: 50%, buy: 30%, refund: 20%}, keys: {uniform: {items: 200}}, timeout: 5s}]";

#[test]
fn a_denial_is_an_answer_of_its_own_and_the_shares_of_roles_are_those_of_the_principals() {
    let outcome = ran(&scenario("", ROLES, "", MIXED));
    assert_balanced(&outcome);
    let api = system(&outcome, "api");
    assert_eq!(api["denied"], system(&outcome, "apps")["denied"]);
    assert_eq!(outcome.measured.loads[0].failed_total(), 0);
    // Half of all is browsing, for everybody. Of buying, the thirty per cent without a clerk's role are denied; of
    // refunding, all but the tenth that are auditors.
    let asked = api["denied"] + api["allowed"];
    assert!((20..35).contains(&(api["denied"] * 100 / asked)), "{api:?}");
    let plain = ran(&scenario("", "", "", MIXED));
    assert_eq!(plain.measured.loads[0].all.offered, outcome.measured.loads[0].all.offered);
}

#[test]
fn logins_outlive_a_power_cut_if_they_are_synced_and_their_owners_log_in_anew_if_not() {
    const CUT: &str =
        "timeline: [{id: power-cut, at: 30s, for: 1s, fault: {crash: {service: login, mode: host}}}]";
    for (kept, logged_out) in
        [("fsync: every_commit", false), ("fsync: never", true), ("store: memory", true)]
    {
        let login = format!("token_life: 10s, refresh_grace: 5s, {kept}");
        let outcome = ran(&scenario(&login, "", "", &format!("{USERS}\n{CUT}")));
        assert_balanced(&outcome);
        assert_eq!(shown(&outcome, "apps", "logged_out") > 0, logged_out, "{kept}");
    }
}

#[test]
fn each_mistake_is_caught_by_the_invariant_that_is_made_for_it() {
    let kinds = Kinds::default().with_test_kinds();
    let caught = |was: &str, is: &str, text: &str| {
        assert_balanced(&ran(text));
        let outcome: Outcome = run_plan(&plan_with(&text.replace(was, is), &kinds), &kinds);
        broken(&outcome).into_iter().map(str::to_string).collect::<Vec<_>>()
    };
    let revoked = scenario("token_life: 2m", LISTS, "stolen: 3%,", USERS);
    assert_eq!(
        caught("kind: token-verifier", "kind: test-verifier-deaf", &revoked),
        ["auth_revoked_refused"]
    );
    let roles = scenario("", ROLES, "", MIXED);
    assert_eq!(
        caught("kind: token-verifier", "kind: test-verifier-permissive", &roles),
        ["auth_denied_refused"]
    );
    let throttled = scenario("login_burst: 2, login_every: 30s", "", "", WITH_BOTS);
    assert_eq!(
        caught("kind: auth-server", "kind: test-auth-unguarded", &throttled),
        ["auth_failures_bounded"]
    );
    const CUT: &str =
        "timeline: [{id: power-cut, at: 30s, for: 1s, fault: {crash: {service: login, mode: host}}}]";
    let synced = scenario("token_life: 10s, fsync: every_commit", "", "", &format!("{USERS}\n{CUT}"));
    assert_eq!(caught("kind: auth-server", "kind: test-auth-unsynced", &synced), ["auth_families_kept"]);
}
