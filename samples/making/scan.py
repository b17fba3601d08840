"""From clean pages to pictures of paper: turned, uneven, blurred, noisy, and compressed; and where each point went.

Pillow does the geometry in plain C, and the noise is made of integers, so that the bytes do not depend on the machine.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymupdf
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from making.typeset import DATE, Box

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Look:
    """How bad a scan is. Angles in degrees clockwise, blur in pixels, noise in grey levels."""

    dpi: int = 150
    angle: float = 0.0
    blur: float = 0.5
    noise: float = 5.0
    quality: int = 55
    seed: int = 1
    speckles: int = 60
    shade: float = 10.0


def turn(angle: float, w: float, h: float) -> Matrix:
    """The 3 x 3 matrix that turns a page of ``w`` by ``h`` clockwise about its middle."""
    a = math.radians(angle)
    c, s = (math.cos(a), math.sin(a)) if angle % 180 else (math.cos(math.radians(angle)), 0.0)
    x, y = w / 2, h / 2
    return np.array([[c, -s, x - c * x + s * y], [s, c, y - s * x - c * y], [0, 0, 1]])


def homography(source: list[tuple[float, float]], target: list[tuple[float, float]]) -> Matrix:
    """The matrix that takes four points to four others."""
    rows, right = [], []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        right += [u, v]
    m = np.linalg.solve(np.array(rows, dtype=float), np.array(right, dtype=float))
    return np.append(m, 1.0).reshape(3, 3)


def move(matrix: Matrix, box: Box) -> Box:
    """The upright box around a box's four corners after ``matrix``."""
    x0, y0, x1, y1 = box
    p = matrix @ np.array([[x0, x1, x1, x0], [y0, y0, y1, y1], [1, 1, 1, 1]])
    xs, ys = p[0] / p[2], p[1] / p[2]
    return float(xs.min()), float(ys.min()), float(xs.max()), float(ys.max())


def render(pdf: bytes, page: int, dpi: int) -> Image.Image:
    """A page as a grey picture."""
    with pymupdf.open("pdf", pdf) as doc:
        pix = doc[page].get_pixmap(dpi=dpi, colorspace=pymupdf.csGRAY, alpha=False)
        return Image.frombytes("L", (pix.width, pix.height), pix.samples)


def warp(picture: Image.Image, matrix: Matrix, size: tuple[int, int], fill: int) -> Image.Image:
    """Move a picture by ``matrix`` (pixels to pixels) onto a canvas of ``size``."""
    inverse = np.linalg.inv(matrix)
    inverse = np.round(inverse / inverse[2, 2], 12)
    data = tuple(float(v) for v in inverse.ravel()[:8])
    return picture.transform(size, Image.Transform.PERSPECTIVE, data, Image.Resampling.BICUBIC, fillcolor=fill)


def grain(picture: Image.Image, look: Look) -> Image.Image:
    """Blur, paper tone, uneven light, dust and noise, from a fixed seed."""
    rng = np.random.default_rng(look.seed)
    grey = np.asarray(picture.filter(ImageFilter.GaussianBlur(look.blur)), dtype=np.float64)
    h, w = grey.shape
    y, x = np.mgrid[0:h, 0:w]
    light = 243 - look.shade * (x / w) ** 2 - 0.5 * look.shade * ((y - 0.4 * h) / h) ** 2
    grey = 22 + grey / 255 * (light - 22)
    for _ in range(look.speckles):
        cx, cy, r = int(rng.integers(w)), int(rng.integers(h)), int(rng.integers(1, 3))
        grey[max(0, cy - r + 1) : cy + r, max(0, cx - r + 1) : cx + r] -= int(rng.integers(40, 110))
    steps = rng.integers(-6, 7, size=(3, h, w)).sum(axis=0)  # near normal, and exact on every machine
    grey += steps * (look.noise / 6.48)
    return Image.fromarray(np.clip(np.rint(grey), 0, 255).astype(np.uint8))


def jpeg(picture: Image.Image, quality: int, dpi: int) -> bytes:
    """JPEG bytes, without metadata but the resolution."""
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality, dpi=(dpi, dpi), optimize=True)
    return out.getvalue()


def scan(pdf: bytes, looks: list[Look], title: str) -> tuple[bytes, list[Matrix]]:
    """Every page of ``pdf`` as a scan, and where its points went (points to points, as displayed)."""
    out: Any = pymupdf.open()
    moves = []
    with pymupdf.open("pdf", pdf) as doc:
        sizes = [(p.rect.width, p.rect.height) for p in doc]
    for n, ((w, h), look) in enumerate(zip(sizes, looks, strict=True)):
        picture = render(pdf, n, look.dpi)
        scale = np.diag([look.dpi / 72, look.dpi / 72, 1.0])
        matrix = turn(look.angle, w, h)
        turned = warp(picture, scale @ matrix @ np.linalg.inv(scale), picture.size, 235)
        page = out.new_page(width=w, height=h)
        page.insert_image(page.rect, stream=jpeg(grain(turned, look), look.quality, look.dpi))
        moves.append(matrix)
    out.set_metadata({"title": title, "creator": "make_samples.py", "creationDate": DATE, "modDate": DATE})
    return bytes(out.tobytes(garbage=4, deflate=False, no_new_id=True)), moves
