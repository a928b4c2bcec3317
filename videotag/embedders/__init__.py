"""Texts to unit vectors.

Read contract (what an engine gives), engines (which there are), e5, onnx with model_files (what a model's folder says),
sentence_transformers, prompts (what some models expect before a text). Engines for pictures are in pictures/.
"""
