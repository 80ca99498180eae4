"""The framing, against the fixtures that the Rust tests read too."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest
from host import frame, split

from mcp_bridge_guest.channel import reply_id
from mcp_bridge_guest.frames import LARGE, MAX_FRAME, Decoder, FrameError, encode

FOLDER = pathlib.Path(__file__).parents[2] / "tests" / "fixtures" / "frames"
GOOD: list[dict[str, Any]] = json.loads((FOLDER / "frames.json").read_text("utf-8"))
BAD: list[dict[str, Any]] = json.loads((FOLDER / "bad.json").read_text("utf-8"))


def carries(case: dict[str, Any], payload: bytes | bytearray) -> bool:
    if "payload_hex" in case:
        return payload.hex() == str(case["payload_hex"])
    return bool(json.loads(payload) == case["payload"])


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case["name"])
@pytest.mark.parametrize("step", [1, 1000])
def test_good_frames(case: dict[str, Any], step: int) -> None:
    whole = bytes.fromhex(case["hex"])
    decoder = Decoder()
    found = None
    for start in range(0, len(whole), step):
        assert found is None
        decoder.feed(whole[start : start + step])
        found = decoder.next()
    assert found is not None and found[0] == case["kind"].encode() and carries(case, found[1])
    assert not decoder.partial()
    assert encode(*found) == whole == frame(*found)
    assert list(split(whole)) == [(case["kind"], found[1])]


@pytest.mark.parametrize("case", [case for case in BAD if case["error"] != "payload"], ids=lambda case: case["name"])
def test_bad_frames(case: dict[str, Any]) -> None:
    decoder = Decoder()
    decoder.feed(bytes.fromhex(case["hex"]))
    if case["error"] == "length":
        with pytest.raises(FrameError):
            while decoder.next():
                pass
    elif case["error"] == "incomplete":
        assert decoder.next() is None and decoder.partial()
    else:
        found = decoder.next()
        assert found is not None and found[0] not in [good["kind"].encode() for good in GOOD]


def test_many_frames_at_once() -> None:
    decoder = Decoder()
    decoder.feed(b"".join(bytes.fromhex(case["hex"]) for case in GOOD))
    assert [decoder.next() is not None for _ in GOOD] == [True] * len(GOOD)
    assert decoder.next() is None


def test_the_largest_frame() -> None:
    assert len(encode(b"O", bytes(MAX_FRAME - 1))) == MAX_FRAME + 4
    with pytest.raises(FrameError):
        encode(b"O", bytes(MAX_FRAME))


@pytest.mark.parametrize("case", [case for case in GOOD if case["kind"] == "R"], ids=lambda case: case["name"])
def test_whose_reply_it_is(case: dict[str, Any]) -> None:
    assert reply_id(bytes.fromhex(case["hex"])[5:]) == case["payload"]["id"]


def test_a_large_payload_and_what_stands_behind_it() -> None:
    large = bytes(range(256)) * (LARGE // 256)
    whole = encode(b"R", large) + encode(b"R", b"{}")
    decoder = Decoder()
    decoder.feed(whole[:-3])
    assert decoder.next() == (b"R", large)
    assert decoder.next() is None and decoder.partial()
    decoder.feed(whole[-3:])
    assert decoder.next() == (b"R", b"{}")
    assert not decoder.partial()
