"""The analyzer `vllm`: Qwen2.5-VL and its like, by vLLM in this process.

Read engine, model (what is known of it before it is loaded), stream (segments through a batching engine).
"""
