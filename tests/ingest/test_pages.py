"""Files become pictures of pages, and what cannot be opened or decoded says why."""

from __future__ import annotations

import io
import struct
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pymupdf
import pytest
from PIL import Image

from paperlode.ingest.document import Box
from paperlode.ingest.errors import (
    PageTooLarge,
    PageUnreadable,
    SourceCorrupt,
    SourceEmpty,
    SourceEncrypted,
    SourceUnreadable,
)
from paperlode.ingest.pages import (
    MAX_RENDER_SIDE,
    PageRef,
    count_pages,
    page_size,
    read_picture,
    render_page,
)

ARCHIVE = Path(__file__).resolve().parents[2] / "samples" / "archive"


def pdf(path: Path, texts: list[str], **saving: Any) -> str:
    """A PDF with one page of 200 by 300 points for each text."""
    doc = pymupdf.open()
    for text in texts:
        doc.new_page(width=200, height=300).insert_text((20, 40), text)
    doc.save(path, **saving)
    return str(path)


def picture(path: Path, image: Image.Image, **saving: Any) -> PageRef:
    """A reference to the image, saved in the format of its extension."""
    image.save(path, **saving)
    return PageRef(str(path), 0, pdf=False)


def white_png(path: Path, width: int, height: int) -> PageRef:
    """A white 1-bit PNG, written by hand: PIL would hold every pixel in a byte."""

    def part(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = zlib.compress((b"\0" + b"\xff" * -(-width // 8)) * height, 1)
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", rows) + part(b"IEND", b""))
    return PageRef(str(path), 0, pdf=False)


def test_password_opens_an_encrypted_document(tmp_path: Path) -> None:
    """Without a password and with a wrong one the document is refused, with the right one it opens."""
    path = pdf(tmp_path / "locked.pdf", ["one", "two"], encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="right")
    with pytest.raises(SourceEncrypted, match="is encrypted"):
        count_pages(PageRef(path, 0, pdf=True))
    with pytest.raises(SourceEncrypted, match="another password"):
        count_pages(PageRef(path, 0, pdf=True, password="wrong"))  # noqa: S106
    assert count_pages(PageRef(path, 0, pdf=True, password="right")) == 2  # noqa: S106


def test_document_without_user_password_opens(tmp_path: Path) -> None:
    """A document encrypted for printing only (owner password) needs none to be read."""
    path = pdf(tmp_path / "owner.pdf", ["x"], encryption=pymupdf.PDF_ENCRYPT_AES_256, owner_pw="owner")
    assert count_pages(PageRef(path, 0, pdf=True)) == 1


@pytest.mark.parametrize("length", [5, 200, 700, 900, 3000])
def test_pdf_cut_to_its_head_is_corrupt(tmp_path: Path, length: int) -> None:
    """The first bytes of a PDF, wherever the cut falls, are a SourceCorrupt with advice, never a foreign exception."""
    path = tmp_path / "cut.pdf"
    path.write_bytes((ARCHIVE / "supply_agreement.pdf").read_bytes()[:length])
    with pytest.raises(SourceCorrupt, match="get it again"):
        count_pages(PageRef(str(path), 0, pdf=True))


def test_pdf_without_its_last_bytes_still_opens(tmp_path: Path) -> None:
    """A lost cross-reference table is repaired: all pages are there."""
    path = tmp_path / "cut.pdf"
    path.write_bytes((ARCHIVE / "supply_agreement.pdf").read_bytes()[:-300])
    assert count_pages(PageRef(str(path), 0, pdf=True)) == 14


def test_pdf_without_pages_is_empty(tmp_path: Path) -> None:
    """A page tree of no pages is a SourceEmpty."""
    path = tmp_path / "none.pdf"
    path.write_bytes(
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n"
        b"trailer<</Root 1 0 R>>\n%%EOF"
    )
    with pytest.raises(SourceEmpty, match="has no pages"):
        count_pages(PageRef(str(path), 0, pdf=True))


def test_missing_files_are_unreadable(tmp_path: Path) -> None:
    """A file that went away is a SourceUnreadable, PDF and picture alike."""
    for name in ("gone.pdf", "gone.png"):
        with pytest.raises(SourceUnreadable):
            count_pages(PageRef(str(tmp_path / name), 0, pdf=name.endswith("pdf")))


def test_damaged_pictures(tmp_path: Path) -> None:
    """Bytes that are no picture are a SourceCorrupt; a picture cut short opens, and its page is unreadable."""
    junk = tmp_path / "junk.png"
    junk.write_bytes(b"no picture at all")
    with pytest.raises(SourceCorrupt):
        count_pages(PageRef(str(junk), 0, pdf=False))
    cut = tmp_path / "cut.jpg"
    cut.write_bytes((ARCHIVE / "receipt_photo.jpg").read_bytes()[:20_000])
    ref = PageRef(str(cut), 0, pdf=False)
    assert count_pages(ref) == 1
    with pytest.raises(PageUnreadable, match="page 1 of"):
        read_picture(ref, dpi=100)


def test_a_changed_file_is_opened_anew(tmp_path: Path) -> None:
    """The document kept open for the next page is not used for other bytes under the same name."""
    path = tmp_path / "same.pdf"
    assert count_pages(PageRef(pdf(path, ["a"]), 0, pdf=True)) == 1
    assert count_pages(PageRef(pdf(path, ["a", "b", "c"]), 0, pdf=True)) == 3


# ------------------------------------------------------------------------------------------------------------- sizes


@pytest.mark.parametrize(
    ("pixels", "dpi", "points"),
    [
        ((850, 1100), (100, 100), (612, 792)),  # the file's own resolution
        ((1728, 1078), (204, 98), (609.88, 792.0)),  # a fax: two resolutions
        ((1000, 2000), None, (396, 792)),  # unknown: the longest side is a letter page's
        ((1000, 2000), (0, 0), (396, 792)),
        ((1000, 2000), (1, 1), (396, 792)),  # not believable
        ((1000, 2000), (4800, 4800), (396, 792)),
        ((100, 50), (300, 300), (792, 396)),  # a third of an inch is no page
        ((30000, 1000), (72, 72), (792, 26.4)),  # nor are thirty-five feet
    ],
)
def test_page_size(pixels: tuple[int, int], dpi: tuple[float, float] | None, points: tuple[float, float]) -> None:
    """A believable resolution gives the size in points; otherwise the longest side is taken for 11 inches."""
    assert page_size(*pixels, dpi) == pytest.approx(points, abs=0.01)


# ---------------------------------------------------------------------------------------------------------- pictures


def test_transparent_parts_are_white(tmp_path: Path) -> None:
    """Transparency is paper: black text on nothing is black on white, also with a palette."""
    image = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (10, 10, 20, 20))
    palette = Image.new("P", (40, 40), 0)
    palette.putpalette([0, 0, 0, 0, 0, 0])
    palette.paste(1, (10, 10, 20, 20))
    for ref in (
        picture(tmp_path / "rgba.png", image),
        picture(tmp_path / "la.png", image.convert("LA")),
        picture(tmp_path / "p.png", palette, transparency=0),
        picture(tmp_path / "rgba.webp", image, lossless=True),
    ):
        pixels, _, _ = read_picture(ref, dpi=100)
        assert pixels.shape == (40, 40, 3)
        assert pixels[5, 5].tolist() == [255, 255, 255]
        assert pixels[15, 15].tolist() == [0, 0, 0]


@pytest.mark.parametrize("extension", ["png", "tif"])
def test_sixteen_bit_gray_keeps_its_tones(tmp_path: Path, extension: str) -> None:
    """16-bit gray values are brought to 8 bits by their range, not cut off at 255."""
    gray = np.full((20, 30), 60000, dtype=np.uint16)
    gray[:, :10] = 1000
    gray[:, 10:20] = 30500
    pixels, _, _ = read_picture(picture(tmp_path / f"deep.{extension}", Image.fromarray(gray)), dpi=100)
    assert pixels[5, 5].tolist() == [0, 0, 0]
    assert pixels[5, 25].tolist() == [255, 255, 255]
    assert 125 <= int(pixels[5, 15, 0]) <= 130


def test_a_blank_sixteen_bit_page_is_no_black_one(tmp_path: Path) -> None:
    """White paper without a mark stays white."""
    gray = np.full((20, 30), 65535, dtype=np.uint16)
    pixels, _, _ = read_picture(picture(tmp_path / "blank.png", Image.fromarray(gray)), dpi=100)
    assert pixels.min() == 255


@pytest.mark.parametrize("mode", ["1", "L", "CMYK"])
def test_other_modes_become_rgb(tmp_path: Path, mode: str) -> None:
    """Bilevel, gray and CMYK pictures arrive as three channels, white as white."""
    pixels, _, _ = read_picture(picture(tmp_path / "x.tif", Image.new("RGB", (30, 20), "white").convert(mode)), dpi=100)
    assert pixels.shape == (20, 30, 3)
    assert pixels.min() == 255


@pytest.mark.parametrize(("orientation", "corner"), [(1, (0, 0)), (3, (-1, -1)), (6, (0, -1)), (8, (-1, 0))])
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int, corner: tuple[int, int]) -> None:
    """A photo is turned as its camera says, and its size in points turns with it."""
    image = Image.new("RGB", (400, 600), "white")
    image.paste((0, 0, 0), (0, 0, 100, 100))  # top left as stored
    exif = Image.Exif()
    exif[0x0112] = orientation
    ref = picture(tmp_path / "turned.jpg", image, exif=exif, dpi=(100, 100))
    pixels, width, height = read_picture(ref, dpi=100)
    lying = orientation in (6, 8)
    assert pixels.shape == ((400, 600, 3) if lying else (600, 400, 3))
    assert (width, height) == ((432, 288) if lying else (288, 432))
    row, col = (50 if c == 0 else -50 for c in corner)
    assert pixels[row, col].max() < 40


def test_multi_page_tiff(tmp_path: Path) -> None:
    """Every frame of a TIFF is a page of its own size."""
    path = tmp_path / "fax.tif"
    frames = [Image.new("L", (100 + 10 * i, 200), 50 * i) for i in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert count_pages(PageRef(str(path), 0, pdf=False)) == 3
    for i in (2, 0, 1):
        pixels, _, _ = read_picture(PageRef(str(path), i, pdf=False), dpi=100)
        assert pixels.shape == (200, 100 + 10 * i, 3)
        assert pixels[9, 9, 0] == 50 * i
    with pytest.raises(PageUnreadable):
        read_picture(PageRef(str(path), 3, pdf=False), dpi=100)


def test_too_many_pixels_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    """A picture of 300 million pixels (37 kB of file) is a PageTooLarge that says both numbers."""
    ref = white_png(tmp_path / "huge.png", 30_000, 10_000)
    began = time.process_time()
    with pytest.raises(PageTooLarge, match=r"30000 by 10000 pixels, the limit is 200,000,000"):
        read_picture(ref, dpi=100)
    assert time.process_time() - began < 1


def test_a_very_wide_picture_is_scaled(tmp_path: Path) -> None:
    """30,000 pixels of width are shrunk to the render limit; the shape and the size in points stay."""
    pixels, width, height = read_picture(white_png(tmp_path / "wide.png", 30_000, 1500), dpi=100)
    assert pixels.shape == (200, MAX_RENDER_SIDE, 3)
    assert (width, height) == (792, 39.6)


def test_a_large_photo_keeps_its_size_in_points(tmp_path: Path) -> None:
    """A JPEG decoded at a fraction has the size in points that its full pixels say."""
    ref = picture(tmp_path / "big.jpg", Image.new("L", (9000, 5000), 255), dpi=(600, 600))
    pixels, width, height = read_picture(ref, dpi=100)
    assert max(pixels.shape) <= MAX_RENDER_SIDE
    assert (width, height) == (1080, 600)


# --------------------------------------------------------------------------------------------------------- PDF pages


def test_pdf_pages_are_rendered_at_the_resolution_asked(tmp_path: Path) -> None:
    """72 dpi give one pixel a point; the text is dark on white."""
    pixels, width, height = read_picture(PageRef(pdf(tmp_path / "a.pdf", ["Text"]), 0, pdf=True), dpi=72)
    assert (width, height) == (200, 300)
    assert pixels.shape == (300, 200, 3)
    assert pixels[30:42, 18:50].min() < 100
    assert pixels[100:].min() == 255


def test_rotated_pdf_pages_are_as_displayed(tmp_path: Path) -> None:
    """``/Rotate 90`` swaps the sides and brings the top left corner to the top right."""
    doc = pymupdf.open()
    page = doc.new_page(width=200, height=300)
    page.draw_rect(pymupdf.Rect(0, 0, 40, 40), fill=(0, 0, 0))
    page.set_rotation(90)
    doc.save(tmp_path / "turned.pdf")
    pixels, width, height = read_picture(PageRef(str(tmp_path / "turned.pdf"), 0, pdf=True), dpi=72)
    assert (width, height, pixels.shape) == (300, 200, (200, 300, 3))
    assert pixels[20, -20].max() == 0
    assert pixels[20, 20].min() == 255


def test_huge_pdf_pages(tmp_path: Path) -> None:
    """A poster is rendered at fewer dpi so that its longest side fits; a hair's breadth of a page is refused."""
    doc = pymupdf.open()
    doc.new_page(width=10_000, height=5000)
    doc.new_page(width=14_000, height=3)
    doc.save(tmp_path / "poster.pdf")
    pixels, width, height = read_picture(PageRef(str(tmp_path / "poster.pdf"), 0, pdf=True), dpi=200)
    assert (width, height, pixels.shape) == (10_000, 5000, (2000, 4000, 3))
    with pytest.raises(PageTooLarge, match="too narrow"):
        read_picture(PageRef(str(tmp_path / "poster.pdf"), 1, pdf=True), dpi=200)


def test_render_page_draws_the_boxes(tmp_path: Path) -> None:
    """The PNG shows a coloured frame around the box, in points, and nothing elsewhere."""
    ref = PageRef(pdf(tmp_path / "a.pdf", [""]), 0, pdf=True)
    shown = Image.open(io.BytesIO(render_page(ref, 144, (Box(50, 100, 150, 120),))))
    assert (shown.format, shown.size) == ("PNG", (400, 600))
    pixels = np.asarray(shown.convert("RGB")).astype(int)
    marked = np.argwhere(np.ptp(pixels, axis=2) > 40)
    assert marked.min(axis=0) == pytest.approx([200, 100], abs=8)
    assert marked.max(axis=0) == pytest.approx([240, 300], abs=8)
    assert pixels[220, 200, 2] < pixels[220, 200, 0]  # tinted inside
    plain = Image.open(io.BytesIO(render_page(ref, 72)))
    assert np.asarray(plain).min() == 255
