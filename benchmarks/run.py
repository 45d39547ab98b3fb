"""``python benchmarks/run.py [NAME...]``: waitfor side by side with its peers; see README.md."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys

import memory
import parallel
import reaction
import startup
import waiters

MEASURES = {"startup": startup, "reaction": reaction, "memory": memory, "parallel": parallel}


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure waitfor beside its peers.")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"{', '.join(MEASURES)}; all by default"
    )
    parser.add_argument(
        "--runs", type=int, metavar="N", help="of each command; each measure has its own default"
    )
    parser.add_argument("--markdown", action="store_true", help="tables for a document")
    arguments = parser.parse_args()
    if arguments.runs is not None and arguments.runs < 1:
        parser.error("--runs is at least 1")
    if unknown := set(arguments.names) - set(MEASURES):
        parser.error(f"no such measure: {', '.join(sorted(unknown))}; known: {', '.join(MEASURES)}")

    # Settings of this shell must not change what is measured.
    for variable in [name for name in os.environ if name.startswith("WAITFOR_")]:
        del os.environ[variable]
    try:
        version = subprocess.run(
            [waiters.WAITFOR, "--version"], capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"cannot run {waiters.WAITFOR}: {error}; set WAITFOR to its path", file=sys.stderr)
        return 2
    python = f"{platform.python_implementation()} {platform.python_version()}"
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"
    print(f"{version}, {python}, {machine}, load {os.getloadavg()[0]:.1f}\n")
    for line in waiters.missing():
        print(line, file=sys.stderr)
    try:
        for name in arguments.names or MEASURES:
            measure = MEASURES[name]
            for table in measure.tables(arguments.runs or measure.RUNS):
                print(table.markdown() if arguments.markdown else table.text(), end="\n\n")
                sys.stdout.flush()
    except RuntimeError as error:
        print(f"a command failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
