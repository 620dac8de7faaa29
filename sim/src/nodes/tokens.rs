//! Wake-ups of nodes that are not the end of a job's work: each has a word of its own here, far above the slots of
//! jobs, so that no two parts of one node mean the same.

use crate::cluster::Token;

/// Something that a kind waits for is due.
pub(super) const ALARM: Token = Token(0x00FF_FFFF);
/// The deadline of the store that a limit is shared through.
pub(super) const STORE: Token = Token(0x00FF_FFFE);
/// A collector of reports looks at its windows.
pub(super) const TICK: Token = Token(0x00FF_FFFD);
/// A report is due.
pub(super) const FLUSH: Token = Token(0x00FF_FFFC);
/// Whoever follows flags, or keeps them, has something to do.
pub(super) const FLAGS: Token = Token(0x00FF_FFFB);
/// The client of a configuration server has something to do.
pub(super) const CONFIG: Token = Token(0x00FF_FFFA);

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_words_mean_the_same() {
        let words = [ALARM, STORE, TICK, FLUSH, FLAGS, CONFIG];
        let distinct: BTreeSet<u32> = words.iter().map(|word| word.0).collect();
        assert_eq!(distinct.len(), words.len());
    }
}
