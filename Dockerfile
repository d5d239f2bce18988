# liqstream in a container: docker build -t liqstream . && docker run -p 8000:8000 -v liqstream:/data liqstream
#
# The bases are pinned to a patch release. For a byte-identical base, pass a digest as well:
#   docker build --build-arg PYTHON_IMAGE=python:3.12.11-slim-bookworm@sha256:... .
ARG PYTHON_IMAGE=python:3.12.11-slim-bookworm
ARG NODE_IMAGE=node:22.17.0-bookworm-slim

# The page's one library, at the version and with the integrity hash of web/package-lock.json, and the
# page's own files made small.
FROM ${NODE_IMAGE} AS page
WORKDIR /build/web
COPY web/package.json web/package-lock.json ./
RUN npm ci --omit=dev --no-fund --no-audit --loglevel=error
COPY web/build.mjs ./
COPY web/js js
COPY web/css css
RUN npm run --silent build

# Every dependency comes as a wheel: there is no compiler here, and none in the final image.
FROM ${PYTHON_IMAGE} AS install
WORKDIR /build
COPY setup.cfg setup.py pyproject.toml README.md LICENSE NOTICE ./
COPY liqstream liqstream
COPY web web
COPY docs docs
COPY --from=page /build/web/vendor web/vendor
COPY --from=page /build/web/built web/built
RUN python -m venv /opt/liqstream
RUN /opt/liqstream/bin/python -m pip install --no-cache-dir --only-binary=:all: "setuptools>=77"
RUN /opt/liqstream/bin/python -m pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir dist .
RUN /opt/liqstream/bin/python -m pip install --no-cache-dir --only-binary=:all: --find-links dist "liqstream[speed,push]"
RUN /opt/liqstream/bin/python -m pip uninstall --yes --quiet setuptools pip

FROM ${PYTHON_IMAGE}
COPY --from=install /opt/liqstream /opt/liqstream
RUN install -d -o 10001 -g 10001 -m 0750 /data
WORKDIR /data
VOLUME /data
USER 10001:10001
ENV PATH=/opt/liqstream/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MALLOC_ARENA_MAX=2 \
    LIQSTREAM_HOST=0.0.0.0 \
    LIQSTREAM_DB=/data/liqstream.duckdb \
    LIQSTREAM_LOG_FORMAT=json
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=3 CMD ["liqstream", "health", "--timeout", "5"]
ENTRYPOINT ["liqstream"]
CMD ["serve"]
