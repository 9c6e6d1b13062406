#!/bin/sh
# Prints what `terraform fmt -check` prints with TF_LOG=info.
awk 'BEGIN { for (i = 1; i <= 900; i++) printf "[INFO]  fmt: modules/%s/service-%03d/main.tf is formatted (%d lines, %d blocks)\n", i % 3 ? "edge" : "core", i, 40 + i % 90, 2 + i % 7 }'
echo "0 files changed"
