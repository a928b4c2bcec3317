"""Pictures, and questions about what they show, to unit vectors of one space.

Read contract (what an engine gives), engines (which there are), siglip2 with tower_files (what a model's folder has),
sentence_transformers; making: the vectors of a video's frames.
"""
