//! Who checks tokens: with keys that it fetches from the issuer and keeps for a time. A token that is not accepted is
//! answered with a miss; what was wrong is counted.

use std::collections::BTreeMap;

use foreshock_systems::auth::{
    Algorithm, KeyCache, KeyCacheConfig, KeysUnavailable, Lookup, Rejection, Verifier, VerifierConfig,
    Witness,
};
use foreshock_systems::rate_limiter::RateLimitConfig;
use serde_json::{Map, Value};

use super::wire::{self, Ask, Packed};
use crate::cluster::{CallSpec, Cx, Done, Durable, Probes, Ref, Request};
use crate::kernel::draw::{Lineage, name_hash};
use crate::kernel::time::{Span, Time};
use crate::measure::{OutcomeKind, auth_invariant};
use crate::nodes::service::{Answered, Behaviour, Verdict, Woken};
use crate::nodes::setting_table::{self as table, Setting, Wrong, lifetime, span};
use crate::scenario::plan::{EdgeId, ServicePlan};

/// Settings of who checks tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    leeway: Span,
    keys_ttl: Span,
    /// How old keys may get while they cannot be fetched; none: not older than their time.
    stale_for: Option<Span>,
    retry_after: Span,
    /// Unknown key names make it ask at most so often.
    unknown_every: Span,
}

const SETTINGS: [Setting<Settings>; 5] = [
    ("leeway", |settings, value| {
        settings.leeway = span(value)?;
        Ok(())
    }),
    ("keys_ttl", |settings, value| {
        settings.keys_ttl = lifetime(value)?;
        Ok(())
    }),
    ("stale_for", |settings, value| {
        settings.stale_for = Some(span(value)?).filter(|span| !span.is_zero());
        Ok(())
    }),
    ("fetch_again_after", |settings, value| {
        settings.retry_after = lifetime(value)?;
        Ok(())
    }),
    ("unknown_every", |settings, value| {
        settings.unknown_every = lifetime(value)?;
        Ok(())
    }),
];

/// The settings of who checks tokens, or everything that is wrong with them.
pub(super) fn read(written: &Map<String, Value>) -> Result<Settings, Vec<Wrong>> {
    let usual = Settings {
        leeway: Span::from_secs(60),
        keys_ttl: Span::from_secs(300),
        stale_for: Some(Span::from_secs(86_400)),
        retry_after: Span::from_secs(1),
        unknown_every: Span::from_secs(10),
    };
    table::read("a token verifier", &SETTINGS, usual, written)
}

impl Settings {
    fn cache(&self) -> KeyCacheConfig {
        let every_ns = self.unknown_every.as_nanos().max(1);
        KeyCacheConfig {
            ttl: self.keys_ttl,
            on_error: self
                .stale_for
                .map_or(KeysUnavailable::Fail, |max_age| KeysUnavailable::StaleWhileError { max_age }),
            unknown_key_fetches: RateLimitConfig {
                rate_per_s_milli: (1_000_000_000_000 / every_ns).max(1),
                burst: 1,
            },
            retry_after: self.retry_after,
        }
    }
}

pub(super) struct Verifying {
    settings: Settings,
    edge: Option<EdgeId>,
    issuer: String,
    is_lax: bool,
    cache: KeyCache,
    verifier: Verifier,
    waiting: Vec<Ref>,
    fetches: u64,
    accepted: u64,
    rejected: BTreeMap<Rejection, u64>,
    beyond: Witness,
}

impl Verifying {
    pub(super) fn new(plan: &ServicePlan, edge: Option<EdgeId>, issuer: String, is_lax: bool) -> Verifying {
        let settings = settings_of(plan);
        Verifying {
            edge,
            cache: KeyCache::new(settings.cache(), Time::ZERO),
            verifier: verifier(&settings, &issuer, is_lax),
            issuer,
            is_lax,
            settings,
            waiting: Vec::new(),
            fetches: 0,
            accepted: 0,
            rejected: BTreeMap::new(),
            beyond: Witness::new(Span::MAX, Span::MAX, Span::ZERO),
        }
    }

    fn fetch(&mut self, cx: &mut Cx<'_>) {
        let Some(edge) = self.edge else { return };
        if !self.cache.begin_fetch() {
            return;
        }
        self.fetches += 1;
        let lineage = Lineage::root(cx.name_of(cx.node()), self.fetches).call(name_hash("fetch"), 0);
        let arguments = Ask::Keys.arguments();
        cx.call(CallSpec { arguments, ..CallSpec::of_its_own(edge, lineage, cx.now()) }, Ref::NONE);
    }

