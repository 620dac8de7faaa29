//! What a service that logs can be told: how much it writes, where to, and what happens when that is too much.

use foreshock_systems::logging::{
    BufferConfig, JournalConfig, JournalFsync, OnDiskFull, Sampling, Severity, SinkConfig, WhenFull,
};
use foreshock_systems::rate_limiter::RateLimitConfig;
use serde_json::{Map, Value};

use crate::kernel::time::Span;
use crate::nodes::setting_table::{
    self as table, Setting, Wrong, choice, lifetime, positive, share, span, switch, text, up_to,
};
use crate::scenario::quantity::{Bytes, Problem};

/// What a line counts for in the buffer: see `Record::size_bytes` for the texts that are written here.
const LINE_BYTES: u64 = 64;
/// The most that a segment of the log holds.
const SEGMENT_BYTES: u64 = 1 << 16;
/// Below this there is no room for segments.
const LEAST_SPACE: u64 = 1 << 14;

/// Settings of a service that logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// Lines of a request that went well, and of one that did not.
    pub(super) lines: u32,
    pub(super) error_lines: u32,
    /// Lines of any request for debugging, which are said if the level is that low.
    pub(super) debug_lines: u32,
    pub(super) level: Severity,
    /// Of how many requests in a million the lines are kept; none: of all. What is as bad as this is kept anyway.
    pub(super) sampling_ppm: Option<u32>,
    pub(super) always: Severity,
    /// For how long lines that repeat the one before are only counted; nothing: they never are.
    pub(super) repeat_window: Span,
    /// Share of requests that fail whatever happens.
    pub(super) fails_ppm: u32,
    /// Share of requests of which a line has to be stored before they are answered.
    pub(super) audited_ppm: u32,
    /// What the disk works for a request, and for a line.
    pub(super) disk_time: Span,
    pub(super) line_time: Span,
    /// A request that would wait longer for the disk fails after this; none: it waits.
    pub(super) gives_up_after: Option<Span>,
    /// Lines written together at most.
    pub(super) batch: u32,
    /// Whether requests and lines are worked on by the same disk.
    pub(super) shares_disk: bool,
    pub(super) is_disk_full: bool,
    /// Nothing that is written becomes durable.
    pub(super) sync_fails: bool,
    /// What the files may hold; none: as much as they like.
    pub(super) disk_space: Option<usize>,
    pub(super) buffer: u32,
    pub(super) when_full: WhenFull,
    pub(super) sample_one_in: u32,
    /// Lines a second of each class, and at once.
    pub(super) limit: Option<u32>,
    pub(super) limit_burst: u32,
    pub(super) report_every: Span,
    pub(super) fsync: JournalFsync,
    pub(super) on_disk_full: OnDiskFull,
}

impl Settings {
    /// The most that the buffer may hold, in bytes.
    pub(super) fn max_bytes(&self) -> u64 {
        u64::from(self.buffer).saturating_mul(LINE_BYTES * 2)
    }

    pub(super) fn sink(&self) -> SinkConfig {
        let when_full = match self.when_full {
            WhenFull::Sample { .. } => WhenFull::Sample { one_in: self.sample_one_in },
            other => other,
        };
        SinkConfig {
            level: self.level,
            // Which traces are kept is drawn with the trace's number.
            sampling: self.sampling_ppm.map(|share_ppm| Sampling { share_ppm, always: self.always, salt: 0 }),
            repeat_window: self.repeat_window,
            class_limit: self.limit.map(|limit| RateLimitConfig {
                rate_per_s_milli: u64::from(limit) * 1_000,
                burst: u64::from(self.limit_burst),
            }),
            buffer: BufferConfig {
                max_records: self.buffer,
                max_bytes: self.max_bytes(),
                when_full,
                reserve_ppm: 0,
            },
            report_every: self.report_every,
            ..SinkConfig::default()
        }
    }

    /// What is shipped is removed by segments: there are several, however little space there is.
    fn segment_bytes(&self) -> u64 {
        let space = self.disk_space.map_or(u64::MAX, |bytes| bytes as u64);
        (space / 8).min(SEGMENT_BYTES)
    }

    pub(super) fn journal(&self) -> JournalConfig {
        JournalConfig {
            fsync: self.fsync,
            segment_bytes: self.segment_bytes(),
            on_disk_full: self.on_disk_full,
            ..JournalConfig::default()
        }
    }
}

