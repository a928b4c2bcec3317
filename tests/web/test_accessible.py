"""axe-core on every page: nothing that keeps people out, wide and narrow, light and dark."""

from pathlib import Path
from typing import Any

import pytest

from tests.web import test_browser, test_browser_status, test_browser_video

AXE = Path(__file__).parents[2] / "node_modules/axe-core/axe.min.js"
pytestmark = [
    test_browser.pytestmark,
    pytest.mark.skipif(not AXE.exists(), reason="axe-core is not here: npm install --no-save axe-core@4.14.1"),
]
chromium, place = test_browser.chromium, test_browser_status.place
search, played, statuses = test_browser.site, test_browser_video.played, test_browser_status.site
LOOKS = [(1280, "light", "ru-RU"), (390, "dark", "kk-KZ")]


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: f"{look[0]} {look[1]}")
@pytest.mark.parametrize(
    ("site", "path"),
    [
        *(("search", path) for path in ("", "/?q=вода&video=news", "/?q=вода&from=x", "/api", "/nothing")),
        ("played", "?t=12&q=7"),
        ("statuses", "/status"),
    ],
)
def test_nothing_is_serious(chromium: Any, request: pytest.FixtureRequest, site: str, path: str, look: Any) -> None:
    width, scheme, locale = look
    context = chromium.new_context(
        bypass_csp=True, color_scheme=scheme, locale=locale, viewport={"width": width, "height": 800}
    )
    page = context.new_page()
    page.goto(request.getfixturevalue(site) + path)
    page.wait_for_load_state("domcontentloaded")
    page.add_script_tag(path=AXE)
    told = page.evaluate("axe.run({resultTypes: ['violations']})")
    context.close()
    serious = [(one["id"], one["nodes"][0]["html"]) for one in told["violations"] if one["impact"] != "minor"]
    assert serious == []
