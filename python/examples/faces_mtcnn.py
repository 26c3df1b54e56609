"""Faces: the three trained networks of MTCNN, on 200 small pictures and on a photograph, into which the face's box is drawn.

pip install scikit-image && pip install --no-deps facenet-pytorch==2.6.0
python python/examples/faces_mtcnn.py [faces.png]
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import numpy as np
from common import beside_pytorch, package_folder, report, require
from mtcnn import detect, look

import swiftnn as nn

# What facenet_pytorch 2.6.0 finds in skimage's astronaut by MTCNN(keep_all=True).detect, with PyTorch 1.13.1 and torchvision 0.14.1.
PUBLISHED = [181.05138, 62.15613, 267.74731, 172.05014]  # left, top, right, bottom
# The last layers in its files, which are one here.
HEADS = {"pnet": ("conv4_1.", "conv4_2."), "rnet": ("dense5_1.", "dense5_2."), "onet": ("dense6_1.", "dense6_2.", "dense6_3.")}


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


def load(name: str) -> Any:
    """A network with the arrays of its file, which has them in the order of the layers."""
    net = networks(nn)[name]
    arrays = list(nn.load(package_folder("facenet_pytorch") / "data" / f"{name}.pt", rename={HEADS[name]: "heads."}).values())
    if name != "pnet":  # its dense layer is over (columns, rows, channels), ours over (channels, rows, columns)
        arrays[-5] = arrays[-5].reshape(len(arrays[-5]), 3, 3, -1).transpose(0, 3, 2, 1).reshape(arrays[-5].shape)
    net.load_state_dict(dict(zip(net.state_dict(), arrays)))
    return net


def main() -> int:
    parser = argparse.ArgumentParser(description="Finds faces with the networks of MTCNN, and checks and measures them.")
    parser.add_argument("file", nargs="?", default="faces.png", help="where the picture with the box goes (default: faces.png)")
    file = parser.parse_args().file
    require(__doc__, "skimage", "PIL", "facenet_pytorch")
    from PIL import Image, ImageDraw
    from skimage import data

    nets, checks = {name: load(name) for name in HEADS}, {}
    grey = np.repeat((data.lfw_subset()[:, None].astype(np.float32) * 255 - 127.5) / 128, 3, 1)  # 100 faces, then 100 others
    for name, size in (("rnet", 24), ("onet", 48)):
        score = look(nets[name], nn.functional.interpolate(grey, size=size, mode="area"))[:, 0]
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
    images = nn.functional.interpolate(grey, size=48, mode="area")
    return report(checks | beside_pytorch("200 pictures through onet", nets["onet"], lambda lib: networks(lib)["onet"], images))


if __name__ == "__main__":
    sys.exit(main())
