"""The tests of this folder look at one played season."""

from installations import sqlite_template  # noqa: F401
from played import played  # noqa: F401
