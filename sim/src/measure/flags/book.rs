//! One flag server and everybody who follows it: which revisions are in force, since when a copy is behind, and what
//! was answered. Evaluates a flag only in order to tell whether an outdated answer was a wrong one.

use std::collections::BTreeMap;

use foreshock_systems::feature_flags::definition::Event;
use foreshock_systems::feature_flags::{Context, Engine, FlagConfig, RuleSet};
use serde_json::Value;

use super::FlagSeen;
use super::flag::{Broken, FlagBook};
use crate::kernel::time::{Span, Time};
use crate::nodes::flags::decimal;
use crate::scenario::plan::ServiceId;

/// Most users that are followed, counted anew for each flag. Of others the answers are counted only.
const MOST_FOLLOWED: u64 = 1_000_000;

/// The book on one server.
pub(super) struct Book {
    flags: Vec<FlagBook>,
    latest: RuleSet,
    /// By revision, from 1.
    published_at: Vec<Time>,
    /// The revision that each replica serves.
    copies: BTreeMap<(ServiceId, u32), u64>,
    /// How many replicas serve each revision, those aside that know none.
    in_force: BTreeMap<u64, u32>,
    split_since: Option<Time>,
    followed: u64,
    measured: CopiesMeasured,
    services: BTreeMap<ServiceId, EvaluationsMeasured>,
}

/// The copies of the flags of one server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CopiesMeasured {
    /// Times that two revisions came to be in force at once.
    pub splits: u32,
    /// How long in all.
    pub split: Span,
    /// The longest of these times.
    pub longest_split: Span,
    /// When that began.
    pub longest_split_at: Time,
    /// Whether two revisions were in force when the run stopped.
    pub is_split: bool,
    /// Users who got both answers of a flag within one of these times, counted anew in each.
    pub users_with_two_answers: u64,
}

/// What the replicas of one service evaluated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EvaluationsMeasured {
    /// The service.
    pub service: String,
    /// Evaluations by flag: answered on, and off.
    pub flags: BTreeMap<String, (u64, u64)>,
    /// Answered with the caller's default: the flag was not known.
    pub by_default: u64,
    /// Answered by a revision that was not the server's latest any more.
    pub outdated: u64,
    /// Of these and of the defaults, answered otherwise than the latest revision would have.
    pub wrong: u64,
    /// How long a replica went on with a revision, at the longest, after the next one had been published.
    pub oldest_copy: Span,
}

impl EvaluationsMeasured {
    /// All evaluations.
    pub fn total(&self) -> u64 {
        self.flags.values().map(|(on, off)| on + off).sum()
    }
}

/// The flags of one server over the run.
#[derive(Clone, Debug)]
pub struct FlagsMeasured {
    /// The server.
    pub server: String,
    /// Its last revision.
    pub revision: u64,
    /// The copies of all who follow it.
    pub copies: CopiesMeasured,
    /// What each service evaluated that follows it.
    pub services: Vec<EvaluationsMeasured>,
}

impl Book {
    pub(super) fn new(flags: &[String]) -> Book {
        Book {
            flags: flags.iter().map(|name| FlagBook::new(name)).collect(),
            latest: Engine::new(FlagConfig::default()).empty(),
            published_at: Vec::new(),
            copies: BTreeMap::new(),
            in_force: BTreeMap::new(),
            split_since: None,
            followed: 0,
            measured: CopiesMeasured::default(),
            services: BTreeMap::new(),
        }
    }

    pub(super) fn published(&mut self, event: &Event, definitions: &BTreeMap<String, Value>, now: Time) {
        self.latest = self.latest.with_events([event]);
        self.published_at.push(now);
        for flag in &mut self.flags {
            let definition = definitions.get(flag.name());
            flag.published(event.revision, definition);
        }
    }

    pub(super) fn copy(&mut self, replica: (ServiceId, u32), revision: Option<u64>, now: Time) {
        let before = match revision {
            Some(revision) => self.copies.insert(replica, revision),
            None => self.copies.remove(&replica),
        };
        if before == revision {
            return;
        }
        if let Some(before) = before {
            self.was_behind(replica.0, before, now);
            if let Some(count) = self.in_force.get_mut(&before) {
                *count -= 1;
                if *count == 0 {
                    self.in_force.remove(&before);
                }
            }
        }
        if let Some(revision) = revision.filter(|revision| *revision > 0) {
            *self.in_force.entry(revision).or_default() += 1;
        }
        match (self.split_since, self.in_force.len() > 1) {
            (None, true) => {
                self.split_since = Some(now);
                self.measured.splits += 1;
            }
            (Some(since), false) => {
                self.split_since = None;
                self.count_split(since, now);
            }
            (Some(_), true) | (None, false) => {}
        }
    }

