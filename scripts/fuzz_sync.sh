# shellcheck shell=bash
# What `./run.sh fuzz_sync` runs. Sourced by run.sh.

# fuzz_sync [REQUESTS [SEED]]: plays histories of several devices on one session to the FireMode at FIREMODE_BASE_URL, and compares it
# with the official JavaScript library of Automerge. It makes an organisation of its own: only for one that may be thrown away.
fuzz_sync() {
    load_env_file .env
    require_node
    install_packages tests/walkthrough
    exec node tests/differential/differential.mjs "$@"
}
