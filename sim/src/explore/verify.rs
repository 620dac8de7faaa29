//! Is a scenario deterministic? Runs it several ways that must not matter, compares fingerprints and reports, and
//! names the first event in which two runs differ. Who launches the runs, and in which process, is the caller's
//! business.

use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_128;

use crate::kernel::draw::Seed;
use crate::kernel::fingerprint::{Checkpoint, EventInterval, Trail};
use crate::kernel::time::Time;
use crate::report::{Report, to_json};
use crate::run::{Look, Outcome, Seen};

/// Ways to run a scenario between which nothing may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// In a process of its own.
    First,
    /// The same in another process.
    Second,
    /// With another agenda.
    OtherAgenda,
    /// With tracing on.
    Traced,
}

impl Way {
    /// Every way; all are compared with the first.
    pub const ALL: [Way; 4] = [Way::First, Way::Second, Way::OtherAgenda, Way::Traced];

    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            Way::First => "first process",
            Way::Second => "second process",
            Way::OtherAgenda => "other agenda",
            Way::Traced => "with tracing",
        }
    }
}

/// What identifies a run, small enough to hand from one process to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Events handled.
    pub events: u64,
    /// Hash of every event.
    pub fingerprint: u64,
    /// Hash of the canonical report.
    pub report: u128,
    /// The fingerprint on the way.
    pub trail: Trail,
    /// The events that were asked for: number, time, description.
    pub described: Vec<(u64, Time, String)>,
    /// The hash of each node's events, with the node's name; with a close look, by times and names alone.
    pub nodes: Vec<(String, u64)>,
    /// The close look at one event, if it was asked for.
    pub look: Option<Look>,
}

impl Identity {
    /// What identifies the run that had this outcome.
    pub fn of(outcome: &Outcome) -> Identity {
        Identity {
            events: outcome.events,
            fingerprint: outcome.fingerprint,
            report: xxh3_128(to_json(&Report::new(outcome)).as_bytes()),
            trail: outcome.trail.clone(),
            described: outcome.described_events.clone(),
            nodes: match &outcome.histories {
                Some(histories) => histories.clone().into_iter().collect(),
                None => outcome.node_fingerprints.clone(),
            },
            look: outcome.look.clone(),
        }
    }

    /// As JSON, on one line.
    pub fn to_json(&self) -> Value {
        let checkpoints = self.trail.checkpoints.iter();
        let checkpoints: Vec<Value> = checkpoints
            .map(|point| json!([point.events, point.at.as_nanos(), format!("{:016x}", point.fingerprint)]))
            .collect();
        let described = self.described.iter();
        let described: Vec<Value> =
            described.map(|(number, at, text)| json!([number, at.as_nanos(), text])).collect();
        let nodes = self.nodes.iter();
        let nodes: Vec<Value> = nodes.map(|(name, hash)| json!([name, format!("{hash:016x}")])).collect();
        json!({
            "checkpoints": checkpoints,
            "described": described,
            "look": self.look.as_ref().map(look_to_json),
            "nodes": nodes,
            "events": self.events,
            "fingerprint": format!("{:016x}", self.fingerprint),
            "report": format!("{:032x}", self.report),
        })
    }

    /// Reads what [`Identity::to_json`] wrote; `None` if it is anything else.
    pub fn from_json(value: &Value) -> Option<Identity> {
        let hexadecimal = |value: &Value| u64::from_str_radix(value.as_str()?, 16).ok();
        let checkpoint = |value: &Value| {
            Some(Checkpoint {
                events: value.get(0)?.as_u64()?,
                at: Time::from_nanos(value.get(1)?.as_u64()?),
                fingerprint: hexadecimal(value.get(2)?)?,
            })
        };
        let described = |value: &Value| {
            let at = Time::from_nanos(value.get(1)?.as_u64()?);
            Some((value.get(0)?.as_u64()?, at, value.get(2)?.as_str()?.to_string()))
        };
        let node = |value: &Value| Some((value.get(0)?.as_str()?.to_string(), hexadecimal(value.get(1)?)?));
        let list = |key: &str| value.get(key)?.as_array();
        Some(Identity {
            events: value.get("events")?.as_u64()?,
            fingerprint: hexadecimal(value.get("fingerprint")?)?,
            report: u128::from_str_radix(value.get("report")?.as_str()?, 16).ok()?,
            trail: Trail { checkpoints: list("checkpoints")?.iter().map(checkpoint).collect::<Option<_>>()? },
            described: list("described")?.iter().map(described).collect::<Option<_>>()?,
            nodes: list("nodes")?.iter().map(node).collect::<Option<_>>()?,
            look: value.get("look").and_then(look_from_json),
        })
    }

