//! Settings of kind `metrics`, read from the file or refused with the place and what to write instead.

use foreshock_systems::metrics::NoDataPolicy;
use foreshock_systems::metrics::window::{EarlyPolicy, LatePolicy};
use serde_json::{Map, Value};

use crate::kernel::time::Span;
use crate::nodes::settings::{Reader, Wrong};
use crate::scenario::quantity::{Factor, Positive, Share};

/// Settings of whoever collects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// Length of a window.
    pub(super) window: Span,
    /// How long a window that was told is still revised.
    pub(super) lateness: Span,
    /// What happens to reports later than that.
    pub(super) late: LatePolicy,
    /// How far ahead of its own clock it believes a replica's; `None`: a window.
    pub(super) max_ahead: Option<Span>,
    /// What happens to reports from further ahead.
    pub(super) early: EarlyPolicy,
    /// How long a silent replica holds the windows back; `None`: two windows or reports.
    pub(super) idle_after: Option<Span>,
    /// From when on a silent replica is missing; `None`: three windows or reports.
    pub(super) stale_after: Option<Span>,
    /// From when on it is gone for good, and nobody waits for it.
    pub(super) forget_after: Span,
    /// From one evaluation of the alerts to the next; `None`: a window.
    pub(super) evaluate: Option<Span>,
    /// Most series told apart.
    pub(super) max_series: u32,
    pub(super) alerts: Vec<AlertSettings>,
}

/// One alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AlertSettings {
    pub(super) name: String,
    /// Of which service.
    pub(super) of: String,
    pub(super) rule: RuleSettings,
    /// How long the condition has to hold before it fires.
    pub(super) hold_for: Span,
    /// How long it stays after the condition has last held.
    pub(super) keep_firing_for: Span,
    /// What missing data means.
    pub(super) no_data: NoDataPolicy,
}

/// When an alert's condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RuleSettings {
    /// The 99th percentile of the last window is above this.
    P99Above(Span),
    /// The error budget is spent too fast, by a long and a short window.
    Burn {
        /// Share of the requests that may be bad.
        budget_ppm: u32,
        /// From which latency on a request is bad; `None`: those answered with an error are.
        slower_than: Option<Span>,
        long: Span,
        short: Span,
        burn_milli: u32,
        /// Whether each replica is watched alone.
        by_replica: bool,
    },
}

/// Windows kept while a replica is waited for, and while a window may still change.
const MOST_WINDOWS: u64 = 500;
/// Shortest time between two evaluations, and shortest window.
const LEAST_PAUSE: Span = Span::from_millis(1);
/// Most series told apart.
const MOST_SERIES: u32 = 1_000_000;
/// A long window of an alert has at most so many short ones: each takes memory for every replica.
const MOST_SHORT_WINDOWS: u64 = 100;

impl Settings {
    /// How long anything may be waited for.
    pub(super) fn longest_wait(&self) -> Span {
        self.window.saturating_mul(MOST_WINDOWS)
    }
}

const KEYS: [&str; 11] = [
    "window",
    "lateness",
    "late",
    "max_ahead",
    "early",
    "idle_after",
    "stale_after",
    "forget_after",
    "evaluate",
    "max_series",
    "alerts",
];

const ALERT_KEYS: [&str; 11] = [
    "of",
    "p99_above",
    "objective",
    "slower_than",
    "long",
    "short",
    "burn",
    "by",
    "for",
    "keep_firing_for",
    "no_data",
];

/// The settings, or everything that is wrong with them.
pub(super) fn read(settings: &Map<String, Value>) -> Result<Settings, Wrong> {
    let mut wrong = Wrong::new();
    let mut reader = Reader { map: settings, at: String::new(), wrong: &mut wrong };
    reader.refuse_unknown(&KEYS, "kind `metrics`");
    let window = reader.positive_span("window").unwrap_or(Span::from_secs(10));
    let mut read = Settings {
        window,
        lateness: reader.span("lateness").unwrap_or(window),
        late: reader
            .choice(
                "late",
                &[
                    ("drop", LatePolicy::Drop),
                    ("count_into_current", LatePolicy::CountIntoCurrent),
                    ("reopen", LatePolicy::Reopen),
                ],
            )
            .unwrap_or(LatePolicy::Drop),
        max_ahead: reader.span("max_ahead"),
        early: reader
            .choice(
                "early",
                &[("drop", EarlyPolicy::Drop), ("count_into_current", EarlyPolicy::CountIntoCurrent)],
            )
            .unwrap_or(EarlyPolicy::CountIntoCurrent),
        idle_after: reader.positive_span("idle_after"),
        stale_after: reader.positive_span("stale_after"),
        forget_after: reader.positive_span("forget_after").unwrap_or(Span::from_secs(300)),
        evaluate: reader.positive_span("evaluate"),
        max_series: reader.value("max_series", Positive::read).map_or(2_000, |most| most.0),
        alerts: Vec::new(),
    };
    reader.check_bounds(&read);
    read.alerts = reader.alerts();
    if wrong.is_empty() { Ok(read) } else { Err(wrong) }
}

