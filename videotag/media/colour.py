"""Colours as a screen shows them: what a frame's tags say of its YUV, and HDR and wide gamuts brought to sRGB."""

import logging
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger("videotag")

BT709_MATRIX, BT2020_MATRIX = 1, 9  # FFmpeg's numbers, after ITU-T H.273
_UNSAID = 2
_UNSAID_IN = {"color_primaries": _UNSAID, "color_trc": _UNSAID, "colorspace": _UNSAID, "color_range": 0}
_SAID_BY_DECODER = {"vp8": _UNSAID, "mjpeg": 5, "dnxhd": None}
"""Codecs whose decoders tell one matrix whatever the file says, and what that is worth: VP8 means nothing by it, JPEG
is BT.601 (JFIF), DNxHD has it in its frames (None), where writers seldom put the right one."""
_LINEAR, _LOG, _LONG_LOG = 8, 9, 10
_PQ, _HLG = HDR = 16, 18
_BT2020, _DCI_P3, _DISPLAY_P3 = 9, 11, 12
_READABLE = {0, 1, 2, 4, 5, 6, 7, 9}  # matrices that FFmpeg's scaler knows
_FOREIGN = {8, 11, 14, 15, 16, 17}  # those of no Y'CbCr: YCgCo, ICtCp and their like
_PRIMARIES = {  # x and y of red, green, blue; white is D65 everywhere
    1: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),
    _BT2020: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    _DCI_P3: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    _DISPLAY_P3: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
_D65 = (0.3127, 0.3290)
_WHITE = 203.0  # cd/m2 of SDR's white in HDR (ITU-R BT.2408)
_HLG_PEAK, _HLG_GAMMA = 1000.0, 1.2  # cd/m2, and the system gamma for it (ITU-R BT.2100)
_KNEE = 0.6  # share of white above which what is brighter than white makes room for itself
_STEPS = 1 << 14
_CUBE = 33  # values of each colour in a table of colours


def told(context: Any) -> dict[str, int]:
    """The tags that the container gives, by their names in a frame; of a decoder that has not decoded anything yet."""
    tags = {name: int(getattr(context, name)) for name in _UNSAID_IN}
    return {name: value for name, value in tags.items() if value != _UNSAID_IN[name]}


def complete(frame: Any, codec: str, container: dict[str, int]) -> None:
    """Give a frame the tags that its decoder does not know of: several forget those that only the container has."""
    if codec in _SAID_BY_DECODER:
        worth = _SAID_BY_DECODER[codec]
        frame.colorspace = container.get("colorspace", frame.colorspace if worth is None else worth)
    for name, value in container.items():
        if getattr(frame, name) == _UNSAID_IN[name]:
            setattr(frame, name, value)


def say_foreign(frame: Any, path: str) -> None:
    """Say once of a file that its colours cannot be read. Dolby Vision 5 is told by its data where no tag tells it."""
    from av.sidedata.sidedata import Type

    dolby = (Type.DOVI_RPU_BUFFER, Type.DOVI_METADATA)
    untold = frame.color_trc == frame.colorspace == _UNSAID and frame.format.name == "yuv420p10le"
    if int(frame.colorspace) in _FOREIGN or (untold and any(kind in frame.side_data for kind in dolby)):
        _warn_foreign(path)


def matrix(frame: Any) -> int | None:
    """The YUV matrix to read the frame with where its own tag is not enough.

    What is unsaid follows from the primaries; else HD is BT.709. A matrix that the scaler lacks is read as its nearest.
    """
    own = int(frame.colorspace)
    if own in _READABLE - {_UNSAID}:
        return None
    if frame.color_primaries == _BT2020 or frame.color_trc in HDR:
        return BT2020_MATRIX
    hd = frame.height >= 720 or frame.width >= 1280
    return BT709_MATRIX if hd or own != _UNSAID or frame.color_primaries in _PRIMARIES else None


def is_plain(frame: Any) -> bool:
    """Whether the frame's R'G'B' are a screen's: neither HDR (PQ, HLG), linear light nor a gamut wider than BT.709."""
    wide = frame.color_primaries in (_BT2020, _DCI_P3, _DISPLAY_P3)
    return not wide and frame.color_trc not in (*HDR, _LINEAR, _LOG, _LONG_LOG)


