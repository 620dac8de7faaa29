//! The `foreshock` command: hands the arguments to the library and its answer to the operating system. Nothing
//! else.

use std::process::ExitCode;

fn main() -> ExitCode {
    foreshock::Cli::new().run()
}
