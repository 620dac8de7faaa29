//! The harness' own books on notifications: what providers and receivers really got, beside what notifiers and routers
//! say of it. The simulated world never sees them. Each fact costs a look-up or two; all of it is looked at again after
//! crashes and at the end.

mod alerts;
mod messages;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use foreshock_systems::notification::delivery::{Account, Channel, Tally};

use self::alerts::AlertBook;
use self::messages::MessageBook;
use super::money::Broken;
use crate::kernel::time::{Span, Time};
use crate::scenario::plan::ServiceId;

/// Ids of the invariants on notifications.
pub(crate) mod notified {
    /// What was accepted is delivered at least once, or is said to have failed, expired, not been sent on purpose, or is
    /// still waiting.
    pub(crate) const DELIVERED: &str = "notifications_delivered_once_or_more";
    /// Nobody gets what they do not want, but for what is critical.
    pub(crate) const OPTED_OUT: &str = "opted_out_never";
    /// An event stands in one digest of a channel, once, and none is left out.
    pub(crate) const DIGEST: &str = "digest_once";
    /// By channel: accepted = delivered + failed + expired + suppressed + pending, and what is pending is kept.
    pub(crate) const CONSERVED: &str = "notifications_conserved";
    /// A receiver is told of an alert in time, unless it is muted or said not to be told.
    pub(crate) const ALERTS: &str = "alerts_notified";
}

/// Somebody is to be told something: what people know of it, whatever the notifier makes of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) trigger: u64,
    /// The recipient does not want such messages.
    pub(crate) is_opted_out: bool,
    /// It comes against opt-outs.
    pub(crate) is_critical: bool,
    /// It comes in a digest.
    pub(crate) is_digested: bool,
    /// 0 is the most urgent.
    pub(crate) priority: u8,
}

/// What has happened.
#[derive(Clone, Debug)]
pub(crate) enum NoticeFact {
    /// A notifier has come up.
    NotifierStarts,
    /// A router has come up: what it had heard before is gone.
    RouterStarts,
    /// These routers stand in for it, and it for them.
    RouterPeers(Vec<ServiceId>),
    /// A notifier is asked.
    Asked(Asked),
    /// A notifier has promised to tell of a trigger, in this message.
    Accepted { message: u64, trigger: u64, channel: Channel },
    /// A notifier gives a message to a provider, under an idempotency key.
    HandedOut { message: u64, key: u64, channel: Channel, triggers: Vec<u64> },
    /// A notifier is done with some or all events of a message.
    Ended { message: u64, account: Account, events: usize },
    /// A notifier has this in its store after a crash.
    Found(Kept),
    /// A provider has delivered what it was given under this key.
    Delivered { key: u64 },
    /// A router has heard of an alert that is to be told `within` this time.
    AlertHeard { alert: u64, ends_at: Time, within: Span },
    /// A router calls a receiver.
    NotificationSent { is_first: bool },
    /// A receiver knows that these alerts fire, and that those are over.
    AlertsTold { firing: Vec<u64>, resolved: Vec<u64> },
    /// A router says that a receiver could not be told of these.
    AlertsFailed(Vec<u64>),
}

/// What a notifier keeps: how many events each message that is not done with has, and its tallies.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    pub(crate) pending: BTreeMap<u64, (Channel, usize)>,
    pub(crate) tallies: Vec<(Channel, Tally)>,
}

/// What a node that notifies still has to do.
#[derive(Clone, Debug)]
pub(crate) enum NoticeProbe {
    /// A notifier.
    Notifier(Kept),
    /// A router: alerts that nobody has to be told of now, because they are muted, were until just now, or are on the
    /// way.
    Router { excused: BTreeSet<u64> },
}

/// What the harness knows of notifications when the run is over.
#[derive(Clone, Debug, Default)]
pub struct NotificationsMeasured {
    /// Whether there are notifiers.
    pub has_notifiers: bool,
    /// Whether there are routers of alerts.
    pub has_routers: bool,
    /// What is shown of each service.
    pub systems: BTreeMap<String, BTreeMap<String, u64>>,
    /// What is wrong at the end, by invariant.
    pub broken_at_end: BTreeMap<&'static str, Vec<String>>,
}

/// Sentences enough to see what is wrong.
const MOST_WITNESSES: usize = 20;

/// The books on everything that people are told in a run.
#[derive(Default)]
pub(crate) struct Notifications {
    notifiers: BTreeMap<ServiceId, MessageBook>,
    routers: BTreeMap<ServiceId, AlertBook>,
}

