import { present } from "./globals.ts";

/** The logs of agents are part of the course of events. */
export function log(_level: string, text: string): void {
	const world = present();
	world.note(`${world.life.name} says: ${text.split("\n", 1)[0]}`);
}
