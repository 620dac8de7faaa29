//! The parts by themselves: names, values, schemas, canaries, placeholders, the checks.

use super::*;
use crate::config_manager::linearizability::{Act, NotLinearizable, Operation, check};
use crate::config_manager::versions::Versions;
use proptest::prelude::*;

#[test]
fn names_are_read_as_they_are_printed_and_nothing_else_is() {
    let key: Key = "shop/eu/checkout/timeout".parse().expect("a key");
    assert_eq!((key.scope().as_str(), key.name()), ("shop/eu/checkout", "timeout"));
    assert_eq!(key.to_string().parse(), Ok(key));
    for text in ["", "a", "a/b/c", "a/b/c/", "a//c/d", "a/b/c/d/e", "a/b/c/\n"] {
        assert!(text.parse::<Key>().is_err(), "{text:?}");
    }
    let fallback = Scope::with_fallback("shop", "eu", "checkout").expect("a scope");
    let texts: Vec<&str> = fallback.iter().map(Scope::as_str).collect();
    assert_eq!(texts, ["shop/eu/checkout", "shop/default/checkout"]);
    assert!("a/b".parse::<Scope>().unwrap_err().to_string().contains("application/cluster/namespace"));
}

#[test]
fn a_text_is_read_as_the_kind_that_is_wanted() {
    let integers = Kind::List(Box::new(Kind::Integer));
    let list = |numbers: &[i64]| Value::List(numbers.iter().copied().map(Value::Integer).collect());
    for (kind, text, value) in [
        (Kind::Integer, " 42 ", Some(Value::Integer(42))),
        (Kind::Integer, "4x", None),
        (Kind::Boolean, "true", Some(Value::Boolean(true))),
        (Kind::Boolean, "yes", None),
        (Kind::Duration, "1.5s", Some(Value::Duration(Span::from_millis(1_500)))),
        (Kind::Duration, "15", None),
        (integers.clone(), "1, 2,3", Some(list(&[1, 2, 3]))),
        (integers.clone(), "", Some(list(&[]))),
        (integers, "1,,2", None),
    ] {
        assert_eq!(kind.read(text), value, "{kind} {text}");
        if let Some(value) = value {
            assert!(kind.admits(&value));
            assert_eq!(kind.read(&value.to_string()), Some(value));
        }
    }
}

#[test]
fn a_secret_is_not_printed() {
    let secret = Value::Secret(Secret::new("hunter2".to_string()));
    let old = BTreeMap::from([("password".to_string(), secret.clone())]);
    let printed = format!("{secret} {secret:?} {} {old:?}", diff(&old, &BTreeMap::new())[0]);
    assert!(!printed.contains("hunter2"), "{printed}");
    assert!(matches!(secret, Value::Secret(text) if text.reveal() == "hunter2"));
}

#[test]
fn a_schema_says_what_is_wrong_and_what_to_write() {
    let mut pattern = Field::of(Kind::Text);
    pattern.pattern = Some("https://*.example.???".to_string());
    let schema = Schema {
        fields: [
            ("pool", Field::integer(1, 100).required()),
            ("timeout", Field::duration(Span::from_millis(10), Span::from_secs(60))),
            ("mode", Field::choice(&["fast", "safe"])),
            ("url", pattern),
            ("name", Field::of(Kind::Text)),
        ]
        .map(|(name, field)| (name.to_string(), field))
        .into(),
        is_closed: true,
    };
    let duration = |ms| Value::Duration(Span::from_millis(ms));
    for (name, value, says) in [
        ("pool", Value::Integer(0), "at least 1"),
        ("pool", Value::Integer(101), "at most 100"),
        ("pool", Value::text("20"), "write a integer"),
        ("timeout", duration(9), "at least 10000000"),
        ("mode", Value::text("quick"), "one of fast,safe"),
        ("mode", Value::text("${other}"), "no choice"),
        ("url", Value::text("http://a.example.org"), "does not look like"),
        ("naem", Value::text("x"), "not in the schema"),
    ] {
        let violation = schema.check_published(name, &value).unwrap_err();
        assert!(violation.to_string().contains(says), "{violation}");
    }
    for (name, value) in [
        ("pool", Value::Integer(100)),
        ("timeout", duration(10)),
        ("mode", Value::text("safe")),
        ("url", Value::text("https://a.b.example.org")),
        ("name", Value::text("${pool} of ${mode}")),
    ] {
        assert_eq!(schema.check_published(name, &value), Ok(()), "{name}");
    }
    let missing = schema.violations(&BTreeMap::new());
    assert_eq!(missing, [Violation { name: "pool".to_string(), problem: Problem::Missing }]);
}

