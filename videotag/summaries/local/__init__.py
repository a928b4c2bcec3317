"""The summarizer `local`: sentences that are there, chosen. No model.

Read words (what two texts share), sentences (what may be told), choosing (which are told), names (who and where),
keywords, chapters, summarizer.
"""
