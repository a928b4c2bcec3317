"""Where records and vectors are kept: the two collections. With db_manager.py the only code that imports chromadb.

Read place (what a folder and a server have in common), server, folder with embedded; records, pages, stamp, and the
collections: video_files, collection. Of what breaks in a folder: mending, repair, probe, faults.
"""
