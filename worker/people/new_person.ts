import { newId } from "../../schema/wire/ids.ts";
import type { Token } from "../identity/tokens_store.ts";

/** The row of a new person. */
export function newPerson(person: Pick<Token, "team" | "name" | "role" | "created_by" | "created_at">): Token {
	const id = newId("person");
	return {
		...{ ...person, id, kind: "person", projects: null, person_id: null },
		// Nothing has this digest: only sessions stand for a person.
		...{ hash: `person ${id}`, expires_at: null, revoked_at: null, last_used_on: null, last_used_from: null },
	};
}
