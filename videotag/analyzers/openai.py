"""The `openai` analyzer: a vision-language model behind any server with OpenAI's HTTP interface.

vLLM, SGLang, llama.cpp, Ollama, LM Studio, a cloud. Several servers share the segments by load: videotag/models.
"""

import asyncio
from collections.abc import Generator, Iterable
from typing import Any

from videotag.analyzers.answers import Again, judge
from videotag.analyzers.contract import Result, Segment, SegmentFailure
from videotag.analyzers.prompt import FRAME_PIXELS, MAX_TOKENS, PROMPT_VERSION, SCHEMA, system_prompt, user_prompt
from videotag.models import chat
from videotag.models.asking import ServerOptions, Servers
from videotag.models.servers import Failure, Patience, Refused

FORM = chat.Form("segment", SCHEMA, MAX_TOKENS)


class OpenAIServerAnalyzer:
    """Asks servers; see `Analyzer` for the contract.

    Raises:
        EngineError: no server answers, or none can do what is needed; the line says what to mend.
    """

    name = "openai"
    Options = ServerOptions

    def __init__(self, output_language: str, options: ServerOptions, patience: Patience | None = None) -> None:
        self._servers = Servers("the analyzer openai", options, FORM, sees=True, patience=patience)
        self._system = system_prompt(output_language)
        self.made_by: dict[str, Any] = {
            "analyzer": self.name,
            "model": self._servers.model,
            "prompt_version": PROMPT_VERSION,
            "output_language": output_language,
            "temperature": self._servers.temperature,
            "frame_pixels": FRAME_PIXELS,
        }
        self.description = self._servers.description

    def analyze(self, segments: Iterable[Segment]) -> Generator[tuple[Segment, Result], None, None]:
        """Yield each segment with its result as it is answered. Segments are pulled in the calling thread.

        Raises:
            EngineError: the last server is gone, or refuses the key, the model or the address.
        """
        yield from self._servers.answers(segments, self._result)

    async def _result(self, segment: Segment, ask: chat.Ask) -> Result:
        try:
            pictures = await asyncio.to_thread(_pictures, segment)
        except ValueError as error:
            return SegmentFailure(str(error))
        before: Again | None = None
        for _ in range(2):
            question = user_prompt(segment, before.more if before else "")
            try:
                answer = await ask(chat.messages(self._system, question, pictures), FORM)
            except Refused as refused:
                return SegmentFailure(f"the server refuses it: {refused}")
            except Failure as failure:
                return SegmentFailure(f"no answer to it, though the server works: {failure}")
            verdict = judge(segment, answer.text, answer.cut, before)
            if not isinstance(verdict, Again):
                return verdict
            before = verdict
        raise AssertionError("judge() asked for a third try")


def _pictures(segment: Segment) -> list[str]:
    """The frames as data URLs. ValueError: one is not a picture."""
    return [chat.picture(frame.jpeg, frame.decoded(), FRAME_PIXELS) for frame in segment.frames]
