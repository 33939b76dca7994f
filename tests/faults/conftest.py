"""Real servers and fresh installations for the fault tests."""

from installations import (  # noqa: F401
    config,
    postgres_config,
    postgres_template,
    sqlite_config,
    sqlite_template,
    store,
)
from servers import postgres, redis_server  # noqa: F401
