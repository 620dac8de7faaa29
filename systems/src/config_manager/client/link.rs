//! The client's side of the wire: asks, follows, notices gaps and silence, begins anew after what it has. Hands on each
//! revision once, whole and in order, whatever the network does. Knows nothing of what the values mean.

#[cfg(test)]
use super::config::Sabotage;
use super::config::{ClientConfig, Transport};
use crate::arithmetic::{keyed_word, uniform};
use crate::config_manager::history::{Entry, Event};
use crate::config_manager::key::{Key, Revision};
use crate::config_manager::message::{Answer, Batch, Push, Refusal, Request, RequestId, WatchId};
use crate::config_manager::watch_log::LogEntry;
use crate::time::{Span, Time};
use std::collections::BTreeMap;

/// What a client has come to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// Everything, at one revision.
    All(Revision, Vec<(Key, Entry)>),
    /// What one revision did; nothing if it is a bookmark.
    Changes(Revision, Vec<Event>),
}

/// What to ask for next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aim {
    All,
    Changes,
}

#[derive(Clone, Debug)]
enum State {
    Idle,
    Waiting {
        aim: Aim,
        until: Time,
    },
    Snapshot {
        request: RequestId,
        until: Time,
    },
    Watch {
        watch: WatchId,
        request: RequestId,
        until: Time,
        early: BTreeMap<Revision, Batch>,
        gap_until: Option<Time>,
    },
    Poll {
        request: RequestId,
        until: Time,
    },
}

/// How often things have happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// Snapshots that were asked for.
    pub snapshots: u64,
    /// Times that the history began too late, and everything was asked for again.
    pub resyncs: u64,
    /// Watches that were begun, and polls.
    pub follows: u64,
    /// Requests and streams that were given up.
    pub timeouts: u64,
    /// Batches that came twice, or from a watch given up.
    pub duplicates: u64,
    /// Batches that came before an earlier one.
    pub early: u64,
    /// Snapshots that were older than what was there, from a server that lags or has lost something.
    pub outdated: u64,
}

/// So many batches are kept while an earlier one is missing.
const MOST_EARLY: usize = 64;

/// Keeps up with a server.
#[derive(Clone, Debug)]
pub(super) struct Link {
    have: Revision,
    state: State,
    ids: u64,
    draws: u64,
    failures: u32,
    pub(super) counters: LinkCounters,
    pub(super) log: Vec<LogEntry>,
    #[cfg(test)]
    pub(super) sabotage: Option<Sabotage>,
}

impl Link {
    pub(super) const fn new() -> Link {
        Link {
            have: Revision::ZERO,
            state: State::Idle,
            ids: 0,
            draws: 0,
            failures: 0,
            counters: LinkCounters {
                snapshots: 0,
                resyncs: 0,
                follows: 0,
                timeouts: 0,
                duplicates: 0,
                early: 0,
                outdated: 0,
            },
            log: Vec::new(),
            #[cfg(test)]
            sabotage: None,
        }
    }

    /// The last revision that was handed on.
    pub(super) const fn have(&self) -> Revision {
        self.have
    }

    /// Another number for each request, also of others than the link.
    pub(super) const fn next_request(&mut self) -> RequestId {
        self.ids = self.ids.saturating_add(1);
        RequestId(self.ids)
    }

    pub(super) const fn deadline(&self) -> Option<Time> {
        match &self.state {
            State::Idle => None,
            State::Waiting { until, .. } | State::Snapshot { until, .. } | State::Poll { until, .. } => {
                Some(*until)
            }
            State::Watch { until, gap_until, .. } => match gap_until {
                Some(gap) if gap.as_nanos() < until.as_nanos() => Some(*gap),
                _ => Some(*until),
            },
        }
    }

    /// Begins: after what is known, or with everything.
    pub(super) fn start(
        &mut self,
        now: Time,
        config: &ClientConfig,
        known: Option<Revision>,
        out: &mut Vec<(RequestId, Request)>,
    ) {
        self.have = known.unwrap_or(Revision::ZERO);
        if let Some(revision) = known {
            self.record(config, || LogEntry::Resynced(revision));
        }
        self.ask(now, config, if known.is_some() { Aim::Changes } else { Aim::All }, out);
    }

    pub(super) fn stop(&mut self) {
        self.state = State::Idle;
    }

