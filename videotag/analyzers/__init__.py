"""Frames and words of a segment to a description, tags and keywords.

Read contract (what an engine gives), engines (which there are), prompt, answers; then an engine: local, openai, vllm.
"""
