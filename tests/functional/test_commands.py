"""``srs-server``: each command as an operator types it, on an installation of its own."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fixtures.clients import Browser
from fixtures.databases import SECRET, make_config
from fixtures.servers import free_port
from srs.errors import NotFound
from srs.server.bell import SilentBell
from srs.server.bootstrap import Server
from srs.server.cli.main import main
from srs.server.config import Config
from srs.server.services import sign_in
from srs.server.store.accounts import STAFF, user_by_email
from srs.server.store.engine import Store
from srs.server.store.events import Event
from srs.server.store.races import race_by_slug
from srs.server.web.app import create_app
from worlds.small_race import SLUG, race_toml

Run = Callable[..., Result]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str | None]:
    others = dict.fromkeys(name for name in os.environ if name.startswith("SRS_"))
    data = str(tmp_path / "data")
    return {**others, "SRS_DATA": data, "SRS_SECRET_KEY": SECRET, "SRS_BASE_URL": "https://race.example.org"}


@pytest.fixture
def run(environ: dict[str, str | None]) -> Run:
    """A command's result; ``SRS_*`` variables may be given by name."""

    def invoke(*arguments: str | Path, **more: str) -> Result:
        usual = os.umask(0o022)
        try:
            return CliRunner().invoke(main, [str(argument) for argument in arguments], env={**environ, **more})
        finally:
            os.umask(usual)

    return invoke


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "race.toml"
    path.write_text(race_toml())
    return path


def store_config(tmp_path: Path) -> Config:
    return make_config(tmp_path / "data", f"sqlite:///{tmp_path / 'data' / 'srs.sqlite'}")


def installation(tmp_path: Path) -> Store:
    return Store(store_config(tmp_path))


def test_an_installation_is_for_its_user_alone(run: Run, tmp_path: Path) -> None:
    """Every file that a command makes; where somebody opened the folder, a server says so when it starts."""
    assert run("migrate").exit_code == 0
    data = tmp_path / "data"
    made = [data, *data.rglob("*")]
    assert len(made) > 1
    assert [path for path in made if path.stat().st_mode & 0o077] == []
    data.chmod(0o755)
    assert f"Other users of this machine can look into {data} (mode 755)." in run("worker").output
    data.chmod(0o700)
    assert "Other users" not in run("worker").output


def test_migrate_says_what_it_did(run: Run) -> None:
    assert "from revision nothing to" in run("migrate").output
    again = run("migrate")
    assert again.exit_code == 0
    assert "up to date" in again.output


def test_a_race_is_created_listed_and_exported(run: Run, rules: Path, tmp_path: Path) -> None:
    created = run("race", "create", rules)
    assert (created.exit_code, created.output) == (0, f"https://race.example.org/races/{SLUG}\n")
    listed = run("race", "list").output
    assert listed.startswith(f"{SLUG}\tRace small\t2 rounds\tends 2027-04-17 09:00 UTC")
    exported = json.loads(run("race", "export", SLUG).output)
    assert exported["race"] == SLUG
    assert [one["number"] for one in exported["rounds"]] == [1, 2]
    table = list(csv.reader(io.StringIO(run("race", "export", SLUG, "--format", "csv").output)))
    assert table[0] == ["round", "final", "rank", "number", "team", "utility", "attack", "total"]
    store = installation(tmp_path)
    with store.read() as session:
        assert race_by_slug(session, SLUG).toml == race_toml()
    store.close()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read: No such file or directory."),
        (b"\xff\xfe", "is not text in UTF-8 (byte 0)"),
        (b"slug = 1", "slug"),
        (race_toml().replace("[traces]", "[trace]").encode(), "trace"),
    ],
)
def test_rules_that_are_none_are_told(run: Run, tmp_path: Path, text: bytes | None, said: str) -> None:
    path = tmp_path / "wrong.toml"
    if text is not None:
        path.write_bytes(text)
    result = run("race", "create", path)
    assert result.exit_code == 1
    assert said in result.output
    assert "Traceback" not in result.output


def test_a_slug_that_is_taken_or_unknown_is_told(run: Run, rules: Path) -> None:
    run("race", "create", rules)
    assert "There is a race" in run("race", "create", rules).output
    unknown = run("race", "export", "nothing")
    assert (unknown.exit_code, unknown.output) == (1, "There is no such race.\n")


def test_a_user_gets_a_link_that_signs_in_once(run: Run, tmp_path: Path) -> None:
    result = run("user", "add", "dana@example.org", "--name", "Dana", "--staff")
    assert result.exit_code == 0
    link = re.fullmatch(r"https://race\.example\.org/sign-in/(\S+)", result.stdout.strip())
    assert link is not None, result.output
    store = installation(tmp_path)
    try:
        with store.read() as session:
            dana = user_by_email(session, "DANA@example.org")
            assert dana is not None
            assert (dana.name, [role.name for role in dana.roles]) == ("Dana", [STAFF])
        assert sign_in.use_sign_in_link(store, link.group(1)) == dana.id
        with pytest.raises(NotFound):
            sign_in.use_sign_in_link(store, link.group(1))
    finally:
        store.close()
    assert "is not one e-mail address" in run("user", "add", "dana").output


def events(tmp_path: Path) -> list[tuple[str, str]]:
    """The audit log: what was done, and to whose account."""
    store = installation(tmp_path)
    with store.read() as session:
        found = [(event.action, (event.detail or {})["email"]) for event in session.query(Event).order_by(Event.id)]
    store.close()
    return found


