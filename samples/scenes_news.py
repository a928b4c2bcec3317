"""What the Russian news bulletin shows. Each scene draws its picture at t seconds after its shot begins."""

from functools import cache

import numpy as np
from brush import HEIGHT, WIDTH, Canvas, between, ridge, scatter, sky, wave
from globe import draw_globe


def studio(t: float) -> Canvas:
    canvas = Canvas(sky("#0a1638", "#1d4384", "#0b1a40"))
    for x, _, width in scatter(1, 9, 3):
        canvas.box((x * 900 + 18 * t) % 800 - 100, 0, 10 + 30 * width, HEIGHT, "#234f96")
    canvas.box(42, 28, 286, 212, "#9fc4f0")
    canvas.box(48, 34, 274, 200, "#06122e")
    draw_globe(canvas, 185, 134, 86, longitude=40 - 14 * t, cloudiness=0.5)
    _newsreader(canvas, 465, t)
    canvas.polygon([(0, 262), (640, 248), (640, 360), (0, 360)], "#c9d6e8")
    canvas.polygon([(0, 272), (640, 258), (640, 360), (0, 360)], "#8597b5")
    return canvas


def _newsreader(canvas: Canvas, x: float, t: float) -> None:
    nod, blink = 1.5 * np.sin(2.1 * t), t % 3.1 < 0.15
    canvas.polygon([(-92, 270), (-78, 196), (-26, 172), (26, 172), (78, 196), (92, 270)], "#7a1f3a", at=(x, 0))
    canvas.polygon([(-20, 172), (20, 172), (0, 232)], "#f4f4f4", at=(x, 0))
    canvas.box(x - 13, 146, 26, 32, "#dba982")
    canvas.oval(x, 108 + nod, 46, 56, "#4a2c1a")
    canvas.oval(x, 116 + nod, 35, 44, "#efc19c")
    canvas.oval(x, 82 + nod, 38, 18, "#4a2c1a")
    for side in (-1, 1):
        canvas.oval(x + 14 * side, 112 + nod, 5, 0.8 if blink else 3.2, "#2a2a35")
        canvas.line([(x + 8 * side, 103 + nod), (x + 20 * side, 103 + nod)], "#4a2c1a", 1.5)
    canvas.line([(x, 116 + nod), (x - 2, 126 + nod), (x + 2, 127 + nod)], "#c98f6a", 1)
    canvas.oval(x, 140 + nod, 10, 1.5 + 4 * abs(np.sin(8 * t)) * (0.6 < t < 8.5), "#9c2f36")


def reservoir(t: float) -> Canvas:
    canvas = Canvas(sky("#7db8e8", "#cfe6f5", "#cfe6f5"))
    canvas.polygon(ridge(3, 120, 70), "#7f9ab0")
    canvas.polygon(ridge(4, 140, 45, 28), "#5f8a5c")
    canvas.polygon(wave(134, 1.5, 90, 2 * t), "#2f7fb5")
    for x, y, speed in scatter(5, 26, 3):
        left = (x * 700 + 20 * (0.4 + speed) * t) % 700 - 30
        canvas.line([(left, 137 + 22 * y), (left + 14, 137 + 22 * y)], "#8cc4e6", 1)
    canvas.polygon([(0, 165), (640, 165), (640, 360), (0, 360)], "#6d7f5a")
    canvas.polygon([(40, 165), (600, 165), (540, 280), (100, 280)], "#b8b6ae")
    canvas.box(30, 152, 580, 14, "#d6d4cc")
    for x in (100, 245, 390, 535):
        canvas.box(x - 14, 138, 28, 140, "#a3a19a")
        canvas.box(x - 18, 132, 36, 10, "#8d3b32")
    canvas.polygon(wave(272, 3, 70, 4 * t), "#3f8fc0")
    for number, x in enumerate((172, 317, 462)):
        _falling_water(canvas, x, 20 + number, t)
    return canvas


