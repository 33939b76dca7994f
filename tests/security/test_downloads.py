"""S11: files leave by id from the blob store, as attachments, and nothing else leaves."""

from __future__ import annotations

import itertools
from urllib.parse import quote

from flask import Flask
from werkzeug.http import parse_options_header

from fixtures.clients import BASE_URL, Browser
from fixtures.sizes import FULL, size
from srs.server.bootstrap import Server
from worlds.played_round import Played
from worlds.small_race import People

TARGETS = ("etc/passwd", "secret_key", "srs.sqlite", "blobs", "proc/self/environ")
UPS = (
    *("../", "../../", "../../../../../../../", "..\\", "..\\..\\", "....//", "..;/", "/", "//", "./", "~/"),
    *("..%2f", "%2e%2e/", "%2e%2e%2f", "%252e%252e%252f", "..%5c", "%5c..%5c", "..%c0%af", "..%ef%bc%8f", "..%00/"),
    *("\x00../", "file:///", "..\u2215", "..\uff0f", ".../.../", "C:\\", "\\\\host\\share\\", "%2f", "..%0a/", "*/../"),
    *("blobs/../", "tmp/../", "examples/../", "static/../../", "test.parquet/../", "test.parquet%00", "test.parquet/"),
    *("./test.parquet/../../", "..%u2215"),
)


def payloads() -> list[str]:
    """At least 200 ways to ask for a file that is not offered."""
    return ["".join(pair) for pair in itertools.product(UPS, TARGETS)] + [
        target.replace("/", "%2F") for target in TARGETS
    ]


def test_there_are_enough_payloads() -> None:
    """S11 asks for 200."""
    assert len(set(payloads())) >= 200


def test_traversal(app: Flask, server: Server, people: People, played: Played) -> None:
    """S11: 200 strings at each download answer 404 (or a redirect that ends in one)."""
    ada = Browser(app).sign_in(people.ada)
    places = (
        "/races/small/rounds/1/matches/2/{}",
        "/races/small/submissions/{}/file",
        f"/races/small/submissions/{played.defences[1]}/" + "{}",
        "/races/small/practice/{}",
        "/static/{}",
        "/bootstrap/static/{}",
    )
    served = []
    for place in places:
        for index, payload in enumerate(payloads()[:: size(4, 1)]):
            variants = (payload, quote(payload, safe=""))
            for sent in variants if FULL else variants[index % 2 :][:1]:
                path = place.format(sent.replace("\x00", "%00"))
                response = ada.client.get(path, base_url=BASE_URL, buffered=True, follow_redirects=True)
                if response.status_code not in (400, 404):
                    served.append((path, response.status_code))
    assert served == []


def test_a_file_leaves_as_an_attachment(app: Flask, server: Server, people: People, played: Played) -> None:
    """S11: attachment, nosniff, ETag, private and immutable; parts and repeats of it as HTTP has them."""
    ada = Browser(app).sign_in(people.ada)
    for path, content in (
        (f"/races/small/submissions/{played.defences[1]}/file", b"defence 1"),
        ("/races/small/rounds/1/matches/2/test.parquet", b"test.parquet of 1 against 2 " * 100),
        ("/races/small/practice/test.parquet", b"test.parquet of the house " * 100),
    ):
        whole = ada.get(path)
        assert whole.data == content
        assert whole.headers["Content-Disposition"].startswith("attachment")
        assert whole.headers["Accept-Ranges"] == "bytes"
        assert "private" in whole.headers["Cache-Control"]
        assert "immutable" in whole.headers["Cache-Control"]
        etag = whole.headers["ETag"]
        part = ada.get(path, headers={"Range": "bytes=3-6"})
        assert (part.status_code, part.data) == (206, content[3:7])
        assert part.headers["Content-Range"] == f"bytes 3-6/{len(content)}"
        assert ada.get(path, headers={"If-None-Match": etag}).status_code == 304
        assert ada.get(path, headers={"Range": "bytes=999999-"}).status_code == 416
        assert ada.get(path, headers={"Range": "bytes=3-6", "If-Range": '"other"'}).status_code == 200


def test_the_name_of_a_file_is_only_a_name(app: Flask, server: Server, people: People) -> None:
    """A file is stored by its hash: a name with a path or a line break harms nobody, nor who saves it so."""
    ada = Browser(app).sign_in(people.ada)
    names = (
        "../../evil.csv",
        "a%0d%0aSet-Cookie: x=1.csv",
        'quo"te<b>.csv',
        "..",
        "C:\\x\\..\\y.csv",
    )
    for index, name in enumerate(names):
        response = ada.upload("small", "defence", b"x" * (index + 1), name=name)
        assert response.status_code == 303
        sent = ada.get(response.headers["Location"] + "/file")
        assert sent.status_code == 200
        assert "x=1" not in sent.headers.get("Set-Cookie", "")
        assert sent.headers["Content-Disposition"].startswith("attachment")
        saved_as = parse_options_header(sent.headers["Content-Disposition"])[1]["filename"]
        assert saved_as.strip("."), name
        assert not set(saved_as) & {"/", "\\"}, name
        assert "<b>" not in ada.get("/races/small/defence").get_data(as_text=True)
    assert not (server.config.data / "evil.csv").exists()
