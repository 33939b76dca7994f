"""The forms of accounts: Flask-Security's, with our fields, and with limits on how often they are tried."""

from __future__ import annotations

from typing import Any, ClassVar

from flask import current_app
from flask_login import current_user
from flask_security import ChangePasswordForm, ForgotPasswordForm, LoginForm, RegisterFormV2, SendConfirmationForm
from wtforms import Field, StringField
from wtforms.validators import DataRequired, Length

from srs.server.services import limits, sign_in
from srs.server.services.limits import Limit
from srs.server.store.accounts import User, new_uniquifier
from srs.server.web.steps import at_the_end
from srs.server.web.viewer import the_server
from srs.server.web.visitors import address, known_browser
from srs.traces.report import visible


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

    def validate(self, **kwargs: Any) -> bool:
        """Whether an account is to be made; counted where a mail is sent, which is for a known address, too."""
        is_valid = super().validate(**kwargs)
        if self.errors.keys() <= ({"email"} if self.existing_email_user else set()):
            _ask_for_mail("register", self.email.data)
        return bool(is_valid)


class AsksForMail:
    """What forms share that ask for a mail to an address: they do the same for one that has no such account.

    Then the mail is made for nobody, and not sent (``accounts.OutboxMail``): not even the time of the answer tells.
    """

    asks_for: ClassVar[str]
    email: Field
    user: Any

    def validate_email(self, field: Field) -> None:
        """Count a well-formed address, whether it has an account or not."""
        _ask_for_mail(self.asks_for, field.data)
        self.recipient: str = field.data

    def validate(self, **kwargs: Any) -> bool:
        """Whether a mail is to be made."""
        is_valid = bool(super().validate(**kwargs))  # type: ignore[misc]
        if not is_valid and hasattr(self, "recipient"):
            self.user = current_app.extensions["security"].datastore.user_model(
                email=self.recipient, name="", password=new_uniquifier(), fs_uniquifier=new_uniquifier()
            )
            self.email.errors = []
            is_valid = True
        return is_valid


class ConfirmForm(AsksForMail, SendConfirmationForm):
    """Asks for another mail to confirm an address."""

    asks_for = "confirm"


class ResetForm(AsksForMail, ForgotPasswordForm):
    """Asks for a mail to choose a new password."""

    asks_for = "reset"


class LogInForm(LoginForm):
    """Logging in. Failures count: for an account, known or not, and for an address; or for a browser that is known.

    Nobody is remembered by a second cookie, which would last for a year: the session says how long one is signed in.
    """

    remember = None

    def validate(self, **kwargs: Any) -> bool:
        """Whether these are an account and its password."""
        if not super(LoginForm, self).validate(**kwargs):
            return False  # a field is not filled in, and no password is hashed
        find_user = current_app.extensions["security"].datastore.find_user
        account: Any = find_user(case_insensitive=True, email=self.email.data)
        self.ifield, self.user = self.email, account
        tried = limits.count_now(the_server().store, *_tries(account, str(self.email.data)))
        if not super().validate(**kwargs):
            return False
        at_the_end(lambda session: limits.give_back(session, tried))
        return True


class ChangeForm(ChangePasswordForm):
    """Changing the password. Whoever holds a session of somebody else cannot guess the present one for long."""

    def validate(self, **kwargs: Any) -> bool:
        """Whether this is the present password, and a good new one."""
        if not current_user.password:
            return bool(super().validate(**kwargs))
        tried = limits.count_now(the_server().store, (limits.PASSWORD, str(current_user.id)))
        is_valid = super().validate(**kwargs)
        if not self.password.errors:
            at_the_end(lambda session: limits.give_back(session, tried))
        return bool(is_valid)


def _ask_for_mail(form: str, recipient: str) -> None:
    by_address = limits.from_address(form, the_server().config.hourly_per_address)
    limits.count_now(the_server().store, (limits.mail_by(form), recipient.lower()), (by_address, address()))


def _tries(account: User | None, email: str) -> list[tuple[Limit, str]]:
    browser = known_browser(account)
    if browser is not None:
        return [(limits.KNOWN_BROWSER, f"{browser} {email.lower()}")]
    return [
        (limits.LOG_IN_FROM_ADDRESS, f"{email.lower()} {address()}"),
        (limits.LOG_IN, email.lower()),
        (limits.ADDRESS, address()),
    ]
