// What FireMode asked servers, by their logs (jsonlog, log_statement = all): `node statements.mjs FOLDER` prints each statement once, on a
// line of its own.

import { createReadStream, readdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

const [folder] = process.argv.slice(2);
const statements = new Set();
for (const file of readdirSync(folder).filter(name => name.endsWith(".json"))) {
    for await (const line of createInterface({ input: createReadStream(join(folder, file)) })) {
        if (!line.includes('"message":"execute ')) continue;
        let event;
        try {
            event = JSON.parse(line);
        } catch {
            // The server was ended in the middle of it.
            continue;
        }
        const statement = /^execute [^:]*: (.*)$/s.exec(event.message)?.[1].replace(/\s+/g, " ").trim();
        // PostgreSQL looks at a copy only when it runs.
        if (event.application_name?.startsWith("firemode") && statement && !statement.startsWith("copy ")) statements.add(statement);
    }
}
for (const statement of statements) console.log(statement);
