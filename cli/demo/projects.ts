import { FAILING_TESTS, TERRAFORM_ERROR, TRACEBACK, TSC_ERRORS } from "./failures.ts";
import type { Person } from "./people.ts";

/** The projects of the content: what their teams have committed, pushed and proposed. */

/** A commit. Its files are laid over those of its parent. */
export interface Change {
	author: Person;
	subject: string;
	files?: Record<string, string>;
}

export interface Branch {
	name: string;
	changes: Change[];
	/** `fork`: its owner has no access to the repository. */
	pullRequest?: { number: number; title: string; fork?: Person };
}

export interface DemoProject {
	name: string;
	/** Commits of the default branch that history has runs of, oldest first. */
	past: [author: Person, subject: string][];
	/** The numbers of the failed runs of history. */
	failed: number[];
	/** The numbers of the runs of history that were of a feature branch, with the branches. */
	pastBranches: [number: number, branch: string][];
	/** Commits of the default branch of today. Each waits for the runs of the one before. */
	pushed: Change[];
	/** Pushed at once. */
	branches: Branch[];
}

const SLOW_DEVICES = { "device-farm.txt": "900\n" };

export const PROJECTS: DemoProject[] = [
	{
		name: "web",
		past: [
			["ada", "Show the delivery date on the product page"],
			["renovate", "Update dependency react to v19.2.0"],
			["kim", "Let customers sort the search results by price"],
			["grace", "Fix the focus order of the address form"],
			["ada", "Load product images lazily"],
			["kim", "Remember the last used payment method"],
			["renovate", "Update dependency msw to v2.11.3"],
			["grace", "Replace moment by date-fns"],
			["ada", "Add a skip link to the header"],
			["kim", "Show stock of the nearest shop"],
			["grace", "Fix double submit of the checkout form"],
			["ada", "Split the bundle of the account pages"],
			["renovate", "Update dependency vitest to v3.2.4"],
			["kim", "Translate the checkout into Finnish"],
			["grace", "Measure the time to the first interaction"],
			["ada", "Use the new search endpoint"],
			["kim", "Keep filters when going back to the results"],
			["renovate", "Update playwright to v1.56.0"],
			["grace", "Fix rounding of discounts in the cart"],
			["ada", "Validate voucher codes while typing"],
			["kim", "Add structured data to product pages"],
			["grace", "Drop support for the old gift card form"],
			["ada", "Show an estimate of the shipping costs"],
			["renovate", "Update dependency zod to v4.1.12"],
			["kim", "Cache the category tree for an hour"],
			["grace", "Fix flicker of the mobile menu"],
			["ada", "Merge the carts of a guest at sign-in"],
			["kim", "Let customers cancel an order within ten minutes"],
			["grace", "Log unhandled rejections to the error tracker"],
			["ada", "Use the price of the order, not of the catalog"],
		],
		failed: [4, 11, 18, 23, 27],
		pastBranches: [
			[4, "fix/address-focus"],
			[11, "fix/double-submit"],
			[14, "feat/finnish"],
			[18, "renovate/playwright"],
			[23, "feat/shipping-costs"],
			[27, "feat/merge-carts"],
		],
		pushed: [
			{ author: "grace", subject: "Send the order confirmation from the API" },
			{ author: "kim", subject: "Show the total of saved carts in the header" },
			{
				author: "ada",
				subject: "Format amounts with Intl.NumberFormat",
				files: { "test/failing.txt": FAILING_TESTS },
			},
		],
		branches: [
			{
				name: "feat/saved-carts",
				changes: [
					{ author: "kim", subject: "Store carts under a name" },
					{ author: "kim", subject: "List saved carts in the account" },
				],
				pullRequest: { number: 412, title: "Saved carts" },
			},
			{
				name: "fix/typed-env",
				changes: [
					{ author: "grace", subject: "Type the environment of the build", files: { "tsc-errors.txt": TSC_ERRORS } },
					{ author: "grace", subject: "Read the session's end from the token" },
				],
			},
			{
				name: "feat/gift-wrap",
				changes: [
					{ author: "ada", subject: "Offer gift wrap in the cart" },
					{ author: "ada", subject: "Charge for gift wrap" },
				],
			},
			{ name: "renovate/vite-7.x", changes: [{ author: "renovate", subject: "Update dependency vite to v7.1.4" }] },
			{ name: "release/2.14", changes: [{ author: "grace", subject: "Release 2.14.0" }] },
		],
	},
	{
		name: "api",
		past: [
			["grace", "Return 409 for a second order with the same key"],
			["ada", "Index orders by customer and time"],
			["renovate", "Update dependency fastapi to v0.119.0"],
			["kim", "Validate IBANs of refunds"],
			["grace", "Stream exports instead of building them in memory"],
			["ada", "Retry webhooks with exponential backoff"],
			["kim", "Add rate limits to the search endpoint"],
			["renovate", "Update python Docker tag to v3.13.1"],
			["grace", "Fix pagination of archived orders"],
			["ada", "Log the request id with every error"],
			["kim", "Deprecate /v1/basket"],
			["grace", "Move audit events to their own table"],
			["ada", "Reject unknown fields in PATCH requests"],
			["renovate", "Update dependency sqlalchemy to v2.0.44"],
			["kim", "Send the order confirmation from a worker"],
			["grace", "Cut the time of the catalog query by half"],
			["ada", "Support partial refunds"],
			["kim", "Close idle database connections"],
			["grace", "Return ETags for catalog pages"],
			["ada", "Delete expired idempotency keys every night"],
			["renovate", "Update dependency pytest to v8.4.2"],
			["kim", "Accept amounts in minor units only"],
		],
		failed: [5, 14],
		pastBranches: [
			[5, "feat/streamed-exports"],
			[10, "feat/request-ids"],
			[14, "renovate/sqlalchemy"],
			[17, "feat/partial-refunds"],
		],
		pushed: [
			{ author: "ada", subject: "Add an endpoint for saved carts" },
			{ author: "grace", subject: "Use server-side cursors for exports" },
			{ author: "kim", subject: "Document the errors of the payments API" },
		],
		branches: [
			{
				name: "feat/bulk-export",
				changes: [{ author: "kim", subject: "Export orders of several shops at once", files: { "tests/traceback.txt": TRACEBACK } }],
				pullRequest: { number: 233, title: "Bulk export of orders" },
			},
			{
				name: "fix/idempotency-keys",
				changes: [
					{
						author: "grace",
						subject: "Wait for the first request with the same key",
						files: { "tests/flaky.txt": "idempotency::test_creates_twice\n" },
					},
				],
			},
			{ name: "feat/ranking-model", changes: [{ author: "ada", subject: "Train the ranking with clicks of the last 90 days" }] },
			{ name: "perf/order-list", changes: [{ author: "grace", subject: "Load the order list in one query" }] },
			{ name: "renovate/redis-6.x", changes: [{ author: "renovate", subject: "Update dependency redis to v6.4.0" }] },
		],
	},
	{
		name: "mobile-app",
		past: [
			["kim", "Show order status in a live activity"],
			["ada", "Open deep links of the shop in the app"],
			["renovate", "Update kotlin monorepo to v2.2.20"],
			["kim", "Cache images on disk"],
			["grace", "Fix crash at sign-out without a network"],
			["kim", "Use the system's photo picker"],
			["ada", "Ask for notifications after the first order"],
			["renovate", "Update dependency okhttp to v5.1.0"],
			["kim", "Speed up the cold start by 300 ms"],
			["grace", "Support dynamic colors"],
			["kim", "Fix scrolling of long carts"],
			["ada", "Scan vouchers with the camera"],
			["kim", "Raise the minimum Android version to 9"],
		],
		failed: [],
		pastBranches: [[4, "feat/image-cache"]],
		pushed: [
			{ author: "kim", subject: "Show saved carts on the start page" },
			{ author: "grace", subject: "Sync the cart in the background", files: SLOW_DEVICES },
		],
		branches: [
			{ name: "feat/offline-mode", changes: [{ author: "kim", subject: "Queue orders while offline" }] },
			{ name: "feat/passkeys", changes: [{ author: "ada", subject: "Sign in with a passkey", files: SLOW_DEVICES }] },
			{ name: "renovate/gradle-9.x", changes: [{ author: "renovate", subject: "Update dependency gradle to v9.1.0" }] },
		],
	},
	{
		name: "infra",
		past: [
			["ada", "Add a second NAT gateway in eu-west"],
			["grace", "Rotate the keys of the backup bucket"],
			["ada", "Raise the memory of the search nodes"],
			["renovate", "Update Terraform aws to v6.17.0"],
			["kim", "Send logs of the edge to the new bucket"],
			["ada", "Drop the old bastion host"],
			["grace", "Alert on certificates that end within 14 days"],
			["ada", "Move the database to gp3 volumes"],
			["kim", "Allow the app's CDN to read the image bucket"],
			["ada", "Pin the versions of all modules"],
			["grace", "Add a budget alert for us-east"],
			["ada", "Enable deletion protection for the databases"],
		],
		failed: [5, 9],
		pastBranches: [
			[5, "feat/edge-logs"],
			[9, "feat/image-bucket"],
		],
		pushed: [
			{ author: "grace", subject: "Scale the API by the length of its queue" },
			{ author: "ada", subject: "Give the saved carts a database of their own" },
		],
		branches: [
			{
				name: "feat/eu-north",
				changes: [{ author: "kim", subject: "Add the region eu-north", files: { "terraform-error.txt": TERRAFORM_ERROR } }],
			},
			{ name: "renovate/terraform-1.x", changes: [{ author: "renovate", subject: "Update dependency terraform to v1.13.4" }] },
		],
	},
	{
		name: "docs-site",
		past: [
			["grace", "Describe partial refunds"],
			["ada", "Add a page about rate limits"],
			["kim", "Fix links to the mobile guide"],
			["grace", "Document the new error codes"],
			["renovate", "Update dependency astro to v5.14.1"],
			["ada", "Explain idempotency keys with an example"],
			["grace", "Add a search box to the sidebar"],
			["kim", "Describe deep links"],
			["ada", "Remove the guide for /v1/basket"],
			["grace", "Show code samples in five languages"],
			["kim", "Fix typos in the webhook guide"],
			["ada", "Add a glossary"],
			["renovate", "Update dependency sharp to v0.34.4"],
			["grace", "Describe how to verify webhooks"],
			["kim", "Add screenshots of the dashboard"],
			["ada", "Sort the API reference by resource"],
			["grace", "Describe server-side cursors"],
			["kim", "Fix the anchor of long headings"],
		],
		failed: [],
		pastBranches: [
			[7, "docs/search"],
			[14, "docs/webhooks"],
		],
		pushed: [
			{ author: "ada", subject: "Describe saved carts" },
			{ author: "grace", subject: "Add a quickstart for Kotlin" },
			{ author: "kim", subject: "Mention the limits of saved carts" },
		],
		branches: [
			{
				name: "docs/payments",
				changes: [{ author: "grace", subject: "List the errors of the payments API" }],
				pullRequest: { number: 87, title: "Errors of the payments API" },
			},
			{
				name: "fix-typo",
				changes: [{ author: "jonas", subject: "Fix a typo in the quickstart" }],
				pullRequest: { number: 88, title: "Fix a typo in the quickstart", fork: "jonas" },
			},
			{ name: "renovate/astro-5.x", changes: [{ author: "renovate", subject: "Update dependency astro to v5.15.2" }] },
		],
	},
];
