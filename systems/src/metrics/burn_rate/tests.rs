//! Detection and reset times against their formulas, and alerts against a plain list of events.

use super::super::alert::NoDataPolicy;
use super::*;
use proptest::prelude::*;

const BUDGET_PPM: u32 = 1_000;

fn at(s: u64) -> Time {
    Time::ZERO + Span::from_secs(s)
}

/// A thousand events a second, of which `bad` are bad.
fn second(bad: u64) -> Outcomes {
    Outcomes { bad, total: 1_000 }
}

/// Three quiet days, then `bad` of a thousand for `bad_s` seconds, then quiet again for `rest_s`: when each rule
/// fired and resolved, in seconds from the first bad one.
fn story(bad: u64, bad_s: u64, rest_s: u64) -> Vec<(u64, usize, AlertChange)> {
    let mut alerts = BurnRateAlerts::new(&BurnRateConfig::workbook(BUDGET_PPM)).unwrap();
    let quiet = 3 * 86_400;
    for minute in 0..quiet / 60 {
        alerts.record(at(minute * 60), Outcomes { bad: 0, total: 60_000 });
    }
    let mut told = Vec::new();
    for s in 0..bad_s + rest_s {
        alerts.record(at(quiet + s), second(if s < bad_s { bad } else { 0 }));
        alerts.evaluate(at(quiet + s), |change| told.push((s, change.rule, change.change)));
    }
    told
}

use AlertChange::{Fired, Resolved};

#[test]
fn a_total_outage_fires_after_the_time_of_the_formula() {
    // t = window * burn * budget / errors: 51.84 s and 129.6 s. Reset: what is left of the short window when its
    // share falls below burn * budget.
    let told = story(1_000, 200, 3_000);
    let when = |rule, change| told.iter().find(|(_, r, c)| (*r, *c) == (rule, change)).map(|(s, _, _)| *s);
    assert!((50..=52).contains(&when(0, Fired).unwrap()), "{told:?}");
    assert!((128..=131).contains(&when(1, Fired).unwrap()), "{told:?}");
    // The five minutes still hold 200 bad seconds; they burn until fewer than 4.32 bad ones are left.
    let reset = when(0, Resolved).unwrap();
    assert!((485..=500).contains(&reset), "{told:?}");
}

#[test]
fn one_percent_of_errors_for_a_day_pages_by_the_slow_rules_only() {
    let told = story(10, 86_400, 0);
    let fired: Vec<usize> =
        told.iter().filter(|(_, _, change)| *change == Fired).map(|(_, rule, _)| *rule).collect();
    assert_eq!(fired, [1, 2], "ten times is not fourteen times: {told:?}");
    // 6 h * 6 * 0.001 / 0.01 = 3.6 h; 72 h * 1 * 0.001 / 0.01 = 7.2 h.
    assert!(told[0].0.abs_diff(12_960) <= 40 && told[1].0.abs_diff(25_920) <= 400, "{told:?}");
}

#[test]
fn the_presets_spend_what_the_workbook_says_they_spend() {
    let period_s = 30 * 86_400;
    let spent_ppm = |rule: &BurnRateRule| {
        rule.long.as_nanos() / 1_000_000_000 * u64::from(rule.burn_milli) * 1_000 / period_s
    };
    assert_eq!(BurnRateRule::WORKBOOK.each_ref().map(spent_ppm), [20_000, 50_000, 100_000]);
    assert!(BurnRateRule::WORKBOOK.iter().all(|rule| rule.long.as_nanos() == 12 * rule.short.as_nanos()));
}

#[test]
fn an_alert_does_not_resolve_because_its_data_has_stopped() {
    let stops = |no_data: NoDataPolicy| {
        let mut config = BurnRateConfig::workbook(BUDGET_PPM);
        config.rules.truncate(1);
        config.rules[0].alert.no_data = no_data;
        let mut alerts = BurnRateAlerts::new(&config).unwrap();
        (0..600).for_each(|s| alerts.record(at(s), second(1_000)));
        alerts.evaluate(at(600), |_| {});
        assert!(alerts.is_firing(0));
        let mut told = Vec::new();
        (601..9_000).for_each(|s| alerts.evaluate(at(s), |change| told.push(change.change)));
        (alerts.is_firing(0), told)
    };
    assert_eq!(stops(NoDataPolicy::KeepState), (true, vec![]));
    assert_eq!(stops(NoDataPolicy::Fire), (true, vec![]));
    assert_eq!(stops(NoDataPolicy::Resolve), (false, vec![Resolved]));
}

