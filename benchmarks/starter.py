"""Start one command and print what it took: exit code, start, end, CPU seconds, ru_maxrss.

Run as a program of its own, because a child's ru_maxrss begins at what its parent had in memory
when it forked (at what the parent ever had, with vfork, which ``subprocess`` uses): measured from
here the floor is some 5 MB instead of the size of the whole benchmark.

Arguments: the soft limit of open files for the command, its absolute path, its arguments.
"""

import os
import resource
import sys
import time

files, program, *arguments = sys.argv[1:]
began = time.monotonic()
pid = os.fork()
if pid == 0:
    try:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (int(files), resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        )
        # stdout is for the figures; what the command says is shown if it fails.
        os.dup2(2, 1)
        os.execv(program, [program, *arguments])
    finally:
        os._exit(127)
_, status, usage = os.wait4(pid, 0)
ended = time.monotonic()
print(
    os.waitstatus_to_exitcode(status),
    began,
    ended,
    usage.ru_utime + usage.ru_stime,
    usage.ru_maxrss,
)
