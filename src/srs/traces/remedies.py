"""How to mend a file: for every code that a report may hold, what is wrong in plain words, and what to do about it.

Problems of one code are one lesson: ``grouped_problems`` gathers them, so that a page and a terminal tell it once.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Final

from srs.traces.report import Excerpt, Problem, counted, plural


@dataclasses.dataclass(frozen=True, slots=True)
class Remedy:
    """``heading`` says what is wrong, as a sentence without its full stop; ``mend`` what to do, in sentences.

    ``noun`` is what is counted: what each place of such a problem is. All three say "class", never with an article that
    could need an n; ``told_of`` puts the race's own word.
    """

    heading: str
    mend: str
    noun: str = "file"

    def told_of(self, of_class: str) -> Remedy:
        """The same in a race's word for a class."""

        def in_its_word(found: re.Match[str]) -> str:
            word = plural(of_class) if found[2] else of_class
            return word[0].upper() + word[1:] if found[1] == "C" else word

        return Remedy(*(_CLASS.sub(in_its_word, text) for text in (self.heading, self.mend, self.noun)))


@dataclasses.dataclass(frozen=True, slots=True)
class Group:
    """The problems of one code, with what they have in common. ``count`` are the places of all of them."""

    code: str
    remedy: Remedy
    problems: tuple[Problem, ...]

    @property
    def count(self) -> int:
        """In how many places the rule is broken."""
        return sum(1 + problem.more for problem in self.problems)

    @property
    def places(self) -> str:
        """The count in words: ``3 lines``."""
        return counted(self.count, self.remedy.noun)

    @property
    def excerpts(self) -> tuple[Excerpt, ...]:
        """The file's own lines, in the order of the file, each once."""
        found = {(each.line, each.before): each for problem in self.problems for each in problem.excerpts}
        return tuple(found[place] for place in sorted(found))

    @property
    def unseen(self) -> str:
        """The places beyond those of ``excerpts`` in words: ``3 more lines``; empty where there are none."""
        rest = self.count - len(self.excerpts) if self.excerpts else 0
        return counted(rest, f"more {self.remedy.noun}") if rest > 0 else ""


def grouped_problems(problems: Iterable[Problem], of_class: str) -> tuple[Group, ...]:
    """The problems by their codes, in the order in which the codes first come.

    ``of_class`` is what the race calls a class, such as ``cell``.
    """
    by_code: dict[str, list[Problem]] = {}
    for problem in problems:
        by_code.setdefault(problem.code, []).append(problem)
    return tuple(Group(code, remedy_of(code).told_of(of_class), tuple(several)) for code, several in by_code.items())


def remedy_of(code: str) -> Remedy:
    """What is known of a code; for one that only an older version knew, the general advice."""
    return REMEDIES.get(code, _UNKNOWN)


def may_hide_more(problems: Iterable[Problem]) -> bool:
    """Whether these problems ended the search early: a file is looked at as a whole once every line can be read."""
    return any(problem.code.startswith(("file.", "table.")) or problem.code in _OF_VALUES for problem in problems)


_CLASS: Final = re.compile(r"\b([Cc])lass(es)?\b")
_UNKNOWN: Final = Remedy("Something is wrong with this file", "Mend what the sentence names and send the file again.")

_FILE: Final[Mapping[str, Remedy]] = {
    "file.empty": Remedy(
        "The file is empty",
        "Look whether your program wrote it and whether it was copied to its end; then choose it again.",
    ),
    "file.too-large": Remedy(
        "The file is larger than this race accepts",
        "Send it packed (.zip, .gz or .zst) or as Parquet; packed, traces are three to ten times smaller. "
        "If it is packed already, there are more traces or packets in it than the rules ask for.",
    ),
    "file.unpacked-size": Remedy(
        "The file is too large once it is unpacked",
        "Write timestamps with six decimals at most, send no more repetitions than the rules ask for, or look "
        "whether your defence adds more packets than you meant.",
    ),
    "file.ratio": Remedy(
        "The file unpacks to far more than any trace set would",
        "Such a file repeats the same bytes again and again. Look into it before you pack it: it should hold one "
        "line for each packet.",
    ),
    "file.pieces": Remedy(
        "The file is packed in too many pieces",
        "Pack the CSV again in one go, for example: gzip defence.csv",
    ),
    "file.damaged": Remedy(
        "The file is damaged",
        "Most often it was copied or sent only in part. Open it on your machine; if that works, send it again, else "
        "make it again.",
    ),
    "file.rejected-by-staff": Remedy(
        "The staff rejected the file",
        "Judging it failed again and again, and the staff decided not to wait for it. Send another file, or ask them.",
    ),
    "file.format": Remedy(
        "The file is of another format",
        "Look whether you chose the file that you meant, and write the table as CSV or Parquet.",
    ),
    "file.nested": Remedy(
        "There is an archive inside the archive",
        "Pack the CSV itself, and only once: unpack the file and pack the CSV that is inside.",
    ),
    "file.two-formats": Remedy(
        "The file is two things at once",
        "Something was put before or after the zip. Zip the CSV again with an ordinary program.",
    ),
    "file.trailing-bytes": Remedy(
        "Something follows the packed data",
        "Pack the CSV again; do not join files after packing them.",
    ),
    "file.members": Remedy(
        "The zip does not hold exactly one file",
        "Zip the CSV alone, without its folder and without hidden files: zip -X defence.zip defence.csv",
    ),
    "file.member-name": Remedy(
        "The name of the file inside the zip cannot be accepted",
        "Call it defence.csv or attack.csv, and zip it from the folder in which it lies.",
    ),
    "file.member-kind": Remedy(
        "The zip holds a link and not a file",
        "Zip the CSV itself; a program that follows links is: zip -X defence.zip defence.csv",
    ),
    "file.encrypted": Remedy("The zip has a password", "Zip the CSV again without one."),
    "file.zip-method": Remedy(
        "The zip is packed in a way that is not read here",
        "Zip it with deflate, which is what nearly every program does by default: zip -X defence.zip defence.csv",
    ),
    "file.size-lie": Remedy(
        "The zip says another size than it has", "It is damaged or was changed by hand. Zip the CSV again."
    ),
    "file.zip-structure": Remedy(
        "The parts of the zip contradict each other",
        "Two programs would find different files in it. Zip the CSV again with an ordinary program, in one go.",
    ),
}

