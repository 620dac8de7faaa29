//! The issuer: logins, refreshes, keys. Families survive a crash; a family's old token that comes again ends it.

use foreshock_systems::auth::{
    KeyId, KeyRing, RefreshConfig, RefreshError, RefreshToken, RefreshTokens, RotationConfig, Token, Witness,
};
use foreshock_systems::store::MemoryStore;
use serde_json::{Map, Value};

use super::wire::{self, Ask};
use crate::cluster::{Cx, Durable, Probes, Ref, Request};
use crate::kernel::time::{Span, Time};
use crate::measure::auth_invariant;
use crate::nodes::service::{Answered, Behaviour, Verdict, Woken};
use crate::nodes::setting_table::{self as table, Setting, Wrong, lifetime, span, switch};
use crate::scenario::plan::ServicePlan;
use crate::scenario::quantity::Problem;

/// Settings of an issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    life_s: u64,
    /// Tokens expire at whole multiples of this: at the one after the next.
    expires_on_the: Option<Span>,
    grace: Span,
    /// The key changes with this period, beginning so long after the start.
    rotate_every: Option<Span>,
    publish_before: Span,
    keep_after: Span,
    are_keys_down: bool,
    /// What hashing a password takes beside the usual work.
    hash_time: Span,
}

const SETTINGS: [Setting<Settings>; 8] = [
    ("token_life", |settings, value| {
        let life_s = lifetime(value)?.as_nanos() / 1_000_000_000;
        if life_s == 0 || life_s > wire::MOST_LIFE_S {
            return Err(Problem::new("a token lives for 1 s to 18 h", "write `10m`"));
        }
        settings.life_s = life_s;
        Ok(())
    }),
    ("expires_on_the", |settings, value| {
        let every = lifetime(value)?;
        if every < Span::from_secs(1) || every > Span::from_secs(wire::MOST_LIFE_S / 2) {
            return Err(Problem::new("tokens expire every 1 s to 9 h", "write `10m`"));
        }
        settings.expires_on_the = Some(every);
        Ok(())
    }),
    ("refresh_grace", |settings, value| {
        settings.grace = span(value)?;
        Ok(())
    }),
    ("rotate_every", |settings, value| {
        settings.rotate_every = Some(lifetime(value)?);
        Ok(())
    }),
    ("publish_before", |settings, value| {
        settings.publish_before = span(value)?;
        Ok(())
    }),
    ("keep_after", |settings, value| {
        settings.keep_after = span(value)?;
        Ok(())
    }),
    ("keys_down", |settings, value| {
        settings.are_keys_down = switch(value)?;
        Ok(())
    }),
    ("hash_time", |settings, value| {
        settings.hash_time = span(value)?;
        Ok(())
    }),
];

/// The settings of an issuer, or everything that is wrong with them.
pub(super) fn read(written: &Map<String, Value>) -> Result<Settings, Vec<Wrong>> {
    let usual = Settings {
        life_s: 600,
        expires_on_the: None,
        grace: Span::from_secs(30),
        rotate_every: None,
        publish_before: Span::from_secs(330),
        keep_after: Span::from_secs(720),
        are_keys_down: false,
        hash_time: Span::ZERO,
    };
    table::read("an auth server", &SETTINGS, usual, written)
}

#[derive(Default)]
struct Counts {
    logins: u64,
    refreshes: u64,
    repeats: u64,
    reused: u64,
    refused: u64,
    key_fetches: u64,
    rotations: u64,
}

pub(super) struct Server {
    settings: Settings,
    name: String,
    forgives: bool,
    ring: Option<KeyRing>,
    next_key: u64,
    rotates_at: Option<Time>,
    tokens: RefreshTokens<MemoryStore>,
    witness: Witness,
    counts: Counts,
}

impl Server {
    pub(super) fn new(plan: &ServicePlan, forgives: bool) -> Server {
        let settings = settings_of(plan);
        Server {
            name: plan.name.clone(),
            forgives,
            ring: None,
            next_key: 0,
            rotates_at: None,
            tokens: RefreshTokens::new(refresh_config(&settings), MemoryStore::new()),
            witness: Witness::new(Span::ZERO, Span::ZERO, settings.grace),
            settings,
            counts: Counts::default(),
        }
    }

    fn new_key(&mut self, cx: &Cx<'_>) -> foreshock_systems::auth::Key {
        let id = self.next_key % wire::MOST_KEYS;
        self.next_key += 1;
        wire::key(cx.seed(), &self.name, KeyId(id))
    }

    /// A new access token, in one word. It is also the secret of the refresh token that comes with it.
    fn issue(&self, local: Time, session: u64) -> Option<u64> {
        let now_s = local.as_nanos() / 1_000_000_000;
        let life_s = match self.settings.expires_on_the {
            None => self.settings.life_s,
            Some(every) => {
                let every_s = (every.as_nanos() / 1_000_000_000).max(1);
                (2 * every_s - now_s % every_s).min(wire::MOST_LIFE_S)
            }
        };
        let token: Token = self.ring.as_ref()?.sign(wire::claims(&self.name, session, now_s, life_s));
        Some(wire::pack(&token))
    }

