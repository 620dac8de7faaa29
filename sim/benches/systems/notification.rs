//! Notification: the routes of an alert in a tree of a hundred, beside a bare loop over the same matchers; a storm of five
//! thousand alerts put together and told, beside a bare map of lists; a message from its trigger to its provider's yes,
//! beside a bare queue.

use criterion::{BatchSize, BenchmarkId, Criterion};
use foreshock_systems::notification::delivery::{
    Answer, CategoryConfig, CategoryId, Channel, Delivery, DeliveryConfig, Input, Output, ProviderConfig,
    ProviderId, RecipientId, Trigger,
};
use foreshock_systems::notification::dispatch::{self, Alert, DispatchConfig, Dispatcher};
use foreshock_systems::notification::template::{MissingVariable, PlainTemplates, TemplateSource};
use foreshock_systems::notification::{GroupBy, Labels, MatchOp, Matcher, RouteConfig, RouteTree};
use foreshock_systems::store::MemoryStore;
use foreshock_systems::{Span, Time};
use std::collections::{BTreeMap, VecDeque};
use std::hint::black_box;

const STORM: u64 = 5_000;

pub(crate) fn benchmarks(criterion: &mut Criterion) {
    routes(criterion);
    storm(criterion);
    message(criterion);
}

/// Ten teams, each with nine services; every third by a pattern.
fn tree() -> RouteConfig {
    let matcher = |name: &str, number: usize| {
        let (op, value) = match number % 3 {
            0 => (MatchOp::Matches, format!("{name}-{number}|{name}-x{number}")),
            _ => (MatchOp::Equal, format!("{name}-{number}")),
        };
        Matcher::new(name, op, value).expect("a matcher")
    };
    let service =
        |number| RouteConfig { matchers: vec![matcher("service", number)], ..RouteConfig::default() };
    let team = |number| RouteConfig {
        matchers: vec![matcher("team", number)],
        routes: (0..9).map(service).collect(),
        ..RouteConfig::default()
    };
    RouteConfig {
        receiver: Some("ops".into()),
        group_by: Some(GroupBy::Labels(vec!["cluster".into()])),
        routes: (0..10).map(team).collect(),
        ..RouteConfig::default()
    }
}

fn routes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("notification/routes_of_100");
    let tree = RouteTree::new(&tree()).expect("a tree");
    let flat: Vec<Matcher> = (0..100)
        .map(|number| Matcher::equal("service", format!("service-{number}")).expect("a matcher"))
        .collect();
    let labels = |team: &str, service: &str| {
        Labels::of(&[("alertname", "down"), ("cluster", "eu"), ("service", service), ("team", team)])
    };
    for (name, labels) in [
        ("first", labels("team-0", "service-0")),
        ("last", labels("team-9", "service-8")),
        ("none", labels("team-no", "service-no")),
    ] {
        group.bench_function(BenchmarkId::new("tree", name), |bencher| {
            bencher.iter(|| tree.matching(black_box(&labels)));
        });
        group.bench_function(BenchmarkId::new("bare_loop", name), |bencher| {
            bencher.iter(|| flat.iter().position(|matcher| matcher.matches(black_box(&labels))));
        });
    }
    group.finish();
}

fn alerts() -> Vec<Alert> {
    let alert = |number: u64| Alert {
        labels: Labels::of(&[("alertname", "down"), ("cluster", "eu"), ("host", &number.to_string())]),
        annotations: Labels::default(),
        ends_at: None,
    };
    (0..STORM).map(alert).collect()
}

fn storm(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("notification/storm_of_5000");
    group.sample_size(20);
    group.bench_function("dispatcher", |bencher| {
        let fresh = || {
            let config = DispatchConfig::new(tree());
            (Dispatcher::open(MemoryStore::new(), config, Time::ZERO).expect("a config"), alerts())
        };
        bencher.iter_batched(
            fresh,
            |(mut dispatcher, alerts)| {
                let mut out = Vec::new();
                for alert in alerts {
                    let _ = dispatcher.handle(Time::ZERO, dispatch::Input::Alert(alert), &mut out);
                }
                let _ = dispatcher.expire(Time::ZERO + Span::from_secs(30), &mut out);
                (dispatcher, out)
            },
            BatchSize::LargeInput,
        );
    });
    group.bench_function("bare_map", |bencher| {
        bencher.iter_batched(
            alerts,
            |alerts| {
                let mut groups: BTreeMap<String, Vec<Alert>> = BTreeMap::new();
                for alert in alerts {
                    groups.entry(alert.labels.get("cluster").to_string()).or_default().push(alert);
                }
                groups
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn message(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("notification/one_message");
    let text = TemplateSource {
        name: "text".into(),
        subject: "order {{ id }}".into(),
        body: "Your order {{ id }} is on its way.".into(),
        ..TemplateSource::default()
    };
    let config = DeliveryConfig {
        providers: vec![ProviderConfig::new(ProviderId(1), Channel::Email)],
        categories: vec![CategoryConfig::new(CategoryId(1), Channel::Email, "text")],
        keep_keys: Span::from_millis(1),
        keep_settled: Span::from_millis(1),
        ..DeliveryConfig::new()
    };
    let templates = Box::new(PlainTemplates::new(MissingVariable::Error).with(text));
    let mut delivery = Delivery::open(MemoryStore::new(), config, templates, Time::ZERO).expect("a config");
    let (mut number, mut now, mut out) = (0u64, Time::ZERO, Vec::new());
    group.bench_function("delivery", |bencher| {
        bencher.iter(|| {
            number += 1;
            now += Span::from_micros(10);
            let id = number.to_string();
            let trigger = Trigger::new(id.clone(), CategoryId(1), RecipientId(number % 1_000)).with("id", id);
            let _ = delivery.handle(now, Input::Trigger(trigger), &mut out);
            let sent = out.drain(..).find_map(|output| match output {
                Output::Send(order) => Some((order.message, order.attempt)),
                _ => None,
            });
            if let Some((message, attempt)) = sent {
                let answer = Input::Answer { message, attempt, answer: Answer::Accepted };
                let _ = delivery.handle(now, answer, &mut out);
            }
            let _ = delivery.expire(now, &mut out);
            out.clear();
        });
    });
    let mut queue: VecDeque<(u64, String)> = (0..16).map(|number| (number, number.to_string())).collect();
    group.bench_function("bare_queue", |bencher| {
        bencher.iter(|| {
            number += 1;
            queue.push_back((number, format!("Your order {number} is on its way.")));
            black_box(queue.pop_front())
        });
    });
    group.finish();
}
