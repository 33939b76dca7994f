"""What the parts of ``srs-server run`` begin with: multiprocessing's fork server imports this, and nothing else does.

The imports are done once instead of once in each part, and their memory is shared. Nothing is opened here, so that the
parts share no connection. SIGTERM is left pending: where a whole group of processes gets it, the parts end in good
order and the fork server after them; each part takes it again (``supervise.py``).
"""

from __future__ import annotations

import signal

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # before the imports, whose threads inherit it

import srs.server.cli.main  # noqa: E402
import srs.server.web.app  # noqa: E402, F401
from srs.server.worker.confine import shield  # noqa: E402

shield()
