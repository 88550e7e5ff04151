"""The coverage-guided fuzzer: python tests/texts/smpp/fuzz.py -max_total_time=60 [CORPUS] (libFuzzer's options).

A crash is written to a file, which is named; the file as an argument repeats it.
"""

import importlib
import sys

import atheris

with atheris.instrument_imports(include=["louhua.texts", "louhua.numbers", "louhua.bus.events"]):
    one_input = importlib.import_module("fuzz_target").one_input

if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
