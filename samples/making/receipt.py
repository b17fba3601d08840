"""A receipt lying on a table, photographed by hand: perspective, a crease, uneven light."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from making.scan import homography, jpeg, render, warp
from making.truth import Made, questions
from making.typeset import Sheets, Style

PAPER = (226.0, 500.0)  # points: 80 mm wide
PHOTO = (1200, 1600)  # pixels; stored at 72 dpi, so one pixel is one point
CORNERS = [(232.0, 118.0), (905.0, 70.0), (1004.0, 1522.0), (176.0, 1478.0)]
MONO = Style(family="mono", size=9.2, leading=13)
ITEMS = (
    ("Sourdough loaf 800 g", 1, 520),
    ("Oat milk 1 l", 3, 189),
    ("Cherry tomatoes 500 g", 2, 265),
    ("Mature cheddar 350 g", 1, 485),
    ("Free range eggs x10", 1, 375),
    ("Ground coffee 250 g", 2, 640),
    ("Dish soap refill", 1, 299),
)
"""Article, pieces, price of a piece in cents."""


def money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def lines() -> list[tuple[str, str, bool]]:
    """Left text, right text, bold; a text without right part is centred."""
    total = sum(n * price for _, n, price in ITEMS)
    paid = -(-total // 500) * 500
    tax = round(total * 8 / 108)
    out = [
        ("HARBOUR LANE GROCERS", "", True),
        ("27 Harbour Lane, Port Ellery", "", False),
        ("Tel. 555 0142", "", False),
        ("-" * 36, "", False),
        ("2025-05-17 18:42", "Till 03", False),
        ("Receipt 0088214", "Served by Noor", False),
        ("-" * 36, "", False),
    ]
    for name, n, price in ITEMS:
        out.append((name, money(n * price), False))
        if n > 1:
            out.append((f"  {n} x {money(price)}", " ", False))
    out += [
        ("-" * 36, "", False),
        ("TOTAL", money(total), True),
        ("Cash", money(paid), False),
        ("Change", money(paid - total), False),
        (" ", " ", False),
        ("of which tax 8%", money(tax), False),
        ("Points collected", str(total // 100), False),
        ("-" * 36, "", False),
        ("Goods can be returned within", "", False),
        ("21 days with this receipt.", "", False),
        ("Thank you for your visit!", "", False),
    ]
    return out


def printed() -> Sheets:
    """The receipt as the till printed it."""
    s = Sheets(*PAPER, "Receipt", "Harbour Lane Grocers")
    s.add_page()
    y, fresh = 30.0, True
    for left, right, bold in lines():
        ruled = left.startswith("-")
        if ruled or fresh:
            s.begin("" if ruled else "text")
        fresh = ruled
        style = MONO.but(bold=bold, size=11 if bold else MONO.size)
        if not right:
            s.text(0, PAPER[0] / 2, y, left, style, frame=-1 if left.startswith("-") else 0, align="center")
        else:
            if left.strip():
                s.text(0, 14 + 5.5 * (len(left) - len(left.lstrip())), y, left.strip(), style)
            if right.strip():
                s.text(0, PAPER[0] - 14, y, right, style, align="right")
        y += 16.0
    return s


def table_top(rng: np.random.Generator) -> Image.Image:
    """Wooden boards: streaks along x that wander a little."""
    w, h = PHOTO
    coarse = rng.integers(0, 256, size=(h // 4, 14), dtype=np.uint8)
    fine = rng.integers(0, 256, size=(h, 50), dtype=np.uint8)
    a = np.asarray(Image.fromarray(coarse).resize((w, h), Image.Resampling.BICUBIC), dtype=np.float64)
    b = np.asarray(Image.fromarray(fine).resize((w, h), Image.Resampling.BICUBIC), dtype=np.float64)
    grey = 74 + 0.10 * (a - 128) + 0.07 * (b - 128)
    for edge in (260, 610, 1010, 1390):
        grey[edge : edge + 4] -= 34
        grey[edge + 4 : edge + 380] += 5
    return Image.fromarray(np.clip(np.rint(grey), 0, 255).astype(np.uint8))


def receipt_photo() -> Made:
    """The photograph."""
    name = "receipt_photo"
    rng = np.random.default_rng(51)
    s = printed()
    dpi = 288
    flat = render(s.bytes(), 0, dpi)
    corners = [(0.0, 0.0), (PAPER[0], 0.0), PAPER, (0.0, PAPER[1])]
    matrix = homography(corners, CORNERS)
    pixels = matrix @ np.diag([72 / dpi, 72 / dpi, 1.0])
    ink = np.asarray(warp(flat, pixels, PHOTO, 255), dtype=np.float64)
    mask = warp(Image.new("L", flat.size, 255), pixels, PHOTO, 0)
    shadow = np.asarray(mask.filter(ImageFilter.GaussianBlur(22)), dtype=np.float64) / 255
    cover = np.asarray(mask.filter(ImageFilter.GaussianBlur(0.8)), dtype=np.float64) / 255
    w, h = PHOTO
    y, x = np.mgrid[0:h, 0:w]
    light = 1.06 - 0.30 * (x / w) ** 2 - 0.22 * ((y - 0.35 * h) / h) ** 2
    crease = (
        1
        - 0.09 * np.clip(1 - np.abs(y - 0.06 * x - 760) / 26, 0, 1)
        + 0.05 * np.clip(1 - np.abs(y - 0.06 * x - 795) / 22, 0, 1)
    )
    paper = (38 + ink / 255 * (228 - 38)) * crease
    ground = np.asarray(table_top(rng), dtype=np.float64) * (1 - 0.45 * np.roll(shadow, (14, 18), (0, 1)))
    grey = (cover * paper + (1 - cover) * ground) * light
    tint_paper, tint_wood = np.array([1.0, 0.985, 0.945]), np.array([1.18, 0.93, 0.68])
    tint = cover[..., None] * tint_paper + (1 - cover[..., None]) * tint_wood
    noise = rng.integers(-4, 5, size=(h, w, 1)) + rng.integers(-2, 3, size=(h, w, 3))
    colour = np.clip(np.rint(grey[..., None] * tint + noise), 0, 255).astype(np.uint8)
    photo = Image.fromarray(colour).filter(ImageFilter.GaussianBlur(0.6))
    size = [(float(w), float(h))]
    data = jpeg(photo, 74, 72)
    return Made(f"{name}.jpg", data, size, s.tokens, questions(name), moves=[matrix], layer="photo", regions=s.regions)
