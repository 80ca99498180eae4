"""Results as objects: `item.id` and `item["id"]` are the same."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any


def nearest(name: str, names: Any) -> str | None:
    """The one of `names` that was most likely meant."""
    import difflib

    found = difflib.get_close_matches(name, [str(each) for each in names], 1, 0.6)
    return found[0] if found else None


class Record(dict):  # type: ignore[type-arg]
    """A dict whose keys are attributes too. Where a key has the name of a dict method, the method wins."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            pass
        if name[:2] == "__":
            raise AttributeError(name)
        close = nearest(name, self)
        keys = ", ".join(map(str, list(self)[:20])) or "none"
        meant = f"; did you mean {close!r}?" if close else ""
        raise AttributeError(f"the result has no {name!r}{meant} (keys: {keys})")

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        try:
            del self[name]
        except KeyError:
            raise AttributeError(name) from None

    def copy(self) -> Record:
        """A shallow copy that is a Record too."""
        return Record(self)


class ReadyRecord(Record):
    """A Record that was had without waiting, from a function that people like to `await` all the same."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, ReadyRecord]:
        yield from ()
        return self


class ReadyTuple(tuple):  # type: ignore[type-arg]
    """The same for a tuple."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, ReadyTuple]:
        yield from ()
        return self
