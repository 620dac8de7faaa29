//! A folder for one test, scenarios to put into it, and the program to run there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A folder that starts empty.
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
}

/// What the program did.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Folder {
    pub(crate) fn new(test: &str) -> Folder {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli").join(test);
        if path.exists() {
            fs::remove_dir_all(&path).expect("the folder of an earlier run can be removed");
        }
        fs::create_dir_all(&path).expect("a folder can be made");
        Folder { path }
    }

    /// A folder with a `scenarios` folder that holds these files.
    pub(crate) fn with_scenarios(test: &str, files: &[(&str, &str)]) -> Folder {
        let folder = Folder::new(test);
        fs::create_dir_all(folder.path.join("scenarios")).expect("a folder can be made");
        for (name, text) in files {
            folder.write(&format!("scenarios/{name}"), text);
        }
        folder
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path.join(name);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder can be made");
        fs::write(path, text).expect("a file can be written");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        self.path.join(name).exists()
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_foreshock"));
        command.current_dir(&self.path).stdin(Stdio::null()).env_remove("NO_COLOR");
        command
    }

    /// Runs the program with these arguments, which are split at spaces.
    pub(crate) fn foreshock(&self, arguments: &str) -> Done {
        let output = self.command().args(arguments.split_whitespace()).output().expect("the program starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program writes text");
        let code = output.status.code().unwrap_or_else(|| panic!("{arguments}: ended by a signal"));
        let done = Done { code, out: text(output.stdout), err: text(output.stderr) };
        assert!(!done.err.contains("panicked"), "{arguments}: {}", done.err);
        for stream in [&done.out, &done.err] {
            assert!(!stream.contains('\u{1b}'), "{arguments}: colour where nobody looks: {stream}");
        }
        done
    }
}

/// Ten seconds of a service with room to spare.
pub(crate) const CALM: &str = "\
version: 1
name: calm
about: A service with room to spare. Nothing happens.
seed: 42
run: {duration: 10s, drain: 2s}
services:
  shop: {workers: 4, queue: {capacity: 16}, service_time: {exponential: {mean: 10ms}}}
load:
  - {name: buyers, to: shop, rate: 50/s, timeout: 1s}
slo:
  - {id: errors, metric: error_rate, of: buyers, must_be: '< 1%'}
";

/// The same with too few workers.
pub(crate) fn overloaded() -> String {
    CALM.replace("name: calm", "name: overloaded").replace("workers: 4", "workers: 1").replace("10ms", "50ms")
}
