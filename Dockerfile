# The server, its command line tool and the fleet simulator, in an image that runs as nobody in particular on a read-only
# file system.
#
#   docker build --build-arg REVISION="$(git rev-parse --short=12 HEAD)" -t eplb .
#   deploy/image/build.sh        the same where there is no registry to pull the base from
#
# A tag moves. Where a rebuild must not, pin the base by its digest, which `skopeo inspect --format '{{.Digest}}'
# docker://docker.io/library/debian:bookworm-slim` tells:
#
#   docker build --build-arg BASE_IMAGE=docker.io/library/debian:bookworm-slim@sha256:DIGEST -t eplb .
ARG BASE_IMAGE=docker.io/library/debian:bookworm-slim

# To the empty line: what deploy/image/build.sh --prebuilt leaves out.
FROM ${BASE_IMAGE} AS build
WORKDIR /source
COPY deploy/install_packages.sh deploy/
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(deploy/install_packages.sh print-build) \
 && rm -rf /var/lib/apt/lists/*
COPY CMakeLists.txt CMakePresets.json LICENSE ./
COPY proto proto
COPY server server
COPY client client
ARG REVISION=unknown
ARG JOBS=
RUN cmake --preset release -DEPLB_BUILD_TESTS=OFF -DEPLB_BUILD_BENCHMARKS=OFF -DEPLB_REVISION="${REVISION}" \
 && cmake --build --preset release -j "${JOBS:-$(nproc)}" --target eplb-server eplbctl eplb-simulator \
 && install --strip -D -t /out/usr/local/bin build/release/bin/eplb-server build/release/bin/eplbctl build/release/bin/eplb-simulator \
 && install -m 644 -D -t /out/usr/share/doc/eplb LICENSE \
 && mkdir /packages && deploy/install_packages.sh print-runtime >/packages/runtime

FROM ${BASE_IMAGE}
# The list of packages is only looked at, so that no copy of it stays in a layer.
RUN --mount=type=bind,from=build,source=/packages,target=/run/packages \
    apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(cat /run/packages/runtime) \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/debconf/*-old /var/log/apt /var/log/dpkg.log
COPY --from=build /out /

ARG VERSION=0.1.0
ARG REVISION=unknown
ARG BASE_IMAGE
LABEL org.opencontainers.image.title="eplb" \
      org.opencontainers.image.description="Expert-parallelism load balancer: placements for fleets that serve mixture-of-experts models, over gRPC" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="${BASE_IMAGE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# A number, so that Kubernetes' runAsNonRoot can tell. No file of the image belongs to it, and it needs none.
USER 65532:65532
EXPOSE 50051 50052 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
  CMD ["/usr/local/bin/eplbctl", "health", "127.0.0.1:50052"]
ENTRYPOINT ["/usr/local/bin/eplb-server"]
# Reachable from outside its own network, and so in plaintext unless told otherwise: publish the ports only where the
# network is trusted. With arguments of your own these are gone, and the server's own defaults (loopback) count.
CMD ["--grpc.listen_address=0.0.0.0:50051", "--grpc.allow_plaintext_remote=true", \
     "--health.listen_address=0.0.0.0:50052", "--metrics.listen_address=0.0.0.0:9464"]
