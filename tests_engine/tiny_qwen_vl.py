"""A Qwen2.5-VL or Qwen3-VL with random weights, 660,000 of them: config, tokenizer, processor and chat template.

    python tests_engine/tiny_qwen_vl.py FOLDER [qwen2_5_vl | qwen3_vl]

Made without a model hub. What it says is nonsense, but it goes every way that the real one goes.
"""

import json
import random
import sys
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

VOCABULARY = 4000
SPECIAL = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>",
    "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
    "<|image_pad|>", "<|video_pad|>",
]  # fmt: skip
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    "{% endif %}"
    "<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}<|im_end|>\n"
    "{% else %}{% for content in message['content'] %}"
    "{% if content['type'] == 'image' or 'image' in content or 'image_url' in content %}"
    "<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif content['type'] == 'video' or 'video' in content %}"
    "<|vision_start|><|video_pad|><|vision_end|>"
    "{% elif 'text' in content %}{{ content['text'] }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Of the same structure as Qwen2.5-VL's own."""
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEXTS = [
    "Проанализируй видеосегмент: шесть кадров и расшифровку речи. Опиши происходящее на русском языке, переведи "
    "диалог, выдели ключевые слова. Преподаватель объясняет таблицу умножения у доски. Спокойная деловая атмосфера. "
    "Смена сцены произошла. Уверенность высокая. ",
    "Сәлем, бұл бейне сегменті. Мұғалім тақтада түсіндіріп тұр. Қазақстан Республикасы, Алматы қаласы, оқушылар мен "
    "ұстаздар. ",
    "Analyse the video segment frames and transcript. Return JSON with description, dialogue_translation, keywords, "
    "content_type, mood_atmosphere, confidence, scene_change. lecture interview news tutorial documentary other true "
    "false ",
]


def make(folder: Path, kind: str = "qwen2_5_vl") -> Path:
    """Write the model into a folder, and give the folder back."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer()
    tokenizer.save_pretrained(folder)
    amend(folder / "tokenizer_config.json", tokenizer_class="Qwen2Tokenizer", chat_template=CHAT_TEMPLATE)
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE)
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL}
    write_weights(folder, kind, len(tokenizer), ids)
    write_processor(folder, kind)
    write(
        folder / "generation_config.json",
        bos_token_id=ids["<|endoftext|>"],
        pad_token_id=ids["<|endoftext|>"],
        eos_token_id=[ids["<|im_end|>"], ids["<|endoftext|>"]],
        do_sample=True,
    )
    return folder


def make_tokenizer() -> Any:
    """Byte-level, trained on a few words, so that any text can be said with it."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=False))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    chance = random.Random(0)
    words = " ".join(TEXTS).split()
    corpus = TEXTS * 5 + [" ".join(chance.choices(words, k=20)) for _ in range(300)]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(corpus, trainer)
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=SPECIAL[1:],
        model_max_length=131072,
        clean_up_tokenization_spaces=False,
    )


def write_weights(folder: Path, kind: str, tokens: int, ids: dict[str, int]) -> None:
    text: dict[str, Any] = {
        "vocab_size": (tokens + 63) // 64 * 64,
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 32768,
        "rms_norm_eps": 1e-6,
        "bos_token_id": ids["<|endoftext|>"],
        "eos_token_id": ids["<|im_end|>"],
    }
    rope = {"rope_type": "default", "mrope_section": [4, 6, 6]}
    eyes: dict[str, Any] = {"depth": 2, "hidden_size": 64, "intermediate_size": 128, "num_heads": 2}
    eyes |= {"patch_size": patch(kind), "spatial_merge_size": 2, "temporal_patch_size": 2, "out_hidden_size": 128}
    if kind == "qwen3_vl":
        text |= {"head_dim": 32, "rope_parameters": {**rope, "mrope_interleaved": True, "rope_theta": 5000000.0}}
        eyes |= {"num_position_embeddings": 256, "deepstack_visual_indexes": [0, 1]}
        config_class, model_class = transformers.Qwen3VLConfig, transformers.Qwen3VLForConditionalGeneration
    else:
        text |= {"rope_parameters": {**rope, "rope_theta": 1000000.0}}
        eyes |= {"window_size": 112, "fullatt_block_indexes": [1], "tokens_per_second": 2}
        config_class, model_class = transformers.Qwen2_5_VLConfig, transformers.Qwen2_5_VLForConditionalGeneration
    config = config_class(
        text_config=text,
        vision_config=eyes,
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)
    model_class(config).to(torch.bfloat16).save_pretrained(folder)


def write_processor(folder: Path, kind: str) -> None:
    """Limits of pixels and their normalization as in the published models."""
    third = kind == "qwen3_vl"
    base: dict[str, Any] = {
        "patch_size": patch(kind),
        "temporal_patch_size": 2,
        "merge_size": 2,
        "image_mean": [0.5] * 3 if third else [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.5] * 3 if third else [0.26862954, 0.26130258, 0.27577711],
        "processor_class": "Qwen3VLProcessor" if third else "Qwen2_5_VLProcessor",
    }
    image = (
        {"shortest_edge": 65536, "longest_edge": 16777216}
        if third
        else {"shortest_edge": 3136, "longest_edge": 12845056}
    )
    video = (
        {"shortest_edge": 4096, "longest_edge": 25165824}
        if third
        else {"shortest_edge": 100352, "longest_edge": 602112}
    )
    image_type = "Qwen2VLImageProcessorFast" if third else "Qwen2VLImageProcessor"
    video_type = "Qwen3VLVideoProcessor" if third else "Qwen2VLVideoProcessor"
    write(folder / "preprocessor_config.json", **base, size=image, image_processor_type=image_type)
    write(folder / "video_preprocessor_config.json", **base, size=video, video_processor_type=video_type)


def patch(kind: str) -> int:
    return 16 if kind == "qwen3_vl" else 14


def write(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(values, ensure_ascii=False, indent=1), encoding="utf-8")


def amend(path: Path, **values: Any) -> None:
    write(path, **{**json.loads(path.read_text(encoding="utf-8")), **values})


if __name__ == "__main__":
    print(make(Path(sys.argv[1]), *sys.argv[2:]))
