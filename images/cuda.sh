# Takes the libraries that TensorFlow opens to use a GPU out of a CUDA image, which lies in `cuda`
# beside this script. Runs while an image is built, for releases whose packages bring no CUDA.
# The libraries go to the base of the environment, and not its Python to the CUDA image: they need
# nothing newer than the C library they were built for, a Python needs that of its own base.
set -eu
here=$(dirname "$0")
to=/usr/local/cuda/lib64
mkdir -p "$to"
# NVIDIA's images have CUDA below /usr/local (`cuda` itself is a link out of the mounted folder),
# cuDNN and some releases' cuBLAS among the system's libraries.
for folder in "$here"/cuda/usr/local/cuda-*/targets/*/lib "$here"/cuda/usr/local/cuda-*/lib64 \
    "$here"/cuda/usr/local/cuda-*/extras/CUPTI/lib64 "$here"/cuda/usr/local/cuda/lib64 \
    "$here"/cuda/usr/lib/*-linux-gnu "$here"/cuda/usr/lib64; do
    for name in cudart cublas cublasLt cufft curand cusolver cusparse 'cudnn*' nvrtc \
        nvrtc-builtins nvJitLink cupti; do
        for library in "$folder"/lib$name.so.*; do
            target="$to/${library##*/}"
            # What links lead to comes along by its own name; of one name in two places the first.
            [ ! -e "$library" ] || [ -e "$target" ] || [ -L "$target" ] || cp -P "$library" "$to/"
        done
    done
done
for name in cudart cudnn; do
    set -- "$to"/lib$name.so.*
    if [ ! -e "$1" ]; then
        echo "the CUDA image has no lib$name: is it one with cuDNN?" >&2
        exit 1
    fi
done
echo "CUDA:" "$to"/*.so.*
