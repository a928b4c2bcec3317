#!/usr/bin/env bash
# A film may say that it is HDR (PQ, BT.2020) in the container alone: MP4's colr box, Matroska's Colour element. Whoever
# asks each decoded frame for its colours, as is the rule since tags may change midway, gets another answer by codec: the
# decoder of H.264 hands the container's word on, that of HEVC (what phones and graders write HDR in) overwrites it with
# "unspecified", on the frames and on its own context, and the film is shown grey.
# Right: keep what the codec context says before the first packet is decoded, and fall back on it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check av==18.1.0 imageio-ffmpeg==0.6.0 numpy==2.3.5
"$folder/venv/bin/python" - "$folder" <<'PY'
import subprocess
import sys
from pathlib import Path

import av
import imageio_ffmpeg

PQ, UNSPECIFIED = 16, 2  # ITU-T H.273, transfer characteristics
FFMPEG = (imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y")
TAGS = ("-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc")
print("PyAV", av.__version__, "FFmpeg", av.ffmpeg_version_info, "written by", imageio_ffmpeg.get_ffmpeg_version())
folder = Path(sys.argv[1])
told = {}
for codec in ("libx264", "libx265"):
    for ending in ("mp4", "mkv"):
        plain, tagged = folder / f"plain.{ending}", folder / f"{codec}.{ending}"
        source = ("-f", "lavfi", "-t", "0.4", "-i", "testsrc2=s=320x180:r=25")
        subprocess.run([*FFMPEG, *source, "-pix_fmt", "yuv420p", "-c:v", codec, str(plain)], check=True,
                       stderr=subprocess.DEVNULL)
        subprocess.run([*FFMPEG, "-i", str(plain), "-c", "copy", *TAGS, str(tagged)], check=True)
        with av.open(str(tagged)) as file:
            context = file.streams.video[0].codec_context
            before = int(context.color_trc)
            frame = next(file.decode(video=0))
            told[codec, ending] = before, int(frame.color_trc), int(context.color_trc)
        print(f"{codec} in {ending}: transfer before decoding {before}, of the frame {told[codec, ending][1]}, "
              f"of the context afterwards {told[codec, ending][2]}")
assert all(told["libx264", ending] == (PQ, PQ, PQ) for ending in ("mp4", "mkv")), "H.264 loses it too now"
assert all(told["libx265", ending] == (PQ, UNSPECIFIED, UNSPECIFIED) for ending in ("mp4", "mkv")), "HEVC keeps it now"
PY
