#!/bin/sh
mkdir -p dist
head -c 2600000 /dev/urandom > dist/acme_api-5.3.0-py3-none-any.whl
echo "Successfully built acme_api-5.3.0-py3-none-any.whl"
