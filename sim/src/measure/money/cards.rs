//! Orders and the payments made of them: what providers really took and gave back. One entry for each, no history.

use std::collections::BTreeMap;

use foreshock_systems::hashed_map::HashedMap;
use foreshock_systems::payment::OperationKind;

use super::{Broken, invariant};
use crate::kernel::time::{Span, Time};
use crate::scenario::plan::ServiceId;

/// For what a client uses one idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPolicy {
    /// For an order, however often it tries.
    Order,
    /// For a single try: each further one is another request to whoever takes it.
    Attempt,
}

/// What a client was told of its order in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderEnd {
    /// It is paid.
    Paid,
    /// It is not.
    Refused,
    /// Nothing: the client does not ask any more.
    GivenUp,
}

/// An order as its client means it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OrderPlaced {
    pub(crate) order: u64,
    pub(crate) client: ServiceId,
    pub(crate) minor: i64,
    pub(crate) key: KeyPolicy,
}

/// Money that a provider has moved.
#[derive(Clone, Copy, Debug)]
pub struct Movement {
    /// For whom.
    pub processor: ServiceId,
    /// The payment there.
    pub intent: u64,
    /// The order it is for.
    pub order: u64,
    /// What was done.
    pub kind: OperationKind,
    /// With how much, in minor units.
    pub minor: i64,
}

#[derive(Debug)]
struct OrderBook {
    client: ServiceId,
    minor: i64,
    key: KeyPolicy,
    /// When the first payment of it was made.
    first_made: Option<Time>,
    /// Taken less given back.
    net_minor: i64,
    /// Taken, ever.
    taken_minor: i64,
    end: Option<OrderEnd>,
    is_doubled: bool,
}

/// A payment as the provider knows it.
#[derive(Debug, Default)]
pub(super) struct PaymentBook {
    pub(super) order: u64,
    made_at: Option<Time>,
    authorized_minor: i64,
    pub(super) captured_minor: i64,
    pub(super) refunded_minor: i64,
    /// Taken back by the payer's bank.
    pub(super) charged_back_minor: i64,
    /// Of that, what the processor has taken the word of.
    pub(super) charged_back_told_minor: i64,
}

impl PaymentBook {
    /// What is wrong if the payer got more back than was taken.
    fn too_much_back(&self, intent: u64) -> Option<Broken> {
        let PaymentBook { authorized_minor, captured_minor, refunded_minor, charged_back_minor, .. } = self;
        let back = refunded_minor.saturating_add(*charged_back_minor);
        let told = match charged_back_minor {
            0 => String::new(),
            back => format!(", {back} charged back"),
        };
        (back > *captured_minor).then(|| {
            let witness = format!(
                "payment {intent}: more is given back than was captured; authorized {authorized_minor}, captured \
                 {captured_minor}, refunded {refunded_minor}{told}"
            );
            (invariant::WITHIN_CAPTURED, witness)
        })
    }
}

/// What was counted at one service.
type Counts = BTreeMap<&'static str, u64>;

/// What the harness knows of money when the run is over.
#[derive(Clone, Debug, Default)]
pub struct MoneyMeasured {
    /// Whether there were processors of payments.
    pub has_cards: bool,
    /// Whether there were banks that paid each other.
    pub has_transfers: bool,
    /// Orders charged again because their client takes a new key for each try, and how much too much, by client.
    pub doubled_by_new_key: BTreeMap<String, (u64, i64)>,
    /// The same because the key had expired, by client; and of those the shortest time from the first try to the one
    /// that was charged again.
    pub doubled_by_expiry: BTreeMap<String, (u64, i64, Span)>,
    /// Orders that were charged although their client was told otherwise, or nothing, by client.
    pub charged_untold: BTreeMap<String, (u64, i64)>,
    /// What is shown of each service.
    pub systems: BTreeMap<String, BTreeMap<&'static str, u64>>,
    /// What all that happened between banks has in common.
    pub transfers: Counts,
    /// What is wrong at the end, by invariant.
    pub broken_at_end: BTreeMap<String, Vec<String>>,
}

/// What payments came to together.
#[derive(Clone, Copy, Debug, Default)]
struct PaymentSums {
    captured_minor: u64,
    refunded_minor: u64,
    charged_back_minor: u64,
}

impl PaymentSums {
    fn add(&mut self, payment: &PaymentBook) {
        for (sum, minor) in [
            (&mut self.captured_minor, payment.captured_minor),
            (&mut self.refunded_minor, payment.refunded_minor),
            (&mut self.charged_back_minor, payment.charged_back_minor),
        ] {
            *sum = sum.saturating_add(minor.unsigned_abs());
        }
    }