def _falling_water(canvas: Canvas, x: float, seed: int, t: float) -> None:
    canvas.polygon([(x - 34, 172), (x + 34, 172), (x + 44, 276), (x - 44, 276)], "#cfe8f5")
    for offset, start, speed in scatter(seed, 24, 3):
        fall = (start + (0.7 + 0.4 * speed) * t) % 1
        left = x + (offset - 0.5) * (62 + 20 * fall)
        canvas.line([(left, 172 + 80 * fall), (left, 172 + 80 * fall + 24)], "#8cc4e6" if speed > 0.5 else "#ffffff", 3)
    for n in range(4):
        canvas.puff(x - 45 + 30 * n, 280 - 5 * np.sin(5 * t + 2 * n), 30, "#ffffff", 0.8)


@cache
def _night_street() -> np.ndarray:
    canvas = Canvas(sky("#0b1026", "#1f2a4d", "#2f3d63"))
    for number, (height, shade, _) in enumerate(scatter(7, 9, 3)):
        left, top = number * 74 - 12, 60 + 90 * height
        canvas.box(left, top, 68, 200, "#2a2f45" if shade > 0.5 else "#343a55")
        canvas.box(left - 2, top - 5, 72, 6, "#e6edf7")
        for column, row, lit in scatter(30 + number, 26, 3):
            x, y = left + 7 + 15 * int(column * 4), top + 12 + 21 * int(row * 8)
            canvas.box(x, y, 9, 12, "#ffd884" if lit > 0.35 else "#4a5578")
    canvas.box(0, 236, WIDTH, 130, "#dfe7f2")
    canvas.polygon([(0, 262), (640, 262), (640, 330), (0, 330)], "#b4bfd2")
    return canvas.pixels


def winter_city(t: float) -> Canvas:
    canvas = Canvas(_night_street())
    for x in (90, 300, 510):
        canvas.line([(x, 258), (x, 128), (x + 22, 122)], "#1a1d28", 3)
        canvas.puff(x + 24, 128, 60, "#ffdf9a", 0.7)
        canvas.disc(x + 24, 126, 5, "#fff6d8")
    truck = -100 + 66 * t
    canvas.box(0, 264, max(0, truck + 140), 44, "#454b5a")
    _snow_plough(canvas, truck, t)
    for x, y, depth in scatter(8, 120, 3):
        size = 0.8 + 1.8 * depth
        fall = (y * 380 + (30 + 60 * depth) * t) % 380 - 10
        canvas.disc((x * 700 - (12 + 30 * depth) * t + 8 * np.sin(t + 9 * y)) % 680 - 20, fall, size, "#ffffff")
    return canvas


def _snow_plough(canvas: Canvas, x: float, t: float) -> None:
    canvas.box(x, 214, 84, 52, "#f08a1d")
    canvas.box(x + 86, 202, 46, 64, "#ffa031")
    canvas.box(x + 100, 209, 26, 24, "#bfe3f7")
    canvas.polygon([(132, 232), (152, 226), (164, 276), (140, 276)], "#d8322a", at=(x, 0))
    for wheel in (22, 62, 112):
        canvas.disc(x + wheel, 270, 14, "#15171d")
        canvas.disc(x + wheel, 270, 6, "#9aa0ab")
    canvas.box(x + 102, 194, 14, 8, "#ffd23c")
    canvas.puff(x + 109, 196, 46, "#ffc21f", 0.5 + 0.5 * np.sin(9 * t))
    canvas.puff(x + 210, 250, 46, "#fff6d8", 0.5)
    for n in range(7):
        canvas.puff(x + 158 + 9 * n, 276 - 7 * abs(np.sin(6 * t + n)), 17, "#ffffff", 0.95)


