//! What people want, as a product's database of profiles knows it: drawn once for each of them, and kept whatever process
//! dies. Sends nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use foreshock_systems::notification::delivery::{CategoryId, Chooser, Preferences, Profile, RecipientId};
use foreshock_systems::notification::{FixedOffset, TimeInterval, TimePattern};

use super::notifier_settings::{Quiet, Settings};
use crate::kernel::draw::{Key, chance_ppm};

/// By whom what is wanted is drawn.
#[derive(Clone, Copy)]
pub(super) struct Draws {
    pub(super) opted_out: Key,
    pub(super) quiet: Key,
}

/// Choices and profiles, as far as anybody has asked.
#[derive(Default)]
pub(super) struct People {
    opted_out: BTreeMap<(RecipientId, CategoryId), bool>,
    quiet: BTreeMap<RecipientId, Option<Arc<TimeInterval>>>,
}

impl People {
    /// Somebody is to be told something: whether they have opted out of it. Who has chosen keeps to it. Chance knows a
    /// category by its name: its number would be another one beside other operations.
    pub(super) fn meet(
        &mut self,
        (recipient, category, category_name): (RecipientId, CategoryId, u64),
        settings: &Settings,
        share_ppm: u32,
        draws: Draws,
        preferences: Option<&mut Preferences>,
    ) -> bool {
        let mut is_new = false;
        let opted_out = *self.opted_out.entry((recipient, category)).or_insert_with(|| {
            is_new = true;
            chance_ppm(draws.opted_out.draw2(recipient.0, category_name), share_ppm)
        });
        let mut is_stranger = false;
        let quiet = self.quiet.entry(recipient).or_insert_with(|| {
            is_stranger = true;
            let has_hours = |quiet: &&Quiet| chance_ppm(draws.quiet.draw(recipient.0), quiet.share_ppm);
            settings.quiet.as_ref().filter(has_hours).map(|quiet| hours(*quiet))
        });
        if let Some(preferences) = preferences {
            if is_new && opted_out {
                preferences.choose(Chooser::Recipient(recipient), Some(category), None, false);
            }
            if is_stranger && quiet.is_some() {
                preferences.set_profile(recipient, profile(quiet));
            }
        }
        opted_out
    }

    /// Tells a process that has just come up all that is known.
    pub(super) fn introduce(&self, preferences: &mut Preferences) {
        for ((recipient, category), _) in self.opted_out.iter().filter(|(_, is_out)| **is_out) {
            preferences.choose(Chooser::Recipient(*recipient), Some(*category), None, false);
        }
        for (recipient, quiet) in self.quiet.iter().filter(|(_, quiet)| quiet.is_some()) {
            preferences.set_profile(*recipient, profile(quiet));
        }
    }
}

fn hours(quiet: Quiet) -> Arc<TimeInterval> {
    let pattern = TimePattern { times: vec![quiet.hours], ..TimePattern::default() };
    Arc::new(TimeInterval { patterns: vec![pattern], zone: Box::new(FixedOffset(0)) })
}

fn profile(quiet: &Option<Arc<TimeInterval>>) -> Profile {
    Profile { locale: String::new(), quiet_hours: quiet.clone() }
}
