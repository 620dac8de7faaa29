//! Who checks tokens: with keys that it fetches from the issuer and keeps for a time, with a copy of the list of what is
//! revoked that is good for a time, and with roles. A token that is not accepted is answered with a miss, and so is a
//! principal who may not do what is asked; what was wrong is counted.

use std::collections::BTreeMap;

use foreshock_systems::auth::{
    Algorithm, CachedRevocations, KeyCache, KeyCacheConfig, KeysUnavailable, Lookup, Rejection,
    RevocationList, TokenId, Verifier, VerifierConfig, Witness,
};
use foreshock_systems::rate_limiter::RateLimitConfig;
use serde_json::{Map, Value};

use super::introspection::{Introspecting, Said};
use super::roles::{self, RoleSettings, Roles};
use super::wire::{self, Ask, DENIED, LOGIN_OVER, Packed};
use crate::cluster::{CallSpec, Cx, Done, Durable, Probes, Ref, Request};
use crate::kernel::draw::{Key, Lineage, name_hash};
use crate::kernel::time::{Span, Time};
use crate::measure::{OutcomeKind, auth_invariant};
use crate::nodes::service::{Answered, Behaviour, Verdict, Woken};
use crate::nodes::setting_table::{self as table, Setting, Wrong, lifetime, span};
use crate::scenario::plan::{EdgeId, Plan, ServiceId, ServicePlan};

/// No defect.
pub(super) const SOUND: u8 = 0;
/// For tests of the checks that have to notice: it counts its leeway twice.
pub(super) const LAX: u8 = 1;
/// It asks what is revoked, and does not listen.
pub(super) const DEAF: u8 = 2;
/// It forgets what roles forbid.
pub(super) const PERMISSIVE: u8 = 3;

/// Settings of who checks tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    leeway: Span,
    keys_ttl: Span,
    /// How old keys may get while they cannot be fetched; none: not older than their time.
    stale_for: Option<Span>,
    retry_after: Span,
    /// Unknown key names make it ask at most so often.
    unknown_every: Span,
    /// How often it asks what is revoked; none: never.
    revocations_every: Option<Span>,
    /// A list that is older is worth nothing: without one, no token is accepted.
    revocations_max_age: Span,
    /// The issuer is asked about each token, and its answer is good for so long; none: signatures are checked here.
    introspection_ttl: Option<Span>,
    roles: RoleSettings,
}

