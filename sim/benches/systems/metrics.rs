//! Recording a latency, by kind of distribution, beside the crates of others; and the shared fronts beside a lock
//! around a plain histogram, alone and with two threads.

use criterion::{BenchmarkId, Criterion, Throughput};
use foreshock_systems::metrics::histogram::{
    ClassicConfig, ClassicHistogram, ExponentialConfig, ExponentialHistogram, HdrConfig, HdrHistogram,
    RelativeConfig, RelativeHistogram,
};
use foreshock_systems::metrics::shared::{Sharded, SharedHdr};
use foreshock_systems::metrics::window::{EventWindowConfig, EventWindows, SlidingConfig, SlidingWindow};
use foreshock_systems::metrics::{Accumulator, Totals};
use foreshock_systems::{Span, Time};
use std::hint::black_box;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Latencies in nanoseconds with a long tail, the same for everybody: a power of two for the choice of a magnitude
/// and random bits within it.
fn latencies() -> Vec<u64> {
    let mut state: u64 = 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    (0..4_096).map(|_| 100_000 + (next() % 900_000) * (1 << (next() % 6)) / 4).collect()
}

pub(crate) fn benchmarks(criterion: &mut Criterion) {
    recording(criterion);
    windows(criterion);
    shared(criterion);
}

fn recording(criterion: &mut Criterion) {
    let latencies = latencies();
    let mut group = criterion.benchmark_group("metrics/record");
    group.throughput(Throughput::Elements(latencies.len() as u64));
    let config = HdrConfig { lowest: 1, highest: 60_000_000_000, digits: 2 };
    group.bench_function("hdr", |bencher| {
        let mut histogram = HdrHistogram::new(config).expect("a sensible range");
        bencher.iter(|| latencies.iter().for_each(|value| black_box(&mut histogram).record(*value)));
    });
    group.bench_function("peer: hdrhistogram", |bencher| {
        let mut histogram =
            hdrhistogram::Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 2).expect("a sensible range");
        bencher
            .iter(|| latencies.iter().for_each(|value| black_box(&mut histogram).saturating_record(*value)));
    });
    group.bench_function("relative", |bencher| {
        let mut histogram = RelativeHistogram::new(RelativeConfig::ONE_PERCENT).expect("a sensible accuracy");
        bencher.iter(|| latencies.iter().for_each(|value| black_box(&mut histogram).record(*value)));
    });
    group.bench_function("peer: sketches-ddsketch", |bencher| {
        let mut sketch = sketches_ddsketch::DDSketch::new(sketches_ddsketch::Config::new(0.01, 2_048, 1.0));
        bencher.iter(|| latencies.iter().for_each(|value| black_box(&mut sketch).add(*value as f64)));
    });
    group.bench_function("exponential", |bencher| {
        let mut histogram = ExponentialHistogram::new(ExponentialConfig::DEFAULT).expect("the usual config");
        bencher.iter(|| latencies.iter().for_each(|value| black_box(&mut histogram).record(*value)));
    });
    group.bench_function("classic", |bencher| {
        let mut histogram = ClassicHistogram::new(&ClassicConfig::latency_ns()).expect("the usual bounds");
        bencher.iter(|| latencies.iter().for_each(|value| black_box(&mut histogram).record(*value)));
    });
    group.finish();
}

/// A millisecond between events.
fn windows(criterion: &mut Criterion) {
    let latencies = latencies();
    let mut group = criterion.benchmark_group("metrics/window");
    group.throughput(Throughput::Elements(latencies.len() as u64));
    group.bench_function("sliding hdr, 10 s in 10", |bencher| {
        let blank = HdrHistogram::new(HdrConfig::LATENCY_NS).expect("a sensible range");
        let config = SlidingConfig { length: Span::from_secs(10), buckets: 10 };
        let mut window = SlidingWindow::new(config, &blank).expect("a sensible window");
        let mut now = Time::ZERO;
        bencher.iter(|| {
            for value in &latencies {
                now += Span::from_millis(1);
                black_box(&mut window).record(now, *value);
            }
        });
    });
    group.bench_function("tumbling totals by event time, 10 s", |bencher| {
        let config = EventWindowConfig::tumbling(Span::from_secs(10));
        let mut window = EventWindows::new(config, &Totals::EMPTY, Time::ZERO).expect("a sensible window");
        let mut now = Time::ZERO;
        bencher.iter(|| {
            for value in &latencies {
                now += Span::from_millis(1);
                window.record(now, (0, now), *value, &mut |pane| {
                    black_box(pane.content.count());
                });
            }
        });
    });
    group.finish();
}

/// Values each thread records per measurement.
const PER_THREAD: usize = 200_000;

fn shared(criterion: &mut Criterion) {
    let latencies = latencies();
    let mut group = criterion.benchmark_group("metrics/shared");
    let config = HdrConfig { lowest: 1, highest: 60_000_000_000, digits: 2 };
    for threads in [1, 2] {
        group.throughput(Throughput::Elements((threads * PER_THREAD) as u64));
        group.bench_function(BenchmarkId::new("hdr in shards", threads), |bencher| {
            let front = SharedHdr::new(config, threads).expect("a sensible range");
            bencher.iter_custom(|rounds| {
                timed(rounds, threads, || {
                    let recorder = front.recorder();
                    let latencies = &latencies;
                    move || each(latencies, |value| recorder.record(value))
                })
            });
        });
        group.bench_function(BenchmarkId::new("locked shards", threads), |bencher| {
            let front = Sharded::new(&HdrHistogram::new(config).expect("a sensible range"), threads);
            bencher.iter_custom(|rounds| {
                timed(rounds, threads, || {
                    let recorder = front.recorder();
                    let latencies = &latencies;
                    move || each(latencies, |value| recorder.record(value))
                })
            });
        });
        group.bench_function(BenchmarkId::new("peer: one lock around a plain one", threads), |bencher| {
            let front = Mutex::new(HdrHistogram::new(config).expect("a sensible range"));
            bencher.iter_custom(|rounds| {
                timed(rounds, threads, || {
                    let (front, latencies) = (&front, &latencies);
                    move || each(latencies, |value| front.lock().expect("nobody panics").record(value))
                })
            });
        });
    }
    group.finish();
}

fn each(latencies: &[u64], mut record: impl FnMut(u64)) {
    latencies.iter().cycle().take(PER_THREAD).for_each(|value| record(*value));
}

/// How long `threads` threads take for `rounds` rounds, each with its own worker.
fn timed<W: FnMut() + Send>(rounds: u64, threads: usize, mut worker: impl FnMut() -> W) -> Duration {
    let mut workers: Vec<W> = (0..threads).map(|_| worker()).collect();
    let started = Instant::now();
    for _ in 0..rounds {
        match workers.as_mut_slice() {
            // Without the cost of starting a thread where one is enough.
            [alone] => alone(),
            several => std::thread::scope(|scope| {
                several.iter_mut().for_each(|worker| {
                    scope.spawn(worker);
                });
            }),
        }
    }
    started.elapsed()
}
