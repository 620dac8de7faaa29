//! The settings of lots and gates.

use foreshock_systems::parking_lot::{Cap, LatePayment, LotConfig, OfflinePolicy, Spill, SpotClass, Zone};
use serde_json::{Map, Value};

use crate::kernel::time::Span;
use crate::nodes::setting_table::{
    self as settings, Setting, Wrong, choice, lifetime, share, span, switch, text, up_to,
};
use crate::nodes::store::StoreKind;
use crate::scenario::quantity::Problem;
use foreshock_systems::store::FsyncPolicy;

/// Settings of kind `parking-lot`.
#[derive(Clone, Debug)]
pub(super) struct LotSettings {
    pub(super) config: LotConfig,
    pub(super) store: StoreKind,
}

fn minor(value: &Value) -> Result<u64, Problem> {
    let written = value.as_u64();
    written.ok_or_else(|| {
        Problem::new("this is no amount", "write a whole number of minor units, such as `250`")
    })
}

const LOT: [Setting<LotSettings>; 16] = [
    ("spots", |settings, value| {
        const HELP: &str = "write `{compact: 40, large: 10}`";
        let written = value.as_object().ok_or_else(|| Problem::new("there are no classes", HELP))?;
        for (name, count) in written {
            let class = SpotClass::ALL.into_iter().find(|class| class.name() == name);
            let class = class.ok_or_else(|| Problem::new(format!("`{name}` is no class of spots"), HELP))?;
            settings.config.levels[0].spots[class.index()] = up_to(count, 100_000)?;
        }
        Ok(())
    }),
    ("levels", |settings, value| {
        settings.config.levels.resize(up_to(value, 100)? as usize, settings.config.levels[0]);
        Ok(())
    }),
    ("spill", |settings, value| {
        settings.config.spill = match share(value) {
            Ok(ppm) => Spill::UpwardIfFreeAbove(ppm),
            Err(_) => choice(value, &[("none", Spill::None), ("upward", Spill::Upward)])?,
        };
        Ok(())
    }),
    ("unit", |settings, value| {
        settings.config.tariff.unit = lifetime(value)?;
        Ok(())
    }),
    ("unit_minor", |settings, value| {
        settings.config.tariff.unit_minor = minor(value)?;
        Ok(())
    }),
    ("free", |settings, value| {
        settings.config.tariff.free = span(value)?;
        Ok(())
    }),
    ("cap_minor", |settings, value| {
        settings.config.tariff.cap_minor = Some(minor(value)?);
        Ok(())
    }),
    ("cap", |settings, value| {
        settings.config.tariff.cap =
            choice(value, &[("rolling_24h", Cap::Rolling24h), ("local_day", Cap::LocalDay)])?;
        Ok(())
    }),
    ("zone", |settings, value| {
        let name = text(value)?;
        settings.config.tariff.zone = Zone::named(&name).ok_or_else(|| {
            Problem::new(format!("`{name}` is no time zone"), "write one such as `Europe/Berlin`")
        })?;
        Ok(())
    }),
    ("begins_unix_s", |settings, value| {
        let begins = value.as_i64().filter(|begins| (0..=32_503_680_000).contains(begins));
        settings.config.tariff.origin_unix_s = begins.ok_or_else(|| {
            Problem::new("this is no instant", "write seconds since 1970, such as `1792879200`")
        })?;
        Ok(())
    }),
    ("claim_timeout", |settings, value| {
        settings.config.claim_timeout = lifetime(value)?;
        Ok(())
    }),
    ("exit_grace", |settings, value| {
        settings.config.exit_grace = lifetime(value)?;
        Ok(())
    }),
    ("late_payment", |settings, value| {
        settings.config.late_payment =
            choice(value, &[("credit", LatePayment::Credit), ("refund", LatePayment::Refund)])?;
        Ok(())
    }),
    ("keep_closed", |settings, value| {
        settings.config.keep_closed = lifetime(value)?;
        Ok(())
    }),
    ("reserve", |settings, value| {
        settings.config.reserve[SpotClass::Large.index()] = up_to(value, 100_000)?;
        Ok(())
    }),
    ("store", |settings, value| {
        let wal = StoreKind::Wal(FsyncPolicy::EveryCommit);
        settings.store = choice(value, &[("wal", wal), ("memory", StoreKind::Memory)])?;
        Ok(())
    }),
];

/// Reads the settings of a lot.
pub(super) fn lot(written: &Map<String, Value>) -> Result<LotSettings, Vec<Wrong>> {
    let settings = LotSettings {
        config: LotConfig::simple([0; SpotClass::COUNT], 200),
        store: StoreKind::Wal(FsyncPolicy::EveryCommit),
    };
    let mut read = settings::read("a parking lot", &LOT, settings, written)?;
    // All levels are like the first one.
    if let Some(levels) = written.get("levels").and_then(|levels| up_to(levels, 100).ok()) {
        read.config.levels = vec![read.config.levels[0]; levels as usize];
    }
    match read.config.validate() {
        Ok(()) => Ok(read),
        Err(error) => Err(vec![("spots".to_string(), error.to_string())]),
    }
}

/// Of stays of one mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stays {
    Exponential,
    Constant,
    Lognormal,
}

/// Settings of kind `parking-gate`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GateSettings {
    /// The mean.
    pub(super) stay: Span,
    pub(super) stays: Stays,
    pub(super) offline: OfflinePolicy,
    /// Spots that are set aside for it.
    pub(super) allotment: u32,
    /// Between attempts to tell the lot something.
    pub(super) tell_every: Span,
    /// Asks which spot is free first, and then wants that one.
    pub(super) looks_first: bool,
}

const GATE: [Setting<GateSettings>; 6] = [
    ("stay", |settings, value| {
        settings.stay = lifetime(value)?;
        Ok(())
    }),
    ("stays", |settings, value| {
        let known = [
            ("exponential", Stays::Exponential),
            ("constant", Stays::Constant),
            ("lognormal", Stays::Lognormal),
        ];
        settings.stays = choice(value, &known)?;
        Ok(())
    }),
    ("offline", |settings, value| {
        let known = [
            ("allotment", OfflinePolicy::Allotment),
            ("admit_and_reconcile", OfflinePolicy::AdmitAndReconcile),
            ("refuse", OfflinePolicy::Refuse),
        ];
        settings.offline = choice(value, &known)?;
        Ok(())
    }),
    ("allotment", |settings, value| {
        settings.allotment = up_to(value, 10_000)?;
        Ok(())
    }),
    ("tell_every", |settings, value| {
        settings.tell_every = lifetime(value)?;
        Ok(())
    }),
    ("looks_first", |settings, value| {
        settings.looks_first = switch(value)?;
        Ok(())
    }),
];

/// Reads the settings of a gate.
pub(super) fn gate(written: &Map<String, Value>) -> Result<GateSettings, Vec<Wrong>> {
    let settings = GateSettings {
        stay: Span::from_secs(3_600),
        stays: Stays::Exponential,
        offline: OfflinePolicy::Refuse,
        allotment: 0,
        tell_every: Span::from_secs(2),
        looks_first: false,
    };
    settings::read("a parking gate", &GATE, settings, written)
}
