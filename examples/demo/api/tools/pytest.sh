#!/bin/sh
# Runs 84 tests. tests/traceback.txt holds the error of a branch. A test that is named in
# tests/flaky.txt fails in the first attempt of a job and passes in the second.
mkdir -p reports
echo "============================= test session starts =============================="
echo "platform linux -- Python 3.13.1, pytest-8.4.2, pluggy-1.6.0"
echo "collected 84 items"
echo
sleep 0.5
if [ -s tests/traceback.txt ]; then
	cat tests/traceback.txt
	echo "=========================== short test summary info ============================"
	echo "ERROR tests/test_export.py - KeyError: 'currency'"
	echo "!!!!!!!!!!!!!!!!!!!! Interrupted: 1 error during collection !!!!!!!!!!!!!!!!!!!!"
	exit 2
fi
flaky=
[ "$CI_ATTEMPT" != 1 ] || flaky=$(cat tests/flaky.txt)
awk -v flaky="$flaky" 'BEGIN {
	modules = split("accounts orders payments export catalog webhooks idempotency search limits auth audit jobs", module, " ")
	tests = split("creates creates_twice reads lists_pages updates rejects_unknown_fields deletes", test, " ")
	print "<?xml version=\"1.0\"?><testsuites><testsuite name=\"pytest\">" > "reports/pytest.xml"
	srand(3)
	for (m = 1; m <= modules; m++) {
		dots = ""
		for (t = 1; t <= tests; t++) {
			name = "test_" test[t]; open = sprintf("<testcase classname=\"tests.test_%s\" name=\"%s\" time=\"%.3f\"", module[m], name, rand() / 5)
			if (flaky == module[m] "::" name) {
				dots = dots "F"
				failed = "AssertionError: assert 409 == 201"
				print open "><failure message=\"" failed "\">tests/test_" module[m] ".py:57: in " name "\n    assert second.status == 201\nE   " failed "\nE    +  where 409 = Response(409, retry-after=1).status</failure></testcase>" > "reports/pytest.xml"
			} else { dots = dots "."; print open "/>" > "reports/pytest.xml" }
		}
		printf "tests/test_%-14s %s %s[%3d%%]\n", module[m] ".py", dots, sprintf("%40s", ""), m * 100 / modules
	}
	print "</testsuite></testsuites>" > "reports/pytest.xml"
	print "<?xml version=\"1.0\"?><coverage><packages><package><classes>" > "reports/coverage.xml"
	for (m = 1; m <= modules; m++) {
		printf "<class filename=\"api/%s.py\"><lines>", module[m] > "reports/coverage.xml"
		for (l = 1; l <= 180; l++) printf "<line number=\"%d\" hits=\"%d\"/>", l, (l + m) % 13 ? 1 : 0 > "reports/coverage.xml"
		print "</lines></class>" > "reports/coverage.xml"
	}
	print "</classes></package></packages></coverage>" > "reports/coverage.xml"
	print failed ? "\n=================== 1 failed, 83 passed in 12.31s ====================" : "\n============================== 84 passed in 12.07s =============================="
	exit failed ? 1 : 0
}'
