import { pageRoute } from "../../http/route.ts";
import { searchPage } from "./search_page.tsx";

export const searchPages = [pageRoute({ method: "GET", path: "/search", allow: ["user"], action: "read", handle: searchPage })];