const SETTINGS: [Setting<Settings>; 25] = [
    ("lines", |settings, value| {
        settings.lines = up_to(value, 1_000)?;
        Ok(())
    }),
    ("error_lines", |settings, value| {
        settings.error_lines = up_to(value, 1_000)?;
        Ok(())
    }),
    ("debug_lines", |settings, value| {
        settings.debug_lines = up_to(value, 1_000)?;
        Ok(())
    }),
    ("level", |settings, value| {
        const LEVELS: [(&str, Severity); 4] = [
            ("error", Severity::Error),
            ("warning", Severity::Warning),
            ("info", Severity::Informational),
            ("debug", Severity::Debug),
        ];
        settings.level = choice(value, &LEVELS)?;
        Ok(())
    }),
    ("sampling", |settings, value| {
        settings.sampling_ppm = Some(share(value)?);
        Ok(())
    }),
    ("sampling_keeps", |settings, value| {
        // Nothing that is said here is an emergency.
        settings.always = choice(value, &[("errors", Severity::Error), ("nothing", Severity::Emergency)])?;
        Ok(())
    }),
    ("repeat_window", |settings, value| {
        settings.repeat_window = span(value)?;
        Ok(())
    }),
    ("fails", |settings, value| {
        settings.fails_ppm = share(value)?;
        Ok(())
    }),
    ("audited", |settings, value| {
        settings.audited_ppm = share(value)?;
        Ok(())
    }),
    ("disk_time", |settings, value| {
        settings.disk_time = span(value)?;
        Ok(())
    }),
    ("line_time", |settings, value| {
        settings.line_time = span(value)?;
        Ok(())
    }),
    ("gives_up_after", |settings, value| {
        settings.gives_up_after = Some(lifetime(value)?);
        Ok(())
    }),
    ("batch", |settings, value| {
        settings.batch = up_to(value, 10_000)?;
        Ok(())
    }),
    ("shares_disk", |settings, value| {
        settings.shares_disk = switch(value)?;
        Ok(())
    }),
    ("disk_full", |settings, value| {
        settings.is_disk_full = switch(value)?;
        Ok(())
    }),
    ("sync_fails", |settings, value| {
        settings.sync_fails = switch(value)?;
        Ok(())
    }),
    ("disk_space", |settings, value| {
        settings.disk_space = match Bytes::read(&text(value)?)?.0 {
            bytes if bytes < LEAST_SPACE => {
                let message = format!("{bytes} B hold no log");
                return Err(Problem::new(message, "the least is `16KiB`"));
            }
            bytes => Some(usize::try_from(bytes).unwrap_or(usize::MAX)),
        };
        Ok(())
    }),
    ("buffer", |settings, value| {
        settings.buffer = up_to(value, 1_000_000)?;
        Ok(())
    }),
    ("when_full", |settings, value| {
        const POLICIES: [(&str, WhenFull); 4] = [
            ("block", WhenFull::Block),
            ("drop_newest", WhenFull::DropNewest),
            ("drop_oldest", WhenFull::DropOldest),
            ("sample", WhenFull::Sample { one_in: 10 }),
        ];
        settings.when_full = choice(value, &POLICIES)?;
        Ok(())
    }),
    ("sample_one_in", |settings, value| {
        settings.sample_one_in = positive(value)?;
        Ok(())
    }),
    ("limit", |settings, value| {
        settings.limit = Some(up_to(value, 1_000_000)?);
        Ok(())
    }),
    ("limit_burst", |settings, value| {
        settings.limit_burst = up_to(value, 1_000_000)?;
        Ok(())
    }),
    ("report_every", |settings, value| {
        settings.report_every = lifetime(value)?;
        Ok(())
    }),
    ("fsync", |settings, value| {
        settings.fsync = match value.as_str() {
            Some("every_record") => JournalFsync::EveryRecord,
            Some("never") => JournalFsync::Never,
            Some(_) | None => JournalFsync::Interval(lifetime(value).map_err(|problem| {
                Problem::new(problem.message, "write `every_record`, `never`, or an interval such as `1s`")
            })?),
        };
        Ok(())
    }),
    ("on_disk_full", |settings, value| {
        const POLICIES: [(&str, OnDiskFull); 3] = [
            ("drop_counted", OnDiskFull::DropCounted),
            ("block", OnDiskFull::Block),
            ("fail", OnDiskFull::Fail),
        ];
        settings.on_disk_full = choice(value, &POLICIES)?;
        Ok(())
    }),
];

/// The settings of a service that logs, or everything that is wrong with them.
pub(super) fn read(written: &Map<String, Value>) -> Result<Settings, Vec<Wrong>> {
    let usual = Settings {
        lines: 2,
        error_lines: 2,
        debug_lines: 0,
        level: Severity::Informational,
        sampling_ppm: None,
        always: Severity::Error,
        repeat_window: Span::ZERO,
        fails_ppm: 0,
        audited_ppm: 0,
        disk_time: Span::ZERO,
        line_time: Span::from_micros(10),
        gives_up_after: None,
        batch: 100,
        shares_disk: false,
        is_disk_full: false,
        sync_fails: false,
        disk_space: None,
        buffer: 256,
        when_full: WhenFull::DropNewest,
        sample_one_in: 10,
        limit: None,
        limit_burst: 100,
        report_every: Span::from_secs(1),
        fsync: JournalFsync::Interval(Span::from_secs(1)),
        on_disk_full: OnDiskFull::DropCounted,
    };
    let read = table::read("a service that logs", &SETTINGS, usual, written)?;
    if read.sampling_ppm.is_none() && written.contains_key("sampling_keeps") {
        let message = "nothing is sampled; add `sampling: 10%`".to_string();
        return Err(vec![("sampling_keeps".to_string(), message)]);
    }
    Ok(read)
}
