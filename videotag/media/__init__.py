"""The only decoder code: what a file is, its sound, its pictures, a part of it cut out. PyAV underneath.

Read source (what is read of an opened file), pictures, skim, sound, probe, clip.
"""
