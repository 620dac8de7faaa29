//! Every schedule of two or three small transactions, at every level: an anomaly is found where the table says it can
//! happen, by a schedule that is written down, and nowhere else. Programs after the Hermitage study.

use super::super::database::Sabotage;
use super::*;
use crate::store::MemoryStore;
use std::collections::BTreeMap;

type Db = Database<u8, i64, MemoryStore>;

const X: u8 = 1;
const Y: u8 = 2;
/// Not there at first.
const Z: u8 = 3;
const W: u8 = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Read(u8),
    Lock(u8),
    Count,
    Write(u8, i64),
    /// One more than what was read last.
    Increment(u8),
    Abort,
}

/// What one transaction saw and whether it committed.
#[derive(Clone, Debug, Default)]
struct Seen {
    values: Vec<Option<i64>>,
    committed: bool,
    deadlocked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Defect {
    None,
    /// Every write is committed by itself.
    WritesThrough,
    Database(Sabotage),
}

#[derive(Clone)]
struct Run {
    db: Db,
    txns: Vec<Option<Txn<u8, i64>>>,
    at: Vec<usize>,
    seen: Vec<Seen>,
    blocked: Vec<bool>,
    schedule: String,
}

impl Run {
    fn new(level: Isolation, programs: &[&[Op]], defect: Defect) -> Run {
        let mut db = Db::open(MemoryStore::new()).expect("an empty store is a database");
        let mut first = db.begin(Isolation::Serializable);
        first.put(X, 10);
        first.put(Y, 20);
        db.commit(Time::ZERO, first, &mut |_, _, _| {}).expect("nobody else is there");
        if let Defect::Database(sabotage) = defect {
            db.sabotage = Some(sabotage);
        }
        let txns = programs.iter().map(|_| Some(db.begin(level))).collect();
        let (count, none) = (programs.len(), String::new());
        let (seen, blocked) = (vec![Seen::default(); count], vec![false; count]);
        Run { db, txns, at: vec![0; count], seen, blocked, schedule: none }
    }

    /// One step of one transaction; `false` if it has none, or still waits for a lock.
    fn step(&mut self, programs: &[&[Op]], number: usize, level: Isolation, defect: Defect) -> bool {
        let Some(mut txn) = self.txns[number].take() else { return false };
        // A transaction begins with its first statement.
        if self.at[number] == 0 && !self.blocked[number] {
            self.db.rollback(txn);
            txn = self.db.begin(level);
        }
        let op = programs[number].get(self.at[number]).copied();
        self.at[number] += 1;
        let seen = &mut self.seen[number];
        match op {
            Some(Op::Read(key)) => seen.values.push(self.db.get(&mut txn, &key)),
            Some(Op::Lock(key)) => match self.db.get_for_update(&mut txn, &key) {
                Ok(value) => {
                    self.blocked[number] = false;
                    seen.values.push(value);
                }
                Err(LockError::HeldBy(_)) => {
                    self.at[number] -= 1;
                    self.txns[number] = Some(txn);
                    return !std::mem::replace(&mut self.blocked[number], true);
                }
                Err(LockError::Deadlock(_)) => {
                    seen.deadlocked = true;
                    self.db.rollback(txn);
                    return true;
                }
            },
            Some(Op::Count) => {
                let mut count = 0;
                self.db.scan(&mut txn, 0..=u8::MAX, &mut |_, _| {
                    count += 1;
                    true
                });
                seen.values.push(Some(count));
            }
            Some(Op::Write(key, value)) => self.write(&mut txn, key, value, defect),
            Some(Op::Increment(key)) => {
                let last = seen.values.last().copied().flatten().unwrap_or(0);
                self.write(&mut txn, key, last + 1, defect);
            }
            Some(Op::Abort) => {
                self.db.rollback(txn);
                return true;
            }
            None => {
                seen.committed = self.db.commit(Time::ZERO, txn, &mut |_, _, _| {}).is_ok();
                return true;
            }
        }
        self.txns[number] = Some(txn);
        true
    }

