"""Words that tell nothing about a text: function words, and nouns as common as them.

Written for this project. Russian needs few: pymorphy3 tells nouns from the rest.
"""

_RU = """
да нет не ни это то так как что кто вот там тут здесь где когда тогда если или и а но же бы ли уже еще ещё очень можно
нужно надо есть был была были было будет будут его ее её их мы вы он она они оно я ты все всё всех всего наш ваш мой
свой для без при про над под из от до по на за с со к ко у о об в во через между после перед потом затем также тоже
только просто наши наша наше ваши ваша ваше моя мои свои может спасибо пожалуйста здравствуйте привет итак наконец
кроме того более менее
"""
_COMMON_NOUNS = """
раз год день время минута секунда час случай образ возможность дело вещь человек люди часть вид тип сторона место
вопрос тысяча миллион миллиард сто десяток пара штука метр конец начало помощь способ ряд
"""
_KK = """
және мен пен бен да де та те бұл ол осы сол мына ана біз сіз сен мен олар өз өзі бір екі үш төрт бес алты жеті сегіз
тоғыз он жүз мың үшін туралы бойынша арқылы дейін кейін бұрын қазір енді тек ғана тағы сондай мұндай осындай қандай
қай кім не неге қашан қайда қалай емес жоқ бар болды болған болып болады еді екен деп дейді деген ме ма ба бе па пе
ғой шы ші өте көп аз барлық бүкіл әр кез кезде сияқты ретінде керек мүмкін алып беріп келіп кетті келді сосын содан
иә жатыр тұр отыр жүр тұрған жатқан бола бойы дәл тағыда бәрі ешкім әлі аса ең
алға артқа қарай солға оңға бүгін ертең кеше онда мұнда осында сонда
"""
_EN = """
a about above after again against all also am an and any are aren't as at back be because been before being below
between both but by can can't cannot come could couldn't did didn't do does doesn't doing don't down during each even
ever every few for from further get give go going gone got had hadn't has hasn't have haven't having he he'd he'll he's
her here here's hers herself him himself his how how's however i i'd i'll i'm i've if in into is isn't it it's its
itself just know let let's like look made make many may me might more most much must mustn't my myself never no nor not
now of off oh ok okay on once one only or other ought our ours ourselves out over own people please put really right
said same say says see shall she she'd she'll she's should shouldn't since so some somebody someone something still
such take tell than thank thanks that that's the their theirs them themselves then there there's these they they'd
they'll they're they've thing things think this those through time to too two under until up upon us use used very want
was wasn't way we we'd we'll we're we've well were weren't what what's when where which while who who's whom why will
with won't would wouldn't yeah yes yet you you'd you'll you're you've your yours yourself yourselves must've
"""

STOP_WORDS = {"ru": frozenset(_RU.split()), "kk": frozenset(_KK.split()), "en": frozenset(_EN.split())}
"""By ISO 639-1 language, in lower case."""
COMMON_NOUNS = frozenset(_COMMON_NOUNS.split())  # Russian nouns, in their dictionary form
