"""One test's cluster: names, pods and what became of them, in the lab."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from pods.lab import Lab

EXAMPLES = Path(__file__).parents[2] / "examples"
DNS = "10.96.0.10"
SEARCHES = ("default.svc.cluster.local", "svc.cluster.local", "cluster.local")
NAMESPACE_FILE = "/var/run/secrets/kubernetes.io/serviceaccount"


class State(NamedTuple):
    """What became of a container."""

    status: str
    code: int
    started: float
    finished: float


class Cluster:
    """Names, servers and pods of one test; use as a context manager."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.dir = Path(tempfile.mkdtemp(dir=lab.dir))
        self.dir.chmod(0o755)
        self._hosts = self.dir / "hosts"
        self._hosts.mkdir()
        self._output = self.dir / "kube-play.log"
        self._dnsmasq: subprocess.Popen[str] | None = None
        self._plays: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Cluster:
        # --local, since dnsmasq would refuse to answer for AAAA otherwise; a hostsdir is read
        # again whenever a file comes.
        self._dnsmasq = subprocess.Popen(
            self.lab.within(
                "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv",
                "--no-hosts", "--user=root", "--pid-file=", f"--listen-address={DNS}",
                "--bind-interfaces", "--local=/cluster.local/", "--local=/#/", "--log-facility=-",
                f"--hostsdir={self._hosts}",
            ),
            env=self.lab.env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._dnsmasq.stderr
        for line in self._dnsmasq.stderr:
            if "using only locally-known" in line:
                break
        return self

    def __exit__(self, *_: object) -> None:
        for play in self._plays:
            play.kill()
            play.wait()
        self.lab.remove_all()
        if self._dnsmasq:
            self._dnsmasq.terminate()
            self._dnsmasq.communicate()
        shutil.rmtree(self.dir, ignore_errors=True)

    def name(self, name: str, *addresses: str) -> float:
        """Give ``name`` (of the pods' namespace, if it has no dot) addresses; gives the time."""
        full = f"{name}.svc.cluster.local" if "." in name else f"{name}.{SEARCHES[0]}"
        lines = "".join(f"{address} {full}\n" for address in addresses)
        (temporary := self.dir / "new").write_text(lines)
        temporary.rename(self._hosts / name)
        return time.time()

    def play(self, pod: Mapping[str, Any], *, network: str = "cluster") -> subprocess.Popen[str]:
        """Start ``podman kube play``, which ends once all init containers have."""
        name = pod["metadata"]["name"]
        (file := self.dir / f"{name}.yaml").write_text(yaml.safe_dump(dict(pod)))
        with self._output.open("a") as output:
            play = subprocess.Popen(
                [self.lab.bin / "podman", "kube", "play", f"--network={network}", file],
                env=self.lab.env, stdin=subprocess.DEVNULL, stdout=output, stderr=output, text=True,
            )  # fmt: skip
        self._plays.append(play)
        return play

    def pod(self, document: Mapping[str, Any], name: str | None = None) -> dict[str, Any]:
        """The pod of a Pod, Deployment, StatefulSet or Job, as ``kube play`` 4.3 takes it.

        What the cluster would add is added: resolv.conf, the termination log and the service
        account's namespace.  What this podman cannot do is left out:

        - ``restartPolicy`` other than Never: OnFailure restarts in a tight loop, Always reruns an
          init container that has succeeded;
        - native sidecars: they become ordinary containers;
        - claims: they become directories;
        - ports: it would publish each on the host.
        """
        template = document.get("spec", {}).get("template", document)
        spec = copy.deepcopy(template["spec"])
        inits = spec.get("initContainers", [])
        sidecars = [each for each in inits if each.pop("restartPolicy", None) == "Always"]
        spec["containers"] = [*sidecars, *spec["containers"]]
        spec["initContainers"] = [each for each in inits if each not in sidecars]
        options = [{"name": "ndots", "value": "5"}]
        spec |= {
            "restartPolicy": "Never",
            "dnsPolicy": "None",
            "dnsConfig": {"nameservers": [DNS], "searches": list(SEARCHES), "options": options},
        }
        for volume in spec.setdefault("volumes", []):
            if "persistentVolumeClaim" in volume:
                del volume["persistentVolumeClaim"]
                (path := self.dir / volume["name"]).mkdir()
                path.chmod(0o777)
                volume["hostPath"] = {"path": str(path), "type": "Directory"}
        account = self.dir / "serviceaccount"
        account.mkdir(exist_ok=True)
        (account / "namespace").write_text("default")
        for container in [*spec["initContainers"], *spec["containers"]]:
            container["imagePullPolicy"] = "Never"
            container.pop("ports", None)
            self.mount(spec, container, NAMESPACE_FILE, account)
            log = self.termination_log(container["name"])
            log.write_text("")
            log.chmod(0o666)
            self.mount(spec, container, "/dev/termination-log", log)
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name or document["metadata"]["name"],
                # Else podman removes an init container that has ended, and its log with it.
                "annotations": {"io.podman.annotations.init.container.type": "always"},
            },
            "spec": spec,
        }

    def example(self, file: str, name: str | None = None) -> dict[str, Any]:
        """The pod of an example, ready to be played."""
        return self.pod(workload(file), name)

    def mount(
        self, spec: dict[str, Any], container: dict[str, Any], path: str, source: Path
    ) -> None:
        """Put a file or directory of ours into a container."""
        name = f"extra-{len(spec['volumes'])}"
        kind = "Directory" if source.is_dir() else "File"
        spec["volumes"].append({"name": name, "hostPath": {"path": str(source), "type": kind}})
        container.setdefault("volumeMounts", []).append({"name": name, "mountPath": path})

    def termination_log(self, container: str) -> Path:
        """Where a container's last words are found."""
        return self.dir / f"termination-log-{container}"

    def inspect(self, container: str) -> dict[str, Any]:
        """All that podman knows of a container; nothing before there is one."""
        found = self.lab.podman("container", "inspect", container, check=False).stdout
        return next(iter(json.loads(found or "[]")), {})

    def state(self, container: str) -> State:
        """What a container does or how it ended."""
        state = self.inspect(container).get("State")
        if not state:
            return State("absent", 0, 0.0, 0.0)
        return State(state["Status"], state["ExitCode"], *map(seconds, (
            state["StartedAt"], state["FinishedAt"])))  # fmt: skip

    def until(self, container: str, *statuses: str, within: float = 20) -> State:
        """Wait for a container to be, say, running."""
        end = time.monotonic() + within
        while (state := self.state(container)).status not in statuses:
            assert time.monotonic() < end, f"{container} is {state.status}: {self._said(container)}"
            time.sleep(0.02)
        return state

    def until_log(self, container: str, words: str, within: float = 20) -> str:
        """Wait for a container to say something; gives its log."""
        end = time.monotonic() + within
        while words not in (log := self.log(container)):
            if time.monotonic() > end:
                raise AssertionError(f"{container} never said {words!r}: {self._said(container)}")
            time.sleep(0.02)
        return log

    def _said(self, container: str) -> str:
        """What a container and podman itself have said, for a test that fails."""
        return f"{self.log(container)}\nkube play: {self._output.read_text()}"

    def log(self, container: str) -> str:
        """What ``kubectl logs`` would show."""
        found = self.lab.podman("logs", container, check=False)
        return found.stdout + found.stderr

    def stop(self, container: str, grace: float) -> float:
        """Delete as Kubernetes does: SIGTERM, the grace period, SIGKILL; gives the seconds."""
        began = time.monotonic()
        self.lab.podman("stop", "--time", str(grace), container)
        return time.monotonic() - began

    def memory_peak(self, container: str) -> int:
        """Most octets that a running container's cgroup has held."""
        pid = self.inspect(container)["State"]["Pid"]
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
        paths = {kind: path for _, kind, path in (line.split(":", 2) for line in lines)}
        v1 = Path(f"/sys/fs/cgroup/memory{paths.get('memory')}/memory.max_usage_in_bytes")
        v2 = Path(f"/sys/fs/cgroup{paths.get('')}/memory.peak")
        return int((v1 if v1.exists() else v2).read_text())


def workload(file: str) -> dict[str, Any]:
    """The object of an example that makes pods."""
    return next(each for each in documents(file) if each["kind"] != "Service")


def documents(file: str) -> Sequence[dict[str, Any]]:
    """All objects of an example."""
    return [*yaml.safe_load_all((EXAMPLES / file).read_text())]


def seconds(stamp: str) -> float:
    """Seconds since 1970; Go writes nine digits, and the year 1 for never."""
    return 0.0 if stamp.startswith("0001") else datetime.fromisoformat(stamp).timestamp()
