"""Accounts: Flask-Security on our tables, its mail through the outbox, and one-time sign-in links.

A request reads in transactions that are over at once, and writes at its end (``steps``). So a mail is queued if, and
only if, the change that it speaks of is committed; and nobody waits for a writer that hashes a password.
"""

from __future__ import annotations

import datetime as dt
import secrets
from typing import Any

from flask import Blueprint, Flask, current_app, redirect, render_template, request, url_for
from flask_login import current_user, user_logged_in, user_logged_out
from flask_security import MailUtil, RoleMixin, Security, UserDatastore, UserMixin, login_user
from flask_security.views import confirm_email
from sqlalchemy import func, select
from sqlalchemy.orm import Mapped, relationship
from werkzeug.wrappers import Response as AnyResponse

from srs.errors import NotFound, StateError
from srs.server.services import limits, sign_in
from srs.server.store import clock, outbox
from srs.server.store.accounts import Role, User, end_sessions, role_of_user, user_by_email
from srs.server.store.engine import Session, database_now
from srs.server.web import visitors
from srs.server.web.account_forms import ChangeForm, ConfirmForm, LogInForm, RegisterForm, ResetForm
from srs.server.web.steps import DoneMeanwhile, at_the_end
from srs.server.web.viewer import the_server

pages = Blueprint("accounts", __name__)

AT_MOST = "No address is sent more than three such mails an hour."

SETTINGS: dict[str, Any] = {
    "SECURITY_REGISTERABLE": True,
    "SECURITY_CONFIRMABLE": True,
    "SECURITY_RECOVERABLE": True,
    "SECURITY_CHANGEABLE": True,
    "SECURITY_RETURN_GENERIC_RESPONSES": True,
    "SECURITY_PASSWORD_HASH": "argon2",
    "SECURITY_PASSWORD_SCHEMES": ["argon2"],
    # Of an address or of a password's hash, in a mailed link. The default, half a million rounds in Python, would stop
    # this process for each link; older links hold it.
    "SECURITY_HASHING_SCHEMES": ["pbkdf2_sha256", "sha256_crypt"],
    "SECURITY_PASSWORD_LENGTH_MIN": 10,
    "SECURITY_EMAIL_VALIDATOR_ARGS": {"check_deliverability": False},
    "SECURITY_EMAIL_HTML": False,
    "SECURITY_EMAIL_SUBJECT_REGISTER": "Confirm your e-mail address",
    "SECURITY_LOGOUT_METHODS": ["POST"],
    "SECURITY_LOGOUT_CSRF": True,
    "SECURITY_API_ENABLED_METHODS": ["session"],
    "SECURITY_FRESHNESS": dt.timedelta(minutes=-1),
    "SECURITY_STATIC_FOLDER": None,
    "SECURITY_CLI_USERS_NAME": False,
    "SECURITY_CLI_ROLES_NAME": False,
    "SECURITY_DATETIME_FACTORY": lambda: dt.datetime.now(dt.UTC),
    "SECURITY_AUTO_LOGIN_AFTER_CONFIRM": False,
    "SECURITY_POST_REGISTER_VIEW": "/login",
    "SECURITY_POST_LOGOUT_VIEW": "/",
    "SECURITY_POST_LOGIN_VIEW": "/",
    "SECURITY_MSG_GENERIC_AUTHN_FAILED": ("The address or the password is not right.", "error"),
    "SECURITY_MSG_CONFIRM_REGISTRATION": (
        f"Thank you. A link to confirm the address was sent to %(email)s. Open it, then log in. {AT_MOST}",
        "success",
    ),
    "SECURITY_MSG_CONFIRMATION_REQUEST": (
        f"A link to confirm the address was sent to %(email)s, if there is an account that waits for it. {AT_MOST}",
        "info",
    ),
    "SECURITY_MSG_PASSWORD_RESET_REQUEST": (
        f"A link to choose a new password was sent to %(email)s, if there is an account with it. {AT_MOST}",
        "info",
    ),
}


ASKED_FOR_BY_ANYBODY = ("welcome", "welcome_existing", "confirmation_instructions", "reset_instructions")
"""The mails that anybody can cause, and so are limited; those that tell of a change always go."""


class AccountRole(RoleMixin, Role):
    """``Role`` as Flask-Security wants to see it; the same table, the same rows."""


class Account(UserMixin, User):  # type: ignore[misc]  # two ways to say datetime
    """``User`` as Flask-Security wants to see it; the same table, the same rows."""

    roles: Mapped[list[AccountRole]] = relationship(  # type: ignore[assignment]
        secondary=role_of_user, lazy="selectin", overlaps="roles"
    )


