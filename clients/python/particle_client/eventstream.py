"""The parser of `text/event-stream`, after the rules of the WHATWG's HTML standard."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

__all__ = ["EventStream", "Message"]

_LINE_END = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True)
class Message:
    """One block of the stream. `data` and `id` are None for a block without such a line."""

    event: str
    data: str | None
    id: str | None


class EventStream:
    """Turns chunks of bytes, cut anywhere, into messages.

    A `retry:` is ignored, because it is for an EventSource: the client has delays of its own.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
        self._tail: list[str] = []
        self._after_cr = False
        self._event = ""
        self._data: list[str] = []
        self._id: str | None = None

    def feed(self, chunk: bytes) -> list[Message]:
        """Returns the messages that end in this chunk."""
        text = self._decoder.decode(chunk)
        if text and self._after_cr:
            # The CR at the end of the last chunk has ended its line: an LF after it belongs to it.
            text = text[1:] if text[0] == "\n" else text
            self._after_cr = False
        if not text:
            return []
        self._after_cr = text[-1] == "\r"
        first, *rest = _LINE_END.split(text)
        self._tail.append(first)
        if not rest:
            return []
        lines = ["".join(self._tail), *rest]
        self._tail = [lines.pop()]
        messages = []
        for line in lines:
            if line:
                self._field(line)
            else:
                messages += self._dispatch()
        return messages

    def _field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value[1:] if value.startswith(" ") else value
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id":
            self._id = self._id if "\0" in value else value

    def _dispatch(self) -> list[Message]:
        data = "\n".join(self._data) if self._data else None
        message = Message(self._event or "message", data, self._id)
        self._event, self._data, self._id = "", [], None
        return [] if message.data is None and message.id is None else [message]
