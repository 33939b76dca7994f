"""The bell that wakes a worker after a commit. It may fail or be lost: the sweeper finds every job again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, Protocol

from celery import Celery

TASK = "srs.work"
QUEUE = "srs"
PATIENCE_S = 0.5
"""How long a request waits for a broker that does not answer."""
SULK_S = 5.0
"""After a failure the bell stays silent this long; the sweeper takes over."""

_log = logging.getLogger(__name__)


class Bell(Protocol):
    """Tells workers that jobs wait."""

    def ring(self, job_ids: Iterable[int]) -> None:
        """Announce jobs that have just been committed. Never raises."""

    def ring_again(self, job_ids: Sequence[int]) -> None:
        """Announce jobs that still wait, as far as the broker does not hold as many rings. Never raises."""

    def close(self) -> None:
        """Give the connection back."""


class SilentBell:
    """One machine without a broker: the local worker looks by itself."""

    def ring(self, job_ids: Iterable[int]) -> None:
        """Do nothing: the sweep is near."""

    def ring_again(self, job_ids: Sequence[int]) -> None:
        """Do nothing: the worker looks by itself."""

    def close(self) -> None:
        """Do nothing: there is no connection."""


class CeleryBell:
    """Sends one message for each job; its id is only a hint, a worker claims whose turn it is."""

    def __init__(self, broker_url: str) -> None:
        self._app = celery_app(broker_url)
        self._silent_until = 0.0

    def ring(self, job_ids: Iterable[int]) -> None:
        """Announce jobs; a broker that is away costs at most about a second, and nothing is raised."""
        self._send(job_ids, lambda _producer: 0)

    def ring_again(self, job_ids: Sequence[int]) -> None:
        """The same, so that a sweep adds to the queue only what is missing; rings never expire, by whatever clock."""
        self._send(job_ids, _held)

    def _send(self, job_ids: Iterable[int], held: Callable[[Any], int]) -> None:
        if time.monotonic() < self._silent_until:
            return
        try:
            with self._app.producer_or_acquire() as producer:
                for job_id in islice(job_ids, held(producer), None):
                    self._app.send_task(
                        TASK, (job_id,), queue=QUEUE, ignore_result=True, retry=False, producer=producer
                    )
        except Exception as error:  # noqa: BLE001  (whatever the broker does, the jobs are committed)
            self._silent_until = time.monotonic() + SULK_S
            _log.warning("the broker does not answer (%s); the sweeper will find the jobs", error)

    def close(self) -> None:
        """Give the connection back."""
        self._app.close()


def _held(producer: Any) -> int:
    """How many rings wait in the broker."""
    declared = producer.channel.queue_declare(queue=QUEUE, durable=True, auto_delete=False)
    return int(declared.message_count)


def celery_app(broker_url: str, *, for_requests: bool = True) -> Celery:
    """The Celery application of both sides: JSON only, no results, no retries, one message at a time.

    ``for_requests`` makes every step with the broker short, so that a request never waits for it.
    """
    app = Celery("srs", broker=broker_url, set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        result_serializer="json",
        task_ignore_result=True,
        task_default_queue=QUEUE,
        task_publish_retry=False,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        enable_utc=True,
    )
    if for_requests:
        app.conf.broker_connection_timeout = PATIENCE_S
        app.conf.broker_transport_options = _short_steps(broker_url)
    return app


def _short_steps(broker_url: str) -> dict[str, Any]:
    once = {"max_retries": 0, "interval_start": 0}
    if broker_url.startswith("amqp"):
        return {**once, "read_timeout": PATIENCE_S, "write_timeout": PATIENCE_S}
    return {**once, "socket_connect_timeout": PATIENCE_S, "socket_timeout": PATIENCE_S}
