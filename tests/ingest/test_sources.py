"""Finding files, judging them by their bytes, noticing changes."""

import os
import stat
import threading

import pytest

from paperlode.ingest.errors import (
    SourceChanged,
    SourceEmpty,
    SourceError,
    SourceNotFound,
    SourceUnreadable,
    SourceUnsupported,
)
from paperlode.ingest.sources import MEDIA_TYPES, check_unchanged, discover, media_type_of, open_source, stamp

PDF = b"%PDF-1.7\n"
HEADS = {
    "application/pdf": PDF,
    "image/png": b"\x89PNG\r\n\x1a\n....",
    "image/jpeg": b"\xff\xd8\xff\xe0....",
    "image/tiff": b"II*\0....",
    "image/webp": b"RIFF\x10\0\0\0WEBPVP8 ",
}


@pytest.fixture
def tree(tmp_path):
    for name in ("b.pdf", "a.PDF", "notes.txt", ".hidden.pdf", "sub/c.png", ".git/d.pdf"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(PDF)
    return tmp_path


def test_a_folder_gives_its_documents_sorted_and_hidden_ones_not(tree):
    """In a folder, files that look like documents are found to the bottom, in order; hidden entries are left out."""
    assert [p.relative_to(tree).as_posix() for p in discover([tree])] == ["a.PDF", "b.pdf", "sub/c.png"]


def test_a_file_named_by_itself_is_taken_whatever_its_extension(tree):
    """The user's word counts more than the extension."""
    assert list(discover([tree / "notes.txt"])) == [tree / "notes.txt"]


def test_a_path_given_twice_is_taken_once(tree):
    """Folder, file, glob and link that lead to the same file give it once."""
    (tree / "link.pdf").symlink_to(tree / "b.pdf")
    found = list(discover([tree / "b.pdf", tree, str(tree / "*.pdf")]))
    assert found == [tree / "b.pdf", tree / "a.PDF", tree / "sub/c.png"]


def test_globs_reach_into_folders(tree):
    """``**`` finds documents below; an absolute pattern works."""
    assert [p.name for p in discover([str(tree / "**" / "*.png")])] == ["c.png"]


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path):
    """What exists by that very name is no pattern."""
    path = tmp_path / "report [final].pdf"
    path.write_bytes(PDF)
    assert list(discover([str(path)])) == [path]


@pytest.mark.parametrize("what", ["missing.pdf", "empty", "nothing-*.pdf"])
def test_what_gives_nothing_is_an_error_value(tmp_path, what):
    """A missing file, a folder without documents and a glob without matches each give one SourceNotFound."""
    (tmp_path / "empty").mkdir()
    (found,) = discover([str(tmp_path / what)])
    assert isinstance(found, SourceNotFound)
    assert what in str(found)


def test_a_loop_of_links_ends(tree):
    """A link to a folder above is followed once."""
    (tree / "sub" / "up").symlink_to(tree)
    assert len(list(discover([tree]))) == 3


def test_an_unreadable_folder_is_an_error_value(tree, monkeypatch):
    """A folder that refuses is reported, and the others are still read."""

    def refuse(path):
        if str(path).endswith("sub"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", refuse)
    found = list(discover([tree]))
    assert [type(f) for f in found if isinstance(f, SourceError)] == [SourceUnreadable]
    assert len(found) == 3


@pytest.mark.parametrize(("media_type", "head"), HEADS.items())
def test_bytes_decide_not_the_extension(tmp_path, media_type, head):
    """A wrong extension changes nothing."""
    path = tmp_path / "picture.doc"
    path.write_bytes(head)
    source = open_source(path)
    assert (source.media_type, source.name, source.size) == (media_type, "picture.doc", len(head))
    assert set(HEADS) == set(MEDIA_TYPES)


def test_a_pdf_header_may_come_late():
    """Up to 1,024 bytes of something else before the header are common and allowed."""
    assert media_type_of(b"\0" * 1000 + PDF) == "application/pdf"


def test_the_digest_is_the_sha256_of_all_bytes(tmp_path):
    """The digest covers a file longer than one piece."""
    import hashlib

    data = PDF + os.urandom(3_000_000)
    (tmp_path / "a.pdf").write_bytes(data)
    assert open_source(tmp_path / "a.pdf").digest == hashlib.sha256(data).hexdigest()


def test_what_cannot_be_taken_says_why(tmp_path):
    """Empty, unknown, folder, dangling link, impossible name: each its own clear error."""
    (tmp_path / "empty.pdf").touch()
    (tmp_path / "text.pdf").write_text("hello")
    (tmp_path / "dangling.pdf").symlink_to(tmp_path / "gone.pdf")
    (tmp_path / "self.pdf").symlink_to(tmp_path / "self.pdf")
    cases = {
        "empty.pdf": SourceEmpty,
        "text.pdf": SourceUnsupported,
        "dangling.pdf": SourceNotFound,
        "self.pdf": SourceNotFound,
        "": SourceUnsupported,
        "nul\0.pdf": SourceNotFound,
    }
    for name, error in cases.items():
        with pytest.raises(error):
            open_source(f"{tmp_path}/{name}")


def test_a_named_pipe_is_refused_at_once(tmp_path):
    """Opening a pipe that nobody writes to must not wait for ever."""
    os.mkfifo(tmp_path / "pipe.pdf")
    assert stat.S_ISFIFO((tmp_path / "pipe.pdf").stat().st_mode)
    errors = []

    def attempt():
        try:
            open_source(tmp_path / "pipe.pdf")
        except SourceUnsupported as exc:
            errors.append(exc)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(5)
    assert errors


def test_no_permission_is_said_so(tmp_path, monkeypatch):
    """PermissionError becomes SourceUnreadable with what to do (simulated: root may read everything)."""

    def refuse(*_args):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.pdf").write_bytes(PDF)
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(SourceUnreadable, match="permissions"):
        open_source(tmp_path / "a.pdf")


def test_a_name_that_is_no_utf8_is_refused_with_a_hint(tmp_path):
    """Such a name could not be stored; the message shows it escaped."""
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.pdf")
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(PDF)
    with pytest.raises(SourceUnreadable, match="Rename"):
        open_source(path)


def test_change_is_noticed_and_a_mere_touch_is_not(tmp_path):
    """Other bytes, or no file, are a change; the same bytes with a new time are none."""
    path = tmp_path / "a.pdf"
    path.write_bytes(PDF)
    before, source = stamp(path), open_source(path)
    check_unchanged(source, before)
    os.utime(path, (1, 1))
    check_unchanged(source, before)
    path.write_bytes(PDF + b"more")
    with pytest.raises(SourceChanged):
        check_unchanged(source, before)
    path.unlink()
    with pytest.raises(SourceChanged):
        check_unchanged(source, before)
