"""Mail: once, as it was written, later when the server is away. Against a real SMTP server."""

from __future__ import annotations

import datetime as dt
import smtplib
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from sqlalchemy import select

from fixtures.live import PATIENCE_S
from fixtures.servers import free_port
from fixtures.sizes import record
from srs.errors import InputError
from srs.server.config import Config
from srs.server.services import mail
from srs.server.services.mail import PAUSE_MAX_S, PAUSE_MIN_S, deliverer, send_due_mail
from srs.server.store import clock
from srs.server.store.engine import Store, database_now
from srs.server.store.outbox import OutboxMail, enqueue, enqueue_echoes


class Inbox:
    """An SMTP server's handler that keeps what comes."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        self.messages.append(message_from_bytes(envelope.content, policy=default))  # type: ignore[arg-type]
        return "250 kept"


class Guarded(Controller):
    """An SMTP server that offers STARTTLS and wants a password."""

    def factory(self) -> SMTP:
        def check(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: object) -> AuthResult:
            is_right = isinstance(data, LoginPassword) and (data.login, data.password) == (b"srs", b"p@ss")
            return AuthResult(success=is_right, handled=is_right)

        return SMTP(self.handler, authenticator=check, auth_required=True, **self.SMTP_kwargs)


@contextmanager
def served(controller: Controller) -> Iterator[None]:
    controller.start()
    try:
        yield
    finally:
        controller.stop()


@pytest.fixture
def smtp(config: Config) -> Iterator[tuple[Inbox, Config]]:
    inbox, port = Inbox(), free_port()
    with served(Controller(inbox, hostname="127.0.0.1", port=port, ready_timeout=PATIENCE_S)):
        yield inbox, replace(config, smtp_url=f"smtp://127.0.0.1:{port}", base_url="https://race.example.org")


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A context for 127.0.0.1 whose certificate this process trusts."""
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert]
    command += ["-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


def write(store: Store, key: str = "key", body: str = "Hello") -> None:
    with store.work() as session:
        enqueue(session, key, "ada@example.org", "Your invitation", body, database_now(session))


def rows(store: Store) -> list[OutboxMail]:
    with store.read() as session:
        return list(session.scalars(select(OutboxMail).order_by(OutboxMail.id)))


def test_a_mail_goes_out_once_as_it_was_written(store: Store, smtp: tuple[Inbox, Config]) -> None:
    inbox, config = smtp
    write(store, body="Grüße, 你好\nhttps://race.example.org/invitations/abc\n")
    assert send_due_mail(store, config, deliverer(config)) == 1
    assert send_due_mail(store, config, deliverer(config)) == 0
    [message] = inbox.messages
    assert message["To"] == "ada@example.org"
    assert message["From"] == config.mail_from
    assert message["Subject"] == "Your invitation"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"].endswith("@race.example.org>")
    assert message.get_content().splitlines() == ["Grüße, 你好", "https://race.example.org/invitations/abc"]
    assert rows(store)[0].sent_at is not None


def test_the_same_cause_sends_one_mail(store: Store, smtp: tuple[Inbox, Config]) -> None:
    inbox, config = smtp
    write(store)
    write(store)
    send_due_mail(store, config, deliverer(config))
    assert len(inbox.messages) == 1


def test_r7_many_senders_at_once_send_each_mail_once(store: Store, smtp: tuple[Inbox, Config]) -> None:
    """R7: 1 mail, whoever tends."""
    inbox, config = smtp
    for number in range(20):
        write(store, f"key-{number}", f"mail {number}")
    start = threading.Barrier(5)

    def send() -> None:
        start.wait()
        send_due_mail(store, config, deliverer(config))

    senders = [threading.Thread(target=send) for _ in range(5)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    bodies = sorted(message.get_content().strip() for message in inbox.messages)
    assert bodies == sorted(f"mail {number}" for number in range(20))
    record("R7", 20, note="mails, five senders at once")


def test_a_server_that_is_away_puts_mail_off_ever_longer(store: Store, config: Config) -> None:
    away = replace(config, smtp_url=f"smtp://127.0.0.1:{free_port()}")
    write(store)
    with store.work() as session:
        began = database_now(session)
        clock.simulate(session, began)
    pauses = []
    for _ in range(10):
        assert send_due_mail(store, away, deliverer(away)) == 0
        [mail_row] = rows(store)
        assert mail_row.sent_at is None
        with store.work() as session:
            pauses.append(round((mail_row.next_at - clock.now(session)).total_seconds(), -1))
            clock.simulate(session, mail_row.next_at)
    assert pauses[:4] == [PAUSE_MIN_S, 2 * PAUSE_MIN_S, 4 * PAUSE_MIN_S, 8 * PAUSE_MIN_S]
    assert pauses[-1] == PAUSE_MAX_S


def test_a_mail_is_not_due_before_its_time(store: Store, smtp: tuple[Inbox, Config]) -> None:
    inbox, config = smtp
    with store.work() as session:
        later = database_now(session) + dt.timedelta(hours=1)
        enqueue(session, "later", "ada@example.org", "Later", "x", later)
    assert send_due_mail(store, config, deliverer(config)) == 0
    assert inbox.messages == []


def test_starttls_with_a_password(store: Store, config: Config, certificate: ssl.SSLContext) -> None:
    inbox, port = Inbox(), free_port()
    with served(Guarded(inbox, hostname="127.0.0.1", port=port, ready_timeout=PATIENCE_S, tls_context=certificate)):
        guarded = replace(config, smtp_url=f"smtp://srs:p%40ss@127.0.0.1:{port}")
        write(store)
        assert send_due_mail(store, guarded, deliverer(guarded)) == 1
        with pytest.raises(smtplib.SMTPException):
            deliverer(replace(config, smtp_url=f"smtp://srs:wrong@127.0.0.1:{port}"))(inbox.messages[0])
    assert len(inbox.messages) == 1


def test_smtps(store: Store, config: Config, certificate: ssl.SSLContext) -> None:
    inbox, port = Inbox(), free_port()
    with served(Controller(inbox, hostname="127.0.0.1", port=port, ready_timeout=PATIENCE_S, ssl_context=certificate)):
        over_tls = replace(config, smtp_url=f"smtps://127.0.0.1:{port}")
        write(store)
        assert send_due_mail(store, over_tls, deliverer(over_tls)) == 1
    assert len(inbox.messages) == 1


def test_a_password_never_travels_in_the_clear(store: Store, smtp: tuple[Inbox, Config]) -> None:
    inbox, config = smtp
    write(store)
    with_password = replace(config, smtp_url=config.smtp_url.replace("//", "//srs:secret@"))
    assert send_due_mail(store, with_password, deliverer(with_password)) == 0
    assert inbox.messages == []


def test_without_a_server_mail_is_printed(store: Store, config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    write(store, body="https://race.example.org/invitations/abc")
    assert send_due_mail(store, config, deliverer(config)) == 1
    printed = capsys.readouterr().err
    assert "ada@example.org" in printed
    assert "https://race.example.org/invitations/abc" in printed


def test_a_subject_cannot_add_headers(store: Store, smtp: tuple[Inbox, Config]) -> None:
    inbox, config = smtp
    with store.work() as session:
        subject = "Join us\r\nBcc: everybody@example.org"
        enqueue(session, "key", "ada@example.org", subject, "x", database_now(session))
    assert send_due_mail(store, config, deliverer(config)) == 1
    [message] = inbox.messages
    assert message["Bcc"] is None
    assert message["Subject"] == "Join us Bcc: everybody@example.org"


def test_the_echo_of_a_notice_says_where_to_switch_it_off(store: Store, smtp: tuple[Inbox, Config]) -> None:
    """The header leads to the page of choices, which changes nothing by being opened."""
    inbox, config = smtp
    write_echo(store)
    assert send_due_mail(store, config, deliverer(config)) == 1
    [message] = inbox.messages
    assert message["List-Unsubscribe"] == "<https://race.example.org/notices/choices>"
    assert message["List-Unsubscribe-Post"] is None
    text = message.get_content()
    assert text.startswith("The draw is made.")
    assert "\nhttps://race.example.org/races/small/attack?round=1\n" in text.replace("\r", "")
    assert "-- \n" in text.replace("\r", "")
    assert text.rstrip().endswith("https://race.example.org/notices/choices")


def write_echo(store: Store) -> None:
    with store.work() as session:
        now = database_now(session)
        values = {"unique_key": "notice 1 draw", "recipient": "ada@example.org", "subject": "Drawn"}
        values |= {"body": "The draw is made.", "notice_path": "/races/small/attack?round=1"}
        enqueue_echoes(session, [{**values, "created_at": now, "next_at": now}])


def test_echoes_come_after_what_somebody_waits_for(store: Store, smtp: tuple[Inbox, Config]) -> None:
    """A class's worth of echoes does not hold up the mail that resets a password."""
    inbox, config = smtp
    write_echo(store)
    write(store, "reset")
    send_due_mail(store, config, deliverer(config))
    assert [message["Subject"] for message in inbox.messages] == ["Your invitation", "Drawn"]


def test_an_echo_is_not_printed_where_there_is_no_server(
    store: Store, config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    """The console of a demo shows links that somebody waits for, not hundreds of echoes."""
    write_echo(store)
    assert send_due_mail(store, config, deliverer(config)) == 1
    assert capsys.readouterr().err == ""


def test_much_mail_holds_up_nothing_else(
    store: Store, smtp: tuple[Inbox, Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox, config = smtp
    monkeypatch.setattr(mail, "ROUND_S", 0.0)
    write(store)
    assert send_due_mail(store, config, deliverer(config)) == 0
    monkeypatch.undo()
    assert send_due_mail(store, config, deliverer(config)) == 1
    assert len(inbox.messages) == 1


def test_a_wrong_url_is_told() -> None:
    with pytest.raises(InputError, match="SRS_SMTP_URL"):
        mail.deliverer(Config(data=Path(), database_url="", secret_key="", smtp_url="http://example.org"))
