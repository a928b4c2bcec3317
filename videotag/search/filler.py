"""Politeness and talk at either end of a question, in Russian, Kazakh and English: cut off before it is asked."""

import re
from collections.abc import Sequence

from videotag.search.forms import KAZAKH_REQUEST, says_nothing

_ASKS_FIRST = """
скажите скажи подскажите подскажи пожалуйста плиз пж покажите покажи найдите найди помогите помоги хочу хотел хотела
хотелось хотим можете можешь здравствуйте привет извините простите добры будьте дайте ищу интересует интересно нужно
please pls plz could can would hi hello hey excuse want need looking help show find kindly
сәлем сәлеметсіз сәлеметсің салем ассалаумағалейкум кешіріңіз өтінемін өтінем маған бізге меніңше ойымша
"""
_AROUND_FIRST = """
а вот ну же там тут здесь мне нам бы ли это этот эту то тот момент моменты фрагмент место видео ролик кусок сюжет я мы
вы вас нас ваш тебя тебе добрый день вечер утро доброе так вообще именно может быть мог могли могла бы мочь найти
посмотреть увидеть показать узнать помочь хотелось про нельзя можно
you me i i'd i'm im am is there to the a an any some part parts moment video clip scene place footage about of like love
see watch find show know tell give us let if that just maybe im there we
мынаны мына мынадай менің табуға көрсетіп тауып іздеп айтып беріп беруге жіберіп көмек көргім білгім келеді
келіп еді тұр болады ма екен видео видеоны сәтті жерді
"""
_ASKS_LAST = """
спасибо благодарю пожалуйста плиз пж заранее если сложно трудно добры будьте помогите подскажите покажите найдите
скажите такое такого роде типа духе короче
please pls plz thanks thank thx cheers appreciate appreciated possible advance something whatever
рахмет рақмет рахмат өтінемін өтінем аласыз аласың алмайсыз алмайсың керек еді меніңше ойымша
"""
_AROUND_LAST = """
не это можно несложно нетрудно очень нужно надо найти посмотреть увидеть вам мне нам большое огромное вот ну и а вы бы
или что то как так там в этом таком этого того вроде общем будет был была буду благодарен благодарна покажите момент
you so very much a lot in if can could would be great nice it that like or and kind of i we me to find see show help
need want know just will the
деген дегенді туралы жерін жері жерді сәтін сәті сәтті бөлігін тұсын видеосын видеоны видео үзіндісін көрсетіп көрсете
тауып іздеп айтып беріп бере жіберіп жібере маған бізге мүмкін болса болсаңыз алдын ала көп үлкен қажет керек ба бе ма
ме пе тұр болып едім екен осы соны мынаны сізге сіздерге
"""
_AT_START = frozenset(_ASKS_FIRST.split()), frozenset(_AROUND_FIRST.split())
_AT_END = frozenset(_ASKS_LAST.split()), frozenset(_AROUND_LAST.split())
_THERE = ("там", "тут", "здесь")
_WORD = re.compile(r"\w+(?:['’]\w+)*")
_CLOSING = re.compile(r"[»”\")\]]+")


def without_filler(question: str) -> str:
    """The question without what only asks for it: "скажите пожалуйста, а где там ...", "... беріңізші, рахмет".

    Words at an end go together, and only if one of them does nothing but ask; whole where nothing else would be left.
    """
    words = list(_WORD.finditer(question))
    lower = [word[0].lower().replace("’", "'") for word in words]
    first = _run(lower, *_AT_START)
    last = len(words) - _run(lower[: first - 1 if first else None : -1], *_AT_END)
    if all(says_nothing(word) for word in lower[first:last]):
        return question
    begin = words[first].start() if first else 0
    if last == len(words):
        return question[begin:].strip()
    closing = _CLOSING.match(question, words[last - 1].end())
    return question[begin : closing.end() if closing else words[last - 1].end()].strip()


def _run(words: Sequence[str], asking: frozenset[str], around: frozenset[str]) -> int:
    """How many of the first words only ask; none if they are merely small."""
    count, asks = 0, False
    for word, following in zip(words, [*words[1:], ""], strict=False):
        if word in asking or KAZAKH_REQUEST.fullmatch(word) or (asks and word == "бе"):
            asks = True
        elif word not in around and not (word == "где" and following in _THERE):
            break
        count += 1
    return count if asks else 0
