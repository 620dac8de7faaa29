//! What holds in every run of every scenario. One entry in a table each; always on, never configurable.

use super::{Evidence, channels, flags, money, monitoring, notifications};
use crate::kernel::time::Time;
use crate::measure::{
    JOBS_COMPLETED_ONCE, JOBS_CONSISTENT, JOBS_FENCED, JOBS_IN_ORDER, JOBS_NOT_LOST, JOBS_TICKED_ONCE,
    auth_invariant, booked, brokered, cache_invariant, config_invariant, invariant, log_invariant, notified,
    queued,
};
use crate::nodes::booking::invariant as selling;
use crate::nodes::lifts::invariant as lifts;
use crate::nodes::parking::invariant as parking;
use crate::scenario::plan::ServicePlan;

/// What became of one invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvariantVerdict {
    /// Its id.
    pub id: String,
    /// Whether it held.
    pub held: bool,
    /// How often it was seen broken.
    pub violations: u64,
    /// When it was first seen broken; what only a finished run shows is seen at its end.
    pub first: Option<Time>,
    /// What was seen first.
    pub witness: Option<String>,
}

/// An invariant that the finished run shows.
struct Invariant {
    id: &'static str,
    /// One sentence for each violation.
    check: fn(&Evidence<'_>) -> Vec<String>,
}

/// Every invariant that is always on.
const INVARIANTS: &[Invariant] = &[
    Invariant { id: "conservation_clients", check: conservation_clients },
    Invariant { id: "conservation_services", check: conservation_services },
    Invariant { id: "conservation_links", check: conservation_links },
    Invariant { id: "little_law", check: little_law },
    Invariant { id: "every_end_is_timed", check: every_end_is_timed },
];

/// The ids of the invariants that are always on. Kinds of one's own may add further ones while a run goes on.
pub fn invariant_ids() -> impl Iterator<Item = &'static str> {
    let of_parts = INVARIANTS_OF_PARTS.iter().map(|(invariant, _)| invariant);
    INVARIANTS.iter().chain(of_parts).map(|invariant| invariant.id).chain(INVARIANTS_OF_CACHES)
}

/// Invariants that are watched beside every cache with every answer. Reports name them where they are broken: a service
/// with a cache is so common that they would else be in most.
const INVARIANTS_OF_CACHES: [&str; 2] =
    [cache_invariant::WITHIN_LIFETIME, cache_invariant::AFTER_INVALIDATION];

