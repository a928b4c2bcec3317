"""The true network of SigLIP 2 ViT-B-16 (224 pixels) with random weights: not what it sees, but what it costs.

    .venv-engine/bin/python benchmarks/random_siglip2.py FOLDER     makes what `--frame-model FOLDER` takes, 1.5 GB

Two towers of 12 layers of 768 by transformers, 196 patches of 16 pixels, 64 tokens of 256,000:
93 and 282 million weights.
The tokenizer has as many words, not the true ones. Laid out as onnx-community's exports.
"""

import json
import sys
from pathlib import Path

import torch  # pyright: ignore[reportMissingImports]
import transformers  # pyright: ignore[reportMissingImports]
from tokenizers import Tokenizer, models, pre_tokenizers, processors

TOKENS, SIDE, LONGEST = 256_000, 224, 64


class Pooled(torch.nn.Module):
    """A tower whose only output is the vector."""

    def __init__(self, tower: torch.nn.Module) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        return self.tower(given).pooler_output


def make(folder: Path) -> None:
    (folder / "onnx").mkdir(parents=True, exist_ok=True)
    text = transformers.SiglipTextConfig(vocab_size=TOKENS, max_position_embeddings=LONGEST, projection_size=768)
    vision = transformers.SiglipVisionConfig(image_size=SIDE, patch_size=16)
    towers = {
        "text_model": (transformers.SiglipTextModel(text), torch.ones(1, LONGEST, dtype=torch.int64), "input_ids"),
        "vision_model": (transformers.SiglipVisionModel(vision), torch.zeros(1, 3, SIDE, SIDE), "pixel_values"),
    }
    for name, (tower, example, given) in towers.items():
        torch.onnx.export(
            Pooled(tower.eval()),
            (example,),
            folder / f"onnx/{name}.onnx",
            input_names=[given],
            output_names=["pooler_output"],
            dynamic_axes={given: {0: "batch"}, "pooler_output": {0: "batch"}},
            dynamo=False,
        )
    vocabulary = {"<pad>": 0, "<eos>": 1, "<unk>": 2} | {f"w{number}": number for number in range(3, TOKENS)}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.post_processor = processors.TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", 1)])
    words.save(str(folder / "tokenizer.json"))
    levels = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    preparing = {"size": {"height": SIDE, "width": SIDE}, "resample": 2, **levels}
    (folder / "preprocessor_config.json").write_text(json.dumps(preparing), encoding="utf-8")
    (folder / "config.json").write_text('{"model_type": "siglip"}', encoding="utf-8")


if __name__ == "__main__":
    make(Path(sys.argv[1]))
