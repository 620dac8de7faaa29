//! The ids of the invariants on auth, and the books on what issuers have revoked. Issuers and verifiers look at them with
//! every token; a verifier reads of the list only what an answer has told it to be there.

use std::collections::{BTreeMap, VecDeque};

use crate::kernel::time::Time;
use crate::scenario::plan::ServiceId;

/// What holds of every issuer and verifier.
pub(crate) mod auth_invariant {
    /// No token is accepted outside its time and the leeway, by the verifier's clock.
    pub(crate) const TIMES: &str = "auth_token_times";
    /// A rotated refresh token gives its successor within the grace, and ends its family after it.
    pub(crate) const FAMILIES: &str = "auth_reuse_ends_family";
    /// No token is accepted for longer after its revocation than the verifier's settings promise.
    pub(crate) const REVOKED: &str = "auth_revoked_refused";
    /// Nobody passes whom no role allows it, or any role forbids it.
    pub(crate) const DENIED: &str = "auth_denied_refused";
    /// No account lets more logins fail than its limit.
    pub(crate) const THROTTLED: &str = "auth_failures_bounded";
    /// A login that was answered outlives a crash, unless the issuer's settings say otherwise.
    pub(crate) const KEPT: &str = "auth_families_kept";
}

/// A login that was ended.
#[derive(Clone, Copy, Debug)]
struct Revocation {
    family: u64,
    expires: Time,
}

/// What one issuer has revoked.
#[derive(Debug, Default)]
struct Revocations {
    /// Entries that are forgotten because no token of theirs can live.
    forgotten: u64,
    list: VecDeque<Revocation>,
    at: BTreeMap<u64, Time>,
}

/// All issuers' lists.
#[derive(Debug, Default)]
pub(crate) struct AuthBooks {
    issuers: BTreeMap<ServiceId, Revocations>,
}

impl AuthBooks {
    /// An issuer has ended a login, whose tokens are dead anyway at `expires`; how long its list is now.
    pub(crate) fn revoked(&mut self, issuer: ServiceId, family: u64, now: Time, expires: Time) -> u64 {
        let own = self.issuers.entry(issuer).or_default();
        while let Some(old) = own.list.pop_front_if(|old| old.expires <= now) {
            own.forgotten += 1;
            own.at.remove(&old.family);
        }
        if let std::collections::btree_map::Entry::Vacant(new) = own.at.entry(family) {
            new.insert(now);
            own.list.push_back(Revocation { family, expires });
        }
        self.length(issuer)
    }

    /// How long an issuer's list is, with what is forgotten.
    pub(crate) fn length(&self, issuer: ServiceId) -> u64 {
        self.issuers.get(&issuer).map_or(0, |own| own.forgotten + own.list.len() as u64)
    }

    /// The entries of a list between two lengths: the login, and when it may be forgotten.
    pub(crate) fn between(&self, issuer: ServiceId, from: u64, to: u64) -> Vec<(u64, Time)> {
        let Some(own) = self.issuers.get(&issuer) else { return Vec::new() };
        let at = |length: u64| (length.saturating_sub(own.forgotten) as usize).min(own.list.len());
        let (from, to) = (at(from), at(to));
        own.list.range(from..to.max(from)).map(|entry| (entry.family, entry.expires)).collect()
    }

    /// When a login was ended, by true time.
    pub(crate) fn revoked_at(&self, issuer: ServiceId, family: u64) -> Option<Time> {
        self.issuers.get(&issuer)?.at.get(&family).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::time::Span;

    #[test]
    fn a_list_is_read_by_its_lengths_and_forgets_what_has_expired() {
        let (mut books, issuer) = (AuthBooks::default(), ServiceId(2));
        let at = |seconds| Time::ZERO + Span::from_secs(seconds);
        assert_eq!(books.revoked(issuer, 11, at(1), at(10)), 1);
        assert_eq!(books.revoked(issuer, 12, at(2), at(20)), 2);
        assert_eq!(books.revoked(issuer, 12, at(3), at(20)), 2, "ended is ended");
        assert_eq!(books.between(issuer, 1, 2), [(12, at(20))]);
        assert_eq!(books.revoked(issuer, 13, at(15), at(30)), 3);
        assert_eq!(books.between(issuer, 0, 3), [(12, at(20)), (13, at(30))]);
        assert_eq!((books.revoked_at(issuer, 11), books.revoked_at(issuer, 12)), (None, Some(at(2))));
    }
}
