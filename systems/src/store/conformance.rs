//! The laws every store has to keep, as functions that anybody can run against their own. [`check`] is for any
//! store, [`check_crashes`] for those that survive a crash. Never part of production.

use super::{Batch, CommitNumber, Expected, Store, StoreError};
use crate::arithmetic::{keyed_word, uniform};
use crate::time::{Span, Time};
use std::collections::BTreeMap;
use std::fmt;

/// A law that a store broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub law: &'static str,
    /// What was seen.
    pub seen: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.law, self.seen)
    }
}

impl std::error::Error for Broken {}

/// One law: `Err` says what was seen instead.
type Law<S> = fn(&mut S) -> Result<(), String>;

/// Runs every law against a fresh, empty store each.
///
/// # Errors
/// The first law that does not hold.
pub fn check<S: Store>(fresh: &mut dyn FnMut() -> S) -> Result<(), Broken> {
    let laws: [(&'static str, Law<S>); 6] = [
        ("what was written is read, what was removed is not", reads_follow_writes),
        ("a batch with a condition that does not hold writes nothing", conditions_guard),
        ("a scan shows a prefix in order, and stops when told", scans_are_ordered),
        ("commits are numbered one by one, and are the versions of what they wrote", numbers_ascend),
        ("after a sync everything is durable, and durability never falls", syncs_are_durable),
        ("a random history reads as a map does", random_history),
    ];
    for (law, holds) in laws {
        holds(&mut fresh()).map_err(|seen| Broken { law, seen })?;
    }
    Ok(())
}

fn ensure(holds: bool, seen: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(seen()) }
}

fn commit<S: Store>(store: &mut S, fill: impl FnOnce(&mut Batch)) -> Result<CommitNumber, String> {
    let mut batch = Batch::new();
    fill(&mut batch);
    store.commit(Time::ZERO, &batch).map_err(|error| error.to_string())
}

fn value_of<S: Store>(store: &S, key: &[u8]) -> Option<Vec<u8>> {
    store.get(key).map(|stored| stored.value.to_vec())
}

fn reads_follow_writes<S: Store>(store: &mut S) -> Result<(), String> {
    ensure(store.get(b"a").is_none(), || "a fresh store is not empty".to_string())?;
    commit(store, |batch| _ = batch.put("a", "1").put("b", "").put("a", "2").put("c", "3").remove("c"))?;
    let seen = (value_of(store, b"a"), value_of(store, b"b"), value_of(store, b"c"));
    ensure(seen == (Some(b"2".to_vec()), Some(Vec::new()), None), || format!("{seen:?}"))?;
    commit(store, |batch| _ = batch.remove("a").remove("never there"))?;
    ensure(store.get(b"a").is_none(), || "a removed key is there".to_string())
}

fn conditions_guard<S: Store>(store: &mut S) -> Result<(), String> {
    let first = commit(store, |batch| _ = batch.expect("a", Expected::Absent).put("a", "1"))?;
    let before = store.durable();
    let stale = CommitNumber(first.0 + 7);
    for (key, expected) in
        [("a", Expected::Absent), ("a", Expected::Version(stale)), ("b", Expected::Version(first))]
    {
        let mut batch = Batch::new();
        batch.put("z", "9").expect(key, expected);
        let got = store.commit(Time::ZERO, &batch);
        ensure(got == Err(StoreError::Conflict { key: key.into() }), || {
            format!("{expected:?} gave {got:?}")
        })?;
        ensure(store.get(b"z").is_none(), || format!("{expected:?} was refused and written"))?;
    }
    ensure(store.durable() == before, || "a refusal is durable".to_string())?;
    let second = commit(store, |batch| _ = batch.expect("a", Expected::Version(first)).put("a", "2"))?;
    ensure(second.0 == first.0 + 1, || "a refusal used up a number".to_string())
}

fn scans_are_ordered<S: Store>(store: &mut S) -> Result<(), String> {
    commit(store, |batch| _ = batch.put("p/b", "").put("p/a", "").put("q", "").put("o", "").put("p/c", ""))?;
    let scan = |prefix: &[u8], most: usize| {
        let mut keys = Vec::new();
        store.scan(prefix, &mut |key, _| {
            keys.push(String::from_utf8_lossy(key).into_owned());
            keys.len() < most
        });
        keys
    };
    let seen = (scan(b"p/", 9), scan(b"p/", 2), scan(b"x", 9), scan(b"", 9).len());
    let keys = |names: &[&str]| names.iter().map(|name| (*name).to_string()).collect::<Vec<_>>();
    let right = (keys(&["p/a", "p/b", "p/c"]), keys(&["p/a", "p/b"]), keys(&[]), 5);
    ensure(seen == right, || format!("{seen:?}"))
}

fn numbers_ascend<S: Store>(store: &mut S) -> Result<(), String> {
    for number in 1..=5 {
        let got = commit(store, |batch| _ = batch.put("k", [number as u8]))?;
        ensure(got == CommitNumber(number), || format!("commit {number} is called {got:?}"))?;
        let version = store.get(b"k").map(|stored| stored.version);
        ensure(version == Some(got), || format!("{got:?} wrote version {version:?}"))?;
    }
    Ok(())
}