    fn counts(self) -> Counts {
        let mut counts = Counts::from([
            ("true_captured_minor", self.captured_minor),
            ("true_refunded_minor", self.refunded_minor),
        ]);
        if self.charged_back_minor > 0 {
            counts.insert("true_charged_back_minor", self.charged_back_minor);
        }
        counts
    }
}

/// What the orders of a client came to together.
#[derive(Clone, Copy, Debug, Default)]
struct OrderSums {
    orders: u64,
    charged: u64,
    doubled: u64,
    down_minor: u64,
    /// Charged although their client was told otherwise.
    untold: u64,
    untold_minor: i64,
}

impl OrderSums {
    fn add(&mut self, book: &OrderBook) {
        self.orders += 1;
        self.charged += u64::from(book.net_minor > 0);
        self.doubled += u64::from(book.is_doubled);
        self.down_minor += book.net_minor.unsigned_abs();
        if book.end.is_some_and(|end| end != OrderEnd::Paid) && book.net_minor > 0 {
            self.untold += 1;
            self.untold_minor = self.untold_minor.saturating_add(book.net_minor);
        }
    }

    fn counts(self) -> Counts {
        Counts::from([
            ("orders", self.orders),
            ("orders_charged", self.charged),
            ("orders_charged_twice", self.doubled),
            ("orders_charged_untold", self.untold),
            ("payers_down_minor", self.down_minor),
        ])
    }
}

/// The books on orders and payments.
#[derive(Debug, Default)]
pub(crate) struct Cards {
    orders: HashedMap<u64, OrderBook>,
    pub(super) payments: HashedMap<(u32, u64), PaymentBook>,
    /// What the payments came to that their processor does not keep any more.
    archived: BTreeMap<ServiceId, PaymentSums>,
    key_ttls: BTreeMap<ServiceId, Span>,
    by_new_key: BTreeMap<ServiceId, (u64, i64)>,
    by_expiry: BTreeMap<ServiceId, (u64, i64, Span)>,
}

impl Cards {
    pub(super) fn keys_kept(&mut self, processor: ServiceId, ttl: Span) {
        // With another time in the course of the run the shortest counts: a key may be that young and gone.
        let kept = self.key_ttls.entry(processor).or_insert(ttl);
        *kept = ttl.min(*kept);
    }

    pub(super) fn order_placed(&mut self, placed: OrderPlaced) {
        let OrderPlaced { order, client, minor, key } = placed;
        let book = OrderBook {
            client,
            minor,
            key,
            first_made: None,
            net_minor: 0,
            taken_minor: 0,
            end: None,
            is_doubled: false,
        };
        self.orders.get_or_insert_with(&order, || book);
    }

    pub(super) fn order_ended(&mut self, order: u64, end: OrderEnd) -> Option<Broken> {
        let book = self.orders.get_mut(&order)?;
        book.end = Some(end);
        let is_unpaid = end == OrderEnd::Paid && book.taken_minor < book.minor;
        is_unpaid.then(|| {
            let (minor, taken) = (book.minor, book.taken_minor);
            let witness =
                format!("order {order:016x} of {minor} was confirmed, and {taken} was taken for it");
            (invariant::CONFIRMED, witness)
        })
    }

    pub(super) fn payment_made(&mut self, (processor, intent): (ServiceId, u64), order: u64, now: Time) {
        if let Some(book) = self.orders.get_mut(&order) {
            book.first_made = book.first_made.or(Some(now));
        }
        let payment = self.payments.get_or_insert_with(&(processor.0, intent), PaymentBook::default);
        payment.order = order;
        payment.made_at = payment.made_at.or(Some(now));
    }

    pub(super) fn moved(&mut self, movement: &Movement) -> Vec<Broken> {
        let Movement { processor, intent, order, kind, minor } = *movement;
        let payment = self.payments.get_or_insert_with(&(processor.0, intent), PaymentBook::default);
        payment.order = order;
        if kind.is_opening() {
            payment.authorized_minor = payment.authorized_minor.saturating_add(minor);
        }
        if kind.takes_money() {
            payment.captured_minor = payment.captured_minor.saturating_add(minor);
        }
        if kind.gives_back() {
            payment.refunded_minor = payment.refunded_minor.saturating_add(minor);
        }
        let mut broken = Vec::new();
        let too_much_back = payment.too_much_back(intent);
        let (authorized, captured, refunded) =
            (payment.authorized_minor, payment.captured_minor, payment.refunded_minor);
        let made_at = payment.made_at;
        let told = |what: &str| {
            format!(
                "payment {intent}: {what}; authorized {authorized}, captured {captured}, refunded {refunded}"
            )
        };
        if captured > authorized {
            broken.push((invariant::WITHIN_AUTHORIZED, told("more is captured than was authorized")));
        }
        broken.extend(too_much_back);
        let Some(book) = self.orders.get_mut(&order) else { return broken };
        if kind.gives_back() {
            book.net_minor = book.net_minor.saturating_sub(minor);
        }
        if kind.takes_money() {
            book.net_minor = book.net_minor.saturating_add(minor);
            book.taken_minor = book.taken_minor.saturating_add(minor);
            if captured.saturating_sub(refunded) > book.minor {
                broken.push((invariant::CAPTURED_ONCE, told("more is captured than the order is worth")));
            } else if book.net_minor > book.minor && !book.is_doubled {
                broken.extend(self.doubled(order, processor, made_at));
            }
        }
        broken
    }

