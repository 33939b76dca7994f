"""Accounts: Flask-Security on our tables, its mail through the outbox, and one-time sign-in links.

A request that may change an account has one writing transaction, any other one a reading one; it ends with the
request. So a mail is queued if, and only if, the change that it speaks of is committed.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from flask import Blueprint, Flask, Response, current_app, g, redirect, render_template, request, url_for
from flask_login import current_user, user_logged_in, user_logged_out
from flask_security import (
    LoginForm,
    MailUtil,
    RegisterFormV2,
    RoleMixin,
    Security,
    UserDatastore,
    UserMixin,
    login_user,
)
from flask_security.views import confirm_email
from sqlalchemy import func, select
from sqlalchemy.orm import Mapped, relationship
from werkzeug.wrappers import Response as AnyResponse
from wtforms import StringField
from wtforms.validators import DataRequired, Length

from srs.errors import NotFound
from srs.server.services import sign_in
from srs.server.store import clock, outbox
from srs.server.store.accounts import Role, User, role_of_user
from srs.server.store.engine import Session, database_now
from srs.server.web.viewer import the_server
from srs.traces.report import visible

pages = Blueprint("accounts", __name__)

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
        "Thank you. A link to confirm the address was sent to %(email)s. Open it, then log in.",
        "success",
    ),
}


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
        """Add a row to the transaction of this request."""
        account_session().add(model)
        return model

    def delete(self, model: Any) -> None:
        """Take a row away in the transaction of this request."""
        account_session().delete(model)

    def commit(self) -> None:
        """Flask-Security asks for it before the end of the request, which is when ``_commit`` does it."""
        if "account_session" in g:
            g.account_session.flush()

    def find_user(self, case_insensitive: bool = False, **kwargs: Any) -> Account | None:
        """The account with the one given attribute."""
        [(name, value)] = kwargs.items()
        column = getattr(Account, name)
        is_wanted: Any = func.lower(column) == str(value).lower() if case_insensitive else column == value
        with _to_look_in() as session:
            found: Account | None = session.scalar(select(Account).where(is_wanted))
        return found

    def find_role(self, role: str) -> AccountRole | None:
        """The role of a name."""
        is_wanted: Any = AccountRole.name == role
        with _to_look_in() as session:
            found: AccountRole | None = session.scalar(select(AccountRole).where(is_wanted))
        return found


def account_session() -> Session:
    """The one writing transaction of a request that may change an account."""
    if "account_session" not in g:
        g.account_stack = ExitStack()
        g.account_session = g.account_stack.enter_context(the_server().store.work())
    session: Session = g.account_session
    return session


@contextmanager
def _to_look_in() -> Iterator[Session]:
    """The same; in any other request a transaction that is over at once, for its connection is needed."""
    if _may_change_accounts():
        yield account_session()
    else:
        with the_server().store.read() as session:
            yield session


def _may_change_accounts() -> bool:
    return request.blueprint == "security" and request.method == "POST"


def _commit(response: Response) -> Response:
    """End the transaction of an answered request before the answer leaves."""
    if "account_stack" in g and response.status_code < 500:
        g.account_stack.close()
        g.pop("account_stack")
    return response


def _roll_back(_error: BaseException | None) -> None:
    stack: ExitStack | None = g.pop("account_stack", None)
    if stack is not None:
        error = RuntimeError("the request was not answered")
        stack.__exit__(type(error), error, None)


class OutboxMail(MailUtil):
    """Flask-Security's mail, queued in the transaction that causes it."""

    def send_mail(
        self,
        template: str,
        subject: str,
        recipient: str | tuple[str, str],
        sender: str | tuple[str, str],  # noqa: ARG002  (the signature is Flask-Security's)
        body: str | None,
        html: str | None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Queue one plain-text mail."""
        session = account_session()
        address = recipient if isinstance(recipient, str) else recipient[1]
        key = f"{template.rsplit('/', 1)[-1]} {secrets.token_hex(16)}"
        outbox.enqueue(session, key, address, str(subject), body or "", database_now(session))


def _trim(value: str | None) -> str:
    return visible(" ".join((value or "").split()))


class RegisterForm(RegisterFormV2):
    """Registration, with the person's name."""

    name = StringField(
        "Your name",
        render_kw={"autocomplete": "name"},
        filters=[_trim],
        validators=[
            DataRequired("Please say who you are; your team and the staff see it."),
            Length(max=sign_in.NAME_MAX_CHARACTERS, message="A name has at most 80 characters."),
        ],
    )


class LoginFormWithoutRemembering(LoginForm):
    """No second cookie, which would last for a year: the session says how long somebody is signed in."""

    remember = None


def set_up(app: Flask) -> None:
    """Put Flask-Security on the application."""
    security = Security(
        app,
        Accounts(),
        login_form=LoginFormWithoutRemembering,
        register_form=RegisterForm,
        mail_util_cls=OutboxMail,
    )
    security.want_json(lambda _request: False)
    # Only a session signs in: no tokens in headers, addresses or JSON.
    app.login_manager.request_loader(lambda _request: None)  # type: ignore[attr-defined]
    # A link in a mail must change nothing when a mail scanner opens it: it shows a button.
    app.view_functions["security.confirm_email"] = _confirm
    user_logged_in.connect(_keep_the_moment, app)
    user_logged_out.connect(_end_everywhere, app)
    app.after_request(_commit)
    app.teardown_appcontext(_roll_back)


def _keep_the_moment(_app: Flask, user: Account) -> None:
    """When somebody signs in with a password; a one-time link keeps the moment when it is used."""
    if _may_change_accounts():
        user.signed_in_at = clock.now(account_session())


def _end_everywhere(_app: Flask, user: Account) -> None:
    """Who logs out is logged out in every browser, and wherever else a copy of the session's cookie is."""
    user.fs_uniquifier = sign_in.new_uniquifier()


def _confirm(token: str) -> Any:
    if request.method == "POST":
        return confirm_email(token)
    return render_template("security/confirm_email.html", token=token)


@pages.get("/sign-in/<token>")
def ask_to_sign_in(token: str) -> str:
    """A one-time link shows a button; the button signs in."""
    return render_template("accounts/sign_in_link.html", token=token)


@pages.post("/sign-in/<token>")
def sign_in_once(token: str) -> AnyResponse:
    """Sign in by a one-time link."""
    user_id = sign_in.use_sign_in_link(the_server().store, token)
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
