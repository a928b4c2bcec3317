"""Writes files of every kind that people have in their folders, most of them broken in one way each.

`CORPUS` says for each kind the file's name and who makes it; `make` writes them all. A whole clip shows 150 numbered
pictures in 6 s and has 5.5 s of sound, so what phase 1 must find in it is known by hand.
"""

import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition

from tests import clips
from tests.clips import Pictures, Sound, steady, tones

HOURS_12 = 12 * 3600
FAST_VP9 = {"deadline": "realtime", "cpu-used": "8"}
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+delay_moov"}
INDEX_FIRST = {"movflags": "faststart"}
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}

Maker = Callable[[Path], Any]


def pictures(seconds: float = 6.0, start: float = 0.0, **more: Any) -> Pictures:
    return Pictures(steady(seconds, start), **more)


def sound(
    seconds: float = 5.5, start: float = 0.0, rate: int = 48_000, codec: str = "flac", channels: int = 1
) -> Sound:
    """A tone in each second."""
    one = tones(start, seconds, rate, *(start + 0.5 + n for n in range(int(seconds))))
    return Sound([(start, np.tile(one, (channels, 1)))], rate, LAYOUTS[channels], codec)


def clip(path: Path, seen: Pictures | None = None, heard: Sound | None = None, **muxer: str) -> bytes:
    """A whole clip, with pictures and sound if neither is given. Its bytes."""
    if seen is None and heard is None:
        seen, heard = pictures(), sound()
    return clips.write(path, seen, heard, **muxer).read_bytes()


# --- surgery


def patched(path: Path, make: Maker, *changes: tuple[bytes, int, bytes]) -> None:
    """Make the file, then overwrite: each change is a mark, how many bytes after its begin, and the new bytes."""
    make(path)
    data = bytearray(path.read_bytes())
    for mark, after, new in changes:
        place = data.index(mark) + after
        data[place : place + len(new)] = new
    path.write_bytes(data)


def cut(path: Path, make: Maker, part: float) -> None:
    """Make the file, and keep this part of it."""
    make(path)
    os.truncate(path, int(path.stat().st_size * part))


def overwritten(path: Path, make: Maker, begin: float, end: float) -> None:
    """Make the file, and fill it with noise from one part of its length to another."""
    make(path)
    data = bytearray(path.read_bytes())
    first, last = int(len(data) * begin), int(len(data) * end)
    data[first:last] = np.random.default_rng(4).bytes(last - first)
    path.write_bytes(data)


def no_packets(path: Path, codec: str, **stream: Any) -> None:
    """Only what a muxer writes before the first packet and after the last one."""
    with av.open(str(path), "w") as container:
        added: Any = container.add_stream(codec, **stream)
        if codec == "libx264":
            added.width, added.height, added.pix_fmt = 128, 96, "yuv420p"
        container.start_encoding()


def copied(path: Path, *sources: Path, disposition: dict[int, Disposition] | None = None) -> None:
    """All tracks of the sources in one file, without coding them again."""
    with av.open(str(path), "w") as target:
        packets = []
        for number, source in enumerate(sources):
            old = av.open(str(source))
            copies = {stream: target.add_stream_from_template(stream) for stream in old.streams}
            if disposition and number in disposition:
                copies[old.streams[0]].disposition = disposition[number]
            for packet in old.demux():
                if packet.size and packet.dts is not None:
                    packet.stream = copies[packet.stream]
                    packets.append(packet)
        for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
            target.mux(packet)


# --- makers


def text(path: Path) -> None:
    path.write_text("Just some words.\n" * 99)


def jpeg(path: Path) -> None:
    jpg = path.with_name("still.jpg")
    clips.write(jpg, Pictures([0.0], codec="mjpeg", gop=1), update="1")
    jpg.rename(path)


def cover_only(path: Path) -> None:
    music = path.with_name("music.mp3")
    cover = path.with_name("cover.jpg")
    clips.write(music, None, sound(codec="libmp3lame"))
    clips.write(cover, Pictures([0.0], codec="mjpeg", gop=1), update="1")
    copied(path, music, cover, disposition={1: Disposition.attached_pic})


