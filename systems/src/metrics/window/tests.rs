//! Where events end up: against plain lists, for every policy, under skew, silence and hostile clocks.

use super::super::histogram::{Accumulator, ClassicConfig, ClassicHistogram, ShapeMismatch, Totals};
use super::*;
use crate::time::{Span, Time};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn at(s: u64) -> Time {
    Time::ZERO + Span::from_secs(s)
}

fn secs(s: u64) -> Span {
    Span::from_secs(s)
}

/// What a listener knows in the end: events by begin of the window.
type Heard = BTreeMap<u64, u64>;

fn listen(heard: &mut Heard, pane: &Pane<'_, Totals>) {
    let known = heard.entry(pane.start.as_nanos() / 1_000_000_000).or_insert(0);
    match pane.kind {
        PaneKind::OnTime | PaneKind::Revised => *known = pane.content.count(),
        PaneKind::Added => *known += pane.content.count(),
    }
}

fn windows(config: EventWindowConfig) -> EventWindows<Totals> {
    EventWindows::new(config, &Totals::EMPTY, Time::ZERO).unwrap()
}

/// Plays events (received at, source, measured at), closes, and says what was heard, what became of each, and the
/// accounts.
fn play(config: EventWindowConfig, events: &[(u64, usize, u64)]) -> (Heard, Vec<Placed>, WindowAccounts) {
    let mut windows = windows(config);
    let mut heard = Heard::new();
    let mut placed = Vec::new();
    for (now, source, event) in events {
        let tell = &mut |pane: Pane<'_, Totals>| listen(&mut heard, &pane);
        placed.push(windows.record(at(*now), (*source, at(*event)), 1, tell));
    }
    windows.advance_to(Time::MAX, &mut |pane| listen(&mut heard, &pane));
    (heard, placed, *windows.accounts())
}

const TEN: EventWindowConfig = EventWindowConfig::tumbling(Span::from_secs(10));

#[test]
fn a_tumbling_window_is_told_once_the_watermark_has_passed_it() {
    let mut windows = windows(EventWindowConfig { out_of_order: secs(2), ..TEN });
    let mut told = Vec::new();
    for event in [1, 9, 11, 8, 12, 25] {
        let tell = &mut |pane: Pane<'_, Totals>| {
            told.push((event, pane.start, pane.end, pane.kind, pane.content.count()));
        };
        assert_eq!(windows.record(at(event), (0, at(event)), 5, tell), Placed::OnTime);
    }
    let expected = [(12, at(0), at(10), PaneKind::OnTime, 3), (25, at(10), at(20), PaneKind::OnTime, 2)];
    assert_eq!(told, expected);
    assert_eq!((windows.watermark(), windows.accounts().in_flight), (at(23), 1));
}

#[test]
fn a_late_event_is_treated_as_the_policy_says() {
    let events = [(5, 0, 5), (31, 0, 31), (32, 0, 7)];
    let cases = [
        (LatePolicy::Drop, Placed::DroppedLate, vec![(0, 1), (30, 1)]),
        (LatePolicy::CountIntoCurrent, Placed::Moved, vec![(0, 1), (30, 2)]),
        (LatePolicy::Reopen, Placed::Reopened, vec![(0, 2), (30, 1)]),
    ];
    for (late, fate, expected) in cases {
        let (heard, placed, accounts) = play(EventWindowConfig { late, ..TEN }, &events);
        assert_eq!((placed[2], heard.into_iter().collect::<Vec<_>>()), (fate, expected));
        let lost = accounts.dropped_late + accounts.reopened;
        assert_eq!(accounts.closed + lost, 3, "{accounts:?}");
    }
    let patient = EventWindowConfig { allowed_lateness: secs(60), ..TEN };
    let (heard, placed, _) = play(patient, &events);
    assert_eq!((placed[2], heard.get(&0)), (Placed::Revised, Some(&2)));
}

