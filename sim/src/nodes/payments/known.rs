//! What a provider knows of operations, by who asked for them and their names there: all of a payment lie together.

use foreshock_systems::payment::{OperationKind, Outcome};

use super::afterwards::Dispute;
use crate::kernel::draw::Lineage;
use crate::measure::Index;
use crate::scenario::plan::{LoadId, ServiceId};

/// An operation, by who asked for it and its name there: a payment and a number within it.
pub(super) type Name = (ServiceId, u64, u32);

/// What is known of an operation.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) kind: OperationKind,
    pub(super) outcome: Outcome,
    pub(super) minor: i64,
    pub(super) order: u64,
    pub(super) lineage: Lineage,
    pub(super) load: LoadId,
    pub(super) is_settled: bool,
    /// Events told of it.
    pub(super) events: u32,
    pub(super) dispute: Option<Dispute>,
}

/// Operations by name.
#[derive(Default)]
pub(super) struct Operations {
    /// By their numbers within a payment, ascending.
    payments: Index<(u32, u64), Vec<(u32, Known)>>,
}

impl Operations {
    pub(super) fn get(&self, name: Name) -> Option<&Known> {
        let of_payment = self.payments.get(&(name.0.0, name.1))?;
        of_payment.iter().find(|(serial, _)| *serial == name.2).map(|(_, known)| known)
    }

    pub(super) fn get_mut(&mut self, name: Name) -> Option<&mut Known> {
        let of_payment = self.payments.get_mut(&(name.0.0, name.1))?;
        of_payment.iter_mut().find(|(serial, _)| *serial == name.2).map(|(_, known)| known)
    }

    pub(super) fn insert(&mut self, name: Name, known: Known) {
        let of_payment = self.payments.entry((name.0.0, name.1)).or_insert_with(|| Vec::with_capacity(1));
        match of_payment.binary_search_by_key(&name.2, |(serial, _)| *serial) {
            Ok(place) => of_payment[place].1 = known,
            Err(place) => of_payment.insert(place, (name.2, known)),
        }
    }

    pub(super) fn remove(&mut self, name: Name) -> Option<Known> {
        let of_payment = self.payments.get_mut(&(name.0.0, name.1))?;
        let place = of_payment.binary_search_by_key(&name.2, |(serial, _)| *serial).ok()?;
        let (_, known) = of_payment.remove(place);
        if of_payment.is_empty() {
            self.payments.swap_remove(&(name.0.0, name.1));
        }
        Some(known)
    }

    /// All that was asked for about one payment.
    pub(super) fn of_payment(&self, (processor, intent, _): Name) -> impl Iterator<Item = &Known> {
        self.payments.get(&(processor.0, intent)).into_iter().flatten().map(|(_, known)| known)
    }

    /// All of them, in an order that means nothing.
    pub(super) fn all(&self) -> impl Iterator<Item = &Known> {
        self.payments.values().flatten().map(|(_, known)| known)
    }
}
