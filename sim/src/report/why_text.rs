//! The answer of `why` for people: about 40 lines, what matters first, and the command that shows it beside each
//! statement.

use std::fmt::Write;

use super::humanise::{count, duration_us, instant_us, milli, share_ppm};
use super::text::{Role as Colour, Style, aligned};
use crate::explore::why::answer::{Answer, ButFor, Remedy, Role, VerdictKind};
use crate::explore::why::mechanism::{Mechanism, PathPart};

/// Rows of each table; the rest is in the JSON.
const MOST_ROWS: usize = 9;
const MOST_REMEDIES: usize = 7;
const MOST_PARTS: usize = 4;
const MOST_WAYS: usize = 3;

/// The answer as text; `command` makes the command that shows something of its options.
pub fn why_to_text(answer: &Answer, command: &dyn Fn(&[String]) -> String, style: Style) -> String {
    let mut text = headline(answer, style);
    let mut section = |heading: &str, body: String| {
        if !body.is_empty() {
            let _ = write!(text, "\n{}\n{body}", style.paint(Colour::Heading, heading));
        }
    };
    if let Some(mechanism) = &answer.mechanism {
        section("How", chain(answer, mechanism));
    }
    section("Shares of the damage", shares(answer));
    section("Without it alone", but_for(&answer.but_for));
    section("What would have held every objective", remedies(answer));
    section("Reproduce", reproduce(answer, command));
    text
}

fn headline(answer: &Answer, style: Style) -> String {
    let colour = if answer.verdict.as_expected { Colour::Good } else { Colour::Bad };
    let mut text = format!("{}: {}\n", answer.scenario, style.paint(colour, &answer.verdict.sentence));
    for surprise in &answer.verdict.surprises {
        let _ = writeln!(text, "  NOT as expected: {surprise}");
    }
    if answer.verdict.kind == VerdictKind::Held {
        return text;
    }
    let sure = &answer.confidence;
    let _ = writeln!(
        text,
        "  seed {}; {} of {} seeds fail, {} of these for the same cause ({} to {} with 95 % confidence); {} runs, {} of \
         them cut short",
        answer.seed,
        sure.failed,
        sure.seeds,
        sure.agreeing,
        share_ppm(sure.agreement_low_ppm),
        share_ppm(sure.agreement_high_ppm),
        count(answer.runs),
        count(answer.runs_stopped_early),
    );
    let says_so = matches!(answer.verdict.kind, VerdictKind::Design | VerdictKind::NothingMatters);
    if !says_so && !answer.verdict.failing_on_a_quiet_day.is_empty() {
        let ids = answer.verdict.failing_on_a_quiet_day.join(", ");
        let fail = if answer.verdict.failing_on_a_quiet_day.len() == 1 { "fails" } else { "fail" };
        let _ = writeln!(text, "  {ids}: {fail} on a quiet day as well");
    }
    text
}

fn chain(answer: &Answer, how: &Mechanism) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut row = |what: &str, at: Option<u64>, text: String| {
        rows.push(vec![format!("  {what}"), at.map_or(String::new(), instant_us), text]);
    };
    for root in &answer.root {
        let until = root.ended_us.map_or(String::new(), |ended| format!(", over at {}", instant_us(ended)));
        let settings =
            if root.settings.is_empty() { String::new() } else { format!(" {}", root.settings.join(", ")) };
        let kind = root.kind.replace('_', " ");
        row("trigger", root.started_us, format!("{} ({kind}{settings}){until}", root.id));
    }
    if let Some(onset) = how.onset_us {
        row(
            "onset",
            Some(onset),
            "from here on the run is worse than the same run without the cause".to_string(),
        );
    }
    for hop in &how.new_hops {
        row("new hop", None, format!("{hop} is on the way of requests and was not before"));
    }
    for call in &how.amplification {
        let text = format!(
            "{}: {} attempts for each call before, {} at the onset, at most {} at {}, {} on average after it",
            call.call,
            milli(call.before_milli),
            milli(call.at_onset_milli),
            milli(call.peak_milli),
            instant_us(call.peak_at_us),
            milli(call.after_milli)
        );
        row("amplifies", None, text);
    }
    for (position, full) in how.saturation.iter().take(MOST_PARTS).enumerate() {
        let retries = if full.retry_share_ppm > 0 {
            format!(", {} of what arrives is retries", share_ppm(full.retry_share_ppm))
        } else {
            String::new()
        };
        let text = format!(
            "{}: {} -> {} busy, up to {} waiting{retries}",
            full.service,
            share_ppm(full.busy_before_ppm),
            share_ppm(full.busy_after_ppm),
            count(full.queue_max)
        );
        row(if position == 0 { "full first" } else { "then" }, Some(full.at_us), text);
    }
    if !how.endings.is_empty() {
        let ways = how.endings.iter().take(MOST_WAYS).map(|ended| {
            let how = ended.how.replace('_', " ");
            format!("{} {how} {} (else {})", ended.call, count(ended.attempts), count(ended.attempts_without))
        });
        row("fails by", None, ways.collect::<Vec<_>>().join(", "));
    }
    if let Some(lasting) = &how.metastable {
        let by = match &lasting.sustained_by {
            Some(it) => format!("sustained by {}: broken then, it recovers", it.name),
            None => "no loop that was broken ends it".to_string(),
        };
        let text = format!("the failure outlives its trigger by {}; {by}", duration_us(lasting.outlived_us));
        row("metastable", Some(lasting.trigger_over_us), text);
    }
    if let Some(back) = &how.rolled_back {
        let text = if back.recovers { "ends it" } else { "does not end it: it sustains itself by then" };
        row("taken back", Some(back.at_us), format!("taking `{}` back {text}", back.id));
    }
    row("time before", None, way(&how.path_before));
    row("time after", None, way(&how.path_after));
    rows.retain(|row| !row[2].is_empty());
    aligned_rows(rows)
}