def ten_bits(path: Path) -> None:
    """Numbered pictures at 10 bits a sample."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx265", rate=clips.FPS)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p10le"
        stream.options = {"preset": "ultrafast", "x265-params": "log-level=none:pools=1"}
        for number in range(150):
            frame = av.VideoFrame.from_ndarray(clips.numbered(number, (128, 96)), format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, clips.FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def twice(path: Path) -> None:
    """Two recordings put together: the second one counts from 0 again."""
    path.write_bytes(2 * clip(path, pictures(), sound(codec="mp2")))


def wild_time(path: Path) -> None:
    """One picture says that it is shown in three years."""
    times = [*steady(5.96), 1e8]
    clip(path, Pictures(times), sound())


def claims_12_hours(path: Path) -> None:
    """The Duration of Matroska's header, a float64 in milliseconds."""
    patched(
        path,
        partial(clip, seen=pictures(10), heard=sound(9.5)),
        (b"\x44\x89\x88", 3, struct.pack(">d", 1e3 * HOURS_12)),
    )


def mp4_claims_12_hours(path: Path) -> None:
    """mvhd counts in 1/1000 s; mdhd is what FFmpeg goes by, in the track's own time base."""
    patched(path, partial(clip, seen=pictures(10)))
    data = bytearray(path.read_bytes())
    for box in (b"mvhd", b"mdhd"):
        place = data.index(box)
        scale = int.from_bytes(data[place + 16 : place + 20], "big")
        data[place + 20 : place + 24] = (HOURS_12 * scale).to_bytes(4, "big")
    path.write_bytes(data)


def huge_jpeg(path: Path, side: int) -> None:
    """A motion JPEG whose pictures claim another size than they have: SOF0 holds height and width."""
    clip(path, pictures(1, codec="mjpeg", gop=1))
    data = path.read_bytes()
    parts = data.split(b"\xff\xc0\x00\x11\x08")
    size = struct.pack(">HH", side, side)
    path.write_bytes(parts[0] + b"".join(b"\xff\xc0\x00\x11\x08" + size + part[4:] for part in parts[1:]))


def box(name: bytes, content: bytes) -> bytes:
    """A box of MP4's family."""
    return struct.pack(">I4s", 8 + len(content), name) + content


def heic(path: Path, brand: bytes) -> None:
    """A photo of a kind that FFmpeg does not read."""
    kind = box(b"hdlr", bytes(8) + b"pict" + bytes(13))
    path.write_bytes(
        box(b"ftyp", brand + bytes(4) + b"mif1heic") + box(b"meta", bytes(4) + kind) + box(b"mdat", bytes(99))
    )


def motion_photo(path: Path) -> None:
    """A phone's JPEG with its film after it, which its XMP tells of."""
    jpeg(path)
    photo, film = path.read_bytes(), clip(path.with_name("film_of_photo.mp4"))
    told = f'<rdf:Description GCamera:MotionPhoto="1" GCamera:MicroVideo="1" GCamera:MicroVideoOffset="{len(film)}"/>'
    xmp = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>" + told.encode() + b"</x:xmpmeta>"
    path.write_bytes(photo[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(xmp)) + xmp + photo[2:] + film)


def clear_then_encrypted(path: Path) -> None:
    """Fragments of which the first are plain: the track has two descriptions, the second `encv` (ISO/IEC 23001-7)."""
    data = clips.write(path, pictures(), None, **FRAGMENTS).read_bytes()
    stsd = data.index(b"stsd") - 4
    entry = stsd + 16
    length = int.from_bytes(data[entry : entry + 4])
    scheme = box(b"frma", b"avc1") + box(b"schm", bytes(4) + b"cenc" + bytes(4)) + box(b"schi", b"")
    described = box(b"encv", data[entry + 8 : entry + length] + box(b"sinf", scheme))
    data = bytearray(data[: entry + length] + described + data[entry + length :])
    data[entry - 1] = 2
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"):
        place = data.index(name) - 4
        struct.pack_into(">I", data, place, struct.unpack_from(">I", data, place)[0] + len(described))
    path.write_bytes(data)


