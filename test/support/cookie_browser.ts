/** As much of a browser as sign-ins need: it keeps cookies by host, and follows redirects with GET. */
export class CookieBrowser {
	readonly #cookies = new Map<string, Map<string, string>>();
	/** The addresses it was at, the newest last. */
	readonly visited: string[] = [];

	/** Opens an address. @param until stops before an address for which it is true */
	async open(address: string, until: (url: URL) => boolean = () => false): Promise<Response> {
		let url = new URL(address);
		for (let hops = 0; hops < 20; hops += 1) {
			this.visited.push(url.href);
			const response = await fetch(url, { redirect: "manual", headers: { Cookie: this.#header(url), Accept: "text/html" } });
			this.#keep(url, response);
			const location = response.headers.get("Location");
			if (location === null) return response;
			const next = new URL(location, url);
			if (until(next)) return response;
			await response.body?.cancel();
			url = next;
		}
		throw new Error(`too many redirects: ${this.visited.join(" ")}`);
	}

	/** Sends a form, and follows the answer. */
	async submit(address: string, fields: Record<string, string>): Promise<Response> {
		const url = new URL(address);
		const body = new URLSearchParams(fields);
		const headers = { ...this.headers(address), Accept: "text/html" };
		const response = await fetch(url, { method: "POST", redirect: "manual", headers, body });
		this.#keep(url, response);
		const location = response.headers.get("Location");
		return location === null ? response : this.open(new URL(location, url).href);
	}

	/** The headers of a request to a host as this browser. */
	headers(address: string): Record<string, string> {
		const url = new URL(address);
		return { Cookie: this.#header(url), Origin: url.origin };
	}

	/** Takes a cookie into a copy, as a thief would. */
	copy(): CookieBrowser {
		const other = new CookieBrowser();
		for (const [host, cookies] of this.#cookies) other.#cookies.set(host, new Map(cookies));
		return other;
	}

	#header({ host }: URL): string {
		return [...(this.#cookies.get(host) ?? [])].map(([name, value]) => `${name}=${value}`).join("; ");
	}

	#keep({ host }: URL, response: Response): void {
		const cookies = this.#cookies.get(host) ?? new Map<string, string>();
		this.#cookies.set(host, cookies);
		for (const line of response.headers.getSetCookie()) {
			const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
			const isDeleted = /;\s*Max-Age=0/i.test(line) || /expires=Thu, 01 Jan 1970/i.test(line);
			if (isDeleted) cookies.delete(name);
			else cookies.set(name, value);
		}
	}
}
