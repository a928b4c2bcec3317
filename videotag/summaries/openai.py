"""The summarizer `openai`: a language model behind any server with OpenAI's HTTP interface, or several servers."""

from collections.abc import Callable
from typing import Any

from videotag.models.asking import ServerOptions, Servers
from videotag.models.servers import Patience
from videotag.summaries.by_model import ModelReader
from videotag.summaries.contract import Archive
from videotag.summaries.prompt import PROMPT_VERSION, WINDOW


class OpenAISummarizer(ModelReader):
    """Asks servers; see `Summarizer` for the contract.

    Raises:
        EngineError: no server answers, or none can do what is needed; the line says what to mend.
    """

    name = "openai"
    Options = ServerOptions

    def __init__(
        self, options: ServerOptions, archive: Callable[[], Archive], patience: Patience | None = None
    ) -> None:
        servers = Servers("the summarizer openai", options, WINDOW, sees=False, patience=patience)
        super().__init__(servers)
        self.made_by: dict[str, Any] = {
            "summarizer": self.name,
            "model": servers.model,
            "prompt_version": PROMPT_VERSION,
            "temperature": servers.temperature,
        }
        self.description = servers.description
