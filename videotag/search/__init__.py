"""A question to moments and whole videos. What is read of all records is in an index beside their collection.

Read ask (a question and its answer), filters, archive_search, segment_search, index with coarse (vectors), passing
(filters), forms, numerals and pairs, ranking with typical, moments, hits, whole_videos; meant (what was meant by what
was typed) with keyboards, spelling, kazakh, filler.
"""
