export { queueForecast, startText } from "./queue_forecast.ts";
export { type UsualDurations, usualDurations } from "./usual_durations.ts";
