import { present } from "./globals.ts";

/** What agents say is part of the course of events. */
export function say(_level: string, text: string): void {
	const world = present();
	world.note(`${world.life.name} says: ${text.split("\n", 1)[0]}`);
}
