//! Makes numbers smaller or rounder: faults and the run shorter, load and replicas fewer, magnitudes round.

use serde_json::Value;

use super::Shrinker;
use super::amounts::Amount;
use super::documents::{Step, below, get, get_mut, shown, with_value};

impl Shrinker<'_> {
    /// Shorter faults, an earlier beginning, an earlier end.
    pub(super) fn shorten(&mut self) {
        for path in below(&self.document, &[Step::Key("timeline".to_string())]) {
            self.lower(&path.into_iter().chain([Step::Key("for".to_string())]).collect::<Vec<_>>());
        }
        self.begin_earlier();
        self.end_earlier();
    }

    /// Every other quantity: as few as will do of what makes a run large, round numbers of the rest.
    pub(super) fn lower_numbers(&mut self) {
        for path in leaves(&self.document) {
            if is_size(&path) { self.lower(&path) } else { self.round(&path) }
        }
    }

    /// The smallest round amount that will do, assuming that what is enough stays enough when there is more of it.
    fn lower(&mut self, path: &[Step]) {
        let Some(now) = get(&self.document, path).and_then(Amount::read) else { return };
        let before = self.document.clone();
        let make = |amount: Amount| with_value(&before, path, amount.to_value());
        if let Some(amount) = self.smallest(&now.rounder(), make) {
            let name = shown(&before, path);
            self.step(format!("lowered {name} {} -> {}", written(now), written(amount)));
        }
    }

    /// The first of ascending amounts that will do, by halving.
    fn smallest(&mut self, amounts: &[Amount], make: impl Fn(Amount) -> Option<Value>) -> Option<Amount> {
        let (mut low, mut high, mut found) = (0, amounts.len(), None);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.try_one(make(amounts[middle])) {
                (high, found) = (middle, Some(amounts[middle]));
            } else {
                low = middle + 1;
            }
        }
        found
    }

    fn round(&mut self, path: &[Step]) {
        let Some(now) = get(&self.document, path).and_then(Amount::read) else { return };
        for amount in now.neighbours() {
            if self.try_one(with_value(&self.document, path, amount.to_value())) {
                let name = shown(&self.document, path);
                self.step(format!("rounded {name} {} -> {}", written(now), written(amount)));
                return;
            }
        }
    }

    /// Cuts out the time before the first entry of the timeline: everything comes earlier.
    fn begin_earlier(&mut self) {
        let first = starts(&self.document).into_iter().min_by_key(|start| start.value);
        let Some(first) = first.filter(|first| first.value > 0) else { return };
        let document = self.document.clone();
        let make = |start: Amount| earlier(&document, first.value - start.value);
        let mut candidates = first.rounder();
        candidates.insert(0, first.less(first.value));
        if let Some(start) = self.smallest(&candidates, make) {
            self.step(format!("moved everything earlier: the first entry starts at {}", written(start)));
        }
    }

    /// Ends the load earlier, with the windows of objectives that reach beyond.
    fn end_earlier(&mut self) {
        let path = [Step::Key("run".to_string()), Step::Key("duration".to_string())];
        let Some(now) = get(&self.document, &path).and_then(Amount::read) else { return };
        let document = self.document.clone();
        let make = |end: Amount| ended_at(&document, end.value);
        if let Some(end) = self.smallest(&now.rounder(), make) {
            self.step(format!("shortened the run {} -> {}", written(now), written(end)));
        }
    }
}

fn written(amount: Amount) -> String {
    let value = amount.to_value();
    value.as_str().map_or_else(|| value.to_string(), str::to_string)
}

/// The paths of all single values outside of objectives and prose.
fn leaves(document: &Value) -> Vec<Vec<Step>> {
    let mut found = Vec::new();
    let mut waiting: Vec<Vec<Step>> = ["run", "services", "network", "load", "timeline", "hosts"]
        .into_iter()
        .rev()
        .map(|top| vec![Step::Key(top.to_string())])
        .collect();
    while let Some(path) = waiting.pop() {
        match get(document, &path) {
            Some(Value::Object(_) | Value::Array(_)) => {
                waiting.extend(below(document, &path).into_iter().rev())
            }
            Some(_) => found.push(path),
            None => {}
        }
    }
    // These move together with others, in `shorten`.
    let moves = |path: &[Step]| {
        let is = |step: Option<&Step>, key: &str| matches!(step, Some(Step::Key(own)) if own == key);
        is(path.last(), "at") || (is(path.first(), "run") && is(path.get(1), "duration"))
    };
    found.retain(|path| !moves(path));
    found
}

