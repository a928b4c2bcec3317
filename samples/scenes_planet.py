"""What the English documentary shows. Each scene draws its picture at t seconds after its shot begins."""

from functools import cache

import numpy as np
from brush import HEIGHT, WIDTH, Canvas, between, ridge, scatter, sky, wave
from globe import draw_globe


def earth(t: float) -> Canvas:
    canvas = Canvas(sky("#02030a", "#070b1c"))
    canvas.stars(41, 160, t)
    canvas.puff(300, 158, 168, "#3f86e0", 0.55)
    draw_globe(canvas, 300, 158, 128, longitude=-60 + 16 * t)
    x, y = 60 + 55 * t, 70 + 12 * t
    canvas.line([(x - 26, y + 8), (x + 26, y - 8)], "#c9d2e0", 1.5)
    for side in (-1, 1):
        panel = [(-10, -5), (8, -10), (10, 4), (-8, 9)]
        canvas.polygon(panel, "#3d62c9", at=(x + 22 * side, y - 7 * side))
    canvas.disc(x, y, 6, "#e8ecf2")
    return canvas


def observatory(t: float) -> Canvas:
    canvas = Canvas(sky("#0b0824", "#2a1a55", "#5a3a72", "#5a3a72"))
    for n in range(14):
        canvas.puff(40 + 46 * n, 20 + 13 * n + 12 * np.sin(2.0 * n), 60, "#9a86d8", 0.28)
    for radius, angle, size in scatter(42, 190, 3):
        turned = 6.28 * angle + 0.05 * t
        x, y = 470 + 620 * radius * np.cos(turned), 40 + 620 * radius * np.sin(turned)
        canvas.disc(x, y, 0.6 + size, "#fdf6e0")
    fall = t % 4 / 0.7
    if fall < 1 and t > 2:
        head = (520 - 190 * fall, 30 + 90 * fall)
        canvas.line([(head[0] + 50, head[1] - 24), head], "#ffffff", 1.5)
    canvas.polygon(ridge(43, 262, 46, 60), "#2b2048")
    canvas.polygon([(-40, 360), (120, 262), (430, 252), (700, 360)], "#16102a")
    _dome(canvas, 275, 190, t)
    return canvas


def _dome(canvas: Canvas, x: float, y: float, t: float) -> None:
    opened = between(t, 0.8, 4)
    canvas.oval(x, y, 92, 92, "#d5d9ea", arc=(180, 360))
    canvas.oval(x + 12, y, 78, 86, "#f1f3fb", arc=(180, 360))
    slit = 26 * opened
    if slit > 1:
        lean = 36
        hole = [(-slit + 24, 0), (-slit + lean + 8, -84), (slit + lean, -78), (slit + 24, 0)]
        canvas.polygon(hole, "#3a2410", at=(x, y))
        canvas.puff(x + 30, y - 26, 70, "#ffb44a", 0.8 * opened)
        tilt = between(t, 2.5, 6)
        tube = [(-9, 4), (9, 4), (14, -74 - 34 * tilt), (-14, -74 - 34 * tilt)]
        lean_tube = [(px + (4 - py) * 0.42, py) for px, py in tube]
        canvas.polygon(lean_tube, "#2b3146", at=(x + 14, y - 6))
        end = (x + 14 + (78 + 34 * tilt) * 0.42, y - 80 - 34 * tilt)
        canvas.oval(*end, 15, 5, "#7fb6ff", angle=8)
    canvas.box(x - 100, y, 200, 12, "#8f96b8")
    canvas.box(x - 92, y + 12, 184, 66, "#c3c8de")
    canvas.box(x - 14, y + 36, 28, 42, "#4b3a2a")
    for window in (-64, 44):
        canvas.box(x + window, y + 30, 20, 16, "#ffcf6a")


