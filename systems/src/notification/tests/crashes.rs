//! Power cuts at every step of the disk: whatever the step, every trigger that was given, and given again as a client does
//! who got no answer, arrives once, and everything is counted.

use super::message_world::{ANN, BOB, CODE, DIGEST, LADDER, MAIL_A, PLAIN, config, templates, trigger};
use crate::notification::delivery::*;
use crate::notification::dispatch::{self, DispatchConfig, Dispatcher};
use crate::notification::{GroupBy, Labels, RouteConfig};
use crate::store::{FsyncPolicy, PowerCut, SimDisk, WalConfig, WalStore};
use crate::time::{Span, Time};
use std::collections::{BTreeMap, BTreeSet};

type Disk = WalStore<SimDisk>;

fn wal(fsync: FsyncPolicy) -> WalConfig {
    WalConfig { fsync, compact_above_bytes: 4_000 }
}

fn store(disk: SimDisk, fsync: FsyncPolicy) -> Disk {
    WalStore::open(disk, wal(fsync)).expect("the log is whole").0
}

fn open(store: Disk, now: Time, sabotage: Option<Sabotage>) -> Delivery<Disk> {
    Delivery::open(store, config(), templates(), now).unwrap().sabotaged(sabotage)
}

/// A run that may die once.
struct Run {
    delivery: Option<Delivery<Disk>>,
    fsync: FsyncPolicy,
    sabotage: Option<Sabotage>,
    now: Time,
    died: bool,
    answers: BTreeMap<(Time, u64), (MessageId, u32)>,
    sent: u64,
    /// What arrived, by the provider's key.
    keys: BTreeSet<(ProviderId, String)>,
    arrived: BTreeMap<(String, RecipientId, Channel), u32>,
}

impl Run {
    fn delivery(&mut self) -> &mut Delivery<Disk> {
        self.delivery.as_mut().expect("it is only gone while it is opened again")
    }

    /// Carries out what came, or comes back from the dead. Whether it was carried out.
    fn after(&mut self, result: Result<(), Rejected>, out: Vec<Output>) -> bool {
        for output in out {
            if let Output::Send(order) = output {
                self.serve(&order);
            }
        }
        let Err(error) = result else { return true };
        let is_store = matches!(error, Rejected::Store(_));
        if is_store {
            self.died = true;
            let disk = self.delivery.take().expect("it is there").into_store().into_disk();
            self.delivery = Some(open(store(disk.restart(), self.fsync), self.now, self.sabotage));
        }
        !is_store
    }

    /// Every provider delivers one key once. The first mail's answer is lost.
    fn serve(&mut self, order: &Order) {
        if self.keys.insert((order.provider, order.idempotency_key.clone())) {
            for trigger in &order.triggers {
                let key = (trigger.clone(), order.recipient, order.channel);
                *self.arrived.entry(key).or_default() += 1;
            }
        }
        self.sent += 1;
        if self.sent > 1 || order.provider != MAIL_A {
            let due = self.now + Span::from_millis(200);
            self.answers.insert((due, self.sent), (order.message, order.attempt));
        }
    }

    fn give(&mut self, trigger: &Trigger) {
        // Until it is answered.
        for _ in 0..3 {
            let (now, mut out) = (self.now, Vec::new());
            let result = self.delivery().handle(now, Input::Trigger(trigger.clone()), &mut out);
            if self.after(result, out) {
                return;
            }
        }
    }

    fn run_until(&mut self, until: Time) {
        loop {
            let answer = self.answers.keys().next().map(|(due, _)| *due);
            let due = self.delivery().deadline().into_iter().chain(answer).min();
            let Some(due) = due.filter(|due| *due <= until) else { break };
            self.now = self.now.max(due);
            let (now, mut out) = (self.now, Vec::new());
            let first = self.answers.first_entry().filter(|entry| entry.key().0 <= now);
            let result = match first.map(std::collections::btree_map::OccupiedEntry::remove) {
                Some((message, attempt)) => {
                    let input = Input::Answer { message, attempt, answer: Answer::Accepted };
                    self.delivery().handle(now, input, &mut out)
                }
                None => self.delivery().expire(now, &mut out),
            };
            self.after(result, out);
        }
        self.now = until;
    }
}

fn run(fsync: FsyncPolicy, after_operations: u64, entropy: u64, sabotage: Option<Sabotage>) -> Run {
    let mut fresh = store(SimDisk::new(), fsync);
    fresh.disk_mut().cut_power(PowerCut { after_operations, entropy });
    let mut run = Run {
        delivery: Some(open(fresh, Time::ZERO, sabotage)),
        fsync,
        sabotage,
        now: Time::ZERO,
        died: false,
        answers: BTreeMap::new(),
        sent: 0,
        keys: BTreeSet::new(),
        arrived: BTreeMap::new(),
    };
    let triggers = [
        Trigger { recipients: vec![ANN, BOB], ..trigger(PLAIN, 1, ANN) },
        trigger(DIGEST, 2, ANN),
        trigger(CODE, 3, ANN),
        trigger(DIGEST, 4, ANN),
        trigger(LADDER, 5, BOB),
    ];
    for trigger in &triggers {
        run.give(trigger);
        let until = run.now + Span::from_secs(1);
        run.run_until(until);
    }
    triggers.iter().for_each(|trigger| run.give(trigger));
    let until = run.now + Span::from_secs(7_200);
    run.run_until(until);
    run
}