const SETTINGS: [Setting<Settings>; 8] = [
    ("introspection_ttl", |settings, value| {
        settings.introspection_ttl = Some(span(value)?);
        Ok(())
    }),
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
    ("revocations_every", |settings, value| {
        settings.revocations_every = Some(lifetime(value)?);
        Ok(())
    }),
    ("revocations_max_age", |settings, value| {
        settings.revocations_max_age = lifetime(value)?;
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
        revocations_every: None,
        revocations_max_age: Span::from_secs(30),
        introspection_ttl: None,
        roles: RoleSettings::default(),
    };
    let (of_roles, others): (Map<String, Value>, Map<String, Value>) =
        written.clone().into_iter().partition(|(key, _)| roles::KEYS.contains(&key.as_str()));
    let roles = roles::read(&of_roles);
    let others = table::read("a token verifier", &SETTINGS, usual, &others);
    let mut settings = match (roles, others) {
        (Ok(roles), Ok(others)) => Settings { roles, ..others },
        (Err(wrong), Ok(_)) | (Ok(_), Err(wrong)) => return Err(wrong),
        (Err(wrong), Err(others)) => return Err(wrong.into_iter().chain(others).collect()),
    };
    let Some(every) = settings.revocations_every else { return Ok(settings) };
    if every >= settings.revocations_max_age {
        let message = "a list is asked for before it is too old: make it shorter than `revocations_max_age`";
        return Err(vec![("revocations_every".to_string(), message.to_string())]);
    }
    settings.retry_after = settings.retry_after.min(every);
    Ok(settings)
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

/// What a call of its own is about; greater ones ask about a token.
const KEYS: u64 = 0;
const LIST: u64 = 1;
pub(super) const FIRST_TOKEN: u64 = 2;

pub(super) struct Verifying {
    settings: Settings,
    edge: Option<EdgeId>,
    issuer: String,
    defect: u8,
    /// Whom it asks, as a service.
    issuer_id: Option<ServiceId>,
    revoked: CachedRevocations,
    list: RevocationList,
    /// How much of the list it has, and when it asks for more.
    heard: u64,
    introspecting: Introspecting,
    asks_at: Option<Time>,
    asked_at: Option<Time>,
    asked: u64,
    lists: u64,
    roles: Roles,
    role_draws: Option<Key>,
    denied: u64,
    allowed: u64,
    furthest_revoked: Span,
    seen: Time,
    cache: KeyCache,
    verifier: Verifier,
    waiting: Vec<Ref>,
    fetches: u64,
    accepted: u64,
    rejected: BTreeMap<Rejection, u64>,
    beyond: Witness,
}

impl Verifying {
    pub(super) fn new(own: &ServicePlan, edge: Option<EdgeId>, plan: &Plan, defect: u8) -> Verifying {
        let settings = settings_of(own);
        let issuer_id = edge.map(|edge| plan.edges[edge.index()].callee);
        let issuer = issuer_id.map_or(String::new(), |to| plan.services[to.index()].name.clone());
        Verifying {
            edge,
            cache: KeyCache::new(settings.cache(), Time::ZERO),
            verifier: verifier(&settings, &issuer, defect == LAX),
            issuer,
            defect,
            issuer_id,
            revoked: CachedRevocations::new(settings.revocations_max_age),
            list: RevocationList::new(),
            heard: 0,
            introspecting: Introspecting::new(settings.introspection_ttl, defect == DEAF),
            asks_at: None,
            asked_at: None,
            asked: 0,
            lists: 0,
            roles: Roles::new(settings.roles.clone(), defect == PERMISSIVE),
            role_draws: None,
            denied: 0,
            allowed: 0,
            furthest_revoked: Span::ZERO,
            seen: Time::ZERO,
            settings,
            waiting: Vec::new(),
            fetches: 0,
            accepted: 0,
            rejected: BTreeMap::new(),
            beyond: Witness::new(Span::MAX, Span::MAX, Span::ZERO),
        }
    }

    /// Asks how long the list of what is revoked is; the answer brings what is new in it.
    fn ask_for_revocations(&mut self, local: Time, cx: &mut Cx<'_>) {
        let (Some(edge), Some(every)) = (self.edge, self.settings.revocations_every) else { return };
        self.asks_at = Some(local + every);
        if self.asked_at.is_some() {
            return;
        }
        self.asked_at = Some(local);
        self.asked += 1;
        let lineage = Lineage::root(cx.name_of(cx.node()), self.asked).call(name_hash("revocations"), 0);
        let arguments = Ask::Revocations.arguments();
        let spec = CallSpec { arguments, token: LIST, ..CallSpec::of_its_own(edge, lineage, cx.now()) };
        cx.call(spec, Ref::NONE);
    }

    /// The list as it was when it was asked for, at least.
    fn hear(&mut self, done: &Done, cx: &mut Cx<'_>) {
        let Some(asked_at) = self.asked_at.take() else { return };
        if done.outcome != OutcomeKind::Ok || done.missed {
            let again = cx.local_time() + self.settings.retry_after;
            self.asks_at = self.asks_at.map(|at| at.min(again));
            return;
        }
        self.lists += 1;
        if let Some(issuer) = self.issuer_id.filter(|_| self.defect != DEAF) {
            for (family, expires) in cx.revocations_of(issuer, self.heard, done.value) {
                self.list.revoke_session(family, expires);
            }
        }
        self.heard = self.heard.max(done.value);
        self.list.expire(cx.local_time());
        self.revoked.fetched(asked_at, self.list.clone());
    }

    /// Whether a login's tokens are still good; or why not.
    fn check_revoked(&mut self, token: TokenId, family: u64, cx: &mut Cx<'_>) -> Result<(), Rejection> {
        if self.settings.revocations_every.is_none() {
            return Ok(());
        }
        match self.revoked.is_revoked(cx.local_time(), token, family) {
            Some(true) => return Err(Rejection::Revoked),
            None => return Err(Rejection::RevocationsUnavailable),
            Some(false) => {}
        }
        self.watch_revoked(family, self.settings.revocations_max_age, cx);
        Ok(())
    }

    /// A token is accepted: how long after its login was revoked, and whether that was promised.
    fn watch_revoked(&mut self, family: u64, promised: Span, cx: &mut Cx<'_>) {
        let since = self.issuer_id.and_then(|issuer| cx.revoked_at(issuer, family));
        let Some(since) = since.map(|at| cx.now().since(at)) else { return };
        self.furthest_revoked = self.furthest_revoked.max(since);
        // By true time; what its own clock is off is not promised.
        let (now, local) = (cx.now(), cx.local_time());
        let promised = promised + now.since(local).max(local.since(now));
        if since > promised {
            cx.violation(
                auth_invariant::REVOKED,
                format!("login {family:016x} was revoked {since} ago, and {promised} are promised"),
            );
        }
    }

    /// What the issuer says of a token decides.
    fn introspect(
        &mut self,
        (token, family): (u64, u64),
        request: &Request,
        job: Ref,
        has_asked: bool,
        cx: &mut Cx<'_>,
    ) -> Verdict {
        let Some(edge) = self.edge else { return Verdict::Fail };
        match self.introspecting.said((family, token), request, job, has_asked, edge, cx) {
            Said::Wait => Verdict::Wait,
            Said::Nothing => self.reject(Rejection::IntrospectionUnavailable),
            Said::Inactive => {
                *self.rejected.entry(Rejection::Inactive).or_insert(0) += 1;
                Verdict::Answer(Answered { missed: true, value: LOGIN_OVER })
            }
            Said::Active { .. } if !self.is_allowed(request, cx) => {
                Verdict::Answer(Answered { missed: true, value: DENIED })
            }
            Said::Active { overtime } => {
                self.accepted += 1;
                let promised = self.settings.introspection_ttl.unwrap_or_default().max(overtime);
                self.watch_revoked(family, promised, cx);
                Verdict::Answer(Answered::default())
            }
        }
    }

    /// Whether the principal may do what is asked.
    fn is_allowed(&mut self, request: &Request, cx: &mut Cx<'_>) -> bool {
        let Some(draws) = self.role_draws.filter(|_| self.settings.roles.is_on()) else { return true };
        let plan = std::sync::Arc::clone(cx.plan());
        let operation = plan.operations.get(request.operation.index()).map_or("", String::as_str);
        let decided = self.roles.decide(cx.local_time(), request.key, operation, draws);
        if decided.is_wrong {
            let principal = request.key;
            cx.violation(
                auth_invariant::DENIED,
                format!(
                    "principal {principal} passed with `{operation}`, which no role of theirs lets them do"
                ),
            );
        }
        *(if decided.passes { &mut self.allowed } else { &mut self.denied }) += 1;
        decided.passes
    }

    fn fetch(&mut self, cx: &mut Cx<'_>) {
        let Some(edge) = self.edge else { return };
        if !self.cache.begin_fetch() {
            return;
        }
        self.fetches += 1;
        let lineage = Lineage::root(cx.name_of(cx.node()), self.fetches).call(name_hash("fetch"), 0);
        let arguments = Ask::Keys.arguments();
        let spec = CallSpec { arguments, token: KEYS, ..CallSpec::of_its_own(edge, lineage, cx.now()) };
        cx.call(spec, Ref::NONE);
    }

    fn check(
        &mut self,
        (word, family): (u64, u64),
        request: &Request,
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
        let Some(token) = packed.token(&key, &self.issuer, (request.key, family)) else {
            return self.reject(Rejection::Signature);
        };
        match self.verifier.verify(local, &token, &key) {
            Err(rejection) => self.reject(rejection),
            Ok(claims) => {
                if let Err(rejection) = self.check_revoked(claims.id, family, cx) {
                    return self.reject(rejection);
                }
                if !self.is_allowed(request, cx) {
                    return Verdict::Answer(Answered { missed: true, value: DENIED });
                }
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
            Some(Ask::Present { token, family }) if self.settings.introspection_ttl.is_some() => {
                self.introspect((token, family), request, job, has_fetched, cx)
            }
            Some(Ask::Present { token, family }) => {
                self.check((token, family), request, job, has_fetched, cx)
            }
            Some(
                Ask::Login { .. }
                | Ask::Refresh { .. }
                | Ask::Keys
                | Ask::Revoke { .. }
                | Ask::Revocations
                | Ask::Introspect { .. }
                | Ask::Guess,
            )
            | None => self.reject(Rejection::Signature),
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
        self.seen = cx.local_time();
        self.asked(request, job, false, cx)
    }

    fn answer_again(&mut self, request: &Request, job: Ref, cx: &mut Cx<'_>) -> Verdict {
        self.asked(request, job, true, cx)
    }

    fn start(&mut self, cx: &mut Cx<'_>) {
        self.cache = KeyCache::new(self.settings.cache(), cx.local_time());
        self.role_draws = Some(cx.key("role"));
        self.asks_at = self.settings.revocations_every.map(|_| cx.local_time());
    }

    fn crash(&mut self, _keep: Durable) {
        self.waiting.clear();
        (self.list, self.heard, self.asked_at) = (RevocationList::new(), 0, None);
        self.revoked = CachedRevocations::new(self.settings.revocations_max_age);
        self.roles.restart();
        self.introspecting.restart();
    }

    fn reconfigure(&mut self, plan: &ServicePlan) {
        let was = std::mem::replace(&mut self.settings, settings_of(plan));
        self.verifier = verifier(&self.settings, &self.issuer, self.defect == LAX);
        self.roles.reconfigure(self.seen, self.settings.roles.clone());
        self.introspecting.reconfigure(self.settings.introspection_ttl);
        let of_list = |settings: &Settings| (settings.revocations_every, settings.revocations_max_age);
        if of_list(&was) != of_list(&self.settings) {
            // A copy is as good as the new settings say, and the next one is asked for at once.
            self.revoked = CachedRevocations::new(self.settings.revocations_max_age);
            self.asks_at = self.settings.revocations_every.map(|_| Time::ZERO);
        }
    }

    fn deadline(&self) -> Option<Time> {
        self.asks_at
    }

    fn expire(&mut self, local: Time, cx: &mut Cx<'_>) -> Option<Woken> {
        self.ask_for_revocations(local, cx);
        None
    }

    fn calls_itself(&self) -> bool {
        true
    }

    fn call_done(&mut self, done: &Done, cx: &mut Cx<'_>) -> Option<Woken> {
        if done.token == LIST {
            self.hear(done, cx);
            return None;
        }
        if let Some(jobs) = self.introspecting.call_done(done) {
            return (!jobs.is_empty()).then_some(Woken { jobs, verdict: None });
        }
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
        if self.settings.revocations_every.is_some() {
            out.counts.insert("revocation_lists", self.lists);
            out.maxima.insert("accepted_after_revocation_us", self.furthest_revoked.as_micros());
        }
        if self.settings.introspection_ttl.is_some() {
            out.counts.insert("introspections_asked", self.introspecting.asked());
            out.maxima.insert("accepted_after_revocation_us", self.furthest_revoked.as_micros());
        }
        if self.settings.roles.is_on() {
            out.counts.insert("allowed", self.allowed);
            out.counts.insert("denied", self.denied);
        }
        for (rejection, count) in &self.rejected {
            out.counts.insert(rejection.name(), *count);
        }
    }
}
