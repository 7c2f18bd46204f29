# efgan-rt in a container:
#   docker build --target cpu -t efgan-rt .
#   docker build --target gpu -t efgan-rt:gpu .
#   docker run --rm -v "$PWD":/data efgan-rt batch /data/photos /data/out -e happy

FROM python:3.12-slim AS cpu
WORKDIR /efgan-rt
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY engines engines
COPY efgan_rt efgan_rt
COPY train train
COPY export export
RUN pip install --no-cache-dir --constraint constraints.txt ".[cpu,ray]" \
    && useradd --create-home --uid 10001 efgan
USER 10001
WORKDIR /data
ENTRYPOINT ["efgan-rt"]

# TensorRT's libraries and Python bindings are NVIDIA's; plans suit this image's version alone.
FROM nvcr.io/nvidia/tensorrt:26.07-py3 AS gpu
WORKDIR /efgan-rt
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY engines engines
COPY efgan_rt efgan_rt
COPY train train
COPY export export
RUN pip install --no-cache-dir --constraint constraints.txt ".[ray]" "cuda-bindings>=12.9" \
    && useradd --create-home --uid 10001 efgan
USER 10001
WORKDIR /data
ENTRYPOINT ["efgan-rt"]
