# The single machine: the same server as `make run`, with SQLite on a volume.
#
#   docker build -t geoflow .
#   docker run -p 3210:3210 -p 3211:3211 -v geoflow-data:/data geoflow
#
# No engine was at hand to build it where it was written: its steps are run one by one by a test
# (tests/local/test_container.py), and hadolint reads it.
FROM python:3.11-slim-bookworm AS packages
WORKDIR /build
COPY requirements.txt requirements-geo.txt requirements-local.txt constraints.txt ./
# moto plays DynamoDB for `make run STORE=dynamodb`: here the store is SQLite.
RUN grep -v '^moto' requirements-local.txt > requirements-container.txt \
    && python -m venv /opt/geoflow \
    && /opt/geoflow/bin/pip install --no-cache-dir --no-compile -r requirements-container.txt

FROM python:3.11-slim-bookworm
# A user of its own, without a shell; the volume is all that it may write.
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin geoflow \
    && install --directory --owner geoflow --group geoflow --mode 0700 /data
COPY --from=packages /opt/geoflow /opt/geoflow
WORKDIR /srv/geoflow
COPY app.py ./
COPY chalicelib chalicelib
COPY local local
ENV GEOFLOW_HOST=0.0.0.0 \
    GEOFLOW_DATA=/data \
    GEOFLOW_STAGE=container \
    GEOFLOW_REDACTED=true \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
VOLUME /data
EXPOSE 3210 3211
# /ready: the store answers, and the schema is the one of this code.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["/opt/geoflow/bin/python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:3210/ready', timeout=4)"]
# It ends what it has begun, closes its sockets so that clients come back, and syncs.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/opt/geoflow/bin/python", "-m", "local"]
