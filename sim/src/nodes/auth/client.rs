//! Who holds tokens: one session for each key of its load. Logs in when a session is first used, refreshes before a token
//! ends, one refresh at a time, and presents the token to the service behind. Its first call is the issuer, its second the
//! service.

use std::collections::{BTreeMap, BTreeSet};

use foreshock_systems::auth::{Flight, Flights, RefreshTiming};
use serde_json::{Map, Value};

use super::wire::{Ask, DENIED, LOGIN_OVER, Packed};
use crate::cluster::{CallSpec, Cx, Done, Durable, Probes, Ref, Request, Slab};
use crate::kernel::draw::{Key, Lineage, chance_ppm, name_hash};
use crate::kernel::time::{Span, Time};
use crate::measure::OutcomeKind;
use crate::nodes::service::{Answered, Behaviour, Verdict, Woken};
use crate::nodes::setting_table::{self as table, Setting, Wrong, lifetime, share, span};
use crate::scenario::plan::{EdgeId, ServicePlan};

/// Settings of who holds tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    timing: RefreshTiming,
    /// A refresh begins at least so long after the one before.
    again_after: Span,
    /// Share of requests after which a token turns out to be in the wrong hands: its login is ended, and goes on being
    /// used by whoever has it.
    stolen_ppm: u32,
}

const SETTINGS: [Setting<Settings>; 4] = [
    ("refresh_after", |settings, value| {
        settings.timing.after_ppm = share(value)?;
        Ok(())
    }),
    ("jitter", |settings, value| {
        settings.timing.jitter = span(value)?;
        Ok(())
    }),
    ("again_after", |settings, value| {
        settings.again_after = lifetime(value)?;
        Ok(())
    }),
    ("stolen", |settings, value| {
        settings.stolen_ppm = share(value)?;
        Ok(())
    }),
];

/// The settings of who holds tokens, or everything that is wrong with them.
pub(super) fn read(written: &Map<String, Value>) -> Result<Settings, Vec<Wrong>> {
    let timing = RefreshTiming { after_ppm: 800_000, jitter: Span::ZERO };
    let usual = Settings { timing, again_after: Span::from_secs(1), stolen_ppm: 0 };
    table::read("an auth client", &SETTINGS, usual, written)
}

/// A session's tokens.
#[derive(Clone, Copy)]
struct Session {
    logins: u64,
    /// Renewals begun: each has a fate of its own on the network.
    renewals: u32,
    generation: u32,
    family: u64,
    /// Its login was ended: whoever uses it on is told so by those who check it.
    is_stolen: bool,
    /// The token in one word, which is the secret of the refresh token as well; 0 is none.
    word: u64,
    expires: Time,
    refresh_at: Time,
}

/// A request that presents its token.
#[derive(Clone, Copy)]
struct Waiting {
    request: Request,
    job: Ref,
}

#[derive(Clone, Copy)]
enum Call {
    Renewal { session: u64 },
    Revocation { session: u64 },
    Presented(Waiting),
}

#[derive(Default)]
struct Counts {
    renewals: u64,
    renewals_failed: u64,
    logged_out: u64,
    joined: u64,
    rejected: u64,
    denied: u64,
    stolen: u64,
}

pub(super) struct Client {
    settings: Settings,
    name: u64,
    issuer: Option<EdgeId>,
    service: Option<EdgeId>,
    sessions: BTreeMap<u64, Session>,
    due: BTreeSet<(Time, u64)>,
    flights: Flights<u64, Waiting>,
    calls: Slab<Call>,
    jitter: Option<Key>,
    stolen: Option<Key>,
    counts: Counts,
}

impl Client {
    pub(super) fn new(plan: &ServicePlan, calls: Vec<EdgeId>) -> Client {
        Client {
            settings: settings_of(plan),
            name: name_hash(&plan.name),
            issuer: calls.first().copied(),
            service: calls.get(1).copied(),
            sessions: BTreeMap::new(),
            due: BTreeSet::new(),
            flights: Flights::new(),
            calls: Slab::new(),
            jitter: None,
            stolen: None,
            counts: Counts::default(),
        }
    }

