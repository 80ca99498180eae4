"""Files that come ahead of a program."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest
from host import Held, Run, structured


def send(guest: Run, folder: pathlib.Path | str, name: str, content: bytes, piece: int = 5) -> None:
    guest.send(b"U", {"name": name, "folder": str(folder), "size": len(content)})
    for at in range(0, len(content), piece):
        guest.send(b"P", content[at : at + piece])


def names(folder: pathlib.Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_files_are_there_when_the_program_begins(tmp_path: pathlib.Path) -> None:
    guest = Run()
    large = bytes(range(256)) * 8192
    for name, content in (("a.csv", b"x,y\n1,2\n"), ("empty", b""), ("größe 資料.bin", bytes(range(256)))):
        send(guest, tmp_path, name, content)
    send(guest, tmp_path, "large", large, 256 * 1024)
    code = "[(path.name, len(path.read_bytes())) for path in runtime.files()]"
    expected = [["a.csv", 8], ["empty", 0], ["größe 資料.bin", 256], ["large", len(large)]]
    assert guest.next(code, session=False).result == expected
    guest.end()
    assert (tmp_path / "large").read_bytes() == large
    assert (tmp_path / "a.csv").stat().st_mode & 0o777 == 0o644
    assert names(tmp_path) == ["a.csv", "empty", "größe 資料.bin", "large"]


def test_without_files_there_are_none() -> None:
    guest = Run()
    assert guest.next("(list(runtime.files()), await runtime.files())").result == [[], []]
    guest.close()


def test_a_file_of_a_session_stays_until_a_new_one_takes_its_place(tmp_path: pathlib.Path) -> None:
    guest = Run()
    send(guest, tmp_path, "a", b"old")
    assert guest.next("kept = open(runtime.files()[0]); kept.read(1)").result == "o"
    assert guest.next("runtime.files()[0].read_text()").result == "old"
    send(guest, tmp_path, "a", b"new and longer")
    send(guest, tmp_path, "b", b"2")
    # Whatever reads the old one reads it to its end.
    code = "kept.read(), [path.read_text() for path in runtime.files()]"
    assert guest.next(code).result == ["ld", ["new and longer", "2"]]
    guest.close()


def test_links_that_a_program_left_lead_nowhere(tmp_path: pathlib.Path) -> None:
    folder, outside = tmp_path / "workspace", tmp_path / "outside"
    folder.mkdir()
    outside.write_text("untouched")
    guest = Run()
    guest.next(f"import os\nfor name in ('a', '.upload.'): os.symlink({str(outside)!r}, {str(folder)!r} + '/' + name)")
    send(guest, folder, "a", b"new")
    assert guest.next("runtime.files()[0].read_text()").result == "new"
    assert outside.read_text() == "untouched"
    assert names(folder) == ["a"] and not (folder / "a").is_symlink()
    guest.close()


@pytest.mark.parametrize(
    ("prepare", "folder", "reason"),
    [
        ("os.mkdir(folder + '/a')", "", "[Errno 21]"),
        ("os.mkdir(folder + '/.upload.')", "", "[Errno "),
        ("None", "/missing", "[Errno 2]"),
    ],
)
def test_a_file_that_cannot_be_written_keeps_its_program_from_running(
    tmp_path: pathlib.Path, prepare: str, folder: str, reason: str
) -> None:
    guest = Run()
    guest.next(f"import os\nran = []\nfolder = {str(tmp_path)!r}\n{prepare}")
    begun = guest.begun
    send(guest, f"{tmp_path}{folder}", "a", b"0123456789")
    send(guest, tmp_path, "b", b"2")
    refused: dict[str, Any] | None = guest.next("ran.append(1)").finished
    assert refused and refused["outcome"] == "refused"
    assert refused["error"]["type"] == "FileNotWritten"
    message = refused["error"]["message"]
    assert message.startswith(f"a (10 bytes) could not be written to {tmp_path}{folder}: {reason}"), message
    assert guest.begun == begun
    # The session goes on, and what comes now is written.
    guest.next("if os.path.isdir(folder + '/.upload.'): os.rmdir(folder + '/.upload.')")
    send(guest, tmp_path, "c", b"3")
    assert guest.next("ran, [path.name for path in runtime.files()]").result == [[], ["c"]]
    assert not (tmp_path / "b").exists()
    guest.close()


def test_without_a_session_a_refused_program_ends_the_worker() -> None:
    guest = Run()
    send(guest, "/missing", "a", b"1")
    refused: dict[str, Any] | None = guest.next("1", session=False).finished
    assert refused and refused["outcome"] == "refused"
    guest.end()
    assert guest.exited and guest.exited["code"] == 0


def test_a_full_disk_is_told_and_the_old_file_stays_whole(tmp_path: pathlib.Path) -> None:
    guest = Run()
    guest.next("import resource")
    send(guest, tmp_path, "a", b"old")
    # A limit on the size of files stands for the end of the disk: the kernel takes a part of a piece, and then nothing.
    assert guest.next("resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))").result is None
    send(guest, tmp_path, "a", bytes(5000), 700)
    refused: dict[str, Any] | None = guest.next("1").finished
    assert refused and refused["outcome"] == "refused" and "[Errno 27]" in refused["error"]["message"]
    assert guest.next("runtime.files()[0].read_text()").result == "old"
    assert names(tmp_path) == ["a"]
    guest.close()


def test_a_thread_that_waits_for_a_call_takes_the_next_programs_files_too(tmp_path: pathlib.Path) -> None:
    held: list[int] = []

    def answer(call: dict[str, Any]) -> Any:
        held.append(call["id"])
        return Held()

    guest = Run(answer=answer)
    guest.next("import threading\nask = lambda: runtime.call_tool_sync('x', 'slow')")
    guest.next("thread = threading.Thread(target=ask); thread.start()")
    guest.until(lambda: held)
    send(guest, tmp_path, "a", b"one")
    assert guest.next("runtime.files()[0].read_text()").result == "one"
    guest.reply(held[0], structured({"ok": 1}))
    guest.next("thread.join(10)")
    guest.close()
