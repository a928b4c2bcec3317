"""A language model by vLLM in this process. Knows no segment.

Read here (what this machine has), model (what is known of a model before it is loaded), batch (requests through an
engine), engine (vLLM's own), texts (many questions of text at once).
"""
