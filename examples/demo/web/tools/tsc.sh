#!/bin/sh
# Prints what `tsc --noEmit --pretty` prints. tsc-errors.txt holds the errors of a branch.
echo "> tsc --noEmit --pretty"
sleep 0.4
[ -s tsc-errors.txt ] || exit 0
cat tsc-errors.txt
exit 2
