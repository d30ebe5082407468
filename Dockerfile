# syntax=docker/dockerfile:1
# One image for the API and its worker:
#   docker build -t itschool-api .
#   docker run -p 8000:8000 --read-only -v itschool:/var/lib/itschool --env-file .env itschool-api
#   docker run --read-only -v itschool:/var/lib/itschool --env-file .env itschool-api worker

FROM python:3.13-slim AS build
WORKDIR /build
# The locks first: a change of the program does not install its dependencies anew.
COPY requirements/bootstrap.lock requirements/app.lock requirements/
RUN python -m pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore \
      --require-hashes -r requirements/bootstrap.lock \
 && uv venv --python "$(command -v python)" /opt/itschool \
 && uv pip install --no-cache --python /opt/itschool --compile-bytecode \
      --require-hashes -r requirements/app.lock
COPY pyproject.toml README.md LICENSE ./
COPY migrations migrations
COPY src src
# hatchling comes from the bootstrap's lock, so the build reaches for nothing.
RUN uv build --offline --wheel --no-build-isolation --python "$(command -v python)" -o dist . \
 && uv pip install --no-cache --offline --python /opt/itschool --compile-bytecode --no-deps dist/*.whl

FROM python:3.13-slim
RUN useradd --system --user-group --uid 10001 --no-create-home --shell /usr/sbin/nologin itschool \
 && install -d -o itschool -g itschool -m 0750 /var/lib/itschool
COPY --from=build /opt/itschool /opt/itschool
ENV PATH=/opt/itschool/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ITSCHOOL_DATA_DIR=/var/lib/itschool
USER itschool
WORKDIR /var/lib/itschool
VOLUME /var/lib/itschool
EXPOSE 8000
# For the API; a worker serves nothing: start it with --no-healthcheck (compose.yaml does).
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health/live', timeout=4)"]
ENTRYPOINT ["itschool"]
CMD ["serve", "--host", "0.0.0.0"]
