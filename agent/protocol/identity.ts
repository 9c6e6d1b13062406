/** An agent as its coordinator knows it. */
export interface Identity {
	id: string;
	name: string;
	token: string;
	/** The coordinator's address. */
	server: string;
}

/** The state that an agent stores, so that its next process is the same agent. */
export interface AgentMemory {
	/** Null for an agent that is not registered. */
	readonly identity: Identity | null;
	/** A registration that is repeated with the same key returns the same agent. */
	readonly registrationKey: string;
	storeIdentity(identity: Identity): Promise<void>;
	/** Deletes the identity, and chooses another registration key. */
	deleteIdentity(): Promise<void>;
	/** The number of this session. It is stored before it is used. */
	nextSession(): Promise<number>;
	/** The key with which the agent asks for its next token. It is stored before it is used. */
	rotationKey(): Promise<string>;
	/** Stores the next token, and deletes the rotation key. */
	storeRotated(identity: Identity): Promise<void>;
}