def train(t: float) -> Canvas:
    canvas = Canvas(sky("#3f9be0", "#bfe2f7", "#e8f4fa"))
    for x, y, size in scatter(11, 5, 3):
        _cloud(canvas, (x * 800 - 7 * t) % 800 - 80, 25 + 50 * y, 0.6 + 0.5 * size)
    for peak, (height, place) in enumerate(scatter(12, 5, 2)):
        x, top = peak * 150 + 40 * place - 30 - 2 * t, 60 + 50 * height
        canvas.polygon([(x - 130, 240), (x, top), (x + 130, 240)], "#7386a0")
        canvas.polygon(
            [(x - 28, top + 39), (x, top), (x + 28, top + 39), (x + 8, top + 30), (x - 9, top + 40)], "#ffffff"
        )
    canvas.polygon(ridge(13, 225, 35, 30, 800), "#4d8a4b", at=(-4 * t, 0))
    canvas.box(0, 240, WIDTH, 120, "#7db35c")
    canvas.box(0, 196, WIDTH, 16, "#c8b79c")
    for pier in range(8):
        canvas.box(pier * 92 - 10, 210, 22, 130, "#b3a284")
        canvas.oval(pier * 92 + 47, 236, 35, 26, "#b3a284", arc=(180, 360))
        canvas.oval(pier * 92 + 47, 240, 35, 22, "#6fa458", arc=(180, 360))
    canvas.box(0, 206, WIDTH, 6, "#94845f")
    _fast_train(canvas, 100 * t + 60)
    return canvas


def _cloud(canvas: Canvas, x: float, y: float, size: float, colour: str = "#ffffff") -> None:
    for dx, dy, radius in ((-34, 6, 18), (-12, -6, 24), (16, -2, 22), (38, 7, 16)):
        canvas.disc(x + dx * size, y + dy * size, radius * size, colour)
    canvas.box(x - 34 * size, y + 4 * size, 72 * size, 20 * size, colour)


def _fast_train(canvas: Canvas, front: float) -> None:
    for car in range(5):
        left = front - 124 * (car + 1)
        canvas.box(left, 150, 121, 42, "#f5f7fa")
        canvas.box(left, 178, 121, 7, "#d21f2f")
        for window in range(6):
            canvas.box(left + 8 + 19 * window, 157, 13, 14, "#1d2f45")
        for wheel in (20, 36, 85, 101):
            canvas.disc(left + wheel, 193, 5, "#22252b")
    nose = [(-4, 150), (30, 152), (62, 170), (74, 186), (70, 192), (-4, 192)]
    canvas.polygon(nose, "#f5f7fa", at=(front, 0))
    canvas.polygon([(-4, 178), (68, 178), (74, 185), (-4, 185)], "#d21f2f", at=(front, 0))
    canvas.polygon([(26, 156), (36, 157), (56, 170), (28, 170)], "#1d2f45", at=(front, 0))
    canvas.puff(front + 74, 184, 16, "#fff4c0", 0.9)


def first_flight(t: float) -> Canvas:
    canvas = Canvas(sky("#b9b9b9", "#e4e4e4", "#e4e4e4"))
    for x, y, size in scatter(15, 4, 3):
        _cloud(canvas, (x * 800 - 10 * t) % 800 - 80, 30 + 60 * y, 0.7 + 0.5 * size, "#f6f6f6")
    canvas.polygon(ridge(16, 232, 22, 25), "#8a8a8a")
    canvas.box(0, 232, WIDTH, 130, "#707070")
    canvas.polygon([(20, 240), (20, 186), (70, 164), (120, 186), (120, 240)], "#565656")
    canvas.box(44, 198, 52, 42, "#2c2c2c")
    for x, y, _ in scatter(17, 50, 3):
        left = (x * 700 - 45 * t) % 700 - 30
        canvas.line([(left, 245 + 90 * y), (left + 10 + 10 * y, 245 + 90 * y)], "#868686", 1)
    lift = between(t, 2.5, 8)
    _biplane(canvas, 130 + 34 * t, 222 - 120 * lift, -12 * np.sin(np.pi * lift), t)
    for number, x in enumerate((430, 462, 500, 548, 590)):
        canvas.figure(x, 288, 50, "#3a3a3a" if number % 2 else "#4c4c4c", arms_up=np.sin(4 * t + number) > 0)
    return canvas