    fn ask(&mut self, now: Time, config: &ClientConfig, aim: Aim, out: &mut Vec<(RequestId, Request)>) {
        let request = self.next_request();
        let view = config.view.clone();
        let until = now + config.request_timeout;
        let from = self.have.next();
        if aim == Aim::Changes {
            self.counters.follows = self.counters.follows.saturating_add(1);
            self.record(config, || LogEntry::Begun { from });
        }
        let (state, body) = match (aim, config.transport) {
            (Aim::All, _) => {
                self.counters.snapshots = self.counters.snapshots.saturating_add(1);
                (State::Snapshot { request, until }, Request::Snapshot { view, at: None })
            }
            (Aim::Changes, Transport::Stream) => {
                let watch = WatchId(request.0);
                let early = BTreeMap::new();
                let state = State::Watch { watch, request, until, early, gap_until: None };
                (state, Request::Watch { watch, view, from })
            }
            (Aim::Changes, Transport::Poll { hold, .. }) => {
                let have = self.have;
                (State::Poll { request, until: until + hold }, Request::Poll { view, have, hold })
            }
        };
        self.state = state;
        out.push((request, body));
    }

    /// What is due: the next question, or giving up the last.
    pub(super) fn expire(&mut self, now: Time, config: &ClientConfig, out: &mut Vec<(RequestId, Request)>) {
        if self.deadline().is_none_or(|due| due > now) {
            return;
        }
        match self.state {
            State::Idle => {}
            State::Waiting { aim, .. } => self.ask(now, config, aim, out),
            State::Snapshot { .. } => self.fail(now, config, Aim::All),
            State::Watch { watch, gap_until, .. } => {
                let request = self.next_request();
                out.push((request, Request::Unwatch(watch)));
                if gap_until.is_some_and(|gap| gap <= now) {
                    // Something is missing, but the server speaks: begin anew at once.
                    self.counters.timeouts = self.counters.timeouts.saturating_add(1);
                    self.ask(now, config, Aim::Changes, out);
                } else {
                    self.fail(now, config, Aim::Changes);
                }
            }
            State::Poll { .. } => self.fail(now, config, Aim::Changes),
        }
    }

    fn fail(&mut self, now: Time, config: &ClientConfig, aim: Aim) {
        self.counters.timeouts = self.counters.timeouts.saturating_add(1);
        self.wait_after_failure(now, config, aim);
        #[cfg(test)]
        if self.sabotage == Some(Sabotage::GivesUp) {
            self.state = State::Idle;
        }
    }

    fn wait_after_failure(&mut self, now: Time, config: &ClientConfig, aim: Aim) {
        let factor = 1u64.checked_shl(self.failures.min(63)).unwrap_or(u64::MAX);
        let bound = config.retry_base.saturating_mul(factor).min(config.retry_cap);
        self.failures = self.failures.saturating_add(1);
        let pause = self.draw(config, Span::from_nanos(bound.as_nanos() / 2), bound);
        // Never none: a driver that carries out what is due would not come to an end.
        let pause = pause.max(Span::from_nanos(1));
        self.state = State::Waiting { aim, until: now + pause };
    }

    fn draw(&mut self, config: &ClientConfig, low: Span, high: Span) -> Span {
        let word = keyed_word(config.seed, self.draws);
        self.draws = self.draws.saturating_add(1);
        Span::from_nanos(uniform(word, low.as_nanos(), high.as_nanos()))
    }

    /// Everything has to be asked for, though not by all at once.
    fn resync(&mut self, now: Time, config: &ClientConfig) {
        self.counters.resyncs = self.counters.resyncs.saturating_add(1);
        let pause = self.draw(config, Span::ZERO, config.resync_jitter);
        self.state = State::Waiting { aim: Aim::All, until: now + pause };
    }

    fn record(&mut self, config: &ClientConfig, entry: impl FnOnce() -> LogEntry) {
        if config.is_recorded {
            self.log.push(entry());
        }
    }

    /// Takes an answer; `false` if it is not to the link's last question.
    pub(super) fn answer(
        &mut self,
        now: Time,
        config: &ClientConfig,
        request: RequestId,
        answer: &Answer,
        received: &mut Vec<Received>,
        out: &mut Vec<(RequestId, Request)>,
    ) -> bool {
        let aim = match self.state {
            State::Snapshot { request: asked, .. } if asked == request => Aim::All,
            State::Watch { request: asked, .. } | State::Poll { request: asked, .. } if asked == request => {
                Aim::Changes
            }
            State::Idle
            | State::Waiting { .. }
            | State::Snapshot { .. }
            | State::Watch { .. }
            | State::Poll { .. } => return false,
        };
        match (aim, answer) {
            (Aim::All, Answer::Snapshot { revision, entries }) => {
                self.take_all(now, config, *revision, entries, received, out);
            }
            (Aim::Changes, Answer::Changes { revision, batches }) => {
                self.take_polled(now, config, *revision, batches, received, out);
            }
            (_, Answer::Refused(Refusal::Compacted(revision))) => {
                self.record(config, || LogEntry::TooLate(*revision));
                self.resync(now, config);
            }
            // The server has not come so far as the client: it lags, or has lost something.
            (_, Answer::Refused(Refusal::Future(_))) => {
                self.counters.outdated = self.counters.outdated.saturating_add(1);
                self.wait_after_failure(now, config, Aim::All);
            }
            _ => self.wait_after_failure(now, config, aim),
        }
        true
    }

