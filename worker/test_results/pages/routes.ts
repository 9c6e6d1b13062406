import { pageRoute } from "../../http/route.ts";
import { testsPage } from "./pages.tsx";

export const testResultsPages = [pageRoute({ method: "GET", path: "/tests", allow: ["user"], action: "read", handle: testsPage })];
