"""From a PP-DocLayout model's raw outputs to scored boxes, outlines and a reading order, with numpy and OpenCV only.

transformers has this in its image processors, which cannot be imported without torchvision. What stands here gives
the same results (the tests compare the two). Shapes: ``q`` queries, ``c`` classes, one picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = ["best_labels", "chained_order", "corner_boxes", "mask_outline", "quad_corners", "voted_order"]

_SIMPLIFY = 0.004  # of the outline's length: how far approxPolyDP may stray (PaddleX mask2polygon, epsilon_ratio)
_SHARP = 45.0  # degrees: a corner this sharp is a page corner cut off by the mask's grid, and is pulled out


def sigmoid(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 / (1 + e^-x) without overflow for any finite x."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e)).astype(np.float32)


def best_labels(
    logits: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.intp], NDArray[np.intp]]:
    """The ``q`` best pairs of query and class out of (q, c) logits, best first.

    Returns:
        Scores 0 to 1, class numbers and query numbers, each (q,). A query may stand under several classes.
    """
    queries, classes = logits.shape
    scores = sigmoid(logits).ravel()
    best = np.argsort(-scores, kind="stable")[:queries]
    return scores[best], best % classes, best // classes


def corner_boxes(centred: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """(n, 4) centre x, centre y, width, height in 0 to 1 as x0, y0, x1, y1 in pixels of a picture of that size."""
    half = np.float32(0.5) * centred[:, 2:]
    corners = np.concatenate([centred[:, :2] - half, centred[:, :2] + half], axis=1)
    return (corners * np.array([width, height, width, height], np.float32)).astype(np.float32)


def quad_corners(quads: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """V4's (n, 10) centre and four offsets (each shifted by +0.5) as (n, 4, 2) corners in pixels, from the top left."""
    corners = quads[:, None, :2] + (quads[:, 2:].reshape(len(quads), 4, 2) - np.float32(0.5))
    return (corners * np.array([width, height], np.float32)).astype(np.float32)


def voted_order(order_logits: NDArray[np.float32]) -> NDArray[np.intp]:
    """V2 and V3: each query's rank, from (q, q) logits that say whether row is read before column.

    Only pairs above the diagonal are trusted; the other half is their complement. A query's rank grows with the votes
    that others come before it. Equal votes keep the order of the queries.
    """
    before = np.triu(sigmoid(order_logits).astype(np.float64), 1)
    after = np.tril(1.0 - sigmoid(order_logits).astype(np.float64).T, -1)
    votes = before.sum(axis=0) + after.sum(axis=0)
    ranks = np.empty(len(votes), np.intp)
    ranks[np.argsort(votes, kind="stable")] = np.arange(len(votes))
    return ranks


def chained_order(relative: NDArray[np.float32], successor: NDArray[np.float32]) -> NDArray[np.intp]:
    """V4: each box's rank, from (n, n) logits of the kept boxes.

    Args:
        relative: whether row is read before column.
        successor: whether column comes directly after row; above 0 it is a link.

    Links make chains; a link that closes a circle of stronger ones is let go. A chain is read along its links, chains
    stand in the order of their mean votes.
    """
    count = len(relative)
    links = _without_circles(successor)
    scores = sigmoid(relative).astype(np.float64)
    np.fill_diagonal(scores, 0.0)
    votes = scores.sum(axis=0)
    chains = sorted(_chains(count, links), key=lambda nodes: float(np.mean(votes[nodes])))
    ranks = np.empty(count, np.intp)
    ranks[[n for nodes in chains for n in _along(nodes, links, scores)]] = np.arange(count)
    return ranks


def _without_circles(successor: NDArray[np.float32]) -> list[tuple[int, int]]:
    """The links above 0, less every one whose end leads back to its start over stronger links.

    That is what is left when the weakest link of each circle is cut until there is none: a weaker link on the way back
    would have been cut before.
    """
    count = len(successor)
    pairs = [(i, j) for i in range(count) for j in range(count) if i != j and successor[i, j] > 0]
    pairs.sort(key=lambda p: float(successor[p]))  # stable: of equal links the first is the weakest
    reach = np.eye(count, dtype=bool)
    kept = []
    for i, j in reversed(pairs):
        if not reach[j, i]:
            kept.append((i, j))
        if not reach[i, j]:
            reach[reach[:, i]] |= reach[j]
    return kept


