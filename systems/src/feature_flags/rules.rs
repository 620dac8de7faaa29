//! One revision of all flags: immutable, cheap to share and to derive the next one from. Evaluating takes no memory and
//! never panics, whatever the flags say.

use super::context::Context;
use super::definition::{Change, Event, ReadFlag, SegmentDefinition, State};
use super::detail::{Detail, ErrorKind, Reason};
use super::engine::{Engine, Prerequisites, StaleFlags};
use super::flag::{Flag, Rule, Segment, all_hold};
use super::prerequisite::flags_on_cycles;
use super::variant::Variants;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How deep flags may wait for flags, and segments have segments.
pub const MOST_PREREQUISITES: u32 = 16;

/// How many flags and segments one evaluation may look at on behalf of the one that was asked for.
const MOST_STEPS: u32 = 1_024;

/// All flags at one revision.
///
/// A request takes one and keeps it to its end: it sees one revision, whatever is changed meanwhile.
#[derive(Clone, Debug)]
pub struct RuleSet {
    engine: Arc<Engine>,
    revision: u64,
    flags: BTreeMap<Arc<str>, Arc<Flag>>,
    segments: BTreeMap<i64, Arc<Segment>>,
    /// Flags that wait for themselves.
    on_cycles: BTreeSet<Arc<str>>,
    /// Flags that are off here, whatever their definition says.
    killed: Arc<BTreeSet<Box<str>>>,
}

/// What a flag comes to before its variant is chosen.
#[derive(Clone, Copy)]
struct Verdict<'r> {
    on: bool,
    reason: Reason,
    rule: Option<(u32, &'r Rule)>,
}

impl Verdict<'_> {
    fn off(reason: Reason) -> Self {
        Verdict { on: false, reason, rule: None }
    }
}

impl RuleSet {
    pub(super) fn empty(engine: Arc<Engine>) -> RuleSet {
        RuleSet {
            engine,
            revision: 0,
            flags: BTreeMap::new(),
            segments: BTreeMap::new(),
            on_cycles: BTreeSet::new(),
            killed: Arc::default(),
        }
    }

    /// No flags at revision 0, but the same kill switches.
    #[must_use]
    pub fn without_flags(&self) -> RuleSet {
        RuleSet { killed: Arc::clone(&self.killed), ..RuleSet::empty(Arc::clone(&self.engine)) }
    }

    /// With the kill switch of a flag thrown, or not: while it is, the flag is off, whatever its definition says, now
    /// and in every later state.
    #[must_use]
    pub fn with_kill_switch(&self, flag: &str, thrown: bool) -> RuleSet {
        let mut rules = self.clone();
        let killed = Arc::make_mut(&mut rules.killed);
        if thrown {
            killed.insert(flag.into());
        } else {
            killed.remove(flag);
        }
        rules
    }

    /// The revision; 0 before the first state.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The flag of that name.
    pub fn flag(&self, name: &str) -> Option<&Flag> {
        self.flags.get(name).map(Arc::as_ref)
    }

    /// All flags, by name.
    pub fn flags(&self) -> impl ExactSizeIterator<Item = &Flag> {
        self.flags.values().map(Arc::as_ref)
    }

    /// Everything in the definitions that could not be used, with the flag or the segment that it is about.
    pub fn problems(&self) -> Vec<String> {
        let of_flags = self.flags().flat_map(|flag| {
            flag.problems().iter().map(|problem| format!("flag `{}`: {problem}", flag.name()))
        });
        let of_segments = self.segments.iter().flat_map(|(id, segment)| {
            segment.problems.iter().map(move |problem| format!("segment {id}: {problem}"))
        });
        let cycles = self.on_cycles.iter().map(|name| format!("flag `{name}`: it waits for itself"));
        of_flags.chain(of_segments).chain(cycles).collect()
    }

    /// A state instead of this one.
    #[must_use]
    pub fn with_state(&self, revision: u64, state: &State) -> RuleSet {
        let mut rules = RuleSet { revision, ..self.without_flags() };
        state.segments.iter().for_each(|segment| rules.set_segment(segment));
        state.features.iter().for_each(|flag| rules.set_flag(flag));
        rules.on_cycles = flags_on_cycles(&rules.flags);
        rules
    }

