//! Limits on several levels: rules by caller, load, operation and key.

use foreshock_systems::rate_limiter::{
    Enforcement, Hierarchy, HierarchyConfig, HierarchyError, KeyedConfig, Level, Match, Pattern,
    RateLimitConfig, Rule,
};

use super::Checker;
use super::distribution::split_advice;
use crate::kernel::time::Time;
use crate::scenario::path::Path;
use crate::scenario::raw::{RawAdmission, RawDimension, RawLevelRule};

impl Checker<'_> {
    /// The levels of a service.
    pub(super) fn levels(&mut self, path: &Path, admission: &RawAdmission) -> Option<HierarchyConfig> {
        let mut levels = Vec::with_capacity(admission.levels.len());
        self.check_rule_names(path, &admission.levels);
        for (name, raw) in &admission.levels {
            let at = path.key(name);
            self.check_rule_names(&at, raw);
            if raw.is_empty() {
                self.missing(&at, "a level without rules limits nothing".to_string(), None);
            }
            let mut rules = Vec::with_capacity(raw.len());
            for (rule_name, rule) in raw {
                let shadow = admission.shadow.or(rule.shadow).unwrap_or(false);
                rules.push(Rule {
                    name: rule_name.clone(),
                    matches: self.matches(&at.key(rule_name), rule),
                    limit: RateLimitConfig {
                        rate_per_s_milli: rule.rate.0,
                        burst: rule.burst.as_ref().map_or(1, |burst| u64::from(burst.0)),
                    },
                    enforcement: if shadow { Enforcement::Shadow } else { Enforcement::Enforce },
                });
            }
            levels.push(Level { rules });
        }
        let config = HierarchyConfig { levels, keys: KeyedConfig::default() };
        match Hierarchy::new(&config, Time::ZERO) {
            Ok(_) => Some(config),
            Err(error) => {
                let at = level_of(admission, path, &error).unwrap_or_else(|| path.clone());
                let (message, help) = split_advice(&error.to_string());
                self.error_at_key(&at, message, help);
                None
            }
        }
    }

    fn matches(&mut self, path: &Path, raw: &RawLevelRule) -> Vec<Match> {
        let when = path.key("when");
        if let Some(name) = &raw.when.caller {
            self.party(&when.key("caller"), name);
        }
        if let Some(name) = &raw.when.load {
            self.load(&when.key("load"), name);
        }
        if let Some(name) = &raw.when.operation {
            self.operation(&when.key("operation"), name);
        }
        let exact = [
            (RawDimension::Caller, raw.when.caller.as_deref()),
            (RawDimension::Load, raw.when.load.as_deref()),
            (RawDimension::Operation, raw.when.operation.as_deref()),
            (RawDimension::Key, raw.when.key.as_ref().map(|key| key.0.as_str())),
        ];
        let exact = exact.into_iter().filter_map(|(dimension, value)| {
            let value = Pattern::Exactly(value?.to_string());
            Some(Match { dimension: dimension_name(dimension).to_string(), value })
        });
        let each = raw.each.iter().map(|dimension| Match {
            dimension: dimension_name(*dimension).to_string(),
            value: Pattern::Each,
        });
        exact.chain(each).collect()
    }
}

const fn dimension_name(dimension: RawDimension) -> &'static str {
    match dimension {
        RawDimension::Caller => "caller",
        RawDimension::Load => "load",
        RawDimension::Operation => "operation",
        RawDimension::Key => "key",
    }
}

/// Where the rule stands that an error is about.
fn level_of(admission: &RawAdmission, path: &Path, error: &HierarchyError) -> Option<Path> {
    let rule = match error {
        HierarchyError::Limit { rule, .. }
        | HierarchyError::NameTwice { rule }
        | HierarchyError::Unreachable { rule } => rule,
        HierarchyError::NoKeys => return None,
    };
    // The later one of two of the same name is the one too many.
    let level = admission.levels.iter().rev().find(|(_, rules)| rules.contains_key(rule))?;
    Some(path.key(level.0).key(rule))
}
