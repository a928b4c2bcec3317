"""Sound to words with times, and words to subtitles.

Read words (what an engine gives), listening (what all of them share), engines (which there are), whisper (what the two
of Whisper share), faster_whisper, openai_whisper, onnx_asr with ctc_text (its sentences); subtitles stands by itself.
"""
