#!/bin/sh
# Prints what gradle prints for a task with this many steps.
awk -v task="$1" -v steps="$2" 'BEGIN {
	split("compileReleaseKotlin mergeReleaseResources processReleaseManifest dexBuilderRelease mergeExtDexRelease packageReleaseResources lintVitalAnalyzeRelease", step, " ")
	split("UP-TO-DATE FROM-CACHE NO-SOURCE EXECUTED", outcome, " ")
	for (i = 1; i <= steps; i++) printf "> Task :%s:%s \033[2m%s\033[22m\n", i % 5 ? "feature-" i % 23 : "app", step[1 + i % 7], outcome[1 + i % 4]
	printf "\n\033[32mBUILD SUCCESSFUL\033[39m in 1m 12s\n%d actionable tasks: %d executed\n", steps, steps / 4
}'
sleep 0.3
mkdir -p app/build
head -c 5200000 /dev/urandom > app/build/app-release.apk
