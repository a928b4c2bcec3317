"""Sound to words with times, and words to subtitles.

Read words (what an engine gives), engines (which there are), listening (the way from sound to words that all share;
spoken_language and names belong to it), whisper (what both engines of Whisper share), faster_whisper, openai_whisper,
onnx_asr with ctc_text and ctc_likelihood, together (several engines as one), voices (which of two at once is heard);
subtitles stands by itself.
"""
