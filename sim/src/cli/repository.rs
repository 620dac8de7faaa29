//! The scenarios of a project and their blessed reports: `scenarios/<family>/<name>.yaml` beside
//! `reports/<family>/<name>.json`. Finds and names files; runs nothing.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::exit::{Exit, Failure};

/// A folder that has a `scenarios` folder.
#[derive(Clone, Debug)]
pub(crate) struct Repository {
    root: PathBuf,
}

/// A scenario of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Where its blessed report is, or will be.
    pub(crate) golden: PathBuf,
    /// The folder below `scenarios`; empty if there is none.
    pub(crate) family: String,
    /// The file's name without the ending.
    pub(crate) name: String,
    /// The path from the root, with slashes.
    pub(crate) shown: String,
}

impl Entry {
    /// Where the blessed answer of `why` is, or will be.
    pub(crate) fn golden_answer(&self) -> PathBuf {
        self.golden.with_extension("why.json")
    }
}

const SCENARIOS: &str = "scenarios";
const REPORTS: &str = "reports";
/// Folders below `scenarios` are followed this deep.
const DEEPEST: usize = 8;

impl Repository {
    /// The nearest folder at or above `start` that has a `scenarios` folder.
    pub(crate) fn find(start: &Path) -> Option<Repository> {
        let start = start.canonicalize().ok()?;
        start
            .ancestors()
            .find(|folder| folder.join(SCENARIOS).is_dir())
            .map(|root| Repository { root: root.to_path_buf() })
    }

    /// The repository of the current folder.
    pub(crate) fn here() -> Result<Repository, Failure> {
        Repository::find(Path::new(".")).ok_or_else(|| {
            Failure::Told(
                Exit::InputOutput,
                "there is no `scenarios` folder here or above: change to the project, or name a scenario"
                    .to_string(),
            )
        })
    }

    /// All scenarios in the order of their paths.
    pub(crate) fn scenarios(&self) -> io::Result<Vec<Entry>> {
        let mut files = Vec::new();
        walk(&self.root.join(SCENARIOS), &["yaml", "yml"], DEEPEST, &mut files)?;
        Ok(files.iter().filter_map(|file| self.entry(file)).collect())
    }

    /// Blessed reports without a scenario.
    pub(crate) fn stale(&self, entries: &[Entry]) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        let reports = self.root.join(REPORTS);
        if reports.is_dir() {
            walk(&reports, &["json"], DEEPEST, &mut files)?;
        }
        files.retain(|file| {
            !entries.iter().any(|entry| entry.golden == *file || entry.golden_answer() == *file)
        });
        Ok(files)
    }

    /// The scenario at `path`, if it stands below `scenarios`.
    fn entry(&self, path: &Path) -> Option<Entry> {
        let below = path.strip_prefix(self.root.join(SCENARIOS)).ok()?;
        Some(Entry {
            path: path.to_path_buf(),
            golden: self.root.join(REPORTS).join(below).with_extension("json"),
            family: slashed(below.parent().unwrap_or(Path::new(""))),
            name: below.file_stem()?.to_string_lossy().into_owned(),
            shown: self.shown(path),
        })
    }

    /// The path from the root, with slashes.
    pub(crate) fn shown(&self, path: &Path) -> String {
        slashed(path.strip_prefix(&self.root).unwrap_or(path))
    }
}

/// A repository and some of its scenarios.
#[derive(Debug)]
pub(crate) struct Selection {
    /// Whose.
    pub(crate) repository: Repository,
    /// Which.
    pub(crate) entries: Vec<Entry>,
    /// Whether these are all there are.
    pub(crate) is_complete: bool,
}

/// The scenarios that `paths` name: files, or folders with all in them. No path stands for every scenario.
pub(crate) fn select(paths: &[PathBuf]) -> Result<Selection, Failure> {
    let read = |repository: &Repository| {
        repository.scenarios().map_err(|error| Failure::io("read", &repository.root.join(SCENARIOS), &error))
    };
    let Some(first) = paths.first() else {
        let repository = Repository::here()?;
        let entries = read(&repository)?;
        return Ok(Selection { repository, entries, is_complete: true });
    };
    let real = |path: &PathBuf| path.canonicalize().map_err(|error| Failure::io("find", path, &error));
    let repository = Repository::find(&real(first)?).or_else(|| Repository::find(Path::new(".")));
    let repository = repository.ok_or_else(|| {
        let first = first.display();
        Failure::usage(format!(
            "`{first}` belongs to no project: only what stands in a `scenarios` folder has a blessed report; \
             `foreshock run {first}` runs a scenario anywhere"
        ))
    })?;
    let all = read(&repository)?;
    let mut chosen: Vec<bool> = vec![false; all.len()];
    for path in paths {
        let wanted = real(path)?;
        let mut any = false;
        for (entry, chosen) in all.iter().zip(&mut chosen) {
            if entry.path.starts_with(&wanted) {
                *chosen = true;
                any = true;
            }
        }
        if !any {
            return Err(Failure::usage(format!(
                "`{}` holds no scenario below `{}`: only those have blessed reports",
                path.display(),
                repository.root.join(SCENARIOS).display()
            )));
        }
    }
    let is_complete = chosen.iter().all(|chosen| *chosen);
    let entries = all.into_iter().zip(chosen).filter(|(_, chosen)| *chosen).map(|(entry, _)| entry).collect();
    Ok(Selection { repository, entries, is_complete })
}

/// All files below `folder` with one of the endings, in the order of their paths; hidden ones are left out.
fn walk(folder: &Path, endings: &[&str], deeper: usize, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut paths =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<PathBuf>>>()?;
    paths.sort();
    for path in paths {
        let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
        if hidden {
            continue;
        }
        if path.is_dir() {
            if deeper > 0 {
                walk(&path, endings, deeper - 1, files)?;
            }
        } else if path.extension().and_then(OsStr::to_str).is_some_and(|ending| endings.contains(&ending)) {
            files.push(path);
        }
    }
    Ok(())
}

fn slashed(path: &Path) -> String {
    let parts = path.components().filter_map(|component| match component {
        Component::Normal(part) => Some(part.to_string_lossy()),
        Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => None,
    });
    parts.collect::<Vec<_>>().join("/")
}
