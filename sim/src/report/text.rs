//! The report for people: verdict and objectives first, then what happened. Plain text of about 60 lines at
//! most, made to be read at 100 columns; colour is added only where it is asked for.

use std::fmt::Write;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::humanise::{count, counted, duration_us, instant_us, milli, share_of, share_ppm};
use super::model::{CallReport, LoadReport, MarkReport, Report, ServiceReport, SloReport};

/// Whether text may hold terminal colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// None.
    Plain,
    /// ANSI escape sequences.
    Coloured,
}

/// What a colour says.
#[derive(Clone, Copy)]
pub(crate) enum Role {
    Heading,
    Good,
    Bad,
    Aside,
}

impl Style {
    /// `text` in the colour of `role`, or as it is.
    pub(crate) fn paint(self, role: Role, text: &str) -> String {
        let code = match role {
            Role::Heading => "1",
            Role::Good => "1;32",
            Role::Bad => "1;31",
            Role::Aside => "2",
        };
        match self {
            Style::Plain => text.to_string(),
            Style::Coloured => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }
}

/// Columns that text is wrapped at.
const WIDTH: usize = 100;
/// Lines that a report should not have more of.
const MOST_LINES: usize = 60;

/// How many rows of each section are shown.
#[derive(Clone, Copy)]
struct Rows {
    slo: usize,
    timeline: usize,
    load: usize,
    services: usize,
    calls: usize,
    systems: usize,
    findings: usize,
}

/// The first that fits is taken, or the last.
const FITTINGS: [Rows; 4] = [
    Rows { slo: 40, timeline: 40, load: 20, services: 40, calls: 40, systems: 20, findings: 20 },
    Rows { slo: 16, timeline: 12, load: 5, services: 10, calls: 10, systems: 6, findings: 8 },
    Rows { slo: 10, timeline: 8, load: 2, services: 7, calls: 7, systems: 3, findings: 5 },
    Rows { slo: 5, timeline: 4, load: 1, services: 5, calls: 5, systems: 2, findings: 3 },
];

/// The report as text; `reproduce` is the command that runs it again.
pub fn to_text(report: &Report, reproduce: &str, style: Style) -> String {
    let mut text = String::new();
    for rows in FITTINGS {
        text = render(report, reproduce, style, rows);
        if text.lines().count() <= MOST_LINES {
            break;
        }
    }
    text
}

fn render(report: &Report, reproduce: &str, style: Style, rows: Rows) -> String {
    let sections = [
        ("", verdict(report, style)),
        ("", objectives(report, style, rows.slo)),
        ("What happened", timeline(report, rows.timeline)),
        ("Load", load(report, rows.load)),
        ("Services", services(report, rows.services)),
        ("Calls", calls(report, rows.calls)),
        ("Systems", systems(report, rows.systems)),
        ("Findings", findings(report, rows.findings)),
    ];
    let mut text = String::new();
    for (heading, body) in sections {
        if body.is_empty() {
            continue;
        }
        if !heading.is_empty() {
            let _ = writeln!(text, "{}", style.paint(Role::Heading, heading));
        }
        text.push_str(&body);
        text.push('\n');
    }
    let _ = writeln!(text, "{}", style.paint(Role::Aside, &format!("reproduce: {reproduce}")));
    text
}

fn verdict(report: &Report, style: Style) -> String {
    let verdict = &report.verdict;
    let outcome = verdict.outcome.to_uppercase();
    let role = if verdict.as_expected { Role::Good } else { Role::Bad };
    let said = if verdict.as_expected { "as expected" } else { "NOT as expected" };
    let mut text = format!("{}: {}\n", report.scenario, style.paint(role, &format!("{outcome}, {said}")));
    for surprise in &verdict.surprises {
        let _ = writeln!(text, "  {surprise}");
    }
    let _ = writeln!(
        text,
        "  seed {}, {} of load, ended at {} ({}), {} events, fingerprint {}",
        report.seed,
        instant_us(report.run.duration_us),
        instant_us(report.ended_us),
        report.stop.replace('_', " "),
        count(report.events),
        report.fingerprint
    );
    text
}

fn objectives(report: &Report, style: Style, most: usize) -> String {
    let mut text = String::new();
    if !report.slo.is_empty() {
        let shown = choose(&report.slo, most, |slo| u64::from(!slo.held));
        let rows = shown.iter().map(|slo| {
            let measured = match slo.value {
                Some(value) => slo_value(slo, value),
                None if slo.metric == "recovery_time" && !slo.held => "never".to_string(),
                None => "-".to_string(),
            };
            vec![
                slo.id.clone(),
                slo.metric.clone(),
                slo.of.clone(),
                slo.bound.clone(),
                slo.window.clone(),
                measured,
                slo_state(slo),
            ]
        });
        let header = ["objective", "metric", "of", "must be", "when", "measured", ""];
        let rows = table(&header, &[5], rows, report.slo.len() - shown.len());
        text.push_str(&rows.replace("BROKEN", &style.paint(Role::Bad, "BROKEN")));
    }
    let broken: Vec<_> = report.invariants.iter().filter(|invariant| !invariant.held).collect();
    if broken.is_empty() {
        let _ = writeln!(text, "  invariants: all {} held", report.invariants.len());
    }
    for invariant in broken.iter().take(most) {
        let line = format!(
            "invariant {} {} (seen {}, first at {}): {}",
            invariant.id,
            style.paint(Role::Bad, "BROKEN"),
            counted(invariant.violations, "time"),
            invariant.first_us.map_or_else(|| "the end".to_string(), instant_us),
            invariant.witness.as_deref().unwrap_or("no witness")
        );
        text.push_str(&wrapped("  ", "    ", &line));
    }
    if !report.sometimes.is_empty() {
        let of = |mark: &MarkReport| format!("{} {}", mark.id, if mark.hit { "hit" } else { "not hit" });
        let marks: Vec<String> = report.sometimes.iter().map(of).collect();
        text.push_str(&wrapped("  ", "    ", &format!("sometimes: {}", marks.join(", "))));
    }
    text.push_str(&recovery(report, style));
    text
}

fn slo_value(slo: &SloReport, value: u64) -> String {
    in_unit(slo.unit, value)
}

/// A value in the unit of its objective.
pub(crate) fn in_unit(unit: &str, value: u64) -> String {
    match unit {
        "us" => duration_us(value),
        "ppm" => share_ppm(value),
        "milli_per_s" => format!("{}/s", milli(value)),
        _ => milli(value),
    }
}

fn slo_state(slo: &SloReport) -> String {
    match (slo.held, slo.first_broken_us, slo.held_from_us) {
        (true, _, _) if slo.not_judged.is_some() => "not judged".to_string(),
        (true, _, Some(from)) => format!("held from {}", instant_us(from)),
        (true, _, None) => "held".to_string(),
        (false, Some(at), _) => format!("BROKEN from {}", instant_us(at)),
        (false, None, _) => "BROKEN".to_string(),
    }
}

fn recovery(report: &Report, style: Style) -> String {
    let liveness = &report.liveness;
    let Some((ended, fault)) = liveness.last_fault_ended_us.zip(liveness.last_fault.as_ref()) else {
        return String::new();
    };
    let loads = liveness.loads.iter().filter(|(_, recovery)| recovery.judged);
    let fates: Vec<String> = loads
        .map(|(name, recovery)| match recovery.recovered_at_us {
            Some(at) if at <= ended => format!("{name} was well at once"),
            Some(at) => format!("{name} was well again after {}", duration_us(at - ended)),
            None => format!("{name} {}", style.paint(Role::Bad, "did not recover")),
        })
        .collect();
    if fates.is_empty() {
        return String::new();
    }
    let required = liveness.required_us.map_or_else(String::new, |within| {
        let state = if liveness.held { "held".to_string() } else { style.paint(Role::Bad, "BROKEN") };
        format!("; must be within {}: {state}", instant_us(within))
    });
    let line =
        format!("recovery after {fault} ended at {}: {}{required}", instant_us(ended), fates.join(", "));
    wrapped("  ", "    ", &line)
}

fn timeline(report: &Report, most: usize) -> String {
    let rows = report.timeline.iter().take(most).map(|event| {
        vec![
            instant_us(event.at_us),
            event.id.clone(),
            event.kind.to_string(),
            event.phase.to_string(),
            event.detail.clone(),
        ]
    });
    table(&[], &[0], rows, report.timeline.len().saturating_sub(most))
}

fn load(report: &Report, most: usize) -> String {
    let all: Vec<(&String, &LoadReport)> = report.load.iter().collect();
    let shown = choose(&all, most, |(_, load)| load.failed.values().sum());
    let rows = shown.iter().map(|(name, load)| {
        vec![
            name.to_string(),
            count(load.offered),
            count(load.good),
            share_of(load.good, load.offered).unwrap_or_else(|| "-".to_string()),
            count(load.failed.values().sum()),
            times(load.attempts, load.offered),
            duration_us(load.latency_us.p50),
            duration_us(load.latency_us.p99),
            duration_us(load.latency_us.p999),
            duration_us(load.latency_us.max),
        ]
    });
    let header = ["", "offered", "good", "share", "failed", "attempts", "p50", "p99", "p999", "max"];
    let mut text = table(&header, &[1, 2, 3, 4, 5, 6, 7, 8, 9], rows, all.len() - shown.len());
    for (name, load) in &shown {
        let reasons: Vec<String> =
            load.failed.iter().map(|(reason, failed)| format!("{reason} {}", count(*failed))).collect();
        if !reasons.is_empty() {
            text.push_str(&wrapped(
                "  ",
                "    ",
                &format!("{name}, failed requests: {}", reasons.join(", ")),
            ));
        }
        let path = &load.path_us;
        let parts = [
            ("service", path.service),
            ("queue", path.queue),
            ("network", path.network),
            ("waiting", path.waiting),
            ("retrying", path.retrying),
        ];
        let whole = parts.iter().fold(0_u64, |sum, (_, part)| sum.saturating_add(*part));
        let shares: Vec<String> = parts
            .iter()
            .filter(|(_, part)| *part > 0)
            .filter_map(|(part_name, part)| Some(format!("{part_name} {}", share_of(*part, whole)?)))
            .collect();
        if !shares.is_empty() {
            let line = format!("{name}, time of good requests: {}", shares.join(", "));
            text.push_str(&wrapped("  ", "    ", &line));
        }
    }
    text
}

fn services(report: &Report, most: usize) -> String {
    let all: Vec<(&String, &ServiceReport)> = report.services.iter().collect();
    let shown = choose(&all, most, |(_, service)| {
        dropped(service).saturating_add(service.rejected).saturating_add(service.abandoned)
    });
    let rows = shown.iter().map(|(name, service)| {
        vec![
            name.to_string(),
            count(service.arrivals),
            count(service.completed),
            count(service.rejected),
            count(dropped(service)),
            count(service.abandoned),
            share_ppm(service.utilization_ppm),
            milli(service.queue.mean_milli),
            count(service.queue.max),
            duration_us(service.wait_us.p99),
            duration_us(service.service_us.p99),
        ]
    });
    let header = [
        "",
        "arrivals",
        "completed",
        "rejected",
        "dropped",
        "abandoned",
        "busy",
        "queue",
        "max",
        "wait p99",
        "work p99",
    ];
    table(&header, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], rows, all.len() - shown.len())
}

