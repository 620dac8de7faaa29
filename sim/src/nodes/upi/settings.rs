//! The settings of the three kinds of UPI.

use foreshock_systems::payment::upi::{CheckPlan, CheckRule, StatusChecks, SwitchConfig};
use foreshock_systems::store::FsyncPolicy;
use serde_json::{Map, Value};

use crate::kernel::time::{Span, Time};
use crate::nodes::setting_table::{
    self as settings, Setting, Wrong, choice, lifetime, range, share, span, switch, up_to,
};
use crate::nodes::store::StoreKind;

/// Settings of kind `upi-switch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SwitchSettings {
    pub(super) config: SwitchConfig,
    /// Whether it refuses status checks that break the rule, at the door.
    pub(super) is_limiting: bool,
    pub(super) rule: StatusChecks,
    pub(super) store: StoreKind,
}

const SWITCH: [Setting<SwitchSettings>; 8] = [
    ("auth_timeout", |settings, value| {
        settings.config.auth_timeout = lifetime(value)?;
        Ok(())
    }),
    ("leg_timeout", |settings, value| {
        settings.config.leg_timeout = lifetime(value)?;
        Ok(())
    }),
    ("settle_interval", |settings, value| {
        settings.config.settle_interval = lifetime(value)?;
        Ok(())
    }),
    ("limiter", |settings, value| {
        settings.is_limiting = switch(value)?;
        Ok(())
    }),
    ("first_check_after", |settings, value| {
        settings.rule.first_after = lifetime(value)?;
        Ok(())
    }),
    ("max_checks", |settings, value| {
        settings.rule.max = up_to(value, 1_000_000)?;
        Ok(())
    }),
    ("check_window", |settings, value| {
        settings.rule.window = lifetime(value)?;
        Ok(())
    }),
    ("max_amount", |settings, value| {
        settings.config.max_minor = i64::from(up_to(value, u32::MAX)?);
        Ok(())
    }),
];

/// The settings of a switch, or everything that is wrong with them.
pub(super) fn read_switch(written: &Map<String, Value>) -> Result<SwitchSettings, Vec<Wrong>> {
    let settings = SwitchSettings {
        config: SwitchConfig::default(),
        is_limiting: true,
        rule: StatusChecks::default(),
        store: StoreKind::Wal(FsyncPolicy::EveryCommit),
    };
    let mut settings =
        settings::read_stored("a switch", &SWITCH, settings, |settings| &mut settings.store, written)?;
    settings.config.checks =
        if settings.is_limiting { CheckRule::Enforce(settings.rule) } else { CheckRule::Trust };
    Ok(settings)
}

/// When an app asks how a payment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checks {
    /// As the rule says.
    Rule,
    /// Again and again, whether an answer has come or not.
    Eager,
    /// Never.
    Never,
}

/// Settings of kind `upi-psp`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PspSettings {
    pub(super) checks: Checks,
    pub(super) rule: StatusChecks,
    /// How often it asks again about every payment of the check window, decided or not; `None`: not at all.
    pub(super) recheck: Option<Span>,
    /// Share of the payments that the payee asks for.
    pub(super) collect_ppm: u32,
    /// Share of payers who agree to be asked for money, and how long they think.
    pub(super) agree_ppm: u32,
    pub(super) think: Span,
    pub(super) amount_minor: (u32, u32),
    /// How long its users wait.
    pub(super) patience: Span,
}

const PSP: [Setting<PspSettings>; 11] = [
    ("checks", |settings, value| {
        let words = [("rule", Checks::Rule), ("eager", Checks::Eager), ("never", Checks::Never)];
        settings.checks = choice(value, &words)?;
        Ok(())
    }),
    ("first_check_after", |settings, value| {
        settings.rule.first_after = lifetime(value)?;
        Ok(())
    }),
    ("check_interval", |settings, value| {
        settings.rule.interval = lifetime(value)?;
        Ok(())
    }),
    ("max_checks", |settings, value| {
        settings.rule.max = up_to(value, 1_000_000)?;
        Ok(())
    }),
    ("check_window", |settings, value| {
        settings.rule.window = lifetime(value)?;
        Ok(())
    }),
    ("recheck_interval", |settings, value| {
        settings.recheck = Some(lifetime(value)?);
        Ok(())
    }),
    ("collect", |settings, value| {
        settings.collect_ppm = share(value)?;
        Ok(())
    }),
    ("agree", |settings, value| {
        settings.agree_ppm = share(value)?;
        Ok(())
    }),
    ("think", |settings, value| {
        settings.think = span(value)?;
        Ok(())
    }),
    ("amount", |settings, value| {
        settings.amount_minor = range(value, 1_000_000_000)?;
        Ok(())
    }),
    ("patience", |settings, value| {
        settings.patience = lifetime(value)?;
        Ok(())
    }),
];

