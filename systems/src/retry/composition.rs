//! In which order the policies around a call stand, and what follows from it: what sees every attempt and what sees
//! only the call, what a timeout covers, what the breaker hears. Data and questions about it; the policies themselves
//! are elsewhere.

use std::fmt;

/// A policy around a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// Repeats what is inside.
    Retry,
    /// Refuses while what is inside has been failing.
    Breaker,
    /// Refuses or delays what comes too fast.
    RateLimit,
    /// Gives up what is inside after a while.
    Timeout,
    /// Bounds how many are inside at once.
    Bulkhead,
}

/// The layers around a call, from the outside in. Each occurs at most once, [`Layer::Timeout`] twice: outside of
/// [`Layer::Retry`] it bounds the call, inside each attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Composition {
    layers: Vec<Layer>,
}

impl Composition {
    /// Checks an order, from the outside in.
    ///
    /// # Errors
    /// [`CompositionError`] if a layer comes twice, or two timeouts have no retry between them.
    pub fn new(layers: &[Layer]) -> Result<Composition, CompositionError> {
        let retry = layers.iter().position(|layer| *layer == Layer::Retry);
        for (index, layer) in layers.iter().enumerate() {
            let Some(earlier) = layers[..index].iter().position(|other| other == layer) else { continue };
            let apart = retry.is_some_and(|retry| earlier < retry && retry < index);
            if *layer != Layer::Timeout {
                return Err(CompositionError::Twice(*layer));
            }
            if !apart {
                return Err(CompositionError::TimeoutsTogether);
            }
        }
        Ok(Composition { layers: layers.to_vec() })
    }

    /// resilience4j's order: retry, breaker, rate limit, timeout, bulkhead.
    pub fn resilience4j() -> Composition {
        Composition {
            layers: vec![Layer::Retry, Layer::Breaker, Layer::RateLimit, Layer::Timeout, Layer::Bulkhead],
        }
    }

    /// The order of .NET's standard resilience handler, built on Polly: rate limit, timeout of the call, retry,
    /// breaker, timeout of the attempt.
    pub fn polly_standard() -> Composition {
        Composition {
            layers: vec![Layer::RateLimit, Layer::Timeout, Layer::Retry, Layer::Breaker, Layer::Timeout],
        }
    }

    /// From the outside in. Enter in this order, leave in the opposite one.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// What a call passes once, however many attempts it makes, from the outside in.
    pub fn once_per_call(&self) -> &[Layer] {
        self.layers.split_at(self.retry_at()).0
    }

    /// What each attempt passes anew, from the outside in; without retries, nothing.
    pub fn once_per_attempt(&self) -> &[Layer] {
        self.layers.get(self.retry_at() + 1..).unwrap_or(&[])
    }

    /// Whether `inner` is within `outer`: what `outer` bounds, counts or repeats then includes what `inner` does. With
    /// two timeouts it is enough that one of them is.
    pub fn is_within(&self, inner: Layer, outer: Layer) -> bool {
        let first_outer = self.layers.iter().position(|layer| *layer == outer);
        let last_inner = self.layers.iter().rposition(|layer| *layer == inner);
        matches!((first_outer, last_inner), (Some(outer), Some(inner)) if outer < inner)
    }

    /// Whether the breaker hears of a timeout as a failure; if not, it hears nothing when the timeout strikes.
    pub fn breaker_hears_timeouts(&self) -> bool {
        self.is_within(Layer::Timeout, Layer::Breaker)
    }

    /// Whether time spent waiting for a place in the bulkhead counts towards a timeout.
    pub fn timeout_covers_waiting(&self) -> bool {
        self.is_within(Layer::Bulkhead, Layer::Timeout)
    }

    /// Whether a call keeps its place in the bulkhead while it pauses between attempts.
    pub fn pauses_hold_a_place(&self) -> bool {
        self.is_within(Layer::Retry, Layer::Bulkhead)
    }

    fn retry_at(&self) -> usize {
        self.layers.iter().position(|layer| *layer == Layer::Retry).unwrap_or(self.layers.len())
    }
}

/// Why an order is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompositionError {
    /// A layer that may occur once occurs twice.
    Twice(Layer),
    /// Two timeouts bound the same.
    TimeoutsTogether,
}

impl fmt::Display for CompositionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CompositionError::Twice(layer) => write!(f, "{layer:?} occurs twice: leave one of them out"),
            CompositionError::TimeoutsTogether => {
                f.write_str("two timeouts bound the same: keep the shorter, or put the retry between them")
            }
        }
    }
}

impl std::error::Error for CompositionError {}