    pub(super) fn charged_back(&mut self, (processor, intent): (ServiceId, u64), minor: i64) -> Vec<Broken> {
        let Some(payment) = self.payments.get_mut(&(processor.0, intent)) else {
            // Its processor kept it for less time than payers had to dispute it.
            let sums = self.archived.entry(processor).or_default();
            sums.charged_back_minor = sums.charged_back_minor.saturating_add(minor.unsigned_abs());
            return Vec::new();
        };
        payment.charged_back_minor = payment.charged_back_minor.saturating_add(minor);
        let (order, broken) = (payment.order, payment.too_much_back(intent));
        if let Some(book) = self.orders.get_mut(&order) {
            book.net_minor = book.net_minor.saturating_sub(minor);
        }
        broken.into_iter().collect()
    }

    pub(super) fn chargeback_told(&mut self, (processor, intent): (ServiceId, u64), minor: i64) {
        if let Some(payment) = self.payments.get_mut(&(processor.0, intent)) {
            payment.charged_back_told_minor = payment.charged_back_told_minor.saturating_add(minor);
        }
    }

    /// A payment is not kept any more: what it came to.
    pub(super) fn archived(&mut self, (processor, intent): (ServiceId, u64)) -> PaymentBook {
        let payment = self.payments.remove(&(processor.0, intent)).unwrap_or_default();
        self.archived.entry(processor).or_default().add(&payment);
        payment
    }

    /// Two payments of one order were charged: by the client's policy, by the age of its key, or by a defect.
    fn doubled(&mut self, order: u64, processor: ServiceId, made_at: Option<Time>) -> Option<Broken> {
        let book = self.orders.get_mut(&order)?;
        book.is_doubled = true;
        let too_much = book.net_minor.saturating_sub(book.minor);
        if book.key == KeyPolicy::Attempt {
            let (count, sum) = self.by_new_key.entry(book.client).or_default();
            (*count, *sum) = (*count + 1, sum.saturating_add(too_much));
            return None;
        }
        let age = made_at.zip(book.first_made).map(|(made, first)| made.since(first));
        let has_expired = age.zip(self.key_ttls.get(&processor)).is_some_and(|(age, ttl)| age >= *ttl);
        if let (true, Some(age)) = (has_expired, age) {
            let (count, sum, shortest) = self.by_expiry.entry(book.client).or_insert((0, 0, age));
            (*count, *sum, *shortest) = (*count + 1, sum.saturating_add(too_much), age.min(*shortest));
            return None;
        }
        let (minor, net) = (book.minor, book.net_minor);
        Some((
            invariant::CHARGED_ONCE,
            format!("order {order:016x} of {minor} was charged {net} under one key"),
        ))
    }

    pub(super) fn finish(&self, name: &impl Fn(ServiceId) -> String, measured: &mut MoneyMeasured) {
        let new_key = self.by_new_key.iter().map(|(client, doubled)| (name(*client), *doubled));
        measured.doubled_by_new_key = new_key.collect();
        let expiry = self.by_expiry.iter().map(|(client, doubled)| (name(*client), *doubled));
        measured.doubled_by_expiry = expiry.collect();
        let mut sums: BTreeMap<ServiceId, OrderSums> = BTreeMap::new();
        for (_, book) in self.orders.each() {
            sums.entry(book.client).or_default().add(book);
        }
        for (client, sums) in sums.iter().filter(|(_, sums)| sums.untold > 0) {
            measured.charged_untold.insert(name(*client), (sums.untold, sums.untold_minor));
        }
        let clients = sums.into_iter().map(|(client, sums)| (client, sums.counts()));
        let mut paid = self.archived.clone();
        for ((processor, _), payment) in self.payments.each() {
            paid.entry(ServiceId(*processor)).or_default().add(payment);
        }
        let processors = paid.into_iter().map(|(processor, sums)| (processor, sums.counts()));
        for (service, counts) in clients.chain(processors) {
            measured.systems.entry(name(service)).or_default().extend(counts);
        }
    }
}
