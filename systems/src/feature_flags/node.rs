//! The client's side of the control plane: what a process knows of the flags, how fresh it is, and when to ask again.
//! Never goes back to an older revision, and serves the last one that it had while it is cut off. Sends nothing itself.

use super::definition::{Event, State};
use super::rules::RuleSet;
use crate::arithmetic::{keyed_word, uniform};
use crate::{Span, Time};
use std::fmt;
use std::sync::Arc;

/// How a node keeps up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    /// Between two polls; while a stream is open nothing is polled.
    pub poll_interval: Span,
    /// Up to this is added to each interval, another amount each time: the nodes of a fleet do not ask all at once.
    pub poll_jitter: Span,
    /// After so long without an answer a poll has failed.
    pub fetch_timeout: Span,
    /// After so long without hearing anything the node calls itself stale.
    pub stale_after: Span,
    /// Whether to ask for a stream of changes.
    pub streaming: bool,
    /// What is served while stale.
    pub offline: Offline,
    /// Another one for each node: its jitter is drawn by it.
    pub seed: u64,
}

impl Default for NodeConfig {
    /// Unleash's interval of 15 s; stale after three of them.
    fn default() -> Self {
        NodeConfig {
            poll_interval: Span::from_secs(15),
            poll_jitter: Span::from_secs(3),
            fetch_timeout: Span::from_secs(10),
            stale_after: Span::from_secs(45),
            streaming: false,
            offline: Offline::LastKnownGood,
            seed: 0,
        }
    }
}

/// What is served while nothing is heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Offline {
    /// What was served last.
    #[default]
    LastKnownGood,
    /// What the node was started with.
    Bootstrap,
    /// Nothing: every flag is not ready, and the caller's default counts.
    CallersDefault,
}

/// Why a config cannot be meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeConfigError {
    /// The interval is zero.
    NoInterval,
    /// The timeout is zero: every poll would fail.
    NoTimeout,
    /// A node would be stale between two polls though all is well. Holds what it takes at least.
    StaleTooSoon(Span),
}

impl fmt::Display for NodeConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NodeConfigError::NoInterval => {
                f.write_str("`poll_interval` is zero: write how often to ask, as 15 s")
            }
            NodeConfigError::NoTimeout => {
                f.write_str("`fetch_timeout` is zero: write how long to wait, as 10 s")
            }
            NodeConfigError::StaleTooSoon(least) => {
                write!(f, "`stale_after` is shorter than a poll may be late: write at least {least}")
            }
        }
    }
}

impl std::error::Error for NodeConfigError {}

impl NodeConfig {
    /// Whether it can be meant. One that was not checked is safe as well: zero counts as a nanosecond.
    ///
    /// # Errors
    /// Says what to write instead.
    pub fn validate(&self) -> Result<(), NodeConfigError> {
        let least = self.poll_interval + self.poll_jitter + self.fetch_timeout;
        if self.poll_interval.is_zero() {
            Err(NodeConfigError::NoInterval)
        } else if self.fetch_timeout.is_zero() {
            Err(NodeConfigError::NoTimeout)
        } else if self.stale_after < least {
            Err(NodeConfigError::StaleTooSoon(least))
        } else {
            Ok(())
        }
    }
}

/// Where a node is in its life; the words are OpenFeature's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It has not heard anything yet.
    NotReady,
    /// It is as fresh as it should be.
    Ready,
    /// It has not heard anything for too long.
    Stale,
    /// The control plane has refused it. Asking again would not help; it goes on with what it has.
    Error,
}

/// What a node hears.
#[derive(Clone, Debug)]
pub enum Input {
    /// It shall begin.
    Start,
    /// Everything.
    Hydration {
        /// The revision that it is.
        revision: u64,
        /// All flags and segments.
        state: State,
    },
    /// What has changed since a revision.
    Delta {
        /// The revision before the first of the events.
        after: u64,
        /// The changes, oldest first.
        events: Vec<Event>,
    },
    /// There is nothing newer: the answer to a poll, or a stream's sign of life.
    NotModified,
    /// A poll has failed.
    FetchFailed,
    /// The control plane will not answer this node, whatever it asks.
    Refused,
    /// Changes will come by themselves from now on.
    StreamOpened,
    /// No more changes come by themselves.
    StreamClosed,
}

/// What a node wants done, or has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Ask for what is newer than this revision; for everything if it is `None`.
    Fetch {
        /// The revision that is there.
        have: Option<u64>,
    },
    /// Ask for a stream of what is newer than this revision.
    OpenStream {
        /// The revision that is there.
        have: u64,
    },
    /// Flags may answer differently from now on.
    ConfigurationChanged {
        /// The revision before.
        from: u64,
        /// The revision now.
        to: u64,
    },
    /// The node is in another part of its life.
    StatusChanged {
        /// Before.
        from: Status,
        /// Now.
        to: Status,
    },
}