    /// Asks the issuer for a token of a session, if nobody is asking already.
    fn renew(&mut self, id: u64, cx: &mut Cx<'_>) {
        let Some(issuer) = self.issuer else { return };
        let session = self.sessions.entry(id).or_insert(Session {
            logins: 0,
            renewals: 0,
            generation: 0,
            family: 0,
            is_stolen: false,
            word: 0,
            expires: Time::ZERO,
            refresh_at: Time::MAX,
        });
        self.due.remove(&(session.refresh_at, id));
        session.refresh_at = Time::MAX;
        session.logins += u64::from(session.word == 0);
        // Another holder of tokens may have a session of that number, too.
        let session_of = Lineage::root(self.name, id);
        let family = session_of.call(name_hash("login"), session.logins as u32).raw();
        let ask = if session.word == 0 {
            Ask::Login { family }
        } else {
            Ask::Refresh { family, generation: session.generation, secret: session.word }
        };
        session.family = family;
        self.counts.renewals += 1;
        session.renewals = session.renewals.wrapping_add(1);
        let step = session.renewals;
        let lineage = session_of.call(name_hash("renewal"), step);
        let token = self.calls.insert(Call::Renewal { session: id }).pack();
        cx.call(
            CallSpec {
                key: id,
                arguments: ask.arguments(),
                token,
                ..CallSpec::of_its_own(issuer, lineage, cx.now())
            },
            Ref::NONE,
        );
    }

    fn present(&mut self, waiting: Waiting, cx: &mut Cx<'_>) {
        let request = waiting.request;
        let (word, family) =
            self.sessions.get(&request.key).map_or((0, 0), |session| (session.word, session.family));
        let Some(service) = self.service else { return };
        let ask = Ask::Present { token: word, family };
        let lineage = request.lineage.call(name_hash("present"), 0);
        let token = self.calls.insert(Call::Presented(waiting)).pack();
        cx.call(
            CallSpec {
                load: request.load,
                operation: request.operation,
                key: request.key,
                arguments: ask.arguments(),
                deadline: request.deadline,
                is_retry: request.is_retry,
                priority: request.priority,
                traced: request.traced,
                token,
                ..CallSpec::of_its_own(service, lineage, cx.now())
            },
            Ref::NONE,
        );
    }

    /// Now and then a token turns out to be in the wrong hands: its login is ended at the issuer. It is used on until
    /// those who check it know that, and not renewed any more.
    fn lose(&mut self, request: &Request, cx: &mut Cx<'_>) {
        let share_ppm = self.settings.stolen_ppm;
        if share_ppm == 0 {
            return;
        }
        let word = self.stolen.map_or(0, |key| key.draw(cx.redrawn(request.lineage.raw())));
        let (Some(issuer), Some(session)) = (self.issuer, self.sessions.get_mut(&request.key)) else {
            return;
        };
        if session.is_stolen || !chance_ppm(word, share_ppm) {
            return;
        }
        session.is_stolen = true;
        self.due.remove(&(session.refresh_at, request.key));
        session.refresh_at = Time::MAX;
        self.counts.stolen += 1;
        let lineage = request.lineage.call(name_hash("revoke"), 0);
        let token = self.calls.insert(Call::Revocation { session: request.key }).pack();
        let arguments = Ask::Revoke { family: session.family }.arguments();
        let spec = CallSpec {
            key: request.key,
            arguments,
            token,
            ..CallSpec::of_its_own(issuer, lineage, cx.now())
        };
        cx.call(spec, Ref::NONE);
    }

    /// An issuer that did not hear it is told again with the next request.
    fn revoked(&mut self, id: u64, done: &Done) {
        if let Some(session) = self.sessions.get_mut(&id).filter(|_| done.outcome != OutcomeKind::Ok) {
            session.is_stolen = false;
        }
    }

    /// A token was turned down. If its login is over, by what is known here or by what the issuer says, the next request
    /// logs in anew.
    fn turned_down(&mut self, id: u64, is_login_over: bool) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        // A token that is on its way is found out about in its turn; that of a stolen login never is.
        let is_renewing = session.refresh_at == Time::MAX && !session.is_stolen;
        let is_over = is_login_over && session.word != 0 && !is_renewing;
        if is_over || session.is_stolen {
            self.due.remove(&(session.refresh_at, id));
            session.refresh_at = Time::MAX;
            (session.word, session.generation, session.is_stolen) = (0, 0, false);
        }
        self.counts.logged_out += u64::from(is_over);
    }

    fn renewed(&mut self, id: u64, done: &Done, cx: &mut Cx<'_>) -> Option<Woken> {
        let local = cx.local_time();
        let session = self.sessions.get_mut(&id)?;
        let waiting = self.flights.land(&id);
        let is_good = done.outcome == OutcomeKind::Ok && !done.missed;
        if is_good {
            let is_login = session.word == 0;
            session.generation = if is_login { 0 } else { session.generation + 1 };
            session.is_stolen &= !is_login;
            session.word = done.value;
            let packed = Packed::of(done.value);
            let life = Span::from_secs(packed.life_s);
            let issued = Time::ZERO + Span::from_secs(packed.issued_at_s);
            session.expires = issued + life;
            let word = self.jitter.map_or(0, |jitter| {
                jitter.draw2(cx.redrawn(id), u64::from(session.generation) << 16 | session.logins & 0xFFFF)
            });
            session.refresh_at =
                self.settings.timing.at(issued, life, word).max(local + self.settings.again_after);
            self.due.insert((session.refresh_at, id));
            for one in waiting {
                self.present(one, cx);
            }
            return None;
        }
        self.counts.renewals_failed += 1;
        if done.outcome == OutcomeKind::Ok {
            // The issuer says that this login is over: the next request logs in anew.
            self.counts.logged_out += u64::from(session.word != 0);
            (session.word, session.generation) = (0, 0);
        } else if session.word != 0 {
            session.refresh_at = local + self.settings.again_after;
            self.due.insert((session.refresh_at, id));
        }
        let jobs: Vec<Ref> = waiting.iter().map(|one| one.job).collect();
        (!jobs.is_empty()).then_some(Woken { jobs, verdict: Some(Verdict::Fail) })
    }
}