#[test]
fn a_clock_two_minutes_ahead_moves_events_and_loses_none() {
    // The second of two nodes steps its clock by two minutes half-way.
    let events: Vec<(u64, usize, u64)> =
        (0..200).flat_map(|s| [(s, 0, s), (s, 1, if s < 100 { s } else { s + 120 })]).collect();
    let two = EventWindowConfig { sources: 2, out_of_order: secs(1), ..TEN };
    let (heard, _, accounts) = play(two, &events);
    assert_eq!((heard.values().sum::<u64>(), accounts.moved_early), (400, 100));
    let (heard, _, accounts) = play(EventWindowConfig { early: EarlyPolicy::Drop, ..two }, &events);
    assert_eq!((heard.values().sum::<u64>(), accounts.dropped_early), (300, 100));
    // Believed, it runs ahead alone: the windows are spread out, and the total is the same.
    let (heard, _, accounts) =
        play(EventWindowConfig { max_ahead: Span::MAX, idle_after: secs(200), ..two }, &events);
    assert_eq!((heard.values().sum::<u64>(), accounts.closed), (400, 400));
    assert_eq!(heard.keys().max(), Some(&310));
}

#[test]
fn a_silent_source_holds_the_windows_back_until_it_counts_as_idle() {
    let config = EventWindowConfig { sources: 2, idle_after: secs(30), ..TEN };
    let mut windows = windows(config);
    let mut ends = Vec::new();
    for s in 0..20 {
        for source in 0..2 {
            windows.record(at(s), (source, at(s)), 1, &mut |pane| ends.push(pane.end));
        }
    }
    for s in 20..49 {
        windows.record(at(s), (0, at(s)), 1, &mut |pane| ends.push(pane.end));
    }
    assert_eq!((ends.as_slice(), windows.deadline(at(48))), ([at(10)].as_slice(), Some(at(49))));
    windows.expire(at(49), &mut |pane| ends.push(pane.end));
    assert_eq!(ends, [at(10), at(20), at(30), at(40)]);
    windows.expire(at(500), &mut |pane| ends.push(pane.end));
    assert_eq!((ends.len(), windows.deadline(at(500))), (4, None), "with all of them silent it stands still");
}

#[test]
fn a_source_that_never_speaks_cannot_make_memory_grow() {
    let config = EventWindowConfig { sources: 2, ..TEN };
    let events: Vec<(u64, usize, u64)> = (0..1_000).map(|s| (s, 0, s)).collect();
    let (heard, _, accounts) = play(config, &events);
    assert_eq!((heard.len(), heard.values().sum::<u64>()), (100, 1_000));
    assert!(accounts.forced > 0 && accounts.dropped_late == 0, "{accounts:?}");
}

#[test]
fn an_empty_window_is_not_told() {
    let (heard, _, _) = play(EventWindowConfig::hopping(secs(20), secs(10)), &[(5, 0, 5), (1_005, 0, 1_005)]);
    assert_eq!(heard.into_iter().collect::<Vec<_>>(), [(0, 1), (990, 1), (1_000, 1)]);
}

/// Windows by looking at every event, none of which is in the first window's length of time.
#[test]
fn what_a_source_recorded_by_itself_counts_in_the_window_that_its_end_belongs_to() {
    let mut batch = Totals::EMPTY;
    batch.record_n(7, 4);
    let mut windows = windows(TEN);
    let mut heard = Heard::new();
    // The second batch closes the first window, because nothing before its end is to come any more.
    for (end, expected) in [(10, Placed::OnTime), (20, Placed::OnTime), (10, Placed::DroppedLate)] {
        let tell = &mut |pane: Pane<'_, Totals>| listen(&mut heard, &pane);
        assert_eq!(windows.merge_from(at(end), (0, at(end)), &batch, tell), Ok(expected));
    }
    assert_eq!(heard, Heard::from([(0, 4), (10, 4)]));
    assert_eq!((windows.accounts().offered, windows.accounts().dropped_late), (12, 4));
}

