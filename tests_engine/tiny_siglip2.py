"""A SigLIP 2 with random weights, 60,000 of them: config, tokenizer and image processor, as transformers saves them.

SigLIP 2 of fixed size is of transformers' type `siglip`, as the published ones are; only NaFlex has one of its own.
"""

from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors

WORDS = ("красный", "синий", "снег", "река", "город", "a", "photo", "of")
SIDE, LONGEST = 32, 64


def make(folder: Path) -> Path:
    """Write the model into a folder, and give the folder back."""
    tokenizer = make_tokenizer()
    images = transformers.SiglipImageProcessor(
        size={"height": SIDE, "width": SIDE}, image_mean=[0.5] * 3, image_std=[0.5] * 3, resample=2
    )
    tower = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.SiglipConfig(
        text_config={**tower, "vocab_size": len(tokenizer), "max_position_embeddings": LONGEST, "projection_size": 32},
        vision_config={**tower, "image_size": SIDE, "patch_size": 16},
    )
    torch.manual_seed(1)
    transformers.SiglipModel(config).save_pretrained(folder)
    transformers.SiglipProcessor(images, tokenizer).save_pretrained(folder)
    return folder


def make_tokenizer() -> transformers.PreTrainedTokenizerFast:
    vocabulary = {word: number for number, word in enumerate(("<pad>", "<eos>", "<unk>", *WORDS))}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.post_processor = processors.TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", 1)])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>", padding_side="right",
        model_max_length=LONGEST, model_input_names=["input_ids"],
    )  # fmt: skip
