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
from collections import Counter
from pathlib import Path

import numpy as np
from common import beside_pytorch, package_folder, report, require
from recordings import FRAMES, HOP, MELS, pieces, read

import swiftnn as nn

RECORDINGS = Path("/usr/share/pocketsphinx/test/data")
# The least alike two of one speaker and the most alike of two, among the recordings that are 1.6 s long or longer, as
# resemblyzer.VoiceEncoder.embed_utterance gives them after normalize_volume(-30 dBFS, increase_only).
PUBLISHED = 0.7509508, 0.7092103
unit = nn.functional.normalize


class VoiceEncoder(nn.Module):
    """A piece of speech as a direction: positive numbers of length 1."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.linear = nn.LSTM(MELS, 256, 3, batch_first=True), nn.Linear(256, 256)

    def forward(self, mels: np.ndarray) -> np.ndarray:
        last: np.ndarray = self.lstm(mels)[1][0][-1]
        return unit(nn.functional.relu(self.linear(last)))


def main() -> int:
    parser = argparse.ArgumentParser(description="Tells speakers apart with the network of resemblyzer, and checks and measures it.")
    parser.add_argument("folder", nargs="?", type=Path, default=RECORDINGS, help=f"a folder for each speaker in it (default: {RECORDINGS})")
    folder = parser.parse_args().folder
    require(__doc__, "resemblyzer")
    files = sorted(folder.glob("*/*.wav"))
    names = np.array([file.parent.name for file in files])
    if len(set(names)) < 2 or min(Counter(names).values()) < 2:
        what = f"{folder} has {len(files)} recordings (speaker/*.wav) of {len(set(names))} speakers; expected at least two of each of two"
        parser.error(f"{what}: apt-get install pocketsphinx-testdata, or name another folder")
    encoder = VoiceEncoder().eval()
    # The rest of the file belongs to the loss of the training.
    encoder.load_state_dict(nn.load(package_folder("resemblyzer") / "pretrained.pt")["model_state"], strict=False)

    sounds = [read(file) for file in files]
    mels = [pieces(sound) for sound in sounds]
    voices = unit(np.stack([encoder(mel).mean(0) for mel in mels]))
    right = 0
    for i, name in enumerate(names):
        others = np.arange(len(names)) != i
        means = {n: unit(voices[others & (names == n)].mean(0), dim=0) for n in set(names)}
        right += max(means, key=lambda n: float(voices[i] @ means[n])) == name
    checks = {f"{right} of {len(files)} recordings nearest to the others of their speaker, of {len(set(names))}": right == len(files)}

    long = np.array([len(sound) >= FRAMES * HOP for sound in sounds])
    first, second = np.nonzero(np.triu(np.outer(long, long), 1))
    near, alike = (voices[first] * voices[second]).sum(1), names[first] == names[second]
    if alike.any() and not alike.all():
        same, other = near[alike].min(), near[~alike].max()
        text = f"{long.sum()} of 1.6 s or more: pairs of one speaker {same:.3f} or more, of two {other:.3f} or less"
        checks[text] = bool(same > other)
        if folder == RECORDINGS:
            off = np.abs(np.subtract((same, other), PUBLISHED)).max()
            checks[f"these two at most {off:.1e} from those of resemblyzer itself"] = bool(off < 1e-5)
    batch = np.concatenate(mels)
    what = f"the LSTM on {len(batch)} pieces of 1.6 s"
    checks |= beside_pytorch(what, encoder.lstm, lambda lib: lib.LSTM(MELS, 256, 3, batch_first=True), batch)
    return report(checks)


if __name__ == "__main__":
    sys.exit(main())
