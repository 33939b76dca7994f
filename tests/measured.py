"""What one request costs: its queries, the server's time, the bytes of the answer."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event

from browsers import Browser
from srs.server.store.engine import Store


@dataclass(frozen=True)
class Visit:
    """One answer and its cost; ``statements`` are the queries, without the begin of a transaction."""

    status: int
    mimetype: str
    size_bytes: int
    spent_ms: float
    statements: list[str]

    @property
    def is_page(self) -> bool:
        """Whether a page or a chart was shown, rather than a file, a refusal or the way to another page."""
        return self.status == 200 and self.mimetype in ("text/html", "image/svg+xml")


class Meter:
    """Counts the queries of one installation from now on."""

    def __init__(self, store: Store) -> None:
        self._statements: list[str] = []
        event.listen(store.engine, "before_cursor_execute", self._hear)

    def _hear(self, _connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if not statement.startswith("BEGIN"):
            self._statements.append(statement)

    def visit(self, browser: Browser, path: str) -> Visit:
        """Look at a path once."""
        self._statements.clear()
        begin = time.perf_counter()
        response = browser.get(path)
        size_bytes = len(response.data)
        spent_ms = (time.perf_counter() - begin) * 1000
        assert response.status_code < 500, path
        return Visit(response.status_code, response.mimetype, size_bytes, spent_ms, list(self._statements))
