//! A line through a sink and out of it in batches, with and without room, and a line appended to a journal. No peer does
//! the same with books.

use std::hint::black_box;

use criterion::Criterion;
use foreshock_systems::logging::{
    BufferConfig, DropReason, Journal, JournalConfig, Record, Severity, Sink, SinkConfig,
};
use foreshock_systems::store::SimDisk;
use foreshock_systems::{Span, Time};

fn line() -> Record {
    Record::new(Time::ZERO, Severity::Error, "shop.payment", "the provider did not answer in time")
}

pub(crate) fn benchmarks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("logging");
    let mut sink = Sink::new(SinkConfig::default(), Time::ZERO);
    group.bench_function("sink_offer_and_write", |bencher| {
        bencher.iter(|| {
            black_box(sink.offer(Time::ZERO, line()));
            if sink.buffered() >= 200 {
                black_box(sink.batch(200, u64::MAX).len());
                sink.written(Time::ZERO, 0, DropReason::Refused);
            }
            sink.audit(Time::ZERO)
        });
    });
    let buffer = BufferConfig { max_records: 1, ..BufferConfig::default() };
    let mut full =
        Sink::new(SinkConfig { buffer, report_every: Span::MAX, ..SinkConfig::default() }, Time::ZERO);
    full.offer(Time::ZERO, line());
    group.bench_function("sink_drop_newest", |bencher| bencher.iter(|| full.offer(Time::ZERO, line())));
    let (mut journal, _) = Journal::open(SimDisk::new(), JournalConfig::default(), 0, Time::ZERO)
        .expect("an empty disk is an empty journal");
    group.bench_function("journal_append", |bencher| {
        bencher.iter(|| {
            black_box(journal.append(Time::ZERO, line())).expect("nothing fails");
            journal.release(journal.last().saturating_sub(1)).expect("nothing fails")
        });
    });
    group.finish();
}
