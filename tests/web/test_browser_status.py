"""The statuses in a real browser: live while a phase runs in another process; and without a script."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.web import test_browser

sync_api, pytestmark = test_browser.sync_api, test_browser.pytestmark
chromium, page = test_browser.chromium, test_browser.page
ROOT = Path(__file__).parents[2]
PHASE2 = """
import sys, time
from pathlib import Path
import phase2_vllm_analysis
from tests.pipeline import FakeAnalyzer

gates = Path(sys.argv[1])

class Waiting(FakeAnalyzer):
    def analyze(self, segments):
        for number, found in enumerate(super().analyze(segments)):
            while not (gates / str(number)).exists():
                time.sleep(0.02)
            yield found

sys.exit(phase2_vllm_analysis.main(sys.argv[2:], lambda name, language, options: Waiting(name, language)))
"""


@pytest.fixture
def place(project) -> list[str]:
    """Options that name a project whose phase 1 is done."""
    project.one_video()
    assert project.phase1() == 0
    return ["--db", str(project.folder / "chroma_db"), "--data-dir", str(project.data)]


@pytest.fixture
def site(place) -> Iterator[str]:
    command = [sys.executable, str(ROOT / "web.py"), "--port", "0", *place]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    address = server.stdout.readline().split()[0]
    while not httpx2.get(f"{address}/api/status", timeout=60).json()["at"]:  # it is slow on a busy machine
        pass
    yield address
    server.terminate()
    server.wait(timeout=30)


def cell(page: Any, number: int) -> Any:
    """That of a phase, counted from 0, in the row of the only video."""
    return page.locator("#v-news td").nth(number)


def test_the_page_changes_while_a_phase_runs_in_another_process(page, site, place, project, tmp_path):
    expect = sync_api.expect
    page.goto(f"{site}/status")
    page.evaluate("window.loaded = 'once'")
    expect(cell(page, 1)).to_contain_text("ждёт запуска")
    expect(page.locator("#live")).to_be_visible()
    cell(page, 0).locator("summary").click()
    count = project.record()["total_segments"]
    worker = subprocess.Popen([sys.executable, "-c", PHASE2, str(tmp_path), *place], cwd=ROOT)
    try:
        expect(cell(page, 1)).to_contain_text(f"Фрагменты 0 / {count}", timeout=60_000)
        expect(cell(page, 1)).to_contain_text(f"процесс {worker.pid}")
        (tmp_path / "0").touch()
        expect(cell(page, 1)).to_contain_text(f"Фрагменты 1 / {count}", timeout=60_000)
        for number in range(1, count):
            (tmp_path / str(number)).touch()
        expect(cell(page, 1)).to_contain_text("готово", timeout=60_000)
        assert worker.wait(timeout=60) == 0
    finally:
        worker.kill()
        worker.wait()
    expect(cell(page, 2)).to_contain_text("ждёт запуска")
    expect(cell(page, 0).get_by_role("button")).to_be_visible()  # what was opened stayed open
    assert page.evaluate("window.loaded") == "once"


@pytest.mark.parametrize("page", [{"java_script_enabled": False}], indirect=True)
def test_a_phase_is_done_again_at_a_press_without_a_script(page, site, project):
    page.goto(f"{site}/status?sort=name")
    assert page.locator("noscript meta[http-equiv=refresh]").count() == 1
    cell(page, 0).locator("summary").click()
    cell(page, 0).get_by_role("button", name="Сделать заново").click()
    page.wait_for_url("**/status?sort=name#v-news")
    assert "ждёт запуска" in cell(page, 0).inner_text()
    assert project.record()["phase1_reason"] == "--force"


def test_a_refusal_stays_to_be_read(chromium, site, project):
    page = chromium.new_context(locale="ru-RU").new_page()
    page.goto(f"{site}/status")
    cell(page, 0).locator("summary").click()
    (project.folder / "news.mp4").unlink()
    cell(page, 0).get_by_role("button").click()
    sync_api.expect(page.get_by_role("alert")).to_contain_text("news.mp4")
    project.db.update_video_status("news", phase2_error="нет модели")
    sync_api.expect(cell(page, 1)).to_contain_text("ошибка", timeout=60_000)
    assert page.get_by_role("alert").is_visible()
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 390 and cell(page, 3).is_visible()
    page.context.close()
