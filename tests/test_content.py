"""What a file is known by: states and fingerprints of files whose bytes are chosen."""

import os

import pytest

from videotag import content
from videotag.errors import UserError

SIZE = 4_000_000  # 16 parts of 65,536 bytes at every 262,297th: the second one begins there


def written(path, data: bytes | bytearray, mtime_ns: int = 7) -> str:
    path.write_bytes(data)
    os.utime(path, ns=(mtime_ns, mtime_ns))
    return str(path)


def test_source_is_size_and_time(tmp_path):
    path = written(tmp_path / "v.mp4", b"abc", 1_700_000_000_123_456_789)
    assert content.source_of(path) == {"size": 3, "mtime_ns": 1_700_000_000_123_456_789}
    with pytest.raises(UserError, match=r"none\.mp4: No such file"):
        content.source_of(str(tmp_path / "none.mp4"))
    with pytest.raises(UserError, match="is no file"):
        content.looked_into(str(tmp_path))


@pytest.mark.parametrize(("at", "told"), [(0, True), (SIZE - 1, True), (262_297, True), (65_536, False)])
def test_a_byte_in_one_of_the_parts_tells(tmp_path, at, told):
    data = bytearray(SIZE)
    before = content.looked_into(written(tmp_path / "a", data))
    data[at] = 1
    after = content.looked_into(written(tmp_path / "b", data))
    assert len(before["fingerprint"]) == 32
    assert content.same(before, after) is not told


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537])
def test_a_small_file_is_read_whole(tmp_path, size):
    one, other = bytes(size), bytes(max(size - 1, 0)) + b"\1"
    states = [content.looked_into(written(tmp_path / name, data)) for name, data in (("a", one), ("b", one))]
    assert states[0] == states[1]
    assert not content.same(states[0], content.looked_into(written(tmp_path / "c", other)))


def test_files_of_zeros_differ_by_their_size(tmp_path):
    prints = {content.looked_into(written(tmp_path / f"{n}", bytes(n)))["fingerprint"] for n in (1, 2, 100_000)}
    assert len(prints) == 3


SECOND = 10**9


@pytest.mark.parametrize(
    ("then", "now", "apart_ns", "same"),
    [
        ({"size": 1, "mtime_ns": 0}, {"size": 1, "mtime_ns": 2 * SECOND}, content.FAT_NS, True),
        ({"size": 1, "mtime_ns": 0}, {"size": 1, "mtime_ns": 2 * SECOND + 1}, content.FAT_NS, False),
        ({"size": 1, "mtime_ns": 0}, {"size": 2, "mtime_ns": 0}, content.FAT_NS, False),
        ({"size": 1, "mtime_ns": 0}, {"size": 1, "mtime_ns": 1}, 0, False),
        # One of an older version tells its time alone.
        ({"size": 1, "mtime_ns": 0}, {"size": 1, "mtime_ns": 0, "fingerprint": "a"}, 0, True),
        ({"size": 1, "mtime_ns": 0, "fingerprint": "a"}, {"size": 1, "mtime_ns": 9, "fingerprint": "a"}, 0, True),
        # Another file with the time of the first, or within two seconds.
        ({"size": 1, "mtime_ns": 0, "fingerprint": "a"}, {"size": 1, "mtime_ns": 0, "fingerprint": "b"}, 0, False),
        ({}, {"size": 1, "mtime_ns": 0}, 0, False),
        ({"size": 1, "mtime_ns": "0"}, {"size": 1, "mtime_ns": 0}, 0, False),
    ],
)
def test_what_states_tell(then, now, apart_ns, same):
    assert content.same(then, now, apart_ns) is same
