"""Numbers written in words: "двести пятьдесят два", "nine million", "жүз бір" are 252, 9000000 and 101.

Speech has them in words, titles and questions in digits, and a number says the same in every language.
"""

import re
from collections.abc import Iterator, Sequence

_RU = """
0 ноль нуль нулевой, 1 один первый, 2 два второй, 3 три третий, 4 четыре четвертый, 5 пять пятый, 6 шесть шестой
7 семь седьмой, 8 восемь восьмой, 9 девять девятый
10 десять десятый, 11 одиннадцать одиннадцатый, 12 двенадцать двенадцатый, 13 тринадцать тринадцатый
14 четырнадцать четырнадцатый, 15 пятнадцать пятнадцатый, 16 шестнадцать шестнадцатый, 17 семнадцать семнадцатый
18 восемнадцать восемнадцатый, 19 девятнадцать девятнадцатый
20 двадцать двадцатый, 30 тридцать тридцатый, 40 сорок сороковой, 50 пятьдесят пятидесятый, 60 шестьдесят шестидесятый
70 семьдесят семидесятый, 80 восемьдесят восьмидесятый, 90 девяносто девяностый
100 сто сотый, 200 двести двухсотый, 300 триста трехсотый, 400 четыреста четырехсотый, 500 пятьсот пятисотый
600 шестьсот шестисотый, 700 семьсот семисотый, 800 восемьсот восьмисотый, 900 девятьсот девятисотый
1000 тысяча тысячный тыс, 1000000 миллион миллионный млн, 1000000000 миллиард миллиардный млрд
"""
_KK = """
0 нөл, 1 бір бірінші, 2 екі екінші, 3 үш үшінші, 4 төрт төртінші, 5 бес бесінші, 6 алты алтыншы, 7 жеті жетінші
8 сегіз сегізінші, 9 тоғыз тоғызыншы, 10 он оныншы
20 жиырма жиырмасыншы, 30 отыз отызыншы, 40 қырық қырқыншы, 50 елу елуінші, 60 алпыс алпысыншы, 70 жетпіс жетпісінші
80 сексен сексенінші, 90 тоқсан тоқсаныншы
100 жүз жүзінші, 1000 мың мыңыншы
"""
_EN = """
0 zero, 1 one first, 2 two second, 3 three third, 4 four fourth, 5 five fifth, 6 six sixth, 7 seven seventh
8 eight eighth, 9 nine ninth, 10 ten tenth
11 eleven eleventh, 12 twelve twelfth, 13 thirteen thirteenth, 14 fourteen fourteenth
15 fifteen fifteenth, 16 sixteen sixteenth, 17 seventeen seventeenth, 18 eighteen eighteenth, 19 nineteen nineteenth
20 twenty twentieth, 30 thirty thirtieth, 40 forty fortieth, 50 fifty fiftieth, 60 sixty sixtieth
70 seventy seventieth, 80 eighty eightieth, 90 ninety ninetieth
100 hundred hundredth, 1000 thousand thousandth, 1000000 million millionth, 1000000000 billion billionth
"""
NUMERALS = {
    language: {word: int(value) for value, *words in map(str.split, re.split(",|\n", table.strip())) for word in words}
    for language, table in (("ru", _RU), ("kk", _KK), ("en", _EN))
}
"""By ISO 639-1 language: dictionary form, lower case, е for ё, to its value."""


DECIMAL = re.compile(
    r"(?<![\d.,])(\d+)[.,](\d+)[ \u00a0\u202f]*(тыс|млн|миллион|млрд|миллиард|мың|thousand|million|billion)[^\W\d_]*"
)
_SCALE_OF = {"тыс": 10**3, "мың": 10**3, "thousand": 10**3, "млн": 10**6, "миллион": 10**6, "million": 10**6}
_ROMAN = re.compile(
    "(X{0,3})(IX|IV|V?I{0,3})"
)  # up to 39: centuries, kings, congresses; XL and CD are mostly no numbers
_LOOKS_ROMAN = str.maketrans("ХІхіivx", "XIXIIVX")  # Cyrillic look-alikes, small letters
_OF_CENTURIES = ("век", "ғасыр", "centur", "съезд", "квартал")


def with_scales(text: str) -> str:
    """With "3,5 млн" as 3500000; what is no whole number then stays."""

    def whole(found: re.Match[str]) -> str:
        digits, scale = found[1] + found[2], _SCALE_OF.get(found[3], 10**9)
        number, rest = divmod(int(digits) * scale, 10 ** len(found[2]))
        return found[0] if rest or len(digits) > 15 else str(number)

    return DECIMAL.sub(whole, text)


def roman(word: str, following: str) -> int | None:
    """The value of a Roman numeral; of one letter, or in small ones, only before a word such as "век"."""
    numeral = word.translate(_LOOKS_ROMAN)
    found = _ROMAN.fullmatch(numeral)
    if not found or not word or not (following.startswith(_OF_CENTURIES) or (len(word) > 1 and word.isupper())):
        return None
    units = ("", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX")
    return 10 * len(found[1]) + units.index(found[2])


def joined(values: Sequence[int | None], digits: Sequence[bool]) -> Iterator[tuple[int, int, int]]:
    """The numbers that neighbouring words make together: (first, after the last, number), by position.

    Args:
        values: of each word; None for one that is no number.
        digits: whether it was written in digits; then only thousands and more are counted to it ("600 тысяч").
    """
    position = 0
    while position < len(values):
        if values[position] is None:
            position += 1
            continue
        end, number = _number(values, digits, position)
        yield position, end, number
        position = end


def _number(values: Sequence[int | None], digits: Sequence[bool], start: int) -> tuple[int, int]:
    """(after the last, number) of the number that begins at `start`."""
    total, below, position = 0, 10**12, start
    while True:
        end, group = _below_thousand(values, digits, position)
        scale = values[end] if end < len(values) and not digits[end] else None  # "5, 1000" are two numbers
        if scale not in _SCALES or scale >= below or (end == position and total):
            return end, total + group
        total, below, position = total + scale * (group if end > position else 1), scale, end + 1


def _below_thousand(values: Sequence[int | None], digits: Sequence[bool], start: int) -> tuple[int, int]:
    if start < len(values) and digits[start]:
        return start + 1, values[start] or 0
    number, room, position = 0, 1000, start
    while position < len(values) and not digits[position]:
        value = values[position]
        if value == 100 and 1 < number < 10:
            number, room = 100 * number, 100
        elif value is not None and value < room and value not in _SCALES:
            number, room = number + value, _room(value)
        else:
            break
        position += 1
    return position, number


_SCALES = (1000, 10**6, 10**9)


def _room(value: int) -> int:
    """What may follow has to be smaller: tens after hundreds, units after tens."""
    return next((room for room in (100, 10) if value and value % room == 0), 0)
