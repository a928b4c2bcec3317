"""A canvas to draw moving scenes on: 640 x 360 units, drawn twice as large so that edges and motion come out smooth.

Points are (x, y) in units from the top left, colours are "#rrggbb", times are seconds. Nothing here is random: what
looks so comes from `scatter()`, which has a seed.
"""

from functools import cache

import cv2
import numpy as np
from PIL import ImageFont

WIDTH, HEIGHT = 640, 360
SCALE = 2  # canvas pixels per unit
SUBPIXEL_BITS = 4  # OpenCV draws at 1/16 of a pixel
FONT = "DejaVuSans-Bold.ttf"


@cache
def rgb(colour: str) -> tuple[int, int, int]:
    return tuple(bytes.fromhex(colour.removeprefix("#")))


@cache
def scatter(seed: int, count: int, columns: int) -> np.ndarray:
    """The same evenly spread random numbers each time: float64 [count, columns], 0..1."""
    return np.random.default_rng(seed).random((count, columns))


@cache
def sky(*colours: str) -> np.ndarray:
    """A background that passes from the first colour at the top to the last at the bottom: uint8 [H, W, 3]."""
    height, width = HEIGHT * SCALE, WIDTH * SCALE
    stops = np.linspace(0, height - 1, len(colours))
    channels = [np.interp(np.arange(height), stops, channel) for channel in zip(*map(rgb, colours), strict=True)]
    column = np.stack(channels, axis=-1)[:, None, :]
    return np.broadcast_to(np.rint(column), (height, width, 3)).astype(np.uint8)


@cache
def ridge(seed: int, base: float, height: float, step: float = 40, length: float = 720) -> np.ndarray:
    """The outline of hills from x = -40 on, closed far below the picture: float64 [points, 2]."""
    x = np.arange(-40, length, step)
    y = base - height * scatter(seed, len(x), 1)[:, 0]
    return np.concatenate([np.stack([x, y], axis=1), [[x[-1], 600], [-40, 600]]])


def wave(base: float, height: float, length: float, phase: float) -> np.ndarray:
    """Water with its surface near y = base, as a polygon: float64 [points, 2]."""
    x = np.arange(-20, WIDTH + 21, 8)
    y = base + height * np.sin(x / length * 2 * np.pi + phase) + height / 2 * np.sin(x / length * 3.7 + 1.7 * phase)
    return np.concatenate([np.stack([x, y], axis=1), [[WIDTH + 20, 600], [-20, 600]]])


def between(t: float, start: float, end: float) -> float:
    """How far t is on its way from start to end, 0..1, with a soft beginning and end."""
    share = min(1.0, max(0.0, (t - start) / (end - start)))
    return share * share * (3 - 2 * share)