/// The settings of a payment service provider, or everything that is wrong with them.
pub(super) fn read_psp(written: &Map<String, Value>) -> Result<PspSettings, Vec<Wrong>> {
    let settings = PspSettings {
        checks: Checks::Rule,
        rule: StatusChecks::default(),
        recheck: None,
        collect_ppm: 0,
        agree_ppm: 1_000_000,
        think: Span::from_secs(5),
        amount_minor: (10_000, 10_000),
        patience: Span::from_secs(120),
    };
    settings::read("a payment service provider", &PSP, settings, written)
}

/// Settings of kind `upi-bank`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BankSettings {
    pub(super) accounts: u32,
    pub(super) balance_minor: u32,
}

const BANK: [Setting<BankSettings>; 2] = [
    ("accounts", |settings, value| {
        settings.accounts = up_to(value, 100_000)?;
        Ok(())
    }),
    ("opening_balance", |settings, value| {
        settings.balance_minor = up_to(value, 1_000_000_000)?;
        Ok(())
    }),
];

/// The settings of a bank, or everything that is wrong with them.
pub(super) fn read_bank(written: &Map<String, Value>) -> Result<BankSettings, Vec<Wrong>> {
    let settings = BankSettings { accounts: 1_000, balance_minor: 1_000_000_000 };
    settings::read("a bank", &BANK, settings, written)
}

/// Asks again and again: the plan of 12 April 2025. Ends only with an answer that decides, or with the window.
#[derive(Clone, Copy, Debug)]
pub(super) struct EagerChecks(pub(super) StatusChecks);

impl CheckPlan for EagerChecks {
    fn next(&self, begun: Time, _made: u32, last: Option<Time>) -> Option<Time> {
        let due = last.map_or(begun + self.0.first_after, |last| last + self.0.interval);
        (due.since(begun) <= self.0.window).then_some(due)
    }
}

/// Never asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct NoChecks;

impl CheckPlan for NoChecks {
    fn next(&self, _begun: Time, _made: u32, _last: Option<Time>) -> Option<Time> {
        None
    }
}

impl PspSettings {
    pub(super) fn plan(&self) -> Box<dyn CheckPlan> {
        match self.checks {
            Checks::Rule => Box::new(self.rule),
            Checks::Eager => Box::new(EagerChecks(self.rule)),
            Checks::Never => Box::new(NoChecks),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    type Read<S> = fn(&Map<String, Value>) -> Result<S, Vec<Wrong>>;

    fn wrong<S>(read: Read<S>, settings: &Value) -> Vec<String> {
        let settings = settings.as_object().expect("settings are a mapping");
        let wrong = read(settings).err().unwrap_or_default();
        wrong.into_iter().map(|(key, message)| format!("{key}: {message}")).collect()
    }

    #[test]
    fn every_mistake_is_told_with_what_to_do() {
        assert_eq!(wrong(read_switch, &json!({})), [""; 0]);
        assert_eq!(
            wrong(read_switch, &json!({"limiter": "on", "leg_timeout": "0s", "limit": true})),
            [
                "limiter: this is neither true nor false; write `true` or `false`",
                "leg_timeout: no time at all; use a longer one, or leave it out",
                "limit: a switch has no setting `limit`; did you mean `limiter`?",
            ]
        );
        assert_eq!(wrong(read_psp, &json!({"checks": "eager", "think": "0s"})), [""; 0]);
        assert_eq!(
            wrong(read_psp, &json!({"checks": "hasty", "collect": "30"})),
            [
                "checks: `hasty` is not known here; use rule or eager or never",
                "collect: `30` has no unit; write it as a percentage: `30%`",
            ]
        );
        assert_eq!(
            wrong(read_bank, &json!({"accounts": 0, "opening_balance": "1_000"})),
            ["accounts: must be at least 1, found `0`"]
        );
    }

    #[test]
    fn eager_checks_never_end_before_the_window_does() {
        let rule = StatusChecks {
            interval: Span::from_secs(1),
            window: Span::from_secs(10),
            ..StatusChecks::default()
        };
        let plan = EagerChecks(StatusChecks { first_after: Span::from_secs(1), ..rule });
        let (mut last, mut checks) = (None, 0);
        while let Some(due) = plan.next(Time::ZERO, checks, last) {
            (last, checks) = (Some(due), checks + 1);
        }
        assert_eq!((checks, last), (10, Some(Time::ZERO + Span::from_secs(10))));
        assert_eq!(NoChecks.next(Time::ZERO, 0, None), None);
    }
}
