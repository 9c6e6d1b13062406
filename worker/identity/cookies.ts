import { publicPath } from "../http/public_path.ts";

/** Cookies of this coordinator: scripts do not read them, and other sites do not send them with forms. */

/** The Set-Cookie value. @param maxAge in seconds; 0 deletes the cookie */
export function setCookie(name: string, value: string, maxAge: number, isSecure: boolean): string {
	const path = publicPath() || "/";
	return `${fullName(name, isSecure)}=${value}; Path=${path}; HttpOnly; SameSite=Lax; Max-Age=${maxAge}${isSecure ? "; Secure" : ""}`;
}

/** The value of a cookie of a request; undefined without one. @param isSecure whether the browser uses HTTPS */
export function cookieIn(request: Request, name: string, isSecure: boolean): string | undefined {
	const start = `${fullName(name, isSecure)}=`;
	const cookies = (request.headers.get("Cookie") ?? "").split(/;\s*/);
	return cookies.find((part) => part.startsWith(start))?.slice(start.length);
}

/**
 * Over HTTPS the prefix `__Host-` binds the cookie to this host: no other host of the domain and
 * no page over plain HTTP can set it (RFC 6265bis, 4.1.3.2). It requires the path `/`. Below
 * another path, `__Secure-` excludes plain HTTP (4.1.3.1), and other programs on the host do not
 * get the cookie.
 */
function fullName(name: string, isSecure: boolean): string {
	if (!isSecure) return name;
	return publicPath() === "" ? `__Host-${name}` : `__Secure-${name}`;
}
