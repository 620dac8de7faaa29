//! The lists of what issuers have revoked, as issuers write and verifiers read them. Sends nothing.

use super::cx::Cx;
use crate::kernel::time::Time;
use crate::scenario::plan::ServiceId;

impl Cx<'_> {
    /// This issuer ends a login, whose tokens are dead anyway at `expires`; how long its list is now.
    pub(crate) fn revoke(&mut self, family: u64, expires: Time) -> u64 {
        let (issuer, now) = (self.service(), self.engine.now);
        self.engine.core.recorder.auth.revoked(issuer, family, now, expires)
    }

    /// How long the list of this issuer is.
    pub(crate) fn revocations(&self) -> u64 {
        self.engine.core.recorder.auth.length(self.service())
    }

    /// The part of an issuer's list that an answer brings.
    pub(crate) fn revocations_of(&self, issuer: ServiceId, from: u64, to: u64) -> Vec<(u64, Time)> {
        self.engine.core.recorder.auth.between(issuer, from, to)
    }

    /// When an issuer ended a login, by true time. For measurement.
    pub(crate) fn revoked_at(&self, issuer: ServiceId, family: u64) -> Option<Time> {
        self.engine.core.recorder.auth.revoked_at(issuer, family)
    }
}
