//! `Lineage`: who a request is to chance, whatever else happens around it.
//! Never holds a global counter or a position along the way, so an inserted hop shifts nobody's draws.

use xxhash_rust::xxh3::xxh3_64;

use super::{PI, fold, wide};

/// The identity of what happens to a request: a hash of the client, the request's number, the calls and the
/// attempts that led here.
///
/// ```text
/// let request = Lineage::root(name_hash("buyers"), 17);
/// let attempt = request.call(name_hash("checkout -> orders-db"), 0).attempt(2);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lineage(pub u64);

impl Lineage {
    /// Request number `request_number` of the client whose name hashes to `client`.
    #[inline]
    pub fn root(client: u64, request_number: u64) -> Lineage {
        Lineage(client).then(request_number, 0, &PI[0..4])
    }

    /// The call over the edge whose name hashes to `edge`; `occurrence` counts the calls of this request over
    /// this very edge.
    #[inline]
    pub fn call(self, edge: u64, occurrence: u32) -> Lineage {
        self.then(edge, u64::from(occurrence), &PI[4..8])
    }

    /// Attempt number `attempt` of this call.
    #[inline]
    pub fn attempt(self, attempt: u32) -> Lineage {
        self.then(u64::from(attempt), 0, &PI[8..12])
    }

    /// The identity as the word that [`super::Key::draw`] takes.
    #[inline]
    pub fn raw(self) -> u64 {
        self.0
    }

    /// The lineage one step on; `family` keeps the kinds of steps apart.
    #[inline]
    fn then(self, step: u64, which: u64, family: &[u64]) -> Lineage {
        /// Odd, so that no two numbers are spread to one: 2^64 divided by the golden ratio.
        const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
        let (low, high) = wide(self.0 ^ family[0], step ^ family[1]);
        Lineage(fold(low ^ which.wrapping_mul(SPREAD) ^ family[2], high ^ family[3]))
    }
}

/// The hash of a name, as [`Lineage::root`] and [`Lineage::call`] take it.
pub fn name_hash(name: &str) -> u64 {
    xxh3_64(name.as_bytes())
}
