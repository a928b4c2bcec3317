"""The search as a person uses it in a terminal.

Read typed (what a person types), picture (what is asked with one), commands, prompt, cards, player.
"""
