//! A desk and the payment system of this crate: orders of the one are requests of the other, under keys made of booking
//! and number.

use super::world::{Stalls, ask, config};
use super::*;
use crate::payment::{
    CaptureMethod, Command as Payment, Currency, Input, Instrument, IntentId, Money, Order, Outcome,
    Output as Wish, Policies, Processor, ProcessorConfig, ProviderId, Request, RequestId, audit,
};
use crate::store::MemoryStore;
use std::collections::BTreeMap;

struct Both {
    desk: Desk<Stalls, MemoryStore>,
    processor: Processor<MemoryStore>,
    now: Time,
    intents: BTreeMap<(BookingId, u32), IntentId>,
    paid_by: BTreeMap<BookingId, IntentId>,
    /// What the acquirer really moved.
    moved_minor: i64,
    declines: bool,
}

impl Both {
    fn new() -> Both {
        let policies = Policies::in_order([ProviderId(1)]);
        let processor = Processor::open(MemoryStore::new(), ProcessorConfig::default(), policies);
        Both {
            desk: Desk::open(MemoryStore::new(), Stalls, config()).expect("its config is in range"),
            processor: processor.expect("its config is in range"),
            now: Time::from_nanos(1),
            intents: BTreeMap::new(),
            paid_by: BTreeMap::new(),
            moved_minor: 0,
            declines: false,
        }
    }

    /// Asks the processor, plays the acquirer, and says which payment it is about.
    fn request(&mut self, key: String, command: Payment) -> Option<crate::payment::Answer> {
        let mut out = Vec::new();
        let request = Request { id: RequestId(1), key: Some(key), command };
        self.processor.handle(self.now, Input::Request(request), &mut out).expect("nothing fails");
        let mut answer = None;
        while !out.is_empty() {
            for wish in std::mem::take(&mut out) {
                match wish {
                    Wish::Answer { answer: said, .. } => answer = Some(said),
                    Wish::Send { order: Order::Execute { operation, kind, amount, .. }, .. } => {
                        let outcome = if self.declines {
                            Outcome::Declined(crate::payment::Decline::Hard)
                        } else {
                            Outcome::Succeeded { minor: amount.minor }
                        };
                        let sign = if kind.gives_back() { -1 } else { 1 };
                        self.moved_minor += if self.declines { 0 } else { sign * amount.minor };
                        let word = Input::Word { operation, outcome };
                        self.processor.handle(self.now, word, &mut out).expect("it is known");
                    }
                    Wish::Send { order: Order::Status { .. }, .. } | Wish::Notice(_) | Wish::Archive(_) => {}
                }
            }
        }
        answer
    }

    fn say(&mut self, command: Command<u32, ()>) -> Result<Answer, Rejected> {
        let mut out = Vec::new();
        let said = self.desk.handle(Clocks::agreed(self.now), command, &mut out);
        out.into_iter().for_each(|output| self.carry_out(output));
        said
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Charge { booking, attempt, customer, token, minor } => {
                let key = format!("{}/{attempt}", booking.0);
                let amount = Money::new(minor, Currency::INR);
                let capture = CaptureMethod::Automatic;
                let create = Payment::Create { merchant: 1, payer: customer.0, amount, capture };
                let made = self.request(format!("{key}/create"), create).and_then(|answer| answer.intent);
                let intent = made.expect("it can be made").id;
                self.intents.insert((booking, attempt), intent);
                let confirm = Payment::Confirm {
                    intent,
                    instrument: Instrument::Token(customer.0),
                    needs_authentication: false,
                };
                let paid = self.request(format!("{key}/confirm"), confirm).and_then(|answer| answer.intent);
                let word = match paid.filter(|view| view.captured_minor > 0) {
                    Some(view) => {
                        self.paid_by.insert(booking, intent);
                        let (payment, minor) = (intent.0, view.captured_minor);
                        Command::Paid { booking, token, payment, minor }
                    }
                    None => Command::NotPaid { booking },
                };
                self.say(word).expect("it is known");
            }
            Output::Refund { booking, refund, minor } => {
                let intent = self.paid_by[&booking];
                let back =
                    self.request(format!("{}/refund/{refund}", booking.0), Payment::Refund { intent, minor });
                assert_eq!(back.map(|answer| answer.status), Some(200));
                self.say(Command::Refunded { booking, refund, minor }).expect("it is known");
            }
            Output::Void { .. } | Output::Offered { .. } | Output::Settled { .. } => {}
        }
    }

    fn kept_minor(&self) -> i64 {
        i64::try_from(self.desk.totals().kept_minor).expect("it is small")
    }
}

#[test]
fn what_is_kept_is_what_the_acquirer_has_moved_and_the_books_of_both_agree() {
    let mut both = Both::new();
    let mut tokens = BTreeMap::new();
    for (id, units) in [(1, vec![1, 2]), (2, vec![3]), (3, vec![4])] {
        if let Ok(Answer::Held { token, .. }) = both.say(Command::Hold(ask(id, &units))) {
            tokens.insert(id, token);
        }
    }
    for (id, token) in tokens.clone() {
        both.say(Command::Pay { booking: BookingId(id), token }).expect("it is held");
    }
    assert_eq!((both.moved_minor, both.kept_minor()), (2_000, 2_000));
    both.say(Command::Cancel { booking: BookingId(1), fee_minor: 250 }).expect("it is confirmed");
    both.say(Command::Cancel { booking: BookingId(2), fee_minor: 0 }).expect("it is confirmed");
    assert_eq!((both.moved_minor, both.kept_minor()), (750, 750));
    assert_eq!(both.desk.totals().open, 0);
    assert_eq!(audit::audit(both.processor.store()), []);
    assert_eq!(both.desk.violation(), None);
}

#[test]
fn a_card_that_is_refused_leaves_nobody_charged() {
    let mut both = Both::new();
    both.declines = true;
    let Ok(Answer::Held { token, .. }) = both.say(Command::Hold(ask(1, &[1]))) else { panic!("it is free") };
    both.say(Command::Pay { booking: BookingId(1), token }).expect("it is held");
    assert_eq!(both.moved_minor, 0);
    let charge = both.desk.booking(BookingId(1)).map(|booking| booking.charge);
    assert_eq!(charge, Some(Charge::NotTaken));
}
