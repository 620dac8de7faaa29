//! Feature flags: the cases of two vendors, each walked in one test.

mod growthbook;
mod unleash;
