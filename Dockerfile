# Verdict: one process family. Build with `docker build -t verdict .`

FROM node:20-bookworm-slim AS build
WORKDIR /verdict
COPY package.json package-lock.json .npmrc ./
RUN npm install --no-progress
COPY tsconfig.json ./
COPY src src
RUN node node_modules/typescript/bin/tsc -p tsconfig.json --sourceMap false && npm prune --omit=dev --no-progress

FROM node:20-bookworm-slim
ENV NODE_ENV=production \
    VERDICT_HTTP_HOST=0.0.0.0 \
    VERDICT_DATA_DIR=/var/lib/verdict
WORKDIR /verdict
RUN install -d -o node -g node -m 0700 /var/lib/verdict
COPY --from=build /verdict/node_modules node_modules
COPY --from=build /verdict/dist dist
COPY package.json ./
COPY bin bin
COPY scripts/healthz.mjs scripts/healthz.mjs
COPY policies/bundle.tar.gz policies/api.tar.gz policies/
COPY fixtures/platform fixtures/platform
# Everything above belongs to root: the process can change nothing but its data.
USER node
VOLUME /var/lib/verdict
EXPOSE 8088
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["node", "scripts/healthz.mjs"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "bin/verdict.js"]
CMD ["serve"]
