"""Pictures, and questions about what they show, to unit vectors of one space.

Read contract: what an engine gives.
"""