#[test]
fn configs_that_never_fire_or_always_do_are_refused() {
    let with = |change: &dyn Fn(&mut BurnRateConfig)| {
        let mut config = BurnRateConfig::workbook(BUDGET_PPM);
        change(&mut config);
        BurnRateAlerts::new(&config).map(|_| ()).map_err(|error| error.to_string())
    };
    assert!(with(&|c| c.budget_ppm = 0).unwrap_err().contains("99.9 %"));
    assert!(with(&|c| c.budget_ppm = 1_000_000).is_err());
    assert!(with(&|c| c.rules.clear()).unwrap_err().contains("workbook"));
    assert!(with(&|c| c.rules[1].short = c.rules[1].long).unwrap_err().contains("rule 1"));
    assert!(with(&|c| c.rules[0].short = Span::from_nanos(59)).is_err());
    assert!(with(&|c| c.rules[2].long = Span::MAX).is_err());
    assert!(with(&|c| c.rules[0].burn_milli = 0).unwrap_err().contains("1 / budget"));
    assert!(
        with(&|c| c.budget_ppm = 100_000).unwrap_err().contains("total outage"),
        "14.4 * 10 % is more than all"
    );
    assert!(with(&|_| ()).is_ok());
}

/// What happened in one second: bad of total, or nothing at all.
type Second = Option<(u64, u64)>;

/// A decision by the two windows of a rule: does it fire?
type Rule = fn(Outcomes, Outcomes) -> bool;

const RULE: BurnRateRule = BurnRateRule {
    severity: Severity::Page,
    long: Span::from_secs(120),
    short: Span::from_secs(60),
    burn_milli: 2_000,
    alert: AlertConfig {
        hold_for: Span::ZERO,
        keep_firing_for: Span::ZERO,
        no_data: NoDataPolicy::KeepState,
    },
};
const TENTH_PPM: u32 = 100_000;

/// The alert at work against a list of all seconds, read anew at each evaluation, that decides by `rule`.
fn judge(seconds: &[Second], rule: Rule) -> Result<(), String> {
    let mut alerts =
        BurnRateAlerts::new(&BurnRateConfig { budget_ppm: TENTH_PPM, rules: vec![RULE] }).unwrap();
    let mut fires = false;
    for (now, second) in seconds.iter().enumerate() {
        if let Some((bad, total)) = second {
            alerts.record(at(now as u64), Outcomes { bad: *bad, total: *total });
        }
        alerts.evaluate(at(now as u64), |_| {});
        let window = |length: usize| {
            let mut sum = Outcomes::default();
            for (bad, total) in seconds[(now + 1).saturating_sub(length)..=now].iter().flatten() {
                sum.add(Outcomes { bad: *bad, total: *total });
            }
            sum
        };
        let (long, short) = (window(120), window(60));
        if alerts.windows(0) != Some((long, short)) {
            return Err(format!("at {now}: {:?} are not {long:?} and {short:?}", alerts.windows(0)));
        }
        if short.total > 0 {
            fires = rule(long, short);
        }
        if alerts.is_firing(0) != fires {
            return Err(format!("at {now}: fires {}, should {fires}", alerts.is_firing(0)));
        }
    }
    Ok(())
}

/// Twice a tenth, in the simplest way there is.
fn burns(window: Outcomes) -> bool {
    window.bad * 10 > window.total * 2
}

proptest! {
    #[test]
    fn it_fires_if_and_only_if_both_windows_burn_too_fast(
        stretches in prop::collection::vec((1usize..90, prop::option::weighted(0.8, (0u64..8, 1u64..20))), 1..12),
    ) {
        let seconds: Vec<Second> = stretches.iter().flat_map(|(length, what)| {
            vec![what.map(|(bad, total)| (bad.min(total), total)); *length]
        }).collect();
        judge(&seconds, |long, short| burns(long) && burns(short)).unwrap();
    }

    #[test]
    fn no_input_makes_it_panic(steps in prop::collection::vec(any::<(u64, u64, u64)>(), 0..20)) {
        let mut alerts = BurnRateAlerts::new(&BurnRateConfig::workbook(BUDGET_PPM)).unwrap();
        for (now, bad, total) in steps {
            alerts.record(Time::from_nanos(now), Outcomes { bad, total });
            alerts.evaluate(Time::from_nanos(now), |_| {});
            prop_assert!(alerts.windows(0).is_some_and(|(long, short)| short.total <= long.total));
            let _ = alerts.windows(9).or(Some((Outcomes { bad, total }, Outcomes { bad, total })))
                .map(|(window, _)| window.burn_milli(BUDGET_PPM));
        }
    }
}

#[test]
fn rules_broken_on_purpose_disagree_with_the_alert() {
    // Two minutes of quiet, a minute of errors, quiet again.
    let seconds: Vec<Second> =
        (0..400).map(|s| Some((if (120..180).contains(&s) { 9 } else { 0 }, 10))).collect();
    let broken: [(&str, Rule); 3] = [
        ("long window only", |long, _| burns(long)),
        ("short window only", |_, short| burns(short)),
        ("at the factor instead of above it", |long, short| {
            long.bad * 10 >= long.total * 2 && short.bad * 10 >= short.total * 2
        }),
    ];
    for (what, rule) in broken {
        assert!(
            judge(&seconds, rule).is_err() || judge(&[Some((2, 10))], rule).is_err(),
            "not noticed: {what}"
        );
    }
    judge(&seconds, |long, short| burns(long) && burns(short)).unwrap();
}
