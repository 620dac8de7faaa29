//! Auth: tokens through rotation, lost answers, skewed clocks and herds.

use foreshock::nodes::Kinds;

use crate::harness::{assert_balanced, broken, plan_with, ran, run_plan, system};

fn scenario(login: &str, api: &str, apps: &str, rest: &str) -> String {
    format!(
        "
run: {{duration: 100s, drain: 10s}}
services:
  apps: {{kind: auth-client, workers: 5_000, service_time: {{constant: 100us}}, {apps} calls: [{{to: login, timeout: 300ms}}, {{to: api, timeout: 2s}}]}}
  api: {{workers: 64, service_time: {{constant: 1ms}}, {api}, calls: [{{to: login, timeout: 500ms}}]}}
  login: {{workers: 16, service_time: {{constant: 2ms}}, {login}}}
load:
  - {{name: users, to: apps, rate: 50/s, keys: {{uniform: {{items: 100}}}}, timeout: 5s}}
{rest}
"
    )
}

const API: &str = "kind: token-verifier, replicas: 2, keys_ttl: 10s, unknown_every: 10m";

#[test]
fn sessions_log_in_once_and_refresh_in_time_and_every_token_is_accepted() {
    let outcome = ran(&scenario("kind: auth-server, token_life: 20s", API, "", ""));
    assert_balanced(&outcome);
    assert_eq!(broken(&outcome), Vec::<&str>::new());
    let (login, api) = (system(&outcome, "login"), system(&outcome, "api"));
    assert_eq!(login["logins"], system(&outcome, "apps")["sessions"]);
    assert!(login["refreshes"] > 300);
    assert_eq!(api["tokens_accepted"], outcome.measured.loads[0].all.offered);
}

#[test]
fn a_rotation_that_publishes_first_rejects_nobody_and_one_that_signs_first_does() {
    let rejected = |publish: &str, keep: &str| {
        let login = format!(
            "kind: auth-server, token_life: 20s, rotate_every: 27s, publish_before: {publish}, keep_after: {keep}"
        );
        let outcome = ran(&scenario(&login, API, "", ""));
        assert!(system(&outcome, "login")["key_rotations"] >= 3);
        system(&outcome, "apps")["tokens_rejected"]
    };
    assert_eq!(rejected("12s", "85s"), 0);
    // Verifiers fetch keys every ten seconds, which is never when a key changes.
    assert!(rejected("0s", "0s") > 100);
}

#[test]
fn a_lost_answer_logs_nobody_out_within_the_grace_and_does_without_one() {
    const LOSSY: &str =
        "timeline: [{id: lossy, at: 20s, for: 60s, fault: {loss: {link: login -> apps, share: 20%}}}]";
    let logged_out = |grace: &str| {
        let login = format!("kind: auth-server, token_life: 10s, refresh_grace: {grace}");
        let outcome = ran(&scenario(&login, API, "", LOSSY));
        assert_eq!(broken(&outcome), Vec::<&str>::new());
        (system(&outcome, "apps")["logged_out"], system(&outcome, "login")["refreshes_repeated"])
    };
    let (with, repeated) = logged_out("30s");
    assert!(with == 0 && repeated > 20, "{with} logged out, {repeated} repeated");
    assert!(logged_out("0s").0 > 20);
}

#[test]
fn a_lax_verifier_and_a_forgiving_issuer_are_caught() {
    const BEHIND: &str =
        "timeline: [{id: behind, at: 50s, for: 40s, fault: {clock: {service: api, skew: \"+9s\"}}}]";
    const LOSSY: &str =
        "timeline: [{id: lossy, at: 20s, for: 60s, fault: {loss: {link: login -> apps, share: 20%}}}]";
    let kinds = Kinds::default().with_test_kinds();
    let early = "refresh_after: 100%,";
    let with = |kind: &str| {
        let api = format!("kind: {kind}, leeway: 5s");
        run_plan(
            &plan_with(&scenario("kind: auth-server, token_life: 20s", &api, early, BEHIND), &kinds),
            &kinds,
        )
    };
    assert_eq!(broken(&with("token-verifier")), Vec::<&str>::new());
    assert_eq!(broken(&with("test-verifier-lax")), ["auth_token_times"]);
    let with = |kind: &str| {
        let login = format!("kind: {kind}, token_life: 10s, refresh_grace: 0s");
        run_plan(&plan_with(&scenario(&login, API, "", LOSSY), &kinds), &kinds)
    };
    assert_eq!(broken(&with("auth-server")), Vec::<&str>::new());
    assert_eq!(broken(&with("test-auth-forgives")), ["auth_reuse_ends_family"]);
}
