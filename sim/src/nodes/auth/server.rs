//! The issuer: logins, refreshes, keys, and the list of what is revoked. Families survive a crash as its store does; a
//! family's old token that comes again ends it. A login costs what its password's hash costs, unless it is refused at the
//! door.

use std::collections::BTreeMap;

use foreshock_systems::auth::{
    KeyId, KeyRing, RefreshConfig, RefreshError, RefreshToken, RefreshTokens, RotationConfig, SessionConfig,
    Sessions, Token, Verifier, Witness,
};
use foreshock_systems::store::FsyncPolicy;
use serde_json::{Map, Value};

use super::throttle::{Throttle, ThrottleSettings};
use super::wire::{self, Ask, Packed};
use crate::cluster::{Cx, Durable, Probes, Ref, Request};
use crate::kernel::draw::{Key, Lineage, chance_ppm, name_hash};
use crate::kernel::time::{Span, Time};
use crate::measure::auth_invariant;
use crate::nodes::service::{Answered, Behaviour, Verdict, Woken};
use crate::nodes::setting_table::{self as table, Setting, Wrong, lifetime, positive, share, span, switch};
use crate::nodes::store::{AnyStore, Fallen, StoreKind};
use crate::scenario::plan::ServicePlan;
use crate::scenario::quantity::Problem;

/// No defect.
pub(super) const SOUND: u8 = 0;
/// For tests of the checks that have to notice: it goes on with a family although one of its old tokens has come again.
pub(super) const FORGIVES: u8 = 1;
/// It lets everybody try to log in.
pub(super) const UNGUARDED: u8 = 2;
/// Its store says that it syncs, and nobody asks it to.
pub(super) const UNSYNCED: u8 = 3;

/// Logins are not remembered but as families of tokens.
const NO_SESSIONS: SessionConfig = SessionConfig { sliding: Span::MAX, absolute: Span::MAX };

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
    throttle: ThrottleSettings,
    /// Share of accounts whose password stands on the list of who guesses, and from how many addresses they do.
    guess_hits_ppm: u32,
    guess_addresses: u32,
    /// How long a login is remembered, where it is one of a server's own sessions.
    session: SessionConfig,
    store: StoreKind,
}

