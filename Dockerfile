# An image of FireMode: docs/deployment.md, Containers. It needs no privilege, writes into its volume alone, and brings no PostgreSQL.
FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY . .
RUN cargo build --release --locked --bin firemode

FROM debian:bookworm-slim
# The authorities that sign databases' and stores' certificates change by the day, so the newest list is the right one.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin firemode \
    && install --directory --owner=10001 --group=10001 --mode=700 /var/lib/firemode
COPY --from=build /source/target/release/firemode /usr/local/bin/firemode
ENV FIREMODE_ENV=production FIREMODE_DATA_DIR=/var/lib/firemode
USER 10001:10001
VOLUME /var/lib/firemode
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s CMD ["firemode", "status"]
ENTRYPOINT ["firemode"]