/// Whether a run has what an invariant is about.
type Concerns = fn(&Evidence<'_>) -> bool;

/// Invariants that are always on where the scenario has what they are about.
const INVARIANTS_OF_PARTS: &[(Invariant, Concerns)] = &[
    (Invariant { id: "conservation_telemetry", check: monitoring::conservation }, |evidence| {
        !evidence.measured.monitoring.is_empty()
    }),
    watched_jobs(JOBS_NOT_LOST),
    watched_jobs(JOBS_COMPLETED_ONCE),
    watched_jobs(JOBS_FENCED),
    watched_jobs(JOBS_TICKED_ONCE),
    watched_jobs(JOBS_CONSISTENT),
    (Invariant { id: JOBS_IN_ORDER, check: no_more }, has_workflows),
    watched_config(config_invariant::ORDERED),
    watched_config(config_invariant::UNIQUE),
    watched_config(config_invariant::ATOMIC),
    watched_config(config_invariant::RELIABLE),
    watched_config(config_invariant::RESUMABLE),
    watched_config(config_invariant::BOOKMARKABLE),
    watched_config(config_invariant::EFFECTIVE),
    (Invariant { id: invariant::CAPTURED_ONCE, check: no_more }, money::has_cards),
    (Invariant { id: invariant::CHARGED_ONCE, check: no_more }, money::has_cards),
    (Invariant { id: invariant::WITHIN_AUTHORIZED, check: no_more }, money::has_cards),
    (Invariant { id: invariant::WITHIN_CAPTURED, check: no_more }, money::has_cards),
    (Invariant { id: invariant::BALANCED, check: no_more }, money::has_cards),
    (Invariant { id: invariant::CONFIRMED, check: no_more }, money::has_cards),
    (Invariant { id: invariant::CONSERVED, check: money::conserved }, money::has_cards),
    (Invariant { id: invariant::ONE_OUTCOME, check: no_more }, money::has_transfers),
    (Invariant { id: invariant::BANKS_BALANCED, check: no_more }, money::has_transfers),
    (Invariant { id: invariant::SUSPENSE_OWNED, check: money::suspense_owned }, money::has_transfers),
    (Invariant { id: booked::ONCE, check: no_more }, has_desks),
    (Invariant { id: booked::KEPT, check: no_more }, has_desks),
    (Invariant { id: booked::CONSISTENT, check: no_more }, has_desks),
    watched_logs(log_invariant::ACCOUNTED),
    watched_logs(log_invariant::BOUNDED),
    watched_logs(log_invariant::REPORTED),
    watched_logs(log_invariant::AUDIT),
    watched_logs(log_invariant::DURABLE),
    watched_shipping(log_invariant::SHIPPED),
    watched_shipping(log_invariant::CHECKPOINT),
    watched_shipping(log_invariant::STORED_ONCE),
    watched_shipping(log_invariant::STORE_KEPT),
    (Invariant { id: auth_invariant::TIMES, check: no_more }, |evidence| {
        counts_any(evidence, "tokens_accepted")
    }),
    (Invariant { id: auth_invariant::FAMILIES, check: no_more }, |evidence| {
        counts_any(evidence, "refresh_tokens_reused")
    }),
    (Invariant { id: auth_invariant::KEPT, check: no_more }, |evidence| {
        evidence.plan.services.iter().any(is_stored_issuer)
    }),
    (Invariant { id: auth_invariant::REVOKED, check: no_more }, |evidence| {
        counts_any(evidence, "revocation_lists")
    }),
    (Invariant { id: auth_invariant::DENIED, check: no_more }, |evidence| counts_any(evidence, "denied")),
    (Invariant { id: auth_invariant::THROTTLED, check: no_more }, |evidence| {
        counts_any(evidence, "logins_refused_account")
    }),
    (Invariant { id: "flags_sticky", check: flags::noticed }, has_flags),
    (Invariant { id: "flags_monotone", check: flags::noticed }, has_flags),
    (Invariant { id: notified::DELIVERED, check: notifications::delivered }, notifications::has_notifiers),
    (Invariant { id: notified::OPTED_OUT, check: no_more }, notifications::has_notifiers),
    (Invariant { id: notified::DIGEST, check: no_more }, notifications::has_notifiers),
    (Invariant { id: notified::CONSERVED, check: notifications::conserved }, notifications::has_notifiers),
    (Invariant { id: notified::ALERTS, check: notifications::alerts_told }, notifications::has_routers),
    watched_queues(queued::HELD_ONCE),
    watched_queues(queued::HANDLES),
    watched_queues(queued::RECEIVES),
    watched_queues(queued::ORDER),
    watched_queues(queued::CONSERVED),
    watched_brokers(brokered::KEPT),
    watched_brokers(brokered::WATERMARK),
    watched_brokers(brokered::PREFIX),
    watched_brokers(brokered::READ),
    watched_brokers(brokered::ONCE),
    watched_brokers(brokered::CONSERVED),
    watched_brokers(brokered::OWNED),
    watched_brokers(brokered::COMMITTED),
    (Invariant { id: parking::BOOKS, check: no_more }, has_lots),
    (Invariant { id: parking::SPOT_ONCE, check: no_more }, has_lots),
    (Invariant { id: parking::PROMISES, check: no_more }, |evidence| counts_any(evidence, "promised")),
    (Invariant { id: parking::SENSORS, check: no_more }, |evidence| counts_any(evidence, "sensor_findings")),
    (Invariant { id: selling::CHANNELS, check: channels::agree }, channels::has_agencies),
    (Invariant { id: lifts::PEOPLE, check: no_more }, has_lifts),
    (Invariant { id: lifts::ONCE, check: no_more }, has_lifts),
    (Invariant { id: lifts::BOUNDED, check: no_more }, has_lifts),
];

fn has_workflows(evidence: &Evidence<'_>) -> bool {
    evidence.measured.jobs.iter().any(|jobs| jobs.workflows.is_some())
}

/// An invariant on jobs: the books that are kept beside every scheduler see it broken as it happens, so the finished run
/// has nothing to add.
const fn watched_jobs(id: &'static str) -> (Invariant, Concerns) {
    (Invariant { id, check: no_more }, |evidence| !evidence.measured.jobs.is_empty())
}

/// An invariant on logs, seen broken as it happens.
const fn watched_logs(id: &'static str) -> (Invariant, Concerns) {
    (Invariant { id, check: no_more }, |evidence| counts_any(evidence, "lines_emitted"))
}

/// An invariant on logs that are shipped, looked at with everything that writer, shipper and store do.
const fn watched_shipping(id: &'static str) -> (Invariant, Concerns) {
    (Invariant { id, check: no_more }, |evidence| counts_any(evidence, "lines_shipped"))
}

/// Whether any service has a number of that name.
fn counts_any(evidence: &Evidence<'_>, name: &str) -> bool {
    evidence.measured.systems.values().any(|counts| counts.contains_key(name))
}

/// An invariant on configuration, seen broken as it happens.
const fn watched_config(id: &'static str) -> (Invariant, Concerns) {
    (Invariant { id, check: no_more }, |evidence| !evidence.measured.configs.is_empty())
}

/// An invariant on message brokers, looked at on the grid and wherever somebody reads or commits.
const fn watched_brokers(id: &'static str) -> (Invariant, Concerns) {
    (Invariant { id, check: no_more }, |evidence| {
        evidence.plan.services.iter().any(|service| service.kind.ends_with("broker-controller"))
    })
}

/// An invariant on message queues, looked at with everything that a queue says.
const fn watched_queues(id: &'static str) -> (Invariant, Concerns) {
    (Invariant { id, check: no_more }, |evidence| {
        let is_queue = |kind: &str| kind == "message-queue" || kind.starts_with("test-queue-");
        evidence.plan.services.iter().any(|service| is_queue(&service.kind))
    })
}

/// Of an invariant that is looked at with every step, the end of a run shows nothing more.
fn no_more(_evidence: &Evidence<'_>) -> Vec<String> {
    Vec::new()
}

/// Whether a service is an issuer of tokens that says where it keeps them.
fn is_stored_issuer(service: &ServicePlan) -> bool {
    let is_issuer = service.kind == "auth-server" || service.kind.starts_with("test-auth-");
    is_issuer && ["store", "fsync"].iter().any(|key| service.settings.contains_key(*key))
}

fn has_desks(evidence: &Evidence<'_>) -> bool {
    evidence.measured.bookings.is_some()
}

fn has_lots(evidence: &Evidence<'_>) -> bool {
    evidence.plan.services.iter().any(|service| service.kind.contains("parking-lot"))
}

fn has_lifts(evidence: &Evidence<'_>) -> bool {
    evidence.plan.services.iter().any(|service| service.kind.contains("elevator-bank"))
}

fn has_flags(evidence: &Evidence<'_>) -> bool {
    !evidence.measured.flags.is_empty()
}

pub(super) fn judge(evidence: &Evidence<'_>) -> Vec<InvariantVerdict> {
    let of_parts = INVARIANTS_OF_PARTS.iter().filter(|(_, concerns)| concerns(evidence));
    let mut verdicts: Vec<InvariantVerdict> = INVARIANTS
        .iter()
        .chain(of_parts.map(|(invariant, _)| invariant))
        .map(|invariant| {
            let witnesses = (invariant.check)(evidence);
            InvariantVerdict {
                id: invariant.id.to_string(),
                held: witnesses.is_empty(),
                violations: witnesses.len() as u64,
                first: (!witnesses.is_empty()).then_some(evidence.ended),
                witness: witnesses.into_iter().next(),
            }
        })
        .collect();
    for violation in &evidence.measured.violations {
        let position = verdicts.iter().position(|verdict| verdict.id == violation.invariant);
        let verdict = match position {
            Some(position) => &mut verdicts[position],
            None => {
                verdicts.push(InvariantVerdict {
                    id: violation.invariant.clone(),
                    held: true,
                    violations: 0,
                    first: None,
                    witness: None,
                });
                let last = verdicts.len() - 1;
                &mut verdicts[last]
            }
        };
        verdict.held = false;
        verdict.violations += violation.times;
        if verdict.first.is_none_or(|first| violation.at < first) {
            verdict.first = Some(violation.at);
            verdict.witness = Some(violation.witness.clone());
        }
    }
    verdicts
}

/// Offered = good + failed + in flight, from the first instant on and after the warm-up.
fn conservation_clients(evidence: &Evidence<'_>) -> Vec<String> {
    let mut witnesses = Vec::new();
    for load in &evidence.measured.loads {
        let all = load.all;
        let cases = [
            ("in all", all.offered, all.good, all.failed, all.in_flight),
            ("after the warm-up", load.offered, load.good, load.failed_total(), load.in_flight),
        ];
        for (when, offered, good, failed, in_flight) in cases {
            if u128::from(offered) != u128::from(good) + u128::from(failed) + u128::from(in_flight) {
                witnesses.push(format!(
                    "load `{}` {when}: offered {offered} is not good {good} + failed {failed} + in flight {in_flight}",
                    load.name
                ));
            }
        }
    }
    witnesses
}

/// Arrivals = completed + turned away + in the system.
fn conservation_services(evidence: &Evidence<'_>) -> Vec<String> {
    let services = evidence.measured.services.iter();
    services
        .filter_map(|service| {
            let all = service.all;
            let known = u128::from(all.completed) + u128::from(all.turned_away) + u128::from(all.in_system);
            (u128::from(all.arrivals) != known).then(|| {
                format!(
                    "service `{}`: arrivals {} is not completed {} + turned away {} + in the system {}",
                    service.name, all.arrivals, all.completed, all.turned_away, all.in_system
                )
            })
        })
        .collect()
}

/// Sent and duplicated = delivered and everything that can become of a message instead.
fn conservation_links(evidence: &Evidence<'_>) -> Vec<String> {
    let links = evidence.measured.links.iter();
    links
        .filter_map(|link| {
            let handed = u128::from(link.sent) + u128::from(link.duplicated);
            let fates = [
                ("delivered", link.delivered),
                ("lost", link.lost),
                ("overflowed", link.overflowed),
                ("corrupted", link.corrupted),
                ("cut", link.cut),
                ("undeliverable", link.undeliverable),
                ("in flight", link.in_flight),
            ];
            let known: u128 = fates.iter().map(|(_, count)| u128::from(*count)).sum();
            (handed != known).then(|| {
                let fates: Vec<String> =
                    fates.iter().map(|(name, count)| format!("{name} {count}")).collect();
                format!(
                    "link `{}`: sent {} + duplicated {} is not {}",
                    link.name,
                    link.sent,
                    link.duplicated,
                    fates.join(" + ")
                )
            })
        })
        .collect()
}

/// The number in the system, integrated over time, is the sum of the times spent in it: Little's law in its
/// exact form. With requests still inside the sum lacks theirs and can only be smaller.
fn little_law(evidence: &Evidence<'_>) -> Vec<String> {
    let services = evidence.measured.services.iter();
    services
        .filter_map(|service| {
            let (integral, sojourns) = (service.in_system_integral_ns, service.sojourn_sum_ns);
            let empty = service.all.in_system == 0;
            let held = if empty { integral == sojourns } else { integral >= sojourns };
            (!held).then(|| {
                let relation = if empty { "is not" } else { "is less than" };
                format!(
                    "service `{}`: {integral} request-nanoseconds in the system {relation} the {sojourns} that \
                     requests spent there",
                    service.name
                )
            })
        })
        .collect()
}

/// Every request that ended after the warm-up has a latency, and nothing else has.
fn every_end_is_timed(evidence: &Evidence<'_>) -> Vec<String> {
    let mut witnesses = Vec::new();
    for load in &evidence.measured.loads {
        let cases = [
            ("good", load.good, load.latency.count),
            ("failed", load.failed_total(), load.failed_latency.count),
        ];
        for (what, ended, timed) in cases {
            if ended != timed {
                witnesses.push(format!("load `{}`: {ended} requests {what}, {timed} latencies", load.name));
            }
        }
    }
    witnesses
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::kernel::StopReason;
    use crate::measure::{Measured, Violation};

    fn broken_by(damage: impl FnOnce(&mut Measured)) -> Vec<(String, String)> {
        let plan = sample::plan();
        let mut measured = sample::measured();
        damage(&mut measured);
        let ended = Time::from_nanos(110_000_000_000);
        let evidence = Evidence { plan: &plan, measured: &measured, ended, stop: StopReason::Finished };
        let broken = judge(&evidence).into_iter().filter(|verdict| !verdict.held);
        broken.map(|verdict| (verdict.id, verdict.witness.unwrap_or_default())).collect()
    }

    #[test]
    fn a_consistent_run_breaks_no_invariant() {
        assert_eq!(broken_by(|_| {}), Vec::new());
    }

    #[test]
    fn every_kind_of_miscount_is_caught_by_the_invariant_that_is_made_for_it() {
        type Damage = fn(&mut Measured);
        let cases: [(&str, &str, Damage); 10] = [
            ("conservation_clients", "load `buyers` in all", |m| m.loads[0].all.good -= 1),
            ("conservation_clients", "load `buyers` in all", |m| m.loads[0].all.in_flight += 1),
            ("conservation_clients", "after the warm-up", |m| m.loads[0].offered += 1),
            ("conservation_services", "service `db`", |m| m.services[1].all.turned_away += 1),
            ("conservation_services", "service `shop`", |m| m.services[0].all.in_system = 1),
            ("conservation_links", "link `shop -> db`", |m| m.links[0].lost += 1),
            ("conservation_links", "duplicated 3", |m| m.links[0].duplicated += 1),
            ("little_law", "request-nanoseconds", |m| m.services[0].in_system_integral_ns += 1),
            ("every_end_is_timed", "requests good", |m| m.loads[0].latency.count -= 1),
            ("every_end_is_timed", "requests failed", |m| m.loads[0].failed_latency.count += 1),
        ];
        for (id, witness, damage) in cases {
            let broken = broken_by(damage);
            assert!(
                broken.iter().any(|(broken_id, text)| broken_id == id && text.contains(witness)),
                "{id} should have said `{witness}`: {broken:?}"
            );
        }
    }

    #[test]
    fn with_requests_still_inside_littles_law_is_an_inequality() {
        let inside = |extra: u128| {
            broken_by(|measured| {
                let shop = &mut measured.services[0];
                shop.all.in_system = 2;
                shop.all.completed -= 2;
                shop.in_system_integral_ns = shop.sojourn_sum_ns + extra - 1;
            })
        };
        assert_eq!(inside(5), Vec::new());
        assert_eq!(inside(0)[0].0, "little_law");
    }

    #[test]
    fn what_a_node_saw_is_counted_and_the_first_sight_is_the_witness() {
        let plan = sample::plan();
        let mut measured = sample::measured();
        let seen = |at, invariant: &str, witness: &str| {
            Violation::new(invariant, Time::from_nanos(at), witness.to_string())
        };
        let booking = Violation { times: 2, ..seen(5, "no_double_booking", "seat 7") };
        measured.violations = vec![booking, seen(3, "conservation_clients", "a request ended twice")];
        let ended = Time::from_nanos(100);
        let verdicts =
            judge(&Evidence { plan: &plan, measured: &measured, ended, stop: StopReason::Finished });
        let of = |id: &str| verdicts.iter().find(|verdict| verdict.id == id).cloned();
        let booking = of("no_double_booking").expect("a violation makes its invariant known");
        assert_eq!((booking.held, booking.violations, booking.first), (false, 2, Some(Time::from_nanos(5))));
        assert_eq!(booking.witness.as_deref(), Some("seat 7"));
        let clients = of("conservation_clients").expect("always there");
        assert_eq!((clients.held, clients.violations), (false, 1));
        assert_eq!(clients.witness.as_deref(), Some("a request ended twice"));
    }
}
