"""Draws charts in a process of its own, so that a drawing that hangs or dies takes no page with it.

As a program it answers each Vega-Lite specification (a line of JSON on its standard input) with a line of JSON:
``[svg, null]``, or ``[null, sentence]`` for one that cannot be drawn. Its own alarm clock ends it when one drawing
takes too long, whatever it is doing then; so whoever waits for the line gets it in time, or the end of the stream.
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
from threading import Lock
from typing import IO, Any, Final

from srs.server.web.looks import NUMBERS, VEGA_LITE

SPEC_MAX_BYTES: Final = 2_000_000
"""More than any chart that is made of what the rules of a race allow."""

DRAWING_MAX_S: Final = 10
WAIT_MAX_S: Final = 10.0
"""How long a drawing may wait for those before it."""

COMMAND: Final = (sys.executable, "-I", "-m", "srs.server.web.artist")

_log = logging.getLogger("srs.web")


class Undrawable(Exception):
    """The drawing was too large, took too long, or ended whoever drew it."""


class Artist:
    """The child that draws, one chart after the other; begun when it is needed, and anew when it has ended."""

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self._command = command
        self._lock = Lock()
        self._child: subprocess.Popen[bytes] | None = None

    def draw(self, spec: Mapping[str, Any]) -> str:
        """The SVG of a specification. Other threads wait meanwhile.

        Raises ``Undrawable``, for one that is too large, too; ``TimeoutError`` where those before it take too long;
        ``ValueError`` for what is no specification, or one that refers to data elsewhere.
        """
        question = json.dumps(spec, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        if len(question) > SPEC_MAX_BYTES:
            raise Undrawable
        if not self._lock.acquire(timeout=WAIT_MAX_S):
            raise TimeoutError
        try:
            line = self._ask(question)
        finally:
            self._lock.release()
        svg, trouble = json.loads(line)
        if svg is None:
            raise ValueError(trouble)
        return str(svg)

    def end(self) -> None:
        """End the child, if there is one."""
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None

    def _ask(self, question: bytes) -> bytes:
        if self._child is None or self._child.poll() is not None:
            self._child = self._begin()
        try:
            _pipe(self._child.stdin).write(question)
            _pipe(self._child.stdin).flush()
            answer = _pipe(self._child.stdout).readline()
        except BrokenPipeError:
            answer = b""
        if not answer.endswith(b"\n"):
            self.end()
            raise Undrawable
        return answer

    def _begin(self) -> subprocess.Popen[bytes]:
        self.end()
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


def work(questions: Iterable[bytes], answers: IO[bytes], drawing_max_s: int = DRAWING_MAX_S) -> None:
    """Draw until there are no more questions."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # it ends the process even where Python has no say
    for question in questions:
        signal.alarm(drawing_max_s)
        answers.write(json.dumps(_drawn(json.loads(question))).encode() + b"\n")
        answers.flush()
        signal.alarm(0)


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
