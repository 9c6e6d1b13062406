/** Files that the bundle carries as text (wrangler.toml, rules). */
declare module "*.css" {
	const text: string;
	export default text;
}
declare module "*.browser.js" {
	const text: string;
	export default text;
}

// Preact's types bring the browser's view of these along, without the parts that workerd adds.
interface Crypto {
	readonly DigestStream: typeof DigestStream;
}
interface SubtleCrypto {
	timingSafeEqual(a: ArrayBuffer | ArrayBufferView, b: ArrayBuffer | ArrayBufferView): boolean;
}
interface ReadableStreamBYOBReader {
	read<View extends ArrayBufferView>(view: View, options: { min: number }): Promise<ReadableStreamReadResult<View>>;
}
