"""A form with one file, read from front to back: the file goes to the blob store as it arrives, never into memory.

Browsers send the fields of a form in the order of the page, so the hidden fields (CSRF token, idempotency key)
come before the file, and the token is checked before anything is stored.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from flask import Request
from flask_wtf.csrf import CSRFError, validate_csrf
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.sansio.multipart import NEED_DATA, Data, Epilogue, Event, Field, File, MultipartDecoder
from wtforms.validators import ValidationError

from srs.errors import InputError

READ_BYTES = 256 * 1024
BUFFER_MAX_BYTES = 1024 * 1024
FIELDS_MAX_BYTES = 64 * 1024
PARTS_MAX = 20
DRAIN_MAX_BYTES = 80_000_000


class UploadForm:
    """The body of one multipart request. ``fields`` holds what came before the file."""

    def __init__(self, request: Request, file_max_bytes: int) -> None:
        boundary = request.mimetype_params.get("boundary", "")
        if request.mimetype != "multipart/form-data" or not boundary:
            raise InputError("upload.form", "Please send the file with the form of this page.")
        request.max_content_length = file_max_bytes + FIELDS_MAX_BYTES
        self._stream = request.stream
        self._decoder = MultipartDecoder(boundary.encode(), BUFFER_MAX_BYTES, max_parts=PARTS_MAX)
        self._events = self._decode()
        self._file_is_open = False
        self.fields: dict[str, str] = {}
        self.file_name = ""

    def open_file(self) -> None:
        """Read up to the first byte of the file. Raises ``InputError`` when no file was chosen."""
        for event in self._events:
            if isinstance(event, File) and event.filename:
                self.file_name = event.filename
                self._file_is_open = True
                return
            if isinstance(event, Field):
                self.fields[event.name] = self._text()
        raise InputError("upload.no-file", "No file was chosen.", hint="Choose one, then send the form again.")

    def check_token(self) -> None:
        """Raise ``CSRFError`` unless the CSRF token of this session came before the file."""
        try:
            validate_csrf(self.fields.get("csrf_token"))
        except ValidationError as error:
            raise CSRFError(str(error)) from error

    def read(self, _size: int = READ_BYTES) -> bytes:
        """Some bytes of the file; empty at its end. (Their number is as they come, not ``_size``.)"""
        while self._file_is_open:
            event = next(self._events)
            if isinstance(event, Data):
                self._file_is_open = event.more_data
                if event.data:
                    return event.data
        return b""

    def finish(self) -> None:
        """Read what follows the file: proof that the form arrived whole."""
        for _event in self._events:
            pass

    def _text(self) -> str:
        """The value of the field that has just begun."""
        value = b""
        for event in self._events:
            if isinstance(event, Data):
                value += event.data
                if sum(map(len, self.fields.values())) + len(value) > FIELDS_MAX_BYTES:
                    raise RequestEntityTooLarge
                if not event.more_data:
                    break
        return value.decode("utf-8", "replace")

    def _decode(self) -> Iterator[Event]:
        try:
            while not isinstance(event := self._decoder.next_event(), Epilogue):
                if event is NEED_DATA:
                    self._decoder.receive_data(self._stream.read(READ_BYTES) or None)
                else:
                    yield event
        except ValueError as error:
            sentence = "The form did not arrive whole, and nothing was stored."
            raise InputError("upload.cut-off", sentence, hint="Please send it again.") from error


def drain(request: Request) -> None:
    """Read and forget the body of a request that is refused, so that its browser gets to read the answer."""
    request.max_content_length = sys.maxsize  # None would mean the limit of ordinary forms
    left_bytes = DRAIN_MAX_BYTES
    while left_bytes > 0 and (data := request.stream.read(READ_BYTES)):
        left_bytes -= len(data)
