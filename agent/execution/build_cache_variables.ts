import type { BuildCacheAccess, BuildTool } from "../../schema/wire/build_caches.ts";

/** What a tool needs to know. */
interface Place {
	/** The address of the tool's cache. */
	url: string;
	/** The same with the token in it. */
	urlWithToken: string;
	token: string;
	/** The folder for temporary files of the job. */
	temporary: string;
}

/** The name beside the token, for tools that send both. */
const USER = "job";

/** The variables that each tool reads. Gradle and Bazel read none: their settings name these. */
const VARIABLES: Readonly<Record<BuildTool, (place: Place) => Record<string, string>>> = {
	bazel: ({ urlWithToken }) => ({ CI_BAZEL_CACHE: urlWithToken }),
	ccache: ({ urlWithToken }) => ({ CCACHE_REMOTE_STORAGE: urlWithToken }),
	gradle: ({ url, token }) => ({ CI_GRADLE_CACHE_URL: `${url}/`, CI_GRADLE_CACHE_USER: USER, CI_GRADLE_CACHE_PASSWORD: token }),
	sccache: ({ url, token, temporary }) => ({
		SCCACHE_WEBDAV_ENDPOINT: url,
		SCCACHE_WEBDAV_TOKEN: token,
		// Its server has the token of one job, so each job has a server of its own.
		SCCACHE_SERVER_UDS: `${temporary}/sccache`,
	}),
	turbo: ({ url, token }) => ({ TURBO_API: url, TURBO_TOKEN: token, TURBO_TEAM: "windlass" }),
};

/**
 * The variables for the build tools of a job.
 * @param server the coordinator's address, as the agent knows it
 */
export function buildCacheVariables(server: string, access: BuildCacheAccess | null, temporary: string): Record<string, string> {
	if (access === null) return {};
	const { token, path, tools } = access;
	const placeOf = (tool: BuildTool): Place => {
		const url = `${server}${path}/${tool}`;
		return { url, urlWithToken: url.replace("://", `://${USER}:${token}@`), token, temporary };
	};
	return Object.assign({}, ...tools.map((tool) => VARIABLES[tool](placeOf(tool))));
}