#[test]
fn a_canary_reaches_its_share_and_its_named_instances() {
    let rule = CanaryRule::share(50_000, 7);
    let reached = (0..20_000).filter(|number| rule.reaches(&format!("node-{number}"))).count();
    // Binomial(20,000, 5 %): 1,000 give or take 31; five deviations.
    assert!((846..=1_154).contains(&reached), "{reached}");
    let named = CanaryRule::named(&["node-3"]);
    assert!(named.reaches("node-3") && !named.reaches("node-33"));
    assert_eq!(CanaryRule::default().validate(), Err(CanaryError::Nobody));
    assert_eq!(CanaryRule::share(1_000_001, 0).validate(), Err(CanaryError::TooMuch(1_000_001)));
}

#[test]
fn differences_read_like_a_patch() {
    let text = diff(&numbers(&[("a", 1), ("b", 2), ("c", 3)]), &numbers(&[("b", 2), ("c", 4), ("d", 5)]));
    let text: Vec<String> = text.iter().map(ToString::to_string).collect();
    assert_eq!(text.join("\n"), "-a = 1\n-c = 3\n+c = 4\n+d = 5");
}

fn operation(began: u64, ended: u64, act: Act) -> Operation {
    let ended = if ended == 0 { Time::MAX } else { at(ended) };
    Operation { began: at(began), ended, act }
}

fn set(expected: Option<u64>, new: u64, succeeded: Option<bool>) -> Act {
    Act::CompareAndSet { expected, new, succeeded }
}

#[test]
fn histories_that_could_have_happened_one_by_one_are_told_from_those_that_could_not() {
    let one_wins = [operation(1, 5, set(None, 1, Some(true))), operation(2, 6, set(None, 2, Some(false)))];
    assert_eq!(check(&one_wins), Ok(()));
    let both_win = [operation(1, 5, set(None, 1, Some(true))), operation(2, 6, set(None, 2, Some(true)))];
    assert_eq!(check(&both_win), Err(NotLinearizable::NoOrder(1)));
    let stale_read = [operation(1, 2, set(None, 1, Some(true))), operation(3, 4, Act::Read(None))];
    assert!(check(&stale_read).is_err());
    let overlapping_read = [operation(1, 4, set(None, 1, Some(true))), operation(3, 5, Act::Read(None))];
    assert_eq!(check(&overlapping_read), Ok(()));
    let heard_late = [operation(1, 0, set(None, 1, None)), operation(8, 9, Act::Read(Some(1)))];
    assert_eq!(check(&heard_late), Ok(()));
    let never_heard = [operation(1, 0, set(None, 1, None)), operation(8, 9, Act::Read(None))];
    assert_eq!(check(&never_heard), Ok(()));
    let lost_update = [
        operation(1, 2, set(None, 1, Some(true))),
        operation(3, 4, set(Some(1), 2, Some(true))),
        operation(5, 6, Act::Read(Some(1))),
    ];
    assert_eq!(check(&lost_update), Err(NotLinearizable::NoOrder(2)));
    assert_eq!(check(&[one_wins[0]; 129]), Err(NotLinearizable::TooLong(129)));
}

