"""The Flask application: put together here, configured from ``Config``, served by gunicorn."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flask import Flask
from flask_bootstrap import Bootstrap5

from srs.server.config import Config
from srs.server.web import (
    accounts,
    assets,
    downloads,
    error_pages,
    figures,
    home,
    leaderboard,
    live,
    matches,
    notices,
    practice,
    races,
    safety,
    shown,
    staff,
    staff_races,
    staff_seeing,
    steps,
    submission_figures,
    submissions,
    teams,
    theme,
    visitors,
)
from srs.server.web.arrivals import Arrivals
from srs.server.web.bodies import BODY_MAX_BYTES, PatientBodies
from srs.server.web.safety import LOOPBACK, csrf

if TYPE_CHECKING:
    from srs.server.bootstrap import Server

SUBJECTS = (
    home,
    assets,
    theme,
    accounts,
    races,
    teams,
    submissions,
    submission_figures,
    matches,
    practice,
    downloads,
    leaderboard,
    notices,
    staff,
    staff_races,
    staff_seeing,
)


def create_app(server: Server) -> Flask:
    """The pages of one installation, as a WSGI application."""
    app = Flask(__name__)
    app.extensions["srs"] = server
    app.config.from_mapping(_settings(server.config))
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    safety.set_up(app)
    csrf.init_app(app)
    Bootstrap5(app)
    assets.set_up(app)
    accounts.set_up(app)
    steps.set_up(app)
    visitors.set_up(app)
    shown.set_up(app)
    notices.set_up(app)
    figures.set_up(app)
    theme.set_up(app)
    live.set_up(app)
    error_pages.set_up(app)
    for subject in SUBJECTS:
        app.register_blueprint(subject.pages)
    arrivals = Arrivals(app.wsgi_app, server.config.proxies, server.config.request_time_header)
    app.wsgi_app = PatientBodies(arrivals)  # type: ignore[method-assign]
    return app


def _settings(config: Config) -> dict[str, Any]:
    host = urlsplit(config.base_url).hostname or ""
    cookie = {"SECURE": config.is_https, "HTTPONLY": True, "SAMESITE": "Lax"}
    return {
        "SECRET_KEY": config.secret_key,
        "TRUSTED_HOSTS": [host, *LOOPBACK] if host in LOOPBACK else [host],
        "MAX_CONTENT_LENGTH": BODY_MAX_BYTES,
        "MAX_FORM_MEMORY_SIZE": BODY_MAX_BYTES,
        "MAX_FORM_PARTS": 100,
        "PREFERRED_URL_SCHEME": "https" if config.is_https else "http",
        # The prefix makes browsers refuse the cookie from a neighbouring host or over plain HTTP.
        "SESSION_COOKIE_NAME": "__Host-srs" if config.is_https else "srs",
        **{f"SESSION_COOKIE_{key}": value for key, value in cookie.items()},
        # Of a session that its browser does not end before.
        "PERMANENT_SESSION_LIFETIME": dt.timedelta(days=14),
        "SEND_FILE_MAX_AGE_DEFAULT": dt.timedelta(hours=1),
        "WTF_CSRF_TIME_LIMIT": 12 * 3600,
        "BOOTSTRAP_SERVE_LOCAL": True,
        **assets.SETTINGS,
        **accounts.SETTINGS,
        "SECURITY_PASSWORD_SALT": config.secret_key,
    }
