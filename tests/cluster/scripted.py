"""scale_out.py with scripted engines: python -m tests.cluster.scripted FOLDER [OPTIONS]. They wait for FOLDER/gate."""

import sys
from functools import partial
from pathlib import Path
from typing import Any

from scale_out import SCRIPTS, Script, main
from tests.kills import ENGINES, Run
from videotag import cli


def engine(run: Run, *choice: Any) -> Any:
    return ENGINES[run.stage](run)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    scripts = {
        name: Script(script.stage, script.module, partial(engine, Run(name, folder, gate=folder / "gate")))
        for name, script in SCRIPTS.items()
    }
    where = ["--config", str(folder / "videos_config.json"), "--data-dir", str(folder / "data")]
    cli.leave(main([*where, "--memory", "0", *sys.argv[2:]], scripts))
