//! Money, fees, card numbers, addresses, signatures, books: the parts by themselves.

use super::*;
use crate::payment::ledger::post;
use crate::payment::unit::Unit;
use crate::store::Store;
use proptest::prelude::*;

#[test]
fn amounts_read_and_print_with_the_digits_of_their_currency() {
    let cases = [
        ("12.34 INR", 1_234),
        ("0.05 EUR", 5),
        ("-0.05 EUR", -5),
        ("500 JPY", 500),
        ("1.005 KWD", 1_005),
        ("0.0001 CLF", 1),
    ];
    for (text, minor) in cases {
        let money: Money = text.parse().expect(text);
        assert_eq!((money.minor, money.to_string().as_str()), (minor, text));
    }
    let wrong = [
        ("12.345 INR", ParseMoneyError::TooFine),
        ("1.5 JPY", ParseMoneyError::TooFine),
        ("12", ParseMoneyError::Shape),
        ("12. INR", ParseMoneyError::Shape),
        ("+1 INR", ParseMoneyError::Shape),
        ("1 inr", ParseMoneyError::Currency),
        ("92233720368547758.08 INR", ParseMoneyError::TooLarge),
    ];
    for (text, error) in wrong {
        assert_eq!(text.parse::<Money>(), Err(error), "{text}");
    }
    assert_eq!(rupees(1).checked_add(Money::new(1, Currency::EUR)), None);
    assert_eq!(rupees(i64::MAX).checked_add(rupees(1)), None);
}

#[test]
fn addresses_are_a_name_and_a_handle() {
    for address in ["asha@okbank", "a.b-c_9@upi", "9876543210@ybl"] {
        assert!(is_address(address), "{address}");
    }
    for address in
        ["asha", "@upi", "a@upi", "asha@", "asha@u", "as ha@upi", "asha@9upi", "asha@ok.bank", "a@b@c"]
    {
        assert!(!is_address(address), "{address}");
    }
}

#[test]
fn a_card_number_is_checked_and_never_shown() {
    let card = |text: &str| Instrument::Card(text.to_string());
    assert_eq!(card("4242 4242 4242 4242").check(), Ok(()));
    for wrong in
        ["4242 4242 4242 4241", "0000000000000000", "42", "4242-4242-4242-4242", "42424242424242424242"]
    {
        assert_eq!(card(wrong).check(), Err(Invalid::CardNumber), "{wrong}");
    }
    assert_eq!(format!("{:?}", card("4242 4242 4242 4242")), "card ending in 4242");
}

