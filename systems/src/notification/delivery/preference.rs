//! What people want to be told, by which channel and when. The most specific choice counts. Kept by the caller, not in the
//! store: their profile is where it comes from.

use super::config::{CategoryId, Channel};
use super::message::{RecipientId, TenantId};
use crate::notification::interval::TimeInterval;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Whose choice it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Chooser {
    /// Somebody for themselves.
    Recipient(RecipientId),
    /// A tenant for all its people that did not choose.
    Tenant(TenantId),
}

/// What is known about somebody.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Their language, such as `pt-BR`.
    pub locale: String,
    /// When they do not want to be disturbed.
    pub quiet_hours: Option<Arc<TimeInterval>>,
}

/// Choices and profiles.
#[derive(Clone, Debug, Default)]
pub struct Preferences {
    choices: BTreeMap<(Chooser, Option<CategoryId>, Option<Channel>), bool>,
    profiles: BTreeMap<RecipientId, Profile>,
}

impl Preferences {
    /// Whether somebody wants messages of a category by a channel; `None` stands for all of them.
    pub fn choose(
        &mut self,
        chooser: Chooser,
        category: Option<CategoryId>,
        channel: Option<Channel>,
        wants: bool,
    ) {
        self.choices.insert((chooser, category, channel), wants);
    }

    /// Takes a choice back.
    pub fn forget(&mut self, chooser: Chooser, category: Option<CategoryId>, channel: Option<Channel>) {
        self.choices.remove(&(chooser, category, channel));
    }

    /// Sets what is known about somebody.
    pub fn set_profile(&mut self, recipient: RecipientId, profile: Profile) {
        self.profiles.insert(recipient, profile);
    }

    /// What is known about somebody.
    pub fn profile(&self, recipient: RecipientId) -> Option<&Profile> {
        self.profiles.get(&recipient)
    }

    /// Whether somebody wants it. Their own choice counts before the tenant's; of each, category and channel before the
    /// category, before the channel, before all. Who never chose wants everything.
    pub fn wants(
        &self,
        recipient: RecipientId,
        tenant: TenantId,
        category: CategoryId,
        channel: Channel,
    ) -> bool {
        if self.choices.is_empty() {
            return true;
        }
        let choosers = [Chooser::Recipient(recipient), Chooser::Tenant(tenant)];
        let scopes =
            [(Some(category), Some(channel)), (Some(category), None), (None, Some(channel)), (None, None)];
        let choices = choosers.into_iter().flat_map(|chooser| {
            scopes.map(|(category, channel)| self.choices.get(&(chooser, category, channel)))
        });
        choices.flatten().next().copied().unwrap_or(true)
    }
}