def _biplane(canvas: Canvas, x: float, y: float, tilt: float, t: float) -> None:
    sine, cosine = np.sin(np.radians(tilt)), np.cos(np.radians(tilt))

    def place(*points):
        return [(x + cosine * px - sine * py, y + sine * px + cosine * py) for px, py in points]

    canvas.polygon(place((-88, -14), (-70, -14), (52, -14), (60, 0), (50, 12), (10, 12), (-84, -4)), "#4a4a4a")
    canvas.polygon(place((-96, -34), (-84, -36), (-66, -12), (-90, -6)), "#383838")
    for wing in (-42, 8):
        canvas.polygon(place((-26, wing), (46, wing - 3), (48, wing + 3), (-26, wing + 6)), "#262626")
    for strut in (-16, 10, 36):
        canvas.line(place((strut, -40), (strut, 8)), "#262626", 1.5)
    canvas.disc(*place((-18, -20))[0], 7, "#2c2c2c")
    for wheel in (2, 26):
        canvas.line(place((14, 10), (wheel, 22)), "#262626", 1.5)
        canvas.disc(*place((wheel, 24))[0], 7, "#1c1c1c")
    blade = 30 * np.cos(17 * t)
    canvas.line(place((62, -blade), (62, blade)), "#1c1c1c", 2.5)


def harvest(t: float) -> Canvas:
    canvas = Canvas(sky("#d9663a", "#f4a24a", "#fbd58a", "#fbd58a"))
    canvas.puff(500, 128, 150, "#fff1b0", 0.8)
    canvas.disc(500, 128 + t, 30, "#fff3c4")
    canvas.polygon(ridge(21, 176, 22, 50), "#8a6a4a")
    canvas.box(0, 172, WIDTH, 190, "#e0ac3c")
    x = 560 - 38 * t
    canvas.polygon([(x + 20, 214), (700, 196), (700, 268), (x + 40, 268)], "#a8813a")
    for left, depth, phase in scatter(22, 240, 3):
        foot = 184 + 170 * depth
        if not (foot < 268 and left * WIDTH > x - 30):
            sway, tall = 3 * np.sin(2.2 * t + 6 * left + phase), 8 + 16 * depth
            canvas.line([(left * WIDTH, foot), (left * WIDTH + sway, foot - tall)], "#f7d776", 1 + depth)
    _combine(canvas, x, t)
    for n in range(5):
        beat = 5 * np.sin(7 * t + n)
        bird = (60 + 34 * n + 15 * t, 60 + 14 * np.sin(n * 2.0) - t)
        canvas.line([(-9, -beat), (0, 0), (9, -beat)], "#3a2418", 1.5, at=bird)
    return canvas


def _combine(canvas: Canvas, x: float, t: float) -> None:
    for n in range(6):
        age = (t * 0.8 + n / 6) % 1
        canvas.puff(x + 150 + 110 * age, 238 - 30 * age, 18 + 34 * age, "#ecd09a", 0.75 * (1 - age))
    canvas.box(x + 24, 168, 112, 70, "#c4271f")
    canvas.polygon([(24, 190), (-6, 196), (-30, 250), (24, 240)], "#a51f19", at=(x, 0))
    canvas.box(x + 10, 150, 44, 50, "#e8e2d0")
    canvas.box(x + 14, 156, 30, 32, "#3d5a70")
    canvas.polygon([(66, 168), (80, 148), (136, 148), (136, 168)], "#e3b53c", at=(x, 0))
    canvas.line([(x + 112, 150), (x + 150, 128)], "#c4271f", 6)
    for wheel, radius in ((44, 30), (118, 20)):
        canvas.disc(x + wheel, 270 - radius, radius, "#1f1a17")
        canvas.disc(x + wheel, 270 - radius, radius * 0.5, "#e3b53c")
    for spoke in range(6):
        angle = spoke * np.pi / 3 - 3 * t
        tip = (x - 40 + 27 * np.cos(angle), 240 + 27 * np.sin(angle))
        canvas.line([(x - 40, 240), tip], "#f0c94a", 2.5)
        canvas.disc(*tip, 3, "#f0c94a")


