"""Sound to words with times, and words to subtitles.

Read words (what an engine gives), engines (which there are), whisper (what both engines share), faster_whisper,
openai_whisper; subtitles stands by itself.
"""
