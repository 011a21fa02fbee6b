"""JSON values as MongoDB compares them, and as JavaScript writes them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Hashable
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .types import JSON

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")

__all__ = ["canonical", "compare", "equal", "is_number", "key_of", "number_text"]


def is_number(value: object) -> bool:
    """Tells whether a value is a number of JSON, which True is not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def key_of(id: JSON) -> Hashable:
    """Returns what an `_id` is found by in a dict: 1 and 1.0 are the same id, but True and "1" are others."""
    if isinstance(id, str) or is_number(id):
        return id  # type: ignore[return-value]
    return ("json", canonical(id))


def equal(a: JSON, b: JSON) -> bool:
    """Compares as MongoDB does: True is not 1, and the order of an object's fields counts."""
    return compare(a, b) == 0


def compare(a: JSON, b: JSON) -> int:
    """Orders any two values as MongoDB does: null, numbers, texts, objects, arrays, booleans."""
    rank_a, rank_b = _rank(a), _rank(b)
    if rank_a != rank_b:
        return -1 if rank_a < rank_b else 1
    if isinstance(a, dict) and isinstance(b, dict):
        for (name_a, value_a), (name_b, value_b) in zip(a.items(), b.items()):
            order = (
                _sign(_rank(value_a), _rank(value_b)) or _sign(name_a, name_b) or compare(value_a, value_b)
            )
            if order:
                return order
        return _sign(len(a), len(b))
    if isinstance(a, list) and isinstance(b, list):
        for item_a, item_b in zip(a, b):
            order = compare(item_a, item_b)
            if order:
                return order
        return _sign(len(a), len(b))
    return 0 if a is None else _sign(a, b)


def _rank(value: object) -> int:
    if value is None:
        return 0
    if isinstance(value, bool):
        return 5
    if isinstance(value, (int, float)):
        return 1
    return 2 if isinstance(value, str) else 3 if isinstance(value, dict) else 4


def _sign(a: object, b: object) -> int:
    return (a > b) - (a < b)  # type: ignore[operator,no-any-return]


def number_text(value: int | float) -> str:
    """Writes a number as JavaScript does: 7 for 7.0, and 1e-7 for 1e-07."""
    if isinstance(value, int) and abs(value) <= 2**53:
        return str(value)
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("a number that is not finite has no form in JSON")
    if number == 0:
        return "0"
    decimal = Decimal(repr(number)).normalize().as_tuple()
    digits = "".join(map(str, decimal.digits))
    point = len(digits) + int(decimal.exponent)
    if len(digits) <= point <= 21:
        text = digits.ljust(point, "0")
    elif 0 < point <= 21:
        text = f"{digits[:point]}.{digits[point:]}"
    elif -6 < point <= 0:
        text = "0." + "0" * -point + digits
    else:
        fraction = f".{digits[1:]}" if len(digits) > 1 else ""
        text = f"{digits[0]}{fraction}e{'+' if point > 0 else '-'}{abs(point - 1)}"
    return f"-{text}" if decimal.sign else text


def canonical(value: JSON) -> str:
    """Writes JSON as JavaScript does, without spaces, with the keys in the order of their UTF-16 units."""
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{canonical(name)}:{canonical(value[name])}" for name in names) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, str):
        return _LONE_SURROGATE.sub(
            lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False)
        )
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    return number_text(value)
