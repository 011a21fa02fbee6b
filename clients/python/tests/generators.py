"""Documents and operations for property tests."""

from __future__ import annotations

from hypothesis import strategies as st

from particle_client import Operation
from particle_client.types import MISSING

TEXTS = st.sampled_from(["", "a", "b", "1", "5", "é", "\uffee", "😀"])
NUMBERS = st.one_of(st.integers(-5, 5), st.sampled_from([0.5, -1.5, 1e300, 2**53]))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda values: st.one_of(
        st.lists(values, max_size=3),
        st.dictionaries(st.sampled_from(["a", "b", "_id", "é", "\uffee", "😀"]), values, max_size=3),
    ),
    max_leaves=6,
)
IDS = st.sampled_from([1, 5, "5", "a.b", True, None])
ELEMENTS = st.lists(
    st.one_of(VALUES, st.fixed_dictionaries({"_id": IDS}, optional={"a": VALUES, "b": VALUES})), max_size=4
)
DOCUMENTS = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.one_of(VALUES, ELEMENTS)).map(
    lambda fields: {"_id": 1, **fields}
)

SEGMENTS = st.sampled_from(
    ["a", "b", "c", "a", "b", "0", "1", "4", "a[5]", "b[1]", "a[x]", "b[true]", "a[-1]", "_id"]
)
ODD_PATHS = [
    "",
    "a.",
    ".a",
    "a..b",
    "a[",
    "a[]",
    "a]",
    "[5]",
    "a[5]b",
    "a[5][1]",
    "a[a.b].c",
    "00",
    "a.01",
    "a b",
]
REFUSED = ["__proto__.a", "a.constructor", "a[prototype]"]
PATHS = st.one_of(
    st.lists(SEGMENTS, min_size=1, max_size=3).map(".".join), st.sampled_from([*ODD_PATHS, *REFUSED])
)
PUSHES = st.fixed_dictionaries(
    {"$each": st.lists(VALUES, max_size=3)},
    optional={
        "$position": st.integers(-3, 4),
        "$slice": st.integers(-3, 4),
        "$sort": st.one_of(
            st.sampled_from([1, -1]),
            st.dictionaries(st.sampled_from(["a", "b", "a.b"]), st.sampled_from([1, -1]), max_size=2),
        ),
    },
)
KINDS = [
    *("set", "unset", "inc", "mul", "min", "max", "rename", "push", "pushAll", "addToSet"),
    *("pop", "pull", "pullAll", "truncate", "noop", "bogus"),
]
DATA = st.one_of(st.just(MISSING), VALUES, PUSHES, st.lists(VALUES, max_size=3), st.integers(-2, 4), PATHS)
OPERATIONS = st.builds(Operation, st.sampled_from(KINDS), st.just(1), PATHS, DATA)
