# shellcheck shell=bash
# What `./run.sh test deployment` and `./run.sh test openapi` run. Sourced by run.sh.

# Of 100. What is left is what a server needs: the network, and the folders of the machine.
UNIT_EXPOSURE_MAX=15

check_deployment() {
    require_jq
    if have_check_tool promtool; then
        step "alerts" check_alerts
        step "dashboard" check_dashboard
    fi
    step "figures that alerts and dashboard ask for" check_figures
    if have_check_tool systemd-analyze; then
        step "systemd unit" check_unit
    fi
    if have_check_tool hadolint; then
        step "Dockerfile" hadolint Dockerfile
    fi
    require_node
    install_packages tests/linters
    step "compose.yaml" linter dclint --max-warnings 0 compose.yaml
}

linter() {
    quietly env REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true "tests/linters/node_modules/.bin/$1" "${@:2}"
}

check_alerts() {
    quietly promtool check config --syntax-only deploy/monitoring/prometheus.yaml || return
    quietly promtool test rules deploy/monitoring/*_test.yaml || return
    local alert
    while read -r alert; do
        grep --quiet "^| .*\`$alert\`.* |" docs/operations.md || die "docs/operations.md does not say what the alert $alert means"
        grep --quiet "alertname: $alert" deploy/monitoring/*_test.yaml || die "no test is about the alert $alert"
    done < <(sed -n 's/^ *- alert: //p' deploy/monitoring/alerts.yaml)
}

# Each query is one that Prometheus reads: as the expression of a rule.
check_dashboard() {
    quietly promtool check rules <(jq '{groups: [{name: "dashboard", rules:
        [.panels[].targets // [] | .[].expr | gsub("[$]__rate_interval"; "5m")] | to_entries | map({record: "panel:\(.key)", expr: .value})}]}' \
        deploy/monitoring/dashboard.json)
}

# Alerts on figures that nobody sets would never fire.
check_figures() {
    local figure
    while read -r figure; do
        grep --quiet --recursive --include='*.rs' "\"$figure\"" services/*/src || die "no process has a figure $figure"
    done < <(grep --no-filename --only-matching 'firemode_[a-z_]*' deploy/monitoring/{alerts.yaml,dashboard.json} |
        sed 's/_\(bucket\|sum\|count\)$//' | sort --unique)
}

# The unit as it is, but for the executable, which is not installed here.
check_unit() {
    local folder result=0
    folder=$(mktemp --directory)
    sed 's#/usr/local/bin/firemode#/bin/true#' deploy/firemode.service >"$folder/firemode.service"
    { unit_has_no_faults && quietly systemd-analyze security --offline=true --threshold="$UNIT_EXPOSURE_MAX" \
        "$folder/firemode.service"; } || result=1
    rm -r "$folder"
    return "$result"
}

# A setting that it does not know is a line to systemd, and no failure. Uses folder of its caller.
unit_has_no_faults() {
    local said
    said=$(systemd-analyze verify --recursive-errors=no "$folder/firemode.service" 2>&1) && [[ $said != *firemode.service* ]] && return
    printf '%s\n' "$said" >&2
    return 1
}

# What two public linters say of the document that a test holds against the code.
check_openapi() {
    require_node
    install_packages tests/linters
    step "OpenAPI document, by Redocly" linter redocly lint --config tests/linters/redocly.yaml docs/openapi.json
    step "OpenAPI document, by Spectral" linter spectral lint --ruleset tests/linters/spectral.yaml --fail-severity hint docs/openapi.json
}