    fn same_run(&self, other: &Identity) -> bool {
        (self.events, self.fingerprint, self.report) == (other.events, other.fingerprint, other.report)
    }
}

fn seen_to_json(seen: &Seen) -> Value {
    json!([seen.number, seen.at.as_nanos(), seen.node, seen.what])
}

fn seen_from_json(value: &Value) -> Option<Seen> {
    Some(Seen {
        number: value.get(0)?.as_u64()?,
        at: Time::from_nanos(value.get(1)?.as_u64()?),
        node: value.get(2)?.as_str().map(str::to_string),
        what: value.get(3)?.as_str()?.to_string(),
    })
}

fn look_to_json(look: &Look) -> Value {
    let parents: Vec<Value> = look.parents.iter().map(seen_to_json).collect();
    json!({"event": seen_to_json(&look.event), "parents": parents, "state": look.state})
}

fn look_from_json(value: &Value) -> Option<Look> {
    Some(Look {
        event: seen_from_json(value.get("event")?)?,
        parents: value.get("parents")?.as_array()?.iter().map(seen_from_json).collect::<Option<_>>()?,
        state: serde_json::from_value(value.get("state")?.clone()).ok()?,
    })
}

/// What comparing all ways showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verified {
    /// All ways gave the same events and the same report.
    Deterministic(Box<Identity>),
    /// Two ways did not.
    Differs(Box<Parting>),
}

/// The schema of what was shown.
pub const SCHEMA: &str = "foreshock.verify/1";

impl Verified {
    /// For programs: what was run, in which ways, and where two of them part if they do.
    pub fn to_json(&self, scenario: &str, seed: Seed, reproduce: &str) -> Value {
        let identity = |identity: &Identity| {
            json!({
                "events": identity.events,
                "fingerprint": format!("{:016x}", identity.fingerprint),
                "report": format!("{:032x}", identity.report),
            })
        };
        let mut value = json!({
            "schema": SCHEMA,
            "scenario": scenario,
            "seed": seed.0,
            "ways": Way::ALL.map(Way::name),
            "reproduce": reproduce,
        });
        match self {
            Verified::Deterministic(first) => {
                value["deterministic"] = true.into();
                value["run"] = identity(first);
            }
            Verified::Differs(parting) => {
                let side = |event: &Option<(Time, String)>| {
                    event.as_ref().map(|(at, what)| json!({"at_ns": at.as_nanos(), "what": what}))
                };
                value["deterministic"] = false.into();
                value["run"] = identity(&parting.ours);
                value["parting"] = json!({
                    "way": parting.way.name(),
                    "run": identity(&parting.theirs),
                    "after_event": parting.interval.map(|interval| interval.after),
                    "up_to_event": parting.interval.map(|interval| interval.up_to),
                    "event": parting.event.as_ref().map(|event| json!({
                        "number": event.number,
                        "first": side(&event.ours),
                        "other": side(&event.theirs),
                    })),
                });
            }
        }
        value
    }
}

/// Where two runs part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parting {
    /// The way that differs from the first.
    pub way: Way,
    /// The first run.
    pub ours: Identity,
    /// The run that differs from it.
    pub theirs: Identity,
    /// The events among which the first difference is; `None` if all events are the same and only the reports
    /// are not.
    pub interval: Option<EventInterval>,
    /// The first differing event, if runs that were described parted there as well.
    pub event: Option<PartingEvent>,
}

