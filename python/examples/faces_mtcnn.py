"""Faces: the three trained networks of MTCNN, on 200 small pictures and on a photograph, into which the face's box is drawn.

pip install scikit-image && pip install --no-deps facenet-pytorch==2.6.0
python python/examples/faces_mtcnn.py [faces.png]
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from common import package_folder, report, times
from PIL import Image, ImageDraw
from skimage import data

import swiftnn as nn

Array = np.ndarray[Any, Any]
Net = Callable[[Array], Array]
# channels, kernels, pools (0: none), features of the dense layer (0: none), outputs: 2 scores, 4 edges, 10 landmarks
NETS: dict[str, tuple[list[int], list[int], list[int], int, int]] = {
    "pnet": ([3, 10, 16, 32], [3, 3, 3], [2, 0, 0], 0, 6),
    "rnet": ([3, 28, 48, 64], [3, 3, 2], [3, 3, 0], 128, 6),
    "onet": ([3, 32, 64, 64, 128], [3, 3, 3, 2], [3, 3, 2, 0], 256, 16),
}
# What facenet_pytorch 2.6.0's own MTCNN finds with PyTorch 2.13 in skimage's astronaut: left, top, right, bottom.
PUBLISHED = [181.0514, 62.1561, 267.7473, 172.0502]


def network(lib: Any, name: str) -> Any:
    """The network out of the layers of lib, which is swiftnn or torch.nn: they take the same arguments."""
    channels, kernels, pools, dense, outputs = NETS[name]
    layers: list[tuple[str, Any]] = []
    for i, (kernel, pool) in enumerate(zip(kernels, pools), 1):
        layers += [(f"conv{i}", lib.Conv2d(channels[i - 1], channels[i], kernel)), (f"prelu{i}", lib.PReLU(channels[i]))]
        layers += [(f"pool{i}", lib.MaxPool2d(pool, 2, ceil_mode=True))] if pool else []
    if dense:
        last = len(channels)
        layers += [("flatten", lib.Flatten()), (f"dense{last}", lib.Linear(9 * channels[-1], dense)), (f"prelu{last}", lib.PReLU(dense))]
    layers += [("head", lib.Linear(dense, outputs) if dense else lib.Conv2d(channels[-1], outputs, 1))]
    return lib.Sequential(OrderedDict(layers)).eval()


def weights(name: str) -> dict[str, Array]:
    """The file's arrays, its heads as one layer, its dense layer over (channels, rows, columns), not over (columns, rows, channels)."""
    state = dict(nn.load(package_folder("facenet_pytorch") / "data" / f"{name}.pt"))
    for end in ("weight", "bias"):
        heads = sorted(key for key in state if "_" in key and key.endswith(end))
        state[f"head.{end}"] = np.concatenate([state.pop(key) for key in heads])
    for key in [key for key in state if key.startswith("dense") and key.endswith("weight")]:
        w = state[key]
        state[key] = w.reshape(len(w), 3, 3, -1).transpose(0, 3, 2, 1).reshape(w.shape)
    return state


def look(net: Net, images: Array) -> tuple[Array, Array]:
    """Probability of a face, and how far its edges are from the window's, as parts of its size; images (N, 3, H, W) of 0 to 255."""
    y = net((images - np.float32(127.5)) * np.float32(1 / 128))
    return nn.functional.softmax(y[:, :2], 1)[:, 1], y[:, 2:6]


def resize(image: Array, height: int, width: int) -> Array:
    resized: Array = nn.functional.interpolate(image, size=(height, width), mode="area")
    return resized


def best(boxes: Array, most: float, plus: int = 0, smaller: bool = False) -> Array:
    """Non-maximum suppression: of boxes (left, top, right, bottom, score, ...) that share more than `most`, the one of the best score."""
    boxes, kept = boxes[np.argsort(-boxes[:, 4], kind="stable")], []
    area = (boxes[:, 2:4] - boxes[:, :2] + plus).prod(1)
    while len(boxes):
        kept.append(boxes[0])
        shared = (np.minimum(boxes[:, 2:4], boxes[0, 2:4]) - np.maximum(boxes[:, :2], boxes[0, :2]) + plus).clip(0).prod(1)
        apart = shared / (np.minimum(area, area[0]) if smaller else area + area[0] - shared) <= most
        boxes, area = boxes[apart], area[apart]
    return np.array(kept)


def square(boxes: Array) -> Array:
    size = boxes[:, 2:4] - boxes[:, :2]
    corner = boxes[:, :2] + size / 2 - size.max(1, keepdims=True) / 2
    return np.hstack([corner, corner + size.max(1, keepdims=True), boxes[:, 4:]])


