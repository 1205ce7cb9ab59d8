# shellcheck shell=bash
# What `./run.sh package` makes: a release archive. Sourced by run.sh.

CARGO_CYCLONEDX_VERSION=0.5.9

# package: builds, and writes firemode-VERSION-PLATFORM.tar.gz and its hash into target/package. FIREMODE_BINARY names an executable that
# is built already.
package() {
    local target=${CARGO_TARGET_DIR:-target} binary name folder
    binary=${FIREMODE_BINARY:-}
    require_cargo
    require_jq
    have_check_tool cargo-cyclonedx || die "cargo-cyclonedx, which lists what is in the executable, could not be installed"
    if [[ -z $binary ]]; then
        set_up_to_build
        build
        binary=$target/release/firemode
    fi
    name="firemode-$("$binary" --version | cut -d ' ' -f 2)-$(uname -m)-linux"
    folder="$target/package/$name"
    rm -rf "$folder" && mkdir -p "$folder"
    install -m 755 "$binary" "$folder/firemode"
    step "listing what is in it (SBOM)" write_sbom "$folder/sbom.cdx.json"
    step "collecting licences" collect_licences "$folder"
    copy_what_operators_need "$folder"
    (cd "$folder" && find . -type f -printf '%P\n' | LC_ALL=C sort | xargs -d '\n' sha256sum) >"$folder.sha256"
    mv "$folder.sha256" "$folder/SHA256SUMS"
    step "packing" pack "$target/package" "$name"
    say "$target/package/$name.tar.gz: $(du -h "$target/package/$name.tar.gz" | cut -f 1)"
}

install_cargo_cyclonedx() {
    install_crate cargo-cyclonedx "$CARGO_CYCLONEDX_VERSION"
}

# write_sbom FILE: in CycloneDX, with each crate that is compiled for this platform. The tool writes beside each Cargo.toml, and names
# the folder that this is done in.
write_sbom() {
    local name=firemode.sbom
    SOURCE_DATE_EPOCH=$(date --date "$(time_of_source)" +%s) quietly cargo cyclonedx --manifest-path Cargo.toml --format json --spec-version 1.5 --target "$(rust_host)" \
        --override-filename "$name" || return
    sed "s#file://$PWD#file:///firemode#g" "$name.json" >"$1"
    rm -f "$name.json" fuzz/"$name.json" services/*/"$name.json"
}

rust_host() {
    rustc -vV | sed -n 's/^host: //p'
}

# collect_licences FOLDER: ours, and of each crate of the list the texts that its authors ship. What ships none is named in
# licences/without-text.csv with its terms, whose texts other crates have.
collect_licences() {
    local name version folder terms
    install -m 644 LICENSE "$1/LICENSE"
    mkdir "$1/licences"
    while IFS=$'\t' read -r name version folder terms; do
        mkdir "$1/licences/$name-$version"
        find "$folder" -maxdepth 1 -type f -iregex '.*/\(licen[cs]e\|copying\|notice\|unlicense\|copyright\).*' \
            -exec install -m 644 -t "$1/licences/$name-$version" {} +
        if rmdir "$1/licences/$name-$version" 2>/dev/null; then
            printf '%s,%s,"%s"\n' "$name" "$version" "$terms"
        fi
    done < <(crates_of "$1/sbom.cdx.json") >"$1/licences/without-text.csv"
}

# crates_of SBOM: name, version, folder and terms of each crate that is not ours.
crates_of() {
    cargo metadata --format-version 1 --locked | jq --raw-output --slurpfile sbom "$1" '
        ([$sbom[0].components[] | {key: "\(.name) \(.version)", value: true}] | from_entries) as $wanted
        | .packages[] | select(.source != null and $wanted["\(.name) \(.version)"])
        | [.name, .version, (.manifest_path | rtrimstr("/Cargo.toml")), (.license // "see its file")] | @tsv'
}

# copy_what_operators_need FOLDER
copy_what_operators_need() {
    mkdir -p "$1/config" "$1/deploy" "$1/docs/runbook" "$1/scripts"
    install -m 644 config/default.toml config/production.toml "$1/config"
    install -m 644 .env.example "$1/deploy/firemode.env.example"
    install -m 644 deploy/firemode.service "$1/deploy"
    cp --recursive deploy/monitoring "$1/deploy"
    install -m 644 README.md CHANGELOG.md "$1"
    install -m 644 docs/{api,capacity,deployment,errors,operations,security}.md docs/openapi.json "$1/docs"
    install -m 644 docs/runbook/*.md "$1/docs/runbook"
    install -m 755 scripts/deploy.sh "$1/scripts"
    install -m 644 scripts/common.sh "$1/scripts"
}

# pack FOLDER NAME: the same files make the same archive, whoever packs them and when.
pack() {
    tar --create --directory "$1" --sort=name --owner=0 --group=0 --numeric-owner --mode='u+w,go-w' --mtime="$(time_of_source)" "$2" |
        gzip --no-name >"$1/$2.tar.gz"
    (cd "$1" && sha256sum "$2.tar.gz" >"$2.tar.gz.sha256")
}

time_of_source() {
    git log -1 --format=%cI 2>/dev/null || date -Iseconds
}
