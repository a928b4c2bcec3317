"""Where records and vectors are kept: the four collections. The only code that imports chromadb.

Read place (what a folder and a server have in common), chroma (the library), server, folder; records, pages, stamp, and
the collections: video_files with known (records that were read), collection with documents (vectors of texts) and
frames (of pictures); source, what is searched. Of what breaks in a folder: mending, repair, probe.
"""
