"""Draws charts in a process of its own, so that a drawing that hangs or dies takes no page with it.

As a program it answers each Vega-Lite specification (a line of JSON on its standard input) with a line of JSON:
``[svg, null]``, or ``[null, sentence]`` for one that cannot be drawn. Its own clocks end it when one drawing takes too
much, whatever it is doing then; so whoever waits for the line gets it, or the end of the stream. Processor time is
what counts: on a busy machine a drawing takes longer, but no more of that.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from threading import Event, Lock
from typing import IO, Any, Final

from srs.server.web.looks import NUMBERS, VEGA_LITE

SPEC_MAX_BYTES: Final = 2_000_000
"""More than any chart that is made of what the rules of a race allow."""

CPU_MAX_S: Final = 10.0
"""Processor time for one drawing."""
WALL_MAX_S: Final = 120.0
"""For one that computes nothing, and never comes to an end."""

COMMAND: Final = (sys.executable, "-I", "-m", "srs.server.web.artist")

_log = logging.getLogger("srs.web")


class Undrawable(Exception):
    """The drawing was too large, took too much, or ended whoever drew it."""


class Late(Exception):
    """The drawing is not there yet, and nothing speaks against the next try."""


class Artist:
    """The child that draws, one chart after the other; begun when it is needed, and anew when it has ended."""

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self._command = command
        self._lock = Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._is_over = Event()

    def draw(self, spec: Mapping[str, Any]) -> str:
        """The SVG of a specification. Other threads wait meanwhile.

        Raises ``Undrawable``, for one that is too large, too; ``Late`` where ``end`` comes first; ``ValueError`` for
        what is no specification, or one that refers to data elsewhere.
        """
        question = json.dumps(spec, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        if len(question) > SPEC_MAX_BYTES:
            raise Undrawable
        with self._lock:
            line = self._ask(question)
        svg, trouble = json.loads(line)
        if svg is None:
            raise ValueError(trouble)
        return str(svg)

    def end(self) -> None:
        """End the child, whatever it is drawing, and begin none any more."""
        self._is_over.set()
        if self._child is not None:
            self._child.kill()
        with self._lock:
            self._bury()

    def _ask(self, question: bytes) -> bytes:
        if self._is_over.is_set():
            raise Late
        if self._child is None or self._child.poll() is not None:
            self._child = self._begin()
        if self._is_over.is_set():  # again: an end that came meanwhile has not seen this child
            raise Late
        try:
            _pipe(self._child.stdin).write(question)
            _pipe(self._child.stdin).flush()
            answer = _pipe(self._child.stdout).readline()
        except BrokenPipeError:
            answer = b""
        if not answer.endswith(b"\n"):
            self._bury()
            raise Late if self._is_over.is_set() else Undrawable
        return answer

    def _bury(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None

    def _begin(self) -> subprocess.Popen[bytes]:
        self._bury()
        # Nothing of this process's environment, which may hold secrets.
        environment = {"PATH": os.defpath, "LANG": "C.UTF-8", "TZ": "UTC"}
        return subprocess.Popen(  # noqa: S603  (our own command, never a shell)
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None, "the child was begun with pipes"  # noqa: S101
    return stream


ARTIST: Final = Artist()
"""That of this process."""
atexit.register(ARTIST.end)


def work(
    questions: Iterable[bytes], answers: IO[bytes], cpu_max_s: float = CPU_MAX_S, wall_max_s: float = WALL_MAX_S
) -> None:
    """Draw until there are no more questions."""
    for clock in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(clock, signal.SIG_DFL)  # it ends the process even where Python has no say
    for wish in (signal.SIGINT, signal.SIGTERM):
        signal.signal(wish, signal.SIG_IGN)  # sent to all of a site; whoever asks the questions says when this one ends
    for question in questions:
        signal.setitimer(signal.ITIMER_PROF, cpu_max_s)
        signal.setitimer(signal.ITIMER_REAL, wall_max_s)
        answers.write(json.dumps(_drawn(json.loads(question))).encode() + b"\n")
        answers.flush()
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)


def _drawn(spec: dict[str, Any]) -> tuple[str | None, str | None]:
    import vl_convert  # half a second, and threads of its own: not in the process that serves pages

    try:
        svg = vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE, allowed_base_urls=[], format_locale=NUMBERS)
    except ValueError as error:
        return None, str(error)
    return svg, None


if __name__ == "__main__":
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)  # what a library prints is no answer
        work(sys.stdin.buffer, answers)
