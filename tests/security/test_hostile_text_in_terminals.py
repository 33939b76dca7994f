"""S9: sixty hostile texts in what ``srs`` is given: nothing of them is obeyed by a terminal."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fixtures.commands import checks_here
from fixtures.live import PATIENCE_S
from srs.client.main import main as srs
from srs.client.verdicts import defence_as_text
from srs.game.race import RaceRules
from srs.judging.defence import check_defence
from worlds.captures import pcap, visit
from worlds.hostile_texts import BY_THEMSELVES, HOSTILE, WORD, hostile_csv, visible_only

RULES = RaceRules(slug="rules", title="Rules", rounds=())


def terminal(*arguments: str | Path) -> Result:
    """What ``srs`` writes, on both streams; it never ends by an exception of its own, and shows nothing hidden."""
    # In colour: otherwise click itself would take escapes out before we look.
    with checks_here():
        ended = CliRunner().invoke(srs, [str(argument) for argument in arguments], color=True)
    assert isinstance(ended.exception, SystemExit | None), arguments
    assert visible_only(ended.output), arguments
    return ended


@pytest.mark.parametrize("text", HOSTILE)
def test_in_the_terminal(tmp_path: Path, text: str) -> None:
    """What ``srs check`` says of a file of this name and with these cells: nothing that a terminal obeys."""
    name = text.replace("/", "_")[:200] + ".csv"
    path = tmp_path / name
    path.write_bytes(hostile_csv(text))
    verdict = check_defence(path, name, RULES)
    assert not verdict.accepted
    assert visible_only(defence_as_text(name, verdict, RULES))
    path.write_bytes(f"cell_id,{text}".encode())
    assert terminal("check", "defence", path).exit_code == 1


@pytest.mark.parametrize("text", BY_THEMSELVES)
def test_in_the_terminal_of_captures(tmp_path: Path, text: str) -> None:
    """What ``srs convert`` says of captures, members, manifests and options of such names; its JSON stays JSON."""
    name = text.replace("/", "_")
    folder = tmp_path / "captures"
    folder.mkdir()
    (folder / f"trace_{name}_grid_1.pcap").write_bytes(pcap(visit())[:-3])
    (folder / f"{name}.txt").write_bytes(b"x")
    with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
        for member in (text, f"{name}/trace_1_grid_{name}.pcap", f"{name}/trace_{name}_grid_2.pcap"):
            archive.writestr(member, pcap(visit(9)))
    cells = ['"' + cell.replace('"', '""') + '"' for cell in (text, name)]
    for number, row in enumerate((f"{cells[0]},1,1", f"x,{cells[0]},1", f"{cells[1]}.txt,1,1\n{cells[0]},1,2")):
        (tmp_path / f"{number}{name}.csv").write_text(f"file,class,rep\n{row}\n")
    ways: list[tuple[str | Path, ...]] = [("--manifest", tmp_path / f"{number}{name}.csv") for number in range(3)]
    ways += [("--pattern", each) for each in (text, text + "{class}", "trace_{rep}_grid_{class}.pcap")]
    ways += [("--client", text), ("--race", folder / f"{name}.txt")]
    for options in ways:
        arguments = ("convert", folder, "-o", tmp_path / f"{name}.csv", "--overwrite", *options)
        told, as_json = terminal(*arguments), terminal(*arguments, "--json")
        assert as_json.exit_code == told.exit_code
        if told.exit_code < 2:
            names = {each["name"] for each in json.loads(as_json.stdout)["dropped"]}
            assert f"{folder}/{name}.txt" in names, "a program gets a name as it is"
            assert WORD in told.stdout, "the text is not told, so nothing is proved"
    assert told.exit_code == 2, "the last option is no race"
    for wrong in ((text,), (folder, "-o", folder / text / text), (folder, f"--{text}"), (folder, "-o", text)):
        assert terminal("convert", *wrong).exit_code == 2
    files = list(folder.iterdir())
    assert terminal("check", "defence", *files).exit_code == 2, "one at a time: the others are named"


def test_on_a_terminal_while_captures_are_read(tmp_path: Path) -> None:
    """The line that says which file is read holds the names of an archive's members."""
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for text in HOSTILE:
            archive.writestr(text, pcap(visit(9)))
    ours, theirs = pty.openpty()
    command = [str(Path(sys.executable).with_name("srs")), "convert", "all.zip", "-o", "d.csv"]
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "200"}
    subprocess.run(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=theirs, env=environment, timeout=PATIENCE_S, check=False
    )
    os.close(theirs)
    shown = os.read(ours, 1_000_000).decode()
    os.close(ours)
    assert "Reading" in shown
    assert [text for text in HOSTILE if not visible_only(text) and text in shown] == []
