"""Asking a language or vision model over OpenAI's HTTP interface. Knows no segment.

Read chat (the form of a question), servers (one server, how it is doing, and several that share the work), asking
(many questions at once).
"""
