//! The harness' own books on feature flags: who got which answer under which revision, and which revisions were in force
//! at the same time. The simulated world never sees them.

mod book;
mod flag;

use std::collections::BTreeMap;

use foreshock_systems::feature_flags::definition::Event;
use serde_json::Value;

use self::book::Book;
use crate::kernel::time::Time;
use crate::scenario::plan::{Plan, ServiceId};

pub use book::{CopiesMeasured, EvaluationsMeasured, FlagsMeasured};
pub(crate) use flag::Broken;

/// An answer that somebody got.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FlagSeen {
    /// Which flag, by its position at the server.
    pub(crate) flag: u32,
    /// Who.
    pub(crate) user: u64,
    /// Under which revision; 0: nothing was known.
    pub(crate) revision: u64,
    /// The answer.
    pub(crate) on: bool,
    /// Whether it is the caller's default.
    pub(crate) by_default: bool,
}

/// The books on every flag server.
pub(crate) struct FlagBooks {
    books: BTreeMap<ServiceId, Book>,
}

impl FlagBooks {
    pub(crate) fn new(plan: &Plan) -> FlagBooks {
        let followed = plan.services.iter().filter_map(|service| Some(service.flags.as_ref()?.from));
        let books = followed.map(|server| (server, Book::new(&plan.services[server.index()].serves_flags)));
        FlagBooks { books: books.collect() }
    }

    pub(crate) fn published(
        &mut self,
        server: ServiceId,
        event: &Event,
        definitions: &BTreeMap<String, Value>,
        now: Time,
    ) {
        if let Some(book) = self.books.get_mut(&server) {
            book.published(event, definitions, now);
        }
    }

    /// A replica serves a revision from now on; `None`: it serves nothing any more.
    pub(crate) fn copy(
        &mut self,
        server: ServiceId,
        replica: (ServiceId, u32),
        revision: Option<u64>,
        now: Time,
    ) {
        if let Some(book) = self.books.get_mut(&server) {
            book.copy(replica, revision, now);
        }
    }

    /// A replica has evaluated a flag. Says what that breaks, if it does, once for each user and flag.
    #[inline]
    pub(crate) fn evaluated(
        &mut self,
        server: ServiceId,
        service: ServiceId,
        seen: FlagSeen,
    ) -> Option<Broken> {
        self.books.get_mut(&server)?.evaluated(service, seen)
    }

    pub(crate) fn finish(self, plan: &Plan, now: Time) -> Vec<FlagsMeasured> {
        let name = |service: ServiceId| plan.services[service.index()].name.clone();
        let books = self.books.into_iter();
        books.map(|(server, book)| book.finish(name(server), name, now)).collect()
    }
}
