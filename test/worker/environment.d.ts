import type { D1Migration } from "@cloudflare/vitest-plugin";
import type { Environment } from "../../worker/bindings.ts";

declare global {
	namespace Cloudflare {
		interface GlobalProps {
			mainModule: typeof import("../../worker/index.ts");
		}
		interface Env extends Environment {
			MIGRATIONS: D1Migration[];
		}
	}
}