_TABLE: Final[Mapping[str, Remedy]] = {
    "table.header": Remedy(
        "The columns are not the expected ones",
        "The first line must name each expected column once, separated by commas; their order does not matter. "
        "From pandas: table.to_csv('file.csv', index=False), for the index would be a column of its own.",
        "line",
    ),
    "table.other-kind": Remedy(
        "This is a file of another kind",
        "Look whether you chose the file that you meant, and on which page you sent it.",
        "line",
    ),
    "table.no-rows": Remedy(
        "There is a header and nothing below it",
        "Look whether your program wrote its rows, and whether a filter dropped all of them.",
    ),
    "table.line-length": Remedy(
        "A line is too long to be one",
        "End each packet's line with a newline. A file with a single line was often written without any.",
        "line",
    ),
    "table.field-count": Remedy(
        "A line has too few or too many fields",
        "Write one value for each column of the header, separated by commas. Often a number has a comma instead of a "
        "decimal point, or the file was cut off in the middle of a line.",
        "line",
    ),
    "table.empty-line": Remedy(
        "There are empty lines between the others", "Delete them. From Python: open(..., newline='').", "line"
    ),
    "table.empty-field": Remedy(
        "A field is empty",
        "Write its value, or leave out the whole packet. In pandas empty fields come from missing values (NaN), for "
        "example after a merge that found no partner: look for them with table.isna().any().",
        "line",
    ),
    "table.encoding": Remedy(
        "The file is not UTF-8 text",
        "Save it as UTF-8. If it should hold numbers only, look what your program wrote at the place that is marked.",
        "line",
    ),
    "table.nul": Remedy(
        "There are NUL bytes in the file",
        "It is no text file, or its writing was interrupted: write it again, as UTF-8 text.",
        "line",
    ),
    "table.quote": Remedy(
        "A quotation mark has no partner",
        "Numbers need no quotation marks: remove them, or put them around the whole field.",
        "line",
    ),
    "table.column-type": Remedy(
        "A column of the Parquet file has another type",
        "Convert it before you write it, for example in pandas: table.astype({'direction_size': 'int32'})",
        "column",
    ),
    "table.many-faults": Remedy(
        "There are so many faults that the search ended early",
        "Mend the ones that are shown first; most often all of them have one cause.",
    ),
    "table.unreadable": Remedy(
        "The table cannot be read, and no single line is at fault",
        "Write it again as plain CSV, one packet a line, without quotation marks. If that does not help, show it to "
        "the staff: this should not happen.",
    ),
}

