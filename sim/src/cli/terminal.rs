//! Where a command's words go. Knows whether a person is looking: colour and progress appear only then. A reader
//! that has gone away (`foreshock list | head -1`) ends the output quietly.

use std::fmt;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use serde_json::Value;

use super::exit::{Failure, findings_to_json};
use super::format::Format;
use super::scenario::is_coloured;
use crate::report::Style;
use crate::scenario::Diagnostics;

/// Standard output and error of a command.
pub(crate) struct Terminal {
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    out_style: Style,
    err_style: Style,
    shows_progress: bool,
    /// To whom standard error speaks.
    complains_as: Format,
    /// The first failure to write that is not a reader gone away.
    failure: Option<io::Error>,
}

impl Terminal {
    /// Those of the process.
    pub(crate) fn of_process() -> Terminal {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        let style = |is_terminal: bool| {
            if is_terminal && !no_color && !dumb { Style::Coloured } else { Style::Plain }
        };
        let (out, err) = (io::stdout(), io::stderr());
        Terminal {
            out_style: style(out.is_terminal()),
            err_style: style(err.is_terminal()),
            shows_progress: err.is_terminal() && !dumb,
            out: Box::new(io::BufWriter::new(out)),
            err: Box::new(err),
            complains_as: Format::Text,
            failure: None,
        }
    }

    /// Whether standard output may hold colour.
    pub(crate) fn style(&self) -> Style {
        self.out_style
    }

    /// Whether standard error may hold colour.
    pub(crate) fn error_style(&self) -> Style {
        self.err_style
    }

    /// Writes `text` as it is to standard output.
    pub(crate) fn print(&mut self, text: &str) {
        let written = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
        if let Err(error) = written {
            self.out = Box::new(io::sink());
            if error.kind() != ErrorKind::BrokenPipe {
                self.failure.get_or_insert(error);
            }
        }
    }

    /// Writes `text` and a line feed to standard output.
    pub(crate) fn line(&mut self, text: &str) {
        self.print(&format!("{text}\n"));
    }

    /// Writes `text` and a line feed to standard error. A failure to do so cannot be told anyone.
    pub(crate) fn error_line(&mut self, text: &str) {
        let _ = writeln!(self.err, "{text}").and_then(|()| self.err.flush());
    }

    /// From here on complaints are made for the readers of this format.
    pub(crate) fn complain_as(&mut self, format: Format) {
        self.complains_as = format;
    }

    /// Says on standard error why something could not be done: to programs in one line of JSON.
    pub(crate) fn complain(&mut self, failure: &Failure) {
        match self.complains_as {
            Format::Text => self.error_line(&failure.render(is_coloured(self.err_style))),
            Format::Json => self.error_line(&sorted(failure.to_json())),
        }
    }

    /// Says on standard error what is doubtful about the scenario `file`, which can be run all the same.
    pub(crate) fn warn(&mut self, file: &str, found: &Diagnostics) {
        match self.complains_as {
            _ if found.is_empty() => {}
            Format::Text => self.error_line(found.plain(file).trim_end()),
            Format::Json => self.error_line(&sorted(findings_to_json(file, found))),
        }
    }

    /// The first failure to write to standard output, if there was one.
    pub(crate) fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    /// A bar that counts to `steps`, or for one step a clock that shows that something is going on. It appears
    /// after a second, only to a person, and is gone when it is dropped.
    pub(crate) fn progress(&self, steps: u64, what: &str) -> Progress {
        if !self.shows_progress {
            return Progress::default();
        }
        let what = what.to_string();
        let status = move |state: &ProgressState, out: &mut dyn fmt::Write| {
            let elapsed = state.elapsed();
            if elapsed < APPEARS_AFTER {
                return;
            }
            let _ = match state.len() {
                Some(steps) if steps > 1 => {
                    write!(out, "{what}: {} of {steps}, {} s", state.pos(), elapsed.as_secs())
                }
                Some(_) | None => write!(out, "{what}: {} s", elapsed.as_secs()),
            };
        };
        Progress { bar: Some(bar(steps, status)), failures: None }
    }

    /// The same for the seeds of a sweep, with how many a second, how many failed and how long it will take.
    pub(crate) fn sweep_progress(&self, seeds: u64, what: &str) -> Progress {
        if !self.shows_progress {
            return Progress::default();
        }
        let failures = Arc::new(AtomicU64::new(0));
        let (what, counted) = (what.to_string(), Arc::clone(&failures));
        let status = move |state: &ProgressState, out: &mut dyn fmt::Write| {
            if state.elapsed() < APPEARS_AFTER {
                return;
            }
            let _ = write!(
                out,
                "{what}: {} of {seeds} seeds, {} a second, {} failed, {} s left",
                state.pos(),
                state.per_sec() as u64,
                counted.load(Ordering::Relaxed),
                state.eta().as_secs()
            );
        };
        Progress { bar: Some(bar(seeds, status)), failures: Some(failures) }
    }
}

/// JSON on one line.
fn sorted(mut value: Value) -> String {
    value.sort_all_objects();
    value.to_string()
}

/// A bar that says `status`.
fn bar(
    steps: u64,
    status: impl Fn(&ProgressState, &mut dyn fmt::Write) + Clone + Send + Sync + 'static,
) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr());
    // A template that cannot be read leaves the bar as it is by default: no reason to stop a run.
    if let Ok(style) = ProgressStyle::with_template("{status}") {
        bar.set_style(style.with_key("status", status));
    }
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

/// A bar appears after this time.
const APPEARS_AFTER: Duration = Duration::from_secs(1);

/// A progress bar, if a person is looking.
#[derive(Default)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    failures: Option<Arc<AtomicU64>>,
}

impl Progress {
    /// One step is done.
    pub(crate) fn step(&self) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }

    /// One more seed is done; so many failed so far.
    pub(crate) fn step_with_failures(&self, failures: u64) {
        if let Some(counted) = &self.failures {
            counted.store(failures, Ordering::Relaxed);
        }
        self.step();
    }

    /// How long it has been there, if a person is looking.
    pub(crate) fn took(&self) -> Option<Duration> {
        self.bar.as_ref().map(ProgressBar::elapsed)
    }

    /// Does `write` with the bar out of the way.
    pub(crate) fn aside(&self, write: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
