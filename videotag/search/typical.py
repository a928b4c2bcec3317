"""Questions as people put them to any archive, and segments as any archive has them.

What the questions' vectors have in common tells nothing of what one asks for. The segments stand beside those of an
archive that is too small to tell what chance makes of a question.
"""

from __future__ import annotations

import hashlib
import io
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

from videotag import artifacts
from videotag.embedders.contract import Embedder
from videotag.embedders.pictures.contract import FrameEmbedder
from videotag.errors import UserError
from videotag.store.stamp import Made, Maker

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger("videotag")

_RU = """
что говорят о погоде, разговор двух людей за столом, когда это произошло, смешной случай с детьми, сколько это стоит
спортсмен радуется победе, как приготовить это блюдо, новости экономики, лодка на озере, авария на дороге
интервью с врачом, строительство моста, кто написал этот роман, в каком году была основана компания
почему листья желтеют осенью, как называется самая глубокая впадина, сколько граммов белка в яйце
из чего делают бумагу, какую должность занимал отец художника, где находится штаб-квартира организации
свадьба в деревне, заседание парламента, реклама автомобиля, пожар в лесу, старая фотография солдата
дети играют во дворе, корабль в море во время шторма, мужчина играет на гитаре, выставка современного искусства
повышение цен на бензин, как починить кран, чем отличается вирус от бактерии, какой язык программирования выбрать
кто изобрёл телефон, какая столица у этой страны, сколько лет длилась война, что такое инфляция, лекция по физике
футбольный матч, закат над горами
"""
_KK = """
бұл қашан болды, ауа райы туралы хабар, балалар ойнап жүр, ән айтып тұрған әнші, қала көшелері
спорт жарысының жеңімпазы, тарихи оқиға туралы, дәрігер кеңесі, көлдегі қайық, жолдағы апат, мұғаліммен сұхбат
көпір құрылысы, бұл романды кім жазды, компания қай жылы құрылды, күзде жапырақ неге сарғаяды
ең терең шұңғыма қалай аталады, жұмыртқада қанша ақуыз бар, қағазды неден жасайды
суретшінің әкесі қандай қызмет атқарды, ұйымның штаб-пәтері қайда орналасқан, ауылдағы той, парламент отырысы
көлік жарнамасы, ормандағы өрт, сарбаздың ескі суреті, аулада доп ойнаған балалар, теңіздегі кеме
домбыра тартқан адам, заманауи өнер көрмесі, жанармай бағасының өсуі, шүмекті қалай жөндеуге болады
вирустың бактериядан айырмашылығы неде, қай бағдарламалау тілін таңдау керек, телефонды кім ойлап тапты
бұл елдің астанасы қай қала, соғыс неше жылға созылды, инфляция деген не, физикадан дәріс, футбол матчы
таудағы күн батуы
"""
_EN = """
what happened in the end, people walking in the street, interview with a woman, animals in the wild
the price of things, an old photograph, music and dancing, who won the prize, a boat on the lake, a road accident
talking to a doctor, building a bridge, who wrote this novel, in which year was the company founded
why do leaves turn yellow in autumn, what is the deepest trench called, how many grams of protein are in an egg
what is paper made of, which office did the painter's father hold, where are the headquarters of the organisation
a wedding in a village, a session of parliament, a car advertisement, a forest fire, a soldier's portrait
children playing in the yard, a ship in a storm, a man playing the guitar, an exhibition of modern art
rising petrol prices, how to fix a tap, how does a virus differ from a bacterium
which programming language to choose, who invented the telephone, what is the capital of this country
how many years did the war last, what is inflation, a lecture on physics, a football match
sunset over the mountains
"""
QUESTIONS = {
    language: tuple(re.split(", |\n", table.strip())) for language, table in (("ru", _RU), ("kk", _KK), ("en", _EN))
}
"""By ISO 639-1 language: of what is seen, said, and known in general; mostly the same 40 in each."""
ASKED = tuple(text for some in QUESTIONS.values() for text in some)
SEGMENTS = (
    "Ведущая в студии рассказывает о событиях дня, за её спиной экран с заставкой программы.\n"
    "Добрый вечер, в эфире новости. Коротко о главном к этому часу.\nновости, ведущая, студия, эфир, выпуск",
    "Мужчина в костюме отвечает на вопросы журналиста в кабинете, на столе лежат бумаги.\n"
    "Мы работаем над этим вопросом и в ближайшее время примем решение.\nинтервью, кабинет, журналист, вопрос, решение",
    "Общий план городской улицы: едут машины, по тротуару идут прохожие, видны вывески магазинов.\n"
    "улица, город, машины, прохожие",
    "Футболисты бегут по полю, зрители на трибунах машут шарфами, на табло счёт матча.\n"
    "Команды начинают второй тайм, хозяева идут вперёд.\nфутбол, матч, стадион, зрители, счёт",
    "Карта с температурой по областям, ведущий показывает рукой на север.\n"
    "Завтра ожидается переменная облачность, местами осадки, ветер умеренный.\n"
    "погода, прогноз, температура, ветер, карта",
    "Женщина на кухне режет овощи и складывает их в кастрюлю, рядом стоят тарелки.\n"
    "Добавим немного соли и оставим на медленном огне на двадцать минут.\nкухня, рецепт, овощи, блюдо",
    "Кадры старой чёрно-белой хроники: толпа на площади, люди с флагами и транспарантами.\n"
    "архив, хроника, площадь, люди, демонстрация",
    "Певица выступает на сцене с микрофоном, играет оркестр, мигают разноцветные огни.\n"
    "концерт, песня, певица, сцена, оркестр",
    "Животное пробирается по лесу, крупным планом показаны листья и вода в ручье.\n"
    "Здесь, вдали от людей, оно находит себе пищу и убежище.\nприрода, лес, животное, ручей",
    "Учёный в лаборатории смотрит в микроскоп и записывает результаты опыта.\n"
    "Это открытие поможет лучше понять, как устроена клетка.\nнаука, лаборатория, учёный, опыт",
    "Двое героев спорят в комнате, один из них уходит и хлопает дверью.\n"
    "— Ты ничего не понимаешь! — Я понимаю больше, чем ты думаешь.\nфильм, разговор, ссора, комната",
    "Врач в белом халате осматривает пациента и объясняет, как принимать лекарство.\n"
    "Обязательно посоветуйтесь с врачом и не занимайтесь самолечением.\nздоровье, врач, больница, лекарство",
    "Дети сидят за партами, учительница пишет на доске, звенит звонок.\n"
    "Откройте тетради и запишите тему сегодняшнего урока.\nшкола, урок, учительница, дети",
    "Поезд прибывает на станцию, пассажиры выходят на перрон с сумками.\nдорога, поезд, вокзал, пассажиры",
    "Рекламный ролик: молодая семья выбирает товар в магазине, в конце появляется логотип.\n"
    "Только до конца месяца специальная цена для всех покупателей.\nреклама, магазин, скидка, товар",
    "Рабочие в касках собирают оборудование в цехе завода, искрит сварка.\n"
    "Предприятие увеличило выпуск продукции и создало новые рабочие места.\nзавод, производство, рабочие, экономика",
    "На экране надписи: «Выпуск новостей», «Сегодня». Звучит речь: «…и это ещё не всё. Далее в нашей "
    "программе…». Изображение цветное, средней яркости; основные цвета: синий, белый. Движение в кадре "
    "небольшое. Резких смен кадра: 2.\nпрограмма, выпуск, новость",
    "Звучит речь: «…я помню этот день, мы тогда были совсем молодыми…». Изображение чёрно-белое, тёмное. "
    "Движения в кадре почти нет. Резких смен кадра нет.\nдень, память",
    "Распознанной речи нет. Изображение цветное, светлое; основные цвета: зелёный, голубой. Движение в кадре "
    "сильное. Резких смен кадра: 9.",
    "Заставка передачи с крупным названием на тёмном фоне, играет музыка.\nзаставка, музыка, название",
    "Жүргізуші студияда отыр, артындағы экранда хабардың атауы көрсетілген.\n"
    "Құрметті көрермендер, бүгінгі жаңалықтарға шолу жасаймыз.\nжаңалықтар, студия, жүргізуші",
    "Ауыл адамдары киіз үйдің жанында қонақтарды қарсы алып, дастарқан жайып жатыр.\nҚош келдіңіздер, төрлетіңіздер!\n"
    "ауыл, қонақ, дастарқан",
    "A man walks along an empty road at sunset while a narrator tells about his journey.\n"
    "It was the last time anyone saw him in the valley.\nroad, sunset, journey",
    "A presenter stands in front of a large screen with charts and speaks to the audience.\n"
    "Let us look at how this changed over the last ten years.\nlecture, presenter, audience, charts",
)
"""As phase 2 would write of them: description, speech, keywords."""