    fn count_split(&mut self, since: Time, now: Time) {
        let lasted = now.since(since);
        self.measured.split += lasted;
        if lasted > self.measured.longest_split {
            (self.measured.longest_split, self.measured.longest_split_at) = (lasted, since);
        }
    }

    /// A replica has served `revision` until now; one that knew none was not behind with anything.
    fn was_behind(&mut self, service: ServiceId, revision: u64, now: Time) {
        let next = usize::try_from(revision).ok().filter(|next| *next > 0);
        let Some(replaced_at) = next.and_then(|next| self.published_at.get(next)) else { return };
        let age = now.since(*replaced_at);
        let counts = self.services.entry(service).or_default();
        counts.oldest_copy = counts.oldest_copy.max(age);
    }

    #[inline]
    pub(super) fn evaluated(&mut self, service: ServiceId, seen: FlagSeen) -> Option<Broken> {
        let flag = self.flags.get_mut(seen.flag as usize)?;
        let counts = self.services.entry(service).or_default();
        match counts.flags.get_mut(flag.name()) {
            Some(answers) => count(answers, seen.on),
            None => count(counts.flags.entry(flag.name().to_string()).or_default(), seen.on),
        }
        counts.by_default += u64::from(seen.by_default);
        let latest = self.latest.revision();
        let is_outdated = seen.revision > 0 && seen.revision < latest;
        counts.outdated += u64::from(is_outdated);
        if is_outdated || seen.by_default {
            let wrong = flag.is_judged_at(latest) && answer(&self.latest, flag.name(), seen.user) != seen.on;
            counts.wrong += u64::from(wrong);
        }
        if self.followed < MOST_FOLLOWED {
            self.followed += u64::from(flag.follow(seen.user));
        }
        let split = if self.split_since.is_some() { self.measured.splits } else { 0 };
        let (torn, broken) = flag.answered(seen.user, seen.revision, seen.on, split);
        self.measured.users_with_two_answers += u64::from(torn);
        broken
    }

    pub(super) fn finish(
        mut self,
        server: String,
        name: impl Fn(ServiceId) -> String,
        now: Time,
    ) -> FlagsMeasured {
        if let Some(since) = self.split_since {
            self.measured.is_split = true;
            self.count_split(since, now);
        }
        for ((service, _), revision) in self.copies.clone() {
            self.was_behind(service, revision, now);
        }
        let services = self
            .services
            .into_iter()
            .map(|(service, counts)| EvaluationsMeasured { service: name(service), ..counts });
        FlagsMeasured {
            server,
            revision: self.latest.revision(),
            copies: self.measured,
            services: services.collect(),
        }
    }
}

fn count((yes, no): &mut (u64, u64), on: bool) {
    *if on { yes } else { no } += 1;
}

/// What a revision says to a user.
fn answer(rules: &RuleSet, flag: &str, user: u64) -> bool {
    let mut digits = [0; 20];
    rules.is_enabled(flag, &Context { user_id: Some(decimal(user, &mut digits)), ..Context::default() })
}

impl FlagsMeasured {
    /// What the report shows of the server: names and numbers.
    pub(crate) fn counts(&self) -> Vec<(String, u64)> {
        let copies = &self.copies;
        let counts = [
            ("split_brains", u64::from(copies.splits)),
            ("split_brain_us", copies.split.as_micros()),
            ("split_brain_max_us", copies.longest_split.as_micros()),
            ("users_with_two_answers", copies.users_with_two_answers),
            ("revisions_differ_at_end", u64::from(copies.is_split)),
        ];
        counts.into_iter().map(|(name, count)| (name.to_string(), count)).collect()
    }
}

impl EvaluationsMeasured {
    /// What the report shows of the service: names and numbers.
    pub(crate) fn counts(&self) -> Vec<(String, u64)> {
        let counts = [
            ("flag_evaluations", self.total()),
            ("flag_evaluations_by_default", self.by_default),
            ("flag_evaluations_outdated", self.outdated),
            ("flag_answers_wrong", self.wrong),
            ("flag_oldest_copy_us", self.oldest_copy.as_micros()),
        ];
        let mut counts: Vec<(String, u64)> =
            counts.into_iter().map(|(name, count)| (name.to_string(), count)).collect();
        for (flag, (on, off)) in &self.flags {
            counts.push((format!("flag.{flag}.on"), *on));
            counts.push((format!("flag.{flag}.off"), *off));
        }
        counts
    }
}
