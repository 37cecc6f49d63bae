"""Hashes begun while the program is still being imported count only of what the files hold when asked."""

import hashlib
import os
from types import SimpleNamespace

import pytest

from landremed.reuse import begun


@pytest.fixture(autouse=True)
def nothing_begun(monkeypatch):
    monkeypatch.setattr(begun, "_mapped", {})
    monkeypatch.setattr(begun, "_hashed", {})


@pytest.fixture
def layers(tmp_path):
    """A project of a few layers, and their files."""
    named = {"a.gpkg": b"a" * 70_000, "b.geojson": b"", "c.shp": b"c", "d.gpkg:roads": b"d"}
    for name, data in named.items():
        (tmp_path / name.split(":")[0]).write_bytes(data)
    specs = [SimpleNamespace(path=name, layer=None) for name in [*named, "none.gpkg", "a.gpkg"]]
    return SimpleNamespace(base=tmp_path, layers=specs)


def sha(data):
    return hashlib.sha256(data).hexdigest()


def test_hashes_are_those_of_the_files(layers):
    begun.begin(None, layers)
    assert sorted(path.name for path in begun._hashed) == ["a.gpkg", "b.geojson", "d.gpkg"]
    for path in layers.base.iterdir():
        assert begun.file_hash(path) == sha(path.read_bytes())
        assert begun.file_hash(path) == sha(path.read_bytes())  # two layers may lie in one file


@pytest.mark.parametrize("keep_time", [False, True])
def test_a_file_written_to_since_is_hashed_again(layers, keep_time):
    begun.begin(None, layers)
    path = layers.base / "a.gpkg"
    assert begun.file_hash(path) == sha(b"a" * 70_000)
    before = path.stat()
    path.write_bytes(b"a" * (69_999 + keep_time) + (b"" if keep_time else b"b"))
    other = path.with_name("other.gpkg")
    other.write_bytes(b"x" * 70_000)
    if keep_time:  # another file of the same size and time took its place
        os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
        other.replace(path)
    else:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert begun.file_hash(path) == sha(path.read_bytes())


def test_what_was_not_begun_is_not_waited_for(layers, monkeypatch):
    monkeypatch.setattr(begun, "_start", lambda tasks: None)
    begun.begin(None, layers)
    assert begun.file_hash(layers.base / "a.gpkg") == sha(b"a" * 70_000)


def test_what_stopped_a_hash_is_told_to_whoever_asks(layers, monkeypatch):
    def refused(path):
        raise PermissionError(13, "no", str(path))

    monkeypatch.setattr(begun, "_hash_of", refused)
    begun.begin(None, layers)
    with pytest.raises(PermissionError):
        begun.file_hash(layers.base / "a.gpkg")


def test_files_beside_a_result_are_those_that_lay_there_when_it_was_begun(tmp_path, layers, monkeypatch):
    monkeypatch.setattr(begun, "PIECE", 1000)
    result = tmp_path / "r.gpkg"
    body = bytes(range(256)) * 11
    begun.measures_path(result).write_bytes(bytes(begun.FIRST) + body)
    begun.layers_path(result).mkdir()  # cannot be opened: told when it is asked for
    begun.begin(result, layers)
    later = tmp_path / "later"
    later.write_bytes(b"something else")
    later.replace(begun.measures_path(result))
    file = begun.open_mapped(begun.measures_path(result))
    pieces = [body[at : at + 1000] for at in range(0, len(body), 1000)]
    expected = hashlib.sha256(b"".join(hashlib.sha256(piece).digest() for piece in pieces)).digest()
    assert (bytes(file.raw[begun.FIRST :]), file.seal.result()) == (body, expected)
    assert bytes(begun.open_mapped(begun.measures_path(result)).raw) == b"something else"
    with pytest.raises(OSError):  # noqa: PT011  which one is the system's affair
        begun.open_mapped(begun.layers_path(result))
    begun.begin("/", layers)
