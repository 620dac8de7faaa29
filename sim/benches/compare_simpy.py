#!/usr/bin/env python3
"""Runs the benchmark workloads and the same ones in SimPy, one after the other, and prints the ratios.

    python3 sim/benches/compare_simpy.py            # about two minutes
    python3 sim/benches/compare_simpy.py --quick    # a tenth of SimPy's events

Skips with a message, successfully, where SimPy is missing (`pip install simpy`).
"""

import os
import pathlib
import subprocess
import sys

sys.dont_write_bytecode = True
BENCHES = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(BENCHES / "simpy"))

import mm1  # noqa: E402
import phold  # noqa: E402
import request  # noqa: E402
import timers  # noqa: E402


def import_simpy():
    """SimPy, or None. The folder of the same name beside this file is not it."""
    hidden = {str(BENCHES), ""}
    kept = sys.path[:]
    sys.path = [entry for entry in sys.path if entry not in hidden]
    try:
        import simpy

        return simpy if hasattr(simpy, "Environment") else None
    except ImportError:
        return None
    finally:
        sys.path = kept


def in_simpy(simpy, scale):
    """Name of a workload -> what measures it in SimPy."""
    return {
        "phold_1k": lambda: phold.run(simpy, 1 << 10, phold.exponential_delay, 500_000 // scale),
        "phold_16k": lambda: phold.run(simpy, 1 << 14, phold.exponential_delay, 500_000 // scale),
        "phold_256k": lambda: phold.run(simpy, 1 << 18, phold.exponential_delay, 500_000 // scale),
        "phold_mixed_1k": lambda: phold.run(simpy, 1 << 10, phold.mixed_delay, 500_000 // scale),
        "phold_mixed_16k": lambda: phold.run(simpy, 1 << 14, phold.mixed_delay, 500_000 // scale),
        "phold_mixed_256k": lambda: phold.run(simpy, 1 << 18, phold.mixed_delay, 500_000 // scale),
        "mm1": lambda: mm1.run(simpy, 1_000_000 // scale),
        "timers": lambda: timers.run(simpy, 10_000, 1_000_000 // scale),
        "request": lambda: request.run(simpy, 100_000 // scale),
        "request_steady": lambda: request.run(simpy, 100_000 // scale, steady=True),
    }


def build():
    """Builds our side; returns the program."""
    manifest = BENCHES / "Cargo.toml"
    command = ["cargo", "build", "--release", "--quiet", "--manifest-path", str(manifest)]
    subprocess.run(command, check=True)
    target = os.environ.get("CARGO_TARGET_DIR", str(BENCHES.parent.parent / "target"))
    return pathlib.Path(target) / "release" / "workloads"


def kernel_ns(program, name):
    """What an event of a workload costs here."""
    output = subprocess.run([str(program), name], check=True, capture_output=True, text=True).stdout
    printed_name, cost = output.split()
    if printed_name != name:
        raise SystemExit(f"asked {program} for {name}, got {printed_name}")
    return float(cost)


def main():
    simpy = import_simpy()
    if simpy is None:
        print("skipped: SimPy is not installed (pip install simpy)")
        return
    scale = 10 if "--quick" in sys.argv[1:] else 1
    program = os.environ.get("WORKLOADS") or build()
    print(f"SimPy {simpy.__version__}, Python {sys.version.split()[0]}; ns an event (request: a request)")
    print(f"{'workload':<18}{'ours':>10}{'SimPy':>12}{'ratio':>8}")
    for name, measure in in_simpy(simpy, scale).items():
        ours, theirs = kernel_ns(program, name), measure()
        print(f"{name:<18}{ours:>10.1f}{theirs:>12.1f}{theirs / ours:>8.0f}", flush=True)


if __name__ == "__main__":
    main()