/// What a service neither completed nor refused for lack of a place.
fn dropped(service: &ServiceReport) -> u64 {
    [service.errors, service.expired, service.shed, service.cancelled, service.lost]
        .into_iter()
        .fold(0, u64::saturating_add)
}

fn calls(report: &Report, most: usize) -> String {
    let all: Vec<(&String, &CallReport)> = report.calls.iter().collect();
    let shown = choose(&all, most, |(_, call)| {
        call.timeouts.saturating_add(call.rejected).saturating_add(call.retries)
    });
    let any_breaker = shown.iter().any(|(_, call)| call.breaker.is_some());
    let rows = shown.iter().map(|(name, call)| {
        let mut row = vec![
            name.to_string(),
            count(call.requests),
            count(call.good),
            times(call.attempts, call.requests),
            count(call.timeouts),
            count(call.rejected),
            duration_us(call.latency_us.p99),
        ];
        if any_breaker {
            row.extend(call.breaker.as_ref().map_or_else(
                || ["-".to_string(), "-".to_string()],
                |breaker| [count(breaker.opened), count(breaker.rejected)],
            ));
        }
        row
    });
    let mut header = vec!["", "calls", "good", "attempts", "timeouts", "rejected", "p99"];
    if any_breaker {
        header.extend(["opened", "refused"]);
    }
    table(&header, &[1, 2, 3, 4, 5, 6, 7, 8], rows, all.len() - shown.len())
}

