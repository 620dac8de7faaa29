//! How fast a counter grows, across resets and beyond the samples to the edges of the range (the rules of
//! Prometheus' extrapolation). Never negative for a counter.

use super::super::series::{Range, Sample};
use super::seconds;

/// How much a counter grew over the range; a fall counts as a restart at zero. The growth between the samples is
/// continued to the edges of the range if they are as near as a sample would be, and never below zero. `None`
/// with fewer than two samples.
pub fn increase(range: &Range<'_>) -> Option<f64> {
    let (first, last) = ends(range)?;
    let lost: f64 = pairs(range).filter(|(before, after)| after < before).map(|(before, _)| before).sum();
    extrapolated(range, not_negative(last.value - first.value + lost), Some(first.value))
}

/// Growth per second: [`increase`] by the length of the range.
pub fn rate(range: &Range<'_>) -> Option<f64> {
    increase(range).map(|grown| grown / seconds(range.length()))
}

/// How much a gauge changed over the range, continued to its edges. `None` with fewer than two samples.
pub fn delta(range: &Range<'_>) -> Option<f64> {
    let (first, last) = ends(range)?;
    extrapolated(range, last.value - first.value, None)
}

/// Growth per second between the last two samples of a counter. `None` with fewer than two samples.
pub fn irate(range: &Range<'_>) -> Option<f64> {
    let (before, last) = last_two(range)?;
    let grown = if last.value < before.value { last.value } else { last.value - before.value };
    let apart = last.at.since(before.at);
    (!apart.is_zero()).then(|| not_negative(grown) / seconds(apart))
}

/// Change between the last two samples of a gauge. `None` with fewer than two samples.
pub fn idelta(range: &Range<'_>) -> Option<f64> {
    let (before, last) = last_two(range)?;
    Some(last.value - before.value)
}

/// How often a counter fell. `None` without a sample.
pub fn resets(range: &Range<'_>) -> Option<f64> {
    range.samples().first()?;
    Some(pairs(range).filter(|(before, after)| after < before).count() as f64)
}

/// How often the value changed. `None` without a sample.
pub fn changes(range: &Range<'_>) -> Option<f64> {
    range.samples().first()?;
    let changed = |(before, after): &(f64, f64)| before != after && !(before.is_nan() && after.is_nan());
    Some(pairs(range).filter(changed).count() as f64)
}

/// A counter that goes below zero is not one, and rounding may take a hair off; what is not a number stays that.
fn not_negative(grown: f64) -> f64 {
    if grown < 0.0 { 0.0 } else { grown }
}

fn pairs<'a>(range: &Range<'a>) -> impl Iterator<Item = (f64, f64)> + 'a {
    range.samples().windows(2).map(|pair| (pair[0].value, pair[1].value))
}

fn ends<'a>(range: &Range<'a>) -> Option<(&'a Sample, &'a Sample)> {
    match range.samples() {
        [first, .., last] => Some((first, last)),
        [] | [_] => None,
    }
}

fn last_two<'a>(range: &Range<'a>) -> Option<(&'a Sample, &'a Sample)> {
    match range.samples() {
        [.., before, last] => Some((before, last)),
        [] | [_] => None,
    }
}

/// A gap to the edge of the range this many times the usual distance between samples is not bridged.
const BRIDGED_SPACINGS: f64 = 1.1;

/// The change between the first and the last sample, continued to the edges of the range. For a counter its first
/// value says how far back the line is above zero.
fn extrapolated(range: &Range<'_>, change: f64, counter_start: Option<f64>) -> Option<f64> {
    let (first, last) = ends(range)?;
    let observed = seconds(last.at.since(first.at));
    if observed <= 0.0 {
        return None;
    }
    let spacing = observed / (range.samples().len() - 1) as f64;
    let bridge = |gap: f64| if gap >= spacing * BRIDGED_SPACINGS { spacing / 2.0 } else { gap };
    // From the end backwards, because the start may lie before the origin of time.
    let first_before_end = range.end().since(first.at);
    let mut before = bridge(seconds(range.length().saturating_sub(first_before_end)));
    let after = bridge(seconds(range.end().since(last.at)));
    if let Some(start) = counter_start.filter(|start| *start >= 0.0 && change > 0.0) {
        before = before.min(observed * (start / change));
    }
    Some(change * ((observed + before + after) / observed))
}
