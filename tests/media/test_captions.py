"""Captions of CEA-608, byte for byte: its four channels and the ways in which a text comes upon the screen."""

from itertools import chain

import pytest

from videotag.media.captions import read

RCL, ENM, EOC, EDM, CR = (0x14, 0x20), (0x14, 0x2E), (0x14, 0x2F), (0x14, 0x2C), (0x14, 0x2D)
RU2, RDC, RTD = (0x14, 0x25), (0x14, 0x29), (0x14, 0x2B)
ROW14, ROW15 = (0x14, 0x40), (0x14, 0x70)


def letters(text):
    padded = [*map(ord, text), 0]
    return list(zip(padded[: len(text) : 2], padded[1::2], strict=False))


def pop(text):
    return [RCL, ENM, ROW15, *letters(text), EOC]


def on(second, pairs, field=0, channel=1, twice=False):
    """Second and code of a picture each, 25 a second, from a second on."""
    codes = []
    for high, low in pairs:
        control = 0x10 <= high < 0x20
        high += (8 if channel == 2 else 0) if control else 0
        odd = [byte | (0x80 if byte.bit_count() % 2 == 0 else 0) for byte in (high, low)]
        codes += [bytes([0xFC | field, *odd])] * (2 if twice and control else 1)
    return [(second + number / 25, code) for number, code in enumerate(codes)]


def found(*codes, end=9.0):
    """Each channel's texts; fields and channels that are sent at the same time are of one picture."""
    pictures: dict[float, bytes] = {}
    for second, code in [*chain(*codes), (end, b"\xfc\x80\x80\xfd\x80\x80")]:
        pictures[round(second, 2)] = pictures.get(round(second, 2), b"") + code
    return {
        channel: [(cue.start, cue.end, cue.text) for cue in cues]
        for channel, cues in read(sorted(pictures.items())).items()
    }


@pytest.mark.parametrize("twice", [False, True])
def test_loaded_and_shown_at_once(twice):
    """Three codes, two pairs and the fourth code; the last text is never erased."""
    shown = found(on(1.0, pop("SNOW"), twice=twice), on(3.0, [EDM]), on(5.0, pop("ROAD"), twice=twice))
    late = 0.32 if twice else 0.2  # the code that shows it is the sixth pair, or the ninth
    assert shown == {1: [(1 + late, 3.0, "SNOW"), (5 + late, 9.0, "ROAD")]}


def test_rolled_up_line_by_line():
    """What stays on the upper row counts once."""
    lines = [
        on(second, [RU2, CR, ROW15, *letters(text)]) for second, text in ((1.0, "ONE"), (3.0, "TWO"), (5.0, "SIX"))
    ]
    assert found(*lines, on(8.0, [EDM])) == {1: [(1.04, 3.04, "ONE"), (3.04, 5.04, "TWO"), (5.04, 8.0, "SIX")]}


def test_painted_letter_by_letter():
    painted = on(1.0, [RDC, ROW15, *letters("SNOW")])
    assert found(painted, on(3.0, [EDM])) == {1: [(1.08, 3.0, "SNOW")]}


def test_two_rows():
    rows = [RCL, ENM, ROW14, *letters("ON"), ROW15, *letters("IT"), EOC]
    assert found(on(1.0, rows), on(3.0, [EDM])) == {1: [(1.24, 3.0, "ON IT")]}


@pytest.mark.parametrize(("field", "channel", "number"), [(0, 1, 1), (0, 2, 2), (1, 1, 3), (1, 2, 4)])
def test_a_channel_by_itself(field, channel, number):
    assert found(on(1.0, pop("SNOW"), field, channel)) == {number: [(1.2, 9.0, "SNOW")]}


def test_channels_between_each_other():
    two = on(2.0, pop("ROAD"), channel=2)
    three = on(1.0, pop("VODA"), field=1)
    assert found(on(1.0, pop("SNOW")), two, three, on(4.0, [EDM])) == {
        1: [(1.2, 4.0, "SNOW")],
        2: [(2.2, 9.0, "ROAD")],
        3: [(1.2, 9.0, "VODA")],
    }


def test_what_is_no_caption():
    name = [(0x01, 0x03), *letters("NEWS AT SIX"), (0x0F, 0x1D)]  # the programme's, in the second field
    page = [RTD, *letters("WEATHER")]
    assert found(on(1.0, page), on(2.0, pop("SNOW")), on(1.0, name, field=1)) == {1: [(2.2, 9.0, "SNOW")]}


def test_captions_of_television_alone():
    """CEA-708's packets, types 2 and 3, and pairs that are not valid."""
    assert read([(0.0, b"\xff\x02\x21\xfe\x41\x42\xf8\x94\x20")]) == {}


def test_broken_codes_are_passed_over():
    broken = [(0.0, b"\xfc\x94"), (0.1, b"\xfc"), (0.2, bytes(range(256))), (0.3, bytes(range(255, -1, -1)))]
    whole = [(second + 1, code) for second, code in on(0.0, pop("SNOW"))]
    assert [cue.text for cue in read([*broken, *whole])[1]][-1:] == ["SNOW"]
