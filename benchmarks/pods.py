"""What a pod gains: the tutorial's shell loop beside waitfor, in real pods (as root on Linux).

    python benchmarks/pods.py [RUNS]      medians of 5 runs, unless told otherwise

The dependency comes up after 0.5 to 4 s, at random, as far as both pods are concerned at once.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from pods.cluster import Cluster
from pods.lab import Lab
from support.servers import TcpServer

LOOP, WAITFOR = "tutorial-loop.yaml", "myapp-sequence.yaml"
INIT = {LOOP: "myapp-pod-init-mydb", WAITFOR: "myapp-pod-wait"}
APP = "myapp-pod-myapp-container"
GRACE = 30


def until_waiting_for_mydb(cluster: Cluster, file: str) -> None:
    """Play the pod up to the wait for its second dependency."""
    with cluster.lab.inside():
        server = TcpServer(host="10.96.1.1", port=80)
    with server:
        cluster.name("myservice", "10.96.1.1")
        cluster.play(cluster.example(file))
        said = "waiting for mydb" if file == LOOP else "tcp://mydb:80 is not ready"
        cluster.until_log(INIT[file], said)


def noticed(cluster: Cluster, file: str, after: float) -> tuple[float, float]:
    """Seconds from 'mydb is ready' to 'the app is started', and peak MB of the init container."""
    until_waiting_for_mydb(cluster, file)
    with cluster.lab.inside():
        server = TcpServer(host="10.96.1.2", port=80)
    time.sleep(after)
    peak = cluster.memory_peak(INIT[file]) / 1e6
    with server:
        ready = cluster.name("mydb", "10.96.1.2")
        return cluster.until(APP, "running").started - ready, peak


def deleted(cluster: Cluster, file: str) -> float:
    """Seconds that a pod takes to be deleted while it waits."""
    until_waiting_for_mydb(cluster, file)
    return cluster.stop(INIT[file], grace=GRACE)


def main() -> None:
    """Measure and print."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    delays = [random.uniform(0.5, 4) for _ in range(runs)]
    lab = Lab()
    try:
        for file in (LOOP, WAITFOR):
            looks, ends = [], []
            for delay in delays:
                with Cluster(lab) as cluster:
                    looks.append(noticed(cluster, file, delay))
                with Cluster(lab) as cluster:
                    ends.append(deleted(cluster, file))
                    log = cluster.log(INIT[file])
            seconds, peaks = zip(*looks, strict=True)
            print(f"{file}, medians of {runs}")
            print(f"  from ready to started  {statistics.median(seconds):6.2f} s")
            print(f"  deleted while waiting  {statistics.median(ends):6.2f} s")
            print(f"  peak memory            {statistics.median(peaks):6.1f} MB")
            print("  kubectl logs:", *log.splitlines()[-6:], sep="\n    ")
    finally:
        lab.close()


if __name__ == "__main__":
    main()
