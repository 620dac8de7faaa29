//! Limits on several levels at once: user, route and plan, say. A request is described by pairs of dimension and value,
//! after Envoy's descriptors; in each level the first rule that matches applies, and the request passes if every level
//! lets it. Takes from all of them or from none.

use super::{
    EmptyKey, Enforcement, Gcra, Inherit, Keyed, KeyedConfig, KeyedRefusal, LimiterCounts, NEAR_LIMIT_PPM,
    Quota, QuotaStatus, RateLimitConfig, RateLimitError, RetryAt,
};
use crate::arithmetic::reaches_share;
use crate::time::{Span, Time};
use std::fmt;

/// One level: the first of its rules that matches a request applies to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    /// Tried in this order: put the exact ones before the wildcards.
    pub rules: Vec<Rule>,
}

/// A limit, and for which requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What it is called in refusals and counts.
    pub name: String,
    /// All of these have to hold; none at all matches every request.
    pub matches: Vec<Match>,
    /// The limit.
    pub limit: RateLimitConfig,
    /// Whether it refuses or only counts.
    pub enforcement: Enforcement,
}

/// What a request's value in one dimension has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The dimension: `user`, `route`, `plan`.
    pub dimension: String,
    /// The value.
    pub value: Pattern,
}

/// Which values of a dimension match, and who shares a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// This value.
    Exactly(String),
    /// Any value; each has a limit of its own. A request without the dimension, or with an empty value, has no key: see
    /// [`HierarchyConfig::keys`].
    Each,
    /// Any value; all share one limit.
    Any,
    /// Values that begin like this; all share one limit.
    StartsWith(String),
}

/// All levels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HierarchyConfig {
    /// Each has to let a request through.
    pub levels: Vec<Level>,
    /// How many keys each rule keeps, and what happens to requests without the key of a rule.
    pub keys: KeyedConfig,
}

/// Why levels are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HierarchyError {
    /// A rule's limit is out of range.
    Limit {
        /// The rule.
        rule: String,
        /// What is wrong.
        error: RateLimitError,
    },
    /// Two rules have the same name.
    NameTwice {
        /// The name.
        rule: String,
    },
    /// A rule after one that matches every request never applies.
    Unreachable {
        /// The rule that never applies.
        rule: String,
    },
    /// `max_keys` is zero.
    NoKeys,
}

impl fmt::Display for HierarchyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HierarchyError::Limit { rule, error } => write!(f, "rule `{rule}`: {error}"),
            HierarchyError::NameTwice { rule } => {
                write!(f, "two rules are called `{rule}`: give each its own name")
            }
            HierarchyError::Unreachable { rule } => {
                write!(f, "rule `{rule}` never applies: put it before the one that matches everything")
            }
            HierarchyError::NoKeys => f.write_str("max_keys 0 lets nobody through: use 1 or more"),
        }
    }
}

impl std::error::Error for HierarchyError {}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HierarchyRefusal<'a> {
    /// The rule that refuses it for the longest.
    pub rule: &'a str,
    /// Why.
    pub reason: KeyedRefusal,
}

#[derive(Clone, Debug)]
struct Counter {
    rule: Rule,
    limiters: Keyed<Vec<String>, Gcra>,
    counts: LimiterCounts,
}

/// Limits on several levels.
#[derive(Clone, Debug)]
pub struct Hierarchy {
    levels: Vec<Vec<Counter>>,
    empty_key: EmptyKey,
}

/// What one level says to a request.
enum Verdict {
    /// No rule matches, or the rule lets requests without a key pass.
    Unlimited,
    /// The rule at this position has taken permits for this key.
    Taken(usize, Option<Vec<String>>),
    /// The rule at this position would have refused; it only counts.
    Shadowed(usize),
    Refused(usize, KeyedRefusal),
}

impl Hierarchy {
    /// Nothing used yet.
    ///
    /// # Errors
    /// [`HierarchyError`] names the first rule that cannot be.
    pub fn new(config: &HierarchyConfig, now: Time) -> Result<Hierarchy, HierarchyError> {
        validate(config)?;
        let counter = |rule: &Rule| {
            let limiters = Keyed::new(config.keys, Gcra::new(rule.limit, now), now);
            let limiters = limiters.map_err(|_| HierarchyError::NoKeys)?;
            Ok(Counter { rule: rule.clone(), limiters, counts: LimiterCounts::default() })
        };
        let level = |level: &Level| level.rules.iter().map(counter).collect();
        let levels = config.levels.iter().map(level).collect::<Result<_, _>>()?;
        Ok(Hierarchy { levels, empty_key: config.keys.empty_key })
    }

