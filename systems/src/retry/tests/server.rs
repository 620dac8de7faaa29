//! What servers say: classes of results, and words about the next attempt.

use super::*;

#[test]
fn results_are_judged_by_the_tables_of_their_protocols() {
    let failure = Verdict::Failure;
    for (status, expected) in [
        (200, Verdict::Success),
        (304, Verdict::Success),
        (404, failure(FailureClass::Permanent)),
        (408, failure(FailureClass::Timeout)),
        (429, failure(FailureClass::Throttling)),
        (500, failure(FailureClass::Transient)),
        (501, failure(FailureClass::Permanent)),
        (503, failure(FailureClass::Transient)),
        (504, failure(FailureClass::Timeout)),
        (0, failure(FailureClass::Permanent)),
    ] {
        assert_eq!(HttpStatuses.classify(&status), expected, "{status}");
    }
    let statuses = GrpcStatuses::retrying(&[0, 4, 8, 14, 17, 99]);
    for (code, expected) in [
        (0, Verdict::Success),
        (4, failure(FailureClass::Timeout)),
        (5, failure(FailureClass::Permanent)),
        (8, failure(FailureClass::Throttling)),
        (14, failure(FailureClass::Transient)),
        (17, failure(FailureClass::Permanent)),
        (u32::MAX, failure(FailureClass::Permanent)),
    ] {
        assert_eq!(statuses.classify(&code), expected, "{code}");
    }
    assert_eq!(GrpcStatuses::UNAVAILABLE, GrpcStatuses::retrying(&[14]));
    for (code, expected) in [
        ("ThrottlingException", failure(FailureClass::Throttling)),
        ("RequestTimeout", failure(FailureClass::Transient)),
        ("AccessDenied", failure(FailureClass::Permanent)),
    ] {
        assert_eq!(AwsErrorCodes.classify(code), expected, "{code}");
    }
}

#[test]
fn an_answer_can_be_a_failure_by_the_callers_own_word() {
    let pending = |body: &str| match body {
        "pending" => Verdict::Failure(FailureClass::Transient),
        _ => Verdict::Success,
    };
    assert_eq!(pending.classify("pending"), Verdict::Failure(FailureClass::Transient));
    assert_eq!(
        AttemptResult::from(pending.classify("pending")),
        AttemptResult::Failure(Failure::of(FailureClass::Transient))
    );
    assert_eq!(FailureClass::Permanent.cause(), None);
}

#[test]
fn headers_are_read_as_their_protocols_say() {
    let after_s = |s| Pushback::After(Span::from_secs(s));
    let grpc = [("0", after_s(0)), (" 5000 ", after_s(5)), ("-1", Pushback::Stop), ("soon", Pushback::Stop)];
    for (value, expected) in grpc {
        assert_eq!(Pushback::from_grpc_ms(value), expected, "{value:?}");
    }
    assert_eq!(Pushback::from_aws_ms("1500"), Pushback::After(ms(1_500)));
    assert_eq!(Pushback::from_aws_ms("-1"), Pushback::None);

    let cases = [
        ("120", Ok(RetryAfter::Seconds(120))),
        ("99999999999999999999999", Ok(RetryAfter::Seconds(u64::MAX))),
        ("Sun, 06 Nov 1994 08:49:37 GMT", Ok(RetryAfter::Date { unix_s: 784_111_777 })),
        ("Thu, 01 Jan 1970 00:00:00 GMT", Ok(RetryAfter::Date { unix_s: 0 })),
        ("Thu, 29 Feb 2024 23:59:60 GMT", Ok(RetryAfter::Date { unix_s: 1_709_251_200 })),
        ("Wed, 29 Feb 2023 00:00:00 GMT", Err(HeaderError)),
        ("Sun, 06 Nov 1994 08:49:37 UTC", Err(HeaderError)),
        ("Sun, 6 Nov 1994 08:49:37 GMT", Err(HeaderError)),
        ("Sun, 06 Nov 1994 24:00:00 GMT", Err(HeaderError)),
        ("Sun, 06 Nov 1994 08:49:37:00 GMT", Err(HeaderError)),
        ("Sun, 06 Nov 1994 08:49:37 GMT now", Err(HeaderError)),
        ("Sun Nov  6 08:49:37 1994", Err(HeaderError)),
        ("-5", Err(HeaderError)),
        ("", Err(HeaderError)),
    ];
    for (value, expected) in cases {
        assert_eq!(RetryAfter::parse(value), expected, "{value:?}");
    }
}

#[test]
fn a_server_whose_clock_is_ten_minutes_ahead_is_understood_and_bounded() {
    // It is 08:49:37 here, 08:59:37 there, and the server means "in 30 seconds".
    let here = 784_111_777;
    let (date, retry_after) = ("Sun, 06 Nov 1994 08:59:37 GMT", "Sun, 06 Nov 1994 09:00:07 GMT");
    let with_date = Pushback::from_retry_after(retry_after, Some(date), here);
    assert_eq!(with_date, Pushback::After(Span::from_secs(30)));
    let without = Pushback::from_retry_after(retry_after, None, here);
    assert_eq!(without, Pushback::After(Span::from_secs(630)));
    let rule = PushbackRule::Lengthen { longest: Span::from_secs(60) };
    assert_eq!(rule.pause(ms(100), without), Span::from_secs(60));
    // Ten minutes behind, the date has passed long ago.
    let behind = Pushback::from_retry_after(retry_after, None, here + 1_200);
    assert_eq!(rule.pause(ms(100), behind), ms(100));
    assert_eq!(Pushback::from_retry_after("whenever", None, here), Pushback::None);
}

/// Headers, most of them nearly right: cuts of a good one, and other characters in it.
fn any_header() -> impl Strategy<Value = String> {
    let good = prop_oneof![Just("Sun, 06 Nov 1994 08:49:37 GMT"), Just("120"), Just("-1")];
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<char>()), 0..4);
    (good, changes, 0usize..40).prop_map(|(good, changes, length)| {
        let mut characters: Vec<char> = good.chars().take(length).collect();
        for (at, character) in changes {
            characters.insert(at.index(characters.len() + 1), character);
        }
        characters.into_iter().collect()
    })
}

proptest! {
    #[test]
    fn no_header_panics_and_no_wait_leaves_its_bound(
        value in any_header(), date in prop::option::of(any_header()), now in any::<u64>(),
        own in any_span(), longest in any_span(),
    ) {
        let asked = Pushback::from_retry_after(&value, date.as_deref(), now);
        for rule in [PushbackRule::Lengthen { longest }, PushbackRule::Replace { longest }] {
            prop_assert!(rule.pause(own, asked) <= longest.max(own));
        }
        let extra = PushbackRule::OwnAndUpTo { extra: longest }.pause(own, asked);
        prop_assert!(own <= extra && extra <= own + longest);
        Pushback::from_grpc_ms(&value);
        Pushback::from_aws_ms(&value);
    }

    #[test]
    fn every_date_is_read_back(unix_s in 0u64..253_402_300_800) {
        prop_assert_eq!(RetryAfter::parse(&date_of(unix_s)), Ok(RetryAfter::Date { unix_s }));
    }
}

/// A date by counting days one by one.
fn date_of(unix_s: u64) -> String {
    let (mut days, seconds) = (unix_s / 86_400, unix_s % 86_400);
    let leap = |year: u64| (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("Day, {:02} {} {year:04} {hour:02}:{minute:02}:{second:02} GMT", days + 1, names[month])
}
