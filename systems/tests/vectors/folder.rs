//! Where the data stands. A test whose data is absent says so and ends; a folder that was named on purpose and holds
//! nothing is a failure.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// The variable that names the folder of vectors.
const VARIABLE: &str = "FORESHOCK_VECTORS";

/// The file or folder `name` below the folder of vectors; `None`, said on the standard output, if there is none.
///
/// # Panics
/// If [`VARIABLE`] is set and what is asked for is missing or empty.
pub(crate) fn vectors(name: &str) -> Option<PathBuf> {
    let named = env::var_os(VARIABLE).filter(|value| !value.is_empty());
    find(named.map(PathBuf::from), name)
}

/// The file of published results; `None`, said on the standard output, if it is not there.
pub(crate) fn reference_cases() -> Option<PathBuf> {
    let path = beside_the_checkout("cases/reference.yaml");
    if holds_something(&path) {
        return Some(path);
    }
    println!("skipped: no published results at {}", path.display());
    None
}

fn find(named: Option<PathBuf>, name: &str) -> Option<PathBuf> {
    let is_named = named.is_some();
    let path = named.unwrap_or_else(|| beside_the_checkout("vectors")).join(name);
    if holds_something(&path) {
        return Some(path);
    }
    assert!(!is_named, "{VARIABLE} is set, but {} is missing or empty", path.display());
    println!("skipped: no vectors at {}; set {VARIABLE} to the folder that has them", path.display());
    None
}

fn beside_the_checkout(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(name)
}

fn holds_something(path: &Path) -> bool {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some()),
        Ok(found) => found.len() > 0,
        Err(_) => false,
    }
}

#[test]
#[should_panic(expected = "is missing or empty")]
fn a_folder_named_on_purpose_has_to_hold_something() {
    let empty = env::temp_dir().join(format!("foreshock-no-vectors-{}", std::process::id()));
    fs::create_dir_all(&empty).expect("the folder for temporary files can be written");
    find(Some(empty), "hdr");
}
