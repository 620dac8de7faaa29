//! What a provider knows of operations, by who asked for them and their names there: all of a payment lie together.

use foreshock_systems::hashed_map::HashedMap;
use foreshock_systems::payment::{OperationKind, Outcome};

use super::afterwards::Dispute;
use crate::kernel::draw::Lineage;
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

/// What is known of the operations of one payment. Most have one.
enum OfPayment {
    One((u32, Known)),
    /// By their numbers, ascending.
    Many(Vec<(u32, Known)>),
}

impl OfPayment {
    fn all(&self) -> &[(u32, Known)] {
        match self {
            OfPayment::One(only) => std::slice::from_ref(only),
            OfPayment::Many(all) => all,
        }
    }

    fn all_mut(&mut self) -> &mut [(u32, Known)] {
        match self {
            OfPayment::One(only) => std::slice::from_mut(only),
            OfPayment::Many(all) => all,
        }
    }

    fn insert(&mut self, serial: u32, known: Known) {
        match self.all_mut().binary_search_by_key(&serial, |(serial, _)| *serial) {
            Ok(place) => self.all_mut()[place].1 = known,
            Err(place) => {
                let mut all = match self {
                    OfPayment::One(only) => vec![*only],
                    OfPayment::Many(all) => std::mem::take(all),
                };
                all.insert(place, (serial, known));
                *self = OfPayment::Many(all);
            }
        }
    }
}

/// Operations by name.
#[derive(Default)]
pub(super) struct Operations {
    payments: HashedMap<(u32, u64), OfPayment>,
}

impl Operations {
    pub(super) fn get(&self, name: Name) -> Option<&Known> {
        let of_payment = self.payments.get(&(name.0.0, name.1))?.all();
        of_payment.iter().find(|(serial, _)| *serial == name.2).map(|(_, known)| known)
    }

    pub(super) fn get_mut(&mut self, name: Name) -> Option<&mut Known> {
        let of_payment = self.payments.get_mut(&(name.0.0, name.1))?.all_mut();
        of_payment.iter_mut().find(|(serial, _)| *serial == name.2).map(|(_, known)| known)
    }

    pub(super) fn insert(&mut self, name: Name, known: Known) {
        let first = || OfPayment::One((name.2, known));
        self.payments.get_or_insert_with(&(name.0.0, name.1), first).insert(name.2, known);
    }

    pub(super) fn remove(&mut self, name: Name) -> Option<Known> {
        let of_payment = self.payments.get_mut(&(name.0.0, name.1))?;
        let place = of_payment.all().binary_search_by_key(&name.2, |(serial, _)| *serial).ok()?;
        let (_, known) = match of_payment {
            OfPayment::One(only) => *only,
            OfPayment::Many(all) => all.remove(place),
        };
        if matches!(of_payment, OfPayment::One(_)) || of_payment.all().is_empty() {
            self.payments.remove(&(name.0.0, name.1));
        }
        Some(known)
    }

    /// All that was asked for about one payment.
    pub(super) fn of_payment(&self, (processor, intent, _): Name) -> impl Iterator<Item = &Known> {
        let of_payment = self.payments.get(&(processor.0, intent)).map_or(&[][..], OfPayment::all);
        of_payment.iter().map(|(_, known)| known)
    }

    /// All of them, in an order that means nothing.
    pub(super) fn all(&self) -> impl Iterator<Item = &Known> {
        self.payments.each().flat_map(|(_, of_payment)| of_payment.all()).map(|(_, known)| known)
    }
}