    fn write(&mut self, txn: &mut Txn<u8, i64>, key: u8, value: i64, defect: Defect) {
        txn.put(key, value);
        if defect == Defect::WritesThrough {
            let mut through = self.db.begin(Isolation::ReadCommitted);
            through.put(key, value);
            self.db.commit(Time::ZERO, through, &mut |_, _, _| {}).expect("nothing is checked");
            *txn = self.db.begin(Isolation::ReadCommitted);
        }
    }
}

/// Every schedule to its end; how many there are.
fn explore(
    run: &Run,
    programs: &[&[Op]],
    level: Isolation,
    defect: Defect,
    visit: &mut dyn FnMut(&Run),
) -> u32 {
    let mut ends = 0;
    for number in 0..programs.len() {
        let mut next = run.clone();
        if next.step(programs, number, level, defect) {
            next.schedule.push(char::from(b'1' + number as u8));
            ends += explore(&next, programs, level, defect, visit);
        }
    }
    if ends == 0 && run.txns.iter().all(Option::is_none) {
        visit(run);
        return 1;
    }
    ends
}

/// Programs, and what makes of their end an anomaly.
struct Case {
    programs: Vec<&'static [Op]>,
    is_found: fn(&Run) -> bool,
}

fn value(run: &Run, key: u8) -> Option<i64> {
    run.db.newest(&key).copied()
}

fn both(run: &Run) -> bool {
    run.seen[0].committed && run.seen[1].committed
}

fn saw(run: &Run, number: usize, at: usize) -> Option<i64> {
    run.seen[number].values.get(at).copied().flatten()
}

fn cases(anomaly: Anomaly) -> Vec<Case> {
    use Op::*;
    let one = |programs: Vec<&'static [Op]>, is_found| vec![Case { programs, is_found }];
    match anomaly {
        Anomaly::DirtyWrite => {
            one(vec![&[Write(X, 11), Write(Y, 21)], &[Write(X, 12), Write(Y, 22)]], |run| {
                let pair = (value(run, X), value(run, Y));
                both(run) && pair != (Some(11), Some(21)) && pair != (Some(12), Some(22))
            })
        }
        Anomaly::AbortedRead => one(vec![&[Write(X, 101), Abort], &[Read(X), Read(X)]], |run| {
            run.seen[1].values.contains(&Some(101))
        }),
        Anomaly::IntermediateRead => one(vec![&[Write(X, 101), Write(X, 11)], &[Read(X), Read(X)]], |run| {
            run.seen[1].values.contains(&Some(101))
        }),
        Anomaly::CircularRead => one(vec![&[Write(X, 11), Read(Y)], &[Write(Y, 22), Read(X)]], |run| {
            both(run) && saw(run, 0, 0) == Some(22) && saw(run, 1, 0) == Some(11)
        }),
        Anomaly::ObservedVanishes => one(
            vec![&[Write(X, 11), Write(Y, 19)], &[Write(Y, 18), Write(X, 12)], &[Read(Y), Read(X)]],
            |run| {
                both(run)
                    && saw(run, 2, 0) == Some(18)
                    && saw(run, 2, 1) == Some(11)
                    && value(run, X) == Some(12)
            },
        ),
        Anomaly::PredicateSkew => vec![
            Case {
                programs: vec![&[Count, Count], &[Write(Z, 30)]],
                is_found: |run| run.seen[0].committed && saw(run, 0, 0) != saw(run, 0, 1),
            },
            Case {
                programs: vec![&[Count, Lock(Z)], &[Write(Z, 30)]],
                is_found: |run| {
                    run.seen[0].committed && saw(run, 0, 0) == Some(2) && saw(run, 0, 1).is_some()
                },
            },
        ],
        Anomaly::LostUpdate => one(vec![&[Read(X), Increment(X)], &[Read(X), Increment(X)]], |run| {
            both(run) && value(run, X) != Some(12)
        }),
        Anomaly::ReadSkew => vec![
            Case {
                programs: vec![&[Read(X), Read(Y)], &[Write(X, 12), Write(Y, 18)]],
                is_found: |run| {
                    run.seen[0].committed && saw(run, 0, 0) == Some(10) && saw(run, 0, 1) == Some(18)
                },
            },
            Case {
                programs: vec![&[Read(X), Lock(Y)], &[Write(X, 12), Write(Y, 18)]],
                is_found: |run| {
                    run.seen[0].committed && saw(run, 0, 0) == Some(10) && saw(run, 0, 1) == Some(18)
                },
            },
        ],
        Anomaly::ItemWriteSkew => {
            one(vec![&[Read(X), Read(Y), Write(X, 0)], &[Read(X), Read(Y), Write(Y, 0)]], |run| {
                both(run) && (saw(run, 0, 1), saw(run, 1, 0)) == (Some(20), Some(10))
            })
        }
        Anomaly::WriteSkew => one(vec![&[Count, Write(Z, 30)], &[Count, Write(W, 42)]], |run| {
            both(run) && (saw(run, 0, 0), saw(run, 1, 0)) == (Some(2), Some(2))
        }),
    }
}

/// The first schedule that shows an anomaly, and how many were looked at.
fn search(anomaly: Anomaly, level: Isolation, defect: Defect) -> (Option<String>, u32) {
    let (mut first, mut schedules) = (None, 0);
    for case in cases(anomaly) {
        let run = Run::new(level, &case.programs, defect);
        schedules += explore(&run, &case.programs, level, defect, &mut |end| {
            if first.is_none() && (case.is_found)(end) {
                first = Some(end.schedule.clone());
            }
        });
    }
    (first, schedules)
}

#[test]
fn each_level_lets_through_exactly_the_anomalies_of_its_row() {
    let mut all = 0;
    let mut found: BTreeMap<Anomaly, Vec<(Isolation, String)>> = BTreeMap::new();
    for level in Isolation::ALL {
        for anomaly in Anomaly::ALL {
            let (schedule, schedules) = search(anomaly, level, Defect::None);
            all += schedules;
            assert_eq!(schedule.is_none(), level.prevents(anomaly), "{anomaly:?} at {level}: {schedule:?}");
            if let Some(schedule) = schedule {
                found.entry(anomaly).or_default().push((level, schedule));
            }
        }
    }
    println!("{all} schedules; {found:?}");
    // The recorded ones: whose step comes when, the last of each being its commit.
    let recorded = |anomaly, level| {
        found[&anomaly].iter().find(|(at, _)| *at == level).map(|(_, schedule)| schedule.as_str())
    };
    use Isolation::*;
    for (anomaly, level, schedule) in [
        (Anomaly::LostUpdate, ReadCommitted, "112122"),
        (Anomaly::PredicateSkew, ReadCommitted, "12211"),
        (Anomaly::ReadSkew, ReadCommitted, "122211"),
        (Anomaly::ItemWriteSkew, Snapshot, "11121222"),
        (Anomaly::WriteSkew, Snapshot, "112122"),
    ] {
        assert_eq!(recorded(anomaly, level), Some(schedule), "{anomaly:?} at {level}");
    }
}

#[test]
fn a_store_that_writes_through_or_does_not_check_is_found_out() {
    use Anomaly::*;
    let cases = [
        (Isolation::ReadCommitted, Defect::WritesThrough, DirtyWrite),
        (Isolation::ReadCommitted, Defect::WritesThrough, AbortedRead),
        (Isolation::ReadCommitted, Defect::WritesThrough, IntermediateRead),
        (Isolation::ReadCommitted, Defect::WritesThrough, CircularRead),
        (Isolation::ReadCommitted, Defect::WritesThrough, ObservedVanishes),
        (Isolation::Snapshot, Defect::Database(Sabotage::ChecksNothing), LostUpdate),
        (Isolation::VersionCheck, Defect::Database(Sabotage::ChecksNothing), LostUpdate),
        (Isolation::Serializable, Defect::Database(Sabotage::ChecksNothing), ItemWriteSkew),
        (Isolation::Serializable, Defect::Database(Sabotage::ForgetsRanges), WriteSkew),
    ];
    for (level, defect, anomaly) in cases {
        let (schedule, _) = search(anomaly, level, defect);
        assert!(schedule.is_some(), "{anomaly:?} at {level} with {defect:?} was not found");
        assert!(level.prevents(anomaly), "the sound level prevents it");
    }
}

#[test]
fn locks_keep_a_counter_right_at_the_weakest_level() {
    let programs: [&[Op]; 2] = [&[Op::Lock(X), Op::Increment(X)], &[Op::Lock(X), Op::Increment(X)]];
    for level in [Isolation::ReadCommitted, Isolation::RepeatableRead] {
        let run = Run::new(level, &programs, Defect::None);
        let schedules = explore(&run, &programs, level, Defect::None, &mut |end| {
            assert!(both(end), "{}", end.schedule);
            assert_eq!(value(end, X), Some(12), "{}", end.schedule);
        });
        assert!(schedules >= 2, "one after the other, either way round");
    }
}

#[test]
fn locks_taken_in_one_order_never_meet_in_a_circle_and_in_any_order_they_do() {
    let deadlocks = |programs: &[&[Op]; 2]| {
        let mut count = 0;
        let run = Run::new(Isolation::ReadCommitted, programs, Defect::None);
        let ends = explore(&run, programs, Isolation::ReadCommitted, Defect::None, &mut |end| {
            count += u32::from(end.seen.iter().any(|seen| seen.deadlocked));
        });
        assert!(ends > 0);
        count
    };
    let ordered: [&[Op]; 2] = [&[Op::Lock(X), Op::Lock(Y)], &[Op::Lock(X), Op::Lock(Y)]];
    let crossed: [&[Op]; 2] = [&[Op::Lock(X), Op::Lock(Y)], &[Op::Lock(Y), Op::Lock(X)]];
    assert_eq!(deadlocks(&ordered), 0);
    assert!(deadlocks(&crossed) > 0);
}

#[test]
fn old_versions_go_when_nobody_can_see_them() {
    let mut db = Db::open(MemoryStore::new()).expect("an empty store is a database");
    let put = |db: &mut Db, value: Option<i64>| {
        let mut txn = db.begin(Isolation::Serializable);
        match value {
            Some(value) => txn.put(X, value),
            None => txn.remove(X),
        }
        db.commit(Time::ZERO, txn, &mut |_, _, _| {}).expect("nobody else is there");
    };
    put(&mut db, Some(1));
    let mut reader = db.begin(Isolation::Snapshot);
    for value in 2..50 {
        put(&mut db, Some(value));
    }
    put(&mut db, None);
    assert_eq!(db.get(&mut reader, &X), Some(1));
    assert!(db.old_versions() > 0);
    db.rollback(reader);
    for _ in 0..3 {
        put(&mut db, Some(7));
    }
    assert_eq!(db.old_versions(), 0);
}
