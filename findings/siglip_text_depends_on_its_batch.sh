#!/usr/bin/env bash
# SigLIP's vector of a text is that of its last place, and the models have learnt texts filled up to 64 places. The
# library sentence-transformers loads such a model as it is and says nothing, but fills a text only up to the longest of
# its batch. So the same question has one vector alone and another one beside a longer question, and neither is the
# one that transformers gives when it fills up to 64, which the model was trained with. Equal in all three would be what
# one expects. Who asks pictures with SigLIP by this library has to pass the padding at each call.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq --disable-pip-version-check torch==2.13.0 transformers==5.19.0 \
    sentence-transformers==5.7.0 pillow==13.0.0 numpy==2.3.5
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" -W ignore - "$folder/model" <<'PY'
import sys
from importlib.metadata import version

import torch
import transformers
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer, models, pre_tokenizers, processors

print(*(f"{name} {version(name)}" for name in ("sentence-transformers", "transformers")))
folder = sys.argv[1]
words = Tokenizer(models.WordLevel({w: n for n, w in enumerate("<pad> <eos> <unk> snow river".split())}, "<unk>"))
words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
words.post_processor = processors.TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", 1)])
tokenizer = transformers.PreTrainedTokenizerFast(
    tokenizer_object=words, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>", model_max_length=64,
    model_input_names=["input_ids"],
)
tower = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
text = {**tower, "vocab_size": len(tokenizer), "max_position_embeddings": 64, "projection_size": 32}
text |= {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 1}
config = transformers.SiglipConfig(text_config=text, vision_config={**tower, "image_size": 32, "patch_size": 16})
torch.manual_seed(1)
transformers.SiglipModel(config).save_pretrained(folder)
images = transformers.SiglipImageProcessorPil(size={"height": 32, "width": 32})
transformers.SiglipProcessor(images, tokenizer).save_pretrained(folder)

engine = SentenceTransformer(folder)
alone = engine.encode(["snow"], normalize_embeddings=True)[0]
beside = engine.encode(["snow", "river " * 40], normalize_embeddings=True)[0]
filled = tokenizer(["snow"], padding="max_length", max_length=64, return_tensors="pt")["input_ids"]
found = transformers.SiglipModel.from_pretrained(folder).eval().get_text_features(input_ids=filled)
learnt = torch.nn.functional.normalize(getattr(found, "pooler_output", found), dim=-1)[0].detach().numpy()
cosines = [float(alone @ beside), float(alone @ learnt), float(beside @ learnt)]
print("cosines of one text: alone and beside a longer one %.3f; filled up to 64 and alone %.3f, beside %.3f" % tuple(cosines))
sys.exit(0 if max(cosines) < 0.99 else 1)
PY
