//! A customer's way through a desk, as far as it is. Plain data.

use foreshock_systems::booking::{Goods, Pending, Token};

use crate::cluster::{Ref, Request};
use crate::kernel::draw::Lineage;
use crate::kernel::time::Time;
use crate::scenario::plan::LoadId;

/// How far a customer is.
pub(super) enum Stage<G: Goods> {
    /// They look for something.
    Choosing,
    /// The transaction that holds it is open; so much is to be paid.
    Deciding(Box<Pending<G>>, i64),
    /// It is held under this token.
    Holding(Token),
    /// It is held, and for too short a time: more is asked for, and by then they are ready to pay.
    Extending(Token, Time),
    /// Their money was asked for.
    Paying,
    /// They wait in line for what is taken.
    InLine,
}

/// Where a booking came from: who its payments are to chance.
#[derive(Clone, Copy)]
pub(super) struct Origin {
    pub(super) lineage: Lineage,
    pub(super) load: LoadId,
}

/// A customer under way.
pub(super) struct Flow<G: Goods> {
    /// As they came first.
    pub(super) origin: Origin,
    pub(super) request: Request,
    pub(super) job: Ref,
    pub(super) stage: Stage<G>,
    pub(super) tries: u32,
}
