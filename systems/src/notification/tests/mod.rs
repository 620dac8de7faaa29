//! Stories, laws, and defects that the checkers find.

mod alert_world; // dispatchers, receivers, and a network between them
mod alerts; // the alert side
mod crashes; // power cuts at every step
mod message_world; // a delivery, and providers that fail in every way
mod messages; // the product side
mod scripts; // alerts in virtual time, from text files