    fn take_all(
        &mut self,
        now: Time,
        config: &ClientConfig,
        revision: Revision,
        entries: &[(Key, Entry)],
        received: &mut Vec<Received>,
        out: &mut Vec<(RequestId, Request)>,
    ) {
        if revision < self.have {
            self.counters.outdated = self.counters.outdated.saturating_add(1);
            self.wait_after_failure(now, config, Aim::All);
            return;
        }
        self.failures = 0;
        self.have = revision;
        self.record(config, || LogEntry::Resynced(revision));
        received.push(Received::All(revision, entries.to_vec()));
        self.ask(now, config, Aim::Changes, out);
    }

    fn take_polled(
        &mut self,
        now: Time,
        config: &ClientConfig,
        revision: Revision,
        batches: &[Vec<Event>],
        received: &mut Vec<Received>,
        out: &mut Vec<(RequestId, Request)>,
    ) {
        self.failures = 0;
        for events in batches {
            if let Some(of) = events.first().map(|event| event.revision).filter(|of| *of > self.have) {
                self.have = of;
                self.record(config, || LogEntry::Batch(events.clone()));
                received.push(Received::Changes(of, events.clone()));
            }
        }
        self.have = self.have.max(revision);
        self.record(config, || LogEntry::Bookmark(revision));
        received.push(Received::Changes(self.have, Vec::new()));
        match config.transport {
            Transport::Poll { pause, .. } if !pause.is_zero() => {
                self.state = State::Waiting { aim: Aim::Changes, until: now + pause };
            }
            Transport::Poll { .. } | Transport::Stream => self.ask(now, config, Aim::Changes, out),
        }
    }

    /// Takes news of a watch.
    pub(super) fn push(
        &mut self,
        now: Time,
        config: &ClientConfig,
        of: WatchId,
        push: Push,
        received: &mut Vec<Received>,
    ) {
        let State::Watch { watch, until, .. } = &mut self.state else {
            self.counters.duplicates = self.counters.duplicates.saturating_add(1);
            return;
        };
        if *watch != of {
            self.counters.duplicates = self.counters.duplicates.saturating_add(1);
            return;
        }
        match push {
            Push::Batch(batch) => {
                *until = now + config.silence_timeout;
                self.failures = 0;
                self.take_batch(now, config, batch, received);
            }
            Push::Compacted(revision) => {
                self.record(config, || LogEntry::TooLate(revision));
                self.resync(now, config);
            }
            Push::Cancelled => self.wait_after_failure(now, config, Aim::Changes),
        }
    }

    fn take_batch(&mut self, now: Time, config: &ClientConfig, batch: Batch, received: &mut Vec<Received>) {
        let State::Watch { early, gap_until, .. } = &mut self.state else { return };
        let is_early = batch.after > self.have;
        #[cfg(test)]
        let is_early = is_early && self.sabotage != Some(Sabotage::IgnoresGaps);
        if is_early {
            self.counters.early = self.counters.early.saturating_add(1);
            if early.len() < MOST_EARLY {
                early.insert(batch.after, batch);
            }
            gap_until.get_or_insert(now + config.request_timeout);
            return;
        }
        let mut early = std::mem::take(early);
        let mut next = Some(batch);
        while let Some(batch) = next {
            self.take_next(config, batch, received);
            next = early.first_entry().filter(|first| *first.key() <= self.have).map(|first| first.remove());
        }
        let is_whole = early.is_empty();
        if let State::Watch { early: kept, gap_until, .. } = &mut self.state {
            *kept = early;
            if is_whole {
                *gap_until = None;
            }
        }
    }

    /// A batch that follows what is there, or lies behind it.
    fn take_next(&mut self, config: &ClientConfig, batch: Batch, received: &mut Vec<Received>) {
        let Batch { revision, events, .. } = batch;
        if revision < self.have || (revision == self.have && !events.is_empty()) {
            self.counters.duplicates = self.counters.duplicates.saturating_add(1);
            return;
        }
        self.have = revision;
        let recorded = &events;
        self.record(config, || match recorded.is_empty() {
            true => LogEntry::Bookmark(revision),
            false => LogEntry::Batch(recorded.clone()),
        });
        received.push(Received::Changes(revision, events));
    }
}
