# syntax=docker/dockerfile:1

# The program in a small image. Needs BuildKit, which Docker uses by itself since version 23.
#
#   docker build --tag bedside:local .
#
# Two stages. The first compiles; its two caches (the registry and the target folder) stay with the builder, so a change of
# ours compiles our crates alone, and no list of dependencies has to be kept apart from Cargo's own.
FROM rust:1.95.0-bookworm AS build
WORKDIR /src
COPY . .
# TLS to a PostgreSQL on another host comes with OpenSSL, built from source: the final image holds no library of ours.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package bedside --features postgres-tls \
    && install -D target/release/bedside /out/bedside \
    && install -d /out/data

# glibc, the authorities' certificates, and nothing else: no shell, no package manager. Not `static`, because that would
# ask for musl, whose allocator is slow with threads; not debian-slim, because nothing in it is used.
FROM gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="bedside" \
      org.opencontainers.image.description="Back end of an at-home protocol companion: API, worker and administration" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/bedside /usr/local/bin/bedside
# For SQLite: mount a volume here. With PostgreSQL nothing is written, and the root may be read-only.
COPY --from=build --chown=65532:65532 --chmod=0700 /out/data /data
WORKDIR /data
ENV BEDSIDE_DATA_DIR=/data \
    BEDSIDE_LISTEN=0.0.0.0:8080 \
    BEDSIDE_LOG_FORMAT=json
# By number, so that an orchestrator can see that it is not root.
USER 65532:65532
EXPOSE 8080
STOPSIGNAL SIGTERM
# For `api` and `up`. A worker listens nowhere: give its container `bedside health worker`.
HEALTHCHECK --interval=15s --timeout=6s --start-period=30s --retries=3 \
    CMD ["/usr/local/bin/bedside", "health", "api"]
ENTRYPOINT ["/usr/local/bin/bedside"]
CMD ["api"]
