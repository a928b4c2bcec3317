"""One word for what is written in several ways: units, signs, names of states and unions in three languages.

Written for this project. What is left out is what means something else in one of the languages ("WHO", "US").
"""

import re

from videotag.languages import AS_RUSSIAN


def _groups(table: str) -> list[list[str]]:
    return [group.split() for group in re.split(",|\n", table.strip())]


_SAME = """
километр км kilomet km kilometr, метр meter metr, сантиметр см centimet centimetr cm, миллиметр мм millimet mm
килограмм кг kilogram kg, гектар га hectar, секунда сек second, минута мин minut, час hour
процент пайыз percent, градус degre, рубль руб rubl, тенге тг теңге, доллар долл dollar, евро euro
человек чел person, область обл
сша ақш usa, оон бұұ un uno, ес ео eu, еаэс еаэо eaeu eeu, снг тмд cis, шос шыұ sco, нато nato, воз ддұ
рк қр, кнр қхр prc, ссср ксро ussr, ввп жіө gdp, мвф хвқ imf, опек opec, юнеско unesco, мвд іім, чс тж
аэс npp, мкс хғс iss, сми бақ, жкх ткш, ент ұбт unt, кнб ұқк, вич аитв hiv, ии жи ai, днк dna
ковид covid коронавирус coronavirus, наса nasa, фифа fifa, уефа uefa, мок хок ioc
"""
SAME = {
    other.translate(AS_RUSSIAN): first.translate(AS_RUSSIAN) for first, *others in _groups(_SAME) for other in others
}
"""A form, as the index stores it, to the one that stands for all of its group."""

_IRREGULAR = """
child children, person people, man men, woman women, foot feet, tooth teeth, goose geese, mouse mice, wife wives
life lives, knife knives, wolf wolves, leaf leaves, half halves, thief thieves, shelf shelves, calf calves
begin began begun, break broke broken, bring brought, build built, burn burnt, buy bought, catch caught
choose chose chosen, draw drew drawn, drink drank drunk, drive drove driven, eat ate eaten, fall fell fallen
feed fed, feel felt, fight fought, fly flew flown, forget forgot forgotten, freeze froze frozen, grow grew grown
hear heard, hide hid hidden, hold held, keep kept, lead led, leave left, lose lost, meet met, pay paid
ride rode ridden, ring rang rung, rise rose risen, run ran, sell sold, send sent, shake shook shaken, shoot shot
sing sang sung, sink sank sunk, sit sat, sleep slept, speak spoke spoken, spend spent, stand stood
steal stole stolen, swim swam swum, teach taught, tear tore torn, think thought, throw threw thrown, wake woke woken
wear wore worn, win won, write wrote written
"""
IRREGULAR = {form: first for first, *forms in _groups(_IRREGULAR) for form in forms}
"""English plurals and pasts to what they are of."""

SIGNS = {
    "%": " процент ",
    "‰": " промилле ",
    "$": " доллар ",
    "€": " евро ",
    "₸": " тенге ",
    "₽": " рубль ",
    "°": " градус ",
}
