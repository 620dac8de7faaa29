//! Where a system puts what should happen next, in order. Never looks at it.

/// What should happen next, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbox<T> {
    items: Vec<T>,
}

impl<T> Default for Outbox<T> {
    fn default() -> Outbox<T> {
        Outbox { items: Vec::new() }
    }
}

impl<T> Outbox<T> {
    /// Nothing yet.
    pub fn new() -> Outbox<T> {
        Outbox::default()
    }

    /// Adds one at the end.
    pub fn push(&mut self, item: T) {
        self.items.push(item);
    }

    /// All of it, from the front; the box is empty then and keeps its room.
    pub fn drain(&mut self) -> std::vec::Drain<'_, T> {
        self.items.drain(..)
    }

    /// What is in it.
    pub fn as_slice(&self) -> &[T] {
        &self.items
    }
}

impl<T> Extend<T> for Outbox<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        self.items.extend(items);
    }
}
