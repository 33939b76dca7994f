"""``srs-server user``: accounts, made and seen to by whoever runs the installation."""

from __future__ import annotations

import click

from srs.server.cli.installation import opened
from srs.server.config import read_config
from srs.server.services import accounts, sign_in
from srs.traces.report import visible


@click.group()
def user() -> None:
    """Accounts."""


@user.command("list")
def list_users() -> None:
    """List every account: address, name, role, when its owner last signed in."""
    with opened(read_config()) as server:
        for one in accounts.all_accounts(server.store):
            role = "staff" if one.is_staff else "person"
            seen = f"{one.signed_in_at:%Y-%m-%d %H:%M} UTC" if one.signed_in_at else "never"
            closed = "" if one.is_open else "\tclosed"
            click.echo(f"{visible(one.email)}\t{visible(one.name)}\t{role}\tsigned in {seen}{closed}")


@user.command()
@click.argument("email")
@click.option("--name", default="", help="How the person is shown.")
@click.option("--staff", "is_staff", is_flag=True, help="Give the staff role: create races, see everything.")
def add(email: str, name: str, is_staff: bool) -> None:
    """Make an account, unless there is one; print a link that signs in, once."""
    config = read_config()
    with opened(config) as server:
        sign_in.add_user(server.store, email, name)
        if is_staff:
            accounts.set_staff(server.store, email, is_staff=True)
        token = accounts.sign_in_link(server.store, email)
    _print_link(config.base_url, token)


@user.command()
@click.argument("email")
@click.option("--revoke", is_flag=True, help="Take the role back.")
def staff(email: str, revoke: bool) -> None:
    """Give somebody the staff role, or take it back; they sign in anew."""
    with opened(read_config()) as server:
        has_changed = accounts.set_staff(server.store, email, is_staff=not revoke)
    _tell(email, "not staff" if revoke else "staff", has_changed)


@user.command()
@click.argument("email")
def disable(email: str) -> None:
    """Close an account: whoever is signed in with it is signed out at once, and cannot come back."""
    with opened(read_config()) as server:
        has_changed = accounts.set_open(server.store, email, is_open=False)
    _tell(email, "closed", has_changed)


@user.command()
@click.argument("email")
def enable(email: str) -> None:
    """Open a closed account again."""
    with opened(read_config()) as server:
        has_changed = accounts.set_open(server.store, email, is_open=True)
    _tell(email, "open", has_changed)


@user.command()
@click.argument("email")
def link(email: str) -> None:
    """Print a link that signs somebody in, once."""
    config = read_config()
    with opened(config) as server:
        token = accounts.sign_in_link(server.store, email)
    _print_link(config.base_url, token)


def _print_link(base_url: str, token: str) -> None:
    click.echo(f"{base_url}/sign-in/{token}")
    click.echo("This link signs in once, within 24 hours.", err=True)


def _tell(email: str, what: str, has_changed: bool) -> None:
    click.echo(f"{visible(email)} is {what} now." if has_changed else f"{visible(email)} was {what} already.")
