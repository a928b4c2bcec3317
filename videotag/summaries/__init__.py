"""Segments to a whole video: what it is about, in sentences, chapters, keywords and names that cite segments.

Read contract (what a summarizer is), passages (what it gets), engines (which there are), local (without a model). With
one: by_model (window by window, then the whole), prompt (what it is asked), judging (what its answer is worth), openai,
vllm.
"""