fn syncs_are_durable<S: Store>(store: &mut S) -> Result<(), String> {
    let mut durable = store.durable();
    for number in 1..=40u64 {
        let now = Time::ZERO + Span::from_millis(number);
        let mut batch = Batch::new();
        batch.put("k", number.to_le_bytes());
        store.commit(now, &batch).map_err(|error| error.to_string())?;
        ensure(store.durable() >= durable, || format!("{:?} after {durable:?}", store.durable()))?;
        ensure(store.durable().0 <= number, || "durable before it was written".to_string())?;
        durable = store.durable();
        if number % 13 == 0 {
            let synced = store.sync(now).map_err(|error| error.to_string())?;
            let all = CommitNumber(number);
            ensure(synced == all && store.durable() == all, || format!("{synced:?} of {number}"))?;
            ensure(store.deadline().is_none(), || "a sync is wanted after a sync".to_string())?;
        }
    }
    Ok(())
}

/// A batch drawn from a small set of keys, the same for the same number.
fn drawn_batch(seed: u64, number: u64) -> Batch {
    let mut batch = Batch::new();
    for slot in 0..=uniform(keyed_word(seed, number), 0, 3) {
        let word = keyed_word(seed ^ number.wrapping_mul(0x9E37), slot);
        let key = format!("key {}", uniform(word, 0, 9));
        if keyed_word(word, 1).is_multiple_of(4) {
            batch.remove(key);
        } else {
            batch.put(key, vec![number as u8; uniform(keyed_word(word, 2), 0, 40) as usize]);
        }
    }
    batch
}

type Plain = BTreeMap<Vec<u8>, Vec<u8>>;

fn apply_plainly(plain: &mut Plain, batch: &Batch) {
    for (key, value) in batch.writes() {
        match value {
            Some(value) => drop(plain.insert(key.to_vec(), value.to_vec())),
            None => drop(plain.remove(key)),
        }
    }
}

fn content<S: Store>(store: &S) -> Plain {
    let mut found = Plain::new();
    store.scan(b"", &mut |key, stored| {
        found.insert(key.to_vec(), stored.value.to_vec());
        true
    });
    found
}

fn random_history<S: Store>(store: &mut S) -> Result<(), String> {
    let mut plain = Plain::new();
    for number in 0..300 {
        let batch = drawn_batch(7, number);
        store.commit(Time::ZERO + Span::from_millis(number), &batch).map_err(|error| error.to_string())?;
        apply_plainly(&mut plain, &batch);
        ensure(content(store) == plain, || format!("differs after commit {number}"))?;
    }
    Ok(())
}

/// What a crash left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crash {
    /// Steps (whatever the store calls so) before the power goes; every step is a point to crash at.
    pub after_steps: u64,
    /// A random word, for what survives.
    pub entropy: u64,
}

/// A store under test that can crash and come back.
pub trait Crashing: Store {
    /// Arms the crash: from then on the store fails.
    fn arm(&mut self, crash: Crash);
    /// Comes back from what survived.
    ///
    /// # Errors
    /// In words, if it cannot.
    fn reopen(self) -> Result<Self, String>
    where
        Self: Sized;
}

/// Crashes at each of the first `steps` steps of a history, comes back and goes on. What the store called durable is
/// there; what is there is a state that existed; batches are whole. Returns how many crashes it went through.
///
/// # Errors
/// The law that does not hold, and where.
pub fn check_crashes<S: Crashing>(fresh: &mut dyn FnMut() -> S, steps: u64) -> Result<u64, Broken> {
    let mut crashes = 0;
    for after_steps in 0..steps {
        for entropy in [0, 1 << 40, u64::MAX, keyed_word(after_steps, 3)] {
            let crash = Crash { after_steps, entropy };
            crash_once(fresh(), crash).map_err(|seen| Broken {
                law: "a crash takes only what was never durable, and takes batches whole",
                seen: format!("{seen} ({crash:?})"),
            })?;
            crashes += 1;
        }
    }
    Ok(crashes)
}

fn crash_once<S: Crashing>(mut store: S, crash: Crash) -> Result<(), String> {
    store.arm(crash);
    let mut states = vec![Plain::new()];
    let mut promised = store.durable();
    // The commit that fails may or may not survive: its state is the last candidate.
    loop {
        let number = states.len() as u64;
        let batch = drawn_batch(11, number);
        let mut next = states[states.len() - 1].clone();
        apply_plainly(&mut next, &batch);
        states.push(next);
        if store.commit(Time::ZERO + Span::from_millis(number), &batch).is_err() || number > 10_000 {
            break;
        }
        promised = store.durable();
    }
    let mut store = store.reopen()?;
    let found = store.durable();
    ensure(found >= promised, || format!("{promised:?} was durable, {found:?} is left"))?;
    let state = states.get(found.0 as usize).ok_or_else(|| format!("{found:?} never happened"))?;
    ensure(content(&store) == *state, || format!("not the state after {found:?}"))?;
    let next = commit(&mut store, |batch| _ = batch.put("after", "crash"))?;
    ensure(next.0 == found.0 + 1, || format!("{next:?} follows {found:?}"))
}
