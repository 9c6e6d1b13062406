#!/bin/sh
# Prints what `npm ci` prints with --loglevel=http.
awk 'BEGIN {
	split("vite react react-dom typescript vitest esbuild rollup postcss lodash zod prettier eslint playwright msw date-fns", name, " ")
	srand(7)
	for (i = 1; i <= 700; i++) {
		package = name[1 + i % 15] (i > 15 ? "-plugin-" i : "")
		printf "npm http fetch GET 200 https://registry.npmjs.org/%s/-/%s-%d.%d.%d.tgz %dms (cache hit)\n", package, package, rand() * 9, rand() * 20, rand() * 9, 8 + rand() * 60
	}
}'
sleep 0.3
echo "npm warn deprecated glob@7.2.3: Glob versions prior to v9 are no longer supported"
echo
echo "added 1184 packages, and audited 1185 packages in 11s"
printf 'found \033[32m\033[1m0\033[22m\033[39m vulnerabilities\n'
