//! Random stories: whatever is published, cut, lost, crashed and compacted, every invariant holds after every step, and
//! in the end everybody has the last release.

use super::world::{CLIENTS, World};
use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
pub(super) enum Act {
    Publish(i64),
    PublishBad,
    Canary(i64, u32, bool),
    Promote,
    Abandon,
    Rollback(u64),
    Compact(u64),
    Write(usize),
    ServerCrash,
    ServerUp,
    ClientCrash(usize),
    ClientUp(usize),
    Cut(usize, bool),
    Lose(u64),
    Pass(u64),
}

pub(super) fn acts() -> impl Strategy<Value = Vec<Act>> {
    let client = || 0..CLIENTS;
    let act = prop_oneof![
        6 => (1i64..1_000).prop_map(Act::Publish),
        1 => Just(Act::PublishBad),
        3 => (1i64..1_000_000, 0u32..=1_000_000, any::<bool>()).prop_map(|(n, ppm, named)| Act::Canary(n, ppm, named)),
        1 => Just(Act::Promote),
        1 => Just(Act::Abandon),
        2 => (0u64..4).prop_map(Act::Rollback),
        2 => (0u64..4).prop_map(Act::Compact),
        6 => (0usize..2).prop_map(Act::Write),
        1 => Just(Act::ServerCrash),
        2 => Just(Act::ServerUp),
        1 => client().prop_map(Act::ClientCrash),
        2 => client().prop_map(Act::ClientUp),
        1 => client().prop_map(|index| Act::Cut(index, true)),
        1 => client().prop_map(|index| Act::Cut(index, false)),
        1 => prop::sample::select(vec![0u64, 10, 40]).prop_map(Act::Lose),
        8 => prop::sample::select(vec![5u64, 40, 300, 1_500]).prop_map(Act::Pass),
    ];
    prop::collection::vec(act, 1..60)
}

pub(super) fn play(world: &mut World, acts: &[Act]) {
    for act in acts {
        match *act {
            Act::Publish(number) => world.publish(number),
            Act::PublishBad => world.publish_bad(),
            Act::Canary(number, share_ppm, is_named) => {
                let rule = CanaryRule::share(share_ppm, number as u64);
                let named = CanaryRule::named(&["node-0"]);
                world.canary(
                    number,
                    if is_named { CanaryRule { instances: named.instances, ..rule } } else { rule },
                );
            }
            Act::Promote => world.promote(),
            Act::Abandon => drop(world.admin(Command::Abandon)),
            Act::Rollback(back) => world.rollback(back),
            Act::Compact(back) => world.compact(back),
            Act::Write(writer) => world.write(writer),
            Act::ServerCrash => world.crash_server(),
            Act::ServerUp => world.raise_server(),
            Act::ClientCrash(index) => world.crash_client(index),
            Act::ClientUp(index) => world.start_client(index),
            Act::Cut(index, is_cut) => world.cut(index, is_cut),
            Act::Lose(percent) => world.lose(percent),
            Act::Pass(ms) => world.pass(Span::from_millis(ms)),
        }
    }
    world.finish();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn no_story_breaks_an_invariant(seed in any::<u64>(), acts in acts()) {
        let mut world = World::new(seed, None);
        play(&mut world, &acts);
        prop_assert!(world.problems.is_empty(), "{:?}", world.problems);
        prop_assert_eq!(world.converged, CLIENTS as u64);
    }
}
