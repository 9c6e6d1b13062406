#!/bin/sh
# Writes a bundle of a few megabytes, and prints what `vite build` prints.
mkdir -p dist/assets maps
echo "vite v7.1.4 building for production..."
sleep 0.4
head -c 1900000 /dev/urandom | base64 -w 160 > dist/assets/app.js
head -c 420000 /dev/urandom | base64 -w 160 > dist/assets/vendor.js
head -c 60000 /dev/urandom | base64 -w 160 > dist/assets/app.css
head -c 1400000 /dev/urandom | base64 -w 160 > maps/app.js.map
echo '<!doctype html><title>Shop</title><script type="module" src="/assets/app.js"></script>' > dist/index.html
printf '\033[32m✓\033[39m 1482 modules transformed.\n'
for file in dist/index.html dist/assets/app.css dist/assets/vendor.js dist/assets/app.js; do
	printf '%-28s %9d bytes\n' "$file" "$(wc -c < "$file")"
done
printf '\033[32m✓ built in 4.82s\033[39m\n'
