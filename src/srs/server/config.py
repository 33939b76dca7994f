"""What an operator sets, from the environment (``SRS_*``) or from files that it names.

``docs/operators.md`` describes each variable. An unknown ``SRS_*`` variable is refused, so that a spelling
mistake cannot go unnoticed; so is a secret key that is short or a known default.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

from srs.errors import InputError

KEPT_KEY = "secret_key"
"""The file in the data folder."""
SECRET_MIN_CHARACTERS = 32
DATABASES = ("postgresql+psycopg://", "sqlite:///")
BROKERS = ("redis://", "rediss://", "amqp://", "amqps://")
KNOWN_SECRETS = ("changeme", "secret", "default", "password", "example", "development")

VARIABLES = {
    "SRS_DATA": "folder for uploaded files and, with SQLite, the database [./var]",
    "SRS_DATABASE_URL": "postgresql+psycopg://... ; [SQLite in SRS_DATA]",
    "SRS_BROKER_URL": "redis://... or amqp://... for Celery workers; [none: one local worker]",
    "SRS_SECRET_KEY": "signs sessions and links, at least 32 characters; [made once, kept in SRS_DATA]",
    "SRS_SECRET_KEY_FILE": "a file that holds SRS_SECRET_KEY",
    "SRS_BASE_URL": "the address people see; links in mail start with it [http://127.0.0.1:8000]",
    "SRS_SMTP_URL": "smtp://user:password@host:587 or smtps://...; [none: mail is printed]",
    "SRS_SMTP_URL_FILE": "a file that holds SRS_SMTP_URL",
    "SRS_MAIL_FROM": "sender of mail [srs@localhost]",
    "SRS_PROXIES": "addresses or networks of reverse proxies whose X-Forwarded-* headers count [none]",
    "SRS_REQUEST_TIME_HEADER": "header in which they say for how many seconds they have had a request [none]",
    "SRS_HOURLY_PER_ADDRESS": "how often an hour one address may register, confirm, join, each [300]",
    "SRS_LEASE_S": "seconds until a silent worker's job is given to another [60]",
    "SRS_CRASHES_MAX": "crashes after which a job is parked [5]",
    "SRS_SWEEP_S": "seconds between two sweeps [2]",
    "SRS_DISK_RESERVE_MB": "free megabytes below which nothing is received or judged [500]",
}


Networks = tuple[IPv4Network | IPv6Network, ...]


@dataclass(frozen=True)
class Config:
    """Everything that differs between two installations."""

    data: Path
    database_url: str
    secret_key: str
    base_url: str = "http://127.0.0.1:8000"
    broker_url: str = ""
    smtp_url: str = ""
    mail_from: str = "srs@localhost"
    proxies: Networks = ()
    request_time_header: str = ""
    hourly_per_address: int = 300
    lease_s: float = 60.0
    crashes_max: int = 5
    sweep_s: float = 2.0
    disk_reserve_mb: float = 500.0
    demo: bool = False

    @property
    def is_https(self) -> bool:
        """Whether cookies must be Secure."""
        return self.base_url.startswith("https://")

    @property
    def sqlite_path(self) -> Path | None:
        """Where the database lies, if it is SQLite."""
        kind, _, path = self.database_url.partition(":///")
        return Path(path) if kind.startswith("sqlite") else None


def read_config(environ: Mapping[str, str] | None = None) -> Config:
    """Read the environment; raise ``InputError`` with the variable and the remedy."""
    env = dict(os.environ if environ is None else environ)
    _refuse_unknown(env)
    data = Path(env.get("SRS_DATA", "var")).absolute()
    return Config(
        data=data,
        database_url=_address(env, "SRS_DATABASE_URL", DATABASES) or f"sqlite:///{data / 'srs.sqlite'}",
        secret_key=_secret_key(env, data),
        base_url=env.get("SRS_BASE_URL", Config.base_url).rstrip("/"),
        broker_url=_address(env, "SRS_BROKER_URL", BROKERS),
        smtp_url=_from_file(env, "SRS_SMTP_URL"),
        mail_from=env.get("SRS_MAIL_FROM", Config.mail_from),
        proxies=_networks(env, "SRS_PROXIES"),
        request_time_header=env.get("SRS_REQUEST_TIME_HEADER", ""),
        hourly_per_address=int(_number(env, "SRS_HOURLY_PER_ADDRESS", Config.hourly_per_address, least=1)),
        lease_s=_number(env, "SRS_LEASE_S", Config.lease_s, least=1),
        crashes_max=int(_number(env, "SRS_CRASHES_MAX", Config.crashes_max, least=1)),
        sweep_s=_number(env, "SRS_SWEEP_S", Config.sweep_s, least=0.1),
        disk_reserve_mb=_number(env, "SRS_DISK_RESERVE_MB", Config.disk_reserve_mb),
    )


def _refuse_unknown(env: Mapping[str, str]) -> None:
    for name in env:
        if name.startswith("SRS_") and name not in VARIABLES:
            close = get_close_matches(name, VARIABLES, n=1)
            hint = f"Did you mean {close[0]}?" if close else f"Known are: {', '.join(VARIABLES)}."
            raise InputError("config.unknown", f"{name} is not a setting of this server.", hint=hint)


def _number(env: Mapping[str, str], name: str, default: float, least: float = 0) -> float:
    text = env.get(name, "")
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not least <= value < 1e6:
        raise InputError("config.number", f"{name} is {text[:60]!r}; a number of at least {least:g} is expected.")
    return value


def _networks(env: Mapping[str, str], name: str) -> Networks:
    try:
        return tuple(ip_network(text.strip()) for text in env.get(name, "").split(",") if text.strip())
    except ValueError as error:
        raise InputError(
            "config.proxies",
            f"{name} is {env[name][:60]!r}; addresses or networks are expected, such as 127.0.0.1 or 10.0.0.0/8.",
            hint="Separate several by commas.",
        ) from error


def _address(env: Mapping[str, str], name: str, known: tuple[str, ...]) -> str:
    address = env.get(name, "")
    if address and not address.startswith(known):
        kind = address.partition("/")[0][:60]  # what follows may hold a password
        raise InputError("config.address", f"{name} begins with {kind!r}; expected is one of {', '.join(known)}.")
    return address


def _from_file(env: Mapping[str, str], name: str) -> str:
    path = env.get(f"{name}_FILE")
    if not path:
        return env.get(name, "")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        sentence = f"{name}_FILE names {path}, which cannot be read: {error.strerror}."
        raise InputError("config.file", sentence) from error


def _secret_key(env: Mapping[str, str], data: Path) -> str:
    try:
        key = _from_file(env, "SRS_SECRET_KEY") or _kept_key(data)
    except OSError as error:
        sentence = f"SRS_DATA names {data}, where the secret key cannot be read or kept: {error.strerror}."
        raise InputError("config.data", sentence) from error
    if is_weak(key):
        raise InputError(
            "config.secret",
            f"SRS_SECRET_KEY is short or a known default; {SECRET_MIN_CHARACTERS} random characters are needed.",
            hint="Make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'",
        )
    return key


def is_weak(key: str) -> bool:
    """Whether no server may use this secret key: it is short, uniform or a known default."""
    return len(key) < SECRET_MIN_CHARACTERS or len(set(key)) < 10 or key.lower().startswith(KNOWN_SECRETS)


def keeps_its_key(config: Config) -> bool:
    """Whether the secret key is the one in the data folder, and not one that an operator keeps elsewhere."""
    path = config.data / KEPT_KEY
    return path.exists() and path.read_text(encoding="utf-8").strip() == config.secret_key


def keep_key(data: Path, key: str) -> None:
    """Put a secret key into a data folder, in the place of the one that is there; readable by its owner alone."""
    _write_key(data, key).replace(data / KEPT_KEY)


def _kept_key(data: Path) -> str:
    """The key of this data folder: made at the first start."""
    path = data / KEPT_KEY
    if not path.exists():
        data.mkdir(parents=True, exist_ok=True)
        fresh = _write_key(data, secrets.token_urlsafe(48))
        try:
            os.link(fresh, path)  # atomic, and fails where another process was first
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_text(encoding="utf-8").strip()


def _write_key(data: Path, key: str) -> Path:
    fresh = data / f"{KEPT_KEY}.{secrets.token_hex(8)}"
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    return fresh
