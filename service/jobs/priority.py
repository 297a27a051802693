"""The low priority of a worker, in the eyes of Linux."""

import logging
import os
import time
from pathlib import Path

log = logging.getLogger("noisevote.worker")

NICENESS = 10
"""Ordinary processes on the same core get about nine times as much of it."""

AUTOGROUP = Path("/proc/self/autogroup")
TRIES, WAIT_S = 5, 0.11
"""Linux takes one such change in 0.1 s, of all users together."""


def step_back() -> None:
    """Leave the cores to the server where it wants them.

    Linux may schedule each session as a group (``sched_autogroup_enabled``). The worker is a
    session of its own, where niceness would count among its own threads alone, so the group is made
    nice, too.
    """
    os.nice(NICENESS)
    if not AUTOGROUP.is_file():
        return
    for _ in range(TRIES):
        try:
            AUTOGROUP.write_text(str(NICENESS))
        except BlockingIOError:
            time.sleep(WAIT_S)
        except OSError as error:
            log.debug("the session keeps its priority: %s", error)
            return
        else:
            return
    log.debug("the session keeps its priority: others changed theirs all the time")
