"""Faces: the three trained networks of MTCNN, on 200 small pictures and on a photograph, into which the face's box is drawn.

pip install scikit-image && pip install --no-deps facenet-pytorch==2.6.0
python python/examples/faces_mtcnn.py [faces.png]

The cascade is that of facenet_pytorch: the first network looks for faces everywhere in the picture at many sizes, the second and the third
look closer at what the one before has found and move the edges of the boxes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
from common import package_folder, report, require, times

import swiftnn as nn

Array = np.ndarray[Any, Any]
Net = Callable[[Array], Array]
# What facenet_pytorch 2.6.0 finds in skimage's astronaut by MTCNN(keep_all=True).detect, with PyTorch 1.13.1 and torchvision 0.14.1.
PUBLISHED = [181.05138, 62.15613, 267.74731, 172.05014]  # left, top, right, bottom


def networks(lib: Any) -> dict[str, Any]:
    """The networks out of the layers of lib, which is swiftnn or torch.nn. Outputs: 2 scores, 4 edges, of the third 10 landmarks too."""

    def conv(inputs: int, outputs: int, kernel: int, pool: int = 0) -> list[Any]:
        pools = [lib.MaxPool2d(pool, 2, ceil_mode=True)] if pool else []
        return [lib.Conv2d(inputs, outputs, kernel), lib.PReLU(outputs), *pools]

    def dense(inputs: int, size: int, outputs: int) -> list[Any]:
        return [lib.Flatten(), lib.Linear(inputs, size), lib.PReLU(size), lib.Linear(size, outputs)]

    layers = {
        "pnet": [*conv(3, 10, 3, 2), *conv(10, 16, 3), *conv(16, 32, 3), lib.Conv2d(32, 6, 1)],
        "rnet": [*conv(3, 28, 3, 3), *conv(28, 48, 3, 3), *conv(48, 64, 2), *dense(576, 128, 6)],
        "onet": [*conv(3, 32, 3, 3), *conv(32, 64, 3, 3), *conv(64, 64, 3, 2), *conv(64, 128, 2), *dense(1152, 256, 16)],
    }
    return {name: lib.Sequential(*parts).eval() for name, parts in layers.items()}


def weights(name: str, net: Any) -> dict[str, Array]:
    """The file's arrays for the layers, which it has in the same order but for its heads: they are one layer here."""
    state = nn.load(package_folder("facenet_pytorch") / "data" / f"{name}.pt")
    body, heads = ([array for key, array in state.items() if ("_" in key) is head] for head in (False, True))
    if name != "pnet":  # its dense layer is over (columns, rows, channels), ours over (channels, rows, columns)
        body[-3] = body[-3].reshape(len(body[-3]), 3, 3, -1).transpose(0, 3, 2, 1).reshape(body[-3].shape)
    return dict(zip(net.state_dict(), [*body, np.concatenate(heads[::2]), np.concatenate(heads[1::2])]))


def resize(images: Array, height: int, width: int) -> Array:
    resized: Array = nn.functional.interpolate(images, size=(height, width), mode="area")
    return resized


def look(net: Net, images: Array) -> tuple[Array, Array]:
    """Probability of a face, and how far its edges are from the window's, as parts of its size; images (N, 3, H, W) of -1 to 1."""
    y = net(images)
    return nn.functional.softmax(y[:, :2], 1)[:, 1], y[:, 2:6]


def best(boxes: Array, score: Array, shift: Array, *, most: float, of_smaller: bool = False) -> tuple[Array, Array, Array]:
    """Non-maximum suppression: where boxes have more than `most` in common, of their union or the smaller, that of the best score."""
    # of equal scores facenet_pytorch takes the last where it compares with the smaller box, else the first
    order = np.argsort(score, kind="stable")[::-1] if of_smaller else np.argsort(-score, kind="stable")
    kept, area = [], (boxes[:, 2:] - boxes[:, :2]).prod(1)
    while len(order):
        first, order = order[0], order[1:]
        kept.append(first)
        shared = (np.minimum(boxes[order, 2:], boxes[first, 2:]) - np.maximum(boxes[order, :2], boxes[first, :2])).clip(0).prod(1)
        whole = np.minimum(area[order], area[first]) if of_smaller else area[order] + area[first] - shared
        order = order[shared <= most * whole]
    return boxes[kept], score[kept], shift[kept]


def moved(boxes: Array, shift: Array, plus: int) -> Array:
    edges: Array = boxes + shift * np.tile(boxes[:, 2:] - boxes[:, :2] + plus, 2)
    return edges


def refine(net: Net, image: Array, boxes: Array, size: int, threshold: float = 0.7) -> tuple[Array, Array, Array]:
    """What the next network says about the boxes, made square: those that it takes for faces, their scores, the shifts of their edges."""
    middle, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).max(1, keepdims=True) / 2
    boxes = np.hstack([middle - half, middle + half])
    boxes = boxes[((boxes[:, 2:] >= 1) & (boxes[:, :2].astype(int) <= image.shape[:1:-1])).all(1)]  # not beside the picture
    crops = [image[:, :, max(y - 1, 0) : bottom, max(x - 1, 0) : right] for x, y, right, bottom in boxes.astype(int)]
    score, shift = look(net, np.concatenate([np.zeros((0, 3, size, size), np.float32), *(resize(crop, size, size) for crop in crops)]))
    return boxes[score > threshold], score[score > threshold], shift[score > threshold]