def football(t: float) -> Canvas:
    kick, goal = 4.0, 4.7
    canvas = Canvas(sky("#2b3550", "#2b3550"))
    joy = between(t, goal, goal + 0.4)
    for x, y, hue in scatter(25, 330, 3):
        jump = 7 * joy * abs(np.sin(7 * t + 40 * hue))
        colour = ("#d94a3d", "#e8e8e8", "#3d6fd9", "#e8c23d", "#c98f6a")[int(hue * 5)]
        canvas.disc(x * WIDTH, 6 + 84 * y - jump, 4.2, colour)
    canvas.box(0, 96, WIDTH, 20, "#1a4fa0")
    for stripe in range(6):
        canvas.box(0, 116 + 42 * stripe, WIDTH, 42, "#3f9a3a" if stripe % 2 else "#4cae45")
    canvas.line([(90, 300), (150, 176), (490, 176), (550, 300)], "#f2f8f2", 2)
    _goal(canvas, bulge=6 * between(t, goal, goal + 0.15) * (1 - between(t, goal + 0.15, goal + 1)))
    _goalkeeper(canvas, t, between(t, kick + 0.1, goal))
    _striker_and_ball(canvas, t, kick, goal)
    if joy:
        for x, y, hue in scatter(26, 70, 3):
            fall = y * 300 - 260 + 75 * (t - goal)
            canvas.box(x * WIDTH + 9 * np.sin(3 * t + 9 * y), fall, 4, 5, "#ffe14d" if hue > 0.5 else "#ff5a5a")
    return canvas


def _goal(canvas: Canvas, bulge: float) -> None:
    canvas.box(198, 74, 244, 102, "#31593a")
    for x in range(198, 443, 12):
        canvas.line([(x, 74), (x - bulge, 125), (x, 176)], "#9fb8a5", 0.5)
    for y in range(74, 177, 12):
        canvas.line([(198, y), (442, y)], "#9fb8a5", 0.5)
    canvas.line([(198, 176), (198, 74), (442, 74), (442, 176)], "#ffffff", 5)


def _goalkeeper(canvas: Canvas, t: float, dive: float) -> None:
    lean = np.radians(72 * dive)
    up, side = np.array([np.sin(lean), -np.cos(lean)]), np.array([np.cos(lean), np.sin(lean)])
    hip = np.array([318 + 46 * dive, 154 + 3 * np.sin(5 * t) * (1 - dive)])
    for way in (-1, 1):
        canvas.line([hip, hip - 22 * up + 8 * way * side], "#23262e", 6)
        canvas.line([hip + 22 * up, hip + (22 + 26 * dive) * up + (20 - 12 * dive) * way * side], "#f2c21a", 5)
    canvas.line([hip, hip + 22 * up], "#f2c21a", 13)
    canvas.disc(*(hip + 34 * up), 7, "#e8b892")


def _striker_and_ball(canvas: Canvas, t: float, kick: float, goal: float) -> None:
    run, flight, cheer = between(t, 1.2, kick), between(t, kick, goal), between(t, goal + 0.5, goal + 5)
    ball = (330 - 100 * flight, 262 - 166 * flight + 70 * between(t, goal, goal + 0.6))
    canvas.disc(*ball, 10 - 4 * flight, "#ffffff")
    canvas.disc(ball[0] + 2 * np.sin(12 * t), ball[1], 4 - 1.5 * flight, "#22252b")
    x, y = 420 - 62 * run + 190 * cheer, 300 - 16 * run
    canvas.figure(x, y, 120, "#c8202c", step=8 * t if t > 1.2 else 0, arms_up=t > goal + 0.3)


def fireworks(t: float) -> Canvas:
    canvas = Canvas(sky("#050816", "#101a3a", "#1a2550"))
    lights = []
    for start, x, y, colour in ((0.2, 170, 80, "#ff5a4a"), (1.2, 430, 95, "#5ad1ff"), (2.3, 300, 60, "#ffd84a"),
                                (3.4, 520, 75, "#7dff7a"), (4.4, 120, 95, "#ff7ae0"), (5.2, 350, 80, "#ffffff"),
                                (6.0, 230, 70, "#ff9a3a")):  # fmt: skip
        lights += _burst(canvas, t - start, x, y, colour)
    for number, (height, width) in enumerate(scatter(28, 16, 2)):
        canvas.box(number * 42 - 10, 190 - 70 * height, 26 + 16 * width, 90, "#0a0d1c")
        for lamp in range(4):
            canvas.box(number * 42 + 7 * (lamp % 2), 200 - 70 * height + 14 * lamp, 4, 5, "#ffd27a")
    canvas.polygon(wave(232, 1, 80, t), "#0c1738")
    for x, strength, colour in lights:
        canvas.puff(x, 262, 80, colour, 0.55 * strength)
    for x, y, phase in scatter(29, 40, 3):
        left = x * 660 - 20 + 6 * np.sin(t + 6 * phase)
        canvas.line([(left, 238 + 110 * y), (left + 24, 238 + 110 * y)], "#3a4f8f", 1)
    return canvas


