"""The search as a person uses it in a terminal.

Read typed (what a person types), commands, prompt, cards, player.
"""