def encrypted(path: Path, seen: Pictures | None = None, **muxer: str) -> None:
    """Common encryption, as sold films have it, without the key."""
    keys = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": "01" * 16, "encryption_kid": "02" * 16}
    clip(path, seen, sound(codec="aac"), **keys, **muxer)


def two_videos(path: Path) -> None:
    """The second one is smaller, and shorter."""
    first, second = path.with_name("first.mkv"), path.with_name("second.mkv")
    clip(first)
    clip(second, pictures(3, size=(64, 48)))
    copied(path, first, second)


def subtitled(path: Path) -> None:
    words, film = path.with_name("words.srt"), path.with_name("film.mkv")
    srt(words)
    clip(film)
    copied(path, film, words)


def srt(path: Path) -> None:
    path.write_text("1\n00:00:01,000 --> 00:00:02,000\nHello.\n\n2\n00:00:03,000 --> 00:00:04,000\nBye.\n\n")


def playlist(path: Path) -> None:
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\nmpeg_ts.ts\n#EXT-X-ENDLIST\n")


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("film.mkv", clip(path.with_name("zipped_film.mkv")))


def broken_avi_index(path: Path) -> None:
    patched(path, partial(clip, seen=pictures(codec="mpeg4"), heard=sound(codec="pcm_s16le")))
    data = bytearray(path.read_bytes())
    place = data.rindex(b"idx1") + 8
    data[place:] = np.random.default_rng(5).bytes(len(data) - place)
    path.write_bytes(data)


def wav_of_4_gb(path: Path) -> None:
    patched(path, partial(clip, heard=sound(codec="pcm_s16le")), (b"RIFF", 4, b"\xff" * 4), (b"data", 4, b"\xff" * 4))


def mp3_after_noise(path: Path) -> None:
    path.write_bytes(np.random.default_rng(6).bytes(5000) + clip(path, None, sound(codec="libmp3lame")))