impl Notifications {
    /// Writes a fact down; what it breaks.
    pub(crate) fn note(&mut self, service: ServiceId, fact: NoticeFact, now: Time) -> Vec<Broken> {
        match fact {
            NoticeFact::NotifierStarts => {
                self.notifiers.entry(service).or_default();
            }
            NoticeFact::RouterStarts => self.routers.entry(service).or_default().restarted(),
            NoticeFact::RouterPeers(peers) => self.routers.entry(service).or_default().peers = peers,
            NoticeFact::Delivered { key } => {
                if let Some(router) = self.routers.get_mut(&service) {
                    router.delivered(key);
                }
                let notifier = self.notifiers.get_mut(&service);
                return notifier.map_or_else(Vec::new, |notifier| notifier.delivered(key));
            }
            NoticeFact::Asked(asked) => self.notifiers.entry(service).or_default().asked(asked),
            NoticeFact::Accepted { message, trigger, channel } => {
                let notifier = self.notifiers.entry(service).or_default();
                return notifier.accepted(message, trigger, channel, now).into_iter().collect();
            }
            NoticeFact::HandedOut { message, key, channel, triggers } => {
                let notifier = self.notifiers.entry(service).or_default();
                return notifier.handed_out(message, key, channel, triggers, now);
            }
            NoticeFact::Ended { message, account, events } => {
                return self.notifiers.entry(service).or_default().ended(message, account, events);
            }
            NoticeFact::Found(kept) => return self.notifiers.entry(service).or_default().found(&kept),
            NoticeFact::AlertHeard { alert, ends_at, within } => {
                self.routers.entry(service).or_default().heard(alert, ends_at, within, now);
            }
            NoticeFact::NotificationSent { is_first } => {
                self.routers.entry(service).or_default().sent(is_first);
            }
            NoticeFact::AlertsTold { firing, resolved } => {
                let news = self.routers.entry(service).or_default().told(&firing, &resolved, now);
                let by_both = news.iter().filter(|alert| self.is_known_to_peers(service, **alert)).count();
                self.routers.entry(service).or_default().told_by_both += by_both as u64;
            }
            NoticeFact::AlertsFailed(alerts) => {
                self.routers.entry(service).or_default().failed(&alerts, now);
            }
        }
        Vec::new()
    }

    /// Whether a receiver knows that an alert fires, from a router that stands in for this one.
    fn is_known_to_peers(&self, service: ServiceId, alert: u64) -> bool {
        let peers = self.routers.get(&service).map_or(&[][..], |router| &router.peers);
        peers.iter().any(|peer| self.routers.get(peer).is_some_and(|router| router.is_known(alert)))
    }

    /// What was counted, by service, and what is wrong at the end. A process that is down has its store to be asked
    /// when it is back.
    pub(crate) fn finish(
        mut self,
        name: impl Fn(ServiceId) -> String,
        probes: &[(ServiceId, bool, NoticeProbe)],
        now: Time,
    ) -> Option<NotificationsMeasured> {
        if self.notifiers.is_empty() && self.routers.is_empty() {
            return None;
        }
        let mut measured = NotificationsMeasured {
            has_notifiers: !self.notifiers.is_empty(),
            has_routers: !self.routers.is_empty(),
            ..NotificationsMeasured::default()
        };
        let mut broken = Vec::new();
        for (service, is_up, probe) in probes {
            match probe {
                NoticeProbe::Notifier(kept) if *is_up => {
                    let Some(notifier) = self.notifiers.get_mut(service) else { continue };
                    broken.extend(notifier.found(kept));
                    broken.extend(notifier.untold());
                }
                NoticeProbe::Router { excused } if *is_up => {
                    let Some(router) = self.routers.get(service) else { continue };
                    let is_excused =
                        |alert| excused.contains(&alert) || self.is_known_to_peers(*service, alert);
                    broken.extend(router.untold(is_excused, now));
                }
                NoticeProbe::Notifier(_) | NoticeProbe::Router { .. } => {}
            }
        }
        for (invariant, witness) in broken {
            measured.broken_at_end.entry(invariant).or_default().push(witness);
        }
        for (service, notifier) in &mut self.notifiers {
            measured.systems.entry(name(*service)).or_default().extend(notifier.shown());
        }
        for (service, router) in &self.routers {
            measured.systems.entry(name(*service)).or_default().extend(router.shown());
        }
        Some(measured)
    }
}
