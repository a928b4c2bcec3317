"""Files to be kept, as an answer."""

import io
import zipfile
from collections.abc import Mapping
from urllib.parse import quote

from starlette.responses import Response

_TYPES = {".srt": "application/x-subrip", ".vtt": "text/vtt", ".json": "application/json", ".csv": "text/csv"}


def attached(name: str, files: Mapping[str, bytes]) -> Response:
    """A file, by what goes after `name` in its own; several, which belong together, as a ZIP."""
    [(ending, content), *more] = files.items()
    if more:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for own, data in files.items():
                archive.writestr(f"{name}{own}", data)
        ending, content = ".zip", packed.getvalue()
    told = f"attachment; filename*=UTF-8''{quote(name + ending, safe='')}"
    media_type = _TYPES.get(ending, "application/octet-stream")
    return Response(content, media_type=media_type, headers={"content-disposition": told})
