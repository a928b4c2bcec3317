"""A question to moments. What is read of all segments is in an index beside the collection.

Read ask (a question and its answer), filters, archive_search, segment_search, index with coarse (vectors), passing
(filters), forms, numerals and pairs, ranking with typical, moments, hits; meant (what was meant by what was typed) with
keyboards, spelling, kazakh, filler.
"""