class Canvas:
    """One picture in the making; `pixels` is uint8 RGB [H * SCALE, W * SCALE, 3]."""

    def __init__(self, background: np.ndarray):
        self.pixels = background.copy()

    def polygon(self, points, colour: str, at=(0.0, 0.0), size: float = 1.0) -> None:
        """A filled shape; `size` scales its points, then `at` moves them."""
        points = np.asarray(points, dtype=float) * size + at
        cv2.fillPoly(self.pixels, [_fixed(points)], rgb(colour), cv2.LINE_AA, SUBPIXEL_BITS)

    def box(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        self.polygon([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], colour)

    def disc(self, x: float, y: float, radius: float, colour: str) -> None:
        self.oval(x, y, radius, radius, colour)

    def oval(self, x: float, y: float, wide: float, high: float, colour: str, angle: float = 0, arc=(0, 360)) -> None:
        """A filled ellipse with half-axes `wide` and `high`; angles in degrees, clockwise from the right."""
        points = cv2.ellipse2Poly((0, 0), (1000, 1000), 0, *arc, 6) / 1000 * (wide, high)
        self.polygon(points @ _turn(angle), colour, at=(x, y))

    def line(self, points, colour: str, width: float = 1.0, at=(0.0, 0.0)) -> None:
        points = _fixed(np.asarray(points, dtype=float) + at)
        thickness = max(1, round(width * SCALE))
        cv2.polylines(self.pixels, [points], False, rgb(colour), thickness, cv2.LINE_AA, SUBPIXEL_BITS)

    def text(self, x: float, y: float, words: str, size: int, colour: str) -> None:
        """Words with their line's top left at (x, y), letters of `size` units."""
        ink = _ink(words, size * SCALE)
        top, left = round(y * SCALE), round(x * SCALE)
        patch = self.pixels[top : top + ink.shape[0], left : left + ink.shape[1]]
        patch[:] = patch + (np.float32(rgb(colour)) - patch) * ink[: patch.shape[0], : patch.shape[1], None]

    def figure(self, x: float, y: float, height: float, coat: str, *, step: float = 0, arms_up: bool = False) -> None:
        """A person standing at (x, y); `step` is the phase of the walk in radians."""
        hip, shoulder, swing = y - 0.48 * height, y - 0.8 * height, 0.16 * height * np.sin(step)
        for side in (-1, 1):
            hand = (x + 0.24 * side * height, y - 1.05 * height) if arms_up else (x - side * swing, hip + 0.04 * height)
            self.line([(x, hip), (x + side * swing, y)], "#23262e", 0.11 * height)
            self.line([(x + 0.09 * side * height, shoulder + 2), hand], coat, 0.09 * height)
        self.oval(x, (hip + shoulder) / 2, 0.13 * height, 0.22 * height, coat)
        self.disc(x, y - 0.91 * height, 0.1 * height, "#e8b892")

    def puff(self, x: float, y: float, radius: float, colour: str, strength: float = 1.0) -> None:
        """A soft round patch, for light, smoke, fog and dust; it fades out towards `radius`."""
        left, top = max(0, int((x - radius) * SCALE)), max(0, int((y - radius) * SCALE))
        patch = self.pixels[top : max(0, int((y + radius) * SCALE)), left : max(0, int((x + radius) * SCALE))]
        if patch.size == 0:
            return
        rows, columns = np.ogrid[: patch.shape[0], : patch.shape[1]]
        far = ((rows + top) / SCALE - y) ** 2 + ((columns + left) / SCALE - x) ** 2
        alpha = (strength * np.clip(1 - far / radius**2, 0, 1) ** 2)[..., None].astype(np.float32)
        patch[:] = patch + (np.float32(rgb(colour)) - patch) * alpha

    def veil(self, colour: str, strength: float) -> None:
        """Tint the whole picture: a flash, dusk, haze."""
        self.pixels = cv2.addWeighted(self.pixels, 1 - strength, np.full_like(self.pixels, rgb(colour)), strength, 0)

    def stars(self, seed: int, count: int, t: float, below: float = HEIGHT) -> None:
        """Stars that twinkle, down to y = below."""
        for x, y, size, phase in scatter(seed, count, 4):
            light = int(150 + 70 * size + 35 * np.sin(2 * t + 6.3 * phase))
            self.disc(x * WIDTH, y * below, 0.5 + 0.9 * size, f"#{light:02x}{light:02x}{light:02x}")

    def picture(self) -> np.ndarray:
        """The finished frame: uint8 RGB [360, 640, 3]."""
        return cv2.resize(self.pixels, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)


def as_old_film(canvas: Canvas, t: float) -> Canvas:
    """Black and white, with flicker, a dark rim, scratches and a little grain."""
    grey = cv2.cvtColor(canvas.pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    tick = int(t * 5)
    grain = scatter(900 + tick % 7, 45 * 80, 1).reshape(45, 80).astype(np.float32)
    grain = cv2.resize(grain, grey.shape[::-1], interpolation=cv2.INTER_CUBIC) - 0.5
    flicker = 1 + 0.04 * np.sin(11 * t)
    grey = np.clip(grey * _rim() * flicker + 8 * grain, 0, 255).astype(np.uint8)
    film = Canvas(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB))
    for x, here, shade in scatter(950 + tick, 3, 3):
        if here > 0.5:
            film.line([(x * WIDTH, 0), (x * WIDTH + 2, HEIGHT)], "#d8d8d8" if shade > 0.5 else "#303030", 0.5)
    return film


@cache
def _rim() -> np.ndarray:
    """1 in the middle, darker towards the corners: float32 [H * SCALE, W * SCALE]."""
    y, x = np.mgrid[-1 : 1 : HEIGHT * SCALE * 1j, -1 : 1 : WIDTH * SCALE * 1j]
    return (1 - 0.3 * (x**2 + y**2) ** 1.5 / 2.83).astype(np.float32)


@cache
def _ink(words: str, size: int) -> np.ndarray:
    """How much ink falls on each pixel of one line of text, 0..1: float32 [rows, columns]."""
    font = ImageFont.truetype(FONT, size)
    mask, (left, top) = font.getmask2(words, mode="L", anchor="la")
    ink = np.asarray(mask, dtype=np.float32).reshape(mask.size[::-1]) / 255
    return np.pad(ink, ((max(0, top), 0), (max(0, left), 0)))


def _turn(degrees: float) -> np.ndarray:
    """Turns row vectors clockwise on the screen: float64 [2, 2]."""
    sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    return np.array([[cosine, sine], [-sine, cosine]])


def _fixed(points: np.ndarray) -> np.ndarray:
    """Units to OpenCV's fixed-point pixels: int32."""
    return np.rint(points * SCALE * 2**SUBPIXEL_BITS).astype(np.int32)
