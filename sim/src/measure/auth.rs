//! The ids of the invariants on auth. Issuer and verifiers look at them with every token.

/// What holds of every issuer and verifier.
pub(crate) mod auth_invariant {
    /// No token is accepted outside its time and the leeway, by the verifier's clock.
    pub(crate) const TIMES: &str = "auth_token_times";
    /// A rotated refresh token gives its successor within the grace, and ends its family after it.
    pub(crate) const FAMILIES: &str = "auth_reuse_ends_family";
}
