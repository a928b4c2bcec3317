"""Texts to unit vectors.

Read contract (what an engine gives, and the engines), e5, sentence_transformers.
"""
