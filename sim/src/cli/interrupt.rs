//! Ctrl-C: the first asks to stop, so that whoever works can finish what runs and keep it; the second ends the
//! program at once.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use super::exit::{Exit, Failure};

static REQUESTED: AtomicBool = AtomicBool::new(false);
static LISTENING: OnceLock<Result<(), String>> = OnceLock::new();
/// What a shell says of a program that Ctrl-C ended.
const ENDED_BY_CTRL_C: i32 = 130;

/// Whether somebody asked to stop. From the first call on, Ctrl-C and a request to terminate set it.
///
/// # Errors
/// When the system does not let the program listen.
pub(super) fn requested() -> Result<&'static AtomicBool, Failure> {
    let listening = LISTENING.get_or_init(|| {
        let asked = || {
            if REQUESTED.swap(true, Ordering::Relaxed) {
                std::process::exit(ENDED_BY_CTRL_C);
            }
        };
        ctrlc::set_handler(asked).map_err(|error| error.to_string())
    });
    match listening {
        Ok(()) => Ok(&REQUESTED),
        Err(error) => Err(Failure::Told(Exit::InputOutput, format!("cannot listen for Ctrl-C: {error}"))),
    }
}