fn systems(report: &Report, most: usize) -> String {
    let mut text = String::new();
    for (name, values) in report.systems.iter().take(most) {
        let many = values.len() > MANY_VALUES;
        let shown = values.iter().filter(|(_, value)| **value > 0 || !many);
        let values: Vec<String> = shown.map(|(name, value)| system_value(name, *value)).collect();
        text.push_str(&wrapped("  ", "    ", &format!("{name}: {}", values.join(", "))));
    }
    text.push_str(&more(report.systems.len().saturating_sub(most)));
    text
}

/// With more values than this, those that are zero are left out.
const MANY_VALUES: usize = 16;

/// A number that only a kind knows, in the unit that its name ends with.
fn system_value(name: &str, value: u64) -> String {
    if let Some(name) = name.strip_suffix("_us") {
        format!("{name} {}", duration_us(value))
    } else if let Some(name) = name.strip_suffix("_milli_per_s") {
        format!("{name} {}/s", milli(value))
    } else if let Some(name) = name.strip_suffix("_milli") {
        format!("{name} x{}", milli(value))
    } else {
        format!("{name} {}", count(value))
    }
}

fn findings(report: &Report, most: usize) -> String {
    let mut text = String::new();
    for finding in report.findings.iter().take(most) {
        text.push_str(&wrapped("  - ", "    ", &finding.text));
    }
    text.push_str(&more(report.findings.len().saturating_sub(most)));
    text
}

