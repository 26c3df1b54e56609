"""Who speaks: the trained LSTM of resemblyzer on ten recordings of two people.

pip install --no-deps resemblyzer==0.1.4 && apt-get install pocketsphinx-testdata
python python/examples/speakers.py [folder of the recordings, with one folder for each speaker]

The network was trained on pieces of 1.6 s. Shorter recordings are filled up with silence, which blurs them: 0.664 for the least alike two
of one speaker is below 0.745 for the most alike of two. The package's own preparation, which also cuts silence, has the same trouble. So
pairs are checked among the longer ones. All of them are nearest to their own speaker.
"""

from __future__ import annotations

import argparse
import sys
import wave
from collections import Counter
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from common import package_folder, report, require, times

import swiftnn as nn

RECORDINGS = Path("/usr/share/pocketsphinx/test/data")
# The least alike two of one speaker and the most alike of two, among the recordings that are 1.6 s long or longer, as
# resemblyzer.VoiceEncoder.embed_utterance gives them after normalize_volume(-30 dBFS, increase_only).
PUBLISHED = 0.7509508, 0.7092103
RATE, WINDOW, HOP, MELS, FRAMES = 16000, 400, 160, 40, 160  # as the network was trained: 25 ms every 10 ms, pieces of 1.6 s


class VoiceEncoder(nn.Module):
    """A piece of speech as a direction: positive numbers of length 1."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.linear, self.relu = nn.LSTM(MELS, 256, 3, batch_first=True), nn.Linear(256, 256), nn.ReLU()

    def forward(self, mels: np.ndarray) -> np.ndarray:
        _, (hidden, _) = self.lstm(mels)
        return unit(self.relu(self.linear(hidden[-1])))


def unit(x: np.ndarray) -> np.ndarray:
    scaled: np.ndarray = x / np.linalg.norm(x, axis=-1, keepdims=True)
    return scaled


def mel_filters() -> np.ndarray:
    """Triangles of area 1 on Slaney's scale: linear to 1000 Hz, then 27 steps for every factor of 6.4. They are librosa's."""
    top = 15 + 27 * np.log(RATE / 2 / 1000) / np.log(6.4)
    mel = np.linspace(0, top, MELS + 2)
    hz = np.where(mel < 15, mel * 200 / 3, 1000 * 6.4 ** ((mel - 15) / 27))
    bins, low, mid, high = np.fft.rfftfreq(WINDOW, 1 / RATE), hz[:-2, None], hz[1:-1, None], hz[2:, None]
    triangles: np.ndarray = np.maximum(0, np.minimum((bins - low) / (mid - low), (high - bins) / (high - mid))) * 2 / (high - low)
    return triangles


def mel_spectrogram(sound: np.ndarray) -> np.ndarray:
    """Power in each mel band: (samples) -> (1 + samples // HOP, MELS)."""
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(sound, WINDOW // 2), WINDOW)[::HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(WINDOW + 1)[:-1])) ** 2
    mels: np.ndarray = (power @ mel_filters().T).astype(np.float32)
    return mels


def read(file: Path) -> np.ndarray:
    with wave.open(str(file)) as recording:
        if recording.getparams()[:3] != (1, 2, RATE):
            sys.exit(f"{file}: expected one channel of 16 bits, {RATE} times a second")
        return np.frombuffer(recording.readframes(-1), "<i2") / 32768


def pieces(sound: np.ndarray) -> np.ndarray:
    """The recording, raised to -30 dBFS where it is softer, in overlapping pieces: (pieces, FRAMES, MELS)."""
    sound = sound * max(1, 10**-1.5 / np.sqrt(np.mean(sound**2)))
    step = round(RATE / 1.3 / HOP)
    starts = range(0, max(1, len(sound) // HOP + 1 - FRAMES + step + 1), step)
    # the last piece is filled up with silence, and left out where it would have more than a quarter of it
    starts = starts[:-1] if len(starts) > 1 and len(sound) - starts[-1] * HOP < 0.75 * FRAMES * HOP else starts
    mels = mel_spectrogram(np.pad(sound, (0, max(0, (starts[-1] + FRAMES) * HOP - len(sound)))))
    return np.stack([mels[start : start + FRAMES] for start in starts])


def twin(weights: Path) -> Any:
    """The same network in PyTorch, where that is installed."""
    if find_spec("torch") is None:
        return None
    import torch

    lstm, linear = torch.nn.LSTM(MELS, 256, 3, batch_first=True), torch.nn.Linear(256, 256)
    state = torch.load(weights, weights_only=True, map_location="cpu")["model_state"]
    both = torch.nn.ModuleDict({"lstm": lstm, "linear": linear})
    both.load_state_dict({name: state[name] for name in both.state_dict()})

    def embed(mels: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            y: np.ndarray = linear(lstm(torch.from_numpy(mels))[1][0][-1]).relu().numpy()
        return unit(y)

    return embed


def main() -> int:
    parser = argparse.ArgumentParser(description="Tells speakers apart with the network of resemblyzer, and checks and measures it.")
    parser.add_argument("folder", nargs="?", type=Path, default=RECORDINGS, help=f"a folder for each speaker in it (default: {RECORDINGS})")
    folder = parser.parse_args().folder
    require(__doc__, "resemblyzer")
    files = sorted(folder.glob("*/*.wav"))
    names = [file.parent.name for file in files]
    if len(set(names)) < 2 or min(Counter(names).values()) < 2:
        what = f"{folder} has {len(files)} recordings (speaker/*.wav) of {len(set(names))} speakers; expected at least two of each of two"
        parser.error(f"{what}: apt-get install pocketsphinx-testdata, or name another folder")
    weights, encoder = package_folder("resemblyzer") / "pretrained.pt", VoiceEncoder()
    state = nn.load(weights)["model_state"]
    encoder.load_state_dict({name: state[name] for name in encoder.state_dict()})  # the rest belongs to the loss of the training
    encoder.eval()

    sounds = [read(file) for file in files]
    mels = [pieces(sound) for sound in sounds]
    voices = unit(np.stack([encoder(mel).mean(0) for mel in mels]))
    # Each recording against the speakers' means, itself left out.
    means = [{n: voices[[m == n and j != i for j, m in enumerate(names)]].mean(0) for n in set(names)} for i in range(len(files))]
    right = sum(max(near, key=lambda n: float(voices[i] @ unit(near[n]))) == names[i] for i, near in enumerate(means))
    long = [i for i, sound in enumerate(sounds) if len(sound) >= FRAMES * HOP]
    pairs = [(float(voices[i] @ voices[j]), names[i] == names[j]) for i, j in combinations(long, 2)]
    same, other = ([value for value, alike in pairs if alike is wanted] for wanted in (True, False))
    checks = {f"{right} of {len(files)} recordings nearest to the others of their speaker, of {len(set(names))}": right == len(files)}
    if same and other:
        text = f"{len(long)} of 1.6 s or more: pairs of one speaker {min(same):.3f} or more, of two {max(other):.3f} or less"
        checks[text] = min(same) > max(other)
        if folder == RECORDINGS:
            off = np.abs(np.subtract((min(same), max(other)), PUBLISHED)).max()
            checks[f"these two at most {off:.1e} from those of resemblyzer itself"] = bool(off < 1e-5)
    batch = np.concatenate(mels)
    if (theirs := twin(weights)) is not None:
        off = np.abs(encoder(batch) - theirs(batch)).max()
        checks[f"embeddings at most {off:.1e} from PyTorch's"] = off < 1e-5
    print(f"{len(batch)} pieces of 1.6 s:", times(lambda: encoder(batch), theirs and (lambda: theirs(batch))))
    return report(checks)


if __name__ == "__main__":
    sys.exit(main())
