"""A question to moments and whole videos. What is read of all records is in an index beside their collection.

Read ask (a question and its answer), filters, archive_search on followed, segment_search, index with coarse (vectors),
passing (filters), forms, numerals and pairs, ranking with typical, pictures, moments, hits, whole_videos; meant (what
was meant by what was typed) with keyboards, spelling, english, kazakh, filler.
"""
