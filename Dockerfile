# The whole of Chancery in one image. BuildKit builds it, which is Docker's own builder since 23.0:
#
#   docker build -t chancery .
#   docker run -p 127.0.0.1:8080:8080 -e CHANCERY_PUBLIC_URL=http://127.0.0.1:8080 -v chancery:/data \
#     --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges chancery

# It brings the C compiler that aws-lc, ring and the bundled SQLite are built with; no cmake is needed.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# The compiled dependencies stay in a cache of the builder, so the binary is taken out in the same step.
# Stripped of line tables but not of names: a backtrace still says in which function it was.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked -p chancery \
    && strip --strip-debug -o /chancery target/release/chancery

# The binary needs glibc, libgcc and the certificate authorities, and no program but itself.
FROM debian:bookworm-slim
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /chancery /usr/local/bin/chancery
# The user has a name for the roll, which keeps who ran `chancery operator create`. A new named volume takes
# over owner and mode of the directory; a directory of the host that is mounted here must belong to 10001.
RUN useradd --uid 10001 --user-group --home-dir /data --no-create-home --shell /usr/sbin/nologin chancery \
    && install -d -o chancery -g chancery -m 0700 /data
# By number, so that an orchestrator can see that it is not root.
USER 10001:10001
VOLUME /data

# Where `chancery.toml` is looked for, if one is mounted. These two variables go over it, and the log of a start says
# so: another address or directory is given by `-e`. The log is JSON unless it goes to a terminal.
WORKDIR /etc/chancery
# Outside loopback there is no default for the base of every issuer: set CHANCERY_PUBLIC_URL.
ENV CHANCERY_DATA_DIR=/data \
    CHANCERY_LISTEN=0.0.0.0:8080
EXPOSE 8080

# It asks `/readyz` as the configuration has it: by TLS or not, at the internal address where there is one. What is
# given as a flag to `serve` it does not know.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["chancery", "ready"]

# Requests that are under way get 20 seconds, and all has ended after 27: let whatever stops the container wait for 30.
STOPSIGNAL SIGTERM
ENTRYPOINT ["chancery"]
CMD ["serve"]
