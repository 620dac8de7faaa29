//! Where in a document something stands: keys and positions from the top down.

use std::fmt;

/// A way through a document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Path(Vec<Step>);

/// One step down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Into a mapping.
    Key(String),
    /// Into a list.
    Index(usize),
}

impl Path {
    /// The whole document.
    pub(crate) fn root() -> Path {
        Path::default()
    }

    /// The value of `key` below this.
    pub(crate) fn key(&self, key: &str) -> Path {
        let mut path = self.clone();
        path.0.push(Step::Key(key.to_string()));
        path
    }

    /// The element at `index` below this.
    pub(crate) fn index(&self, index: usize) -> Path {
        let mut path = self.clone();
        path.0.push(Step::Index(index));
        path
    }

    /// Whether this is `other` or below it.
    pub(crate) fn is_within(&self, other: &Path) -> bool {
        self.0.starts_with(&other.0)
    }

    /// From the top down.
    pub(crate) fn steps(&self) -> &[Step] {
        &self.0
    }
}

/// Where something was taken out of a document because it could not be read. Absence there is no finding.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lost {
    places: Vec<Path>,
    everywhere: bool,
}

/// Places remembered one by one.
const MOST_PLACES: usize = 1_000;

impl Lost {
    /// Something is missing at `path`.
    pub(crate) fn add(&mut self, path: Path) {
        if self.places.len() < MOST_PLACES {
            self.places.push(path);
        } else {
            self.everywhere = true;
        }
    }

    /// Something may be missing anywhere.
    pub(crate) fn add_everywhere(&mut self) {
        self.everywhere = true;
    }

    /// Whether nothing was taken out at or below `path`.
    pub(crate) fn is_whole(&self, path: &Path) -> bool {
        !self.everywhere && !self.places.iter().any(|lost| lost.is_within(path))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if position == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}
