//! What becomes of the permits saved up when the limit changes while running. The four strategies are Bucket4j's
//! (`TokensInheritanceStrategy`). Pure arithmetic: never looks at a clock.

/// What becomes of the permits saved up when the limit changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Inherit {
    /// They stay, as far as the new capacity has room for them. Bucket4j: `AS_IS`.
    #[default]
    Keep,
    /// The same share of the new capacity as of the old one, rounded down.
    Proportional,
    /// They stay, and what the capacity grew by comes on top; a smaller capacity cuts them.
    Add,
    /// A full bucket, as if new.
    Reset,
}

impl Inherit {
    /// The level under the new capacity of `capacity` permits of `permit` units each. `level` and the former
    /// capacity `former` are in the same new units, both below 2^126; `level <= former`. A debt below zero is
    /// owed under every strategy but [`Inherit::Reset`].
    pub(super) fn level(self, level: i128, former: u128, capacity: u64, permit: u64) -> i128 {
        let full = (u128::from(capacity) * u128::from(permit)) as i128;
        match self {
            Inherit::Reset => full,
            Inherit::Keep => level.min(full),
            Inherit::Add => level.saturating_add((full - former as i128).max(0)).min(full),
            Inherit::Proportional if level <= 0 => level,
            Inherit::Proportional => share(level as u128, former, capacity, permit) as i128,
        }
    }
}

/// `capacity * permit * level / former`, rounded down. Exact for `former` below 2^63; above it both are cut to 63
/// significant bits, which rounds the share by less than a part in 2^62.
fn share(level: u128, former: u128, capacity: u64, permit: u64) -> u128 {
    let excess_bits = (u128::BITS - former.leading_zeros()).saturating_sub(63);
    let (level, former) = (level >> excess_bits, former >> excess_bits);
    if former == 0 {
        return 0;
    }
    let product = level.min(former) * u128::from(capacity);
    let (whole, rest) = (product / former, product % former);
    whole * u128::from(permit) + rest * u128::from(permit) / former
}