def to_srgb(image: "np.ndarray", transfer: int, primaries: int, brightest: float | None = None) -> "np.ndarray":
    """R'G'B' that is not plain, as a screen of today shows it.

    HDR's diffuse white, 203 cd/m2, becomes white. Where a picture is brighter than that, the uppermost tones are drawn
    together (extended Reinhard curve above a knee), so that the brightest is white; elsewhere nothing is changed.

    Args:
        image: uint16 [height, width, 3], red first, as the decoder's YUV gives it.
        transfer, primaries: the frame's tags, numbers of ITU-T H.273.
        brightest: in units of SDR's white, what becomes the brightest of HDR; None: what is brightest in the picture.

    Returns:
        BGR uint8 [height, width, 3].
    """
    import cv2
    import numpy as np

    if primaries not in _PRIMARIES:
        primaries = _BT2020 if transfer in HDR else 1
    linear = _light(transfer)[image]
    if transfer == _HLG:
        luminance = cv2.transform(linear, _xyz(primaries)[1:2].astype(np.float32))
        linear *= (luminance ** np.float32(_HLG_GAMMA - 1))[:, :, None]
    bgr = cv2.transform(linear, _to_bt709(primaries)[::-1].astype(np.float32))
    peak = (brightest or _peak(bgr)) if transfer in HDR else 1.0
    np.clip(bgr, 0, peak, out=bgr)
    index = (np.sqrt(bgr) * np.float32(_STEPS / peak**0.5)).astype(np.uint16)
    return _screen(peak)[index]


def cube(transfer: int, primaries: int) -> str:
    """`to_srgb` as a table for programs (.cube, Adobe's "Cube LUT Specification 1.0"), red growing fastest.

    A table is one for all pictures of a video: what is brighter than 1000 cd/m2, as most HDR is graded for, is white.
    """
    import numpy as np

    steps = np.rint(np.linspace(0, 65535, _CUBE)).astype(np.uint16)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    colours = np.stack([red, green, blue], axis=-1).reshape(-1, _CUBE, 3)
    shown = to_srgb(colours, transfer, primaries, _HLG_PEAK / _WHITE)[:, :, ::-1].reshape(-1, 3) / 255
    return f"LUT_3D_SIZE {_CUBE}\n" + "".join(f"{r:.4f} {g:.4f} {b:.4f}\n" for r, g, b in shown.tolist())


def _peak(linear: "np.ndarray") -> float:
    """The luminance of the brightest spot, at least SDR's white. Single pixels, as overshooting edges, do not count."""
    import cv2

    height, width = linear.shape[:2]
    spots = cv2.resize(linear, (max(1, width // 8), max(1, height // 8)), interpolation=cv2.INTER_AREA)
    return max(1.0, float((spots @ _xyz(1)[1, ::-1]).max()))


@cache
def _light(transfer: int) -> "np.ndarray":
    """Light in units of SDR's white, for each value of 16 bits (before HLG's system gamma). float32 [65536]"""
    import numpy as np

    signal = np.arange(65536) / 65535
    if transfer == _PQ:  # SMPTE ST 2084
        m1, m2, c1, c2, c3 = 1305 / 8192, 2523 / 32, 107 / 128, 2413 / 128, 2392 / 128
        power = signal ** (1 / m2)
        light = 10_000 / _WHITE * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)
    elif transfer == _HLG:  # ARIB STD-B67
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
        light = scene * (_HLG_PEAK / _WHITE) ** (1 / _HLG_GAMMA)
    elif transfer == _LINEAR:
        light = signal
    elif transfer in (_LOG, _LONG_LOG):  # ITU-T H.273, table 3: two decades of light, or two and a half
        light = np.where(signal > 0, 10 ** ((signal - 1) * (2 if transfer == _LOG else 2.5)), 0)
    else:  # what SDR looks like is what a screen makes of it
        light = np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)
    return light.astype(np.float32)


def _screen(peak: float) -> "np.ndarray":
    """Values of a screen for the roots of light from 0 to `peak`. uint8 [_STEPS + 1]"""
    import numpy as np

    light = peak * (np.arange(_STEPS + 1) / _STEPS) ** 2
    room = 1 - _KNEE
    above, most = np.maximum(light - _KNEE, 0) / room, (peak - _KNEE) / room
    light = np.minimum(light, _KNEE) + room * above * (1 + above / most**2) / (1 + above)
    signal = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(255 * signal).clip(0, 255).astype(np.uint8)


@cache
def _xyz(primaries: int) -> "np.ndarray":
    """The matrix from linear RGB to XYZ. float64 [3, 3]"""
    import numpy as np

    def xyz(x: float, y: float) -> list[float]:
        return [x / y, 1.0, (1 - x - y) / y]

    columns = np.array([xyz(*point) for point in _PRIMARIES[primaries]]).T
    return columns * np.linalg.solve(columns, xyz(*_D65))


@cache
def _to_bt709(primaries: int) -> "np.ndarray":
    import numpy as np

    return np.linalg.solve(_xyz(1), _xyz(primaries))


@cache
def _warn_foreign(path: str) -> None:
    kinds = "Dolby Vision 5, ICtCp or the like"
    log.warning("%s: its colours cannot be read here (%s) and come out wrong; give a copy in HDR10 or SDR", path, kinds)
