//! What queueing theory says about waits, met by a scheduler and workers that come back as soon as they are done.

use super::*;
use std::collections::BTreeSet;

/// Workers that run jobs for a while each.
struct Shop {
    desk: Scheduler<MemoryStore>,
    out: Outbox<Output>,
    busy: BTreeSet<(Time, JobId, Token)>,
    /// Sum of waits and number of starts, by priority.
    waits: [(u64, u64); 3],
}

impl Shop {
    fn new(workers: u32) -> Shop {
        let mut config = config();
        config.queues[0].max_running = workers;
        config.kinds[0].lease = Span::from_secs(1_000_000);
        config.kinds[0].max_run = Span::MAX;
        config.keep.completed = Span::ZERO;
        let desk = Scheduler::open(config, MemoryStore::new(), Time::ZERO).expect("in range");
        Shop { desk, out: Outbox::new(), busy: BTreeSet::new(), waits: [(0, 0); 3] }
    }

    fn fetch(&mut self, now: Time, service: &mut dyn FnMut() -> Span) {
        let fetch = Input::Fetch { worker: ANN, pool: PoolId(0), max: 1, entropy: 0 };
        self.desk.handle(now, fetch, &mut self.out).expect("a pool");
        for output in self.out.drain() {
            if let Output::Started(given) = output {
                let (sum, starts) = &mut self.waits[usize::from(given.priority)];
                (*sum, *starts) = (*sum + given.waited.as_nanos(), *starts + 1);
                self.busy.insert((now + service(), given.job, given.token));
            }
        }
    }

    /// Workers finish what ends by `until`, and take the next job at once.
    fn work_until(&mut self, until: Time, service: &mut dyn FnMut() -> Span) {
        while let Some((at, job, token)) = self.busy.first().copied().filter(|(at, ..)| *at <= until) {
            self.busy.remove(&(at, job, token));
            let complete = Input::Complete { job, token, result: None };
            self.desk.handle(at, complete, &mut self.out).expect("it is theirs");
            self.fetch(at, service);
        }
    }

    fn enqueue(&mut self, now: Time, priority: u8) {
        let new = NewJob { priority: Some(priority), ..mail() };
        self.desk.handle(now, Input::Enqueue(new), &mut self.out).expect("there is room");
    }
}

/// Exponentially distributed spans.
fn exponential(word: &mut u64, mean: Span) -> Span {
    *word ^= *word << 13;
    *word ^= *word >> 7;
    *word ^= *word << 17;
    let uniform = ((*word >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    Span::from_nanos((-libm::log(uniform) * mean.as_nanos() as f64) as u64)
}

#[test]
fn two_classes_wait_as_cobham_says() {
    // One worker, jobs of a second on average, 0.3 urgent and 0.4 other ones a second. The work in service is
    // W0 = (0.3 + 0.4) * 2 / 2 = 0.7 s; W1 = W0 / (1 - 0.3) = 1 s; W2 = W0 / ((1 - 0.3)(1 - 0.7)) = 3.33 s.
    let (mut arrivals, mut services) = (88_172_645_463_325_252, 362_436_069_521_288_629);
    let mut service = move || exponential(&mut services, Span::from_secs(1));
    let mut shop = Shop::new(1);
    let mut now = Time::ZERO;
    for number in 0..100_000u64 {
        now += exponential(&mut arrivals, Span::from_nanos(1_000_000_000 * 10 / 7));
        shop.work_until(now, &mut service);
        let urgent = crate::arithmetic::keyed_word(1, number) % 7 < 3;
        shop.enqueue(now, if urgent { 1 } else { 2 });
        shop.fetch(now, &mut service);
    }
    for (class, expected_ms) in [(1, 1_000), (2, 3_333)] {
        let (sum, starts) = shop.waits[class];
        let mean_ms = sum / starts / 1_000_000;
        assert!(mean_ms.abs_diff(expected_ms) < expected_ms / 12, "class {class}: {mean_ms} ms");
    }
}

#[test]
fn a_backlog_drains_at_the_rate_that_is_left_over() {
    // A job every two seconds, a second each, one worker; an outage of 100 s leaves 50 jobs, which the half that is left
    // over clears in 0.5 * 100 / (1 - 0.5) = 100 s.
    let mut shop = Shop::new(1);
    let mut service = || Span::from_secs(1);
    let mut cleared = None;
    for second in 0..400 {
        let now = secs(second);
        let up = second >= 100;
        if up {
            shop.work_until(now, &mut service);
        }
        if second % 2 == 0 {
            shop.enqueue(now, 1);
        }
        if up {
            shop.fetch(now, &mut service);
            let empty = shop.desk.queue_stats(QueueId(0)).available == 0;
            cleared = cleared.or(empty.then_some(second));
        }
    }
    assert!(cleared.is_some_and(|second| (198..=202).contains(&second)), "{cleared:?}");
}
