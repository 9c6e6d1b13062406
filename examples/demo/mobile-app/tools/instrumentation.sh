#!/bin/sh
echo "INSTRUMENTATION_STATUS: numtests=48"
for test in 1 2 3 4 5 6 7 8; do
	sleep 0.6
	echo "INSTRUMENTATION_STATUS: test=offlineQueueKeepsOrder$test"
done
echo "OK (48 tests)"
