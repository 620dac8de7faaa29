//! A token signed and verified, and a login admitted. The signature is most of it.

use std::hint::black_box;

use criterion::Criterion;
use foreshock_systems::auth::{
    Algorithm, Claims, Key, KeyId, LockPolicy, LoginGuard, LoginGuardConfig, Token, TokenId, Verifier,
    VerifierConfig,
};
use foreshock_systems::rate_limiter::RateLimitConfig;
use foreshock_systems::{Span, Time};

pub(crate) fn benchmarks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("auth");
    let key = Key::from_entropy(KeyId(1), Algorithm::Hs256, 42);
    let claims = Claims {
        issuer: "login".into(),
        audience: "shop".into(),
        subject: 7,
        issued_at_s: 0,
        not_before_s: 0,
        expires_at_s: 600,
        id: TokenId(1),
        session: 1,
    };
    group.bench_function("sign", |bencher| bencher.iter(|| Token::sign(&key, black_box(claims.clone()))));
    let token = Token::sign(&key, claims);
    let verifier = Verifier::new(VerifierConfig {
        issuer: "login".into(),
        audience: "shop".into(),
        algorithms: vec![Algorithm::Hs256],
        leeway: Span::from_secs(60),
    });
    let now = Time::ZERO + Span::from_secs(30);
    group.bench_function("verify", |bencher| {
        bencher.iter(|| verifier.verify(now, black_box(&token), &key).is_ok());
    });
    let limit = RateLimitConfig { rate_per_s_milli: 1_000, burst: 10 };
    let config = LoginGuardConfig {
        per_account: limit,
        per_address: limit,
        lock: LockPolicy::Throttle,
        max_entries: 10_000,
    };
    let (mut guard, mut account) = (LoginGuard::new(config), 0_u64);
    group.bench_function("admit_login", |bencher| {
        bencher.iter(|| {
            account = account.wrapping_add(7_919) % 50_000;
            guard.admit(now, account, account % 977)
        });
    });
    group.finish();
}
