"""The parser of event streams."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from particle_client.eventstream import EventStream, Message


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("data: a\n\n", [Message("message", "a", None)]),
        ("data:a\r\rdata: b\r\n\r\n", [Message("message", "a", None), Message("message", "b", None)]),
        ("event: x\ndata:  two\ndata\ndata: lines\n\n", [Message("x", " two\n\nlines", None)]),
        (": comment\nretry: 5\nfoo: bar\n\ndata: a\n\n", [Message("message", "a", None)]),
        ("id: 1\n\nid\ndata: a\n\n", [Message("message", None, "1"), Message("message", "a", "")]),
        ("id: a\0b\ndata: a\n\n", [Message("message", "a", None)]),
        ("event: x\n\ndata: a\n\n", [Message("message", "a", None)]),
        ("\ufeffdata: a\n\ndata: not ended\n", [Message("message", "a", None)]),
    ],
)
def test_follows_the_standard(text: str, messages: list[Message]) -> None:
    assert EventStream().feed(text.encode()) == messages


LINES = st.sampled_from(
    ["data: é😀", "data", "event: x", "id: 7", "id", ": c", "", "", "\ufeffdata: a", "data:\0"]
)
ENDS = st.sampled_from(["\n", "\r", "\r\n"])


@given(st.lists(st.tuples(LINES, ENDS)), st.lists(st.integers(0, 200)))
def test_gives_the_same_wherever_the_stream_is_cut(lines: list[tuple[str, str]], cuts: list[int]) -> None:
    stream = "".join(line + end for line, end in lines).encode()
    parser = EventStream()
    chunks = [stream[start:end] for start, end in pairwise([0, *sorted(cuts), len(stream)])]
    messages = [message for chunk in chunks for message in parser.feed(chunk)]
    assert messages == EventStream().feed(stream)
