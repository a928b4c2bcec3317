"""Asking a model in this process many things at once, by text alone: the way of `asking.Servers`, without a server."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from videotag.models import chat
from videotag.models.servers import Refused
from videotag.models.vllm import here
from videotag.models.vllm.batch import Batch, one_line
from videotag.models.vllm.batch import Engine as BatchEngine
from videotag.models.vllm.engine import VllmEngine, VllmOptions, engine_args, load
from videotag.models.vllm.model import DEFAULT_MODEL, Model, Need, configuration, length, read_model

T = TypeVar("T")
R = TypeVar("R")


class InProcess:
    """A model in this process, for questions without pictures. The weights are loaded when the first one comes.

    `kind`: what asks, in the words of the command line, "summarizer" say.

    Raises:
        EngineError: vLLM, a GPU or the model is missing, or --max-model-len does not do.
    """

    def __init__(self, kind: str, options: VllmOptions, need: Need) -> None:
        here.set_environment(kind)
        bfloat16 = here.has_bfloat16(kind)
        name = options.model or DEFAULT_MODEL
        self._known = read_model(name, configuration(name))
        self._options = options
        self._engine: TextEngine | None = None
        self.model = self._known.name
        self.sampling = self._known.sampling
        self.dtype = here.dtype(bfloat16, self._known.quantized)
        self._length = length(self._known, options.max_model_len, need)
        self.description = f"{self.model}, {self.dtype}, {self._length} tokens at most"

    def context(self) -> int:
        """Tokens of a question and its answer together."""
        return self._length

    def tokens(self, text: str) -> int:
        """How many the model makes of a text, the template around it not counted."""
        return self._known.tokens(text)

    def answers(
        self, things: Iterable[T], answer: Callable[[T, chat.Ask], Coroutine[Any, Any, R]]
    ) -> Generator[tuple[T, R], None, None]:
        """Yield each thing with what `answer` made of it, as it is finished. One run at a time.

        Things that have come to an end are asked again after each answer: it may have brought another.
        `answer` runs in this thread, and awaits nothing but what it asks, one question after the other. A question
        that the engine does not take (it is too long, say) raises `Refused` there.

        Raises:
            EngineError: the model cannot be loaded, or the engine cannot go on.
        """
        return Talks(self._loaded, answer).run(things)

    def _loaded(self) -> TextEngine:
        if self._engine is None:
            self._engine = load(self._build, self._known, "question")
        return self._engine

    def _build(self, at_once: int) -> TextEngine:
        return TextEngine(
            self._known, at_once, engine_args(self.model, self.dtype, self._length, at_once, self._options)
        )


class TextEngine(VllmEngine):
    """vLLM's engine without eyes: no memory is kept for pictures, and the weights of vision stay out."""

    def __init__(self, model: Model, at_once: int, args: dict[str, Any]) -> None:
        blind = {"limit_mm_per_prompt": {"image": 0, "video": 0}} if model.sees else {}
        super().__init__(model, at_once, {**args, **blind})

    def prepare(self, question: Question) -> tuple[Any, Any]:
        prompt = self.rendered({"prompt": self._model.prompt(question.messages)})
        return prompt, self.sampling(question.form)


@dataclass(frozen=True)
class Question:
    """One question, as an `Ask`: who awaits it stands still until the answer is sent in."""

    messages: chat.Messages
    form: chat.Form

    def __await__(self) -> Generator[Question, chat.Answer, chat.Answer]:
        return (yield self)


class Engine(BatchEngine, Protocol):
    """Takes questions."""

    @property
    def at_once(self) -> int: ...

    def prepare(self, question: Question) -> Any:
        """The engine's input. Whatever it raises is the question's fault."""
        ...


@dataclass(eq=False)
class Talk(Generic[T, R]):
    """A thing, the work on it, and what that has asked last."""

    thing: T
    work: Coroutine[Any, Any, R]
    question: Question = field(init=False)


class Talks(Generic[T, R]):
    """One run of things through an engine, which is loaded when the first question comes."""

    def __init__(self, load: Callable[[], Engine], answer: Callable[[T, chat.Ask], Coroutine[Any, Any, R]]) -> None:
        self._load = load
        self._answer = answer
        self._engine: Engine | None = None
        self._batch: Batch[Talk[T, R]] | None = None
        self._open: set[Talk[T, R]] = set()
        self._waiting: deque[Talk[T, R]] = deque()  # for room in the batch

    def run(self, things: Iterable[T]) -> Generator[tuple[T, R], None, None]:
        source = iter(things)
        try:
            while True:
                drawn = 0
                for thing in itertools.islice(source, self._room()):
                    drawn += 1
                    talk = Talk(thing, self._answer(thing, Question))
                    self._open.add(talk)
                    yield from self._tell(talk, None)
                if not drawn and not self._open:
                    return
                yield from self._start()
                yield from self._step()
        finally:
            if self._batch is not None:
                self._batch.drop()
            for talk in self._open:
                talk.work.close()

    def _room(self) -> int:
        """For how many things more; one, before the engine says."""
        most = self._batch.at_once if self._batch is not None else 1
        return max(0, most - len(self._open))

    def _tell(self, talk: Talk[T, R], told: chat.Answer | Exception | None) -> Iterator[tuple[T, R]]:
        """Let the work go on to its next question, or to its end."""
        try:
            asked = talk.work.throw(told) if isinstance(told, Exception) else talk.work.send(told)
        except StopIteration as end:
            self._open.discard(talk)
            yield talk.thing, end.value
            return
        if not isinstance(asked, Question):
            raise TypeError(f"{talk.work.__qualname__} waits for something that is no question")
        talk.question = asked
        self._waiting.append(talk)

    def _start(self) -> Iterator[tuple[T, R]]:
        """Give the engine what there is room for."""
        if not self._waiting:
            return
        if self._engine is None or self._batch is None:
            self._engine = self._load()
            self._batch = Batch(self._engine, self._engine.at_once, "question")
        while self._waiting and len(self._batch) < self._batch.at_once:
            talk = self._waiting.popleft()
            try:
                self._batch.put(talk, self._engine.prepare(talk.question))
            except Exception as error:
                yield from self._tell(talk, Refused(one_line(error)))

    def _step(self) -> Iterator[tuple[T, R]]:
        for talk, finished in self._batch.step() if self._batch else ():  # an empty one counts as none
            if finished is None:
                self._waiting.append(talk)
            else:
                yield from self._tell(talk, chat.Answer(finished.text, finished.cut, finished.prompt_tokens))
