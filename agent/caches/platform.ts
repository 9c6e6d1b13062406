/** What a machine must be like for a cache to be of use. */
export const PLATFORM = `${process.platform}-${process.arch}`;
