"""A race by form. The form knows no rule: it writes a ``race.toml``; what ``read_rules`` says goes to its fields."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from typing import Any

from flask_wtf import FlaskForm
from pydantic import ValidationError
from werkzeug.datastructures import MultiDict
from wtforms import BooleanField, Field, FieldList, Form, FormField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice
from wtforms.widgets import DateTimeLocalInput, NumberInput

from srs.errors import RulesError
from srs.game.race import Classes, RaceRules, Split, Traces
from srs.game.race_problems import shown
from srs.game.race_text import Table, Value, write_rules

ROUNDS_AT_MOST = 4
"""Rounds that the form has room for; a race with more is written as a file."""

TABLES = ("joining", "classes", "traces", "split", "matches", "limits", "scoring")

VISIBILITY = {"members": "its members", "public": "anyone"}
JOINING = {
    "code": "whoever has the code",
    "open": "everybody with an account",
    "roster": "the addresses on a roster",
    "approval": "whom the staff approve",
}
OVER_ROUNDS = {
    "last": "that of the last round",
    "mean": "the mean of the rounds",
    "best": "that of the best round",
    "none": "none: each round stands alone",
}
"""What the words of three keys mean; the preview says so, too."""

ROUND_KEY = re.compile(r"rounds\[(\d{1,3})\]\.(defence|attack)")
KEY = re.compile(rf"{ROUND_KEY.pattern}|\b[a-z]+\.[a-z_]+")
SEVERAL = {
    "traces.repetitions": ("repetitions_least", "repetitions_most"),
    "split.test_traces": ("split__test_traces", "split__test_pool"),
    "split.test_pool": ("split__test_pool", "split__test_traces"),
}
"""Keys whose value comes from more than one field; a problem stands beside the first that was filled in."""

LEAST, MOST = Traces().repetitions
TEST_TRACES = Split().test_traces


def _asked(key: str) -> dict[str, str]:
    """What the rules say of a key: its default, and what is expected there."""
    table, _, name = key.rpartition("__")
    model = type(RaceRules.model_fields[table].default) if table else RaceRules
    field = model.model_fields[name]
    default = "" if field.is_required() or field.default in (None, ()) else str(field.default)
    return {"default": default, "description": field.description or ""}


def _text(label: str, key: str, description: str = "") -> StringField:
    asked = _asked(key)
    return StringField(label, **{**asked, "description": description or asked["description"]})


def _number(label: str, key: str, step: str | None = None) -> StringField:
    return StringField(label, widget=NumberInput(step=step), **_asked(key))


def _follows(label: str, description: str) -> StringField:
    """A number that follows from other answers where it is left empty: a default here would contradict them."""
    return StringField(label, widget=NumberInput(), description=description)


def _choice(label: str, key: str, choices: dict[str, str]) -> SelectField:
    default = _asked(key)["default"]
    offered = [SelectChoice(value, text) for value, text in choices.items()]
    return SelectField(label, choices=offered, default=default, validate_choice=False)


class End(StringField):  # type: ignore[misc]  # WTForms has no types
    """One of the two ends that are one key of the rules; what cannot be read is told beside the end that it is."""

    expected = ""

    def is_read(self) -> bool:
        """Whether this end is sound by itself."""
        raise NotImplementedError


class Moment(End):
    """When a phase opens or closes."""

    widget = DateTimeLocalInput()
    expected = "a date and time, such as 2027-04-13T08:00"

    def is_read(self) -> bool:
        """Whether it is a date and time."""
        return isinstance(_at(self), dt.datetime)

    def is_meant(self, problem: str) -> bool:
        """Whether a problem of its phase speaks of this end: by its verb, or by its moment."""
        at = _at(self)
        verb = self.short_name.rpartition("_")[2]
        return problem.startswith(f"{verb} ") or (isinstance(at, dt.datetime) and at.isoformat() in problem)


class Repetitions(End):
    """The least or the most traces of a class; may be empty."""

    widget = NumberInput()
    expected = "a whole number from 1 to 10000"

    def is_read(self) -> bool:
        """Whether it is empty or such a number."""
        value = _whole(self)
        return value is None or (isinstance(value, int) and 1 <= value <= 10_000)


class RoundForm(Form):  # type: ignore[misc]  # WTForms has no types
    """The four times of one round; all of them empty: there is no such round."""

    defence_opens = Moment("Defence opens")
    defence_closes = Moment("Defence closes")
    attack_opens = Moment("Attack opens")
    attack_closes = Moment("Attack closes")


_ROW_OF_ROUNDS = re.compile(r"rounds-[0-9]{1,2}-", re.ASCII)


def answers_of(form: MultiDict[str, str]) -> MultiDict[str, str]:
    """What was filled in, without rows that no form of ours names: WTForms takes any digit for a number."""
    return MultiDict(
        (key, value)
        for key, value in form.items(multi=True)
        if not key.startswith("rounds-") or _ROW_OF_ROUNDS.match(key)
    )


class RaceForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF has no types
    """The keys of a ``race.toml`` that races differ in; ``joining__how`` is ``how`` of ``[joining]``."""

    title = _text("Title", "title")
    slug = _text("Name in the address", "slug", "3 to 40 of a-z, 0-9 and -, such as cs523-2027")
    description = TextAreaField("Description (Markdown)", description="shown on the race's page")
    timezone = StringField("Time zone", description="an IANA time zone such as Europe/Zurich")
    visibility = _choice("Who sees rules and leaderboard", "visibility", VISIBILITY)
    joining__how = _choice("Who may join", "joining__how", JOINING)
    joining__code = StringField("The code", description="the word with which one joins, at most 100 characters")
    joining__email_domains = StringField(
        "Only addresses at", description="domains such as epfl.ch, separated by spaces; empty: any"
    )
    joining__team_size_max = _number("People in a team, at most", "joining__team_size_max")
    joining__locks_at = StringField(
        "Teams are locked at", widget=DateTimeLocalInput(), description="after it only staff change teams; empty: never"
    )
    joining__anonymous = BooleanField("Pseudonyms on the leaderboard")
    classes__count = _follows(
        "Number of classes",
        f"from 2 to 1000; empty: as many as have names, {Classes().count} where none has",
    )
    classes__names = TextAreaField("Their names, one a line", description="empty: classes have numbers only")
    classes__singular = _text("What one class is called", "classes__singular")
    classes__column = _text("Its column in the files", "classes__column")
    repetitions_least = Repetitions(
        "Traces for each class, at least", description=f"from 2; empty: {LEAST}, or the most where that is less"
    )
    repetitions_most = Repetitions(
        "Traces for each class, at most", description=f"to 10000; empty: {MOST}, or the least where that is more"
    )
    traces__upload_max_mb = _number("Largest file, MB", "traces__upload_max_mb")
    split__test_traces = _follows(
        "Traces in a test set",
        f"from 2 to 10000, one of each class or more; empty: {TEST_TRACES}, but at most half of the least traces",
    )
    split__test_pool = _follows(
        "Pool from which test sets are drawn", "empty: the size of a test set, so that all matches have the same traces"
    )
    split__public_share = _number("Share that gives feedback before the close", "split__public_share", "any")
    matches__per_team = _number("Matches for each team and round", "matches__per_team")
    limits__defences_per_day = _number("Defences for each team and day", "limits__defences_per_day")
    limits__attacks_per_day = _number("Attacks for each team and day", "limits__attacks_per_day")
    limits__faulty_per_day = _number("Files with faults for each team and day", "limits__faulty_per_day")
    scoring__over_rounds = _choice("The race's standing is", "scoring__over_rounds", OVER_ROUNDS)
    rounds = FieldList(FormField(RoundForm), min_entries=ROUNDS_AT_MOST, max_entries=ROUNDS_AT_MOST)

    def to_toml(self) -> str:
        """What was filled in, as the text of a ``race.toml``; not checked.

        A field left empty follows from others where it must agree with them, and is left out otherwise.
        """
        plain: dict[str, Any] = {}
        tables: dict[str, dict[str, Any]] = {table: {} for table in TABLES}
        for name, convert in CONVERSIONS.items():
            value = convert(self[name])
            if value is not None:
                table, _, key = name.rpartition("__")
                (tables[table] if table else plain)[key] = value
        tables["traces"]["repetitions"] = _repetitions(_whole(self.repetitions_least), _whole(self.repetitions_most))
        _follow(tables)
        filled = {table: keys for table, keys in tables.items() if keys}
        return write_rules({**plain, **filled, "rounds": [_times(row) for row in self.rows()]})

    def rows(self) -> list[Any]:
        """The rows of rounds in which something was filled in, or the first one: a race has a round."""
        return [row for row in self.rounds if any(map(_words, row.form))] or [self.rounds[0]]

    def has_more_rounds(self) -> bool:
        """Whether a round after the first one is filled in or is said to be wrong."""
        return any(_words(field) or field.errors for row in list(self.rounds)[1:] for field in row.form)

    def tell(self, error: RulesError) -> list[tuple[str, str]]:
        """Put every problem beside its field; all of them as (id of the field, sentence), for a summary."""
        told = []
        for key, problem in error.problems or (("", error.sentence),):
            for field, sentence in self._placed(key, KEY.sub(self._name_of_key, problem)):
                if field is None:
                    told.append(("", f"{key}: {sentence}" if key else sentence))
                elif sentence not in field.errors:
                    field.errors = [*field.errors, sentence]
                    told.append((field.id, f"{_called(field)}: {sentence}"))
        return told

    def _placed(self, key: str, problem: str) -> Iterator[tuple[Field | None, str]]:
        """Where a problem stands, and what is said there; no field for what the form does not ask."""
        fields = self._fields_of(key)
        unread = [field for field in fields if isinstance(field, End) and not field.is_read()]
        for field in unread:
            yield field, f"{_found(field)}, expected {field.expected}."
        if not unread:
            about = [field for field in fields if isinstance(field, Moment) and field.is_meant(problem)]
            candidates = [*about, *filter(_words, fields), *fields, None]
            yield candidates[0], re.sub(r'^found "",', "missing,", problem)

    def _fields_of(self, key: str) -> list[Field]:
        """The fields that make the value of a key; none for a key that the form does not ask."""
        of_round = ROUND_KEY.fullmatch(key)
        if of_round:
            rows = self.rows()[int(of_round[1]) - 1 : int(of_round[1])]
            return [row.form[f"{of_round[2]}_{end}"] for row in rows for end in ("opens", "closes")]
        names = SEVERAL.get(key, (key.replace(".", "__"),))
        return [self._fields[name] for name in names if name in self._fields]

    def _name_of_key(self, found: re.Match[str]) -> str:
        """What the form calls a key; what only looks like one stays."""
        fields = self._fields_of(found[0])
        if not fields:
            return found[0]
        label = fields[0].label.text
        return f"the {found[2]} phase of round {_round_number(fields[0])}" if found[2] else f"“{label}”"


def _called(field: Field) -> str:
    """What a field is called in a summary: ``Round 1, defence opens``."""
    label: str = field.label.text
    return f"Round {_round_number(field)}, {label.lower()}" if isinstance(field, Moment) else label


def _round_number(field: Moment) -> int:
    return int(field.id.split("-")[1]) + 1


def _words(field: Field) -> str | None:
    return " ".join((field.data or "").split()) or None


def _found(field: Field) -> str:
    text = _words(field)
    return f"found {shown(text)}" if text else "missing"


def _whatever(field: Field) -> str:
    """For keys without a default: what is empty is told by the rules."""
    return _words(field) or ""


def _prose(field: Field) -> str | None:
    return "\n".join((field.data or "").splitlines()).strip() or None


def _whole(field: Field) -> int | str | None:
    text = _words(field)
    return int(text) if text and re.fullmatch(r"-?[0-9]{1,18}", text, re.ASCII) else text


def _real(field: Field) -> float | str | None:
    text = _words(field)
    return float(text) if text and re.fullmatch(r"-?[0-9]{1,18}(\.[0-9]{1,18})?", text, re.ASCII) else text


def _yes(field: Field) -> bool:
    return bool(field.data)


def _list(field: Field) -> list[str] | None:
    return [part.lower().removeprefix("@") for part in re.split(r"[\s,;]+", field.data or "") if part] or None


def _lines(field: Field) -> list[str] | None:
    return [line.strip() for line in (field.data or "").splitlines() if line.strip()] or None


def _at(field: Field) -> dt.datetime | str | None:
    """A local time; a text that is none is left for the rules to refuse."""
    text = _words(field)
    try:
        return dt.datetime.fromisoformat(text) if text else None
    except ValueError:
        return text


def _repetitions(least: int | str | None, most: int | str | None) -> Value:
    """Both ends; one that is missing follows the other."""
    filled = [end for end in (least, most) if isinstance(end, int)]
    return [min([LEAST, *filled]) if least is None else least, max([MOST, *filled]) if most is None else most]


def _follow(tables: dict[str, dict[str, Any]]) -> None:
    """Fill in what was left empty and must agree with other answers, so that no default contradicts them."""
    classes, traces, split = tables["classes"], tables["traces"], tables["split"]
    if "names" in classes:
        classes.setdefault("count", len(classes["names"]))
    try:
        count = Classes.model_validate({key: classes[key] for key in ("count",) if key in classes}).count
        least = Traces.model_validate({"repetitions": traces["repetitions"]}).repetitions[0]
    except ValidationError:
        return  # a faulty answer is told by itself, and nothing follows from it
    usual, pool = max(count, min(TEST_TRACES, count * (least // 2))), split.get("test_pool")
    split.setdefault("test_traces", min(usual, pool) if isinstance(pool, int) else usual)
    split.setdefault("test_pool", split["test_traces"] if isinstance(split["test_traces"], int) else usual)


def _times(row: Any) -> Table:
    return {phase: [_end(row.form[f"{phase}_{end}"]) for end in ("opens", "closes")] for phase in ("defence", "attack")}


def _end(field: Field) -> Value:
    return _at(field) or ""


CONVERSIONS: dict[str, Callable[[Field], Any]] = {
    "slug": _whatever,
    "title": _whatever,
    "description": _prose,
    "timezone": _whatever,
    "visibility": _words,
    "joining__how": _words,
    "joining__code": _words,
    "joining__email_domains": _list,
    "joining__team_size_max": _whole,
    "joining__locks_at": _at,
    "joining__anonymous": _yes,
    "classes__column": _words,
    "classes__count": _whole,
    "classes__names": _lines,
    "classes__singular": _words,
    "traces__upload_max_mb": _whole,
    "split__test_traces": _whole,
    "split__test_pool": _whole,
    "split__public_share": _real,
    "matches__per_team": _whole,
    "limits__defences_per_day": _whole,
    "limits__attacks_per_day": _whole,
    "limits__faulty_per_day": _whole,
    "scoring__over_rounds": _words,
}
"""How each field becomes the value of its key: ``None`` leaves the key out."""
