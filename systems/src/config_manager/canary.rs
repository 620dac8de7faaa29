//! Whom a canary release reaches: named instances, and a share of all by hash. The same instance is on the same side
//! at every server, and raising the share takes nobody out.

use crate::arithmetic::{WHOLE_PPM, keyed_word, uniform};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// The rule of a canary release ("gray release" in Apollo).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryRule {
    /// These, by identity.
    pub instances: BTreeSet<String>,
    /// And this share of all instances, in parts per million.
    pub share_ppm: u32,
    /// Another salt, another choice: so that not the same instances are canaries of everything.
    pub salt: u64,
}

/// Why a rule cannot be meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CanaryError {
    /// It reaches nobody.
    Nobody,
    /// More than all.
    TooMuch(u32),
}

impl fmt::Display for CanaryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CanaryError::Nobody => f.write_str("the rule reaches nobody: name instances, or write a share"),
            CanaryError::TooMuch(ppm) => {
                write!(f, "`share_ppm` is {ppm}: write at most 1000000, which is all")
            }
        }
    }
}

impl std::error::Error for CanaryError {}

impl CanaryRule {
    /// These instances.
    pub fn named(instances: &[&str]) -> CanaryRule {
        let instances = instances.iter().map(|instance| (*instance).to_string()).collect();
        CanaryRule { instances, ..CanaryRule::default() }
    }

    /// A share of all instances.
    pub fn share(share_ppm: u32, salt: u64) -> CanaryRule {
        CanaryRule { share_ppm, salt, ..CanaryRule::default() }
    }

    /// Whether it can be meant.
    ///
    /// # Errors
    /// Says what to write instead.
    pub fn validate(&self) -> Result<(), CanaryError> {
        if self.share_ppm > WHOLE_PPM {
            Err(CanaryError::TooMuch(self.share_ppm))
        } else if self.instances.is_empty() && self.share_ppm == 0 {
            Err(CanaryError::Nobody)
        } else {
            Ok(())
        }
    }

    /// Whether it reaches an instance.
    pub fn reaches(&self, instance: &str) -> bool {
        let place = uniform(keyed_word(self.salt, fnv1a64(instance)), 0, u64::from(WHOLE_PPM) - 1);
        place < u64::from(self.share_ppm) || self.instances.contains(instance)
    }
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo).
fn fnv1a64(text: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
    text.bytes().fold(0xCBF2_9CE4_8422_2325, step)
}
