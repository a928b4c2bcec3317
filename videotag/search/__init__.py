"""A question to moments. Words and vectors of all segments are in an index beside the collection.

Read ask (a question and its answer), filters, archive_search, segment_search, index with forms, numerals and pairs,
ranking with typical, moments, hits; meant (what was meant by what was typed) with keyboards, spelling, kazakh, filler.
"""
