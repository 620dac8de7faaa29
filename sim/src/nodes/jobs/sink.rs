//! Kind `job-sink`: what jobs do their work on. With a fence it keeps the latest token of each job and refuses whoever
//! comes with an older one; without, it takes everything. Never asks the scheduler.

use std::collections::BTreeMap;

use foreshock_systems::job_scheduler::{Fence, JobId, Token};
use serde_json::{Map, Value};

use super::words::Ask;
use crate::cluster::{Cx, Probes, Ref, Request};
use crate::nodes::service::{Answered, Behaviour, Verdict};
use crate::nodes::settings::{Reader, Wrong};
use crate::scenario::plan::ServicePlan;

/// What is wrong with the settings, else whether there is a fence.
pub(super) fn read(settings: &Map<String, Value>) -> Result<bool, Wrong> {
    let mut wrong = Wrong::new();
    let mut reader = Reader { map: settings, at: String::new(), wrong: &mut wrong };
    reader.refuse_unknown(&["fence"], "kind `job-sink`");
    let fence = reader.switch("fence").unwrap_or(true);
    if wrong.is_empty() { Ok(fence) } else { Err(wrong) }
}

/// The effects of jobs.
pub(super) struct Sink {
    is_fenced: bool,
    /// Outlives the process, as what it stands beside does.
    fence: Fence,
    /// Effects by job, as it knows them: by their numbers in the books, so that a number used again is another job.
    effects: BTreeMap<u64, Effects>,
    applied: u64,
    repeated: u64,
    refused: u64,
    stale: u64,
}

#[derive(Clone, Copy, Default)]
struct Effects {
    count: u32,
    latest_token: u64,
}

impl Sink {
    pub(super) fn new(plan: &ServicePlan) -> Sink {
        Sink {
            is_fenced: read(&plan.settings).unwrap_or(true),
            fence: Fence::new(),
            effects: BTreeMap::new(),
            applied: 0,
            repeated: 0,
            refused: 0,
            stale: 0,
        }
    }

    fn apply(&mut self, serial: u64, job: u64, token: u64) -> Verdict {
        if self.is_fenced && self.fence.admit(JobId(job), Token(token)).is_err() {
            self.refused += 1;
            return Verdict::Answer(Answered { missed: true, value: 0 });
        }
        let effects = self.effects.entry(serial).or_default();
        self.stale += u64::from(token < effects.latest_token);
        effects.latest_token = effects.latest_token.max(token);
        self.repeated += u64::from(effects.count > 0);
        effects.count += 1;
        self.applied += 1;
        Verdict::Proceed(Answered::default())
    }
}

impl Behaviour for Sink {
    fn answer(&mut self, request: &Request, _job: Ref, _cx: &mut Cx<'_>) -> Verdict {
        match Ask::of(request.arguments) {
            Ask::Effect { job, token } => self.apply(request.key, job, token),
            Ask::Enqueue
            | Ask::Fetch { .. }
            | Ask::Heartbeat { .. }
            | Ask::Complete { .. }
            | Ask::Fail { .. }
            | Ask::Campaign { .. }
            | Ask::LastTick { .. }
            | Ask::Tick { .. }
            | Ask::TickAlone { .. } => Verdict::Proceed(Answered::default()),
        }
    }

    fn start(&mut self, _cx: &mut Cx<'_>) {}

    fn reconfigure(&mut self, plan: &ServicePlan) {
        self.is_fenced = read(&plan.settings).unwrap_or(self.is_fenced);
    }

    fn probe(&self, out: &mut Probes) {
        out.counts.insert("effects", self.applied);
        out.counts.insert("effects_repeated", self.repeated);
        out.counts.insert("effects_refused", self.refused);
        out.counts.insert("stale_effects", self.stale);
    }
}
