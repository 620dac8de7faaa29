//! Kind `notification-provider`: carries messages to people. What it was given it delivers at once, once for each
//! idempotency key if it knows such keys; its acknowledgement may leave late. What it has delivered is never forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use foreshock_systems::notification::delivery::Channel;
use serde_json::{Map, Value};

use super::wire;
use crate::cluster::{Cx, Durable, Probes, Ref, Request};
use crate::kernel::draw::{Key, chance_ppm};
use crate::kernel::time::{Span, Time};
use crate::measure::NoticeFact;
use crate::nodes::service::{Answered, Behaviour, Verdict, Woken};
use crate::nodes::setting_table::{self as table, Setting, Wrong, choice, lifetime, share, switch};
use crate::scenario::plan::{Party, Plan, ServiceId, ServicePlan};

/// Settings of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProviderSettings {
    /// What it carries.
    pub(super) channel: Channel,
    /// Whether it delivers one key once.
    pub(super) knows_keys: bool,
    /// Share of messages that it does not take: an error, and nothing is delivered.
    fails_ppm: u32,
    /// Share of recipients whose address is wrong.
    refuses_ppm: u32,
    /// Share of acknowledgements that leave late, and how late.
    late_ppm: u32,
    late_by: Span,
}

/// Channels by the names they have in a file.
pub(super) const CHANNELS: [(&str, Channel); 6] = [
    ("email", Channel::Email),
    ("sms", Channel::Sms),
    ("push", Channel::Push),
    ("chat", Channel::Chat),
    ("webhook", Channel::Webhook),
    ("in_app", Channel::InApp),
];

const SETTINGS: [Setting<ProviderSettings>; 6] = [
    ("channel", |settings, value| {
        settings.channel = choice(value, &CHANNELS)?;
        Ok(())
    }),
    ("idempotency_keys", |settings, value| {
        settings.knows_keys = switch(value)?;
        Ok(())
    }),
    ("fails", |settings, value| {
        settings.fails_ppm = share(value)?;
        Ok(())
    }),
    ("refuses", |settings, value| {
        settings.refuses_ppm = share(value)?;
        Ok(())
    }),
    ("late_acks", |settings, value| {
        settings.late_ppm = share(value)?;
        Ok(())
    }),
    ("late_by", |settings, value| {
        settings.late_by = lifetime(value)?;
        Ok(())
    }),
];

/// The settings of a provider, or everything that is wrong with them.
pub(super) fn read(written: &Map<String, Value>) -> Result<ProviderSettings, Vec<Wrong>> {
    let usual = ProviderSettings {
        channel: Channel::Email,
        knows_keys: true,
        fails_ppm: 0,
        refuses_ppm: 0,
        late_ppm: 0,
        late_by: Span::from_secs(30),
    };
    table::read("a notification provider", &SETTINGS, usual, written)
}

#[derive(Clone, Copy)]
struct Draws {
    fails: Key,
    refuses: Key,
    late: Key,
}

#[derive(Default)]
struct Counts {
    delivered: u64,
    repeated: u64,
    failed: u64,
    refused: u64,
    late: u64,
    not_understood: u64,
}

pub(super) struct Provider {
    settings: ProviderSettings,
    /// What was delivered under which key, for whom.
    known: BTreeSet<(ServiceId, u64)>,
    /// Acknowledgements that leave late.
    late: BTreeMap<(Time, u64), Ref>,
    timers: u64,
    draws: Option<Draws>,
    counts: Counts,
}

impl Provider {
    pub(super) fn new(service: ServiceId, plan: &Arc<Plan>) -> Provider {
        Provider {
            settings: settings_of(&plan.services[service.index()]),
            known: BTreeSet::new(),
            late: BTreeMap::new(),
            timers: 0,
            draws: None,
            counts: Counts::default(),
        }
    }

    fn deliver(&mut self, from: ServiceId, key: u64, cx: &mut Cx<'_>) {
        let is_new = self.known.insert((from, key));
        if self.settings.knows_keys && !is_new {
            self.counts.repeated += 1;
            return;
        }
        self.counts.delivered += 1;
        cx.notice(from, NoticeFact::Delivered { key });
    }
}

fn settings_of(plan: &ServicePlan) -> ProviderSettings {
    read(&plan.settings).expect("the plan's settings were checked")
}

const TAKEN: Verdict = Verdict::Answer(Answered { missed: false, value: 0 });

impl Behaviour for Provider {
    fn answer(&mut self, request: &Request, job: Ref, cx: &mut Cx<'_>) -> Verdict {
        let from = cx.plan().edges[request.edge.index()].caller;
        let (Some(key), Party::Service(from), Some(draws)) =
            (wire::key_of(request.arguments), from, self.draws)
        else {
            self.counts.not_understood += 1;
            return Verdict::Fail;
        };
        let chance = |key: Key, identity: u64, ppm: u32, cx: &Cx<'_>| {
            ppm > 0 && chance_ppm(key.draw(cx.redrawn(identity)), ppm)
        };
        let identity = request.lineage.raw();
        if chance(draws.refuses, request.key, self.settings.refuses_ppm, cx) {
            self.counts.refused += 1;
            return Verdict::Answer(Answered { missed: true, value: 0 });
        }
        if chance(draws.fails, identity, self.settings.fails_ppm, cx) {
            self.counts.failed += 1;
            return Verdict::Fail;
        }
        self.deliver(from, key, cx);
        if chance(draws.late, identity, self.settings.late_ppm, cx) {
            self.counts.late += 1;
            self.timers += 1;
            self.late.insert((cx.local_time() + self.settings.late_by, self.timers), job);
            return Verdict::Wait;
        }
        TAKEN
    }

    fn answer_again(&mut self, _request: &Request, _job: Ref, _cx: &mut Cx<'_>) -> Verdict {
        TAKEN
    }

    fn start(&mut self, cx: &mut Cx<'_>) {
        self.draws =
            Some(Draws { fails: cx.key("fails"), refuses: cx.key("refuses"), late: cx.key("late_acks") });
    }

    fn reconfigure(&mut self, plan: &ServicePlan) {
        self.settings = settings_of(plan);
    }

    fn deadline(&self) -> Option<Time> {
        self.late.first_key_value().map(|((at, _), _)| *at)
    }

    fn expire(&mut self, local: Time, _cx: &mut Cx<'_>) -> Option<Woken> {
        let mut jobs = Vec::new();
        while let Some(entry) = self.late.first_entry().filter(|entry| entry.key().0 <= local) {
            jobs.push(entry.remove());
        }
        (!jobs.is_empty()).then_some(Woken { jobs, verdict: Some(TAKEN) })
    }

    fn crash(&mut self, _keep: Durable) {
        self.late.clear();
    }

    fn probe(&self, out: &mut Probes) {
        let counts = &self.counts;
        out.counts.extend([
            ("delivered", counts.delivered),
            ("repeated", counts.repeated),
            ("failed", counts.failed),
            ("refused", counts.refused),
            ("late_acks", counts.late),
            ("not_understood", counts.not_understood),
        ]);
    }
}
