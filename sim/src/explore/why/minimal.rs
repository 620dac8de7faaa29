//! A smallest part of a list that still fails: delta debugging (Zeller and Hildebrandt, IEEE TSE 28(2), 2002) cut down
//! to what a handful of players needs. Halves are tried first, then one after the other.

use std::collections::BTreeSet;

/// A part of `players` that fails and of which no player can be left out. The empty part if that fails. `fails` is
/// asked about parts; all of them together are taken to fail.
pub(super) fn minimal(players: &[usize], fails: &mut dyn FnMut(&BTreeSet<usize>) -> bool) -> Vec<usize> {
    if fails(&BTreeSet::new()) {
        return Vec::new();
    }
    let mut kept: Vec<usize> = players.to_vec();
    let mut size = kept.len() / 2;
    while size > 0 {
        let mut from = 0;
        while from < kept.len() && kept.len() > 1 {
            let to = (from + size).min(kept.len());
            let rest: BTreeSet<usize> = kept[..from].iter().chain(&kept[to..]).copied().collect();
            if !rest.is_empty() && fails(&rest) {
                kept.drain(from..to);
            } else {
                from = to;
            }
        }
        size /= 2;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_fails_and_nothing_of_it_can_go() {
        let cases: [(&[usize], &[usize]); 4] = [
            (&[0, 1, 2, 3, 4, 5, 6], &[5]),
            (&[0, 1, 2, 3, 4, 5, 6], &[0, 6]),
            (&[3], &[3]),
            (&[1, 2, 3], &[1, 2, 3]),
        ];
        for (players, needed) in cases {
            let mut asked = 0;
            let found = minimal(players, &mut |there| {
                asked += 1;
                needed.iter().all(|player| there.contains(player))
            });
            assert_eq!(found, needed);
            assert!(asked <= 3 * players.len() + 1, "{asked} questions");
        }
    }

    #[test]
    fn nothing_is_needed_where_nothing_fails_already() {
        assert!(minimal(&[1, 2], &mut |_| true).is_empty());
    }
}