def detect(nets: dict[str, Net], picture: Array, smallest: int = 20) -> tuple[Array, Array]:
    """Boxes (N, 4) (left, top, right, bottom) and scores (N) of the faces of a picture (H, W, 3)."""
    image = np.ascontiguousarray((picture.transpose(2, 0, 1)[None] - np.float32(127.5)) / 128)
    scale, found = 12 / smallest, [(np.zeros((0, 4)), np.zeros(0), np.zeros((0, 4)))]
    while min(picture.shape[:2]) * scale >= 12:
        score, shift = look(nets["pnet"], resize(image, *(int(size * scale + 1) for size in picture.shape[:2])))
        _, row, column = at = np.nonzero(score >= 0.6)
        start = 2 * np.stack([column, row], 1) + 1
        found.append(best(np.floor(np.hstack([start, start + 11]) / scale), score[at], shift[0, :, row, column], most=0.5))
        scale *= 0.709
    boxes, score, shift = best(*map(np.concatenate, zip(*found)), most=0.7)
    boxes, score, shift = best(*refine(nets["rnet"], image, moved(boxes, shift, 0), 24), most=0.7)
    boxes, score, shift = refine(nets["onet"], image, moved(boxes, shift, 1), 48)
    boxes, score, _ = best(moved(boxes, shift, 1), score, shift, most=0.7, of_smaller=True)
    return boxes, score


def twins(nets: dict[str, Any]) -> dict[str, Net] | None:
    """The same networks in PyTorch, where that is installed."""
    if find_spec("torch") is None:
        return None
    import torch

    def twin(name: str, net: Any) -> Net:
        state = nets[name].state_dict()
        net.load_state_dict({key: torch.from_numpy(np.array(state[own])) for key, own in zip(net.state_dict(), state)})

        def run(x: Array) -> Array:
            with torch.inference_mode():
                y: Array = net(torch.from_numpy(x)).numpy()
            return y

        return run

    return {name: twin(name, net) for name, net in networks(torch.nn).items()}


def main() -> int:
    parser = argparse.ArgumentParser(description="Finds faces with the networks of MTCNN, and checks and measures them.")
    parser.add_argument("file", nargs="?", default="faces.png", help="where the picture with the box goes (default: faces.png)")
    file = parser.parse_args().file
    require(__doc__, "skimage", "PIL", "facenet_pytorch")
    from PIL import Image, ImageDraw
    from skimage import data

    nets, checks = networks(nn), {}
    for name, net in nets.items():
        net.load_state_dict(weights(name, net))
    grey = (data.lfw_subset()[:, None].astype(np.float32) * 255 - 127.5) / 128  # 100 faces, then 100 others
    for name, size in (("rnet", 24), ("onet", 48)):
        score, _ = look(nets[name], resize(np.repeat(grey, 3, 1), size, size))
        faces, others = int((score[:100] > 0.5).sum()), int((score[100:] <= 0.5).sum())
        scores = f"scores {score[:100].min():.3f} or more, {score[100:].max():.3f} or less"
        checks[f"{name}: {faces} of 100 faces told, {others} of 100 others; {scores}"] = faces == others == 100

    picture = data.astronaut()
    boxes, _ = detect(nets, picture)
    off = np.abs(boxes - PUBLISHED).max() if len(boxes) == 1 else np.inf
    place = " ".join(f"{v:.2f}" for v in boxes[:1].ravel())
    checks[f"{len(boxes)} face at {place}: at most {off:.4f} pixels from facenet_pytorch's box"] = bool(off < 0.01)
    drawing = Image.fromarray(picture)
    for box in boxes:
        ImageDraw.Draw(drawing).rectangle(box.tolist(), outline=(0, 255, 0), width=3)
    drawing.save(file)
    print(f"{file}: the picture with the box")

    theirs, onet = twins(nets), resize(np.repeat(grey, 3, 1), 48, 48)
    if theirs is not None:
        off = max(float(np.abs(a - b).max()) for a, b in zip(look(nets["onet"], onet), look(theirs["onet"], onet)))
        checks[f"onet's numbers at most {off:.1e} from PyTorch's"] = off < 1e-5
    runs: dict[str, Callable[[Any], Any]] = {
        "200 pictures through onet:": lambda nets: look(nets["onet"], onet),
        "astronaut, the networks in": lambda nets: detect(nets, picture),
    }
    for text, run in runs.items():
        print(text, times(partial(run, nets), partial(run, theirs) if theirs else None, rounds=5))
    return report(checks)


if __name__ == "__main__":
    sys.exit(main())
