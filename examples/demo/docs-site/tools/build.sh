#!/bin/sh
mkdir -p site
awk 'BEGIN { for (i = 1; i <= 318; i++) { file = "site/page-" i % 24 ".html"; printf "<h1>Page %d</h1>\n", i > file; printf "\033[2mrendered\033[22m guide/page-%d.md\n", i } }'
sleep 0.3
head -c 1200000 /dev/urandom > site/search-index.bin
echo "318 pages in 2.1s"