const SETTINGS: [Setting<Settings>; 18] = [
    ("session_idle", |settings, value| {
        settings.session.sliding = lifetime(value)?;
        Ok(())
    }),
    ("session_max", |settings, value| {
        settings.session.absolute = lifetime(value)?;
        Ok(())
    }),
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
    ("login_burst", |settings, value| {
        settings.throttle.account.burst = positive(value)?;
        Ok(())
    }),
    ("login_every", |settings, value| {
        settings.throttle.account.every = Some(lifetime(value)?);
        Ok(())
    }),
    ("address_burst", |settings, value| {
        settings.throttle.address.burst = positive(value)?;
        Ok(())
    }),
    ("address_every", |settings, value| {
        settings.throttle.address.every = Some(lifetime(value)?);
        Ok(())
    }),
    ("lock_after", |settings, value| {
        settings.throttle.lock_after = Some(positive(value)?);
        Ok(())
    }),
    ("lock_for", |settings, value| {
        settings.throttle.lock_for = lifetime(value)?;
        Ok(())
    }),
    ("guess_hits", |settings, value| {
        settings.guess_hits_ppm = share(value)?;
        Ok(())
    }),
    ("guess_addresses", |settings, value| {
        settings.guess_addresses = positive(value)?;
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
        throttle: ThrottleSettings::NONE,
        guess_hits_ppm: 0,
        guess_addresses: 1_000,
        session: NO_SESSIONS,
        store: StoreKind::Wal(FsyncPolicy::EveryCommit),
    };
    let settings =
        table::read_stored("an auth server", &SETTINGS, usual, |settings| &mut settings.store, written)?;
    if matches!(settings.store, StoreKind::Wal(FsyncPolicy::Group { .. })) {
        let message =
            "a token is synced before it leaves the house; write `every_commit`, or `never` to see why";
        return Err(vec![("fsync".to_string(), message.to_string())]);
    }
    Ok(settings)
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
    guesses: u64,
    guessed: u64,
    revoked: u64,
    introspections: u64,
    inactive: u64,
    restarts: u64,
}

pub(super) struct Server {
    settings: Settings,
    name: String,
    defect: u8,
    ring: Option<KeyRing>,
    next_key: u64,
    rotates_at: Option<Time>,
    tokens: Option<RefreshTokens<AnyStore>>,
    fallen: Option<Fallen>,
    witness: Witness,
    /// The newest generation that was answered, of each family.
    answered: BTreeMap<u64, u32>,
    /// In memory: who restarts has forgotten all of them.
    sessions: Option<Sessions>,
    throttle: Throttle,
    guessable: Option<Key>,
    counts: Counts,
}

impl Server {
    pub(super) fn new(plan: &ServicePlan, defect: u8) -> Server {
        let settings = settings_of(plan);
        Server {
            name: plan.name.clone(),
            defect,
            ring: None,
            next_key: 0,
            rotates_at: None,
            tokens: None,
            fallen: None,
            witness: Witness::new(Span::ZERO, Span::ZERO, settings.grace),
            answered: BTreeMap::new(),
            sessions: None,
            throttle: Throttle::new(settings.throttle, defect == UNGUARDED),
            guessable: None,
            settings,
            counts: Counts::default(),
        }
    }

    fn new_key(&mut self, cx: &Cx<'_>) -> foreshock_systems::auth::Key {
        let id = self.next_key % wire::MOST_KEYS;
        self.next_key += 1;
        wire::key(cx.seed(), &self.name, KeyId(id))
    }

    /// A new access token of a login, in one word. It is also the secret of the refresh token that comes with it.
    fn issue(&self, local: Time, whose: (u64, u64)) -> Option<u64> {
        let now_s = local.as_nanos() / 1_000_000_000;
        let life_s = match self.settings.expires_on_the {
            None => self.settings.life_s,
            Some(every) => {
                let every_s = (every.as_nanos() / 1_000_000_000).max(1);
                (2 * every_s - now_s % every_s).min(wire::MOST_LIFE_S)
            }
        };
        let token: Token = self.ring.as_ref()?.sign(wire::claims(&self.name, whose, now_s, life_s));
        Some(wire::pack(&token))
    }

    /// Whose login it is and where it comes from, if it is one: people log in at home, who guesses has many addresses.
    fn login_of(&self, request: &Request) -> Option<(u64, u64)> {
        let home = |at: &str, number| Lineage::root(name_hash(at), number).raw();
        match Ask::of(request.arguments)? {
            Ask::Login { .. } => Some((request.key, home("home", request.key))),
            Ask::Guess => {
                let number = request.call.raw() % u64::from(self.settings.guess_addresses);
                Some((request.key, home("elsewhere", number)))
            }
            Ask::Refresh { .. }
            | Ask::Keys
            | Ask::Present { .. }
            | Ask::Revoke { .. }
            | Ask::Revocations
            | Ask::Introspect { .. } => None,
        }
    }

    fn log_in(&mut self, family: u64, request: &Request, cx: &Cx<'_>) -> Verdict {
        let (local, account) = (cx.local_time(), request.key);
        if let Some((account, address)) = self.login_of(request) {
            self.throttle.ended(local, account, address, true);
        }
        let Some(word) = self.issue(local, (account, family)) else { return Verdict::Fail };
        let Some(tokens) = &mut self.tokens else { return Verdict::Fail };
        self.counts.logins += 1;
        match tokens.begin(local, family, account, word) {
            Ok(token) => {
                self.answered.insert(family, 0);
                if let Some(sessions) = &mut self.sessions {
                    sessions.begin(local, family, account);
                }
                Verdict::Proceed(Answered { missed: false, value: token.secret })
            }
            // The answer to this login was lost, and it is asked for again: begun is begun.
            Err(_) => Verdict::Proceed(Answered { missed: true, value: 0 }),
        }
    }

    /// Somebody has tried a password that is not their own. It is hashed like any other.
    fn guess(&mut self, request: &Request, cx: &Cx<'_>) -> Verdict {
        self.counts.guesses += 1;
        let hits =
            self.guessable.is_some_and(|key| chance_ppm(key.draw(request.key), self.settings.guess_hits_ppm));
        self.counts.guessed += u64::from(hits);
        if let Some((account, address)) = self.login_of(request) {
            self.throttle.ended(cx.local_time(), account, address, hits);
        }
        Verdict::Proceed(Answered { missed: !hits, value: 0 })
    }

    fn refresh(&mut self, account: u64, token: RefreshToken, cx: &mut Cx<'_>) -> Verdict {
        let local = cx.local_time();
        let Some(word) = self.issue(local, (account, token.family)) else { return Verdict::Fail };
        let Some(tokens) = &mut self.tokens else { return Verdict::Fail };
        let refreshed = tokens.refresh(local, token, word);
        match refreshed {
            Ok(refreshed) => {
                self.counts.refreshes += 1;
                self.counts.repeats += u64::from(refreshed.is_repeat);
                let next = (refreshed.next.generation, refreshed.next.secret);
                self.answered.insert(token.family, next.0);
                self.watch(local, token, next, cx);
                Verdict::Proceed(Answered { missed: false, value: refreshed.next.secret })
            }
            Err(error) => {
                self.counts.reused += u64::from(error == RefreshError::Reused);
                self.counts.refused += 1;
                if self.defect == FORGIVES && error == RefreshError::Reused {
                    self.watch(local, token, (token.generation + 1, word), cx);
                    return Verdict::Proceed(Answered { missed: false, value: word });
                }
                Verdict::Proceed(Answered { missed: true, value: 0 })
            }
        }
    }

    /// A login ends: it gets no further tokens, and those it has stand on the list until they would end anyway.
    fn revoke(&mut self, family: u64, cx: &mut Cx<'_>) -> Verdict {
        let local = cx.local_time();
        let Some(tokens) = &mut self.tokens else { return Verdict::Fail };
        let Ok(is_known) = tokens.revoke(local, family) else { return Verdict::Fail };
        if let Some(sessions) = &mut self.sessions {
            sessions.end(family);
        }
        if is_known {
            self.counts.revoked += 1;
            let longest = Span::from_secs(wire::MOST_LIFE_S) + Verifier::MAX_LEEWAY;
            cx.revoke(family, local + longest);
        }
        Verdict::Proceed(Answered { missed: !is_known, value: 0 })
    }

    /// Whether a token is one that was issued here, to this account, and its login goes on. That counts as using it.
    fn introspect(&mut self, account: u64, (token, family): (u64, u64), cx: &Cx<'_>) -> Verdict {
        self.counts.introspections += 1;
        let packed = Packed::of(token);
        let published = self.ring.as_ref().map(KeyRing::published).unwrap_or_default();
        let is_ours = published
            .get(packed.key)
            .is_some_and(|key| packed.token(key, &self.name, (account, family)).is_some());
        let goes_on = match &mut self.sessions {
            Some(sessions) => sessions.touch(cx.local_time(), family) == Ok(account),
            None => self.tokens.as_ref().is_some_and(|tokens| tokens.newest(family).is_some()),
        };
        let is_active = is_ours && goes_on;
        self.counts.inactive += u64::from(!is_active);
        Verdict::Proceed(Answered { missed: !is_active, value: 0 })
    }

    /// Looks for every login that was answered in what a crash has left of them.
    fn check_kept(&mut self, cx: &mut Cx<'_>) {
        let may_lose = self.settings.store != StoreKind::Wal(FsyncPolicy::EveryCommit);
        let Some(tokens) = &self.tokens else { return };
        let lost = self.answered.iter().find(|(family, newest)| tokens.newest(**family) < Some(**newest));
        if let Some((family, newest)) = lost.filter(|_| !may_lose) {
            let found = tokens.newest(*family);
            cx.violation(
                auth_invariant::KEPT,
                format!("token {newest} of family {family:016x} was answered, and {found:?} is known"),
            );
        }
        self.answered.retain(|family, _| tokens.newest(*family).is_some());
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

fn refresh_config(settings: &Settings, defect: u8) -> RefreshConfig {
    let is_synced = settings.store != StoreKind::Wal(FsyncPolicy::Never) && defect != UNSYNCED;
    RefreshConfig { grace: settings.grace, is_synced, ..RefreshConfig::default() }
}

impl Behaviour for Server {
    fn answer(&mut self, request: &Request, _job: Ref, cx: &mut Cx<'_>) -> Verdict {
        match Ask::of(request.arguments) {
            Some(Ask::Login { family }) => self.log_in(family, request, cx),
            Some(Ask::Guess) => self.guess(request, cx),
            Some(Ask::Refresh { family, generation, secret }) => {
                self.refresh(request.key, RefreshToken { family, generation, secret }, cx)
            }
            Some(Ask::Revoke { family }) => self.revoke(family, cx),
            Some(Ask::Introspect { token, family }) => self.introspect(request.key, (token, family), cx),
            Some(Ask::Revocations) => Verdict::Proceed(Answered { missed: false, value: cx.revocations() }),
            Some(Ask::Keys) if self.settings.are_keys_down => Verdict::Fail,
            Some(Ask::Keys) => {
                self.counts.key_fetches += 1;
                let value = self.ring.as_ref().map_or(0, |ring| wire::mask(&ring.published()));
                Verdict::Proceed(Answered { missed: false, value })
            }
            Some(Ask::Present { .. }) | None => Verdict::Proceed(Answered::default()),
        }
    }

    fn answer_at_door(&mut self, request: &Request, cx: &mut Cx<'_>) -> Option<Answered> {
        let (account, address) = self.login_of(request)?;
        let admitted = self.throttle.admit(cx.local_time(), account, address);
        if let Err(witness) = &admitted {
            cx.violation(auth_invariant::THROTTLED, witness.clone());
        }
        let is_refused = admitted == Ok(false);
        is_refused.then_some(Answered { missed: true, value: 0 })
    }

    fn demand(&self, request: &Request, usual: Span) -> Span {
        match Ask::of(request.arguments) {
            Some(Ask::Login { .. } | Ask::Guess) => usual + self.settings.hash_time,
            Some(
                Ask::Refresh { .. }
                | Ask::Keys
                | Ask::Present { .. }
                | Ask::Revoke { .. }
                | Ask::Revocations
                | Ask::Introspect { .. },
            )
            | None => usual,
        }
    }

    fn start(&mut self, cx: &mut Cx<'_>) {
        self.guessable = Some(cx.key("guessable"));
        let disk = self.fallen.take().and_then(|fallen| fallen.disk(self.counts.restarts, cx));
        let kind =
            if self.defect == UNSYNCED { StoreKind::Wal(FsyncPolicy::Never) } else { self.settings.store };
        let store = AnyStore::open(kind, disk);
        self.tokens = Some(RefreshTokens::new(refresh_config(&self.settings, self.defect), store));
        self.check_kept(cx);
        if self.settings.session != NO_SESSIONS {
            self.sessions.get_or_insert_with(|| Sessions::new(self.settings.session));
        }
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
        self.counts.restarts += 1;
        self.fallen = self.tokens.take().map(|tokens| tokens.into_store().fallen(keep));
        self.throttle.restart();
        self.sessions = None;
    }

    fn reconfigure(&mut self, plan: &ServicePlan) {
        // Where families are kept changes with the next start only.
        self.settings = Settings { store: self.settings.store, ..settings_of(plan) };
        self.throttle.reconfigure(self.settings.throttle);
        let config = refresh_config(&self.settings, self.defect);
        if let Some(tokens) = &mut self.tokens {
            tokens.reconfigure(config);
        }
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
        if self.throttle.is_on() || counts.guesses > 0 {
            out.counts.extend([
                ("logins_tried", self.throttle.tried),
                ("logins_refused_account", self.throttle.refused_account),
                ("logins_refused_address", self.throttle.refused_address),
                ("logins_refused_locked", self.throttle.refused_locked),
                ("guesses_tried", counts.guesses),
                ("guesses_right", counts.guessed),
            ]);
        }
        if counts.introspections > 0 {
            out.counts.insert("introspections", counts.introspections);
            out.counts.insert("introspected_inactive", counts.inactive);
        }
        if counts.revoked > 0 {
            out.counts.insert("logins_revoked", counts.revoked);
        }
        if counts.restarts > 0 {
            out.counts.insert("restarts", counts.restarts);
        }
    }
}
