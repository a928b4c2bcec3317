"""The analyzer `vllm`: Qwen2.5-VL and its like, by vLLM in this process.

Read engine, model (a model that sees, and how a segment is put to it), stream (segments through a batching engine).
"""
