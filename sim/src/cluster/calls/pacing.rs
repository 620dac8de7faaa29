//! The client's own rate on an edge: from the first answer that asks for less on, attempts wait in line for tokens.
//! Decides when an attempt may begin, never whether it is needed.

use std::collections::VecDeque;

use foreshock_systems::retry::{AdaptiveConfig, AdaptiveLimiter};

use super::super::core::{Engine, Event, Ready};
use super::super::slab::Ref;
use crate::kernel::agenda::Handle;
use crate::kernel::time::{Span, Time};
use crate::measure::OutcomeKind;

/// The rate of one caller replica over one edge, and who waits for it.
pub(crate) struct Pacing {
    limiter: AdaptiveLimiter,
    /// Whether answers still count; once off, whoever waits is let go.
    is_on: bool,
    /// Calls whose next attempt waits, each since when. Those that ended meanwhile are skipped.
    line: VecDeque<(Ref, Time)>,
    timer: Handle,
}

impl Pacing {
    pub(super) fn new(config: AdaptiveConfig) -> Pacing {
        Pacing {
            limiter: AdaptiveLimiter::new(config),
            is_on: true,
            line: VecDeque::new(),
            timer: Handle::NONE,
        }
    }

    /// Follows new settings; those in line stay there until their timer.
    pub(super) fn reconfigure(&mut self, config: Option<AdaptiveConfig>) {
        self.limiter = AdaptiveLimiter::new(config.unwrap_or_default());
        self.is_on = config.is_some();
    }
}

impl Engine<'_> {
    /// Whether the next attempt of a call has to wait for the client's own rate. A copy of a slow call is made at
    /// once or not at all.
    #[cold]
    pub(super) fn waits_for_rate(&mut self, call: Ref, is_hedge: bool) -> bool {
        let Some(this) = self.core.calls.get_mut(call) else { return false };
        if std::mem::take(&mut this.is_paced) {
            return false;
        }
        let index = this.edge_state as usize;
        let local = self.core.nodes[this.owner.index()].clock.local(self.now);
        let Some(pacing) = &mut self.core.edge_states[index].pacing else { return false };
        if pacing.line.is_empty() && pacing.limiter.reserve(local, Span::ZERO).is_ok() {
            return false;
        }
        if is_hedge {
            this.begun += 1;
            let charged = this.retry_charged.take();
            self.fail_unsent(call, OutcomeKind::RateLimited, charged);
        } else {
            pacing.line.push_back((call, self.now));
            self.arm_pace(index);
        }
        true
    }

    /// The next token may have come in.
    pub(crate) fn pace_due(&mut self, index: usize) {
        let state = &mut self.core.edge_states[index];
        let local = self.core.nodes[state.owner.index()].clock.local(self.now);
        let Some(pacing) = &mut state.pacing else { return };
        pacing.timer = Handle::NONE;
        while let Some((call, since)) = pacing.line.front().copied() {
            let waits = self.core.calls.get_mut(call).filter(|this| this.is_open());
            if let Some(this) = waits {
                if pacing.limiter.reserve(local, Span::ZERO).is_err() {
                    break;
                }
                this.is_paced = true;
                self.core.recorder.backoff(state.edge, self.now.since(since), self.now);
                self.core.ready.push_back(Ready::Retry(call));
            }
            pacing.line.pop_front();
        }
        self.arm_pace(index);
    }

    /// An attempt was answered: the rate may have changed, and with it how long the first in line waits.
    #[cold]
    pub(super) fn rate_answered(&mut self, index: usize, local: Time, throttled: bool) {
        let Some(pacing) = &mut self.core.edge_states[index].pacing else { return };
        if pacing.is_on {
            pacing.limiter.on_answer(local, throttled);
        }
        if !pacing.line.is_empty() {
            self.agenda.cancel(std::mem::take(&mut pacing.timer));
            self.arm_pace(index);
        }
    }

    /// Arms the timer for whoever is first in line.
    fn arm_pace(&mut self, index: usize) {
        let state = &mut self.core.edge_states[index];
        let local = self.core.nodes[state.owner.index()].clock.local(self.now);
        let Some(pacing) = &mut state.pacing else { return };
        if pacing.line.is_empty() || pacing.timer != Handle::NONE {
            return;
        }
        // What the clock of the client gains meanwhile does not matter: whoever comes too early waits again.
        let wait = pacing.limiter.wait(local).max(Span::from_nanos(1));
        pacing.timer = self.agenda.schedule(self.now + wait, Event::Pace(index as u32));
    }
}
