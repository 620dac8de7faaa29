//! The explainer on small worlds with a planted cause.
