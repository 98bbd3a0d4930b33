# Earmark's commands that need ONNX Runtime alone: tag, listen, embed, export and others.
#
#   cargo xtask dist
#   docker build -t earmark -f Dockerfile target/dist
#   docker run --rm -v "$PWD:/data" -v earmark-models:/models earmark tag sounds
FROM debian:bookworm-slim
COPY earmark-tag-*.deb /tmp/
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates /tmp/earmark-tag-*.deb \
    && rm -rf /var/lib/apt/lists/* /tmp/*.deb
ENV EARMARK_MODELS=/models
WORKDIR /data
ENTRYPOINT ["earmark"]
