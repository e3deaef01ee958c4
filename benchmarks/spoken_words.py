"""Spoken words, synthesised by eSpeak NG in about a hundred voices and seven accents of English, in noise.

They stand in for recordings of people, and are easier than these: a formant synthesiser says a word in the same way
each time but for its pace, pitch, voice and accent. Voices of the test set are heard nowhere else.

    pip install espeakng-loader     # the library and its voices, GPL-3.0
"""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

KEYWORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
OTHERS = (
    "bed", "bird", "cat", "dog", "happy", "house", "tree", "wow", "zero", "one", "two", "three", "four", "five", "six",
    "seven", "eight", "nine", "forward", "backward", "follow", "learn", "visual",
)  # fmt: skip
CLASSES = (*KEYWORDS, "other word", "silence")
ACCENTS = (
    "en-us", "en", "en-029", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd"
)  # fmt: skip
SYNCHRONOUS, RATE, PITCH, RANGE, UTF8 = 2, 1, 3, 4, 1
"""Of eSpeak's C interface."""
HERTZ = 22_050
FRAMES, COEFFICIENTS, BANDS = 49, 10, 40
WINDOW, HOP = int(0.04 * HERTZ), int(0.02 * HERTZ)
LENGTH = HOP * (FRAMES - 1) + WINDOW
TESTED = 4
"""Every fourth voice is kept for the test."""


class Speaker:
    """eSpeak NG."""

    def __init__(self) -> None:
        import espeakng_loader

        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path()
        rate = self._library.espeak_Initialize(SYNCHRONOUS, 0, str(data).encode(), 0)
        if rate != HERTZ:
            raise RuntimeError(f"eSpeak NG gives {rate} samples per second, not {HERTZ}")
        self.voices = sorted(path.name for path in (Path(data) / "voices" / "!v").iterdir())
        self._heard: list[Any] = []
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
        self._listener = kind(self._listen)
        self._library.espeak_SetSynthCallback(self._listener)

    def _listen(self, wave: Any, count: int, _events: Any) -> int:
        if wave and count > 0:
            self._heard.append(np.ctypeslib.as_array(wave, (count,)).copy())
        return 0

    def say(self, word: str, voice: str, pace: int, pitch: int, melody: int) -> Any:
        """Return a word as a wave, float32 (samples,), in −1 … 1."""
        self._heard.clear()
        if self._library.espeak_SetVoiceByName(voice.encode()):
            raise RuntimeError(f"eSpeak NG has no voice {voice}")
        for parameter, value in ((RATE, pace), (PITCH, pitch), (RANGE, melody)):
            self._library.espeak_SetParameter(parameter, value, 0)
        text = word.encode()
        self._library.espeak_Synth(text, len(text) + 1, 0, 1, 0, UTF8, None, None)
        self._library.espeak_Synchronize()
        return np.concatenate(self._heard).astype("float32") / 32768


def spoken(each: int, seed: int, *, test: bool) -> tuple[Any, Any]:
    """Return coefficients of spoken words, float32 (samples, 49, 10, 1), and the numbers of their classes.

    Args:
        each: Samples of each class.
        seed: Of everything that is left to chance.
        test: Whether the voices are those of the test set, or the others.
    """
    rng, speaker = np.random.default_rng([seed, test]), Speaker()
    voices = [voice for number, voice in enumerate(speaker.voices) if (number % TESTED == 0) == test]
    waves, numbers = [], []
    for number, name in enumerate(CLASSES):
        for _ in range(each):
            wave = np.zeros(LENGTH, "float32")
            if name != "silence":
                word = name if name in KEYWORDS else str(rng.choice(OTHERS))
                voice = f"{rng.choice(ACCENTS)}+{rng.choice(voices)}"
                said = speaker.say(
                    word, voice, *(int(rng.integers(*ends)) for ends in ((110, 220), (15, 85), (20, 80)))
                )
                wave = placed(said, rng)
            waves.append(in_noise(wave, rng))
            numbers.append(number)
    order = rng.permutation(len(waves))
    return coefficients(np.stack(waves)[order]), np.array(numbers)[order]


def placed(said: Any, rng: Any) -> Any:
    """Return a wave of a second with the word somewhere in it."""
    loud = np.flatnonzero(np.abs(said) > 0.02 * np.abs(said).max())
    said = said[loud[0] : loud[-1] + 1][:LENGTH]
    wave = np.zeros(LENGTH, "float32")
    start = int(rng.integers(0, LENGTH - len(said) + 1))
    wave[start : start + len(said)] = said / max(float(said.std()), 1e-6)
    return wave


def in_noise(wave: Any, rng: Any) -> Any:
    """Return a wave in white to brown noise, 0 to 25 dB below it, at some loudness."""
    spectrum = np.fft.rfft(rng.normal(size=LENGTH))
    spectrum /= np.maximum(np.arange(len(spectrum)), 1) ** (rng.uniform(0, 2) / 2)
    noise = np.fft.irfft(spectrum, LENGTH)
    return (wave + noise / noise.std() * 10 ** (-rng.uniform(0, 25) / 20)) * rng.uniform(0.02, 0.3)


@cache
def filters() -> tuple[Any, Any]:
    """Return the bands of the mel scale from 20 to 4,000 Hz, (bins, 40), and the cosine transform, (40, 10)."""
    edges = 700 * (10 ** (np.linspace(np.log10(1 + 20 / 700), np.log10(1 + 4000 / 700), BANDS + 2)) - 1)
    bins = np.fft.rfftfreq(WINDOW, 1 / HERTZ)[:, None]
    rising, falling = (bins - edges[:-2]) / np.diff(edges)[:-1], (edges[2:] - bins) / np.diff(edges)[1:]
    places = np.pi * (np.arange(BANDS)[:, None] + 0.5) * np.arange(COEFFICIENTS) / BANDS
    return np.maximum(0, np.minimum(rising, falling)), np.cos(places) * np.sqrt(2 / BANDS)


def coefficients(waves: Any) -> Any:
    """Return mel-frequency cepstral coefficients, float32 (samples, 49, 10, 1)."""
    bands, cosines = filters()
    found = []
    for wave in waves:
        frames = np.lib.stride_tricks.sliding_window_view(wave, WINDOW)[::HOP][:FRAMES]
        power = np.abs(np.fft.rfft(frames * np.hanning(WINDOW), axis=-1)) ** 2
        found.append(np.log(power @ bands + 1e-6) @ cosines)
    return np.stack(found)[..., None].astype("float32")