impl Reader<'_> {
    /// What would need too much memory or time.
    fn check_bounds(&mut self, settings: &Settings) {
        let longest = settings.longest_wait();
        for (key, waits) in [("lateness", Some(settings.lateness)), ("idle_after", settings.idle_after)] {
            if waits.is_some_and(|waits| waits > longest) {
                let message = format!(
                    "keeps more than {MOST_WINDOWS} windows; use {longest} at most, or longer windows"
                );
                self.wrong_at(key, message);
            }
        }
        if settings.evaluate.is_some_and(|evaluate| evaluate < LEAST_PAUSE) {
            self.wrong_at("evaluate", "leaves no time in between; 1ms is the least");
        }
        if settings.window < LEAST_PAUSE {
            self.wrong_at("window", "is too short to be told; 1ms is the least");
        }
        if settings.max_series > MOST_SERIES {
            let message = format!("is more than anybody can keep apart; {MOST_SERIES} is the most");
            self.wrong_at("max_series", message);
        }
    }

    fn alerts(&mut self) -> Vec<AlertSettings> {
        let help = "write `alerts: {slow: {of: api, p99_above: 250ms}}`";
        self.mappings("alerts", help, |name, reader| reader.alert(name))
    }

    fn alert(&mut self, name: &str) -> Option<AlertSettings> {
        self.refuse_unknown(&ALERT_KEYS, "an alert");
        let of = self.map.get("of").and_then(Value::as_str).map(str::to_string);
        if of.is_none() {
            self.missing("says nothing about whom it watches; add `of: api`");
        }
        let no_data = self.choice(
            "no_data",
            &[
                ("keep", NoDataPolicy::KeepState),
                ("resolve", NoDataPolicy::Resolve),
                ("fire", NoDataPolicy::Fire),
            ],
        );
        let alert = AlertSettings {
            name: name.to_string(),
            rule: self.rule()?,
            of: of?,
            hold_for: self.span("for").unwrap_or(Span::ZERO),
            keep_firing_for: self.span("keep_firing_for").unwrap_or(Span::ZERO),
            no_data: no_data.unwrap_or_default(),
        };
        Some(alert)
    }

    fn rule(&mut self) -> Option<RuleSettings> {
        let above = self.positive_span("p99_above");
        let objective = self.value("objective", Share::read);
        let (wants_p99, wants_burn) =
            (self.map.contains_key("p99_above"), self.map.contains_key("objective"));
        match (wants_p99, wants_burn) {
            (true, false) => {
                for key in ["slower_than", "long", "short", "burn", "by"] {
                    if self.map.contains_key(key) {
                        self.wrong_at(key, "belongs to an alert with an `objective`; remove it");
                    }
                }
                above.map(RuleSettings::P99Above)
            }
            (false, true) => self.burn(objective?.0),
            (true, true) => {
                self.wrong_at("objective", "stands beside `p99_above`; keep one");
                None
            }
            (false, false) => {
                self.missing(
                    "never fires; add `p99_above: 250ms`, or `objective: 99%` with `long` and `burn`",
                );
                None
            }
        }
    }

    fn burn(&mut self, objective_ppm: u32) -> Option<RuleSettings> {
        let slower_than = self.positive_span("slower_than");
        let long = self.positive_span("long");
        let short = self.positive_span("short");
        let burn = self.value("burn", Factor::read);
        let by = self.choice("by", &[("service", false), ("replica", true)]);
        let long = long.unwrap_or(Span::from_secs(3_600));
        let short = short.unwrap_or(Span::from_nanos(long.as_nanos() / 12));
        if long.as_nanos() / short.as_nanos().max(1) > MOST_SHORT_WINDOWS {
            let message = format!("is too short beside `long`; {MOST_SHORT_WINDOWS} to one is the most");
            self.wrong_at("short", message);
            return None;
        }
        let burn_milli = burn.map_or(14_400, |factor| u32::try_from(factor.0).unwrap_or(u32::MAX));
        let budget_ppm = 1_000_000_u32.saturating_sub(objective_ppm);
        let rule = RuleSettings::Burn {
            budget_ppm,
            slower_than,
            long,
            short,
            burn_milli,
            by_replica: by.unwrap_or(false),
        };
        match super::alerts::burn_rate_config(budget_ppm, (long, short), burn_milli).validate() {
            Ok(()) => Some(rule),
            Err(error) => {
                self.missing(&format!("cannot be watched: {error}"));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wrong(settings: Value) -> Vec<String> {
        let Value::Object(settings) = settings else { panic!("settings are a mapping") };
        let wrong = read(&settings).err().unwrap_or_default();
        wrong.into_iter().map(|(place, message)| format!("{place}: {message}")).collect()
    }

    #[test]
    fn without_settings_the_defaults_hold() {
        let read = read(&Map::new()).unwrap();
        assert_eq!(
            (read.window, read.lateness, read.late),
            (Span::from_secs(10), Span::from_secs(10), LatePolicy::Drop)
        );
    }

    #[test]
    fn everything_wrong_is_said_at_its_place_in_one_go() {
        let told = wrong(json!({
            "window": "0s", "latenes": "5s", "late": "never", "max_series": 0,
            "alerts": {
                "a": {"of": "api"},
                "b": {"p99_above": "250ms"},
                "c": {"of": "api", "objective": "99%", "burn": "x200", "long": "1m"},
                "d": {"of": "api", "p99_above": "1s", "burn": "x2"},
                "e": 5,
            },
        }));
        let expected = [
            "latenes: is no setting of kind `metrics`; did you mean `lateness`?",
            "window: has to have a length",
            "late: is none of drop, count_into_current, reopen",
            "max_series: ",
            "alerts.a: never fires",
            "alerts.b: says nothing about whom it watches",
            "alerts.c: cannot be watched: rule 0: not even a total outage burns this fast",
            "alerts.d.burn: belongs to an alert with an `objective`",
            "alerts.e: is no mapping",
        ];
        assert_eq!(told.len(), expected.len(), "{told:#?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.starts_with(expected), "{told} should begin with {expected}");
        }
    }
}
