# The service:   docker build -t digit-vae .
# With CUDA:     docker build -t digit-vae:cuda --build-arg LOCK=cuda .
# Training:      docker build -t digit-vae:training --target training .
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS install
ARG LOCK=service
COPY requirements/${LOCK}.txt /tmp/lock.txt
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r /tmp/lock.txt \
    && /opt/venv/bin/pip uninstall --yes pip setuptools

FROM python:${PYTHON} AS training
WORKDIR /app
COPY requirements/training.txt requirements/training.txt
# torch's CPU build; leave the argument empty for the CUDA build of the default index.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip install --no-cache-dir ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} -r requirements/training.txt
COPY models models
COPY training training
ENV PYTHONUNBUFFERED=1 MNIST_DIR=/app/data
ENTRYPOINT ["python", "-m", "training"]
CMD ["--help"]

FROM python:${PYTHON} AS service
COPY --from=install /opt/venv /opt/venv
WORKDIR /app
COPY models models
COPY service service
RUN /opt/venv/bin/python -m compileall -q /app
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 VAE_HOST=0.0.0.0
USER 65532:65532
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{p if (p := os.environ.get('VAE_PORT', '')).isdigit() else 8000}/readyz\", timeout=2)"]
ENTRYPOINT ["python", "-m", "service"]
