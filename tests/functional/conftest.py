"""Pages are tested through HTTP, on an installation of their own for each test."""

from browsers import app, people, server, stranger  # noqa: F401
from installations import postgres_config, postgres_template, sqlite_config, sqlite_template  # noqa: F401
from servers import postgres  # noqa: F401