class Accounts(UserDatastore):
    """Flask-Security's datastore on the session of the request."""

    def __init__(self) -> None:
        super().__init__(Account, AccountRole)

    def put(self, model: Any) -> Any:
        """Write a new row, or what was changed of one, at the end of this request."""
        at_the_end(lambda session: _write(session, model))
        return model

    def delete(self, model: Any) -> None:
        """Take a row away at the end of this request."""
        at_the_end(lambda session: session.delete(model))

    def commit(self) -> None:
        """Nothing yet: Flask-Security asks for it before the end of the request."""

    def find_user(self, case_insensitive: bool = False, **kwargs: Any) -> Account | None:
        """The account with the one given attribute."""
        [(name, value)] = kwargs.items()
        column = getattr(Account, name)
        is_wanted: Any = func.lower(column) == str(value).lower() if case_insensitive else column == value
        with the_server().store.read() as session:
            found: Account | None = session.scalar(select(Account).where(is_wanted))
        return found

    def find_role(self, role: str) -> AccountRole | None:
        """The role of a name."""
        is_wanted: Any = AccountRole.name == role
        with the_server().store.read() as session:
            found: AccountRole | None = session.scalar(select(AccountRole).where(is_wanted))
        return found


def _write(session: Session, model: Any) -> None:
    # Of two registrations of one address at once the second adds nothing: the first one's mail is on its way.
    is_new = isinstance(model, Account) and model.id is None
    if is_new and user_by_email(session, model.email) is not None:
        raise DoneMeanwhile
    session.add(model)
    try:
        session.flush()
    except StateError as error:  # the same, seen by the index of addresses
        if is_new:
            raise DoneMeanwhile from error
        raise


class OutboxMail(MailUtil):
    """Flask-Security's mail, queued in the transaction of what causes it."""

    def send_mail(
        self,
        template: str,
        subject: str,
        recipient: str | tuple[str, str],
        sender: str | tuple[str, str],  # noqa: ARG002  (the signature is Flask-Security's)
        body: str | None,
        html: str | None,  # noqa: ARG002
        **kwargs: Any,
    ) -> None:
        """Queue one plain-text mail to the owner of an account; none for an account that is not there."""
        address = recipient if isinstance(recipient, str) else recipient[1]
        name = template.rsplit("/", 1)[-1]
        key, user = f"{name} {secrets.token_hex(16)}", kwargs["user"]

        def enqueue(session: Session) -> None:
            may_go = name not in ASKED_FOR_BY_ANYBODY or limits.may_be_mailed(session, address)
            if may_go and user.id is not None:
                outbox.enqueue(session, key, address, str(subject), body or "", database_now(session))

        at_the_end(enqueue)


def set_up(app: Flask) -> None:
    """Put Flask-Security on the application."""
    security = Security(
        app,
        Accounts(),
        register_form=RegisterForm,
        send_confirmation_form=ConfirmForm,
        forgot_password_form=ResetForm,
        login_form=LogInForm,
        change_password_form=ChangeForm,
        mail_util_cls=OutboxMail,
    )
    security.want_json(lambda _request: False)
    # Only a session signs in: no tokens in headers, addresses or JSON.
    app.login_manager.request_loader(lambda _request: None)  # type: ignore[attr-defined]
    # A link in a mail must change nothing when a mail scanner opens it: it shows a button.
    app.view_functions["security.confirm_email"] = _confirm
    user_logged_in.connect(_keep_the_moment, app)
    user_logged_out.connect(_end_everywhere, app)


def _keep_the_moment(_app: Flask, user: Account) -> None:
    """When somebody signs in with a password; a one-time link keeps the moment when it is used."""
    if request.blueprint != "security":
        return

    def write(session: Session) -> None:
        user.signed_in_at = clock.now(session)
        _write(session, user)

    at_the_end(write)


def _end_everywhere(_app: Flask, user: Account) -> None:
    """Who logs out is logged out in every browser, and wherever else a copy of the session's cookie is."""
    if user.is_authenticated:
        known_by = user.id, user.fs_uniquifier  # now: in a moment it is nobody
        at_the_end(lambda session: end_sessions(session, *known_by))


def _confirm(token: str) -> Any:
    if request.method == "POST":
        visitors.count_here("confirm-link")
        return confirm_email(token)
    return render_template("security/confirm_email.html", token=token)


@pages.get("/sign-in/<token>")
def ask_to_sign_in(token: str) -> str:
    """A one-time link shows a button; the button signs in."""
    return render_template("accounts/sign_in_link.html", token=token)


@pages.post("/sign-in/<token>")
def sign_in_once(token: str) -> AnyResponse:
    """Sign in by a one-time link."""
    server = the_server()
    user_id = sign_in.use_sign_in_link(server.store, token, again=server.config.demo)
    accounts: Accounts = current_app.extensions["security"].datastore
    account = accounts.find_user(id=user_id)
    if account is None:
        raise NotFound("sign-in.account", "This account does not exist any more.")
    login_user(account)
    return redirect(url_for("home.index"), 303)


@pages.get("/account")
def account() -> AnyResponse | str:
    """Who I am, and what I can change about it."""
    if not current_user.is_authenticated:
        return redirect(url_for("security.login", next=request.path))
    return render_template("accounts/account.html")
