"""The page: search, videos, statuses in a browser. It reads what the scripts wrote.

Read archive (what is looked at), pages (templates and words in three languages), safety (who may ask what), app (all
parts put together); search (the search page) with asked (what an address asks), frames (pictures), attached (files),
api (JSON). A video: playable (what browsers play), films (a video's file), proxies (copies of it), media (what players
are given), results (what is known of it, read once), video (its page). Statuses: overview (what records say), watch
(looks at the records for all), again (what is set back), status (their page and stream).
"""
