//! Orders of policies, and what follows from them.

use super::*;
use Layer::{Breaker, Bulkhead, RateLimit, Retry, Timeout};

#[test]
fn the_order_says_what_is_passed_once_and_what_by_every_attempt() {
    let order = Composition::resilience4j();
    assert_eq!(order.once_per_call(), []);
    assert_eq!(order.once_per_attempt(), [Breaker, RateLimit, Timeout, Bulkhead]);
    assert!(order.breaker_hears_timeouts() && order.timeout_covers_waiting());
    assert!(!order.pauses_hold_a_place());

    let order = Composition::polly_standard();
    assert_eq!(order.once_per_call(), [RateLimit, Timeout]);
    assert_eq!(order.once_per_attempt(), [Breaker, Timeout]);
    assert!(order.breaker_hears_timeouts());

    let outside = Composition::new(&[Bulkhead, Timeout, Breaker, Retry]).unwrap();
    assert!(!outside.breaker_hears_timeouts() && !outside.timeout_covers_waiting());
    assert!(outside.pauses_hold_a_place());
    assert_eq!(outside.once_per_attempt(), []);

    let without = Composition::new(&[Breaker, Timeout]).unwrap();
    assert_eq!((without.once_per_call(), without.once_per_attempt()), (&[Breaker, Timeout][..], &[][..]));
}

#[test]
fn an_order_that_bounds_the_same_twice_is_refused() {
    assert_eq!(
        Composition::new(&[Retry, Breaker, Retry]),
        Err(CompositionError::Twice(Retry)),
        "nested retries multiply"
    );
    for together in [&[Timeout, Breaker, Timeout][..], &[Timeout, Timeout, Retry], &[Retry, Timeout, Timeout]]
    {
        assert_eq!(Composition::new(together), Err(CompositionError::TimeoutsTogether));
    }
    assert!(Composition::new(&[Timeout, Retry, Timeout]).is_ok());
    assert!(Composition::new(&[]).is_ok());
    for presets in [Composition::resilience4j(), Composition::polly_standard()] {
        assert_eq!(Composition::new(presets.layers()), Ok(presets));
    }
}