_TRACES: Final[Mapping[str, Remedy]] = {
    "trace.classes-missing": Remedy(
        "Classes have no traces",
        "Every class needs its traces: capture the missing ones, or look whether a filter or a join dropped them, "
        "or whether your classes are counted from 0 instead of 1.",
        "class",
    ),
    "trace.repetitions": Remedy(
        "Classes have too few or too many traces",
        "Capture more repetitions of the classes that are short, and leave out the surplus of the others. Two captures "
        "with the same number of repetition count as one.",
        "class",
    ),
    "trace.packets-min": Remedy(
        "Traces have too few packets",
        "So short a trace is a capture that failed: capture it again, or leave it out if its class has enough.",
        "trace",
    ),
    "trace.none-sent": Remedy(
        "Traces have no sent packet",
        "Sent packets have positive sizes. If all your sizes are negative, the sign was lost; if only some traces are "
        "affected, their captures failed.",
        "trace",
    ),
    "trace.none-received": Remedy(
        "Traces have no received packet",
        "Received packets have negative sizes. If all your sizes are positive, the direction was lost; if only some "
        "traces are affected, their captures failed.",
        "trace",
    ),
    "trace.duration": Remedy(
        "Traces last too long",
        "Timestamps are in seconds: look whether yours are milliseconds. If they are right, end the capture earlier, "
        "or look whether two captures stand under one class and repetition.",
        "trace",
    ),
    "trace.runs-back": Remedy(
        "Time runs back within a trace",
        "Most often two captures stand under one class and repetition: give each a repetition of its own. Else sort "
        "the packets of each trace by their time.",
        "trace",
    ),
    "trace.copies": Remedy(
        "Traces are exact copies of others",
        "Two real captures are never equal to the microsecond. Send each capture once; capture again what is missing.",
    ),
    "trace.implausible-volume": Remedy(
        "The traces are smaller than any real capture",
        "Sizes are in bytes, not in packets or cells. A defence may add traffic, but the query has to get through.",
    ),
    "trace.implausible-duration": Remedy(
        "The traces are shorter than any real capture",
        "Timestamps are in seconds since the trace's first packet: look whether yours lost their unit or were rounded.",
    ),
    "trace.implausible-product": Remedy(
        "The traces are cheaper than any real capture",
        "Sizes are in bytes and times in seconds; look whether one of them lost its unit.",
    ),
    "trace.sorted": Remedy(
        "Packets were sorted by time",
        "Nothing to do: small steps back happen in honest captures, where packets overtake each other.",
        "trace",
    ),
    "trace.absolute-times": Remedy(
        "Times were shifted to start at 0",
        "Nothing to do. Absolute times would tell the class to every attacker: subtract each trace's first time.",
        "trace",
    ),
    "trace.too-costly": Remedy(
        "Judging the file took more than any honest file needs",
        "Look whether it holds far more traces or packets than the rules ask for.",
    ),
    "split.too-few-fresh": Remedy(
        "Too many of these traces have been published before",
        "In each round the labels of most of your traces become known to your attackers, so they cannot be test "
        "traces again. Capture new ones; keeping the old ones as well does no harm.",
    ),
}

_ATTACK: Final[Mapping[str, Remedy]] = {
    "attack.team-unknown": Remedy(
        "There are rows for teams that are not yours to attack",
        "Write the team_id that stands in the test file of the match, and leave out the other rows. The match may also "
        "be one of an earlier round.",
        "line",
    ),
    "attack.capture-unknown": Remedy(
        "There are rows for traces that are not in your test set",
        "Take team_id and capture_id from the test file of the same match and the same round; each match has ids of "
        "its own.",
        "line",
    ),
    "attack.capture-missing": Remedy(
        "A match is not complete",
        "Predict every trace of its test file. For a trace of which you know nothing, write the same probability for "
        "every class.",
        "match",
    ),
    "attack.capture-twice": Remedy(
        "A trace is predicted more than once",
        "Write one row for each trace. Often predictions were made for each packet instead of each trace: group by "
        "capture_id first.",
        "line",
    ),
    "attack.sum": Remedy(
        "Probabilities do not sum to 1",
        "Divide each row by its sum. Scores of a classifier (distances, margins, logits) are no probabilities yet: "
        "apply softmax, or use predict_proba.",
        "line",
    ),
}

_COLUMNS: Final[Mapping[str, tuple[str, str]]] = {
    "trace.class": ("the class", "Classes are counted from 1 and written as whole numbers."),
    "trace.rep": ("a repetition", "Number the captures of each class 0, 1, 2 and so on."),
    "trace.size": (
        "a packet's size",
        "A size is the whole number of bytes of one packet: positive if it was sent, negative if it was received.",
    ),
    "trace.time": (
        "a timestamp",
        "A timestamp is the number of seconds since the trace's first packet, with a decimal point, such as 0.153.",
    ),
    "attack.team": ("a team's number", "Write the team_id that stands in the match's test file."),
    "attack.capture": ("a trace's capture_id", "Write the capture_id that stands in the match's test file."),
    "attack.probability": (
        "a probability",
        "A probability is a number from 0 to 1, with a decimal point, such as 0.25.",
    ),
}
_KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "shape": (
        "is not written as a number",
        "Look how your program writes numbers: without units, quotation marks, thousands separators or a space behind.",
    ),
    "finite": (
        "is not a finite number",
        "NaN and inf come from missing values or a division by zero: find where, and leave out what was not measured.",
    ),
    "range": ("is out of range", "Look whether its unit is right, and whether two columns were exchanged."),
    "zero": ("is 0", "A packet without bytes is none: leave it out, or write the size that was captured."),
}
_OF_VALUES: Final[Mapping[str, Remedy]] = {
    f"{column}-{kind}": Remedy(f"{what.capitalize()} {how}", f"{meaning} {advice}", "line")
    for column, (what, meaning) in _COLUMNS.items()
    for kind, (how, advice) in _KINDS.items()
    if kind != "zero" or column == "trace.size"
}

REMEDIES: Final[Mapping[str, Remedy]] = {**_FILE, **_TABLE, **_OF_VALUES, **_TRACES, **_ATTACK}
