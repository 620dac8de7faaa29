//! Foreshock: a deterministic simulation harness for backend systems.
//!
//! Data flows one way: YAML -> `scenario` -> `Plan` -> [`run::run`] -> `Outcome` -> `report`. A map of the code:
//!
//! - [`kernel`]: virtual time, the agenda, keyed draws, fingerprints; knows nothing of services.
//! - [`cluster`]: the simulated world. [`nodes`]: the kinds of services in it. [`faults`]: what can go wrong.
//! - [`scenario`]: what a file says, checked and resolved.
//! - [`measure`], [`judge`], [`report`]: what happened, what to think of it, how to show it.
//! - [`run`]: the only door into the simulation. [`explore`]: everything that runs it more than once.
//! - [`cli`]: the command line; `Cli::new().kind::<MyService>("my-service").run()` adds a kind of one's own.

pub mod cli;
pub mod cluster;
pub mod explore;
pub mod faults;
pub mod judge;
pub mod kernel;
pub mod measure;
pub mod nodes;
pub mod report;
pub mod run;
pub mod scenario;

pub use cli::Cli;
