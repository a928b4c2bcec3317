"""The summarizer `openai`: a language model behind any server with OpenAI's HTTP interface, or several servers."""

from collections.abc import Callable, Generator, Sequence
from typing import Any

from videotag.models.asking import ServerOptions, Servers
from videotag.models.servers import Patience
from videotag.summaries.by_model import ModelReader
from videotag.summaries.contract import Archive, Items, Summary, Video, Window
from videotag.summaries.prompt import PROMPT_VERSION, WINDOW


class OpenAISummarizer:
    """Asks servers; see `Summarizer` for the contract.

    Raises:
        EngineError: no server answers, or none can do what is needed; the line says what to mend.
    """

    name = "openai"
    method = "llm"
    Options = ServerOptions

    def __init__(
        self, options: ServerOptions, archive: Callable[[], Archive], patience: Patience | None = None
    ) -> None:
        servers = Servers("the summarizer openai", options, WINDOW, sees=False, patience=patience)
        self._reader = ModelReader(servers)
        self.made_by: dict[str, Any] = {
            "summarizer": self.name,
            "model": servers.model,
            "prompt_version": PROMPT_VERSION,
            "temperature": servers.temperature,
        }
        self.description = servers.description

    def windows(self, video: Video) -> list[Window]:
        return self._reader.windows(video)

    def read(self, video: Video, windows: Sequence[Window]) -> Generator[tuple[Window, Items], None, None]:
        yield from self._reader.read(video, windows)

    def whole(self, video: Video, items: Sequence[Items]) -> Summary:
        return self._reader.whole(video, items)
