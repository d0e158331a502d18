# servefn: one stateless process per container, on a read-only root filesystem, as nobody in particular.
#
#   docker build -t servefn:local .                        the service, with the committed models
#   docker build -t servefn-load:local --target load .     locust, for the profile `load` of docker-compose.yml

FROM python:3.11-slim AS base
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore

# Dependencies first: they change seldom, and their layer is the large one. Out of onnxruntime go its model-making tools
# and a second copy of the engine, for programs in C; the Python binding has its own inside.
FROM base AS dependencies
WORKDIR /src
COPY requirements/runtime.txt requirements/
RUN python -m venv --without-pip /opt/venv \
    && pip --python /opt/venv/bin/python install --require-hashes -r requirements/runtime.txt \
    && find /opt/venv -depth \( -type d -name tests -o -name 'libonnxruntime.so.*' -o -path '*/onnxruntime/transformers' \
        -o -path '*/onnxruntime/quantization' -o -path '*/onnxruntime/tools' \) -exec rm -r {} +

FROM base AS package
WORKDIR /src
COPY requirements/build.txt requirements/
RUN pip install --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY app app
COPY export export
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels .

FROM dependencies AS environment
COPY --from=package /wheels /wheels
COPY deploy/sbom.py deploy/
RUN pip --python /opt/venv/bin/python install --no-index --no-deps /wheels/*.whl \
    && python deploy/sbom.py /opt/venv/lib/python3.*/site-packages /var/lib/dpkg/status > /opt/venv/sbom.json

FROM base AS load
WORKDIR /load
COPY tests/load/requirements.txt tests/load/
RUN python -m venv --without-pip /opt/venv \
    && pip --python /opt/venv/bin/python install --require-hashes -r tests/load/requirements.txt
COPY tests/__init__.py tests/
COPY tests/load tests/load
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
USER 10001:10001
EXPOSE 8089
ENTRYPOINT ["locust", "--locustfile", "tests/load/locustfile.py"]

FROM python:3.11-slim AS service
# The base's installers have no work here, and an intruder should not have them either.
RUN rm -rf /usr/local/lib/python3.*/site-packages/* /usr/lib/python3/dist-packages/pip* /usr/local/bin/pip* /usr/bin/pip*
COPY --from=environment /opt/venv /opt/venv
COPY deploy/health.py /opt/venv/
COPY deploy/serve /opt/venv/bin/
COPY models /models
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ORT_DISABLE_TELEMETRY=1 \
    SERVEFN_HOST=0.0.0.0
USER 10001:10001
# The default of SERVEFN_MODELS is found from here. It is not set, nor is the port, as platforms say theirs in variables of
# their own, over which it would win.
WORKDIR /
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "/opt/venv/health.py"]
CMD ["servefn", "serve"]
ARG REVISION=unknown
LABEL com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true \
    org.opencontainers.image.title="servefn" \
    org.opencontainers.image.description="Trained models served as stateless functions." \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.revision=$REVISION
