#!/usr/bin/env bash
# Sets up a GPU machine that can fetch nothing, and runs one part of benchmarks/gpu.py there.
#
#     benchmarks/gpu_machine.sh pack DIR        here: what has to travel, as DIR/*.piece.NN and DIR/small
#     benchmarks/gpu_machine.sh join DIR        there: pieces that have arrived go to $GPU_HOME
#     benchmarks/gpu_machine.sh setup           there: a virtual environment from what was joined
#     benchmarks/gpu_machine.sh run ARGUMENTS   there: benchmarks/gpu.py ARGUMENTS in it
#
# A transfer takes a few dozen megabytes, so large files travel in pieces, several transfers if need
# be; `join` may be called after each. GPU_HOME (default /tmp/efgan-gpu) is where they gather.
#
# `pack` reads from DIR/wheels what was downloaded beforehand for the other machine's Python:
#     pip download --no-deps --only-binary=:all: --python-version 3.12 \
#         --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 -d DIR/wheels \
#         onnxruntime-gpu==1.31.1 cuda-bindings platformdirs
#     pip download --no-deps --no-binary=:all: -d DIR/wheels pycuda==2026.1
# and from DIR/sets what benchmarks/gpu_sets.py made. The machine brings CUDA's toolkit, a C++
# compiler, and a Python with PyTorch for CUDA, numpy, OpenCV, rich, typer, pytest and safetensors.
set -euo pipefail

home=${GPU_HOME:-/tmp/efgan-gpu}
piece_mb=${PIECE_MB:-24}
here=$(cd "$(dirname "$0")/.." && pwd)

pack() {
    local dir=$1
    rm -rf "$dir/pieces" && mkdir -p "$dir/pieces"
    # Only the CUDA provider is wanted of the runtime's build; recompressed it is far smaller.
    tar -C "$dir" -c wheels sets | xz -T2 -2 >"$dir/all.tar.xz"
    split -b "${piece_mb}m" -d -a 2 "$dir/all.tar.xz" "$dir/pieces/all.tar.xz.piece."
    (cd "$dir/pieces" && sha256sum ./*.piece.* >SHA256SUMS)
    ls -l "$dir/pieces"
}

join() {
    mkdir -p "$home/pieces"
    cp "$1"/* "$home/pieces/"
    if (cd "$home/pieces" && sha256sum --quiet --check SHA256SUMS 2>/dev/null); then
        cat "$home"/pieces/*.piece.* | tar -C "$home" -xJ
        echo "joined: $(ls "$home/wheels" "$home/sets" | tr '\n' ' ')"
    else
        echo "joined so far: $(ls "$home/pieces" | tr '\n' ' '); more pieces are needed"
    fi
}

setup() {
    [ -x "$home/venv/bin/python" ] || python3 -m venv --system-site-packages "$home/venv"
    # A virtual environment made from another sees the base Python's packages, not that one's.
    local packages
    packages=$(python3 -c 'import site, torch, os; print(os.path.dirname(os.path.dirname(torch.__file__)))')
    local mine
    mine=$("$home/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    echo "$packages" >"$mine/_base_packages.pth"
    local pip=("$home/venv/bin/python" -m pip install --quiet --no-index --no-deps --no-compile)
    # Wheels shadow what the base brings: onnxruntime and onnxruntime-gpu share an import name.
    "${pip[@]}" --ignore-installed "$home"/wheels/*.whl
    if ! "$home/venv/bin/python" -c 'import pycuda.driver' 2>/dev/null; then
        build_pycuda "${pip[@]}" || echo "PyCUDA could not be built; cuda-bindings is used alone"
    fi
    libraries "$packages"
}

# PyCUDA from source, without CURAND, whose header comes apart from the compiler's.
build_pycuda() {
    local cuda=${CUDA_ROOT:-/usr/local/cuda} source
    source=$(ls "$home"/wheels/pycuda-*.tar.gz)
    rm -rf "$home/pycuda" && mkdir -p "$home/pycuda"
    tar -C "$home/pycuda" --strip-components=1 -xzf "$source"
    (
        cd "$home/pycuda"
        "$home/venv/bin/python" configure.py --cuda-root="$cuda" --no-cuda-enable-curand
        "$@" --no-build-isolation .
    )
}

# Where the dynamic loader finds CUDA's libraries that came with PyTorch.
libraries() {
    find "$1/nvidia" -maxdepth 3 -type d -name lib 2>/dev/null | paste -sd: >"$home/libraries"
}

run() {
    export LD_LIBRARY_PATH="$(cat "$home/libraries"):${LD_LIBRARY_PATH:-}"
    export TORCHINDUCTOR_CACHE_DIR="$home/inductor" PYTHONUNBUFFERED=1 PYTHONPATH="$here"
    cd "$here"
    "$home/venv/bin/python" benchmarks/gpu.py --sets "$home/sets" --out "$home/results" "$@"
}

command=${1:?pack, join, setup or run}
shift
"$command" "$@"
