//! What a person should know about jobs: lost, starved, taken twice, set aside, and led by two.

use super::Evidence;
use super::words::{decimal, grouped};

/// From so many times longer on, one kind of job waits on behalf of the others.
const STARVED: u64 = 5;
/// And for no less than this.
const LONG_WAIT_US: u64 = 10_000_000;

fn count(evidence: &Evidence<'_>, service: &str, name: &str) -> u64 {
    let counts = evidence.measured.systems.get(service);
    counts.and_then(|counts| counts.get(name)).copied().unwrap_or(0)
}

/// One sentence for each scheduler about which there is one.
fn of_each(evidence: &Evidence<'_>, say: impl Fn(&str) -> Option<String>) -> Vec<String> {
    evidence.measured.jobs.iter().filter_map(|jobs| say(&jobs.service)).collect()
}

/// Jobs that were promised and are gone.
pub(super) fn lost(evidence: &Evidence<'_>) -> Vec<String> {
    of_each(evidence, |name| {
        let (lost, restarts) = (count(evidence, name, "lost"), count(evidence, name, "restarts"));
        (lost > 0).then(|| {
            format!(
                "`{name}` has lost jobs whose callers were told that they are in: {}, over {} restarts",
                grouped(lost),
                grouped(restarts)
            )
        })
    })
}

/// Jobs that were completed and came back.
pub(super) fn again(evidence: &Evidence<'_>) -> Vec<String> {
    of_each(evidence, |name| {
        let again = count(evidence, name, "completed_again");
        let text = || format!("`{name}` ran or completed jobs again that were completed: {}", grouped(again));
        (again > 0).then(text)
    })
}

/// Jobs of one kind that wait far longer than those of another.
pub(super) fn starved(evidence: &Evidence<'_>) -> Vec<String> {
    of_each(evidence, |name| {
        let counts = evidence.measured.systems.get(name)?;
        let waits = counts.iter().filter_map(|(key, wait)| Some((key.strip_suffix(".wait_p99_us")?, *wait)));
        let waits: Vec<(&str, u64)> = waits.collect();
        let (longest, most) = waits.iter().copied().max_by_key(|(_, wait)| *wait)?;
        let (shortest, least) = waits.iter().copied().min_by_key(|(_, wait)| *wait)?;
        let waits_for_others = most >= LONG_WAIT_US && most >= least.saturating_mul(STARVED);
        waits_for_others.then(|| {
            format!(
                "jobs of `{longest}` waited {} s in `{name}` (p99 of those that started; {} never did), those of \
                 `{shortest}` {} s",
                seconds(most),
                grouped(count(evidence, name, &format!("{longest}.live"))),
                seconds(least)
            )
        })
    })
}

/// Commits of workers that had lost their lease.
pub(super) fn fenced(evidence: &Evidence<'_>) -> Vec<String> {
    of_each(evidence, |name| {
        let (fenced, lost) = (count(evidence, name, "fenced_refused"), count(evidence, name, "leases_lost"));
        (fenced > 0).then(|| {
            format!(
                "`{name}` refused {} commits of workers whose lease was somebody else's by then; {} leases were lost",
                grouped(fenced),
                grouped(lost)
            )
        })
    })
}

/// Writes that a fence kept out.
pub(super) fn kept_out(evidence: &Evidence<'_>) -> Vec<String> {
    let sinks = evidence.measured.systems.iter();
    let refused = sinks.filter_map(|(name, counts)| {
        let refused = counts.get("effects_refused").copied().filter(|refused| *refused > 0);
        let effects = counts.get("effects").copied()?;
        Some(format!(
            "`{name}` refused {} writes of workers that had lost their lease and took {} of workers that had it",
            grouped(refused?),
            grouped(effects)
        ))
    });
    refused.collect()
}

/// What was done by a worker after a later one had done it.
pub(super) fn stale_effects(evidence: &Evidence<'_>) -> Vec<String> {
    let sinks = evidence.measured.systems.iter();
    let stale = sinks.filter_map(|(name, counts)| {
        let stale = counts.get("stale_effects").copied().filter(|stale| *stale > 0)?;
        Some(format!(
            "`{name}` took {} writes of workers that had lost their lease, after those of the workers that had it: \
             it has no fence",
            grouped(stale)
        ))
    });
    stale.collect()
}

