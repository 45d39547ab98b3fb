"""``python -m waitfor``, and what the command ``waitfor`` starts."""

import gc
import os
import sys

from waitfor import signals


def main() -> None:
    """Run the command and leave."""
    signals.leave_at_once()
    # Starting makes much that stays and little garbage: searching it all as often as usual costs
    # a tenth of the time.
    gc.set_threshold(10_000, 20, 20)
    from waitfor.cli import run

    code = run(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            pass
    # Nothing is left to do, least of all to wait for a look-up that is stuck in a thread.
    os._exit(code)


if __name__ == "__main__":
    main()
