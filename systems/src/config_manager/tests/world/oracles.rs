//! What has to hold at any instant, and what in the end: each invariant by its number, checked against whole
//! configurations.

use super::*;
use crate::config_manager::linearizability;
use crate::config_manager::watch_log;

impl World {
    pub(super) fn hear(&mut self, index: usize, changes: &ChangeSet) {
        let process = &mut self.processes[index];
        let mut is_seamless = changes.revision >= process.heard_revision;
        process.heard_revision = changes.revision;
        for change in &changes.changes {
            let old = change.old.as_ref().map(|old| Value::clone(&old.value));
            let before = match &change.new {
                Some(new) => process.heard.insert(change.name.clone(), Value::clone(&new.value)),
                None => process.heard.remove(&change.name),
            };
            is_seamless &= before == old;
        }
        if !is_seamless {
            self.problems.insert("5: a listener is told something that does not follow");
        }
    }

    /// What has to hold at any instant.
    pub(super) fn check(&mut self) {
        for (index, process) in self.processes.iter_mut().enumerate() {
            let Some(client) = &mut process.client else { continue };
            process.logs.last_mut().expect("one for each life").extend(client.take_log());
            let seen = values(client);
            let revision = client.snapshot().revision();
            let should = process.truth.states.get(&revision).map(by_name).unwrap_or_default();
            if client.origin().is_some_and(|origin| origin != Origin::Local) && seen != should {
                self.problems.insert("3: a snapshot is not one revision");
            }
            if seen.get("pair.a") != seen.get("pair.b") {
                self.problems.insert("3: half a release is seen");
            }
            let marker = seen.get("marker").and_then(Value::as_integer);
            let rule = marker.and_then(|marker| self.markers.get(&marker)?.as_ref());
            if rule.is_some_and(|rule| !rule.reaches(&instance(index))) {
                self.problems.insert("7: a canary reached somebody else");
            }
            if seen.get("limit").and_then(Value::as_integer).is_some_and(|limit| !(0..=100).contains(&limit))
            {
                self.problems.insert("9: a value that is not allowed is effective");
            }
        }
    }

    /// Ends all faults, waits as long as it may take, and checks what has to hold in the end.
    pub(in crate::config_manager::tests) fn finish(&mut self) {
        self.loss_percent = 0;
        self.raise_server();
        for index in 0..CLIENTS {
            self.cut(index, false);
            self.start_client(index);
        }
        self.pass(CONVERGED_WITHIN);
        for writer in 0..WRITERS {
            self.write(writer);
            self.pass(Span::from_millis(100));
        }
        let last = self.effective();
        for (index, process) in self.processes.iter().enumerate() {
            let Some(client) = &process.client else { continue };
            if values(client) == last[index] && client.age(self.now) <= Span::from_secs(2) {
                self.converged += 1;
            } else {
                self.problems.insert("4: a client does not have the last release");
            }
            if process.heard != last[index] {
                self.problems.insert("5: a listener does not know the last release");
            }
            for log in &process.logs {
                for violation in watch_log::violations(log, &process.truth.events) {
                    self.problems.insert(match violation.guarantee() {
                        watch_log::Guarantee::Ordered => "1: not ordered",
                        watch_log::Guarantee::Unique => "1: not unique",
                        watch_log::Guarantee::Atomic => "1: not atomic",
                        watch_log::Guarantee::Reliable => "1: not reliable",
                        watch_log::Guarantee::Resumable => "1: not resumable",
                        watch_log::Guarantee::Bookmarkable => "1: not bookmarkable",
                    });
                }
            }
        }
        // What nobody read the answer of says nothing about reads.
        let answered =
            |operation: &&Operation| operation.ended != Time::MAX || !matches!(operation.act, Act::Read(_));
        let operations: Vec<Operation> = self.operations.iter().filter(answered).copied().collect();
        if linearizability::check(&operations).is_err() {
            self.problems.insert("2: compare-and-set is not linearizable");
        }
    }

    pub(in crate::config_manager::tests) fn revision(&self, index: usize) -> Revision {
        self.processes[index].client.as_ref().map_or(Revision::ZERO, |client| client.snapshot().revision())
    }

    pub(in crate::config_manager::tests) fn age(&self, index: usize) -> Span {
        self.processes[index].client.as_ref().map_or(Span::MAX, |client| client.age(self.now))
    }

    pub(in crate::config_manager::tests) fn resyncs(&self) -> u64 {
        let clients = self.processes.iter().filter_map(|process| process.client.as_ref());
        clients.map(|client| client.counters().resyncs).sum()
    }
}
