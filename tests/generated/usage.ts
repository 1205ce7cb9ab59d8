// What the types of the document promise those who use them: this compiles, and what is marked as an error is one.
import type { components, paths } from "firemode-schema";

type Schemas = components["schemas"];
type Item = Schemas["Item"];
type Json<Answer> = Answer extends { content: { "application/json": infer Body } } ? Body : never;
type Sessions = Json<paths["/v1/tests/sessions"]["get"]["responses"]["200"]>;
type Session = Json<paths["/v1/tests/sessions/{session_id}"]["get"]["responses"]["200"]>;
type Results = paths["/v1/tests/sessions/{session_id}/results"]["post"]["requestBody"]["content"];
type Refused = paths["/v1/buildings"]["post"]["responses"]["422"]["content"]["application/problem+json"];

export const outcomes: Item["outcome"][] = ["pass", "fail", "not_tested", "not_applicable", null];
// @ts-expect-error an outcome is one of four words
export const shouted: Item["outcome"] = "FAIL";

export function failed(session: Session): string[] {
  const items = Object.entries(session.document.items);
  return items.filter(([, item]) => item.outcome === "fail").map(([id, item]) => item.label ?? id);
}

export function next(page: Sessions): string | null {
  const names: (string | null | undefined)[] = page.data.map((session) => session.technician_name);
  return names.length > 0 ? page.next_cursor : null;
}

export const results: Results = {
  "application/json": {
    changes: [{ op: "set", path: "/items/door-7/outcome", value: "pass", actor_id: "tablet-3", timestamp: "2026-11-21T08:30:00Z" }],
  },
  "application/vnd.automerge": "",
};
// @ts-expect-error there is no such operation
export const operation: Schemas["Operation"]["op"] = "replace";

export const bounds = (problem: Refused): string[] => (problem.errors ?? []).map((error) => `${error.field}: ${error.message}`);