/// The second implementation: every order, tried.
fn any_order_explains(left: &[Operation], state: Option<u64>) -> bool {
    if left.iter().all(|operation| operation.ended == Time::MAX) {
        return true;
    }
    (0..left.len()).any(|index| {
        let (next, mut rest) = (left[index], left.to_vec());
        rest.remove(index);
        if rest.iter().any(|other| other.ended < next.began) {
            return false;
        }
        match next.act {
            Act::Read(read) => read == state && any_order_explains(&rest, state),
            Act::CompareAndSet { expected, new, succeeded } => {
                let succeeds = expected == state;
                succeeded.is_none_or(|succeeded| succeeded == succeeds)
                    && any_order_explains(&rest, if succeeds { Some(new) } else { state })
            }
        }
    })
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let seen = || prop::option::of(0u64..3);
    let act = prop_oneof![
        seen().prop_map(Act::Read),
        (seen(), 0u64..3, prop::option::of(any::<bool>()))
            .prop_map(|(expected, new, succeeded)| set(expected, new, succeeded)),
    ];
    let operation = (0u64..12, 0u64..6, act).prop_map(|(began, length, act)| {
        let is_unknown = matches!(act, Act::CompareAndSet { succeeded: None, .. });
        operation(began, if is_unknown { 0 } else { 1 + began + length }, act)
    });
    prop::collection::vec(operation, 0..6)
}

proptest! {
    #[test]
    fn the_search_agrees_with_trying_every_order(operations in operations()) {
        prop_assert_eq!(check(&operations).is_ok(), any_order_explains(&operations, None));
    }

    #[test]
    fn raising_the_share_takes_nobody_out(less: u32, more: u32, salt: u64, instance in "[a-z0-9-]{0,12}") {
        let (less, more) = (less % 1_000_001, more % 1_000_001);
        let (less, more) = (less.min(more), less.max(more));
        let reaches = |ppm| CanaryRule::share(ppm, salt).reaches(&instance);
        prop_assert!(!reaches(less) || reaches(more));
        prop_assert!(reaches(1_000_000) && !reaches(0));
    }

    /// The second implementation keeps a copy of everything at every revision.
    #[test]
    fn versions_are_what_copies_of_everything_say(
        writes in prop::collection::vec((0u8..4, prop::option::of(0u8..9)), 1..40), cut in 0usize..40,
    ) {
        let mut versions = Versions::default();
        let mut copies: Vec<BTreeMap<u8, u8>> = vec![BTreeMap::new()];
        for (index, (key, value)) in writes.iter().enumerate() {
            versions.write(key, Revision(index as u64 + 1), *value);
            let mut copy = copies[index].clone();
            match value {
                Some(value) => drop(copy.insert(*key, *value)),
                None => drop(copy.remove(key)),
            }
            copies.push(copy);
        }
        let through = cut.min(writes.len());
        for key in 0..4 {
            versions.compact(&key, Revision(through as u64));
        }
        for (index, copy) in copies.iter().enumerate().skip(through) {
            let revision = Revision(index as u64);
            for key in 0..4 {
                let got = versions.at(&key, revision).and_then(|version| version.value);
                prop_assert_eq!(got, copy.get(&key).copied());
            }
            let listed: BTreeMap<u8, u8> =
                versions.from(&0, revision).filter_map(|(key, version)| Some((*key, version.value?))).collect();
            prop_assert_eq!(&listed, copy);
        }
    }

    #[test]
    fn no_text_makes_a_reader_panic(text in ".{0,40}") {
        let _ = (text.parse::<Key>(), text.parse::<Scope>());
        let settings = read_properties(&text);
        let raw = BTreeMap::from([("a".to_string(), Value::Text(text))]);
        let local = LocalLayers { defaults: settings, file: raw, ..LocalLayers::default() };
        let mut client = Client::new(ClientConfig::new(view("node")), Schema::default(), local).expect("it can be meant");
        let mut out = Vec::new();
        client.handle(at(0), client::Input::Start { cache: None }, &mut out).expect("it can begin");
        client.expire(at(5_000), &mut out);
    }
}
