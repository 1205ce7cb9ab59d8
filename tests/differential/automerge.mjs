// The official JavaScript library, from the packages that the walk-through has installed.
import { createRequire } from "node:module";

export default createRequire(new URL("../walkthrough/package.json", import.meta.url))("@automerge/automerge");
