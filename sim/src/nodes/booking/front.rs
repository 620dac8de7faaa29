//! What a desk needs to know of what it sells. Turns a customer into a wish; decides nothing else.

use foreshock_systems::booking::{
    Ask, Booking, BookingId, Clocks, Command, CustomerId, Desk, Goods, Output, Pending, Refusal, Rejected,
};
use foreshock_systems::hotel::{Channel, Night};

use super::channel::Sale;
use super::settings::DeskSettings;
use crate::kernel::draw::below;
use crate::kernel::time::Time;
use crate::nodes::store::AnyStore;

/// A uniformly distributed word for each thing that chance decides about a customer.
pub(super) type Words<'a> = &'a dyn Fn(u64) -> u64;

/// What chance decides about a customer, by the word that does.
pub(super) mod chosen {
    pub(in super::super) const PARTY: u64 = 1;
    pub(in super::super) const WHERE: u64 = 2;
    pub(in super::super) const ARRIVAL: u64 = 3;
    pub(in super::super) const NIGHTS: u64 = 4;
    pub(in super::super) const KIND: u64 = 5;
    pub(in super::super) const PLAN: u64 = 6;
}

/// A command about these goods.
pub(super) type Order<G> = Command<<G as Goods>::Unit, <G as Goods>::Detail>;

/// What a wish came to.
pub(super) type Wish<G> = Result<Ask<<G as Goods>::Unit, <G as Goods>::Detail>, Refusal>;

/// A booking of these goods.
pub(super) type Kept<G> = Booking<<G as Goods>::Unit, <G as Goods>::Detail>;

/// A desk with what it sells.
pub(super) trait Front: Sized {
    /// What it sells.
    type Goods: Goods;

    /// Opens what a store holds.
    fn open(settings: &DeskSettings, store: AnyStore) -> Self;
    fn desk(&self) -> &Desk<Self::Goods, AnyStore>;
    fn desk_mut(&mut self) -> &mut Desk<Self::Goods, AnyStore>;
    fn into_store(self) -> AnyStore;
    /// Decides a command, and commits nothing yet.
    ///
    /// # Errors
    /// [`Rejected`].
    fn begin(
        &mut self,
        clocks: Clocks,
        command: Order<Self::Goods>,
    ) -> Result<Pending<Self::Goods>, Rejected>;
    /// What a customer wants, by what they are shown; the how manieth time they choose is `tries`.
    ///
    /// # Errors
    /// [`Refusal`]: there is nothing for them.
    fn wish(
        &mut self,
        now: Time,
        id: BookingId,
        who: CustomerId,
        tries: u32,
        words: Words<'_>,
    ) -> Wish<Self::Goods>;
    /// The same, whether or not it is free by what they are shown: what somebody waits for, or moves to.
    ///
    /// # Errors
    /// [`Refusal`]: nobody waits here, and nobody moves.
    fn dream(
        &self,
        _now: Time,
        _id: BookingId,
        _who: CustomerId,
        _tries: u32,
        _words: Words<'_>,
    ) -> Wish<Self::Goods> {
        Err(Refusal::NotFree)
    }
    /// What is kept of a confirmed booking that is called off now.
    fn fee_minor(&self, _now: Time, _booking: &Kept<Self::Goods>) -> i64 {
        0
    }
    /// What rules beside those of the units count for a booking: a word for each, how many, and how many there may be.
    fn ruled(&self, _booking: &Kept<Self::Goods>) -> Vec<(u64, u32, u32)> {
        Vec::new()
    }
    /// A unit as one word.
    fn word_of(unit: <Self::Goods as Goods>::Unit) -> u64;
    /// What people call the unit of a word, or the rule of one.
    fn name_of(word: u64) -> String;
    /// Whether everything is sold.
    fn is_sold_out(&self) -> bool;

    /// What is left of a night for a channel; `None` if it has none.
    fn left(&self, _channel: Channel, _night: Night) -> Option<u32> {
        None
    }
    /// Takes in what a channel has sold, and says what it costs.
    ///
    /// # Errors
    /// [`Rejected`]: it has to be called off.
    fn channel_sale(
        &mut self,
        _clocks: Clocks,
        _id: BookingId,
        _sale: &Sale,
        _out: &mut Vec<Output>,
    ) -> Result<i64, Rejected> {
        Err(Refusal::Malformed.into())
    }
    /// When [`turn`](Front::turn) wants to be called.
    fn deadline(&self) -> Option<Time> {
        None
    }
    /// What happens by itself as days go by; `word` decides of a booking whether they come. What does not hold then, if
    /// something does not.
    fn turn(&mut self, _now: Time, _word: Words<'_>, _out: &mut Vec<Output>) -> Option<String> {
        None
    }
    /// What it counts beside what a desk has in its store.
    fn counts(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}

/// How many seats or rooms a customer wants.
pub(super) fn party(settings: &DeskSettings, words: Words<'_>) -> u32 {
    let (least, most) = settings.party;
    least + below(words(chosen::PARTY), u64::from(most - least) + 1) as u32
}
