//! What became of money: what is wrong with the books at the end, and what somebody would have to pay back by hand.

use super::Evidence;
use super::words::{decimal, grouped};
use crate::kernel::time::Span;
use crate::measure::{Measured, invariant};

pub(super) fn has_cards(evidence: &Evidence<'_>) -> bool {
    evidence.measured.money.as_ref().is_some_and(|money| money.has_cards)
}

pub(super) fn has_transfers(evidence: &Evidence<'_>) -> bool {
    evidence.measured.money.as_ref().is_some_and(|money| money.has_transfers)
}

fn at_end(evidence: &Evidence<'_>, id: &str) -> Vec<String> {
    let money = evidence.measured.money.as_ref();
    money.and_then(|money| money.broken_at_end.get(id)).cloned().unwrap_or_default()
}

/// What stores say and what was done, compared when the run is over.
pub(super) fn conserved(evidence: &Evidence<'_>) -> Vec<String> {
    at_end(evidence, invariant::CONSERVED)
}

/// What is in suspense when the run is over is on its way.
pub(super) fn suspense_owned(evidence: &Evidence<'_>) -> Vec<String> {
    at_end(evidence, invariant::SUSPENSE_OWNED)
}

/// Orders that were paid more than once because of how their client uses keys.
pub(super) fn charged_twice(measured: &Measured) -> Vec<String> {
    let Some(money) = &measured.money else { return Vec::new() };
    let mut texts = Vec::new();
    for (client, (orders, minor)) in &money.doubled_by_new_key {
        texts.push(format!(
            "{} charged twice, {} minor units too much: `{client}` takes a new idempotency key for each try \
             (`key: attempt`), so that a try whose answer was lost counts as another payment",
            orders_were(*orders),
            grouped(minor.unsigned_abs()),
        ));
    }
    for (client, (orders, minor, age)) in &money.doubled_by_expiry {
        texts.push(format!(
            "{} charged twice, {} minor units too much: `{client}` tried again with the same idempotency key after it \
             had expired (soonest {} s after the first try); keep keys longer than clients try",
            orders_were(*orders),
            grouped(minor.unsigned_abs()),
            tenths(*age),
        ));
    }
    texts
}

/// Orders that were charged, and whose clients do not know.
pub(super) fn charged_untold(measured: &Measured) -> Vec<String> {
    let Some(money) = &measured.money else { return Vec::new() };
    let untold = money.charged_untold.iter().map(|(client, (orders, minor))| {
        format!(
            "{} charged {} minor units although `{client}` was told otherwise, or had given up asking",
            orders_were(*orders),
            grouped(minor.unsigned_abs()),
        )
    });
    untold.collect()
}

/// Transfers that were debited and are neither credited nor given back when the run ends.
pub(super) fn in_suspense(measured: &Measured) -> Vec<String> {
    let systems = measured.systems.iter();
    let waiting = systems.filter_map(|(switch, counts)| {
        let minor = counts.get("suspense_minor").copied().filter(|minor| *minor > 0)?;
        Some(format!(
            "{} paise are in suspense at the end: debited, and neither credited nor given back yet; `{switch}` still \
             works on them",
            grouped(minor)
        ))
    });
    waiting.collect()
}

/// Operations that nobody can say the outcome of after all status checks.
pub(super) fn outcome_unknown(measured: &Measured) -> Vec<String> {
    let systems = measured.systems.iter();
    let unknown = systems.filter_map(|(processor, counts)| {
        let unresolved = counts.get("unresolved").copied().filter(|count| *count > 0)?;
        Some(format!(
            "`{processor}` used up its status checks {} times without an answer: webhooks or the settlement file have \
             to tell",
            grouped(unresolved)
        ))
    });
    unknown.collect()
}

/// Outcomes that only a settlement file could tell.
pub(super) fn settled_by_file(measured: &Measured) -> Vec<String> {
    let systems = measured.systems.iter();
    let found = systems.filter_map(|(processor, counts)| {
        let resolved = counts.get("settlement_resolved").copied().filter(|count| *count > 0)?;
        Some(format!(
            "`{processor}` learned from the settlement file what became of {} operations of which nobody had told",
            grouped(resolved)
        ))
    });
    found.collect()
}

/// What payers' banks took back.
pub(super) fn charged_back(measured: &Measured) -> Vec<String> {
    let systems = measured.systems.iter();
    let back = systems.filter_map(|(provider, counts)| {
        let opened = counts.get("disputes_opened").copied().filter(|count| *count > 0)?;
        let count = |name: &str| grouped(counts.get(name).copied().unwrap_or(0));
        Some(format!(
            "payers disputed {} payments at `{provider}`: {} were charged back, {} minor units, and the merchant won {}",
            grouped(opened),
            count("disputes_lost"),
            count("charged_back_minor"),
            count("disputes_won"),
        ))
    });
    back.collect()
}

/// From this many status checks for each payment on, it is a storm.
const STORM_PER_PAYMENT: u64 = 3;

/// Status checks that outnumber what the rule allows: a retry that never stops.
pub(super) fn status_storm(measured: &Measured) -> Vec<String> {
    let systems = measured.systems.iter();
    let storms = systems.filter_map(|(switch, counts)| {
        let checks = counts.get("messages.status_check").copied()?;
        let payments = counts.get("messages.pay").copied().filter(|payments| *payments > 0)?;
        let all: u64 = counts
            .iter()
            .filter(|(name, _)| name.starts_with("messages."))
            .map(|(_, count)| *count)
            .fold(0, u64::saturating_add);
        (checks / payments >= STORM_PER_PAYMENT).then(|| {
            let share_ppm = (u128::from(checks) * 1_000_000 / u128::from(all.max(1))) as u64;
            format!(
                "{} of the {} messages that reached `{switch}` were status checks ({} %), {} for each payment: polls \
                 without a wait are retries that never stop",
                grouped(checks),
                grouped(all),
                decimal(share_ppm / 1_000, 1),
                decimal(checks.saturating_mul(10) / payments, 1),
            )
        })
    });
    storms.collect()
}

fn orders_were(orders: u64) -> String {
    match orders {
        1 => "1 order was".to_string(),
        _ => format!("{} orders were", grouped(orders)),
    }
}

fn tenths(span: Span) -> String {
    decimal(span.as_nanos() / 100_000_000, 1)
}