/// What a node wants done, in this order.
pub type Outbox<T> = Vec<T>;

/// Why a message was not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// It is older than what is there.
    Outdated {
        /// The revision that is there.
        have: u64,
        /// The one of the message.
        got: u64,
    },
    /// Changes in between are missing; everything has been asked for.
    Gap {
        /// The revision that is there.
        have: u64,
        /// The one that the changes follow.
        after: u64,
    },
    /// The revisions of the changes do not go up from the one that they follow.
    Disorder,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rejected::Outdated { have, got } => {
                write!(f, "revision {got} is older than {have}: nothing to do")
            }
            Rejected::Gap { have, after } => {
                write!(f, "changes between {have} and {after} are missing: answer the node's fetch")
            }
            Rejected::Disorder => f.write_str("the changes are not in order: send them oldest first"),
        }
    }
}

impl std::error::Error for Rejected {}

/// How often things have happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeCounters {
    /// Revisions that were taken over.
    pub updates: u64,
    /// Changes that came once more.
    pub duplicates: u64,
    /// Messages that were older than what was there.
    pub outdated: u64,
    /// Times that everything had to be asked for.
    pub resyncs: u64,
    /// Polls.
    pub polls: u64,
    /// Polls that failed, or were not answered.
    pub failed_polls: u64,
}

/// A process that evaluates flags.
///
/// Hand it what it hears (`handle`), call `expire` at its `deadline`, and do what it puts out. Evaluate with
/// [`Node::rules`]: a request takes one and keeps it.
#[derive(Debug)]
pub struct Node {
    config: NodeConfig,
    status: Status,
    rules: Arc<RuleSet>,
    bootstrap: Arc<RuleSet>,
    empty: Arc<RuleSet>,
    last_heard: Time,
    is_streaming: bool,
    /// When to poll next; while a poll is under way, when it has failed.
    next_poll: Option<Time>,
    fetch_due: Option<Time>,
    counters: NodeCounters,
}

impl Node {
    /// A node that has heard nothing yet and serves `bootstrap`, which may be empty.
    pub fn new(config: NodeConfig, bootstrap: RuleSet) -> Node {
        let empty = Arc::new(bootstrap.without_flags());
        let bootstrap = Arc::new(bootstrap);
        Node {
            config,
            status: Status::NotReady,
            rules: Arc::clone(&bootstrap),
            bootstrap,
            empty,
            last_heard: Time::ZERO,
            is_streaming: false,
            next_poll: None,
            fetch_due: None,
            counters: NodeCounters::default(),
        }
    }

    /// The flags to evaluate with. A request that keeps them sees one revision to its end.
    pub fn rules(&self) -> &Arc<RuleSet> {
        match (self.status, self.config.offline) {
            (Status::Stale, Offline::Bootstrap) => &self.bootstrap,
            (Status::Stale, Offline::CallersDefault) => &self.empty,
            (Status::Stale, Offline::LastKnownGood)
            | (Status::NotReady | Status::Ready | Status::Error, _) => &self.rules,
        }
    }

    /// The last revision that was taken over.
    pub fn revision(&self) -> u64 {
        self.rules.revision()
    }

    /// Where it is in its life.
    pub fn status(&self) -> Status {
        self.status
    }

    /// How often things have happened.
    pub fn counters(&self) -> NodeCounters {
        self.counters
    }

    /// Throws a kill switch of this node alone, or takes it back: while it is thrown the flag is off, whatever the
    /// control plane says.
    pub fn kill(&mut self, flag: &str, thrown: bool) {
        for rules in [&mut self.rules, &mut self.bootstrap, &mut self.empty] {
            *rules = Arc::new(rules.with_kill_switch(flag, thrown));
        }
    }

    /// Takes in what was heard.
    ///
    /// # Errors
    /// If it could not be used; the node stays as it was, and has asked for what it needs.
    pub fn handle(&mut self, now: Time, input: Input, out: &mut Outbox<Output>) -> Result<(), Rejected> {
        match input {
            Input::Start => {
                self.last_heard = self.last_heard.max(now);
                self.poll(now, out);
                if self.config.streaming {
                    out.push(Output::OpenStream { have: self.revision() });
                }
                Ok(())
            }
            Input::Hydration { revision, state } => self.hydrate(now, revision, &state, out),
            Input::Delta { after, events } => self.apply(now, after, &events, out),
            Input::NotModified => {
                self.hear(now, out);
                Ok(())
            }
            Input::FetchFailed => {
                self.fail(now);
                Ok(())
            }
            Input::Refused => {
                (self.next_poll, self.fetch_due, self.is_streaming) = (None, None, false);
                self.enter(Status::Error, out);
                Ok(())
            }
            Input::StreamOpened => {
                self.is_streaming = true;
                Ok(())
            }
            Input::StreamClosed => {
                self.is_streaming = false;
                // Whatever happened meanwhile did not come by itself.
                self.next_poll = Some(now);
                Ok(())
            }
        }
    }

