#!/bin/sh
# Prints what `playwright test` prints for a browser and a viewport.
browser=$1 viewport=$2
echo "Running 18 tests using 4 workers ($browser, $viewport)"
sleep 0.4
awk -v browser="$browser" 'BEGIN { for (i = 1; i <= 900; i++) printf "  \033[2mpw:api\033[22m [%s] => page.request GET https://shop.acme.example/v1/items/%05d finished with 200 in %d ms\n", browser, i * 37, 4 + i % 60 }'
for test in "search finds a product" "a product goes into the cart" "the cart survives a reload" "checkout with a card" "checkout with an invoice" "a guest becomes a customer"; do
	printf '  \033[32m✓\033[39m  [%s] › %s \033[2m(1.2s)\033[22m\n' "$browser" "$test"
done
case "$browser $viewport" in
"webkit phone" | "firefox tablet") ;;
*) printf '\n  \033[32m18 passed\033[39m (9.4s)\n'; exit 0 ;;
esac
cat <<END

  1) [$browser] › tests/saved-carts.spec.ts:41:3 › a saved cart can be opened again

    Error: Timed out 5000ms waiting for expect(locator).toBeVisible()

    Locator: getByRole('button', { name: 'Open cart' })
    Expected: visible
    Received: hidden

      39 |   await page.getByRole('link', { name: 'Saved carts' }).click();
    > 41 |   await expect(page.getByRole('button', { name: 'Open cart' })).toBeVisible();
         |                                                                ^

        at /workspace/tests/saved-carts.spec.ts:41:64

  1 failed
  17 passed (14.8s)
END
exit 1