#[test]
fn a_source_that_divides_the_numbers_differently_is_refused_and_changes_nothing() {
    let histogram = |bound| ClassicHistogram::new(&ClassicConfig { bounds: vec![bound] }).unwrap();
    let mut windows = EventWindows::new(TEN, &histogram(5), Time::ZERO).unwrap();
    let mut other = histogram(6);
    other.record(1);
    assert_eq!(windows.merge_from(at(1), (0, at(1)), &other, &mut |_| ()), Err(ShapeMismatch));
    assert_eq!(*windows.accounts(), WindowAccounts::default());
}

fn plain_windows(events: &[u64], length: u64, hop: u64) -> Heard {
    let mut heard = Heard::new();
    for event in events {
        let last = event / hop;
        let first = (last + 1).saturating_sub(length / hop);
        for begin in first..=last {
            *heard.entry(begin * hop).or_insert(0) += 1;
        }
    }
    heard
}

fn policy() -> impl Strategy<Value = (LatePolicy, EarlyPolicy)> {
    let late =
        prop_oneof![Just(LatePolicy::Drop), Just(LatePolicy::CountIntoCurrent), Just(LatePolicy::Reopen)];
    (late, prop_oneof![Just(EarlyPolicy::Drop), Just(EarlyPolicy::CountIntoCurrent)])
}

