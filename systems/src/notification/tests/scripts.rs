//! Walks the text scripts beside it. A line says what happens (`at 1s fire x`) or what has to come of it
//! (`31s -> ops first x`), to the nanosecond; everything that comes has to be written down, in order.
//!
//! ```text
//! route [>...] receiver=ops by=cluster|... wait=30s interval=5m repeat=4h match=a="b" mute=night active=day continue
//! inhibit source=a="b" target=c="d" equal=e,f       interval night 22:00-07:00       quiet-ends ops
//! at T fire NAME [label=value] [for 10m]   resolve NAME [label=value]   silence ID from A to B MATCHER   unsilence ID
//!      answers ok|none|retry|fatal   restart   run
//! ```

use crate::notification::dispatch::{
    Alert, DispatchConfig, Dispatcher, Input, Notification, Output, Rejected,
};
use crate::notification::*;
use crate::retry::{BackoffConfig, BackoffKind, Jitter};
use crate::store::MemoryStore;
use crate::time::{Span, Time};

const SCRIPTS: &[(&str, &str)] = &[
    ("grouping", include_str!("scripts/grouping.txt")),
    ("repeats", include_str!("scripts/repeats.txt")),
    ("resolved", include_str!("scripts/resolved.txt")),
    ("inhibition", include_str!("scripts/inhibition.txt")),
    ("silences", include_str!("scripts/silences.txt")),
    ("intervals", include_str!("scripts/intervals.txt")),
    ("failures", include_str!("scripts/failures.txt")),
    ("routing", include_str!("scripts/routing.txt")),
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Answers {
    Ok,
    None,
    Retry,
    Fatal,
}

/// A dispatcher that is being driven.
struct Walk {
    dispatcher: Option<Dispatcher<MemoryStore>>,
    config: fn(&str) -> DispatchConfig,
    header: String,
    now: Time,
    answers: Answers,
    seen: Vec<String>,
}

#[test]
fn every_script_comes_true_to_the_nanosecond() {
    let mut wrong = Vec::new();
    for (name, script) in SCRIPTS {
        let mut walk = Walk::begin(script);
        let mut expected = Vec::new();
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(happens) = line.strip_prefix("at ") {
                walk.step(happens);
            } else if line.contains("->") {
                expected.push(line.split_whitespace().collect::<Vec<_>>().join(" "));
            }
        }
        if walk.seen != expected {
            wrong.push(format!(
                "{name}: came\n  {}\nexpected\n  {}",
                walk.seen.join("\n  "),
                expected.join("\n  ")
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

impl Walk {
    fn begin(script: &str) -> Walk {
        let header: Vec<&str> =
            script.lines().filter(|line| !line.starts_with("at ") && !line.contains("->")).collect();
        let mut walk = Walk {
            dispatcher: None,
            config,
            header: header.join("\n"),
            now: Time::ZERO,
            answers: Answers::Ok,
            seen: Vec::new(),
        };
        walk.open(MemoryStore::new());
        walk
    }

    fn open(&mut self, store: MemoryStore) {
        let config = (self.config)(&self.header);
        self.dispatcher = Some(Dispatcher::open(store, config, self.now).unwrap());
    }

    fn step(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        self.run_until(time(words[0]));
        let input = match words[1..] {
            ["fire", ..] => Input::Alert(alert(&words[2..], self.now, None)),
            ["resolve", ..] => Input::Alert(alert(&words[2..], self.now, Some(self.now))),
            ["silence", id, "from", from, "to", to, matcher] => Input::SetSilence(Silence {
                id: id.into(),
                matchers: Matchers::parse(&[matcher]).unwrap(),
                starts_at: time(from),
                ends_at: time(to),
                updated_at: Time::ZERO,
                author: "ann".into(),
                comment: "known".into(),
            }),
            ["unsilence", id] => Input::ExpireSilence { id: id.into() },
            ["answers", how] => {
                self.answers = match how {
                    "ok" => Answers::Ok,
                    "none" => Answers::None,
                    "retry" => Answers::Retry,
                    "fatal" => Answers::Fatal,
                    other => panic!("answers {other}"),
                };
                return;
            }
            ["restart"] => {
                let store = self.dispatcher.take().unwrap().into_store();
                return self.open(store);
            }
            ["run"] => return,
            _ => panic!("cannot read `{line}`"),
        };
        self.input(input).unwrap();
    }

    fn run_until(&mut self, until: Time) {
        while let Some(due) = self.dispatcher.as_ref().unwrap().deadline().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            let mut out = Vec::new();
            self.dispatcher.as_mut().unwrap().expire(self.now, &mut out).unwrap();
            self.carry_out(out);
        }
        self.now = until;
    }

    fn input(&mut self, input: Input) -> Result<(), Rejected> {
        let mut out = Vec::new();
        self.dispatcher.as_mut().unwrap().handle(self.now, input, &mut out)?;
        self.carry_out(out);
        Ok(())
    }

    fn carry_out(&mut self, out: Vec<Output>) {
        for output in out {
            match output {
                Output::Notify(told) => {
                    self.seen.push(format!("{} -> {}", self.now, line_of(&told)));
                    let id = told.id;
                    match self.answers {
                        Answers::Ok => self.input(Input::Delivered(id)).unwrap(),
                        Answers::None => {}
                        Answers::Retry => self.input(Input::Failed { id, retryable: true }).unwrap(),
                        Answers::Fatal => self.input(Input::Failed { id, retryable: false }).unwrap(),
                    }
                }
                Output::GaveUp(_) => self.seen.push(format!("{} -> gave up", self.now)),
                Output::Gossip { .. } => panic!("there is one node"),
            }
        }
    }
}

fn line_of(told: &Notification) -> String {
    let names = |alerts: &[std::sync::Arc<Alert>]| {
        alerts.iter().map(|alert| alert.labels.get("alertname").to_string()).collect::<Vec<_>>().join(",")
    };
    let reason = match told.reason {
        dispatch::Reason::First => "first",
        dispatch::Reason::NewAlerts => "new",
        dispatch::Reason::Resolved => "resolved",
        dispatch::Reason::Repeat => "repeat",
    };
    let mut line = format!("{} {reason}", told.receiver);
    if !told.firing.is_empty() {
        line += &format!(" {}", names(&told.firing));
    }
    if !told.resolved.is_empty() {
        line += &format!(" over {}", names(&told.resolved));
    }
    line
}

fn time(text: &str) -> Time {
    Time::ZERO + text.parse::<Span>().unwrap_or_else(|error| panic!("{error}"))
}

fn alert(words: &[&str], now: Time, ends_at: Option<Time>) -> Alert {
    let mut labels = vec![("alertname".to_string(), words[0].to_string())];
    let mut ends_at = ends_at.or(Some(Time::MAX));
    let mut rest = words[1..].iter();
    while let Some(word) = rest.next() {
        match word.split_once('=') {
            Some((name, value)) => labels.push((name.into(), value.into())),
            None => ends_at = Some(now + rest.next().expect("for how long").parse::<Span>().unwrap()),
        }
    }
    Alert { labels: Labels::new(labels), annotations: Labels::default(), ends_at }
}

fn config(header: &str) -> DispatchConfig {
    let mut routes: Vec<(usize, RouteConfig)> = Vec::new();
    let mut config = DispatchConfig::new(RouteConfig::default());
    config.retry.max_attempts = 3;
    config.retry.backoff = BackoffConfig {
        kind: BackoffKind::Exponential { multiplier_milli: 2_000 },
        base: Span::from_secs(10),
        cap: Span::from_secs(60),
        jitter: Jitter::None,
        first_exponent: 0,
    };
    for line in header.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["route", ..] => {
                let depth = words[1..].iter().take_while(|word| **word == ">").count();
                routes.push((depth, route(&words[1 + depth..])));
            }
            ["inhibit", source, target, equal] => config.inhibit_rules.push(InhibitRule {
                source: Matchers::parse(&[value(source)]).unwrap(),
                target: Matchers::parse(&[value(target)]).unwrap(),
                equal: value(equal).split(',').map(str::to_string).collect(),
            }),
            ["interval", name, times] => {
                let (from, until) = times.split_once('-').unwrap();
                let minute = |text: &str| {
                    let (hour, minute) = text.split_once(':').unwrap();
                    (hour.parse().unwrap(), minute.parse().unwrap())
                };
                let times = vec![Minutes::between(minute(from), minute(until))];
                let patterns = vec![TimePattern { times, ..TimePattern::default() }];
                let interval = TimeInterval { patterns, zone: Box::new(FixedOffset(0)) };
                config.intervals.insert(name.into(), interval);
            }
            ["without-resolved", receiver] => _ = config.without_resolved.insert(receiver.into()),
            [] => {}
            _ => panic!("cannot read `{line}`"),
        }
    }
    config.routes = nested(&routes);
    config
}

/// The first is the root; one that is deeper belongs to the last before it that is less deep.
fn nested(routes: &[(usize, RouteConfig)]) -> RouteConfig {
    let (depth, mut root) = routes[0].clone();
    let below = |at: usize| routes[at + 1..].iter().take_while(|(other, _)| *other > routes[at].0).count();
    let children = (1..=below(0)).filter(|at| routes[*at].0 == depth + 1);
    root.routes = children.map(|at| nested(&routes[at..=at + below(at)])).collect();
    root
}

fn value(word: &str) -> &str {
    word.split_once('=').unwrap().1
}

fn route(words: &[&str]) -> RouteConfig {
    let mut route = RouteConfig::default();
    for word in words {
        let Some((name, value)) = word.split_once('=') else {
            assert_eq!(*word, "continue");
            route.continues = true;
            continue;
        };
        let span = || Some(value.parse().unwrap());
        match name {
            "receiver" => route.receiver = Some(value.into()),
            "by" if value == "..." => route.group_by = Some(GroupBy::All),
            "by" => route.group_by = Some(GroupBy::Labels(value.split(',').map(str::to_string).collect())),
            "wait" => route.group_wait = span(),
            "interval" => route.group_interval = span(),
            "repeat" => route.repeat_interval = span(),
            "match" => route.matchers.push(value.parse().unwrap()),
            "mute" => route.mute_intervals.push(value.into()),
            "active" => route.active_intervals.push(value.into()),
            other => panic!("route {other}"),
        }
    }
    route
}