def refine(net: Net, image: Array, boxes: Array, size: int, threshold: float) -> Array:
    """What the next network says about the boxes: those that it takes for faces, with its score and its shifts of the edges."""
    ends = [[max(int(v), 1) for v in box[:2]] + [min(int(v), n) for v, n in zip(box[2:4], image.shape[:1:-1])] for box in boxes]
    boxes, ends = boxes[[x <= ex and y <= ey for x, y, ex, ey in ends]], [e for e in ends if e[0] <= e[2] and e[1] <= e[3]]
    score, shift = look(net, np.concatenate([resize(image[:, :, y - 1 : ey, x - 1 : ex], size, size) for x, y, ex, ey in ends]))
    return np.hstack([boxes[:, :4], score[:, None], shift])[score > threshold]


def moved(boxes: Array, plus: int) -> Array:
    size = boxes[:, 2:4] - boxes[:, :2] + plus
    return np.hstack([boxes[:, :4] + boxes[:, 5:9] * np.hstack([size, size]), boxes[:, 4:5]])


def detect(nets: dict[str, Net], picture: Array, smallest: int = 20) -> Array:
    """Boxes (left, top, right, bottom, score) of the faces of a picture (H, W, 3)."""
    image = np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32)
    height, width = image.shape[2:]
    scale, found = 12 / smallest, [np.zeros((0, 9))]
    while min(height, width) * scale >= 12:
        score, shift = look(nets["pnet"], resize(image, int(height * scale + 1), int(width * scale + 1)))
        row, column = np.nonzero(score[0] >= 0.6)
        start = 2 * np.stack([column, row], 1) + 1
        corners = np.floor(np.hstack([start, start + 11]) / scale)
        boxes = np.hstack([corners, score[0, row, column, None], shift[0, :, row, column]])
        found += [best(boxes, 0.5)] if len(boxes) else []
        scale *= 0.709
    boxes = square(moved(best(np.concatenate(found), 0.7), 0))
    if len(boxes):
        boxes = refine(nets["rnet"], image, boxes, 24, 0.7)
    if len(boxes):
        boxes = refine(nets["onet"], image, square(moved(best(boxes, 0.7), 1)), 48, 0.7)
    return best(moved(boxes, 1), 0.7, 1, True) if len(boxes) else np.zeros((0, 5))


def main(file: Path = Path("faces.png")) -> int:
    nets, twins = {name: network(nn, name) for name in NETS}, {}
    for name, net in nets.items():
        net.load_state_dict(weights(name))
    small = np.repeat(data.lfw_subset().astype(np.float32)[:, None] * 255, 3, 1)  # grey: 100 faces, then 100 others
    checks = {}
    for name, size in (("rnet", 24), ("onet", 48)):
        score, _ = look(nets[name], resize(small, size, size))
        faces, others = int((score[:100] > 0.5).sum()), int((score[100:] <= 0.5).sum())
        scores = f"scores {score[:100].min():.3f} or more, {score[100:].max():.3f} or less"
        text = f"{name}: {faces} of 100 faces told, {others} of 100 others; {scores}"
        checks[text] = faces == others == 100
    picture = data.astronaut()
    boxes = detect(nets, picture)
    off = np.abs(boxes[:, :4] - PUBLISHED).max() if len(boxes) == 1 else np.inf
    place = " ".join(f"{v:.2f}" for v in boxes[:1, :4].ravel())
    checks[f"{len(boxes)} face at {place}: at most {off:.4f} pixels from facenet_pytorch's box"] = bool(off < 0.01)
    drawing = Image.fromarray(picture)
    for box in boxes:
        ImageDraw.Draw(drawing).rectangle(box[:4].tolist(), outline=(0, 255, 0), width=3)
    drawing.save(file)

    if find_spec("torch") is not None:
        import torch

        def twin(name: str) -> Net:
            net = network(torch.nn, name)
            net.load_state_dict({key: torch.from_numpy(np.array(value)) for key, value in weights(name).items()})

            def run(x: Array) -> Array:
                with torch.inference_mode():
                    y: Array = net(torch.from_numpy(x)).numpy()
                return y

            return run

        twins = {name: twin(name) for name in NETS}
    print(
        "astronaut with the networks in",
        times(lambda: detect(nets, picture), (lambda: detect(twins, picture)) if twins else None, rounds=3),
    )
    batch = resize(small, 48, 48)
    print("200 pictures through onet:", times(lambda: look(nets["onet"], batch), (lambda: look(twins["onet"], batch)) if twins else None))
    print(f"{file}: the picture with the box")
    return report(checks)


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:2])))