#[test]
fn a_signature_is_the_one_that_others_compute() {
    // python3: hmac.new(b"whsec_test", b'1700000000.{"id":1}', "sha256").hexdigest()
    let known = "t=1700000000,v1=2f441ba4b3b2d50d28a9ab9d9fd8880376ecd1eb5d0435401553f5d8d0a5dcf8";
    let secrets = WebhookSecrets::new("whsec_test");
    let now = Time::ZERO + Span::from_secs(1_700_000_000);
    let body = br#"{"id":1}"#;
    assert_eq!(secrets.sign(now, body), known);
    assert_eq!(secrets.verify(now, known, body), Ok(()));
    assert_eq!(secrets.verify(now, known, br#"{"id":2}"#), Err(SignatureError::NoMatch));
    assert_eq!(secrets.verify(now, "v1=00", body), Err(SignatureError::Malformed));
    assert_eq!(secrets.verify(now, "t=1700000000,v0=00", body), Err(SignatureError::Malformed));
    let second = Span::from_secs(1);
    let (late, early) = (now + Span::from_secs(300), now - Span::from_secs(300));
    assert_eq!((secrets.verify(late, known, body), secrets.verify(early, known, body)), (Ok(()), Ok(())));
    assert_eq!(secrets.verify(late + second, known, body), Err(SignatureError::OutOfTolerance));
    assert_eq!(secrets.verify(early - second, known, body), Err(SignatureError::OutOfTolerance));
    // A new secret signs, the old one is still believed; a stranger's is not.
    let rotated = secrets.clone().rotated("whsec_new");
    assert_eq!(rotated.verify(now, known, body), Ok(()));
    assert_eq!(secrets.verify(now, &rotated.sign(now, body), body), Err(SignatureError::NoMatch));
    // Several signatures in one header: one that matches is enough.
    let both = format!("{known},v1=00ff");
    assert_eq!(secrets.verify(now, &both, body), Ok(()));
}

#[test]
fn a_bad_config_is_said_before_any_money_moves() {
    let good = ProcessorConfig::default();
    let cases = [
        (
            ProcessorConfig { limits: Limits { min_minor: 0, ..Limits::default() }, ..good.clone() },
            ConfigError::Limits,
        ),
        (
            ProcessorConfig { fees: FeeConfig { share_ppm: 1_000_001, fixed_minor: 0 }, ..good.clone() },
            ConfigError::Fees,
        ),
        (ProcessorConfig { intent_ttl: Span::ZERO, ..good.clone() }, ConfigError::IntentTtl),
        (ProcessorConfig { max_attempts: 0, ..good.clone() }, ConfigError::NoAttempts),
        (
            ProcessorConfig {
                resolution: ResolutionConfig { interval: Span::ZERO, ..good.resolution },
                ..good.clone()
            },
            ConfigError::CheckInterval,
        ),
    ];
    for (config, error) in cases {
        assert_eq!(config.validate(), Err(error));
    }
    assert_eq!(good.validate(), Ok(()));
}

#[test]
fn a_route_by_weight_gives_each_its_share_and_repeats_itself() {
    let route = ByWeight { weights: vec![(FIRST, 3), (SECOND, 1), (ProviderId(3), 0)], seed: 5 };
    let intent = |number| Intent {
        id: IntentId(number),
        merchant: 1,
        payer: 1,
        amount: rupees(1),
        capture: CaptureMethod::Manual,
        expires_ns: 0,
        is_canceled: false,
        attempts: Vec::new(),
        operations: Vec::new(),
        disputes: Vec::new(),
    };
    let first = (0..4_000).filter(|number| route.choose(&intent(*number), &[]) == Some(FIRST)).count();
    assert!((2_900..3_100).contains(&first), "{first}");
    for number in 0..20 {
        assert_eq!(route.choose(&intent(number), &[FIRST]), Some(SECOND));
        assert_eq!(route.choose(&intent(number), &[FIRST, SECOND]), None);
    }
}

#[test]
fn a_transfer_is_posted_once_and_only_if_it_is_one() {
    let store = MemoryStore::new();
    let mut unit = Unit::new(&store);
    let operation = OperationId { intent: IntentId(1), serial: 0 };
    let id = TransferId { operation, leg: Leg::Charge };
    let good = Transfer { id, debit: Account::Bank, credit: Account::Fees, amount: rupees(5) };
    assert_eq!(post(&mut unit, &good), Ok(true));
    assert_eq!(post(&mut unit, &good), Ok(false));
    assert_eq!(post(&mut unit, &Transfer { amount: rupees(6), ..good }), Err(LedgerError::NameTaken));
    let other = Transfer { id: TransferId { leg: Leg::Fee, ..id }, ..good };
    assert_eq!(post(&mut unit, &Transfer { amount: rupees(0), ..other }), Err(LedgerError::NotPositive));
    assert_eq!(post(&mut unit, &Transfer { credit: Account::Bank, ..other }), Err(LedgerError::SameAccount));
    // An account holds what 64 bits hold: two of the largest transfers beside the five rupees, and no third.
    for (serial, fits) in [(1, true), (2, true), (3, false)] {
        let id = TransferId { operation: OperationId { serial, ..operation }, leg: Leg::Charge };
        let posted = post(&mut unit, &Transfer { id, amount: rupees(i64::MAX - 3), ..good });
        assert_eq!(posted, if fits { Ok(true) } else { Err(LedgerError::Overflow) });
    }
}

proptest! {
    #[test]
    fn money_prints_and_reads_back(minor in -i64::MAX..i64::MAX, code in "[A-Z]{3}") {
        let money = Money::new(minor, Currency::from_code(&code).expect("three letters"));
        prop_assert_eq!(money.to_string().parse::<Money>(), Ok(money));
    }

    #[test]
    fn no_text_makes_the_reader_of_amounts_panic(text in ".{0,30}") {
        let _ = text.parse::<Money>();
        let _ = Instrument::Card(text.clone()).check();
        let _ = is_address(&text);
    }

    #[test]
    fn a_fee_is_never_more_than_what_it_is_taken_from(minor in any::<i64>(), share_ppm in 0u32..=1_000_000, fixed_minor in 0..i64::MAX) {
        let fee = FeeConfig { share_ppm, fixed_minor }.on(minor);
        prop_assert!(fee >= 0 && fee <= minor.max(0));
    }

    #[test]
    fn luhn_finds_every_wrong_digit_and_every_swap_but_one(
        digits in prop::collection::vec(0u8..10, 2..19), place in any::<prop::sample::Index>(), wrong in 0u8..10,
    ) {
        let mut digits = digits;
        let check = (0..10).find(|check| luhn_holds(digits.iter().copied().chain([*check])));
        digits.extend(check);
        let place = place.index(digits.len() - 1);
        let mut changed = digits.clone();
        changed[place] = wrong;
        prop_assert_eq!(luhn_holds(changed.into_iter()), digits[place] == wrong);
        let mut swapped = digits.clone();
        swapped.swap(place, place + 1);
        let (left, right) = (digits[place], digits[place + 1]);
        let is_blind = left == right || (left.min(right), left.max(right)) == (0, 9);
        prop_assert_eq!(luhn_holds(swapped.into_iter()), is_blind);
    }

    #[test]
    fn debits_equal_credits_and_balances_follow_from_transfers(
        moves in prop::collection::vec((0u64..4, 0u64..4, -2i64..1_000, 0u32..12), 1..40),
    ) {
        let mut store = MemoryStore::new();
        for (debit, credit, minor, serial) in moves {
            let mut unit = Unit::new(&store);
            let operation = OperationId { intent: IntentId(1), serial };
            let id = TransferId { operation, leg: Leg::Charge };
            let transfer =
                Transfer { id, debit: Account::Merchant(debit), credit: Account::Merchant(credit), amount: rupees(minor) };
            let _ = post(&mut unit, &transfer);
            let batch = unit.into_batch();
            store.commit(Time::ZERO, &batch).expect("memory does not fail");
            let books = Books::read(&store);
            let (debits, credits) = books.totals(Currency::INR);
            prop_assert_eq!(debits, credits);
            prop_assert_eq!(&books.balances, &books.recounted());
        }
    }
}
