"""Python values as plain JSON values, with the place named where that cannot be."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Union

    Place = Union[str, tuple["Place", Any]]

# The host's reader of JSON goes 128 levels down; an argument lies a few levels below the frame's own.
MAX_DEPTH = 120
SMALL = 2**53  # any number below it will do: it is the greatest that every reader of JSON keeps


class NotPlain(Exception):
    """The value is not JSON. The text says where and why."""


def spelled(place: Place) -> str:
    """A place in words: `result['rows'][3]`. Only faults need it, so it is kept as the steps that lead there."""
    steps = []
    while isinstance(place, tuple):
        place, step = place
        steps.append(f"[{step!r}]")
    return place + "".join(reversed(steps))


def is_plain(value: Any) -> bool:
    """Whether a value is what most are, plain without a second look."""
    kind = type(value)
    if kind is str:
        return bool(value.isascii())
    return value is None or kind is bool or (kind is int and -SMALL < value < SMALL)


def plain(value: Any, place: Place, convert: bool, depth: int = 0) -> Any:
    """A copy of `value` of JSON types only. With `convert`, what has an obvious JSON form gets it (a path, a date, a
    set, a dataclass...); without, only what is JSON already passes, tuples included."""
    kind = type(value)
    if kind is str:
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise NotPlain(f"{spelled(place)} holds a lone surrogate, which is not a character") from None
        return value
    if value is None or kind is bool:
        return value
    if kind is int:
        return whole(value, place, convert)
    if kind is float:
        if value - value != 0:
            raise NotPlain(f"{spelled(place)} is {value}, which JSON does not have")
        return value
    if depth > MAX_DEPTH:
        raise NotPlain(f"{spelled(place)[:60]}... is nested more than {MAX_DEPTH} levels deep, or holds itself")
    if isinstance(value, dict):
        result = {}
        for key, item in value.items():
            if type(key) is not str:
                if not convert or not isinstance(key, (str, int)):
                    raise NotPlain(f"{spelled(place)} has the key {key!r}, which is not a string")
                key = str(plain(key, place, convert, depth + 1))
            if not key.isascii():
                key = plain(key, place, convert, depth + 1)
            result[key] = item if is_plain(item) else plain(item, (place, key), convert, depth + 1)
        return result
    if isinstance(value, (list, tuple)):
        return [
            item if is_plain(item) else plain(item, (place, index), convert, depth + 1)
            for index, item in enumerate(value)
        ]
    if not convert:
        raise NotPlain(f"{spelled(place)} is of the type {kind.__name__}")
    return plain(converted(value, place), place, convert, depth + 1)


def whole(value: int, place: Place, exact: bool) -> int:
    """An integer that the host keeps: with `exact` to the last digit, as far as floats reach."""
    if -(2**63) <= value < 2**64:
        return value
    if not exact:
        raise NotPlain(f"{spelled(place)} is an integer of more than 64 bits")
    try:
        float(value)
    except OverflowError:
        raise NotPlain(f"{spelled(place)} is an integer beyond what floats reach (1.8e308); send it as text") from None
    return value


def converted(value: Any, place: Place) -> Any:
    """One step from a value that is not JSON towards one that is."""
    kind = type(value)
    if isinstance(value, sys.modules["enum"].Enum):
        return value.value
    for base in (str, int, float):
        if isinstance(value, base):
            return base(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, (set, frozenset)):
        try:
            return sorted(value)
        except TypeError:
            return list(value)
    if hasattr(kind, "__dataclass_fields__"):
        return {name: getattr(value, name) for name in kind.__dataclass_fields__}
    for method in ("isoformat", "tolist", "model_dump", "_asdict"):  # dates; numpy; pydantic; namedtuple-like
        if hasattr(kind, method):
            return getattr(value, method)()
    if isinstance(value, (range, type({}.keys()), type({}.values()))):
        return list(value)
    if kind.__name__ in ("UUID", "Decimal"):
        return str(value)
    if hasattr(kind, "__await__"):
        raise NotPlain(f"{spelled(place)} is a {kind.__name__}; await it first")
    if isinstance(value, (bytes, bytearray, memoryview)):
        raise NotPlain(f"{spelled(place)} is {kind.__name__}; decode it to text, or encode it with base64")
    raise NotPlain(f"{spelled(place)} is of the type {kind.__name__}, which has no JSON form")
