# Installs a lock into an image's own Python. Runs while the image is built, and only then.
set -eu
here=$(dirname "$0")
# How the machine that builds reaches the package index: lines of NAME='value'.
set -a
. "$here/network"
set +a
export TMPDIR="$here" UV_CACHE_DIR="$here/cache" UV_NO_PROGRESS=1 NO_COLOR=1
# Bytecode is compiled here, because images run read-only and without it every import is slow.
exec "$here/uv" --no-config pip install --python /usr/local/bin/python --compile-bytecode \
    --no-deps --require-hashes --requirement "$here/requirements.lock" "$@"
