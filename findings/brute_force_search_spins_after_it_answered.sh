#!/usr/bin/env bash
# Searching some ten thousand vectors by one product of numpy (vectors @ question) costs more after the answer than
# for it: numpy's OpenBLAS splits even this small product among its threads, and these then wait for the next one by
# spinning: with two threads the second one takes its core for nearly all of the 100 ms that follow. A search of 2 ms
# so costs fifty times as much; who measures wall time on an idle machine sees nothing of it. Whatever runs next
# beside it (another product, SQLite, another question) shares its cores with threads that do nothing. With one thread
# the answer takes hardly longer, and nothing follows.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet numpy==2.4.6
cat > "$work/spins.py" <<'PYTHON'
"""Prints CPU ms of the process during 20 products, and during 20 sleeps of 100 ms after them."""
import sys
import time

import numpy as np

vectors = np.random.default_rng(0).normal(size=(10_000, 384)).astype(np.float32)
during, after, wall = [], [], []
for _ in range(20):
    started, cpu = time.perf_counter(), time.process_time()
    vectors @ vectors[0]
    wall.append(time.perf_counter() - started)
    answered = time.process_time()
    time.sleep(0.1)
    during.append(answered - cpu)
    after.append(time.process_time() - answered)
print(*(f"{1000 * float(np.median(some)):.2f}" for some in (wall, during, after)))
PYTHON
"$work/venv/bin/python" -c "import numpy; print('numpy', numpy.__version__)"
[ "$(nproc)" -gt 1 ] || { echo "one core: there is no second thread"; exit 0; }
verdict=0
for threads in 2 1; do
    read -r wall during after < <(OPENBLAS_NUM_THREADS=$threads "$work/venv/bin/python" "$work/spins.py")
    echo "$threads thread(s): wall $wall ms, CPU $during ms for the answer, CPU $after ms in the 100 ms after it"
    if [ "$threads" = 2 ]; then
        awk "BEGIN { exit !($after > 5 && $after > 2 * $during) }" || verdict=1
    else
        awk "BEGIN { exit !($after < 1) }" || verdict=1
    fi
done
[ "$verdict" = 0 ] && echo "as described" || echo "no longer so"
exit "$verdict"
