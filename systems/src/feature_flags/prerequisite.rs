//! Which flags wait for themselves. Found once for every revision, so that no evaluation has to look for it.

use super::flag::Flag;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The flags that lie on a cycle of dependencies. Those that only lead to one do not count: their parent is malformed,
/// they are not.
pub(super) fn flags_on_cycles(flags: &BTreeMap<Arc<str>, Arc<Flag>>) -> BTreeSet<Arc<str>> {
    let mut search = Search { flags, visited: BTreeMap::new(), stack: Vec::new(), found: BTreeSet::new() };
    for flag in flags.values().filter(|flag| !flag.dependencies.is_empty()) {
        search.from(flag);
    }
    search.found
}

/// Tarjan's search for strongly connected components (1972), with a stack of its own: a chain of dependencies may be
/// longer than the thread's.
struct Search<'f> {
    flags: &'f BTreeMap<Arc<str>, Arc<Flag>>,
    visited: BTreeMap<&'f str, Visit>,
    /// Visited, and not yet known to which component they belong.
    stack: Vec<&'f Flag>,
    found: BTreeSet<Arc<str>>,
}

#[derive(Clone, Copy)]
struct Visit {
    number: usize,
    /// The lowest number that can be reached.
    lowest: usize,
    is_open: bool,
}

impl<'f> Search<'f> {
    fn from(&mut self, flag: &'f Flag) {
        if self.visited.contains_key(flag.name()) {
            return;
        }
        // Each flag on the path with the index of the dependency that is looked at next.
        let mut path = vec![(flag, 0)];
        self.open(flag);
        while let Some((flag, next)) = path.last_mut() {
            let flag = *flag;
            let Some(dependency) = flag.dependencies.get(*next) else {
                path.pop();
                let lowest = self.close(flag);
                if let Some((parent, _)) = path.last() {
                    self.lower(parent.name(), lowest);
                }
                continue;
            };
            *next += 1;
            let Some(parent) = self.flags.get(&dependency.flag) else { continue };
            match self.visited.get(parent.name()).copied() {
                Some(visit) if visit.is_open => self.lower(flag.name(), visit.number),
                Some(_) => {}
                None => {
                    self.open(parent);
                    path.push((parent, 0));
                }
            }
        }
    }

    fn open(&mut self, flag: &'f Flag) {
        let number = self.visited.len();
        self.visited.insert(flag.name(), Visit { number, lowest: number, is_open: true });
        self.stack.push(flag);
    }

    fn lower(&mut self, name: &str, lowest: usize) {
        if let Some(visit) = self.visited.get_mut(name) {
            visit.lowest = visit.lowest.min(lowest);
        }
    }

    /// Everything that can be reached from `flag` has been visited. If it can reach nothing older, it and what has been
    /// put on the stack after it are a component. Returns the lowest number that it can reach.
    fn close(&mut self, flag: &'f Flag) -> usize {
        let Some(visit) = self.visited.get(flag.name()).copied() else { return usize::MAX };
        if visit.lowest == visit.number {
            let start = self.stack.iter().rposition(|open| std::ptr::eq(*open, flag)).unwrap_or(0);
            let component = self.stack.split_off(start);
            let waits_for_itself = flag.dependencies.iter().any(|parent| parent.flag == flag.name);
            for member in &component {
                if let Some(visit) = self.visited.get_mut(member.name()) {
                    visit.is_open = false;
                }
                if component.len() > 1 || waits_for_itself {
                    self.found.insert(Arc::clone(&member.name));
                }
            }
        }
        visit.lowest
    }
}
