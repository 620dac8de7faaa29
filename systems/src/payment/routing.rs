//! Which provider is asked, and which refusals let another one be asked. An unknown outcome is no refusal: that is
//! not a question of policy, and nobody is asked here.

use super::intent::Intent;
use super::operation::{Decline, ProviderId};
use crate::arithmetic::{keyed_word, uniform};

/// Chooses the provider of an attempt.
pub trait Route {
    /// The provider for the next attempt of an intent, none of `tried`; `None` if there is none.
    fn choose(&self, intent: &Intent, tried: &[ProviderId]) -> Option<ProviderId>;
}

/// Providers in a fixed order of preference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InOrder(pub Vec<ProviderId>);

impl Route for InOrder {
    fn choose(&self, _intent: &Intent, tried: &[ProviderId]) -> Option<ProviderId> {
        self.0.iter().copied().find(|provider| !tried.contains(provider))
    }
}

/// Providers by weight: which one is a function of the payment's number, so that a repetition goes the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByWeight {
    /// Providers with their shares of the payments; zero is never chosen.
    pub weights: Vec<(ProviderId, u32)>,
    /// Mixes the numbers.
    pub seed: u64,
}

impl Route for ByWeight {
    fn choose(&self, intent: &Intent, tried: &[ProviderId]) -> Option<ProviderId> {
        let left = || self.weights.iter().filter(|(provider, _)| !tried.contains(provider));
        let total: u64 = left().map(|(_, weight)| u64::from(*weight)).sum();
        let mut place = uniform(keyed_word(self.seed, intent.id.0), 0, total.checked_sub(1)?);
        for (provider, weight) in left() {
            match place.checked_sub(u64::from(*weight)) {
                Some(rest) => place = rest,
                None => return Some(*provider),
            }
        }
        None
    }
}

/// Says whether another provider may be asked after a refusal.
pub trait Failover {
    /// Whether it may.
    fn allows(&self, decline: Decline) -> bool;
}

/// The rules in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailoverRule {
    /// Only if the provider never processed it.
    NotProcessed,
    /// Also if the issuer said "not now": another acquirer is sometimes believed more.
    NotProcessedOrSoft,
    /// Never.
    Never,
}

impl Failover for FailoverRule {
    fn allows(&self, decline: Decline) -> bool {
        match (self, decline) {
            (FailoverRule::Never, _) | (_, Decline::Hard) => false,
            (FailoverRule::NotProcessed, Decline::Soft) => false,
            (FailoverRule::NotProcessedOrSoft, Decline::Soft) | (_, Decline::NotProcessed) => true,
        }
    }
}
