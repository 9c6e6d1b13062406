#!/bin/sh
# Prints a colored line for each of this many requests, in groups of a thousand.
awk -v requests="$1" 'BEGIN {
	split("/v1/orders /v1/orders/8812 /v1/catalog?page=3 /v1/search?q=lamp /v1/accounts/me /v1/payments", path, " ")
	split("GET GET GET GET GET POST", verb, " ")
	for (i = 1; i <= requests; i++) {
		if (i % 1000 == 1) printf "\033[1;36m▸ requests %d to %d\033[0m\n", i, i + 999
		p = 1 + i % 6; slow = (i * 7919) % 997 == 0
		printf "  \033[2m%08d\033[22m \033[34m%-4s\033[39m %-22s %s \033[2mtook\033[22m %4d ms \033[2mfrom worker-%02d request_id=%08x%08x%08x\033[22m\n", i, verb[p], path[p], slow ? "\033[1;31m503\033[0m" : "\033[32m200\033[39m", slow ? 2000 + i % 900 : 5 + (i * 31) % 90, i % 16, i * 2654435761 % 4294967296, i * 40503 % 4294967296, i * 69069 % 4294967296
	}
}'
