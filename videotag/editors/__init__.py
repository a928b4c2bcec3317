"""Stretches of videos as programs for editing and playing read them: a function a format.

Read clips (what is handed over), formats (which there are, and how they become files), then table (CSV), edl, fcpxml,
otio and playlists (m3u8, xspf). Nobody has tried the files in an editor: they follow what is written of the formats.
"""
