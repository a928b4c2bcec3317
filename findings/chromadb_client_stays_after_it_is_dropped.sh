#!/usr/bin/env bash
# A chromadb.HttpClient that nobody holds any more is not freed: its connections to the server stay open until the
# process ends, after `del` and a collection of garbage too, since the package keeps each client's system by a name of
# its own. A program that makes a client for each piece of work, as one does with other databases, so gains open files
# and memory with every piece. Each client also reads the file of certificate authorities from the disk, twice, for a
# server that is asked by plain http. What helps is one client for the whole process.
set -euo pipefail
work=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet chromadb==1.5.9
cat > "$work/clients.py" <<'PYTHON'
import gc
import os
import ssl
import sys
import time

import chromadb

read = 0
load = ssl.SSLContext.load_verify_locations


def counted(self, *args, **kwargs):
    global read
    read += 1
    return load(self, *args, **kwargs)


ssl.SSLContext.load_verify_locations = counted


def open_sockets() -> int:
    files = (f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd"))
    return sum("socket" in os.readlink(file) for file in files if os.path.lexists(file))


def one() -> None:
    chromadb.HttpClient(host="127.0.0.1", port=int(sys.argv[1])).heartbeat()


one()
gc.collect()
before, started, read = open_sockets(), time.process_time(), 0
for _ in range(10):
    one()
cpu = time.process_time() - started
gc.collect()
print(f"{100 * cpu:.0f} {read} {open_sockets() - before}")
PYTHON
"$work/venv/bin/python" -c "import chromadb; print('chromadb', chromadb.__version__)"
port=$("$work/venv/bin/python" -c "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])")
"$work/venv/bin/chroma" run --path "$work/db" --port "$port" > "$work/log" 2>&1 & server=$!
until (: < "/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.2; done
read -r cpu read left < <("$work/venv/bin/python" "$work/clients.py" "$port")
echo "10 clients of an http server: $cpu CPU ms each, certificates read $read times, $left sockets left after the last was dropped"
[ "$read" -ge 10 ] && [ "$left" -ge 10 ] && echo "as described" && exit 0
echo "no longer so"
exit 1
