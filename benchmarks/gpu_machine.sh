#!/usr/bin/env bash
# Sets up a GPU machine that can fetch nothing, and runs one part of benchmarks/gpu.py there.
#
#     benchmarks/gpu_machine.sh join DIR...     pieces that have arrived go to $GPU_HOME
#     benchmarks/gpu_machine.sh setup           a virtual environment from what was joined
#     benchmarks/gpu_machine.sh pycuda          waits for PyCUDA, which `setup` began to build
#     benchmarks/gpu_machine.sh run ARGUMENTS   benchmarks/gpu.py ARGUMENTS in it
#
# A transfer takes a few dozen megabytes, so everything travels in pieces, in several transfers if
# need be; `join` may be called after each. GPU_HOME (default /tmp/efgan-gpu) is where they gather.
# Where $OUT names a folder, the result files are copied there at the end of `run`, however it ends,
# at the latest after STEP_S seconds (600).
#
# The pieces are made beforehand, elsewhere, for the other machine's Python:
#     python benchmarks/gpu_sets.py DIR/sets
#     pip download --no-deps --only-binary=:all: --python-version 3.12 \
#         --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 -d DIR/wheels \
#         onnxruntime-gpu==1.31.1 cuda-bindings cuda-pathfinder platformdirs pytools siphash24 mako \
#         setuptools
#     pip download --no-deps --no-binary=:all: -d DIR/wheels pycuda==2026.1
#     python benchmarks/gpu_pack.py DIR --arch 90
# The machine brings CUDA's toolkit, a C++ compiler, and a Python with PyTorch for CUDA, numpy,
# OpenCV, rich, typer, pytest, onnx, onnxscript and safetensors.
set -euo pipefail

home=${GPU_HOME:-/tmp/efgan-gpu}
here=$(cd "$(dirname "$0")/.." && pwd)

join() {
    mkdir -p "$home/pieces"
    for folder in "$@"; do cp "$folder"/* "$home/pieces/"; done
    if (cd "$home/pieces" && sha256sum --quiet --check SHA256SUMS 2>/dev/null); then
        cat "$home"/pieces/*.piece.* | tar -C "$home" -xJ
        echo "joined: $(ls "$home/wheels" "$home/sets" | tr '\n' ' ')"
    else
        echo "joined so far: $(ls "$home/pieces" | tr '\n' ' '); more pieces are needed"
    fi
}

setup() {
    # Without pip, for Ubuntu's Python has no ensurepip: the base's own is found through the file
    # below.
    [ -x "$home/venv/bin/python" ] ||
        python3 -m venv --without-pip --system-site-packages "$home/venv"
    # A virtual environment made from another sees the base Python's packages, not that one's.
    local packages
    packages=$(python3 -c 'import site, torch, os; print(os.path.dirname(os.path.dirname(torch.__file__)))')
    local mine
    mine=$("$home/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    local of_pip
    of_pip=$(python3 -c 'import pip, os; print(os.path.dirname(os.path.dirname(pip.__file__)))')
    printf '%s\n' "$packages" "$of_pip" | sort -u >"$mine/_base_packages.pth"
    local pip=("$home/venv/bin/python" -m pip install --quiet --no-index --no-deps --no-compile)
    # Wheels shadow what the base brings: onnxruntime and onnxruntime-gpu share an import name.
    "${pip[@]}" --ignore-installed "$home"/wheels/*.whl
    libraries "$packages"
    # Takes a minute or two beside everything else, in a session of its own so that it goes on when
    # this command has ended.
    setsid "$0" build_pycuda >"$home/pycuda.log" 2>&1 </dev/null &
}

# PyCUDA from source, without CURAND, whose header comes apart from the compiler's.
build_pycuda() {
    local cuda=${CUDA_ROOT:-/usr/local/cuda} python=$home/venv/bin/python
    rm -rf "$home/pycuda" "$home/pycuda.done" && mkdir -p "$home/pycuda"
    tar -C "$home/pycuda" --strip-components=1 -xzf "$home"/wheels/pycuda-*.tar.gz
    # Something to link with where the driver's library has no name without a number.
    gcc -shared -x c /dev/null -Wl,-soname,libcuda.so.1 -o "$home/pycuda/libcuda.so"
    export LIBRARY_PATH=$home/pycuda
    cd "$home/pycuda"
    "$python" configure.py --cuda-root="$cuda" --no-cuda-enable-curand
    "$python" -m pip install --quiet --no-index --no-deps --no-build-isolation . || true
    touch "$home/pycuda.done"
}

# Its Python parts need pytools, siphash24 and mako, which travel as wheels.
pycuda() {
    for _ in $(seq 300); do [ -e "$home/pycuda.done" ] && break; sleep 1; done
    "$home/venv/bin/python" -c 'import pycuda.driver; print("PyCUDA", pycuda.VERSION_TEXT)' ||
        tail -n 5 "$home/pycuda.log"
}

# Where the dynamic loader finds CUDA's libraries that came with PyTorch.
libraries() {
    { find "$1/nvidia" -maxdepth 3 -type d -name lib 2>/dev/null || true; } |
        paste -sd: >"$home/libraries"
}

run() {
    export LD_LIBRARY_PATH="$(cat "$home/libraries"):${LD_LIBRARY_PATH:-}"
    export TORCHINDUCTOR_CACHE_DIR="$home/inductor" PYTHONUNBUFFERED=1 PYTHONPATH="$here"
    cd "$here"
    mkdir -p "$home/results"
    # A command's files come back from $OUT alone, and a part that is cut short has results as well.
    [ -z "${OUT:-}" ] || trap 'cp -r "$home/results/." "$OUT/"' EXIT
    # A unit that hangs must not take the machine's whole time.
    timeout --kill-after=5 "${STEP_S:-600}" \
        "$home/venv/bin/python" benchmarks/gpu.py --sets "$home/sets" --out "$home/results" "$@"
}

command=${1:?join, setup, pycuda or run}
shift
"$command" "$@"
