//! Which caches a store tells of its writes, and which services cannot.

use super::Checker;
use super::services::PLAIN_KIND;
use crate::scenario::path::Path;
use crate::scenario::plan::{Invalidates, Party, ServiceId};
use crate::scenario::raw::{OneOrMany, RawScenario, RawService};

impl Checker<'_> {
    /// The caches that stores invalidate, each with a link of its own.
    pub(crate) fn resolve_invalidations(&mut self, raw: &RawScenario) {
        for (index, (name, service)) in raw.services.iter().enumerate() {
            let path = Path::root().key("services").key(name);
            self.check_writes(&path, index, service);
            let Some(caches) = &service.invalidates else { continue };
            let at = path.key("invalidates");
            if self.is_plain(index) {
                let help = "make it a `kind: versioned-store`".to_string();
                let message = "a service of kind `service` holds no values, so it has no writes to tell of";
                self.error_at_key(&at, message.to_string(), Some(help));
                continue;
            }
            let one = matches!(caches, OneOrMany::One(_));
            for (position, cache) in caches.texts().iter().enumerate() {
                let at = if one { at.clone() } else { at.index(position) };
                self.resolve_invalidation(&at, ServiceId(index as u32), cache);
            }
        }
    }

    fn resolve_invalidation(&mut self, path: &Path, store: ServiceId, name: &str) {
        let Some(cache) = self.service(path, name) else { return };
        if self.is_plain(cache.index()) {
            let message = format!("`{name}` is no cache: a service of kind `service` keeps no values");
            self.error_at_value(path, message, Some("name a service of `kind: cache`".to_string()));
            return;
        }
        if cache == store {
            self.error_at_value(path, format!("`{name}` would tell itself"), None);
            return;
        }
        let link = self.link(Party::Service(store), Party::Service(cache));
        let Some(plan) = self.services.get_mut(store.index()) else { return };
        if plan.invalidates.iter().any(|other| other.cache == cache) {
            self.error_at_value(path, format!("`{name}` stands here twice"), Some("keep one".to_string()));
            return;
        }
        plan.invalidates.push(Invalidates { cache, link });
    }

    fn check_writes(&mut self, path: &Path, index: usize, raw: &RawService) {
        if !self.is_plain(index) {
            return;
        }
        for (name, operation) in &raw.operations {
            if operation.writes.is_some() {
                let at = path.key("operations").key(name).key("writes");
                let message =
                    "`writes` has no effect: a service of kind `service` holds no values".to_string();
                let help = "it is for stores and caches".to_string();
                self.error_at_key(&at, message, Some(help));
            }
        }
    }

    fn is_plain(&self, index: usize) -> bool {
        self.services.get(index).is_none_or(|service| service.kind == PLAIN_KIND)
    }
}