/// Whether less of it makes a run smaller, so that as little as possible is wanted.
fn is_size(path: &[Step]) -> bool {
    let key = |step: Option<&Step>| match step {
        Some(Step::Key(key)) => key.clone(),
        Some(Step::Index(_)) | None => String::new(),
    };
    let (top, last) = (key(path.first()), key(path.last()));
    match top.as_str() {
        "run" => ["warmup", "drain"].contains(&last.as_str()),
        "load" => ["rate", "from", "to", "clients", "items"].contains(&last.as_str()),
        "services" => last == "replicas" || last == "items",
        "timeline" => ["for", "delay"].contains(&last.as_str()),
        _ => false,
    }
}

/// The instants at which entries of the timeline start that wait for nothing.
fn starts(document: &Value) -> Vec<Amount> {
    let entries = document.get("timeline").and_then(Value::as_array).into_iter().flatten();
    let starts = entries.filter_map(|entry| entry.get("at").and_then(Amount::read));
    starts.filter(|start| start.is_time()).collect()
}

/// The document with so many nanoseconds taken out before the first entry of the timeline.
fn earlier(document: &Value, by_ns: u64) -> Option<Value> {
    let mut document = document.clone();
    for entry in document.get_mut("timeline").and_then(Value::as_array_mut)? {
        if let Some(at) = entry.get_mut("at") {
            *at = Amount::read(at)?.less(by_ns).to_value();
        }
    }
    let duration = document.get_mut("run")?.get_mut("duration")?;
    *duration = Amount::read(duration)?.less(by_ns).to_value();
    for slo in document.get_mut("slo").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some((from, to)) = window(slo) else { continue };
        slo["over"] = Value::from(format!("{}..{}", written(from.less(by_ns)), written(to.less(by_ns))));
    }
    for stages in all_stages(&mut document) {
        let mut left_ns = by_ns;
        // A stage that begins with the run and ends before what is cut out is gone.
        stages.retain_mut(|stage| {
            let Some(lasts) = stage.get("for").and_then(Amount::read) else { return true };
            let cut_ns = left_ns.min(lasts.value);
            left_ns -= cut_ns;
            if let Some(stage) = stage.as_object_mut() {
                stage.insert("for".to_string(), lasts.less(cut_ns).to_value());
            }
            cut_ns < lasts.value
        });
    }
    Some(document)
}

/// The document with the load ending at this instant.
fn ended_at(document: &Value, end_ns: u64) -> Option<Value> {
    let mut document = document.clone();
    let path = [Step::Key("run".to_string()), Step::Key("duration".to_string())];
    let duration = get_mut(&mut document, &path)?;
    let end = Amount::read(duration)?;
    let end = end.less(end.value.saturating_sub(end_ns));
    *duration = end.to_value();
    for slo in document.get_mut("slo").and_then(Value::as_array_mut).into_iter().flatten() {
        match window(slo) {
            Some((from, to)) if to.value > end_ns => {
                slo["over"] = Value::from(format!("{}..{}", written(from), written(end)));
            }
            Some(_) | None => {}
        }
    }
    for stages in all_stages(&mut document) {
        let mut left_ns = end_ns;
        stages.retain_mut(|stage| {
            let Some(lasts) = stage.get("for").and_then(Amount::read) else { return true };
            let kept_ns = lasts.value.min(left_ns);
            left_ns -= kept_ns;
            if let Some(stage) = stage.as_object_mut() {
                stage.insert("for".to_string(), lasts.less(lasts.value - kept_ns).to_value());
            }
            kept_ns > 0
        });
    }
    Some(document)
}

/// The window of an objective: from, to.
fn window(slo: &Value) -> Option<(Amount, Amount)> {
    let (from, to) = slo.get("over")?.as_str()?.split_once("..")?;
    let read = |text: &str| Amount::read(&Value::from(text.trim())).filter(|amount| amount.is_time());
    Some((read(from)?, read(to)?))
}

fn all_stages(document: &mut Value) -> impl Iterator<Item = &mut Vec<Value>> {
    let loads = document.get_mut("load").and_then(Value::as_array_mut).into_iter().flatten();
    loads.filter_map(|load| load.get_mut("stages")?.as_array_mut())
}