def _chains(count: int, links: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Nodes that hang together, each group ascending, groups by their lowest node."""
    group = list(range(count))
    for i, j in links:
        a, b = sorted((group[i], group[j]))
        if a != b:
            group = [a if g == b else g for g in group]
    out: dict[int, list[int]] = {}
    for node, g in enumerate(group):
        out.setdefault(g, []).append(node)
    return list(out.values())


def _along(nodes: list[int], links: Iterable[tuple[int, int]], scores: NDArray[np.float64]) -> list[int]:
    """The nodes so that every link leads forward; of those free to come, the one that most of the others follow."""
    inside = set(nodes)
    waits = dict.fromkeys(nodes, 0)
    after: dict[int, list[int]] = {n: [] for n in nodes}
    for i, j in links:
        if i in inside:
            waits[j] += 1
            after[i].append(j)
    free = [n for n in nodes if not waits[n]]
    out = []
    while free:
        lead = scores[np.ix_(free, free)].sum(axis=1)
        best = min(range(len(free)), key=lambda k: (-lead[k], free[k]))
        node = free.pop(best)
        out.append(node)
        for n in after[node]:
            waits[n] -= 1
            if not waits[n]:
                free.append(n)
    return out


def mask_outline(
    mask: NDArray[np.float32], box: NDArray[np.float32], width: int, height: int, threshold: float
) -> NDArray[np.float64]:
    """V3: the outline of what a query covers, (n, 2) pixels; the box's four corners where the mask is no help.

    Args:
        mask: logits on a grid laid over the whole picture.
        box: x0, y0, x1, y1 in pixels.
        width: pixels of the picture.
        height: pixels of the picture.
        threshold: score from which a point of the grid is covered.
    """
    import cv2

    x0, y0, x1, y1 = (int(v) for v in box)
    corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float64)
    if x1 <= x0 or y1 <= y0:
        return corners
    rows, cols = mask.shape
    left, right = (min(max(round(x * (cols / width)), 0), cols) for x in (x0, x1))
    top, bottom = (min(max(round(y * (rows / height)), 0), rows) for y in (y0, y1))
    covered = (sigmoid(mask[top:bottom, left:right]) > threshold).astype(np.uint8)
    if not covered.any():
        return corners
    full = cv2.resize(covered, (x1 - x0, y1 - y0), interpolation=cv2.INTER_NEAREST)
    contours, _ = cv2.findContours(full, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if not contours:
        return corners
    largest = max(contours, key=cv2.contourArea)
    rough = cv2.approxPolyDP(largest, _SIMPLIFY * cv2.arcLength(largest, True), True).reshape(-1, 2)
    outline = _bulging(rough.astype(np.float64))
    return corners if len(outline) < len(corners) else outline + np.array([x0, y0])


def _bulging(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The outline without its dents: what is cut out must not lose ink to a ragged mask."""
    back = np.roll(points, 1, axis=0) - points
    ahead = np.roll(points, -1, axis=0) - points
    outward = back[:, 1] * ahead[:, 0] - back[:, 0] * ahead[:, 1] < 0
    out = []
    for point, a, b in zip(points[outward], back[outward], ahead[outward], strict=True):
        length_a, length_b = np.linalg.norm(a), np.linalg.norm(b)
        angle = np.degrees(np.arccos(np.clip(a @ b / (length_a * length_b), -1.0, 1.0)))
        if abs(angle - _SHARP) < 1:
            between = a / length_a + b / length_b
            out.append(point + between / np.linalg.norm(between) * (length_a + length_b) / 2)
        else:
            out.append(point)
    return np.array(out, np.float64).reshape(-1, 2)
