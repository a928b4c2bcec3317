"""Frames and words of a segment to a description, tags and keywords.

Read contract (what an engine gives, and the engines), prompt, answers; then an engine: local, openai, vllm.
"""