    fn hydrate(
        &mut self,
        now: Time,
        revision: u64,
        state: &State,
        out: &mut Outbox<Output>,
    ) -> Result<(), Rejected> {
        let have = self.revision();
        self.hear(now, out);
        if revision < have {
            self.counters.outdated += 1;
            return Err(Rejected::Outdated { have, got: revision });
        }
        if revision > have {
            self.take_over(self.rules.with_state(revision, state), out);
        }
        Ok(())
    }

    fn apply(
        &mut self,
        now: Time,
        after: u64,
        events: &[Event],
        out: &mut Outbox<Output>,
    ) -> Result<(), Rejected> {
        let have = self.revision();
        let mut last = after;
        for event in events {
            if event.revision <= last {
                return Err(Rejected::Disorder);
            }
            last = event.revision;
        }
        self.hear(now, out);
        if after > have {
            self.counters.resyncs += 1;
            self.fetch_due = Some(now + self.config.fetch_timeout);
            out.push(Output::Fetch { have: None });
            return Err(Rejected::Gap { have, after });
        }
        let new = events.partition_point(|event| event.revision <= have);
        self.counters.duplicates += new as u64;
        if new < events.len() {
            self.take_over(self.rules.with_events(&events[new..]), out);
        }
        Ok(())
    }

    fn take_over(&mut self, rules: RuleSet, out: &mut Outbox<Output>) {
        let (from, to) = (self.revision(), rules.revision());
        assert!(to > from, "a node never goes back: {from} to {to}");
        self.rules = Arc::new(rules);
        self.counters.updates += 1;
        out.push(Output::ConfigurationChanged { from, to });
    }

    /// Something has come from the control plane.
    fn hear(&mut self, now: Time, out: &mut Outbox<Output>) {
        self.last_heard = self.last_heard.max(now);
        if self.fetch_due.take().is_some() || self.next_poll.is_none() {
            self.next_poll = Some(now + self.interval());
        }
        self.enter(Status::Ready, out);
    }

    fn fail(&mut self, now: Time) {
        if self.status == Status::Error {
            return;
        }
        self.fetch_due = None;
        self.counters.failed_polls += 1;
        self.next_poll = Some(now + self.interval());
    }

    fn enter(&mut self, status: Status, out: &mut Outbox<Output>) {
        if self.status != status {
            out.push(Output::StatusChanged { from: self.status, to: status });
            self.status = status;
        }
    }

    /// The interval with its jitter: a draw by the node's seed and the number of the poll.
    fn interval(&self) -> Span {
        let word = keyed_word(self.config.seed, self.counters.polls);
        let jitter = uniform(word, 0, self.config.poll_jitter.as_nanos());
        self.config.poll_interval.max(Span::from_nanos(1)) + Span::from_nanos(jitter)
    }

    fn poll(&mut self, now: Time, out: &mut Outbox<Output>) {
        self.counters.polls += 1;
        self.next_poll = None;
        self.fetch_due = Some(now + self.config.fetch_timeout.max(Span::from_nanos(1)));
        out.push(Output::Fetch { have: Some(self.revision()).filter(|have| *have > 0) });
    }

    /// When to call [`Node::expire`].
    pub fn deadline(&self) -> Option<Time> {
        let poll = self.next_poll.filter(|_| !self.is_streaming);
        let stale = (self.status == Status::Ready).then(|| self.last_heard + self.config.stale_after);
        [poll, self.fetch_due, stale].into_iter().flatten().min()
    }

    /// Does what is due.
    pub fn expire(&mut self, now: Time, out: &mut Outbox<Output>) {
        if self.status == Status::Ready && now >= self.last_heard + self.config.stale_after {
            self.enter(Status::Stale, out);
        }
        if self.fetch_due.is_some_and(|due| now >= due) {
            self.fail(now);
        }
        if !self.is_streaming && self.next_poll.is_some_and(|due| now >= due) {
            self.poll(now, out);
            if self.config.streaming {
                out.push(Output::OpenStream { have: self.revision() });
            }
        }
    }
}
