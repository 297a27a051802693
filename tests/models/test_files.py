"""Files are written as a whole or not at all, and by one process at a time."""

import os
import threading
from pathlib import Path

import pytest

from noisevote.models.files import hold, write_whole
from tests.disk import LIMIT, files_of_at_most, held_elsewhere


def test_a_file_that_does_not_fit_the_disk_keeps_what_it_held(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_whole(path, b"before")
    with files_of_at_most(), pytest.raises(OSError, match="File too large"):
        write_whole(path, bytes(2 * LIMIT))
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_left_is_removed_by_who_holds_the_file(tmp_path: Path) -> None:
    path = tmp_path / "state[1].pt"
    left, fresh, other = (
        tmp_path / name
        for name in (".state[1].pt.00.partial", ".state[1].pt.01.partial", ".state1.pt.00.partial")
    )
    for file in (left, fresh, other):
        file.touch()
    for file in (left, other):
        os.utime(file, (0, 0))
    hold(path).close()
    assert sorted(tmp_path.iterdir()) == sorted([fresh, other])


def test_a_file_keeps_its_rights(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    path.touch(0o604)
    write_whole(path, b"new")
    assert path.stat().st_mode & 0o777 == 0o604


@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "loop"])
def test_what_is_no_file_is_neither_held_nor_replaced(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "results.csv"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/null" if kind == "device" else path.name)
    before = path.lstat()
    for use in (lambda: hold(path), lambda: write_whole(path, b"new")):
        with pytest.raises(OSError, match="it is "):
            use()
    assert os.path.samestat(path.lstat(), before)
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_one_and_its_file_is_written(tmp_path: Path) -> None:
    link, file = tmp_path / "results.csv", tmp_path / "elsewhere" / "results.csv"
    link.symlink_to(file)
    hold(link).close()
    for content in (b"first", b"second"):
        write_whole(link, content)
        assert file.read_bytes() == content
    assert link.is_symlink()
    assert list(file.parent.iterdir()) == [file]


def test_one_process_holds_a_file_and_its_death_gives_it_back(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "results.csv"
    with held_elsewhere(path) as other:
        with pytest.raises(BlockingIOError):
            hold(path)
        other.kill()
        other.wait()
        kept = hold(path)
        assert hold(path) is kept
    kept.close()
    assert list(path.parent.iterdir()) == []
    hold(path).close()


def test_whoever_waits_gets_the_file_when_the_other_process_is_done(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    got = threading.Event()

    def wait() -> None:
        hold(path, waits=True).close()
        got.set()

    with held_elsewhere(path) as other:
        waiting = threading.Thread(target=wait)
        waiting.start()
        assert not got.is_set()
        assert other.stdin is not None
        other.stdin.close()
        waiting.join(60)
    assert got.is_set()
    assert list(tmp_path.iterdir()) == []
