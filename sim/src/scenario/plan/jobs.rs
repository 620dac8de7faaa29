//! Who has which part in running jobs.

/// What a kind of node has to do with jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JobsRole {
    /// Nothing.
    #[default]
    None,
    /// It keeps them: one replica, whose store everybody shares.
    Schedules,
    /// It fetches and runs them.
    Works,
    /// It enqueues some by the calendar.
    Enqueues,
}