    /// Takes `cost` permits on every level, or on none. `descriptors` are pairs of dimension and value.
    ///
    /// # Errors
    /// [`HierarchyRefusal`] names the rule that refuses for the longest. Asked again after its wait, every level lets
    /// the request pass if nobody else took permits.
    pub fn check(
        &mut self,
        now: Time,
        descriptors: &[(&str, &str)],
        cost: u64,
    ) -> Result<(), HierarchyRefusal<'_>> {
        let empty_key = self.empty_key;
        let verdicts: Vec<Verdict> =
            self.levels.iter_mut().map(|level| ask(level, now, descriptors, cost, empty_key)).collect();
        let refusal = verdicts
            .iter()
            .enumerate()
            .filter_map(|(level, verdict)| match verdict {
                Verdict::Refused(rule, reason) => Some((level, *rule, *reason)),
                Verdict::Unlimited | Verdict::Taken(..) | Verdict::Shadowed(_) => None,
            })
            .max_by_key(|(level, _, reason)| (wait_of(*reason), std::cmp::Reverse(*level)));
        for (level, verdict) in self.levels.iter_mut().zip(&verdicts) {
            settle(level, verdict, refusal.is_some(), now, cost);
        }
        match refusal {
            None => Ok(()),
            Some((level, rule, reason)) => {
                Err(HierarchyRefusal { rule: &self.levels[level][rule].rule.name, reason })
            }
        }
    }

    /// Changes the limit of a rule while running; `false` if there is none of this name.
    ///
    /// # Errors
    /// The limit is out of range; nothing is changed then.
    pub fn reconfigure(
        &mut self,
        now: Time,
        rule: &str,
        limit: RateLimitConfig,
        inherit: Inherit,
    ) -> Result<bool, RateLimitError> {
        limit.validate()?;
        let found = self.levels.iter_mut().flatten().find(|counter| counter.rule.name == rule);
        let Some(counter) = found else { return Ok(false) };
        counter.rule.limit = limit;
        counter.limiters.reconfigure(|limiter| limiter.reconfigure_with(limit, now, inherit));
        Ok(true)
    }

    /// Switches a rule between counting and refusing; `false` if there is none of this name.
    pub fn enforce(&mut self, rule: &str, enforcement: Enforcement) -> bool {
        let found = self.levels.iter_mut().flatten().find(|counter| counter.rule.name == rule);
        found.map(|counter| counter.rule.enforcement = enforcement).is_some()
    }

    /// Every rule with what it has decided so far. A request refused by another level counts nowhere else.
    pub fn counts(&self) -> impl Iterator<Item = (&str, LimiterCounts)> {
        self.levels.iter().flatten().map(|counter| (counter.rule.name.as_str(), counter.counts))
    }

    /// Requests that lacked the key of a rule, over all rules.
    pub fn empty_keys(&self) -> u64 {
        self.levels.iter().flatten().map(|counter| counter.limiters.stats().empty_keys).sum()
    }
}

fn validate(config: &HierarchyConfig) -> Result<(), HierarchyError> {
    if config.keys.max_keys == 0 {
        return Err(HierarchyError::NoKeys);
    }
    let mut names: Vec<&str> = Vec::new();
    for level in &config.levels {
        let mut catch_all = false;
        for rule in &level.rules {
            let name = || rule.name.clone();
            if names.contains(&rule.name.as_str()) {
                return Err(HierarchyError::NameTwice { rule: name() });
            }
            if catch_all {
                return Err(HierarchyError::Unreachable { rule: name() });
            }
            rule.limit.validate().map_err(|error| HierarchyError::Limit { rule: name(), error })?;
            catch_all = rule.matches.is_empty();
            names.push(&rule.name);
        }
    }
    Ok(())
}

/// Asks the first rule of a level that matches.
fn ask(
    level: &mut [Counter],
    now: Time,
    descriptors: &[(&str, &str)],
    cost: u64,
    empty_key: EmptyKey,
) -> Verdict {
    let applies = |counter: &Counter| key_of(&counter.rule.matches, descriptors);
    let Some((at, key)) =
        level.iter().enumerate().find_map(|(at, counter)| applies(counter).map(|key| (at, key)))
    else {
        return Verdict::Unlimited;
    };
    let counter = &mut level[at];
    match counter.limiters.check(now, key.as_ref(), cost) {
        Ok(()) if key.is_none() && empty_key == EmptyKey::Skip => Verdict::Unlimited,
        Ok(()) => Verdict::Taken(at, key),
        Err(_) if counter.rule.enforcement == Enforcement::Shadow => Verdict::Shadowed(at),
        Err(reason) => Verdict::Refused(at, reason),
    }
}

/// Counts a level's verdict, and gives back what it took if another level refused.
fn settle(level: &mut [Counter], verdict: &Verdict, refused: bool, now: Time, cost: u64) {
    match verdict {
        Verdict::Refused(at, _) => level[*at].counts.refused += 1,
        Verdict::Shadowed(at) if !refused => level[*at].counts.shadowed += 1,
        Verdict::Taken(at, key) => {
            let Counter { limiters, counts, .. } = &mut level[*at];
            let Some(limiter) = limiters.present(key.as_ref()) else { return };
            if refused {
                limiter.give_back(now, cost);
                return;
            }
            counts.passed += 1;
            let QuotaStatus { limit, remaining, .. } = limiter.quota(now);
            counts.near_limit +=
                u64::from(reaches_share(limit.saturating_sub(remaining), limit, NEAR_LIMIT_PPM));
        }
        Verdict::Unlimited | Verdict::Shadowed(_) => {}
    }
}

/// The key under which a rule counts a request: its values in the dimensions that each have their own limit. `None` if
/// the rule does not match, `Some(None)` if it does and the request lacks a value it is keyed on.
fn key_of(matches: &[Match], descriptors: &[(&str, &str)]) -> Option<Option<Vec<String>>> {
    let mut key = Some(Vec::new());
    for Match { dimension, value: pattern } in matches {
        let value = descriptors.iter().find(|(name, _)| name == dimension).map_or("", |(_, value)| *value);
        let holds = match pattern {
            Pattern::Exactly(exact) => value == exact,
            Pattern::StartsWith(prefix) => value.starts_with(prefix.as_str()),
            Pattern::Any => !value.is_empty(),
            Pattern::Each => {
                key = key.filter(|_| !value.is_empty());
                if let Some(key) = &mut key {
                    key.push(value.to_string());
                }
                true
            }
        };
        if !holds {
            return None;
        }
    }
    Some(key)
}

fn wait_of(reason: KeyedRefusal) -> Span {
    match reason {
        KeyedRefusal::OverLimit(RetryAt(wait)) => wait,
        KeyedRefusal::EmptyKey | KeyedRefusal::TooManyKeys => Span::MAX,
    }
}
