# Installs a lock into an image's own Python. Runs while the image is built, and only then.
set -eu
here=$(dirname "$0")
python=/usr/local/bin/python
# How the machine that builds reaches the package index: lines of NAME='value'.
set -a
. "$here/network"
set +a
export TMPDIR="$here" UV_CACHE_DIR="$here/cache" UV_NO_PROGRESS=1 NO_COLOR=1
"$here/uv" --no-config pip install --python "$python" --no-deps --require-hashes \
    --requirement "$here/requirements.lock" "$@"
# Images run read-only, and without bytecode every import is slow. uv's own option for it fails on
# CPython 3.6. Files that are no Python of this version, such as templates, are passed over.
echo "Compiling bytecode"
"$python" -m compileall -q -j 0 /usr/local/lib/python3*/site-packages >/dev/null || true