/// The first event in which two runs differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartingEvent {
    /// Its number, from 1.
    pub number: u64,
    /// What the first run did: when and what. `None` if it had ended.
    pub ours: Option<(Time, String)>,
    /// What the other run did.
    pub theirs: Option<(Time, String)>,
}

/// A run that is not deterministic parts somewhere else each time; after so many tries only the interval is told.
const MOST_TRIES: u32 = 4;

/// Runs the scenario in every way; `launch` does one run and describes the events of an interval if one is given.
///
/// # Errors
/// What `launch` returns.
pub fn verify<E>(
    mut launch: impl FnMut(Way, Option<EventInterval>) -> Result<Identity, E>,
) -> Result<Verified, E> {
    let first = launch(Way::First, None)?;
    for way in Way::ALL.into_iter().skip(1) {
        let other = launch(way, None)?;
        if !first.same_run(&other) {
            let parting = parting(way, first, other, &mut launch)?;
            return Ok(Verified::Differs(Box::new(parting)));
        }
    }
    Ok(Verified::Deterministic(Box::new(first)))
}

fn parting<E>(
    way: Way,
    ours: Identity,
    theirs: Identity,
    launch: &mut impl FnMut(Way, Option<EventInterval>) -> Result<Identity, E>,
) -> Result<Parting, E> {
    let interval = ours.trail.first_difference(&theirs.trail);
    let mut parting = Parting { way, ours, theirs, interval, event: None };
    let mut looked_at = interval;
    for _ in 0..MOST_TRIES {
        let Some(interval) = looked_at else {
            return Ok(parting);
        };
        let ours = launch(Way::First, Some(interval))?;
        let theirs = launch(way, Some(interval))?;
        let now = ours.trail.first_difference(&theirs.trail);
        if now.is_some_and(|now| now.after >= interval.after)
            && let Some(event) = first_differing(interval, &ours, &theirs)
        {
            parting.interval = Some(interval);
            parting.event = Some(event);
            return Ok(parting);
        }
        // These two parted elsewhere, or not at all: look there, or once more at the same place.
        looked_at = now.or(Some(interval));
    }
    Ok(parting)
}