def whale(t: float) -> Canvas:
    canvas = Canvas(sky("#8fc7ea", "#dceef6", "#f3efe0", "#f3efe0"))
    canvas.polygon(wave(176, 2, 120, 0.8 * t), "#3f86a8")
    _sailing_boat(canvas, 500 - 5 * t, 180 + 3 * np.sin(1.3 * t), 5 * np.sin(1.1 * t))
    canvas.polygon(wave(194, 4, 150, 1.0 * t + 1), "#2f7396")
    rise = between(t, 1, 3) * (1 - between(t, 6, 7.6))
    x, y = 120 + 22 * t, 330 - 112 * rise
    if 3 < t < 6.3:
        for n in range(9):
            spray = ((t - 3) * 1.6 + n / 9) % 1
            canvas.puff(x + 86 + (n % 3 - 1) * 26 * spray, y - 40 - 92 * spray, 10 + 18 * spray, "#ffffff", 1 - spray)
    canvas.oval(x, y, 128, 46, "#26384d", angle=-4)
    canvas.oval(x + 24, y + 24, 98, 22, "#9fb2c0", angle=-4)
    canvas.polygon([(-50, -36), (-26, -62), (-14, -42)], "#1d2c3e", at=(x, y))
    canvas.disc(x + 96, y + 2, 4, "#f2f6f8")
    canvas.disc(x + 97, y + 2, 2, "#0a0f16")
    canvas.polygon(wave(248, 5, 130, 1.6 * t), "#1f5f84")
    _whale_tail(canvas, 250 + 12 * t, t)
    canvas.polygon(wave(282, 6, 170, 2.0 * t + 2), "#164a6b")
    canvas.polygon(wave(322, 6, 140, 2.4 * t), "#103a57")
    return canvas


def _whale_tail(canvas: Canvas, x: float, t: float) -> None:
    up = between(t, 7.2, 8.6) * (1 - between(t, 9.8, 11))
    half = [(-1, 70), (16, 70), (9, 22), (30, 12), (72, -22), (40, -16), (14, -6), (-1, 4)]
    for side in (-1, 1):
        canvas.polygon([(px * side, py) for px, py in half], "#26384d", at=(x, 330 - 130 * up), size=1.2)


def _sailing_boat(canvas: Canvas, x: float, y: float, heel: float) -> None:
    canvas.polygon([(-34, 0), (36, 0), (26, 14), (-24, 14)], "#8a3b22", at=(x, y))
    canvas.line([(x, y), (x + heel, y - 82)], "#4a3524", 2)
    canvas.polygon([(3, -6), (3 + heel, -80), (38 + heel / 2, -12)], "#ffffff", at=(x, y))
    canvas.polygon([(-3, -6), (-3 + heel, -70), (-28 + heel / 2, -10)], "#f2d9c0", at=(x, y))


def moon_walk(t: float) -> Canvas:
    canvas = Canvas(sky("#050505", "#101010"))
    canvas.stars(45, 60, t, below=170)
    draw_globe(canvas, 110, 66, 34, longitude=10 + 4 * t)
    canvas.polygon(ridge(46, 196, 26, 55), "#6f6f6f")
    canvas.box(0, 192, WIDTH, 170, "#a8a8a8")
    for x, depth, size in scatter(47, 22, 3):
        wide = (8 + 26 * size) * (0.5 + depth)
        canvas.oval(x * WIDTH, 202 + 140 * depth, wide, wide * 0.26, "#747474")
        canvas.oval(x * WIDTH + 2, 204 + 140 * depth, wide * 0.9, wide * 0.2, "#8f8f8f")
    _lander(canvas, 480, 178)
    canvas.line([(392, 262), (392, 168)], "#e8e8e8", 2.5)
    flag = [(0, 0), (52, 2 * np.sin(3 * t)), (52, 32 + 2 * np.sin(3 * t + 1)), (0, 32)]
    canvas.polygon(flag, "#f2f2f2", at=(393, 169))
    canvas.disc(418, 185, 9, "#5a5a5a")
    hop = 16 * abs(np.sin(2.4 * t))
    x = 130 + 21 * t
    canvas.oval(x + 18, 284, 34, 6, "#6a6a6a")
    _astronaut(canvas, x, 282 - hop, 2.4 * t)
    for n in range(4):
        canvas.puff(x - 22 - 12 * n, 284, 9 + 3 * n, "#c4c4c4", 0.5 - 0.1 * n)
    return canvas