proptest! {
    #[test]
    fn every_event_is_in_a_window_dropped_or_in_flight(
        events in prop::collection::vec((0u64..30, 0usize..3, 0u64..200, 0u64..200), 0..120),
        (late, early) in policy(), (hops, lateness, out_of_order, ahead, idle) in (1u64..4, 0u64..40, 0u64..20, 0u64..60, 1u64..90),
    ) {
        let config = EventWindowConfig {
            length: secs(10 * hops), hop: secs(10), allowed_lateness: secs(lateness), out_of_order: secs(out_of_order),
            max_ahead: secs(ahead), late, early, sources: 3, idle_after: secs(idle),
        };
        let mut windows = windows(config);
        let mut heard = Heard::new();
        let mut now = 0;
        let (mut added, mut dropped) = (0, 0);
        for (step, source, ahead, behind) in &events {
            now += step;
            let event = (now + ahead).saturating_sub(*behind);
            let placed = windows.record(at(now), (*source, at(event)), 1, &mut |pane| listen(&mut heard, &pane));
            added += u64::from(placed == Placed::Reopened);
            dropped += u64::from(matches!(placed, Placed::DroppedLate | Placed::DroppedEarly));
            let a = *windows.accounts();
            prop_assert_eq!(a.offered, a.in_flight + a.closed + a.reopened + a.dropped_late + a.dropped_early);
            prop_assert_eq!((a.reopened, a.dropped_late + a.dropped_early), (added, dropped));
        }
        windows.advance_to(Time::MAX, &mut |pane| listen(&mut heard, &pane));
        prop_assert_eq!(windows.accounts().in_flight, 0);
        if hops == 1 {
            prop_assert_eq!(heard.values().sum::<u64>() + dropped, events.len() as u64, "told and dropped are all");
        }
    }

    #[test]
    fn events_in_order_end_up_where_a_plain_list_puts_them(
        steps in prop::collection::vec(0u64..25, 0..80), hops in 1u64..5,
    ) {
        let mut now = 100;
        let events: Vec<u64> = steps.iter().map(|step| { now += step; now }).collect();
        let played: Vec<(u64, usize, u64)> = events.iter().map(|s| (*s, 0, *s)).collect();
        let (heard, placed, _) = play(EventWindowConfig::hopping(secs(10 * hops), secs(10)), &played);
        prop_assert!(placed.iter().all(|placed| *placed == Placed::OnTime));
        prop_assert_eq!(heard, plain_windows(&events, 10 * hops, 10));
    }

    #[test]
    fn skew_moves_events_between_windows_and_the_total_stays(
        events in prop::collection::vec((0u64..5, 0usize..3), 1..100), skew in prop::array::uniform3(0u64..300),
    ) {
        let generous = EventWindowConfig { max_ahead: Span::MAX, allowed_lateness: secs(600), sources: 3, ..TEN };
        let mut now = 0;
        let played: Vec<(u64, usize, u64)> =
            events.iter().map(|(step, node)| { now += step; (now, *node, now + skew[*node]) }).collect();
        let (heard, _, accounts) = play(generous, &played);
        prop_assert_eq!(heard.values().sum::<u64>(), events.len() as u64);
        prop_assert_eq!(accounts.dropped_late + accounts.dropped_early, 0);
    }

    #[test]
    fn no_clock_makes_event_windows_panic(
        events in prop::collection::vec(any::<(u64, u8, u64, u64)>(), 0..30), (late, early) in policy(), hop in 1u64..,
    ) {
        let config = EventWindowConfig {
            late, early, sources: 2, idle_after: Span::from_nanos(hop), ..EventWindowConfig::tumbling(Span::from_nanos(hop))
        };
        let mut windows = windows(config);
        for (now, source, event, count) in events {
            windows.record_n(Time::from_nanos(now), (source.into(), Time::from_nanos(event)), (now, count), &mut |_| {});
            if source == 0 {
                windows.advance_to(Time::MAX, &mut |_| {});
            }
        }
    }

    #[test]
    fn a_sliding_window_is_a_list_of_what_is_recent(
        steps in prop::collection::vec((0u64..40, 0u64..1_000), 0..80), buckets in 1u32..8,
    ) {
        let length = 10 * u64::from(buckets);
        let mut window = SlidingWindow::new(SlidingConfig { length: secs(length), buckets }, &Totals::EMPTY).unwrap();
        let mut all: Vec<(u64, u64)> = Vec::new();
        let mut now = 0;
        for (step, value) in steps {
            now += step;
            window.record(at(now), value);
            all.push((now, value));
            // The bucket being filled and as many whole ones before it as there are.
            let oldest = (now / 10 + 1).saturating_sub(u64::from(buckets)) * 10;
            let mut recent = Totals::EMPTY;
            all.iter().filter(|(s, _)| *s >= oldest).for_each(|(_, value)| recent.record(*value));
            prop_assert_eq!(window.merged(at(now)), &recent);
        }
        prop_assert_eq!(window.merged(at(now + length + 10)).count(), 0);
    }

    #[test]
    fn sessions_are_the_stretches_without_a_long_gap(
        events in prop::collection::vec(0u64..2_000, 0..60), gap in 0u64..60,
    ) {
        let config = SessionConfig { gap: secs(gap), out_of_order: Span::MAX, max_open: 100 };
        let mut sessions = SessionWindows::new(config, &Totals::EMPTY).unwrap();
        let mut told = Vec::new();
        for event in &events {
            let counted = sessions.record(at(*event), 1, &mut |pane| told.push((pane.start, pane.end, pane.content.count())));
            prop_assert!(counted);
        }
        prop_assert_eq!(sessions.in_flight() as usize, events.len());
        sessions.advance_to(Time::MAX, &mut |pane| told.push((pane.start, pane.end, pane.content.count())));
        let mut sorted = events.clone();
        sorted.sort_unstable();
        let mut expected: Vec<(u64, u64, u64)> = Vec::new();
        for event in sorted {
            match expected.last_mut() {
                Some((_, last, count)) if event - *last <= gap => { *last = event; *count += 1; }
                _ => expected.push((event, event, 1)),
            }
        }
        let expected: Vec<_> = expected.into_iter().map(|(first, last, count)| (at(first), at(last + gap), count)).collect();
        prop_assert_eq!(told, expected);
    }

    #[test]
    fn sessions_lose_nothing_but_what_they_say_they_dropped(
        events in prop::collection::vec((0u64..40, 0u64..200), 0..80), gap in 0u64..40, out_of_order in 0u64..60, max_open in 1u32..4,
    ) {
        let config = SessionConfig { gap: secs(gap), out_of_order: secs(out_of_order), max_open };
        let mut sessions = SessionWindows::new(config, &Totals::EMPTY).unwrap();
        let (mut told, mut now, mut counted) = (0, 0, 0);
        for (step, behind) in &events {
            now += step;
            counted += u64::from(sessions.record(at(now).since(at(*behind)).into_time(), 1, &mut |pane| told += pane.content.count()));
            prop_assert_eq!(told + sessions.in_flight(), counted);
        }
        prop_assert_eq!(counted + sessions.dropped_late(), events.len() as u64);
    }
}

