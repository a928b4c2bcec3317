"""The summarizer `local`: sentences that are there, chosen. No model.

Read summarizer.
"""