fn settings_of(plan: &ServicePlan) -> Settings {
    read(&plan.settings).expect("the plan's settings were checked")
}

impl Behaviour for Client {
    fn answer(&mut self, request: &Request, job: Ref, cx: &mut Cx<'_>) -> Verdict {
        if self.issuer.is_none() || self.service.is_none() {
            return Verdict::Fail;
        }
        let local = cx.local_time();
        let waiting = Waiting { request: *request, job };
        let is_good = self
            .sessions
            .get(&request.key)
            .is_some_and(|session| session.word != 0 && local < session.expires);
        if is_good {
            self.lose(request, cx);
            self.present(waiting, cx);
            return Verdict::Wait;
        }
        let is_renewing = self.sessions.get(&request.key).is_some_and(|session| {
            session.refresh_at == Time::MAX && session.word != 0 && !session.is_stolen
        });
        match self.flights.board(request.key, waiting) {
            Flight::Lead if !is_renewing => self.renew(request.key, cx),
            Flight::Lead | Flight::Join => self.counts.joined += 1,
        }
        Verdict::Wait
    }

    fn start(&mut self, cx: &mut Cx<'_>) {
        self.jitter = Some(cx.key("refresh jitter"));
        self.stolen = Some(cx.key("token stolen"));
    }

    fn crash(&mut self, _keep: Durable) {
        self.flights = Flights::new();
        self.calls = Slab::new();
        self.due.clear();
        // Logins go on counting, so that no family is begun twice.
        for session in self.sessions.values_mut() {
            (session.word, session.generation, session.refresh_at) = (0, 0, Time::MAX);
            session.is_stolen = false;
        }
    }

    fn reconfigure(&mut self, plan: &ServicePlan) {
        self.settings = settings_of(plan);
    }

    fn calls_itself(&self) -> bool {
        true
    }

    fn call_done(&mut self, done: &Done, cx: &mut Cx<'_>) -> Option<Woken> {
        match self.calls.remove(Ref::unpack(done.token)).copied()? {
            Call::Renewal { session } => self.renewed(session, done, cx),
            Call::Revocation { session } => {
                self.revoked(session, done);
                None
            }
            Call::Presented(waiting) => {
                let verdict = match (done.outcome, done.missed) {
                    // Who is not allowed to is told so: that is an answer.
                    (OutcomeKind::Ok, true) if done.value == DENIED => {
                        self.counts.denied += 1;
                        Verdict::Answer(Answered { missed: true, value: DENIED })
                    }
                    (OutcomeKind::Ok, false) => Verdict::Answer(Answered::default()),
                    (OutcomeKind::Ok, true) => {
                        self.counts.rejected += 1;
                        self.turned_down(waiting.request.key, done.value == LOGIN_OVER);
                        Verdict::Fail
                    }
                    _ => Verdict::Fail,
                };
                Some(Woken { jobs: vec![waiting.job], verdict: Some(verdict) })
            }
        }
    }

    fn deadline(&self) -> Option<Time> {
        self.due.first().map(|(at, _)| *at)
    }

    fn expire(&mut self, local: Time, cx: &mut Cx<'_>) -> Option<Woken> {
        while let Some((_, id)) = self.due.first().copied().filter(|(at, _)| *at <= local) {
            self.renew(id, cx);
        }
        None
    }

    fn probe(&self, out: &mut Probes) {
        let counts = &self.counts;
        out.counts.extend([
            ("sessions", self.sessions.len() as u64),
            ("renewals", counts.renewals),
            ("renewals_failed", counts.renewals_failed),
            ("renewals_joined", counts.joined),
            ("logged_out", counts.logged_out),
            ("tokens_rejected", counts.rejected),
        ]);
        if counts.denied > 0 {
            out.counts.insert("denied", counts.denied);
        }
        if counts.stolen > 0 {
            out.counts.insert("tokens_stolen", counts.stolen);
        }
    }
}
