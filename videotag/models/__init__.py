"""Asking a language or vision model over OpenAI's HTTP interface, and what its texts are worth. Knows no segment.

Read chat (the form of a question), servers (one server, how it is doing, and several that share the work), asking
(many questions at once), guards (what is wrong with a text that a model wrote).
"""
