# The bridge in an image: it serves MCP over HTTP, and runs programs in its embedded sandbox, with the image's Python.
#
#   docker build -t mcp-bridge .            podman build --format docker -t mcp-bridge .
#
# `--format docker` keeps the health check, which OCI images have no place for. GUIDE, "In a container", says how to run it.
ARG RUST=docker.io/library/rust:1.91-slim-trixie
ARG PYTHON=docker.io/library/python:3.14-slim-trixie

FROM ${RUST} AS build
WORKDIR /build
COPY . .
RUN cargo build --release --locked \
    && install -D target/release/mcp-bridge /root-of-image/usr/local/bin/mcp-bridge \
    && install -d -m 0755 /root-of-image/etc/mcp-bridge \
    && echo '{"mcpServers": {}}' > /root-of-image/etc/mcp-bridge/config.json \
    && install -d -m 0700 -o 10001 -g 10001 /root-of-image/var/lib/mcp-bridge

FROM ${PYTHON}
COPY --from=build /root-of-image/ /
# No account has this number, in the image or, most likely, on the host.
USER 10001:10001
ENV HOME=/var/lib/mcp-bridge MCP_BRIDGE_STATE_DIR=/var/lib/mcp-bridge MCP_BRIDGE_RUNTIME=embedded
# Variables and not arguments, so that each command in the container means the same bridge, the health check among them.
ENV MCP_BRIDGE_CONFIG=/etc/mcp-bridge/config.json MCP_BRIDGE_HTTP=0.0.0.0:8000
EXPOSE 8000
# It answers as soon as it listens; a server behind it that is down does not make the bridge unhealthy.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["mcp-bridge", "health"]
ENTRYPOINT ["mcp-bridge"]
CMD ["start"]
