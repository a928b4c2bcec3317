"""The only decoder code: what a file is, its sound, its pictures, a part of it cut out. PyAV underneath.

Read source (what is read of an opened file), pictures and skim, upright (a frame as it is meant to be seen), by which
colour, interlace and headers; jpeg (stored pictures); levels (what its sound tracks are like), tracks (those heard),
mixing, sound, probe, clip; coding (what a player has to do) and copies (made for those that cannot); timecode
(what a camera wrote down), texts, subtitle_text and captions (what there is to read).
"""
