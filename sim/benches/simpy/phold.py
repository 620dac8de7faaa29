"""PHOLD in SimPy: every message, when it arrives, is sent on to some node, later.

The counterpart of `phold` in `../workloads/mod.rs`: as many nodes, the same two mixtures of delays, one message
pending per sender. Only handling messages is timed. Times are in nanoseconds.
"""

import random
import time

NODES = 1024
MS = 1_000_000.0
SECOND = 1_000 * MS
HOUR = 3_600 * SECOND


def exponential_delay(source):
    return source.expovariate(1 / MS)


def mixed_delay(source):
    kind = source.random()
    if kind < 0.50:
        return source.expovariate(1 / MS)
    if kind < 0.70:
        return source.random() * 1_000
    if kind < 0.85:
        return (5 + 10 * source.random()) * MS
    if kind < 0.95:
        return (0.5 + source.random()) * SECOND
    return (1 + 3 * source.random()) * HOUR


class Node:
    def __init__(self):
        self.received = 0


def run(simpy, pending, delay, events):
    """Nanoseconds an event, over `events` of them, after as many as are pending."""
    source = random.Random(7)
    environment = simpy.Environment()
    nodes = [Node() for _ in range(NODES)]

    def message():
        while True:
            yield environment.timeout(delay(source))
            nodes[source.randrange(NODES)].received += 1

    for _ in range(pending):
        environment.process(message())
    # The first step of every process starts it and is no message.
    for _ in range(2 * pending):
        environment.step()
    start = time.perf_counter_ns()
    for _ in range(events):
        environment.step()
    return (time.perf_counter_ns() - start) / events