/// A point in time as far after the origin as a span is long.
trait IntoTime {
    fn into_time(self) -> Time;
}

impl IntoTime for Span {
    fn into_time(self) -> Time {
        Time::ZERO + self
    }
}

#[test]
fn sessions_close_as_time_goes_on_and_late_events_are_counted() {
    let config = SessionConfig { gap: secs(10), out_of_order: Span::ZERO, max_open: 2 };
    let mut sessions = SessionWindows::new(config, &Totals::EMPTY).unwrap();
    let mut told = Vec::new();
    for event in [0, 10, 25, 2, 31] {
        sessions.record(at(event), 1, &mut |pane| told.push((pane.start, pane.end, pane.content.count())));
    }
    assert_eq!((told, sessions.dropped_late(), sessions.in_flight()), (vec![(at(0), at(20), 2)], 1, 2));
    assert!(SessionWindows::new(SessionConfig { max_open: 0, ..config }, &Totals::EMPTY).is_err());
}

#[test]
fn configs_out_of_range_are_refused_with_what_to_write_instead() {
    let refused = |config: EventWindowConfig| config.validate().unwrap_err().to_string();
    assert!(refused(EventWindowConfig { hop: Span::ZERO, ..TEN }).contains("use that of the window"));
    assert!(refused(EventWindowConfig { hop: secs(3), ..TEN }).contains("whole number of hops"));
    assert!(refused(EventWindowConfig { length: Span::ZERO, hop: secs(1), ..TEN }).contains("whole number"));
    assert!(refused(EventWindowConfig { sources: 0, ..TEN }).contains("use 1"));
    assert!(refused(EventWindowConfig { allowed_lateness: Span::MAX, ..TEN }).contains("less lateness"));
    let sliding = |length, buckets| SlidingWindow::new(SlidingConfig { length, buckets }, &Totals::EMPTY);
    assert!(sliding(secs(1), 0).is_err_and(|error| error.to_string().contains("1 to 4096")));
    assert!(sliding(Span::from_nanos(3), 4).is_err_and(|error| error.to_string().contains("use 10s")));
}

/// Windows that lose events in one way each: the law of conservation has to catch every one.
#[test]
fn aggregators_broken_on_purpose_break_the_law_of_conservation() {
    let events: Vec<(u64, usize, u64)> =
        vec![(5, 0, 5), (8, 0, 8), (25, 0, 25), (26, 0, 4), (47, 0, 47), (48, 0, 3)];
    let conserved =
        |heard: &Heard, dropped: u64| heard.values().sum::<u64>() + dropped == events.len() as u64;
    let (heard, _, accounts) = play(TEN, &events);
    assert!(conserved(&heard, accounts.dropped_late));
    assert!(!conserved(&heard, 0), "drops without counting them");
    let patient = EventWindowConfig { allowed_lateness: secs(100), ..TEN };
    assert!(conserved(&play(patient, &events).0, 0));
    // A listener that takes a revised window for one more counts events twice.
    let mut windows = windows(patient);
    let mut twice = Heard::new();
    for (now, source, event) in &events {
        windows.record(at(*now), (*source, at(*event)), 1, &mut |pane| {
            *twice.entry(pane.start.as_nanos()).or_insert(0) += pane.content.count();
        });
    }
    windows.advance_to(Time::MAX, &mut |pane| {
        *twice.entry(pane.start.as_nanos()).or_insert(0) += pane.content.count()
    });
    assert!(!conserved(&twice, 0), "adds up revisions");
}
