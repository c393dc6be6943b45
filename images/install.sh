# Installs a lock for a base's own Python: into an image while it is built, or into a folder of the
# volume that is later mounted over the Python's packages. Runs as root, in a container of the base.
set -eu
here=$(dirname "$0")
# Lines of NAME='value': which environment it is (`identity`), uv's `options`, and whether it is to
# be `mounted`; then how the machine that builds reaches the package index.
. "$here/wanted"
set -a
. "$here/network"
set +a
store="$here"
[ -z "$mounted" ] || store="$here/store"
whole="$store/environments/$identity"
export TMPDIR="$here" UV_CACHE_DIR="$store/cache" UV_LINK_MODE=hardlink UV_NO_PROGRESS=1 NO_COLOR=1
# On the file system of uv's cache, so that uv links packages there instead of copying them.
stage="$UV_CACHE_DIR/stage-$identity"
python=$(command -v python || command -v python3)

if [ -n "$mounted" ] && [ -d "$whole" ]; then
    packages="$whole"
else
    rm -rf "$stage"
    # shellcheck disable=SC2086  (options are words)
    "$here/uv" --no-config pip install --python "$python" --prefix "$stage" \
        --no-deps --require-hashes --requirement "$here/requirements.lock" $options
    for packages in "$stage"/lib/python3*/*-packages "$stage"/local/lib/python3*/*-packages; do
        [ ! -d "$packages" ] || break
    done
    rm -f "$stage/.lock" # uv's
    while read -r place; do
        rm -rf "${packages:?}/${place:?}"
    done <"$here/left-out"
fi

if [ -z "$mounted" ]; then
    # What the base has of these packages goes, or there would be two versions of them.
    "$here/uv" --no-config pip uninstall --quiet --break-system-packages --python "$python" \
        --requirement "$here/requirements.lock" 2>/dev/null || true
    site=$("$python" -c 'import site; print(site.getsitepackages()[0])')
    mkdir -p "$site"
    how=-a
    touch "$stage/link"
    if ln "$stage/link" "$site/link" 2>/dev/null; then # one file system: the classic builder's
        how=-al
        rm "$site/link"
    fi
    rm "$stage/link"
    cp $how "$packages/." "$site/"
    rm -rf "$packages"
    root="$stage"
    [ ! -d "$stage/local" ] || root="$stage/local"
    cp $how "$root/." /usr/local/
    rm -rf "$stage"
    packages="$site"
fi

# Without bytecode every import in a read-only image is slow. Compiled is what loading a model and
# inferring imports and not much more: a third of the source is never imported. uv's own option for
# it fails on CPython 3.6. Files that are no Python of this version are passed over.
never='tests|testing|kernel_tests|f2py|distutils|pip|pkg_resources|wheel|clang|pygments'
never="$never|setuptools/command|tensorflow_estimator|grpc|werkzeug|markdown|pyasn1|pyasn1_modules"
never="$never|rsa|oauthlib|requests_oauthlib|google/auth|google/oauth2|tensorboard_plugin_wit"
never="$never|tensorboard/(_vendor|backend|uploader|data)|benchmarks|array_api|pasta|markdown_it"
never="$never|mdurl|cachetools|google_auth_oauthlib|emscripten|keras/src/legacy_tf_layers"
never="$never|keras/src/backend/(jax|numpy|openvino|torch)|_validate_pyproject"
helpers='[^/]*(test_ops|test_util|test_utils|testing_utils|test_lib|testlib|test_base)\.py'
if [ -z "$mounted" ] || [ "$mounted" = compiled ]; then
    echo "Compiling bytecode"
    "$python" -m compileall -q -j 0 -x "/($never)/|/$helpers\$" "$packages" >/dev/null || true
fi

if [ -d "$stage" ]; then
    # A folder of this name is whole. Another machine may have been quicker with the same.
    mkdir -p "$store/environments"
    mv -T "$packages" "$whole" 2>/dev/null || [ -d "$whole" ]
    rm -rf "$stage"
fi