@dataclass(frozen=True, eq=False)
class Typical:
    """Unit vectors of one embedder.

    Attributes:
        questions: by language, float32 [40, dimension] each.
        segments: float32 [24, dimension].
    """

    questions: Mapping[str, np.ndarray]
    segments: np.ndarray


@lru_cache(maxsize=1)
def typical(embedder: Embedder) -> Typical:
    """The vectors: embedded once a model (5 s of CPU), then among the user's cached files."""
    import numpy as np

    rows = iter(_kept("questions", ASKED, embedder, embedder.embed_queries))
    questions = {language: np.stack(list(islice(rows, len(some)))) for language, some in QUESTIONS.items()}
    return Typical(questions, _kept("segments", SEGMENTS, embedder, embedder.embed_documents))


@lru_cache(maxsize=1)
def typical_questions(embedder: FrameEmbedder, dimension: int) -> Mapping[str, np.ndarray]:
    """The questions' vectors in the space of pictures, by language, float32 [40, dimension] each; kept likewise."""
    import numpy as np

    made_by = Made(embedder.name, embedder.model, dimension)
    rows = iter(_kept("asked-of-pictures", ASKED, made_by, embedder.embed_questions))
    return {language: np.stack(list(islice(rows, len(some)))) for language, some in QUESTIONS.items()}


def _kept(what: str, texts: Sequence[str], embedder: Maker, embed: Callable[[Sequence[str]], np.ndarray]) -> np.ndarray:
    import numpy as np
    import platformdirs

    made_by = repr((embedder.name, embedder.model, embedder.dimension, texts))
    name = hashlib.sha256(made_by.encode()).hexdigest()[:16]
    path = platformdirs.user_cache_path("videotag") / f"{what}-{name}.npy"
    try:
        vectors = np.load(path, allow_pickle=False)
        if vectors.shape == (len(texts), embedder.dimension) and np.isfinite(vectors).all():
            return vectors
        log.warning("%s is damaged and is made anew", path)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, EOFError) as error:
        log.warning("%s cannot be read (%s) and is made anew", path, error)
    vectors = embed(texts)
    file = io.BytesIO()
    np.save(file, vectors)
    try:
        artifacts.write_whole(path, file.getvalue())
    except UserError as error:
        log.warning("%s (each start takes a second longer)", error)
    return vectors
