"""Texts to unit vectors.

Read contract (what an engine gives), engines (which there are), e5, sentence_transformers.
"""
