"""The Earth as a turning ball: rough outlines of the continents, wrapped around a sphere."""

from functools import cache

import cv2
import numpy as np
from brush import SCALE, Canvas, rgb, scatter

# fmt: off
CONTINENTS = {  # (longitude, latitude) in degrees
    "Africa": [(-17, 15), (-10, 30), (-5, 36), (10, 37), (20, 32), (33, 31), (43, 12), (51, 12), (40, -5), (40, -16),
               (33, -27), (20, -35), (15, -25), (12, -8), (9, 4), (-8, 5)],
    "Europe and Asia": [(-9, 37), (-9, 43), (-1, 46), (-4, 48), (5, 53), (8, 57), (12, 56), (5, 60), (15, 68), (28, 71),
                        (45, 67), (70, 73), (105, 78), (140, 73), (180, 69), (178, 63), (162, 60), (157, 52), (142, 58),
                        (140, 48), (127, 38), (121, 32), (115, 22), (108, 20), (109, 11), (104, 2), (98, 12), (90, 22),
                        (80, 8), (73, 18), (66, 25), (57, 26), (59, 22), (45, 13), (35, 29), (36, 37), (27, 37),
                        (20, 40), (13, 45), (18, 40), (10, 44), (0, 40)],
    "North America": [(-168, 66), (-125, 70), (-95, 72), (-80, 73), (-80, 62), (-94, 60), (-80, 52), (-65, 60),
                      (-55, 52), (-66, 44), (-75, 38), (-81, 26), (-90, 30), (-97, 26), (-95, 18), (-88, 20),
                      (-83, 9), (-95, 15), (-106, 22), (-117, 32), (-125, 45), (-140, 60), (-160, 56)],
    "South America": [(-78, 8), (-62, 11), (-50, 0), (-35, -7), (-40, -22), (-55, -35), (-66, -45), (-70, -54),
                      (-74, -45), (-71, -20), (-81, -5)],
    "Greenland": [(-55, 82), (-20, 80), (-22, 70), (-44, 60), (-54, 68)],
    "Australia": [(114, -22), (130, -12), (137, -16), (142, -11), (153, -28), (147, -39), (131, -32), (116, -35)],
    "Antarctica": [(-180, -72), (-60, -66), (0, -70), (90, -66), (180, -72), (180, -90), (-180, -90)],
}
# fmt: on
ICE = ("Greenland", "Antarctica")


def draw_globe(canvas: Canvas, x: float, y: float, radius: float, longitude: float, cloudiness: float = 0.8) -> None:
    """The globe with `longitude` (degrees) facing us, lit from the upper left."""
    ball_longitude, ball_latitude, light, edge = _ball(round(radius * SCALE))
    surface = _look(_surface(), ball_longitude + longitude, ball_latitude)
    clouds = _look(_clouds(), ball_longitude + 1.4 * longitude, ball_latitude)[..., None] * cloudiness
    colour = (surface + (255 - surface) * clouds) * light
    top, left = round(y * SCALE) - light.shape[0] // 2, round(x * SCALE) - light.shape[1] // 2
    patch = canvas.pixels[top : top + light.shape[0], left : left + light.shape[1]]
    patch[:] = patch + (colour - patch) * edge


@cache
def _surface() -> np.ndarray:
    """Sea, land and ice as a flat map, 4 pixels a degree: float32 [720, 1440, 3]."""
    flat = np.full((720, 1440, 3), rgb("#1a5ea8"), np.uint8)
    for name, outline in CONTINENTS.items():
        points = np.rint([((lon + 180) * 4, (90 - lat) * 4) for lon, lat in outline]).astype(np.int32)
        cv2.fillPoly(flat, [points], rgb("#f2f6fa" if name in ICE else "#4f9a4a"), cv2.LINE_AA)
    dry = np.exp(-((np.abs(np.linspace(90, -90, 720)) - 23) ** 2) / 90)[:, None, None]
    land = (flat[..., 1:2] > flat[..., 2:3]) * dry
    return cv2.GaussianBlur((flat + (np.float32(rgb("#cdb06a")) - flat) * land).astype(np.float32), (0, 0), 2)


@cache
def _clouds() -> np.ndarray:
    """How cloudy it is on the same map, 0..1, stretched along the circles of latitude: float32 [720, 1440]."""
    noise = sum(
        cv2.resize(
            scatter(70 + n, 12 * n * 10 * n, 1).reshape(12 * n, 10 * n), (1440, 720), interpolation=cv2.INTER_CUBIC
        )
        / n
        for n in (1, 2, 4)
    )
    return np.clip((noise - noise.mean()) * 1.6 - 0.25, 0, 1).astype(np.float32)


@cache
def _ball(radius: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """For each pixel of the disc: longitude and latitude (degrees), light 0..1 and cover 0..1 ([..., 1])."""
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1] / radius
    depth = np.sqrt(np.clip(1 - x**2 - y**2, 0, 1))
    light = np.clip(0.15 + 0.55 * depth - 0.5 * x - 0.35 * y, 0.06, 1)
    cover = np.clip((1 - np.hypot(x, y)) * radius, 0, 1)
    return (
        np.degrees(np.arctan2(x, depth)),
        np.degrees(np.arcsin(np.clip(y, -1, 1))),
        light[..., None],
        cover[..., None],
    )


def _look(flat: np.ndarray, longitude: np.ndarray, latitude: np.ndarray) -> np.ndarray:
    column = ((longitude + 180) % 360 * 4).astype(np.float32)
    row = ((latitude + 90) * 4).astype(np.float32)
    return cv2.remap(flat, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
