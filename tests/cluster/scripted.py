"""scale_out.py with scripted engines: python -m tests.cluster.scripted FOLDER [OPTIONS]. They wait for FOLDER/gate.

Heartbeats come each second, a dead worker's claim is free after four; what others have is asked for each two.
"""

import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from scale_out import SCRIPTS, Script, main
from tests.kills import ENGINES, Run
from videotag import claims, cli
from videotag.cluster import placing


def engine(run: Run, *choice: Any) -> Any:
    return ENGINES[run.stage](run)


def work(stage: str, *args: Any) -> int:
    claims.HEARTBEAT_SECONDS, claims.GONE_SECONDS = 1.0, 4.0
    return int(SCRIPTS[stage].module.work(*args))


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    placing.HELD_SECONDS = 2.0
    scripts = {
        name: Script(
            script.stage,
            SimpleNamespace(options=script.module.options, work=partial(work, name)),
            partial(engine, Run(name, folder, gate=folder / "gate")),
        )
        for name, script in SCRIPTS.items()
    }
    where = ["--config", str(folder / "videos_config.json"), "--data-dir", str(folder / "data")]
    cli.leave(main([*where, "--memory", "0", *sys.argv[2:]], scripts))