    fn check(
        &mut self,
        (word, session): (u64, u64),
        job: Ref,
        has_fetched: bool,
        cx: &mut Cx<'_>,
    ) -> Verdict {
        let local = cx.local_time();
        if self.cache.wants_fetch(local) && !has_fetched {
            self.fetch(cx);
        }
        let packed = Packed::of(word);
        let key = match self.cache.look_up(local, packed.key, has_fetched) {
            Lookup::Found(key) => key.clone(),
            Lookup::Fetch => {
                self.fetch(cx);
                self.waiting.push(job);
                return Verdict::Wait;
            }
            Lookup::Unknown => return self.reject(Rejection::UnknownKey),
            Lookup::Unavailable => return self.reject(Rejection::KeysUnavailable),
        };
        let Some(token) = packed.token(&key, &self.issuer, session) else {
            return self.reject(Rejection::Signature);
        };
        match self.verifier.verify(local, &token, &key) {
            Err(rejection) => self.reject(rejection),
            Ok(claims) => {
                self.accepted += 1;
                let mut allowed = Witness::new(self.settings.leeway, Span::MAX, Span::ZERO);
                if let Err(violation) = allowed.accepted(local, claims) {
                    cx.violation(auth_invariant::TIMES, violation.to_string());
                }
                // By true time, acceptance may go beyond by the skew of the clock: told, not forbidden.
                let _ = self.beyond.accepted(cx.now(), claims);
                Verdict::Answer(Answered::default())
            }
        }
    }

    fn reject(&mut self, rejection: Rejection) -> Verdict {
        *self.rejected.entry(rejection).or_insert(0) += 1;
        Verdict::Answer(Answered { missed: true, value: 0 })
    }

    fn asked(&mut self, request: &Request, job: Ref, has_fetched: bool, cx: &mut Cx<'_>) -> Verdict {
        match Ask::of(request.arguments) {
            Some(Ask::Present { token, session }) => self.check((token, session), job, has_fetched, cx),
            Some(Ask::Login { .. } | Ask::Refresh { .. } | Ask::Keys) | None => {
                self.reject(Rejection::Signature)
            }
        }
    }
}

fn settings_of(plan: &ServicePlan) -> Settings {
    read(&plan.settings).expect("the plan's settings were checked")
}

fn verifier(settings: &Settings, issuer: &str, is_lax: bool) -> Verifier {
    let leeway = if is_lax { settings.leeway.saturating_mul(2) } else { settings.leeway };
    Verifier::new(VerifierConfig {
        issuer: issuer.to_string(),
        audience: "api".to_string(),
        algorithms: vec![Algorithm::Hs256],
        leeway,
    })
}

impl Behaviour for Verifying {
    fn answer(&mut self, request: &Request, job: Ref, cx: &mut Cx<'_>) -> Verdict {
        self.asked(request, job, false, cx)
    }

    fn answer_again(&mut self, request: &Request, job: Ref, cx: &mut Cx<'_>) -> Verdict {
        self.asked(request, job, true, cx)
    }

    fn start(&mut self, cx: &mut Cx<'_>) {
        self.cache = KeyCache::new(self.settings.cache(), cx.local_time());
    }

    fn crash(&mut self, _keep: Durable) {
        self.waiting.clear();
    }

    fn reconfigure(&mut self, plan: &ServicePlan) {
        self.settings = settings_of(plan);
        self.verifier = verifier(&self.settings, &self.issuer, self.is_lax);
    }

    fn calls_itself(&self) -> bool {
        true
    }

    fn call_done(&mut self, done: &Done, cx: &mut Cx<'_>) -> Option<Woken> {
        let local = cx.local_time();
        if done.outcome == OutcomeKind::Ok {
            let (seed, issuer) = (cx.seed(), &self.issuer);
            self.cache.fetched(local, wire::keys(done.value, |id| wire::key(seed, issuer, id)));
        } else {
            self.cache.fetch_failed(local);
        }
        let jobs = std::mem::take(&mut self.waiting);
        (!jobs.is_empty()).then_some(Woken { jobs, verdict: None })
    }

    fn probe(&self, out: &mut Probes) {
        out.counts.insert("tokens_accepted", self.accepted);
        out.counts.insert("key_fetches", self.fetches);
        out.counts.insert("accepted_beyond_end_us", self.beyond.furthest_beyond().as_micros());
        for (rejection, count) in &self.rejected {
            out.counts.insert(rejection.name(), *count);
        }
    }
}