fn problems(run: &mut Run) -> Vec<String> {
    let mut problems = Vec::new();
    // The ladder's message was not seen, so its text message went out as well.
    if run.arrived.len() != 7 {
        problems.push(format!("{} arrived", run.arrived.len()));
    }
    problems.extend(
        run.arrived.iter().filter(|(_, count)| **count > 1).map(|(key, _)| format!("twice: {key:?}")),
    );
    for channel in Channel::ALL {
        let tally = run.delivery().tally(channel);
        if tally.accepted != tally.delivered {
            problems.push(format!("{channel:?}: {tally:?}"));
        }
    }
    problems
}

fn every_point(fsync: FsyncPolicy, sabotage: Option<Sabotage>) -> Vec<String> {
    let mut found = Vec::new();
    for after in 0.. {
        let mut run = run(fsync, after, after.wrapping_mul(0x9E37_79B9_7F4A_7C15), sabotage);
        found.extend(problems(&mut run).into_iter().map(|problem| format!("after {after}: {problem}")));
        if !run.died {
            assert!(after > 20, "there are more points than {after} to die at");
            return found;
        }
    }
    found
}

#[test]
fn whatever_the_step_at_which_the_power_goes_every_message_arrives_once() {
    assert_eq!(every_point(FsyncPolicy::EveryCommit, None), Vec::<String>::new());
    let group = FsyncPolicy::Group { max_wait: Span::from_millis(10), max_commits: 4 };
    assert_eq!(every_point(group, None), Vec::<String>::new());
}

#[test]
fn forgotten_keys_and_new_keys_are_found_by_a_power_cut() {
    for sabotage in [Sabotage::ForgetsKeys, Sabotage::NewKeyPerAttempt] {
        let found = every_point(FsyncPolicy::EveryCommit, Some(sabotage));
        assert!(found.iter().any(|problem| problem.contains("twice")), "{sabotage:?}");
    }
}

/// Two alerts in two groups for three hours, told every half hour; the power goes once. How often each was told.
fn dispatched(after_operations: u64) -> (bool, BTreeMap<String, u32>) {
    let root = RouteConfig {
        receiver: Some("ops".into()),
        group_by: Some(GroupBy::All),
        repeat_interval: Some(Span::from_secs(1_800)),
        ..RouteConfig::default()
    };
    let open = |store, now| {
        let mut config = DispatchConfig::new(root.clone());
        config.resolve_timeout = Span::from_secs(86_400);
        Dispatcher::open(store, config, now)
    };
    let mut fresh = store(SimDisk::new(), FsyncPolicy::EveryCommit);
    // Not while it is opened for the first time.
    fresh
        .disk_mut()
        .cut_power(PowerCut { after_operations: after_operations + 4, entropy: after_operations });
    let mut dispatcher = Some(open(fresh, Time::ZERO).unwrap());
    let (mut now, mut died, mut told) = (Time::ZERO, false, BTreeMap::new());
    let mut inputs = Vec::new();
    let fire = |inputs: &mut Vec<dispatch::Input>| {
        for name in ["x", "y"] {
            let labels = Labels::of(&[("alertname", name)]);
            inputs.push(dispatch::Input::Alert(dispatch::Alert { labels, ..dispatch::Alert::default() }));
        }
    };
    fire(&mut inputs);
    let end = Time::ZERO + Span::from_secs(3 * 3_600);
    loop {
        let machine = dispatcher.as_mut().expect("it is only gone while it is opened again");
        let mut out = Vec::new();
        let result = match inputs.pop() {
            Some(input) => machine.handle(now, input, &mut out),
            None => {
                let Some(due) = machine.deadline().filter(|due| *due <= end) else { return (died, told) };
                now = now.max(due);
                machine.expire(now, &mut out)
            }
        };
        for output in out {
            if let dispatch::Output::Notify(notification) = output {
                let name = notification.firing[0].labels.get("alertname").to_string();
                *told.entry(name).or_default() += 1;
                inputs.push(dispatch::Input::Delivered(notification.id));
            }
        }
        if let Err(dispatch::Rejected::Store(_)) = result {
            died = true;
            let disk = dispatcher.take().expect("it is there").into_store().into_disk().restart();
            dispatcher = Some(open(store(disk, FsyncPolicy::EveryCommit), now).unwrap());
            // Alerts come again by themselves.
            inputs.clear();
            fire(&mut inputs);
        }
    }
}

#[test]
fn a_power_cut_of_a_dispatcher_costs_one_repetition_at_most_and_no_silence() {
    let (died, usual) = dispatched(u64::MAX / 2);
    assert_eq!((died, usual.values().copied().collect::<Vec<_>>()), (false, vec![6, 6]));
    for after in 0.. {
        let (died, told) = dispatched(after);
        // What was told and not written down is told again; the wait of the new group can cost one at the end.
        let near = |name: &str| (usual[name] - 1..=usual[name] + 1).contains(&told[name]);
        assert!(near("x") && near("y"), "after {after}: {told:?}");
        if !died {
            assert!(after > 10, "there are more points than {after} to die at");
            return;
        }
    }
}
