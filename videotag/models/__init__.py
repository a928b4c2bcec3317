"""Asking a language or vision model, over HTTP or here, and what its texts are worth. Knows no segment.

Read chat (the form of a question), servers (one server, how it is doing, and several that share the work), asking
(many questions at once), vllm/ (a model in this process), guards (what is wrong with a text that a model wrote).
"""
