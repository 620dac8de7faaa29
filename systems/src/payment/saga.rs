//! Steps and their compensations.
