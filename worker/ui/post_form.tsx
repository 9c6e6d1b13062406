import type { JSX } from "preact";
import { formAddress, mayReaderPost } from "./parts.ts";

/** A form that changes something. A reader whose role may not do that does not see it. */
export function PostForm({ action, ...others }: JSX.IntrinsicElements["form"] & { action: string }) {
	return mayReaderPost(action) ? <form method="post" action={formAddress(action)} {...others} /> : null;
}