    /// This state with `events` applied in the order of the list. An event that is not newer than what is there has
    /// been applied already: it changes nothing. Whether one is missing in between is for the caller to know.
    #[must_use]
    pub fn with_events<'e>(&self, events: impl IntoIterator<Item = &'e Event>) -> RuleSet {
        let mut rules = self.clone();
        for event in events {
            if event.revision > rules.revision {
                rules.apply(&event.change);
                rules.revision = event.revision;
            }
        }
        rules.on_cycles = flags_on_cycles(&rules.flags);
        rules
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Hydration(state) => *self = self.with_state(self.revision, state),
            Change::FeatureUpdated { feature } => self.set_flag(feature),
            Change::FeatureRemoved { feature_name } => drop(self.flags.remove(feature_name.as_str())),
            Change::SegmentUpdated { segment } => self.set_segment(segment),
            Change::SegmentRemoved { segment_id } => drop(self.segments.remove(segment_id)),
            Change::Unknown => {}
        }
    }

    fn set_flag(&mut self, flag: &ReadFlag) {
        let flag = Flag::compile(&self.engine, flag);
        self.flags.insert(Arc::clone(&flag.name), Arc::new(flag));
    }

    fn set_segment(&mut self, definition: &SegmentDefinition) {
        self.segments.insert(definition.id, Arc::new(Segment::compile(&self.engine, definition)));
    }

    /// Whether the flag is on; a flag that is not there, or not right, is off.
    pub fn is_enabled(&self, name: &str, context: &Context<'_>) -> bool {
        match self.find(name) {
            Ok(flag) => self.judge(flag, context, &mut Walk::default()).on,
            Err(_) => false,
        }
    }

    /// The flag's value and why.
    pub fn evaluate(&self, name: &str, context: &Context<'_>) -> Detail<'_> {
        match self.find(name) {
            Ok(flag) => self.detail(flag, context),
            Err(error) => error,
        }
    }

    fn find(&self, name: &str) -> Result<&Flag, Detail<'_>> {
        let error = |kind, flag| Err(Detail::error(kind, self.revision, flag));
        match self.flag(name) {
            None if self.revision == 0 => error(ErrorKind::ProviderNotReady, None),
            None => error(ErrorKind::FlagNotFound, None),
            Some(flag) if flag.is_unreadable => error(ErrorKind::ParseError, Some(flag)),
            Some(flag) if flag.stale && self.engine.config().stale_flags == StaleFlags::CallersDefault => {
                error(ErrorKind::FlagNotFound, Some(flag))
            }
            Some(flag) => Ok(flag),
        }
    }

    fn detail<'r>(&'r self, flag: &'r Flag, context: &Context<'_>) -> Detail<'r> {
        let verdict = self.judge(flag, context, &mut Walk::default());
        let variants = verdict.on.then(|| variants(flag, verdict.rule));
        let chosen = variants.and_then(|variants| variants.choose(context));
        let is_drawn = variants.is_some_and(Variants::is_split);
        Detail {
            on: verdict.on,
            reason: if is_drawn { Reason::Split } else { verdict.reason },
            rule_index: verdict.rule.map(|(index, _)| index),
            rule_id: verdict.rule.and_then(|(_, rule)| rule.id.as_deref()),
            variant: chosen.map(|(_, variant)| variant),
            variant_index: chosen.map(|(index, _)| index),
            revision: self.revision,
            flag: Some(flag),
        }
    }

    fn judge<'r>(&'r self, flag: &'r Flag, context: &Context<'_>, walk: &mut Walk) -> Verdict<'r> {
        if !flag.enabled || self.is_killed(flag) {
            return Verdict::off(Reason::Disabled);
        }
        if !flag.dependencies.is_empty()
            && let Err(reason) = self.prerequisites_hold(flag, context, walk)
        {
            return Verdict::off(reason);
        }
        if flag.rules.is_empty() {
            return Verdict { on: true, reason: Reason::Static, rule: None };
        }
        for (index, rule) in flag.rules.iter().enumerate() {
            if all_hold(&rule.constraints, context)
                && rule.segments.iter().all(|id| self.segment_holds(*id, context, walk))
                && rule.rollout.is_active(context)
            {
                let reason = if rule.rollout.splits() { Reason::Split } else { Reason::TargetingMatch };
                return Verdict { on: true, reason, rule: Some((index as u32, rule)) };
            }
        }
        Verdict::off(Reason::Default)
    }

    fn is_killed(&self, flag: &Flag) -> bool {
        !self.killed.is_empty() && self.killed.contains(&*flag.name)
    }

    /// A segment that is not there, or has itself somewhere in it, holds for nobody.
    fn segment_holds(&self, id: i64, context: &Context<'_>, walk: &mut Walk) -> bool {
        let Some(segment) = self.segments.get(&id) else { return false };
        if segment.segments.is_empty() {
            return all_hold(&segment.constraints, context);
        }
        walk.deeper(|walk| {
            all_hold(&segment.constraints, context)
                && segment.segments.iter().all(|id| self.segment_holds(*id, context, walk))
        })
        .unwrap_or(false)
    }

    fn prerequisites_hold(&self, flag: &Flag, context: &Context<'_>, walk: &mut Walk) -> Result<(), Reason> {
        if self.on_cycles.contains(&flag.name) {
            return Err(Reason::Error(ErrorKind::MalformedFlag));
        }
        let one_level = self.engine.config().prerequisites == Prerequisites::OneLevel;
        for dependency in &flag.dependencies {
            let failed = Err(Reason::PrerequisiteFailed);
            let Ok(parent) = self.find(&dependency.flag) else { return failed };
            if one_level && !parent.dependencies.is_empty() {
                return failed;
            }
            let verdict = walk
                .deeper(|walk| self.judge(parent, context, walk))
                .ok_or(Reason::Error(ErrorKind::MalformedFlag))?;
            if verdict.on != dependency.enabled {
                return failed;
            }
            if let Some(wanted) = &dependency.variants {
                let chosen = if verdict.on { variants(parent, verdict.rule).choose(context) } else { None };
                if !wanted.contains(chosen.map_or("disabled", |(_, variant)| variant.name())) {
                    return failed;
                }
            }
        }
        Ok(())
    }
}

/// The variants of the rule that matched, else the flag's.
fn variants<'r>(flag: &'r Flag, rule: Option<(u32, &'r Rule)>) -> &'r Variants {
    match rule {
        Some((_, rule)) if !rule.variants.is_empty() => &rule.variants,
        Some(_) | None => &flag.variants,
    }
}

/// How far an evaluation has gone from the flag that was asked for.
struct Walk {
    depth_left: u32,
    steps_left: u32,
}

impl Default for Walk {
    fn default() -> Walk {
        Walk { depth_left: MOST_PREREQUISITES, steps_left: MOST_STEPS }
    }
}

impl Walk {
    /// One step further; `None` if that would be one too many.
    fn deeper<T>(&mut self, step: impl FnOnce(&mut Walk) -> T) -> Option<T> {
        self.steps_left = self.steps_left.checked_sub(1)?;
        self.depth_left = self.depth_left.checked_sub(1)?;
        let result = step(self);
        self.depth_left += 1;
        Some(result)
    }
}
