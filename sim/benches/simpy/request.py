"""A full request in SimPy: Poisson clients, the less loaded of two of three servers, a link each way, a timeout.

Or steady: even arrivals and service times, servers in turn. The counterparts of `request` and `request_steady` in
`../workload/request.rs`. What there is a histogram is a plain list here.
"""

import itertools
import random
import time

RATE_PER_MS = 10.0
MEAN_SERVICE_MS = 2.0
LINK_MS = 0.3
TIMEOUT_MS = 1000.0
REPLICAS = 3
WORKERS = 8


def run(simpy, requests, steady=False):
    """Nanoseconds per request, over a whole run."""
    source = random.Random(11)
    environment = simpy.Environment()
    servers = [simpy.Resource(environment, capacity=WORKERS) for _ in range(REPLICAS)]
    in_flight = [0] * REPLICAS
    latencies_ms = []
    turns = itertools.cycle(range(REPLICAS))

    def gap_ms():
        return 1 / RATE_PER_MS if steady else source.expovariate(RATE_PER_MS)

    def service_ms():
        return MEAN_SERVICE_MS if steady else source.expovariate(1 / MEAN_SERVICE_MS)

    def choose():
        if steady:
            return next(turns)
        one, other = source.sample(range(REPLICAS), 2)
        return one if in_flight[one] <= in_flight[other] else other

    def serve(server, answer):
        yield environment.timeout(LINK_MS)
        with server.request() as turn:
            yield turn
            yield environment.timeout(service_ms())
        yield environment.timeout(LINK_MS)
        answer.succeed()

    def client():
        came = environment.now
        chosen = choose()
        in_flight[chosen] += 1
        answer = environment.event()
        environment.process(serve(servers[chosen], answer))
        yield answer | environment.timeout(TIMEOUT_MS)
        in_flight[chosen] -= 1
        latencies_ms.append(environment.now - came)

    def arrivals():
        for _ in range(requests):
            yield environment.timeout(gap_ms())
            environment.process(client())

    environment.process(arrivals())
    start = time.perf_counter_ns()
    environment.run()
    elapsed_ns = time.perf_counter_ns() - start
    if len(latencies_ms) != requests:
        raise SystemExit(f"{len(latencies_ms)} of {requests} requests ended")
    return elapsed_ns / requests
