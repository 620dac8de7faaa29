//! What is wrong with settings of logs that are shipped, of issuers and of verifiers is told where it stands, all at once.

use foreshock::nodes::Kinds;
use foreshock::scenario::{Files, Source, compile};

struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _relative: &str) -> Result<String, String> {
        Err("there are no files here".to_string())
    }
}

const WRONG: &str = "version: 1
name: bad
run: {duration: 5m}
services:
  shop: {kind: logging-service, replicas: 2, disk_space: 1KiB}
  idle: {kind: log-shipper, calls: [{to: archive, timeout: 1s}]}
  astray: {kind: log-shipper, reads: shpo, calls: [{to: archive, timeout: 1s}]}
  alone: {kind: log-shipper, reads: shop, calls: [{to: archive, timeout: 1s}]}
  archive: {kind: log-store, out_of_order: sort, keep: 0}
  login: {kind: auth-server, login_every: 0s}
  hasty: {kind: token-verifier, revocations_every: 30s, calls: [{to: login, timeout: 1s}]}
  strict: {kind: token-verifier, roles: {clerk: {share: 80%, inherits: stuff}}, permissions: {default: 3}, calls: [{to: login, timeout: 1s}]}
  unasked: {kind: token-verifier, roles: {clerk: {allow: a.b}}, permissions: {buy: a.b}, calls: [{to: login, timeout: 1s}]}
load: [{name: users, to: shop, rate: 1/s}]
";

const TOLD: [&str; 12] = [
    "5:58: error: 1024 B hold no log",
    "6:9: error: a shipper says whose files it `reads`",
    "7:31: error: no service of that name writes a log; did you mean `shop`?",
    "8:30: error: `shop` has 2 replicas and its shipper 1: each needs one of its own",
    "9:44: error: `sort` is not known here",
    "9:56: error: must be at least 1",
    "10:43: error: no time at all",
    "11:52: error: a list is asked for before it is too old",
    "12:41: error: are asked for nothing",
    "12:72: error: there is no role `stuff`",
    "12:104: error: is no permission; write `orders.create`",
    "13:79: error: no request is of the operation `buy`; known here: `default`",
];

#[test]
fn every_mistake_is_told_with_its_place_and_what_to_do() {
    let source = Source { name: "case.yaml", text: WRONG.as_bytes() };
    let error = compile(source, &NoFiles, &Kinds::default()).expect_err("it is all wrong").to_string();
    let missing: Vec<&str> = TOLD.into_iter().filter(|told| !error.contains(*told)).collect();
    assert!(missing.is_empty(), "{missing:#?} is not in:\n{error}");
}