def _lander(canvas: Canvas, x: float, y: float) -> None:
    for side in (-1, 1):
        canvas.line([(x + 34 * side, y + 34), (x + 76 * side, y + 82)], "#d0d0d0", 3)
        canvas.oval(x + 78 * side, y + 84, 14, 4, "#d0d0d0")
    canvas.polygon([(-46, 10), (46, 10), (52, 48), (-52, 48)], "#c2b9a0", at=(x, y))
    canvas.polygon([(-30, 10), (-40, -18), (-18, -46), (18, -46), (40, -18), (30, 10)], "#dedede", at=(x, y))
    canvas.polygon([(-20, -14), (-6, -14), (-6, -30)], "#2a2a2a", at=(x, y))
    canvas.polygon([(20, -14), (6, -14), (6, -30)], "#2a2a2a", at=(x, y))
    canvas.line([(x + 12, y - 46), (x + 26, y - 66)], "#d0d0d0", 2)
    canvas.oval(x + 28, y - 68, 12, 5, "#d0d0d0", angle=-35)


def _astronaut(canvas: Canvas, x: float, y: float, step: float) -> None:
    swing = 13 * np.sin(step)
    canvas.box(x - 34, y - 84, 20, 46, "#bdbdbd")
    for side in (-1, 1):
        canvas.line([(x, y - 40), (x + side * swing, y - 4)], "#ededed", 15)
        canvas.line([(x, y - 76), (x + 22 - side * swing, y - 52)], "#e0e0e0", 11)
    canvas.oval(x, y - 60, 20, 28, "#f4f4f4")
    canvas.disc(x + 1, y - 98, 19, "#fafafa")
    canvas.oval(x + 8, y - 98, 11, 12, "#2e2e2e")
    canvas.disc(x + 11, y - 102, 3, "#d0d0d0")


def forest(t: float) -> Canvas:
    canvas = Canvas(sky("#dff0b8", "#a9cf8a", "#5f9a5a"))
    canvas.puff(470, 40, 230, "#fffbd0", 0.8)
    _trees(canvas, 51, "#7fae74", 20, 236, -3 * t)
    _trees(canvas, 52, "#4f8552", 30, 258, -6 * t)
    canvas.polygon(ridge(53, 262, 10, 40), "#4c8a3c")
    for n in range(7):
        canvas.puff(60 + 90 * n + 14 * np.sin(0.5 * t + n), 235 - 9 * t, 80, "#f2f8ea", 0.55)
    _deer(canvas, 90 + 31 * t, 198, t)
    canvas.polygon(ridge(54, 300, 12, 24), "#2f6b2c")
    for x, y, phase in scatter(55, 60, 3):
        blade = 3 * np.sin(1.8 * t + 6 * phase)
        canvas.line([(x * WIDTH, 310 + 46 * y), (x * WIDTH + blade, 296 + 46 * y)], "#5fa844", 1.5)
    for x in (40, 590):
        canvas.polygon([(-22, 360), (-15, -5), (15, -5), (24, 360)], "#4a3626", at=(x - 10 * t / 2, 0))
    return canvas


def _trees(canvas: Canvas, seed: int, leaves: str, width: float, foot: float, shift: float) -> None:
    for number, (place, tall) in enumerate(scatter(seed, 9, 2)):
        x, top = number * 88 + 50 * place - 20 + shift, 20 + 60 * tall
        canvas.box(x - width / 7, top + 60, width / 3.5, foot - top - 60, "#5f4a36")
        for tier in range(4):
            y, half = top + 36 * tier, width * (0.7 + 0.36 * tier)
            canvas.polygon([(0, -22), (half, 34), (-half, 34)], leaves, at=(x, y))


