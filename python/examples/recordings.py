"""Recordings as the network of resemblyzer hears them: the power in 40 bands of pitch, a hundred times a second, in pieces of 1.6 s."""

from __future__ import annotations

import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np

RATE, WINDOW, HOP, MELS, FRAMES = 16000, 400, 160, 40, 160  # as the network was trained: 25 ms every 10 ms


def mel_filters() -> Any:
    """Triangles of area 1 on Slaney's scale: linear to 1000 Hz, then 27 steps for every factor of 6.4. They are librosa's."""
    top = 15 + 27 * np.log(RATE / 2 / 1000) / np.log(6.4)
    mel = np.linspace(0, top, MELS + 2)
    hz = np.where(mel < 15, mel * 200 / 3, 1000 * 6.4 ** ((mel - 15) / 27))
    bins, low, mid, high = np.fft.rfftfreq(WINDOW, 1 / RATE), hz[:-2, None], hz[1:-1, None], hz[2:, None]
    return np.maximum(0, np.minimum((bins - low) / (mid - low), (high - bins) / (high - mid))) * 2 / (high - low)


def mel_spectrogram(sound: np.ndarray) -> Any:
    """Power in each mel band: (samples) -> (1 + samples // HOP, MELS)."""
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(sound, WINDOW // 2), WINDOW)[::HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(WINDOW + 1)[:-1])) ** 2
    return (power @ mel_filters().T).astype(np.float32)


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
