#!/usr/bin/env bash
# Three microphones recorded as one track of three channels, without a word on who sits where: FFmpeg takes three for
# 2.1, in MOV and WAV alike, and its resampler leaves the subwoofer out when it mixes to mono, as it should. So the third
# voice is not softer, it is gone, with exit code 0; with four channels, taken for 4.0, each is heard.
# Right: where the layout is a guess by the number of channels, mix the channels by hand.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check av==18.1.0 imageio-ffmpeg==0.6.0 numpy==2.3.5
"$folder/venv/bin/python" - "$folder" <<'PY'
import subprocess
import sys
import wave
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np

RATE = 16_000
FFMPEG = (imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y")
print("PyAV", av.__version__, "FFmpeg", av.ffmpeg_version_info, "written by", imageio_ffmpeg.get_ffmpeg_version())
tone = (9000 * np.sin(np.arange(RATE) / 5)).astype("<i2")
folder, heard = Path(sys.argv[1]), {}
for channels in (3, 4):
    recorded = np.zeros((RATE, channels), "<i2")
    recorded[:, 2] = tone  # the third microphone alone
    path = folder / f"{channels}.wav"
    with wave.open(str(path), "wb") as file:  # plain PCM: a number of channels, and no layout
        file.setnchannels(channels), file.setsampwidth(2), file.setframerate(RATE)
        file.writeframes(recorded.tobytes())
    mov = path.with_suffix(".mov")
    subprocess.run([*FFMPEG, "-i", str(path), "-c", "copy", str(mov)], check=True)
    for file_name in (path, mov):
        with av.open(str(file_name)) as file:
            mixer = av.AudioResampler("s16", "mono", RATE)
            layout = file.streams.audio[0].layout.name
            parts = [part.to_ndarray() for frame in file.decode(audio=0) for part in mixer.resample(frame)]
        heard[channels, file_name.suffix] = int(np.abs(np.concatenate(parts, 1)).max())
        print(f"{channels} channels in {file_name.suffix}: taken for {layout}, "
              f"loudest sample of the mix {heard[channels, file_name.suffix]} of 9000")
assert heard[3, ".wav"] == heard[3, ".mov"] == 0, "the third channel is heard now"
assert heard[4, ".wav"] and heard[4, ".mov"], "of four channels the third is lost, too"
PY