/// `part / whole` as a factor: `x1.82`.
fn times(part: u64, whole: u64) -> String {
    let factor = part.saturating_mul(1000).checked_div(whole);
    factor.map_or_else(|| "-".to_string(), |factor| format!("x{}", milli(factor)))
}

/// At most `most` items in their order, the ones of the highest rank.
fn choose<T: Clone>(items: &[T], most: usize, rank: impl Fn(&T) -> u64) -> Vec<T> {
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(rank(&items[*index])));
    order.truncate(most);
    order.sort_unstable();
    order.into_iter().map(|index| items[index].clone()).collect()
}

/// Rows under a header, columns two spaces apart; `right` names the columns of numbers.
pub(crate) fn table(
    header: &[&str],
    right: &[usize],
    rows: impl IntoIterator<Item = Vec<String>>,
    left_out: usize,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    if !header.is_empty() {
        table.set_header(header.to_vec());
    }
    table.add_rows(rows.into_iter().map(|row| row.into_iter().map(one_line).collect::<Vec<String>>()));
    if table.is_empty() {
        return String::new();
    }
    for column in table.column_iter_mut() {
        column.set_padding((2, 0));
    }
    for index in right {
        if let Some(column) = table.column_mut(*index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text: String = table.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    text.push_str(&more(left_out));
    text
}

/// Rows under a header without an indent; `right` names the columns of numbers.
pub(crate) fn aligned(
    header: &[&str],
    right: &[usize],
    rows: impl IntoIterator<Item = Vec<String>>,
) -> String {
    let text = table(header, right, rows, 0);
    text.lines().map(|line| format!("{}\n", line.strip_prefix("  ").unwrap_or(line))).collect()
}

fn more(left_out: usize) -> String {
    if left_out == 0 { String::new() } else { format!("  and {left_out} more in the JSON report\n") }
}

/// Names and details come from the scenario: control characters in them would break the table or the terminal.
fn one_line(text: String) -> String {
    if text.contains(char::is_control) { text.replace(char::is_control, " ") } else { text }
}

/// `text` in lines of at most [`WIDTH`] columns.
pub(crate) fn wrapped(first: &str, further: &str, text: &str) -> String {
    let mut lines = String::new();
    let mut line = first.to_string();
    let mut empty = true;
    for word in text.split_whitespace() {
        if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(lines, "{line}");
            line = further.to_string();
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    let _ = writeln!(lines, "{line}");
    lines
}
