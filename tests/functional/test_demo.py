"""``srs-server demo`` as a visitor meets it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from fixtures.live import Visitor, wait_for
from fixtures.servers import free_port
from fixtures.sizes import FULL

COMMAND = str(Path(sys.executable).with_name("srs-server"))
GOLDEN = Path(__file__).parents[1] / "golden" / "season.json"


def environ(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SRS_")}
    return kept | {"TMPDIR": str(folder)}


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str, str]]:
    """The demo's process, its address, and what it has printed once its site answers."""
    port = free_port()
    output = tmp_path / "output"
    with output.open("wb") as file:
        command = [COMMAND, "demo", "--port", str(port)]
        process = subprocess.Popen(command, stdout=file, stderr=file, env=environ(tmp_path))
    try:
        wait_for(lambda: "Dana" in output.read_text() and "said", 30)
        yield process, f"http://127.0.0.1:{port}", output.read_text()
    finally:
        process.kill()
        process.wait()


def test_a_visitor_signs_in_and_sees_the_season_fill_in(
    demo: tuple[subprocess.Popen[bytes], str, str], tmp_path: Path
) -> None:
    process, address, said = demo
    links = dict(re.findall(r"(Ada|Nils|Dana), .*\n\s+\S+?(/sign-in/\S+)", said))
    assert set(links) == {"Ada", "Nils", "Dana"}
    wait_for(lambda: answers(address) and "yes", 30)
    for name, link in links.items():
        visitor = Visitor(address)
        visitor.submit(link, link)
        assert name in visitor.page("/races/demo").get_text()
        assert visitor.submit(link, link).status_code == 404, "it works once"
        visitor.client.close()
    ada = Visitor(address)
    wait_for(lambda: "Plain Strollers" in ada.page("/races/demo/rounds/1").get_text() and "shown", 60)
    ada.client.close()
    process.send_signal(signal.SIGINT)
    assert process.wait(40) == 0
    assert list(tmp_path.glob("srs-demo-*")) == []


def answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.skipif(not FULL, reason="the golden season plays the same in the everyday suite")
def test_headless(tmp_path: Path) -> None:
    """The standings as JSON on standard output, equal to the golden ones, within three minutes."""
    ended = subprocess.run(
        [COMMAND, "demo", "--headless"], capture_output=True, env=environ(tmp_path), timeout=180, check=False
    )
    assert ended.returncode == 0
    assert json.loads(ended.stdout) == json.loads(GOLDEN.read_text(encoding="utf-8"))
