"""What the scripts share. Read in the order of the data:

config -> segments -> media -> transcribers -> analyzers -> embedders -> moments;
artifacts, claims and cli serve every stage.
"""
