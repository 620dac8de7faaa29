"""M/M/1 at 90 % load in SimPy: customers queue for one server, first come, first served.

The counterpart of `mm1` in `../workloads/mod.rs`, which counts two events a customer: coming and leaving.
"""

import random
import time

MEAN_INTERARRIVAL_NS = 1_000_000.0
MEAN_SERVICE_NS = 900_000.0
EVENTS_PER_CUSTOMER = 2


def run(simpy, customers):
    """Nanoseconds per event of the counterpart, over a whole run."""
    source = random.Random(11)
    environment = simpy.Environment()
    server = simpy.Resource(environment, capacity=1)
    sojourn_total_ns = 0.0

    def customer():
        nonlocal sojourn_total_ns
        came = environment.now
        with server.request() as turn:
            yield turn
            yield environment.timeout(source.expovariate(1 / MEAN_SERVICE_NS))
        sojourn_total_ns += environment.now - came

    def arrivals():
        for _ in range(customers):
            environment.process(customer())
            yield environment.timeout(source.expovariate(1 / MEAN_INTERARRIVAL_NS))

    environment.process(arrivals())
    start = time.perf_counter_ns()
    environment.run()
    elapsed_ns = time.perf_counter_ns() - start
    mean_ns = sojourn_total_ns / customers
    if not 5e6 < mean_ns < 15e6:
        raise SystemExit(f"mean sojourn of {mean_ns:.0f} ns: theory says 9000000")
    return elapsed_ns / (EVENTS_PER_CUSTOMER * customers)
