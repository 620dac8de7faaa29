//! Dispatchers that see the same alerts, receivers that answer at once, and a network that can be cut; watched by the audit.

use crate::notification::audit::{AlertAudit, check_routes};
use crate::notification::dispatch::{Alert, DispatchConfig, Dispatcher, Input, Output, Sabotage};
use crate::notification::*;
use crate::store::MemoryStore;
use crate::time::{Span, Time};
use std::collections::{BTreeMap, BTreeSet};

pub(super) const LATENCY: Span = Span::from_millis(50);

/// Seldom, so that hours are quick to walk through.
const GOSSIP: Span = Span::from_secs(10);

pub(super) fn at(text: &str) -> Time {
    Time::ZERO + text.parse::<Span>().unwrap()
}

pub(super) fn matcher(text: &str) -> Matcher {
    text.parse().unwrap()
}

/// By team, with an audit beside it; critical ones inhibit warnings and themselves, were that allowed.
pub(super) fn routes() -> RouteConfig {
    RouteConfig {
        receiver: Some("ops".into()),
        group_by: Some(GroupBy::Labels(vec!["cluster".into()])),
        group_wait: Some(Span::from_secs(30)),
        group_interval: Some(Span::from_secs(300)),
        repeat_interval: Some(Span::from_secs(1_500)),
        routes: vec![
            RouteConfig {
                receiver: Some("db".into()),
                matchers: vec![matcher("team=db")],
                continues: true,
                ..RouteConfig::default()
            },
            RouteConfig {
                receiver: Some("book".into()),
                matchers: vec![matcher("team=~\".+\"")],
                ..RouteConfig::default()
            },
        ],
        ..RouteConfig::default()
    }
}

pub(super) fn rules() -> Vec<InhibitRule> {
    vec![InhibitRule {
        source: Matchers::parse(&["severity=critical"]).unwrap(),
        target: Matchers::parse(&["severity=~\"critical|warning\""]).unwrap(),
        equal: vec!["cluster".into()],
    }]
}

pub(super) fn alert(name: &str, labels: &[(&str, &str)]) -> Alert {
    let all: Vec<(&str, &str)> = labels.iter().copied().chain([("alertname", name)]).collect();
    Alert { labels: Labels::of(&all), annotations: Labels::default(), ends_at: None }
}

pub(super) struct AlertWorld {
    pub(super) nodes: Vec<Dispatcher<MemoryStore>>,
    pub(super) audit: AlertAudit,
    pub(super) now: Time,
    /// Nodes that hear nobody and are heard by nobody.
    pub(super) cut: BTreeSet<u32>,
    mail: BTreeMap<(Time, u64), (PeerId, PeerId, Gossip)>,
    sent: u64,
    /// When which node told whom how many firing alerts.
    pub(super) told: Vec<(Time, u32, String, usize)>,
}

impl AlertWorld {
    pub(super) fn new(count: u32, sabotage: Option<Sabotage>) -> AlertWorld {
        let members: Vec<PeerId> = (0..count).map(PeerId).collect();
        let node = |me: &PeerId| {
            let mut config = DispatchConfig::new(routes());
            config.inhibit_rules = rules();
            config.resolve_timeout = Span::MAX;
            config.cluster = (count > 1).then(|| ClusterConfig {
                gossip_interval: GOSSIP,
                failure_timeout: Span::from_secs(30),
                ..ClusterConfig::new(*me, members.clone())
            });
            Dispatcher::open(MemoryStore::new(), config, Time::ZERO).unwrap().sabotaged(sabotage)
        };
        let nodes: Vec<_> = members.iter().map(node).collect();
        let slack = Span::from_secs(15).saturating_mul(u64::from(count - 1)) + Span::from_secs(1);
        let audit = AlertAudit::new(RouteTree::new(&routes()).unwrap(), rules(), slack);
        let (mail, told) = (BTreeMap::new(), Vec::new());
        AlertWorld { nodes, audit, now: Time::ZERO, cut: BTreeSet::new(), mail, sent: 0, told }
    }

    pub(super) fn run_until(&mut self, until: Time) {
        loop {
            let node = self.nodes.iter().filter_map(Dispatcher::deadline).min();
            let mail = self.mail.keys().next().map(|(due, _)| *due);
            let Some(due) = node.into_iter().chain(mail).min().filter(|due| *due <= until) else { break };
            self.now = self.now.max(due);
            while let Some(entry) = self.mail.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let (from, to, gossip) = entry.remove();
                self.input(to.0, Input::Gossip { from, gossip });
            }
            for node in 0..self.nodes.len() as u32 {
                let mut out = Vec::new();
                self.nodes[node as usize].expire(self.now, &mut out).unwrap();
                self.carry_out(node, out);
            }
        }
        self.now = until;
        self.audit.check(until);
    }

    fn input(&mut self, node: u32, input: Input) {
        let mut out = Vec::new();
        self.nodes[node as usize].handle(self.now, input, &mut out).unwrap();
        self.carry_out(node, out);
    }

    fn carry_out(&mut self, node: u32, out: Vec<Output>) {
        for output in out {
            match output {
                Output::Notify(told) => {
                    self.audit.handed_out(self.now, &told);
                    self.audit.delivered(PeerId(node), &told);
                    self.told.push((self.now, node, told.receiver.clone(), told.firing.len()));
                    self.input(node, Input::Delivered(told.id));
                }
                Output::GaveUp(_) => panic!("receivers answer"),
                Output::Gossip { to, gossip } => {
                    if !self.cut.contains(&node) && !self.cut.contains(&to.0) {
                        self.sent += 1;
                        self.mail.insert((self.now + LATENCY, self.sent), (PeerId(node), to, gossip));
                    }
                }
            }
        }
    }

    fn all(&mut self, input: &Input) {
        (0..self.nodes.len() as u32).for_each(|node| self.input(node, input.clone()));
    }

    pub(super) fn fire(&mut self, alert: &Alert) {
        let routes = self.nodes[0].routes_of(&alert.labels);
        let checked = check_routes(self.nodes[0].routes(), &alert.labels, &routes);
        self.audit.violations.extend(checked.err());
        let alert = Alert { ends_at: Some(Time::MAX), ..alert.clone() };
        self.audit.alert(self.now, &alert, Time::MAX);
        self.all(&Input::Alert(alert));
    }

    pub(super) fn resolve(&mut self, alert: &Alert) {
        let alert = Alert { ends_at: Some(self.now), ..alert.clone() };
        self.audit.alert(self.now, &alert, self.now);
        self.all(&Input::Alert(alert));
    }

    pub(super) fn silence(&mut self, id: &str, text: &str, span: Span) {
        let silence = Silence {
            id: id.into(),
            matchers: Matchers::new(vec![matcher(text)]),
            starts_at: self.now,
            ends_at: self.now + span,
            updated_at: self.now,
            author: String::new(),
            comment: String::new(),
        };
        self.audit.silence(self.now, &silence);
        self.all(&Input::SetSilence(silence));
    }

    pub(super) fn cut(&mut self, nodes: &[u32]) {
        self.cut = nodes.iter().copied().collect();
        self.audit.connected(self.now, false, Span::ZERO);
    }

    /// Every node has told every other all it knows after a turn for each, and counts as there again.
    pub(super) fn heal(&mut self) {
        self.cut.clear();
        let bound = GOSSIP.saturating_mul(self.nodes.len() as u64) + LATENCY;
        self.audit.connected(self.now, true, bound);
    }

    pub(super) fn found(&self) -> Vec<String> {
        self.audit.violations.iter().map(ToString::to_string).collect()
    }
}
