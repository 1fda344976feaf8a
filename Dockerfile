# SPDX-License-Identifier: Apache-2.0
# linnet's image, for amd64 and arm64:
#
#   docker buildx build --platform linux/amd64,linux/arm64 --tag NAME:TAG \
#       --build-arg VERSION="$(make -s version)" --build-arg REVISION="$(git rev-parse HEAD)" .
#
# Without a container engine: hack/image, which makes the same root filesystem.
FROM debian:bookworm-slim AS build
WORKDIR /linnet
COPY hack/deps hack/
RUN hack/deps build
COPY . .
ARG SOURCE_DATE_EPOCH=0
RUN make -j"$(nproc)" && hack/image-root /root-of-image

FROM scratch
COPY --from=build /root-of-image /
ARG VERSION=unknown REVISION=unknown
LABEL org.opencontainers.image.title="linnet" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
ENTRYPOINT ["/usr/sbin/linnetd"]