def growing(path: Path) -> None:
    """The first half of a recording; `rest_of` is what is still to come."""
    whole = clip(path, pictures(20), sound(19.5, codec="mp2"))
    path.with_name("rest_of_it").write_bytes(whole[len(whole) // 2 :])
    path.write_bytes(whole[: len(whole) // 2])


def zeros(path: Path) -> None:
    """8 GB that take no room on the disk."""
    path.touch()
    os.truncate(path, 8 << 30)


def forbidden(path: Path) -> None:
    clip(path)
    path.chmod(0)


def linked(path: Path) -> None:
    clip(path.with_name("linked_to.mp4"))
    path.symlink_to("linked_to.mp4")


def old_tags(path: Path) -> None:
    """A title in an encoding that is not UTF-8."""
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "NEWS!"
        stream: Any = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for packet in clips.encoded(stream, sound(rate=16_000, codec="pcm_s16le")):
            container.mux(packet)
    path.write_bytes(path.read_bytes().replace(b"NEWS!", "ВЕСТИ".encode("cp1251")))


def middle_of_a_broadcast(path: Path) -> None:
    """Begins in the middle of a packet, before a keyframe."""
    data = clip(path, pictures(12, gop=50), sound(11.5, codec="mp2"))
    path.write_bytes(data[len(data) * 45 // 100 :])


def huge_png(path: Path, side: int = 16_000) -> None:
    """Black, 768 MB when unpacked."""
    row, packer = bytes(1 + 3 * side), zlib.compressobj(1)
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    chunks = {b"IHDR": struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0), b"IDAT": data, b"IEND": b""}
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, body in chunks.items():
            file.write(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)))


def turned(degrees: int, path: Path) -> None:
    """Stored lying, shown upright."""

    def stored(number: int, size: tuple[int, int]) -> np.ndarray:
        width, height = size
        upright = clips.numbered(number, (height, width) if degrees % 180 else size)
        return np.ascontiguousarray(np.rot90(upright, -degrees // 90))

    clip(path, pictures(rotation=degrees, draw=stored))


def vfr() -> list[float]:
    """Recorded from a screen: 25 pictures a second with a pause from 2 to 5 s."""
    return [*steady(2), *steady(1, start=5.0)]


HEVC = {"preset": "ultrafast", "x265-params": "log-level=none:pools=1:frame-threads=1"}

CORPUS: dict[str, tuple[str, Maker]] = {
    # no media
    "empty": ("empty.mp4", Path.touch),
    "text": ("text.mp4", text),
    "noise": ("noise.mp4", lambda path: path.write_bytes(np.random.default_rng(3).bytes(50_000))),
    "zip": ("zip.mkv", zipped),
    "srt": ("srt.mp4", srt),
    "playlist": ("playlist.m3u8", playlist),
    "zeros of 8 GB": ("zeros.mp4", zeros),
    "jpg": ("jpg.mp4", jpeg),
    "heic": ("heic.heic", partial(heic, brand=b"heic")),
    "mif1": ("mif1.mov", partial(heic, brand=b"mif1")),
    "motion photo": ("motion_photo.mp4", motion_photo),
    # no file
    "missing": ("missing.mp4", lambda path: None),
    "folder": ("folder.mp4", Path.mkdir),
    "fifo": ("fifo.mp4", os.mkfifo),
    "device": ("/dev/zero", lambda path: None),
    "link to nothing": ("link_to_nothing.mp4", lambda path: path.symlink_to("nothing.mp4")),
    "link": ("link.mp4", linked),
    "link to itself": ("link_to_itself.mp4", lambda path: path.symlink_to(path.name)),
    # broken
    "no moov": ("no_moov.mp4", partial(cut, make=clip, part=0.9)),
    "cut mp4": ("cut.mp4", partial(cut, make=partial(clip, **INDEX_FIRST), part=0.6)),
    "cut fragments": ("cut_fragments.mp4", partial(cut, make=partial(clip, seen=pictures(), **FRAGMENTS), part=0.6)),
    "cut in the header": ("cut_in_header.mkv", partial(cut, make=clip, part=0.005)),
    "damaged": ("damaged.mp4", partial(overwritten, make=partial(clip, seen=pictures(gop=10)), begin=0.3, end=0.5)),
    "damaged mkv": ("damaged.mkv", partial(overwritten, make=clip, begin=0.3, end=0.5)),
    "damaged to the end": (
        "damaged_to_end.ts",
        partial(overwritten, make=partial(clip, seen=pictures()), begin=0.02, end=1),
    ),
    "no packets mp4": ("no_packets.mp4", partial(no_packets, codec="libx264")),
    "no packets mkv": ("no_packets.mkv", partial(no_packets, codec="libx264")),
    "no packets wav": ("no_packets.wav", partial(no_packets, codec="pcm_s16le", rate=16_000, layout="mono")),
    "broken avi index": ("broken_index.avi", broken_avi_index),
    "noise before mp3": ("noise_before.mp3", mp3_after_noise),
    "wav of 4 GB": ("of_4_gb.wav", wav_of_4_gb),
    "12 hours": ("12_hours.mkv", claims_12_hours),
    "12 hours mp4": ("12_hours.mp4", mp4_claims_12_hours),
    "wild time": ("wild_time.mkv", wild_time),
    "encrypted": ("encrypted.mp4", partial(encrypted, seen=pictures())),
    "encrypted fragments": ("encrypted_fragments.mp4", partial(encrypted, seen=pictures(), **FRAGMENTS)),
    "encrypted later": ("encrypted_later.mp4", clear_then_encrypted),
    "encrypted sound": ("encrypted_sound.mp4", encrypted),
    "middle of a broadcast": ("middle.ts", middle_of_a_broadcast),
    "unknown pictures": ("unknown_pictures.mkv", lambda path: patched(path, clip, (b"V_MPEG4/ISO/AVC", 2, b"OTHER"))),
    "unknown sound": ("unknown_sound.mkv", lambda path: patched(path, clip, (b"A_FLAC", 2, b"OTHR"))),
    "unknown all": (
        "unknown_all.mkv",
        lambda path: patched(path, clip, (b"V_MPEG4/ISO/AVC", 2, b"OTHER"), (b"A_FLAC", 2, b"OTHR")),
    ),
    "huge": ("huge.mkv", partial(clip, seen=pictures(0.4, size=(16384, 64)))),
    "claims 16000": ("claims_16000.avi", partial(huge_jpeg, side=16_000)),
    "claims 30000": ("claims_30000.avi", partial(huge_jpeg, side=30_000)),
    # unusual
    "sound only": ("sound_only.mp4", partial(clip, heard=sound())),
    "pictures only": ("pictures_only.mp4", partial(clip, seen=pictures())),
    "cover only": ("cover_only.mp3", cover_only),
    "one frame": ("one_frame.mp4", partial(clip, seen=Pictures([0.0]))),
    "short": ("short.mp4", partial(clip, seen=pictures(0.2), heard=sound(0.2))),
    "variable rate": ("variable_rate.mkv", partial(clip, seen=Pictures(vfr()))),
    "rotated 90": ("rotated_90.mp4", partial(turned, 90)),
    "rotated 180": ("rotated_180.mp4", partial(turned, 180)),
    "rotated 270": ("rotated_270.mp4", partial(turned, -90)),
    "late sound": ("late_sound.mkv", partial(clip, seen=pictures(), heard=sound(3.0, start=2.5))),
    "starts before 0": ("before_0.nut", partial(clip, seen=pictures(start=-2.0), heard=sound(start=-2.0))),
    "gap": ("gap.mkv", lambda path: clip(path, pictures(), Sound([*sound(1.0).pieces, *sound(1.5, start=4.0).pieces]))),
    "raw h264": ("raw.h264", partial(clip, seen=pictures())),
    "raw aac": ("raw.aac", partial(clip, heard=sound(codec="aac"))),
    "tags in cp1251": ("old_tags.wav", old_tags),
    "8 kHz": ("8_khz.wav", partial(clip, heard=sound(rate=8_000, codec="pcm_s16le"))),
    "192 kHz": ("192_khz.mkv", partial(clip, heard=sound(rate=192_000))),
    "5.1": ("5_1.mkv", partial(clip, heard=sound(codec="ac3", channels=6))),
    "10 bits": ("10_bits.mkv", ten_bits),
    "hevc": ("hevc.mp4", partial(clip, seen=pictures(codec="libx265", options=HEVC))),
    "av1": (
        "av1.mkv",
        partial(clip, seen=pictures(codec="libsvtav1", options={"preset": "12", "svtav1-params": "lp=1"})),
    ),
    "vp9": (
        "vp9.webm",
        partial(clip, seen=pictures(codec="libvpx-vp9", options=FAST_VP9), heard=sound(codec="libopus")),
    ),
    "mpeg ts": ("mpeg_ts.ts", partial(clip, seen=pictures(), heard=sound(codec="mp2"))),
    "no cues": ("no_cues.mkv", partial(clip, live="1")),
    "odd": ("odd.webm", partial(clip, seen=pictures(size=(131, 97), codec="libvpx-vp9", options=FAST_VP9))),
    "twice": ("twice.ts", twice),
    "two videos": ("two_videos.mkv", two_videos),
    "subtitles": ("subtitles.mkv", subtitled),
    # names and places
    "spaces": ("  spaces  inside .mp4", clip),
    "quotes": ('it\'s "quoted" `$HOME` %s {}.mp4', clip),
    "kazakh": ("Қазақстан жаңалықтары — ғылым.mp4", clip),
    "newline": ("two\nlines\x1b[31m.mp4", clip),
    "newline and damage": ("two\nbad lines\x1b[31m.mp4", text),
    "long name": ("я" * 125 + "x.mp4", clip),
    "dash": ("-i.mp4", clip),
    "protocol": ("http:x.mp4", clip),
    "pattern": ("frame%03d.mp4", clip),
    "above": ("../above.mp4", clip),
    "growing": ("growing.ts", growing),
}