def _deer(canvas: Canvas, x: float, y: float, t: float) -> None:
    coat, dark, nod = "#9a5f30", "#6f4220", 3 * np.sin(1.6 * t)
    for leg, phase in ((-34, 0), (-26, 3.1), (22, 1.6), (30, 4.7)):
        swing = 10 * np.sin(4 * t + phase)
        knee = (x + leg + swing / 2, y + 36)
        canvas.line([(x + leg, y + 8), knee, (x + leg + swing, y + 70)], dark if phase > 2 else coat, 5)
    canvas.oval(x, y, 48, 22, coat)
    canvas.oval(x - 44, y - 8, 9, 6, "#f2e6d0", angle=30)
    canvas.polygon([(26, 4), (34, -20), (58, -52 + nod), (72, -46 + nod), (46, 8)], coat, at=(x, y))
    canvas.oval(x + 72, y - 54 + nod, 19, 9, coat, angle=18)
    canvas.disc(x + 88, y - 49 + nod, 4, "#2a1a10")
    canvas.disc(x + 70, y - 57 + nod, 2.2, "#1a1210")
    canvas.oval(x + 56, y - 62 + nod, 10, 4, dark, angle=-150)
    for lean in (-14, 8):
        antler = [(62, -62), (62 + lean, -88), (56 + 2 * lean, -104)]
        canvas.line(antler, "#e0cda8", 2.5, at=(x, y + nod))
        canvas.line([(62 + lean, -86), (72 + lean, -100)], "#e0cda8", 2.5, at=(x, y + nod))


def reef(t: float) -> Canvas:
    canvas = Canvas(sky("#3fd0d8", "#1490b0", "#0a5580"))
    for n in range(5):
        x = 40 + 140 * n + 20 * np.sin(0.6 * t + n)
        canvas.polygon([(x, -10), (x + 44, -10), (x - 70, 230)], ("#3cc2cc", "#2fb2c2")[n % 2])
    canvas.polygon(ridge(61, 288, 12, 40), "#d9c48a")
    for x, tall, phase in scatter(62, 12, 3):
        stem = [
            (x * WIDTH + k * np.sin(1.5 * t + 6 * phase - k / 5) / 1.6, 294 - k * (3 + 4 * tall)) for k in range(14)
        ]
        canvas.line(stem, "#2f9a4f" if phase > 0.5 else "#58b83f", 4)
    for number, (x, y, size) in enumerate(scatter(63, 8, 3)):
        _coral(canvas, x * WIDTH, 284 + 10 * y, 0.7 + 0.6 * size, ("#ff6f7d", "#ff9a4a", "#c76ad9")[number % 3])
    for number, (x, y, pace) in enumerate(scatter(64, 13, 3)):
        left = (x * 800 + (34 + 30 * pace) * t) % 800 - 80
        _fish(canvas, left, 50 + 190 * y + 6 * np.sin(t + 6 * x), 0.7 + 0.6 * pace, number, t)
    for x, start, size in scatter(65, 22, 3):
        rise = (start + (0.1 + 0.1 * size) * t) % 1
        canvas.disc(60 + 500 * x + 6 * np.sin(3 * t + 9 * x), 330 - 340 * rise, 1.5 + 3 * size, "#c9f4fa")
    return canvas


def _coral(canvas: Canvas, x: float, y: float, size: float, colour: str) -> None:
    for angle in range(-60, 61, 30):
        tip = (x + 52 * size * np.sin(np.radians(angle)), y - 56 * size * np.cos(np.radians(angle)))
        canvas.line([(x, y), tip], colour, 7 * size)
        canvas.disc(*tip, 7 * size, colour)


