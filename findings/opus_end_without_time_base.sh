#!/usr/bin/env bash
# What an Opus decoder holds back comes out at the flush as a frame that has no time base and the time stamp of the
# frame before it. PyAV gives every other frame of the same stream a time base, so `frame.pts * frame.time_base`, which
# works for hours of sound, raises a TypeError on the last 24 samples of a voice message. It depends on the bit rate: at
# 8 kbit/s the decoder holds samples back, at 24 kbit/s it does not.
# Right: take the stream's time base where the frame has none, and count samples from the frame before.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check av==18.1.0 numpy==2.3.5
"$folder/venv/bin/python" - "$folder/voice.ogg" <<'PY'
import sys

import av
import numpy as np

RATE = 16_000
print("PyAV", av.__version__, "FFmpeg", av.ffmpeg_version_info)


def frames(bit_rate: int) -> list:
    """Three seconds of a tone, encoded and decoded; the flush is the call with None."""
    tone = (9000 * np.sin(np.arange(3 * RATE) / 12)).astype(np.int16)
    with av.open(sys.argv[1], "w") as file:
        stream = file.add_stream("libopus", rate=RATE, layout="mono", options={"application": "voip"})
        stream.bit_rate = bit_rate
        frame = av.AudioFrame.from_ndarray(tone[None], format="s16", layout="mono")
        frame.sample_rate = RATE
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            file.mux(packet)
    with av.open(sys.argv[1]) as file:
        stream = file.streams.audio[0]
        packets = [packet for packet in file.demux(stream) if packet.size]
        decoded = [frame for packet in packets for frame in stream.codec_context.decode(packet)]
        return decoded[-1:] + list(stream.codec_context.decode(None))


for bit_rate in (8_000, 24_000):
    last = frames(bit_rate)
    print(f"{bit_rate} bit/s:", [(frame.pts, frame.samples, frame.time_base) for frame in last])
    if bit_rate == 8_000:
        before, flushed = last
        same = flushed.time_base is None and flushed.pts == before.pts and before.time_base is not None
        if not same:
            sys.exit("changed: the frame of the flush has a time of its own")
    elif len(last) != 1:
        sys.exit("changed: it holds something back at 24 kbit/s, too")
PY
