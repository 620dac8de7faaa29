"""A full request in SimPy: Poisson clients, the less loaded of two of three servers, a link each way, a timeout.

The counterpart of `request` in `../workload/request.rs`. What there is a histogram is a plain list here.
"""

import random
import time

RATE_PER_MS = 10.0
MEAN_SERVICE_MS = 2.0
LINK_MS = 0.3
TIMEOUT_MS = 1000.0
REPLICAS = 3
WORKERS = 8


def run(simpy, requests):
    """Nanoseconds per request, over a whole run."""
    source = random.Random(11)
    environment = simpy.Environment()
    servers = [simpy.Resource(environment, capacity=WORKERS) for _ in range(REPLICAS)]
    in_flight = [0] * REPLICAS
    latencies_ms = []

    def serve(server, answer):
        yield environment.timeout(LINK_MS)
        with server.request() as turn:
            yield turn
            yield environment.timeout(source.expovariate(1 / MEAN_SERVICE_MS))
        yield environment.timeout(LINK_MS)
        answer.succeed()

    def client():
        came = environment.now
        one, other = source.sample(range(REPLICAS), 2)
        chosen = one if in_flight[one] <= in_flight[other] else other
        in_flight[chosen] += 1
        answer = environment.event()
        environment.process(serve(servers[chosen], answer))
        yield answer | environment.timeout(TIMEOUT_MS)
        in_flight[chosen] -= 1
        latencies_ms.append(environment.now - came)

    def arrivals():
        for _ in range(requests):
            yield environment.timeout(source.expovariate(RATE_PER_MS))
            environment.process(client())

    environment.process(arrivals())
    start = time.perf_counter_ns()
    environment.run()
    elapsed_ns = time.perf_counter_ns() - start
    if len(latencies_ms) != requests:
        raise SystemExit(f"{len(latencies_ms)} of {requests} requests ended")
    return elapsed_ns / requests
