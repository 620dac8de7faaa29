//! On-call and product messages under the real clock: alerts of one cause become one notification, which becomes mails and
//! a text message at flaky providers. One loop drives both machines by their law.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "an example runs under the real clock, on real threads, and shows what it does"
)]

use foreshock_systems::notification::delivery::{
    self, Answer, CategoryConfig, CategoryId, Channel, Delivery, DeliveryConfig, MessageId, Order,
    ProviderConfig, ProviderId, RecipientId, Rung, Trigger,
};
use foreshock_systems::notification::dispatch::{self, Alert, DispatchConfig, Dispatcher, Notification};
use foreshock_systems::notification::template::{MissingVariable, PlainTemplates, TemplateSource};
use foreshock_systems::notification::{GroupBy, InhibitRule, Labels, Matchers, RouteConfig};
use foreshock_systems::store::MemoryStore;
use foreshock_systems::{Span, Time};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

const ALERTS: CategoryId = CategoryId(1);
const ON_CALL: RecipientId = RecipientId(1);

/// What a provider says, some milliseconds later: the first one is down, the second forgets its first answer.
fn serve(order: Order, words: Sender<(MessageId, u32, Answer)>) {
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(5));
        let answer = match order.provider {
            ProviderId(1) => Answer::Failed,
            _ if order.attempt == 2 => return,
            _ => Answer::Accepted,
        };
        let _ = words.send((order.message, order.attempt, answer)); // nobody listens once the example is over
    });
}

fn routes() -> Result<DispatchConfig, Box<dyn std::error::Error>> {
    let mut config = DispatchConfig::new(RouteConfig {
        receiver: Some("on-call".into()),
        group_by: Some(GroupBy::Labels(vec!["cluster".into()])),
        group_wait: Some(Span::from_millis(100)),
        group_interval: Some(Span::from_millis(300)),
        ..RouteConfig::default()
    });
    config.inhibit_rules = vec![InhibitRule {
        source: Matchers::parse(&["severity=critical"])?,
        target: Matchers::parse(&["severity=warning"])?,
        equal: vec!["cluster".into()],
    }];
    Ok(config)
}

fn messages() -> DeliveryConfig {
    let mut alerts = CategoryConfig::new(ALERTS, Channel::Email, "alert");
    (alerts.is_critical, alerts.priority) = (true, 0);
    alerts.ladders = vec![vec![Rung::by(Channel::Email)], vec![Rung::by(Channel::Sms)]];
    let provider = |id, channel| ProviderConfig {
        ack_timeout: Span::from_millis(50),
        ..ProviderConfig::new(ProviderId(id), channel)
    };
    let mut config = DeliveryConfig {
        providers: vec![provider(1, Channel::Email), provider(2, Channel::Email), provider(3, Channel::Sms)],
        categories: vec![alerts],
        ..DeliveryConfig::new()
    };
    config.retry.backoff.base = Span::from_millis(100);
    config
}

fn trigger(told: &Notification) -> Trigger {
    let names: Vec<&str> = told.firing.iter().map(|alert| alert.labels.get("alertname")).collect();
    Trigger::new(told.idempotency_key(), ALERTS, ON_CALL)
        .with("group", told.group_labels.to_string())
        .with("firing", names.join(", "))
        .with("over", told.resolved.len().to_string())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let text = TemplateSource {
        name: "alert".into(),
        subject: "{{ group }}".into(),
        body: "firing: {{ firing }}; over: {{ over }}".into(),
        ..TemplateSource::default()
    };
    let templates = Box::new(PlainTemplates::new(MissingVariable::Error).with(text));
    let mut dispatcher = Dispatcher::open(MemoryStore::new(), routes()?, Time::ZERO)?;
    let mut delivery = Delivery::open(MemoryStore::new(), messages(), templates, Time::ZERO)?;
    let origin = Instant::now();
    let now = || Time::from_nanos(u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX));
    let (sender, words) = channel();
    let (mut notifications, mut out) = (Vec::new(), Vec::new());
    let fire = |name: &str, severity: &str, ends_at| Alert {
        labels: Labels::of(&[("alertname", name), ("severity", severity), ("cluster", "eu")]),
        annotations: Labels::default(),
        ends_at,
    };
    for (name, severity) in
        [("database down", "critical"), ("slow reads", "warning"), ("slow writes", "warning")]
    {
        let alert = dispatch::Input::Alert(fire(name, severity, None));
        dispatcher.handle(now(), alert, &mut notifications)?;
    }
    // It is repaired after a quarter of a second: what was only slow is told then, if it still is.
    let mut repair = Some(fire("database down", "critical", Some(Time::ZERO)));
    let end = Time::ZERO + Span::from_millis(900);
    while now() < end {
        if let Some(repaired) = repair.take_if(|_| now() >= Time::ZERO + Span::from_millis(250)) {
            dispatcher.handle(now(), dispatch::Input::Alert(repaired), &mut notifications)?;
        }
        dispatcher.expire(now(), &mut notifications)?;
        for output in std::mem::take(&mut notifications) {
            let dispatch::Output::Notify(told) = output else { continue };
            println!("{:>6} ms  {} is told: {:?}", now().as_micros() / 1_000, told.receiver, told.reason);
            delivery.handle(now(), delivery::Input::Trigger(trigger(&told)), &mut out)?;
            dispatcher.handle(now(), dispatch::Input::Delivered(told.id), &mut notifications)?;
        }
        delivery.expire(now(), &mut out)?;
        for output in out.drain(..) {
            match output {
                delivery::Output::Send(order) => {
                    let (by, name) = (order.provider.0, order.channel.name());
                    let shown = now().as_micros() / 1_000;
                    println!(
                        "{shown:>6} ms  provider {by}, {name}, attempt {}: {}",
                        order.attempt, order.body
                    );
                    serve(order, sender.clone());
                }
                other => println!("{:>6} ms  {other:?}", now().as_micros() / 1_000),
            }
        }
        let due = [dispatcher.deadline(), delivery.deadline(), Some(end)]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(end);
        let wait = Duration::from_nanos(due.since(now()).as_nanos().clamp(1_000_000, 10_000_000));
        match words.recv_timeout(wait) {
            Ok((message, attempt, answer)) => {
                let answer = delivery::Input::Answer { message, attempt, answer };
                if let Err(refused) = delivery.handle(now(), answer, &mut out) {
                    println!("{refused}");
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    for channel in [Channel::Email, Channel::Sms] {
        println!("{}: {:?}", channel.name(), delivery.tally(channel));
    }
    Ok(())
}