    fn log_in(&mut self, local: Time, session: u64, family: u64) -> Verdict {
        let Some(word) = self.issue(local, session) else { return Verdict::Fail };
        self.counts.logins += 1;
        match self.tokens.begin(local, family, session, word) {
            Ok(token) => Verdict::Proceed(Answered { missed: false, value: token.secret }),
            // The answer to this login was lost, and it is asked for again: begun is begun.
            Err(_) => Verdict::Proceed(Answered { missed: true, value: 0 }),
        }
    }

    fn refresh(&mut self, session: u64, token: RefreshToken, cx: &mut Cx<'_>) -> Verdict {
        let local = cx.local_time();
        let Some(word) = self.issue(local, session) else { return Verdict::Fail };
        let refreshed = self.tokens.refresh(local, token, word);
        match refreshed {
            Ok(refreshed) => {
                self.counts.refreshes += 1;
                self.counts.repeats += u64::from(refreshed.is_repeat);
                let next = (refreshed.next.generation, refreshed.next.secret);
                self.watch(local, token, next, cx);
                Verdict::Proceed(Answered { missed: false, value: refreshed.next.secret })
            }
            Err(error) => {
                self.counts.reused += u64::from(error == RefreshError::Reused);
                self.counts.refused += 1;
                if self.forgives && error == RefreshError::Reused {
                    self.watch(local, token, (token.generation + 1, word), cx);
                    return Verdict::Proceed(Answered { missed: false, value: word });
                }
                Verdict::Proceed(Answered { missed: true, value: 0 })
            }
        }
    }

    fn watch(&mut self, local: Time, used: RefreshToken, next: (u32, u64), cx: &mut Cx<'_>) {
        if let Err(violation) = self.witness.refreshed(local, used.family, used.generation, next) {
            cx.violation(auth_invariant::FAMILIES, violation.to_string());
        }
    }
}

fn settings_of(plan: &ServicePlan) -> Settings {
    read(&plan.settings).expect("the plan's settings were checked")
}

fn refresh_config(settings: &Settings) -> RefreshConfig {
    RefreshConfig { grace: settings.grace, ..RefreshConfig::default() }
}

impl Behaviour for Server {
    fn answer(&mut self, request: &Request, _job: Ref, cx: &mut Cx<'_>) -> Verdict {
        match Ask::of(request.arguments) {
            Some(Ask::Login { family }) => self.log_in(cx.local_time(), request.key, family),
            Some(Ask::Refresh { family, generation, secret }) => {
                self.refresh(request.key, RefreshToken { family, generation, secret }, cx)
            }
            Some(Ask::Keys) if self.settings.are_keys_down => Verdict::Fail,
            Some(Ask::Keys) => {
                self.counts.key_fetches += 1;
                let value = self.ring.as_ref().map_or(0, |ring| wire::mask(&ring.published()));
                Verdict::Proceed(Answered { missed: false, value })
            }
            Some(Ask::Present { .. }) | None => Verdict::Proceed(Answered::default()),
        }
    }

    fn demand(&self, request: &Request, usual: Span) -> Span {
        match Ask::of(request.arguments) {
            Some(Ask::Login { .. }) => usual + self.settings.hash_time,
            Some(Ask::Refresh { .. } | Ask::Keys | Ask::Present { .. }) | None => usual,
        }
    }

    fn start(&mut self, cx: &mut Cx<'_>) {
        if self.ring.is_none() {
            let rotation = RotationConfig {
                publish_before: self.settings.publish_before,
                keep_after: self.settings.keep_after,
            };
            let first = self.new_key(cx);
            self.ring = Some(KeyRing::new(rotation, first));
            self.rotates_at = self.settings.rotate_every.map(|every| cx.local_time() + every);
        }
    }

    fn crash(&mut self, keep: Durable) {
        if keep == Durable::Nothing {
            self.tokens = RefreshTokens::new(refresh_config(&self.settings), MemoryStore::new());
        }
    }

    fn reconfigure(&mut self, plan: &ServicePlan) {
        self.settings = settings_of(plan);
        self.tokens.reconfigure(refresh_config(&self.settings));
    }

    fn deadline(&self) -> Option<Time> {
        let ring = self.ring.as_ref().and_then(KeyRing::deadline);
        ring.into_iter().chain(self.rotates_at).min()
    }

    fn expire(&mut self, local: Time, cx: &mut Cx<'_>) -> Option<Woken> {
        if self.rotates_at.is_some_and(|at| at <= local) {
            let key = self.new_key(cx);
            self.counts.rotations += 1;
            self.rotates_at = self.settings.rotate_every.map(|every| local + every);
            if let Some(ring) = &mut self.ring {
                ring.rotate(local, key);
            }
        }
        if let Some(ring) = &mut self.ring {
            ring.expire(local);
        }
        None
    }

    fn probe(&self, out: &mut Probes) {
        let counts = &self.counts;
        out.counts.extend([
            ("logins", counts.logins),
            ("refreshes", counts.refreshes),
            ("refreshes_repeated", counts.repeats),
            ("refresh_tokens_reused", counts.reused),
            ("refreshes_refused", counts.refused),
            ("key_fetches", counts.key_fetches),
            ("key_rotations", counts.rotations),
        ]);
    }
}
