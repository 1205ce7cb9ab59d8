# shellcheck shell=bash
# Lets an organisation grow by years, for the stack that stack.sh has started. Sourced, after drive.sh.

# shellcheck disable=SC2154 # stack.sh and drive.sh set data_dir and work_dir.

# Each session that is copied has so many changes.
CHANGES_EACH=100

sql() {
    PGOPTIONS='-c firemode.purpose=operator' psql -XAtq -v ON_ERROR_STOP=1 -h "$data_dir/postgres/socket" -U firemode -d firemode "$@"
}

# What is copied later, made through the API: a building with an asset, sessions with changes, and what the audit log says of them. SESSION.
prepare_originals() {
    SESSIONS_COUNT=3 prepare_sessions
    SESSION=$(head -n 1 "$work_dir/sessions")
    URL=$FIREMODE_BASE_URL SESSIONS=$work_dir/sessions CHANGES=$CHANGES_EACH node load/many_sessions/fill.mjs
    # What the audit log says of a request that is like most.
    post "/v1/tests/sessions/$SESSION/results" "{\"changes\": [{\"op\": \"set\", \"path\": \"/items/$ITEM/notes\", \"value\": \"dry\",
        \"actor_id\": \"device-0\", \"timestamp\": \"2026-02-13T01:02:03Z\"}]}" >/dev/null
    # The worker has to be done with the session's row: it is copied as it is.
    sleep 5
}

# grow PARTS: by 100 buildings, 10,000 assets, 1,000 sessions, 100,000 results and 300,000 audit rows, so many times over.
grow() {
    URL=$FIREMODE_BASE_URL COUNT=$(awk -v parts="$1" 'BEGIN { print parts * 100 }') node load/reads/buildings.mjs
    sql -v organisation="$ORGANISATION" -v building="$BUILDING" -v session="$SESSION" -v parts="$1" -f load/reads/years.sql
}
