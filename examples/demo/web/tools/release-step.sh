#!/bin/sh
# One step of a release: what, of what, and about how many seconds it takes.
what=$1 of=$2 seconds=$3
echo "$what $of"
for percent in 10 25 40 55 70 85 100; do
	sleep "$(awk -v seconds="$seconds" -v seed="$$" 'BEGIN { srand(seed); print seconds * (0.7 + 0.6 * rand()) / 7 }')"
	printf '\033[2m%3d %%\033[22m %s %s\n' "$percent" "$what" "$of"
done
