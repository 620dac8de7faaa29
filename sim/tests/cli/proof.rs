//! `verify` proves what is deterministic and catches what is not.

use crate::files::{CALM, Folder};

#[test]
fn a_deterministic_scenario_is_proved_over_processes_agendas_and_tracing() {
    let folder = Folder::with_scenarios("proved", &[("calm.yaml", CALM)]);
    let done = folder.foreshock("verify scenarios/calm.yaml --seed 3 --set services.shop.workers=2");
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.starts_with("calm: deterministic\n  seed 3, "), "{}", done.out);
    assert!(done.out.contains("first process, second process, other agenda, with tracing"), "{}", done.out);
    let other = folder.foreshock("verify scenarios/calm.yaml --seed 4 --set services.shop.workers=2");
    assert_ne!(done.out, other.out, "another seed is another run");
}

#[test]
fn a_kind_that_reads_something_of_its_process_is_caught_at_the_first_event_it_changes() {
    let careless = CALM.replace("shop: {workers: 4, queue: {capacity: 16}, ", "shop: {kind: test-address, ");
    let folder = Folder::with_scenarios("caught", &[("careless.yaml", &careless)]);
    let unknown = folder.foreshock("verify scenarios/careless.yaml");
    assert_eq!(unknown.code, 3, "{unknown:?}");

    let caught = folder.foreshock("verify scenarios/careless.yaml --with-test-kinds");
    assert_eq!(caught.code, 4, "{caught:?}");
    assert!(caught.out.contains("calm: NOT deterministic"), "{}", caught.out);
    assert!(caught.out.contains("the first differing event is number "), "{}", caught.out);
    assert!(caught.out.contains("second process"), "{}", caught.out);
    let reproduce = "reproduce: foreshock verify scenarios/careless.yaml --seed 42 --with-test-kinds";
    assert!(caught.out.contains(reproduce), "{}", caught.out);
}

#[test]
fn a_scenario_that_must_fail_may_use_a_kind_that_loses_requests_and_is_caught() {
    let forgetful = CALM.replace("shop: {workers: 4", "shop: {kind: test-forgetful, workers: 4")
        + "expect: {verdict: fail, failing: [conservation_services]}\n";
    let folder = Folder::with_scenarios("forgetful", &[("negative/forgets.yaml", &forgetful)]);
    let done = folder.foreshock("run scenarios/negative/forgets.yaml");
    assert!(done.out.contains("invariant conservation_services BROKEN"), "{}{}", done.out, done.err);
}
