"""Pages are tested through HTTP, on an installation of their own for each test."""

from browsers import app, people, server, stranger  # noqa: F401
from installations import sqlite_config, sqlite_template  # noqa: F401
