"""The main job, live: an application starts once all that it depends on is ready.

``make demo`` runs this.  A DNS server, a TCP port and a health endpoint, all real and all on
loopback, become ready 1, 2 and 3 seconds after the start; ``waitfor`` watches them in this order
and then becomes the application.
"""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread, Timer
from typing import Any

from dnslib import QTYPE, RCODE, RR, A, DNSRecord
from dnslib.server import BaseResolver, DNSLogger, DNSServer

NAMESPACE = "default.svc.cluster.local"
"""The search domain of a pod, so that ``mydb`` means the Service mydb of its own namespace."""
NAME_AFTER, PORT_AFTER, HEALTH_AFTER = 1.0, 2.0, 3.0


class Names(BaseResolver):
    """Knows mydb once ``ready`` is set; until then it has never heard of it."""

    ready = False

    def resolve(self, request: DNSRecord, handler: Any) -> DNSRecord:
        reply = request.reply()
        if not self.ready or request.q.qname != f"mydb.{NAMESPACE}":
            reply.header.rcode = RCODE.NXDOMAIN
        elif request.q.qtype == QTYPE.A:
            reply.add_answer(RR(request.q.qname, QTYPE.A, rdata=A("127.0.0.1"), ttl=5))
        return reply


class Health(BaseHTTPRequestHandler):
    """Answers 503, and 200 once ``ready`` is set."""

    ready = False

    def do_GET(self) -> None:
        self.send_response(200 if Health.ready else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Leave the terminal to waitfor."""


def main() -> int:
    names = Names()
    dns = DNSServer(names, address="127.0.0.1", port=0, logger=DNSLogger(logf=lambda _: None))
    dns.start_thread()
    # Bound but not listening, so that it refuses connections until its time has come.
    port = socket.socket()
    port.bind(("127.0.0.1", 0))
    web = ThreadingHTTPServer(("127.0.0.1", 0), Health)
    Thread(target=web.serve_forever, daemon=True).start()

    targets = [
        f"dns://127.0.0.1:{dns.server.server_address[1]}/mydb",
        f"127.0.0.1:{port.getsockname()[1]}",
        f"http://127.0.0.1:{web.server_address[1]}/healthz",
    ]
    command = ["sh", "-c", "echo application started as process $$"]
    beside = str(Path(sys.executable).parent)
    program = shutil.which("waitfor") or shutil.which("waitfor", path=beside)
    if not program:
        print("demo: the command waitfor is not installed: run 'make demo'", file=sys.stderr)
        return 127

    print("A name, a port and a health endpoint on loopback come up one after another,")
    print(f"{NAME_AFTER:g}, {PORT_AFTER:g} and {HEALTH_AFTER:g} seconds from now.", end=" ")
    print("The search domain is that of a pod.\n")
    print(f"$ LOCALDOMAIN={NAMESPACE} \\\n  waitfor {' '.join(targets)} \\")
    print(f"  -- {shlex.join(command)}\n", flush=True)
    for after, become_ready in (
        (NAME_AFTER, lambda: setattr(names, "ready", True)),
        (PORT_AFTER, port.listen),
        (HEALTH_AFTER, lambda: setattr(Health, "ready", True)),
    ):
        timer = Timer(after, become_ready)
        timer.daemon = True
        timer.start()
    began = time.monotonic()
    environment = {**os.environ, "LOCALDOMAIN": NAMESPACE}
    with subprocess.Popen([program, *targets, "--", *command], env=environment) as process:
        try:
            code = process.wait()
        except KeyboardInterrupt:
            # waitfor has received it too, and says how far it came.
            code = process.wait()
    seconds = time.monotonic() - began
    print(f"\nwaitfor was started as process {process.pid} and", end=" ")
    print(f"ended with exit code {code} after {seconds:.1f} s.")
    return code


if __name__ == "__main__":
    sys.exit(main())
