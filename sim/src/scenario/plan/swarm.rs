//! Entries of the timeline that each seed draws: whether they happen, when, and how strong they are.

/// An entry that a seed draws. In a plan that was not drawn yet it stands in the timeline with every range at its
/// lower end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwarmPlan {
    /// The id of the entry.
    pub id: String,
    /// How probable it is that it happens, parts per million.
    pub chance_ppm: u32,
}