pub(super) fn first_differing(
    interval: EventInterval,
    ours: &Identity,
    theirs: &Identity,
) -> Option<PartingEvent> {
    let (mut left, mut right) = (ours.described.iter(), theirs.described.iter());
    let mut number = interval.after;
    loop {
        number += 1;
        let plain = |event: Option<&(u64, Time, String)>| event.map(|(_, at, text)| (*at, text.clone()));
        match (left.next(), right.next()) {
            (None, None) => return None,
            (ours, theirs) if ours == theirs => {}
            (ours, theirs) => {
                return Some(PartingEvent { number, ours: plain(ours), theirs: plain(theirs) });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    /// A run whose events are given as numbers, with a checkpoint after every second one.
    fn identity(events: &[u64], interval: Option<EventInterval>) -> Identity {
        let mut fingerprint = 0_u64;
        let mut trail = Trail::default();
        let mut described = Vec::new();
        for (index, event) in events.iter().enumerate() {
            let number = index as u64 + 1;
            fingerprint = fingerprint.rotate_left(7) ^ event;
            let at = Time::from_nanos(number * 10);
            if number.is_multiple_of(2) || number == events.len() as u64 {
                trail.checkpoints.push(Checkpoint { events: number, at, fingerprint });
            }
            if interval.is_some_and(|interval| (interval.after + 1..=interval.up_to).contains(&number)) {
                described.push((number, at, format!("event {event}")));
            }
        }
        Identity {
            events: events.len() as u64,
            fingerprint,
            report: u128::from(fingerprint),
            trail,
            described,
            nodes: vec![("shop/1".to_string(), fingerprint)],
            look: None,
        }
    }

    fn verified(mut events: impl FnMut(Way) -> Vec<u64>) -> Verified {
        let outcome: Result<Verified, Infallible> =
            verify(|way, interval| Ok(identity(&events(way), interval)));
        let Ok(verified) = outcome;
        verified
    }

    #[test]
    fn runs_that_are_the_same_in_every_way_are_deterministic() {
        assert!(matches!(verified(|_| vec![1, 2, 3]), Verified::Deterministic(_)));
    }

    #[test]
    fn the_first_differing_event_is_named_whichever_way_differs() {
        for way in [Way::Second, Way::OtherAgenda, Way::Traced] {
            let verified =
                verified(|asked| if asked == way { vec![1, 2, 3, 9, 5] } else { vec![1, 2, 3, 4, 5] });
            let Verified::Differs(parting) = verified else { panic!("{way:?} differs") };
            assert_eq!(parting.way, way);
            let event = parting.event.expect("the runs part in the same place each time");
            assert_eq!(event.number, 4);
            assert_eq!(event.ours, Some((Time::from_nanos(40), "event 4".to_string())));
            assert_eq!(event.theirs, Some((Time::from_nanos(40), "event 9".to_string())));
        }
    }

    #[test]
    fn a_run_that_ends_earlier_parts_where_the_other_goes_on() {
        let verified = verified(|way| if way == Way::First { vec![1, 2, 3] } else { vec![1, 2] });
        let Verified::Differs(parting) = verified else { panic!("one is shorter") };
        let event = parting.event.expect("described");
        assert_eq!((event.number, event.theirs), (3, None));
    }

    #[test]
    fn a_run_that_parts_elsewhere_each_time_is_followed() {
        let mut runs = 0;
        let verified = verified(|way| {
            runs += 1;
            let mut events = vec![1, 2, 3, 4, 5, 6, 7, 8];
            if way != Way::First {
                events[if runs <= 2 { 6 } else { 1 }] = 99;
            }
            events
        });
        let Verified::Differs(parting) = verified else { panic!("it differs") };
        assert_eq!(parting.event.map(|event| event.number), Some(2));
    }

    #[test]
    fn a_difference_that_never_shows_again_leaves_the_interval() {
        let mut runs = 0;
        let verified = verified(|_| {
            runs += 1;
            if runs == 2 { vec![1, 2, 3, 99] } else { vec![1, 2, 3, 4] }
        });
        let Verified::Differs(parting) = verified else { panic!("it differed once") };
        assert_eq!(parting.interval, Some(EventInterval { after: 2, up_to: 4 }));
        assert_eq!(parting.event, None);
    }

    #[test]
    fn reports_that_differ_over_the_same_events_are_found_too() {
        let outcome: Result<Verified, Infallible> = verify(|way, interval| {
            let mut identity = identity(&[1, 2], interval);
            identity.report += u128::from(way == Way::Traced);
            Ok(identity)
        });
        let Ok(Verified::Differs(parting)) = outcome else { panic!("the reports differ") };
        assert_eq!((parting.way, parting.interval, parting.event), (Way::Traced, None, None));
    }

    #[test]
    fn an_identity_survives_the_way_between_processes() {
        let mut identity = identity(&[1, 2, u64::MAX], Some(EventInterval { after: 1, up_to: 3 }));
        let seen = |number, node: Option<&str>| Seen {
            number,
            at: Time::from_nanos(u64::MAX),
            node: node.map(str::to_string),
            what: "an event".to_string(),
        };
        identity.look = Some(Look {
            event: seen(3, Some("shop/1")),
            parents: vec![seen(1, None)],
            state: [("shop/1".to_string(), [("requests inside".to_string(), 4)].into())].into(),
        });
        let text = identity.to_json().to_string();
        let value: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(Identity::from_json(&value), Some(identity));
        assert_eq!(Identity::from_json(&json!({"events": 1})), None);
    }
}
