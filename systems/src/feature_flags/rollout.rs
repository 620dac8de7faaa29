//! Activation strategies: for whom a rule is on once its constraints hold. A strategy of your own is a trait with one
//! method, what it prepares another.

use super::context::{Context, Field, MissingSticky, Stickiness};
use super::definition::StrategyDefinition;
use super::hash::Murmur3;
use super::network::Network;
use super::text::Set;
use std::fmt::Debug;

/// A strategy: makes an activation out of a rule's parameters.
pub trait Strategy: Debug + Send + Sync {
    /// Reads the parameters of a rule of the flag `flag`.
    ///
    /// # Errors
    /// Says what is wrong with them; the rule then matches nobody.
    fn prepare(&self, flag: &str, definition: &StrategyDefinition) -> Result<Box<dyn Activation>, String>;
}

/// For whom a rule is on.
pub trait Activation: Debug + Send + Sync {
    /// Whether it is for whoever `context` is. The same context always gets the same answer.
    fn is_active(&self, context: &Context<'_>) -> bool;
}

/// The built-in activations.
#[derive(Debug)]
pub(super) enum Rollout {
    Everybody,
    Nobody,
    Users(Set),
    Addresses(Vec<Network>),
    Percentage(Percentage),
    Custom(Box<dyn Activation>),
}

/// A gradual rollout: who is in it stays in it while the percentage grows.
#[derive(Debug)]
pub(super) struct Percentage {
    percent: u32,
    /// The hash after `group:`.
    prefix: Murmur3,
    stickiness: Stickiness,
    missing: MissingSticky,
}

/// `murmur3("{group}:{id}") % 100`, counted from 1, is at most the percentage; the seed is 0.
const ROLLOUT_SEED: u32 = 0;

impl Percentage {
    fn new(text: Option<&str>, group: &str, stickiness: Stickiness) -> Result<Percentage, String> {
        let text = text.unwrap_or("");
        let percent =
            text.trim().parse().map_err(|_| format!("`{text}` is no percentage: write 0 to 100"))?;
        let prefix = Murmur3::new(ROLLOUT_SEED).with(group).with(":");
        Ok(Percentage { percent, prefix, stickiness, missing: MissingSticky::NotInRollout })
    }

    fn includes(&self, context: &Context<'_>) -> bool {
        let hash = self.stickiness.hash(self.prefix, context, self.missing);
        hash.is_some_and(|hash| hash % 100 < self.percent)
    }
}

impl Rollout {
    /// Reads the parameters. What is wrong with them is told in `problems`; the rule then matches nobody.
    pub(super) fn compile(
        flag: &str,
        definition: &StrategyDefinition,
        custom: Option<&dyn Strategy>,
        missing: MissingSticky,
        problems: &mut Vec<String>,
    ) -> Rollout {
        let rollout = match custom {
            Some(strategy) => strategy.prepare(flag, definition).map(Rollout::Custom),
            None => Rollout::built_in(flag, definition, missing),
        };
        rollout.unwrap_or_else(|problem| {
            problems.push(format!("strategy `{}`: {problem}", definition.name));
            Rollout::Nobody
        })
    }

    fn built_in(
        flag: &str,
        definition: &StrategyDefinition,
        missing: MissingSticky,
    ) -> Result<Rollout, String> {
        let parameters = &definition.parameters;
        let group = parameters.get("groupId").unwrap_or(flag);
        let list = |name| {
            parameters.get(name).unwrap_or("").split(',').map(str::trim).filter(|text| !text.is_empty())
        };
        let percentage = |name, stickiness| Percentage::new(parameters.get(name), group, stickiness);
        match definition.name.as_str() {
            "default" => Ok(Rollout::Everybody),
            "userWithId" => Ok(Rollout::Users(Set::new(list("userIds")))),
            "remoteAddress" => Ok(Rollout::Addresses(list("IPs").filter_map(Network::parse).collect())),
            "gradualRolloutUserId" => {
                percentage("percentage", Stickiness::Field(Field::UserId)).map(Rollout::Percentage)
            }
            "gradualRolloutSessionId" => {
                percentage("percentage", Stickiness::Field(Field::SessionId)).map(Rollout::Percentage)
            }
            "gradualRolloutRandom" => percentage("percentage", Stickiness::Random).map(Rollout::Percentage),
            "flexibleRollout" => {
                let stickiness = Stickiness::named(parameters.get("stickiness").unwrap_or(""));
                let percentage = percentage("rollout", stickiness)?;
                Ok(Rollout::Percentage(Percentage { missing, ..percentage }))
            }
            unknown => Err(format!(
                "there is none of the name `{unknown}`: register one with `Engine::with_strategy`"
            )),
        }
    }

    pub(super) fn is_active(&self, context: &Context<'_>) -> bool {
        match self {
            Rollout::Everybody => true,
            Rollout::Nobody => false,
            Rollout::Users(users) => context.value(&Field::UserId).is_some_and(|user| users.contains(user)),
            Rollout::Addresses(networks) => context
                .value(&Field::RemoteAddress)
                .is_some_and(|address| Network::any_contains(networks, address)),
            Rollout::Percentage(percentage) => percentage.includes(context),
            Rollout::Custom(activation) => activation.is_active(context),
        }
    }

    /// Whether a bucket decides, and for some of those asked it decides otherwise.
    pub(super) fn splits(&self) -> bool {
        matches!(self, Rollout::Percentage(percentage) if percentage.percent < 100)
    }
}
