//! The wake-up of a state machine that says when it wants to be called: armed anew only where that has changed. It
//! reads the node's own clock and knows no kind.

use crate::cluster::{Cx, Token};
use crate::kernel::agenda::Handle;
use crate::kernel::time::{Span, Time};

/// Long enough for kinds that wait for milliseconds or more.
pub(super) const SHORTEST_NAP: Span = Span::from_millis(1);

/// When a node is to be woken, on its own clock.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Alarm(Option<(Time, Handle)>);

impl Alarm {
    /// Wakes the node at `wanted` by its own clock, or not at all; `nap` says how long to sleep instead of the span
    /// until then. A clock that stands still must not be looked at without a pause.
    #[inline]
    pub(super) fn set(
        &mut self,
        wanted: Option<Time>,
        nap: impl FnOnce(Span) -> Span,
        token: Token,
        cx: &mut Cx<'_>,
    ) {
        if wanted != self.0.map(|(at, _)| at) {
            self.clear(cx);
            self.0 = wanted.map(|at| (at, cx.wake_at(cx.now() + nap(at.since(cx.local_time())), token)));
        }
    }

    /// It has rung, or went with the process: nothing is left to be taken back.
    pub(super) fn forget(&mut self) {
        self.0 = None;
    }

    fn clear(&mut self, cx: &mut Cx<'_>) {
        if let Some((_, handle)) = self.0.take() {
            cx.cancel_wake(handle);
        }
    }
}

/// What is due is done at once, everything else not before the shortest nap.
pub(super) fn at_once_or(shortest: Span) -> impl FnOnce(Span) -> Span {
    move |span| if span.is_zero() { span } else { span.max(shortest) }
}

/// Never before the shortest nap.
pub(super) fn at_least(shortest: Span) -> impl FnOnce(Span) -> Span {
    move |span| span.max(shortest)
}
