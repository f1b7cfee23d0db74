# The one image for GitHub, GitLab and Tekton.
#
# The bases are tags here. At a release, the digests that these tags had are given as build arguments
# (--build-arg BASE_IMAGE=gcr.io/distroless/static-debian12:debug@sha256:...) and stand in the image's provenance.
ARG GO_IMAGE=docker.io/library/golang:1.26.8-bookworm
# debug has a busybox shell, which GitLab's runner needs to run a job's script; and the CA certificates.
ARG BASE_IMAGE=gcr.io/distroless/static-debian12:debug

FROM ${GO_IMAGE} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
# grpcnotrace: a library's trace pages use html/template, which makes the linker keep every exported method: 7 MB of nothing.
RUN CGO_ENABLED=0 go build -tags grpcnotrace -trimpath -buildvcs=false -ldflags "-s -w -X github.com/bakegate/bakegate/internal/cli.Version=${VERSION}" -o /bakegate .

# No USER and no WORKDIR: GitHub's container actions run as root, in the workspace that they mount. What they write there is given to
# the workspace's owner. Tekton and Kubernetes can run it as any user.
FROM ${BASE_IMAGE}
ARG VERSION=dev
LABEL org.opencontainers.image.title="bakegate" \
      org.opencontainers.image.source="https://github.com/bakegate/bakegate" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=build /bakegate /usr/local/bin/bakegate
# In exec form: bakegate is process 1 and gets the signals of a cancelled job. GitLab wants entrypoint: [""].
ENTRYPOINT ["/usr/local/bin/bakegate"]
