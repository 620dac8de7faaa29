//! Many payments under faults: lost, late and doubled messages, a switch that dies at each step, parties with a
//! defect, and apps that do not wait before they ask.

use super::*;
use crate::arithmetic::keyed_word;
use crate::store::{FsyncPolicy, PowerCut, SimDisk, WalConfig, WalStore};
use proptest::prelude::*;

const IDS: [u64; 4] = [1, 2, 3, 4];

fn drawn(seed: u64, trouble: u64) -> impl Fn(u64, &Envelope) -> Fate {
    move |number, _| {
        let word = keyed_word(seed, number);
        // After a while the network heals: what is under way has to end.
        match word % 16 {
            _ if number > 200 => Fate::Arrives,
            draw if draw >= trouble => Fate::Arrives,
            draw => match draw % 3 {
                0 => Fate::IsLost,
                1 => Fate::ComesTwice,
                _ => Fate::IsLate(Span::from_secs(word >> 40 & 0xFFF)),
            },
        }
    }
}

fn request_all<S: crate::store::Store>(network: &mut Network<S>) {
    // Whatever the switch has not heard of, or has forgotten in a crash.
    for id in IDS.into_iter().filter(|id| network.state(*id).is_none()).collect::<Vec<_>>() {
        let txn = if id % 2 == 0 { collect(id, 900) } else { pay(id, 700) };
        network.request(txn);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_network_does_every_payment_is_credited_or_reversed(seed in any::<u64>(), trouble in 0u64..14) {
        let mut network = Network::new(drawn(seed, trouble));
        if seed % 5 == 0 {
            network.bank(2).close_account(20);
        }
        request_all(&mut network);
        network.run();
        prop_assert_eq!(network.problems(&IDS), Vec::<String>::new());
    }
}

#[test]
fn a_switch_that_dies_at_any_step_ends_every_payment() {
    let wal = |disk| {
        WalStore::open(disk, WalConfig { fsync: FsyncPolicy::EveryCommit, compact_above_bytes: 2_000 })
            .expect("the log is whole")
            .0
    };
    let open = |store| Switch::open(store, SwitchConfig::default()).expect("it is patient");
    let mut crashes = 0;
    for seed in 0..3 {
        for after_operations in 0.. {
            let mut store = wal(SimDisk::new());
            store
                .disk_mut()
                .cut_power(PowerCut { after_operations, entropy: keyed_word(seed, after_operations) });
            let mut network = Network::over(open(store), drawn(seed, 3 * seed));
            request_all(&mut network);
            network.run();
            let has_died = network.has_died;
            if has_died {
                crashes += 1;
                network = network.restarted(|store| open(wal(store.into_disk().restart())));
                // Apps whose request the crash took ask again, under the same name.
                request_all(&mut network);
                network.run();
            }
            assert_eq!(network.problems(&IDS), Vec::<String>::new(), "seed {seed}, after {after_operations}");
            if !has_died {
                break;
            }
        }
    }
    assert!(crashes > 60, "only {crashes}");
}

/// Asks every second and never stops: the plan of the outage.
struct Impatient;

impl CheckPlan for Impatient {
    fn next(&self, begun: Time, made: u32, last: Option<Time>) -> Option<Time> {
        (made < 50).then_some(last.unwrap_or(begun) + Span::from_secs(1))
    }
}

#[test]
fn each_defect_is_found() {
    let problems = |break_it: fn(&mut Network<MemoryStore>)| {
        let mut found = Vec::new();
        for seed in 0..40 {
            let mut network = Network::new(drawn(seed, 9));
            break_it(&mut network);
            request_all(&mut network);
            network.run();
            found.extend(network.problems(&IDS));
        }
        found
    };
    assert_eq!(problems(|_| {}), Vec::<String>::new());
    let forgetful = problems(|network| network.bank(2).forgets_legs = true);
    assert!(forgetful.iter().any(|problem| problem.contains("in suspense")), "{forgetful:?}");
    let hasty = problems(|network| network.switch.reverses_deemed = true);
    assert!(hasty.iter().any(|problem| problem.contains("credited true and reversed true")), "{hasty:?}");
    let impatient = problems(|network| {
        let mut payer = Psp::new(PspConfig { number: 1, checks: Box::new(Impatient) });
        payer.register(11, 1, 10);
        network.psps.insert(1, payer);
    });
    assert!(impatient.iter().any(|problem| problem.ends_with("status checks")), "{impatient:?}");
    assert!(impatient.iter().any(|problem| problem.ends_with("too early")), "{impatient:?}");
}
