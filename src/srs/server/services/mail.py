"""Mail leaves here: whatever is due in the outbox, over SMTP or onto the console, once."""

from __future__ import annotations

import datetime as dt
import logging
import smtplib
import ssl
import sys
import time
from collections.abc import Callable
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from urllib.parse import unquote, urlsplit

from srs.errors import InputError
from srs.server.config import Config
from srs.server.store import clock
from srs.server.store.engine import Session, Store, database_now
from srs.server.store.outbox import OutboxMail, claim_mail
from srs.traces.report import visible

LEASE_S = 120.0
"""How long one sender may take; after it another one tries."""
PAUSE_MIN_S, PAUSE_MAX_S = 30.0, 3600.0
SMTP_TIMEOUT_S = 20.0
ROUND_S = 10.0
"""After this many seconds the rest of the mail waits for the next sweep, so that much of it holds up nothing else."""
PORTS = {"smtp": 587, "smtps": 465}

UNSUBSCRIBE = "List-Unsubscribe"
CHOICES_PATH = "/notices/choices"
ECHO = (
    "{body}\n\n{url}\n\n-- \n"
    "You get this mail because you take part in a race. Choose what is mailed to you:\n{choices_url}\n"
)
"""The mail of a notice."""

_log = logging.getLogger(__name__)

Deliver = Callable[[EmailMessage], None]


def send_due_mail(store: Store, config: Config, deliver: Deliver) -> int:
    """Send what is due, oldest first; returns how many were sent.

    A mail is claimed before it is sent, so that two senders do not both send it. A failure puts it off (30 s, twice as
    long each time, at most an hour) and ends this round: the next mail would meet the same server.
    """
    sent, end_s = 0, time.monotonic() + ROUND_S
    while time.monotonic() < end_s:
        with store.work() as session:
            mail = claim_mail(session, _moment(session), LEASE_S)
        if mail is None:
            return sent
        try:
            deliver(_message(mail, config))
        except (OSError, smtplib.SMTPException) as error:
            _put_off(store, mail, str(error))
            return sent
        _mark_sent(store, mail)
        sent += 1
    return sent


def deliverer(config: Config) -> Deliver:
    """How this installation sends mail: by the SMTP server of ``SRS_SMTP_URL``, or printed on the console."""
    return _smtp_deliverer(config.smtp_url) if config.smtp_url else _print


def _moment(session: Session) -> dt.datetime:
    # Mail is written by the race's clock, which a demo may set ahead; pauses after a failure are real ones.
    return max(clock.now(session), database_now(session))


def _message(mail: OutboxMail, config: Config) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["From"] = config.mail_from
    message["To"] = mail.recipient
    message["Subject"] = visible(" ".join(mail.subject.split()))
    message["Date"] = format_datetime(mail.created_at)
    message["Message-ID"] = make_msgid(domain=urlsplit(config.base_url).hostname)
    message["Auto-Submitted"] = "auto-generated"
    if mail.notice_path is None:
        message.set_content(mail.body)
    else:
        url, choices_url = config.base_url + mail.notice_path, config.base_url + CHOICES_PATH
        message[UNSUBSCRIBE] = f"<{choices_url}>"
        message.set_content(ECHO.format(body=mail.body, url=url, choices_url=choices_url))
    return message


def _put_off(store: Store, mail: OutboxMail, why: str) -> None:
    pause_s = min(PAUSE_MIN_S * 2 ** (mail.attempts - 1), PAUSE_MAX_S)
    _log.warning("mail %d not sent (%s); next try in %.0f s", mail.id, why, pause_s)
    with store.work() as session:
        row = session.get_one(OutboxMail, mail.id)
        row.next_at = _moment(session) + dt.timedelta(seconds=pause_s)


def _mark_sent(store: Store, mail: OutboxMail) -> None:
    with store.work() as session:
        session.get_one(OutboxMail, mail.id).sent_at = _moment(session)


def _smtp_deliverer(url: str) -> Deliver:
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname:
        raise InputError("config.smtp", "SRS_SMTP_URL must be smtp://user:password@host:587 or smtps://...")
    host, port, user = parts.hostname, parts.port or PORTS[parts.scheme], unquote(parts.username or "")

    def deliver(message: EmailMessage) -> None:
        trusted = ssl.create_default_context()
        with (
            smtplib.SMTP_SSL(host, port, timeout=SMTP_TIMEOUT_S, context=trusted)
            if parts.scheme == "smtps"
            else smtplib.SMTP(host, port, timeout=SMTP_TIMEOUT_S)
        ) as server:
            if parts.scheme == "smtp":
                server.ehlo()
                if server.has_extn("starttls"):
                    server.starttls(context=trusted)
                elif user:
                    raise smtplib.SMTPNotSupportedError("the server offers no STARTTLS; the password is not sent")
            if user:
                server.login(user, unquote(parts.password or ""))
            server.send_message(message)

    return deliver


def _print(message: EmailMessage) -> None:
    """Without a server nobody waits for the echo of a notice, which is in the page; links to confirm are waited for."""
    if UNSUBSCRIBE in message:
        return
    body = message.get_content()
    sys.stderr.write(f"--- mail to {message['To']}: {message['Subject']}\n{body}---\n")
    sys.stderr.flush()
