"""The analyzer `local`: an inventory of a segment without a generative model.

Read analyzer, then what it measures: pictures, shots, captions, screen_text; and what it says: sentences, keywords.
"""
