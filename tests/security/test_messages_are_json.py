"""F10: no message between processes is more than JSON."""

from __future__ import annotations

from srs.server.bell import celery_app


def test_f10_celery_accepts_json_only() -> None:
    """F10: ``accept_content == ["json"]``."""
    for for_requests in (True, False):
        app = celery_app("redis://127.0.0.1:1/0", for_requests=for_requests)
        assert app.conf.accept_content == ["json"]
        assert app.conf.task_serializer == app.conf.event_serializer == app.conf.result_serializer == "json"
