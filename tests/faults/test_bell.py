"""The bell never fails and never holds a request up, whatever the broker does."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator

import pytest
import redis

from fixtures.servers import free_port
from fixtures.sizes import promised
from srs.server import bell as bell_module
from srs.server.bell import QUEUE, CeleryBell


@pytest.fixture
def broker(redis_server: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_server) as client:
        client.flushall()
        yield client


def announced(broker: redis.Redis) -> int:
    return int(broker.llen(QUEUE))  # type: ignore[arg-type]


def headers_of(broker: redis.Redis) -> list[dict[str, object]]:
    return [json.loads(message)["headers"] for message in broker.lrange(QUEUE, 0, -1)]  # type: ignore[union-attr]


def timed_ring(bell: CeleryBell, job_ids: list[int]) -> float:
    began = time.monotonic()
    bell.ring(job_ids)
    return time.monotonic() - began


def test_each_job_is_announced_as_json(redis_server: str, broker: redis.Redis) -> None:
    bell = CeleryBell(redis_server)
    bell.ring([7])
    bell.close()
    message = json.loads(broker.lrange(QUEUE, 0, 0)[0])  # type: ignore[index]
    assert message["content-type"] == "application/json"
    assert message["headers"]["argsrepr"] == "(7,)"


def test_a_sweep_tops_the_queue_up(redis_server: str, broker: redis.Redis) -> None:
    """Sweeps that find the same waiting jobs again and again do not fill the broker; no clock makes a ring expire."""
    bell = CeleryBell(redis_server)
    for _ in range(5):
        bell.ring_again(range(20))
        bell.ring_again([1])
    assert announced(broker) == 20
    assert all("expires" not in headers or headers["expires"] is None for headers in headers_of(broker))
    bell.close()


def test_a_flushed_broker_is_rung_again(redis_server: str, broker: redis.Redis) -> None:
    """R2: what FLUSHALL takes away does not keep the bell from ringing."""
    bell = CeleryBell(redis_server)
    bell.ring([1])
    broker.flushall()
    bell.ring([2])
    assert announced(broker) == 1
    bell.ring_again([1, 2])
    bell.close()
    assert announced(broker) == 2


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_broker_that_refuses(scheme: str) -> None:
    bell = CeleryBell(f"{scheme}://127.0.0.1:{free_port()}//")
    assert timed_ring(bell, [1]) < promised(1.5)
    assert timed_ring(bell, [2]) < promised(0.01)  # it sulks: no request waits a second time
    bell.close()


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_broker_that_is_silent(scheme: str) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        bell = CeleryBell(f"{scheme}://127.0.0.1:{silent.getsockname()[1]}//")
        assert timed_ring(bell, [1]) < promised(1.5)
        assert timed_ring(bell, [2]) < promised(0.01)
        bell.close()


def test_a_broker_that_stops_and_goes_on(
    redis_server: str, broker: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bell_module, "SULK_S", 0.2)
    bell = CeleryBell(redis_server)
    bell.ring([1])
    process = int(broker.info("server")["process_id"])  # type: ignore[index]
    os.kill(process, signal.SIGSTOP)
    try:
        assert timed_ring(bell, [2]) < promised(1.5)
    finally:
        os.kill(process, signal.SIGCONT)
    time.sleep(0.3)
    before = announced(broker)
    bell.ring([3])
    bell.close()
    assert announced(broker) == before + 1
