"""Calls guarded by a timeout in SimPy: every call ends in time, disarms its timeout and makes the next one.

The counterpart of `timers` in `../workloads/mod.rs`. SimPy cannot take an event back, so a disarmed timeout loses
its callback and stays pending until it is due; that is what SimPy's users do, and it is part of what is measured.
"""

import random
import time

TIMEOUT_NS = 1_000_000_000
BETWEEN_CALLS_NS = 1_000


def run(simpy, in_flight, calls):
    """Nanoseconds per call, over `calls` of them."""
    source = random.Random(13)
    environment = simpy.Environment()
    timed_out = 0

    def on_timeout(_event):
        nonlocal timed_out
        timed_out += 1

    def arm():
        timeout = environment.timeout(TIMEOUT_NS + source.random() * TIMEOUT_NS / 10)
        timeout.callbacks.append(on_timeout)
        return timeout

    armed = [arm() for _ in range(in_flight)]

    def client():
        oldest = 0
        for _ in range(calls):
            armed[oldest].callbacks.remove(on_timeout)
            armed[oldest] = arm()
            oldest = (oldest + 1) % in_flight
            yield environment.timeout(BETWEEN_CALLS_NS)

    process = environment.process(client())
    start = time.perf_counter_ns()
    environment.run(until=process)
    elapsed_ns = time.perf_counter_ns() - start
    if timed_out:
        raise SystemExit(f"{timed_out} timeouts expired, none should")
    return elapsed_ns / calls
