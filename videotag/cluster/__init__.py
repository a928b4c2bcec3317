"""Many machines: Ray places the videos, claims and the files in data/ stay the truth of who does what and what is done.

Read lineup.py (what is next: pure), slots.py (what runs on a machine), placing.py (videos to slots, to the end),
screen.py (how it goes), machines.py (Ray started or joined; token, TLS, ports; the folders tried on every machine).
Only here is ray imported, and only inside functions: it is an extra (requirements-ray.txt).
"""