/// Jobs that kill whoever runs them.
pub(super) fn poison(evidence: &Evidence<'_>) -> Vec<String> {
    of_each(evidence, |name| {
        let (poison, lost) = (count(evidence, name, "dead_poison"), count(evidence, name, "leases_lost"));
        (poison > 0).then(|| {
            format!(
                "`{name}` set {} jobs aside that killed every worker they were given to; workers were lost {} times",
                grouped(poison),
                grouped(lost)
            )
        })
    })
}

/// Workflows of which a step failed.
pub(super) fn workflows_failed(evidence: &Evidence<'_>) -> Vec<String> {
    of_each(evidence, |name| {
        let (failed, all) = (count(evidence, name, "workflows_failed"), count(evidence, name, "workflows"));
        (failed > 0).then(|| {
            format!(
                "{} of {} workflows of `{name}` failed: {} jobs were given up, and {} that come after them never ran",
                grouped(failed),
                grouped(all),
                grouped(count(evidence, name, "dead")),
                grouped(count(evidence, name, "cancelled"))
            )
        })
    })
}

/// Enqueuers that led at the same time.
pub(super) fn two_leaders(evidence: &Evidence<'_>) -> Vec<String> {
    of_each(evidence, |name| {
        let both_us = count(evidence, name, "two_leaders_us");
        (both_us >= 1_000_000).then(|| {
            format!(
                "two nodes believed for {} s to lead the ticks of `{name}`: {} ticks of the wrong one were refused, {} \
                 were enqueued twice",
                seconds(both_us),
                grouped(count(evidence, name, "ticks_refused")),
                grouped(count(evidence, name, "ticked_again"))
            )
        })
    })
}

fn seconds(us: u64) -> String {
    decimal(us / 1_000, 3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::sample;
    use crate::kernel::StopReason;
    use crate::kernel::time::Time;
    use crate::measure::JobsMeasured;
    use std::collections::BTreeMap;

    type Find = fn(&Evidence<'_>) -> Vec<String>;

    fn told(counts: &[(&str, u64)], find: Find) -> Vec<String> {
        let plan = sample::plan();
        let mut measured = sample::measured();
        let counts: BTreeMap<String, u64> =
            counts.iter().map(|(name, count)| ((*name).to_string(), *count)).collect();
        measured.systems.insert("jobs".to_string(), counts);
        measured.jobs.push(JobsMeasured { service: "jobs".to_string(), ..JobsMeasured::default() });
        let ended = Time::from_nanos(1);
        find(&Evidence { plan: &plan, measured: &measured, ended, stop: StopReason::Finished })
    }

    #[test]
    fn what_is_as_it_should_be_is_not_worth_a_sentence() {
        let fine = [
            ("enqueued", 5),
            ("mail.wait_p99_us", 9_000_000),
            ("bill.wait_p99_us", 1),
            ("two_leaders_us", 5),
        ];
        for find in
            [lost, again, starved, fenced, stale_effects, kept_out, poison, workflows_failed, two_leaders]
        {
            assert_eq!(told(&fine, find), Vec::<String>::new());
        }
    }

    #[test]
    fn each_trouble_has_its_sentence_with_its_numbers() {
        let trouble = [
            ("lost", 1_234),
            ("completed_again", 8),
            ("fenced_refused", 3),
            ("stale_effects", 2),
            ("effects", 9),
            ("effects_refused", 6),
            ("dead_poison", 4),
            ("two_leaders_us", 2_500_000),
            ("mail.wait_p99_us", 60_000_000),
            ("bill.wait_p99_us", 5_000),
            ("mail.live", 17),
            ("workflows", 30),
            ("workflows_failed", 7),
            ("dead", 7),
            ("cancelled", 12),
        ];
        let cases: [(Find, &str); 9] = [
            (lost, "that they are in: 1 234, over"),
            (again, "that were completed: 8"),
            (starved, "waited 60 s"),
            (starved, "17 never did"),
            (fenced, "refused 3 commits"),
            (stale_effects, "took 2 writes"),
            (kept_out, "refused 6 writes"),
            (poison, "set 4 jobs aside"),
            (workflows_failed, "7 of 30 workflows"),
        ];
        for (find, words) in cases {
            let found = told(&trouble, find);
            assert!(found.len() == 1 && found[0].contains(words), "{found:?} should say {words}");
        }
        assert!(told(&trouble, two_leaders)[0].contains("for 2.5"));
    }
}
