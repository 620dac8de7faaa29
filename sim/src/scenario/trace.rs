//! Recorded arrivals: a text with one line `<since start> [operation] [key]` for each request. Reads text that
//! somebody else fetched; never opens a file.

use std::sync::Arc;

use indexmap::IndexSet;

use super::Files;
use super::plan::{Arrivals, OperationId, Plan, TraceArrival};
use super::quantity::Problem;
use super::suggest;
use crate::kernel::time::{Span, Time};

/// Recorded arrivals with the names of their operations.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Recorded {
    /// Operation names; the arrivals' operation ids are positions in this list.
    pub(crate) operations: Vec<String>,
    /// In order of time.
    pub(crate) arrivals: Arc<Vec<TraceArrival>>,
}

/// Where recorded arrivals come from.
pub(crate) trait Traces {
    /// The arrivals of the load called `load`, whose scenario names `file`.
    fn recorded(&self, load: &str, file: &str) -> Result<Recorded, Problem>;
}

/// From files.
pub(crate) struct FromFiles<'a>(pub(crate) &'a dyn Files);

impl Traces for FromFiles<'_> {
    fn recorded(&self, _load: &str, file: &str) -> Result<Recorded, Problem> {
        let text = self.0.read(file).map_err(|reason| {
            let help = "the path is relative to the scenario file";
            Problem::new(format!("cannot read the trace `{file}`: {reason}"), help)
        })?;
        read(&text).map_err(|(line, problem)| Problem {
            message: format!("{file}:{line}: {}", problem.message),
            help: problem.help,
        })
    }
}

/// From the first of several plans that has them.
pub(crate) struct FromPlans<'a>(pub(crate) &'a [&'a Plan]);

impl Traces for FromPlans<'_> {
    fn recorded(&self, load: &str, file: &str) -> Result<Recorded, Problem> {
        let mut first_problem = None;
        for plan in self.0 {
            match FromPlan(plan).recorded(load, file) {
                Ok(recorded) => return Ok(recorded),
                Err(problem) => {
                    first_problem.get_or_insert(problem);
                }
            }
        }
        Err(first_problem.unwrap_or_else(|| not_here(file)))
    }
}

/// From a plan that was made before, whose files are not read again.
pub(crate) struct FromPlan<'a>(pub(crate) &'a Plan);

impl Traces for FromPlan<'_> {
    fn recorded(&self, load: &str, file: &str) -> Result<Recorded, Problem> {
        let loads: Vec<&str> = self.0.loads.iter().map(|plan| plan.name.as_str()).collect();
        let known = self.0.loads.iter().zip(traced_files(self.0)).find(|(plan, _)| plan.name == load);
        match known {
            Some((plan, Some(known_file))) if known_file == file => match &plan.arrivals {
                Arrivals::Trace(arrivals) => {
                    Ok(Recorded { operations: self.0.operations.clone(), arrivals: Arc::clone(arrivals) })
                }
                Arrivals::Poisson(_) | Arrivals::Constant(_) | Arrivals::Closed { .. } => Err(not_here(file)),
            },
            Some(_) => Err(not_here(file)),
            None => {
                Err(Problem { message: format!("unknown load `{load}`"), help: suggest::help(load, &loads) })
            }
        }
    }
}

fn not_here(file: &str) -> Problem {
    Problem::new(format!("the trace `{file}` is not loaded"), "change the trace in the scenario file itself")
}

/// The trace file of each load of a plan, as its document names it.
fn traced_files(plan: &Plan) -> Vec<Option<&str>> {
    let loads = plan.document.get("load").and_then(serde_json::Value::as_array);
    loads.map_or(Vec::new(), |loads| {
        loads
            .iter()
            .map(|load| load.get("arrivals").and_then(|arrivals| arrivals.get("trace")?.as_str()))
            .collect()
    })
}

/// Reads a trace.
///
/// # Errors
/// The number of the first line that cannot be read, and why.
pub(crate) fn read(text: &str) -> Result<Recorded, (usize, Problem)> {
    let mut operations: IndexSet<String> = IndexSet::new();
    let mut arrivals: Vec<TraceArrival> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let arrival = arrival(line, &mut operations).map_err(|problem| (index + 1, problem))?;
        if arrivals.last().is_some_and(|last| last.at > arrival.at) {
            let help = "sort the lines by time";
            return Err((index + 1, Problem::new("this request starts before the one above", help)));
        }
        arrivals.push(arrival);
    }
    Ok(Recorded { operations: operations.into_iter().collect(), arrivals: Arc::new(arrivals) })
}

fn arrival(line: &str, operations: &mut IndexSet<String>) -> Result<TraceArrival, Problem> {
    let mut words = line.split_whitespace();
    let since_start = words.next().unwrap_or_default();
    let since_start: Span = since_start.parse().map_err(|error| Problem {
        message: format!("{error}"),
        help: Some("a line reads `<since start> [operation] [key]`, as in `1.5s buy 42`".to_string()),
    })?;
    let (operation, key) = match (words.next(), words.next()) {
        (None, _) => (None, None),
        (Some(word), None) => match word.parse::<u64>() {
            Ok(key) => (None, Some(key)),
            Err(_) => (Some(word), None),
        },
        (Some(operation), Some(key)) => match key.parse::<u64>() {
            Ok(key) => (Some(operation), Some(key)),
            Err(_) => {
                return Err(Problem::new(
                    format!("the key `{key}` is not a whole number"),
                    "write it as in `42`",
                ));
            }
        },
    };
    if let Some(extra) = words.next() {
        return Err(Problem::new(
            format!("`{extra}` is one word too many"),
            "a line reads `<since start> [operation] [key]`",
        ));
    }
    let operation = operation.map(|name| match operations.get_index_of(name) {
        Some(index) => OperationId(index as u32),
        None => OperationId(operations.insert_full(name.to_string()).0 as u32),
    });
    Ok(TraceArrival { at: Time::ZERO + since_start, operation, key })
}