def test_the_staff_role_is_given_and_taken_back(run: Run, tmp_path: Path) -> None:
    run("user", "add", "ada@example.org")
    for arguments, said in [
        ((), "ada@example.org is staff now."),
        ((), "ada@example.org was staff already."),
        (("--revoke",), "ada@example.org is not staff now."),
        (("--revoke",), "ada@example.org was not staff already."),
    ]:
        result = run("user", "staff", "ada@example.org", *arguments)
        assert (result.exit_code, result.output) == (0, f"{said}\n")
        role = "person" if "not" in said else "staff"
        assert run("user", "list").output == f"ada@example.org\tada\t{role}\tsigned in never\n"
    run("user", "add", "ada@example.org", "--staff")
    assert events(tmp_path) == [
        ("staff.given", "ada@example.org"),
        ("staff.taken", "ada@example.org"),
        ("staff.given", "ada@example.org"),
    ]


def test_a_closed_account_has_no_session_and_no_link(run: Run, tmp_path: Path) -> None:
    """Its sessions end at once, and do not come back when it is opened again."""
    token = run("user", "add", "ada@example.org", "--staff").stdout.strip().rpartition("/")[2]
    store = installation(tmp_path)
    app = create_app(Server(store_config(tmp_path), store, SilentBell()))
    ada = Browser(app)
    assert ada.submit(ada.page(f"/sign-in/{token}"), token).status_code == 303
    assert ada.get("/account").status_code == 200
    left = run("user", "link", "ada@example.org").stdout.strip().rpartition("/")[2]

    assert run("user", "disable", "ada@example.org").output == "ada@example.org is closed now.\n"
    assert ada.get("/account").status_code == 302
    assert run("user", "list").output.endswith("\tclosed\n")
    refused = run("user", "link", "ada@example.org")
    assert (refused.exit_code, refused.output) == (
        1,
        "The account of ada@example.org is closed, and no link would sign it in.\n",
    )
    assert run("user", "enable", "ada@example.org").output == "ada@example.org is open now.\n"
    assert run("user", "enable", "ada@example.org").output == "ada@example.org was open already.\n"
    assert ada.get("/account").status_code == 302
    assert ada.submit(ada.page(f"/sign-in/{left}"), left).status_code == 404
    again = run("user", "link", "ada@example.org").stdout.strip().rpartition("/")[2]
    assert ada.submit(ada.page(f"/sign-in/{again}"), again).status_code == 303

    run("user", "staff", "ada@example.org", "--revoke")
    assert ada.get("/account").status_code == 302, "whose role has changed signs in anew"
    store.close()


@pytest.mark.parametrize("command", ["staff", "disable", "enable", "link"])
def test_an_address_of_nobody_is_told(run: Run, command: str) -> None:
    result = run("user", command, "nobody\x1b@example.org")
    assert (result.exit_code, result.output) == (1, "Nobody here has the address 'nobody\\x1b@example.org'.\n")


def test_backup_and_restore(run: Run, rules: Path, tmp_path: Path) -> None:
    run("race", "create", rules)
    file = tmp_path / "all.tar"
    assert run("backup", file).exit_code == 0
    over = run("restore", file)
    assert over.exit_code == 1
    assert "has data already" in over.output
    assert run("restore", file, SRS_DATA=str(tmp_path / "fresh")).exit_code == 0
    assert run("race", "list", SRS_DATA=str(tmp_path / "fresh")).output.startswith(SLUG)


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        (["worker"], {}, "SRS_BROKER_URL is not set"),
        (["run", "--port", "0"], {}, "--port"),
        (["race", "export"], {}, "Missing argument"),
        (["rase"], {}, "No such command"),
    ],
)
def test_wrong_usage_ends_with_2(run: Run, arguments: list[str], variables: dict[str, str], said: str) -> None:
    result = run(*arguments, **variables)
    assert result.exit_code == 2
    assert said in result.output


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"SRS_SECRET_KEY": "secret"}, "SRS_SECRET_KEY is short or a known default"),
        ({"SRS_SECRETKEY": SECRET}, "Did you mean SRS_SECRET_KEY?"),
        ({"SRS_LEASE_S": "soon"}, "SRS_LEASE_S is 'soon'"),
        ({"SRS_SMTP_URL_FILE": "/nowhere/smtp"}, "SRS_SMTP_URL_FILE names /nowhere/smtp"),
    ],
)
def test_wrong_settings_are_told_before_anything_starts(run: Run, variables: dict[str, str], said: str) -> None:
    """S16: a default or short key is refused."""
    result = run("run", "--port", str(free_port()), **variables)
    assert result.exit_code == 1
    assert said in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        (
            "SRS_DATABASE_URL",
            "postgresql+psycopg://a:s3cret@127.0.0.1:1/b",
            "The database cannot be opened: connection",
        ),
        ("SRS_DATABASE_URL", "sqlite:////proc/none/b", "The database cannot be opened: unable to open database file."),
        ("SRS_DATABASE_URL", f"sqlite:///{__file__}", "The database cannot be opened: file is not a database."),
        (
            "SRS_DATABASE_URL",
            "postgresql+psycopg://a:s3cret@b:c/d",
            "SRS_DATABASE_URL is not the address of a database.",
        ),
        ("SRS_DATABASE_URL", "mysql://a:s3cret@b/c", "SRS_DATABASE_URL begins with 'mysql:'; expected is one of"),
        ("SRS_BROKER_URL", "radish://a:s3cret@b", "SRS_BROKER_URL begins with 'radish:'; expected is one of redis://,"),
        ("SRS_DATA", "/proc/none", "/proc/none cannot be used: No such file or directory."),
    ],
)
def test_what_cannot_be_opened_is_named_with_its_cause(run: Run, variable: str, value: str, said: str) -> None:
    result = run("run", "--port", str(free_port()), **{variable: value})
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert result.output.startswith(said)
    assert "s3cret" not in result.output
