"""How the three networks of MTCNN find faces together: the first looks for them everywhere in the picture at many sizes, the second and the
third look closer at what the one before has found and move the edges of the boxes. The steps are those of facenet_pytorch.

What is found is an array (N, 9): left, top, right, bottom, the probability of a face, and how far each edge is from the face's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import swiftnn.functional as F

Array = np.ndarray[Any, Any]
Net = Callable[[Array], Array]


def look(net: Net, images: Array) -> Array:
    """The probability of a face, and the four distances of its edges as parts of the window: (N, 3, H, W) of -1 to 1 -> (N, 5, ...)."""
    y = net(images)
    return np.concatenate([F.softmax(y[:, :2], 1)[:, 1:], y[:, 2:6]], 1)


def best(found: Array, most: float, of_smaller: bool = False) -> Array:
    """Non-maximum suppression: where boxes have more than `most` in common, of their union or the smaller, that of the best score."""
    found, kept = found[np.argsort(-found[:, 4], kind="stable")], [found[:0]]
    while len(found):
        kept.append(found[:1])
        start, end = np.maximum(found[:, :2], found[0, :2]), np.minimum(found[:, 2:4], found[0, 2:4])
        shared, area = (end - start).clip(0).prod(1), (found[:, 2:4] - found[:, :2]).prod(1)
        whole = np.minimum(area, area[0]) if of_smaller else area + area[0] - shared
        found = found[1:][(shared <= most * whole)[1:]]
    return np.concatenate(kept)


def moved(found: Array, plus: int) -> Array:
    """The boxes, with their edges where the network says that the face's are."""
    boxes: Array = found[:, :4] + found[:, 5:] * np.tile(found[:, 2:4] - found[:, :2] + plus, 2)
    return boxes


def refine(net: Net, image: Array, boxes: Array, size: int) -> Array:
    """What the next network takes for faces of these boxes, which are made square for it."""
    middle, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).max(1, keepdims=True) / 2
    boxes = np.hstack([middle - half, middle + half])
    boxes = boxes[((boxes[:, 2:] >= 1) & (boxes[:, :2].astype(int) <= image.shape[:1:-1])).all(1)]  # not beside the picture
    windows = [np.zeros((0, 3, size, size), np.float32)]
    for left, top, right, bottom in boxes.astype(int):
        windows.append(F.interpolate(image[:, :, max(top - 1, 0) : bottom, max(left - 1, 0) : right], size=size, mode="area"))
    found = np.hstack([boxes, look(net, np.concatenate(windows))])
    return found[found[:, 4] > 0.7]


def detect(nets: dict[str, Net], picture: Array, smallest: int = 20) -> tuple[Array, Array]:
    """Boxes (N, 4) and scores (N) of the faces of a picture (H, W, 3)."""
    image = np.ascontiguousarray((picture.transpose(2, 0, 1)[None] - np.float32(127.5)) / 128)
    scale, parts = 12 / smallest, [np.zeros((0, 9))]
    while min(picture.shape[:2]) * scale >= 12:
        smaller = F.interpolate(image, size=[int(size * scale + 1) for size in picture.shape[:2]], mode="area")
        seen = look(nets["pnet"], smaller)[0]
        row, column = np.nonzero(seen[0] >= 0.6)
        start = 2 * np.stack([column, row], 1) + 1
        parts.append(best(np.hstack([np.floor(np.hstack([start, start + 11]) / scale), seen[:, row, column].T]), 0.5))
        scale *= 0.709
    found = best(np.concatenate(parts), 0.7)
    found = best(refine(nets["rnet"], image, moved(found, 0), 24), 0.7)
    found = refine(nets["onet"], image, moved(found, 1), 48)
    found = best(np.hstack([moved(found, 1), found[:, 4:]]), 0.7, of_smaller=True)
    return found[:, :4], found[:, 4]