fn aligned_rows(rows: Vec<Vec<String>>) -> String {
    let widths = [0, 1].map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let mut text = String::new();
    for row in rows {
        let _ = writeln!(
            text,
            "{:first$}  {:second$}  {}",
            row[0],
            row[1],
            row[2],
            first = widths[0],
            second = widths[1]
        );
    }
    text
}

fn way(parts: &[PathPart]) -> String {
    let told: Vec<String> = parts
        .iter()
        .take(MOST_PARTS)
        .filter(|part| part.share_ppm >= 10_000)
        .map(|part| format!("{} {} {}", part.kind, part.place, duration_us(part.mean_us)))
        .collect();
    told.join(", ")
}

fn shares(answer: &Answer) -> String {
    if answer.shapley.len() < 2 {
        return String::new();
    }
    let rows = answer.shapley.iter().take(MOST_ROWS).map(|share| {
        let sign = if share.share_ppm < 0 { "-" } else { "" };
        let error = match share.error_ppm {
            0 => String::new(),
            error => format!("+- {}", share_ppm(error)),
        };
        vec![share.id.clone(), format!("{sign}{}", share_ppm(share.share_ppm.unsigned_abs())), error]
    });
    let mut text = indented(&aligned(&["cause", "share", ""], &[1], rows));
    if answer.shapley.len() > MOST_ROWS {
        let _ = writeln!(text, "  and {} more in the JSON answer", answer.shapley.len() - MOST_ROWS);
    }
    text
}

fn but_for(lines: &[ButFor]) -> String {
    // What matters first, then what looked guilty and is not; what did nothing comes last.
    let mut order: Vec<&ButFor> = lines.iter().collect();
    order.sort_by_key(|line| line.role);
    let rows = order.iter().take(MOST_ROWS).map(|line| {
        vec![
            line.id.clone(),
            line.kind.replace('_', " "),
            role(line.role).to_string(),
            line.damage_left_ppm.map_or_else(|| "-".to_string(), share_ppm),
            line.good_more.map_or_else(|| "-".to_string(), signed),
            if line.prevents { "holds".to_string() } else { String::new() },
        ]
    });
    let mut text = indented(&aligned(&["candidate", "kind", "is", "damage left", "good", ""], &[3, 4], rows));
    if order.len() > MOST_ROWS {
        let _ = writeln!(text, "  and {} more in the JSON answer", order.len() - MOST_ROWS);
    }
    text
}

fn indented(table: &str) -> String {
    table.lines().map(|line| format!("  {}\n", line.trim_end())).collect()
}

fn signed(value: i64) -> String {
    let sign = if value < 0 { "-" } else { "+" };
    if value == 0 { "0".to_string() } else { format!("{sign}{}", count(value.unsigned_abs())) }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Root => "ROOT",
        Role::Amplifier => "amplifier",
        Role::Condition => "condition",
        Role::Protects => "protects",
        Role::Innocent => "innocent",
        Role::Idle => "did nothing",
        Role::Unknown => "not tried",
    }
}

fn remedies(answer: &Answer) -> String {
    if answer.verdict.kind == VerdictKind::Held {
        return String::new();
    }
    if answer.remedies.is_empty() {
        return "  nothing on the standard list\n".to_string();
    }
    let shown = answer.remedies.iter().take(MOST_REMEDIES);
    let rows = shown.map(|remedy: &Remedy| {
        let sign = if remedy.good_less_ppm <= 0 { "" } else { "-" };
        vec![
            remedy.name.replace('`', ""),
            remedy.value.clone().unwrap_or_default(),
            format!("{sign}{}", share_ppm(remedy.good_less_ppm.max(0).unsigned_abs())),
            duration_us(remedy.latency_p99_us),
            count(remedy.refused),
        ]
    });
    let mut text = indented(&aligned(&["remedy", "suffices", "goodput", "p99", "refused"], &[2, 3, 4], rows));
    if answer.remedies.len() > MOST_REMEDIES {
        let _ = writeln!(text, "  and {} more in the JSON answer", answer.remedies.len() - MOST_REMEDIES);
    }
    text
}

fn reproduce(answer: &Answer, command: &dyn Fn(&[String]) -> String) -> String {
    let mut text = format!("  {}\n", command(&[]));
    for root in &answer.root {
        let _ = writeln!(text, "  {}", command(&root.options));
    }
    let sustained = answer.mechanism.as_ref().and_then(|how| how.metastable.as_ref());
    if let Some(it) = sustained.and_then(|lasting| lasting.sustained_by.as_ref()) {
        let _ = writeln!(text, "  {}", command(&it.options));
    }
    for remedy in answer
        .remedies
        .iter()
        .filter(|remedy| !answer.root.iter().any(|root| root.options == remedy.options))
        .take(2)
    {
        let _ = writeln!(text, "  {}", command(&remedy.options));
    }
    text
}
