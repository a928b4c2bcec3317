"""What the scripts share: a folder a subject, and beside them the floor on which all stand.

The way of a video: config, media, speech, segments, analyzers with models, embedders, store. The way of a question:
terminal, search, store. docs/architecture.md shows both, and the layers.
"""