def _burst(canvas: Canvas, age: float, x: float, y: float, colour: str) -> list[tuple[float, float, str]]:
    """A rocket that rises for 0.7 s and then bursts; tells what light it throws on the water."""
    if age < 0 or age > 2.9:
        return []
    if age < 0.7:
        canvas.line([(x, 230 - (230 - y) * age / 0.7 + 16), (x, 230 - (230 - y) * age / 0.7)], "#ffe9b0", 2)
        return []
    age -= 0.7
    spread, fade = 78 * (1 - np.exp(-2.2 * age)), max(0.0, 1 - age / 2.2)
    canvas.puff(x, y, 110, colour, 0.5 * fade)
    for n in range(42):
        angle, reach = n * 2.4, spread * (0.45 + 0.55 * (n % 5) / 4)
        spark = (x + reach * np.cos(angle), y + reach * np.sin(angle) + 14 * age**2)
        canvas.disc(*spark, 0.6 + 2.4 * fade, colour if n % 3 else "#ffffff")
    return [(x, fade, colour)]


def weather(t: float) -> Canvas:
    canvas = Canvas(sky("#2a6fb8", "#6fb4e8"))
    canvas.polygon(ridge(33, 62, 26, 34), "#7fb86a")
    canvas.polygon([(0, 60), (640, 60), (640, 190), (0, 190)], "#7fb86a")
    canvas.polygon(ridge(34, 204, 22, 30), "#d8c878")
    canvas.line([(-10, 90), (150, 130), (230, 200), (420, 240), (660, 250)], "#3f8fd0", 4)
    for x in range(-40, 700, 80):
        canvas.line([(x, 0), (x + 40, HEIGHT)], "#a9d0a0", 0.5)
    flash = t % 2.6 < 0.4 and t > 2
    for x, delay in ((110, 0.0), (270, 1.3), (430, 2.1)):
        _rain_cloud(canvas, x + 14 * np.sin(0.7 * t + delay), 66, t + delay, flash)
    canvas.text(520, 60, "+12°", 40, "#ffffff")
    _sun(canvas, 200, 232, t)
    canvas.text(290, 210, "+33°", 40, "#b3201a")
    return canvas


def _rain_cloud(canvas: Canvas, x: float, y: float, t: float, flash: bool) -> None:
    for n in range(9):
        fall = (n * 0.37 + 1.4 * t) % 1
        left = x - 38 + 9 * n - 8 * fall
        canvas.line([(left, y + 18 + 44 * fall), (left - 4, y + 30 + 44 * fall)], "#1f4fa8", 2)
    if flash:
        bolt = [(0, 16), (-14, 46), (-2, 44), (-12, 76), (16, 36), (4, 38), (12, 16)]
        canvas.polygon(bolt, "#fff04a", at=(x, y))
    _cloud(canvas, x, y, 1.1, "#56617a")


def _sun(canvas: Canvas, x: float, y: float, t: float) -> None:
    canvas.puff(x, y, 90, "#fff2a0", 0.7)
    for ray in range(12):
        angle = ray * np.pi / 6 + 0.4 * t
        near, far = 38, 52 + 4 * np.sin(3 * t)
        ends = [(x + r * np.cos(angle), y + r * np.sin(angle)) for r in (near, far)]
        canvas.line(ends, "#ffb81f", 4)
    canvas.disc(x, y, 32, "#ffc93a")