def _fish(canvas: Canvas, x: float, y: float, size: float, kind: int, t: float) -> None:
    body, stripe = (("#ff8a1f", "#ffffff"), ("#ffe14a", "#2a4a9a"), ("#4a6fe8", "#ffe14a"))[kind % 3]
    flick = 6 * np.sin(9 * t + kind)
    canvas.polygon([(-24, 0), (-46, -15 + flick), (-42, flick), (-46, 15 + flick)], body, at=(x, y), size=size)
    canvas.oval(x, y, 30 * size, 17 * size, body)
    for offset in (-8, 8):
        canvas.oval(x + offset * size, y, 3 * size, 15 * size, stripe)
    canvas.disc(x + 20 * size, y - 4 * size, 3.4 * size, "#ffffff")
    canvas.disc(x + 21 * size, y - 4 * size, 1.8 * size, "#101018")


def volcano(t: float) -> Canvas:
    canvas = Canvas(_dark_slope())
    power = between(t, 0.5, 3)
    glow = 0.75 + 0.2 * np.sin(5 * t)
    for n in range(9):
        age = (0.13 * t + n / 9) % 1
        canvas.puff(330 + 150 * age + 14 * np.sin(n), 78 - 110 * age, 26 + 70 * age, "#5a3a3a", power * (1 - age))
    canvas.puff(330, 84, 150, "#ff6a1f", power * glow)
    for delay, spread, lift in scatter(72, 70, 3):
        age = (delay + 0.55 * t) % 1 * 1.7
        x, y = 330 + 150 * (spread - 0.5) * age, 96 - (165 + 50 * lift) * age * power + 165 * age**2
        if y < 200:
            canvas.disc(x, y, 3.4 - 1.4 * age, "#ffd84a" if lift > 0.5 else "#ff7a1f")
    for number, path in enumerate(_LAVA):
        _lava_stream(canvas, path, between(t, 1 + number, 9 + number), t)
    _village(canvas, t)
    return canvas


_LAVA = (
    ((330, 96), (318, 130), (326, 160), (296, 196), (280, 226), (246, 258)),
    ((338, 96), (352, 136), (346, 168), (384, 204), (404, 246)),
    ((326, 96), (300, 124), (262, 160), (236, 186)),
)


def _lava_stream(canvas: Canvas, path, reached: float, t: float) -> None:
    if reached <= 0:
        return
    share = np.linspace(0, reached, 24)
    knots = np.linspace(0, 1, len(path))
    points = np.stack([np.interp(share, knots, axis) for axis in zip(*path, strict=True)], axis=1)
    points[:, 0] += 1.2 * np.sin(0.5 * np.arange(24) - 4 * t)
    canvas.line(points, "#d9300f", 11)
    canvas.line(points, "#ff8a1f", 6)
    canvas.line(points, "#ffe27a", 2)
    canvas.puff(*points[-1], 34, "#ff5a1f", 0.6)


@cache
def _dark_slope() -> np.ndarray:
    canvas = Canvas(sky("#12060f", "#3a1018", "#6a2018"))
    canvas.stars(71, 50, 0, below=110)
    canvas.polygon(ridge(73, 240, 50, 60), "#2a1218")
    cone = [(40, 290), (190, 196), (270, 122), (300, 94), (318, 101), (342, 100), (362, 93), (394, 124), (470, 198)]
    canvas.polygon([*cone, (640, 290)], "#22141a")
    canvas.polygon([(362, 93), (394, 124), (470, 198), (640, 290), (430, 290), (372, 150)], "#180d12")
    canvas.box(0, 262, WIDTH, HEIGHT, "#1c2018")
    return canvas.pixels


def _village(canvas: Canvas, t: float) -> None:
    for number, x in enumerate((430, 490, 556, 604)):
        y = 262 + 10 * (number % 2)
        canvas.box(x - 22, y - 22, 44, 30, "#5a4636")
        canvas.polygon([(-28, -22), (0, -44), (28, -22)], "#8a3226", at=(x, y))
        canvas.box(x - 8, y - 15, 14, 12, "#ffcf5a")
    for number in range(6):
        x = 400 - 46 * number + 26 * t
        canvas.figure(x, 288, 40, ("#c9b05a", "#6a8ac9", "#c96a6a")[number % 3], step=5 * t + number)
        canvas.puff(x + 9, 262, 18, "#ffb84a", 0.8 + 0.1 * np.sin(9 * t + number))
