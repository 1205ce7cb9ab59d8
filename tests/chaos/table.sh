#!/usr/bin/env bash
# Makes each fault of README.md's table and prints the table: fault, what is promised, and whether it was seen to hold. The faults are
# made by `cargo test --test chaos` and by the tests that the table names. FIREMODE_BINARY names another executable for the former.
# Exit code: 0 if every promise held that could be tried.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# shellcheck source=scripts/common.sh
. scripts/common.sh

TABLE=tests/chaos/README.md
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# tests_of TEXT: the tests that a text names.
tests_of() {
    grep -o 'it::[a-z0-9_:]*' <<<"$1" | sed 's/^it:://' | sort -u
}

# standing SEEN: held, NOT HELD or NOT RUN, by what the last column names.
standing() {
    local name line word=held
    while read -r name; do
        grep -q "^test $name \.\.\. ok" "$folder/it" || word='NOT HELD'
    done < <(tests_of "$1")
    while read -r name; do
        line=$(grep -E "^(held|NOT RUN) +$name:" "$folder/faults" || true)
        case $line in
            held*) ;;
            'NOT RUN'*) [[ $word == 'NOT HELD' ]] || word='NOT RUN' ;;
            *) word='NOT HELD' ;;
        esac
    done < <(grep -o -- '--fault [a-z-]*' <<<"$1" | cut -d ' ' -f 2)
    # shellcheck disable=SC2016 # It is the text of the table.
    if [[ $1 == *'`tests/chaos`'* ]]; then
        grep -qx sound "$folder/kills" || word='NOT HELD'
    fi
    echo "$word"
}

main() {
    local fault promised seen word result=0
    cargo test --locked --test chaos -- --kills 5 --hangs 3 --reloads 3 2>&1 | tee "$folder/kills" || true
    cargo test --locked --test chaos -- --fault all 2>&1 | tee "$folder/faults" || true
    # shellcheck disable=SC2046 # Names of tests have no blanks.
    cargo test --locked --test it -- --exact $(tests_of "$(cat "$TABLE")") 2>&1 | tee "$folder/it" || true
    say "fault | promised | seen"
    while IFS='|' read -r _ fault promised seen _; do
        word=$(standing "$seen")
        [[ $word != 'NOT HELD' ]] || result=1
        printf '%-8s |%s|%s|%s\n' "$word" "$fault" "$promised" "$seen"
    done < <(sed -n '/^|---/,/^$/p' "$TABLE" | grep '^| ')
    exit "$result"
}

main
