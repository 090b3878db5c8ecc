# syntax=docker/dockerfile:1
# One image for every role; the command chooses (`serve --role ws-edge`). See docker-compose.yml.

FROM rust:1.95-slim-bookworm AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends cmake g++ make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The caches stay with the builder, the program leaves with the layer.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release --package chasqui \
    && cp target/release/chasqui /usr/local/bin/chasqui

FROM debian:bookworm-slim
# The owner of ./secrets on the host: build with --build-arg UID="$(id -u)" where that is not 1000.
ARG UID=1000
RUN useradd --uid "${UID}" --no-create-home --shell /usr/sbin/nologin chasqui
COPY --from=build /usr/local/bin/chasqui /usr/local/bin/chasqui
USER chasqui
# HTTP and WebSocket; health and metrics.
EXPOSE 8080 9090
STOPSIGNAL SIGTERM
ENTRYPOINT ["chasqui"]
CMD ["serve"]
